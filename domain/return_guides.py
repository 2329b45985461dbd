"""What causes of trouble with returns mean to people, beside those of ``domain.case_guides``."""

from domain.case_guides import CaseAct, CaseGuide

_RETRY = (CaseAct.RETRY,)
"""Goods have left, and come back: nothing is left to cancel."""
_DAY, _TWO_DAYS = 24, 48


def _guide(title: str, fix: str, hours: int = _TWO_DAYS) -> CaseGuide:
    return CaseGuide(title=title, fix=fix, acts=_RETRY, hours=hours)


RETURN_GUIDES = {
    "return_requested": _guide(
        "Return {0}:{1} is asked for, and nobody has agreed",
        "Agree: resubmit (or orderwright return approve). Or end it, with the reason for which you decline "
        "(orderwright return end).",
    ),
    "return_inspection": _guide(
        "Goods of return {0}:{1} are back, and nobody has said what becomes of them",
        "Say it of each unit (orderwright return inspect: restock, scrap, reject); resubmit puts all of them back in "
        "stock.",
    ),
    "refund_exceeds_payment": _guide(
        "A payment holds less than is to be refunded",
        "See in the storefront what was refunded by hand; resubmit, and the money is worked out anew from the rest. "
        "Where all of it was given back by hand, end the return (orderwright return end).",
        _DAY,
    ),
    "not_returnable": _guide(
        "Units are to be refunded that the storefront does not count as delivered",
        "See in the storefront what was refunded or taken off by hand. Where that was for this return, and the ERP has "
        "credited it, end the return (orderwright return end); the order's proof tells what differs still. Otherwise "
        "put it right there, then resubmit.",
        _DAY,
    ),
    "return_canceled": _guide(
        "A return was canceled in the ERP, and is to be credited",
        "Find out who canceled it. Where the goods are there, enter them in the ERP as a new return; end this one "
        "(orderwright return end), with the reason.",
    ),
    "return_received": _guide(
        "A return is to be given up, and its goods have come in",
        "Settle it: say what becomes of the goods (orderwright return inspect).",
    ),
    "return_grew": _guide(
        "More of order {0}:{1} came back while its return was being settled",
        "Say what becomes of all of it (orderwright return inspect), or resubmit: it is looked at anew.",
        _DAY,
    ),
    "return_settled": _guide(
        "A return is to be given up, and it is credited already",
        "Nothing of it can be taken back; resubmit, and the money is given back as it was credited.",
    ),
    "return_exceeds_shipped": _guide(
        "More of order {0}:{1} is to come back than has left",
        "See in the ERP which units have left and which are on another return. Correct the return in the storefront, "
        "or end it (orderwright return end).",
    ),
    "return_short": _guide(
        "More of order {0}:{1} is to be settled than came in",
        "See in the ERP what the warehouse has received; inspect the return again by that, or let the rest be "
        "received, then resubmit.",
    ),
    "return_stocked_otherwise": _guide(
        "Goods of order {0}:{1} were put away otherwise than they are to be settled",
        "Inspect the return again as the warehouse put the goods away. Or cancel the return shipment in the ERP, reset "
        "it to draft and receive it again, without putting anything away; then resubmit.",
    ),
    "return_missing": _guide(
        "The ERP shows no trace of a return that it has taken",
        "Look in the ERP who removed its return shipment or its credit, bring it back, then resubmit.",
        _DAY,
    ),
    "return_unknown": _guide(
        "The storefront has no such return any more",
        "See there who removed it. End the return here (orderwright return end), or settle it by hand.",
        _DAY,
    ),
    "return_warehouse_unknown": _guide(
        "Nobody can tell which warehouse takes a return in",
        "Nothing of its lines has left a warehouse. Name the ERP's warehouse as warehouse in [returns] of the mapping "
        "for later returns. End this one (orderwright return end), and give the money back "
        "without goods (orderwright order return --without-goods).",
        _DAY,
    ),
    "payment_unknown": _guide(
        "A payment that is to be given back is not at the storefront",
        "See in the storefront what became of the payment; resubmit, and the money is worked out anew. Where you gave "
        "it back another way, end the return (orderwright return end).",
        _DAY,
    ),
    "variant_unknown": _guide(
        "The storefront sells nothing with the SKU {0}",
        "Put it on sale there, then resubmit. An operator's exchange is asked for again after a resubmit, by its right "
        "SKU (orderwright order return --exchange).",
        _DAY,
    ),
    "exchange_closed": _guide(
        "What a buyer is to get in exchange cannot be sent: the return is over in the storefront",
        "See there who closed it. Open it again there, then resubmit; or end the return here (orderwright return end).",
        _DAY,
    ),
    "exchange_unsupported": _guide(
        "An exchange is wanted, and one of both systems keeps none",
        "Make a return of it (orderwright order return), and a new order in the storefront for what the buyer gets. "
        "What stands in the storefront already is to be entered in the ERP by hand; then accept what differs.",
        _DAY,
    ),
    "exchange_canceled": _guide(
        "What a buyer of order {0}:{1} is to get in exchange was canceled in the ERP",
        "Find out there who canceled it. Reset that order to draft in the ERP, then resubmit. Or take the exchange off "
        "the order in the storefront, give its money back, and resubmit.",
        _DAY,
    ),
    "order_canceled": _guide(
        "Something is to be sent in exchange for goods of an order that the ERP has canceled",
        "Find out who canceled it. Take the exchange off the order in the storefront, then resubmit.",
        _DAY,
    ),
    "waste_location_missing": _guide(
        "The ERP's warehouse {1} has no place for goods that are written off",
        "Give the warehouse a waste location in the ERP, then resubmit.",
        _DAY,
    ),
    "credit_canceled": _guide(
        "The sale that credits a return of order {0}:{1} was canceled in the ERP",
        "Reset that sale to draft in the ERP, then resubmit: it is compared, confirmed and posted.",
        _DAY,
    ),
}
