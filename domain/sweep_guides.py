"""What the sweep and the watch over webhooks found, as people are told, beside ``domain.case_guides``.

The sweep closes its cases by itself where it finds them mended (``orderwright sync run``): nobody acts on them here.
"""

from domain.case_guides import CaseGuide


def _guide(what: str, fix: str) -> CaseGuide:
    return CaseGuide(title=f"Order {{0}}:{{1}} {what}", fix=fix, acts=(), hours=8)


SWEEP_GUIDES = {
    "duplicate_in_erp": _guide(
        "is in the ERP twice",
        "Cancel the one that is wrong in the ERP before both ship, or correct its reference where it is another order.",
    ),
    "entered_by_hand": _guide(
        "was entered in the ERP by hand",
        "Cancel the record made by hand, and the next sweep enters the order; or carry it by hand to its end.",
    ),
    "only_in_erp": _guide(
        "is in the ERP, but not in the storefront",
        "Find out where it came from; cancel it in the ERP, or correct its web id.",
    ),
    "gone_from_erp": _guide(
        "is gone from the ERP", "Find out who removed it; bring it back there, or refund the buyer."
    ),
    "unreadable_in_erp": _guide("cannot be read in the ERP", "Correct the record in the ERP."),
    "stuck": _guide(
        "is carried, but does not arrive",
        "Open its workflow in the Temporal UI: the reason stands in its pending activity.",
    ),
    "not_carried_on": _guide(
        "does not reach the ERP", "It was started again in vain: its story says why (orderwright order show)."
    ),
    "canceled_in_storefront_only": _guide(
        "is canceled, but not in the ERP", "Stop it in the ERP, or take it back as a return."
    ),
    "canceled_in_erp_only": _guide(
        "is canceled in the ERP alone",
        "Cancel it in the storefront too and give the money back, or enter it in the ERP again.",
    ),
    "edit_unheard": _guide(
        "was edited, and its workflow does not take it",
        "Its story says why (orderwright order show); make the same change in the ERP.",
    ),
    "shipment_untold": _guide(
        "left the house, and the storefront does not show it",
        "Create the fulfillment in the storefront by hand, and take the money there.",
    ),
    "silence": CaseGuide(
        title="Webhooks of {0} stay away",
        fix="See whether they are still registered in the storefront, and whether our address answers from outside. "
        "The next webhook closes the case; the sweep finds the orders meanwhile.",
        acts=(),
        hours=4,
    ),
}
