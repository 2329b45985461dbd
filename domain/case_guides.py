"""What each family of causes means to people, and what may be done about it: the one place for remedies,
with ``domain.return_guides``, ``domain.stock_guides`` and ``domain.sweep_guides``.
"""

from enum import StrEnum

from domain.model import Frozen


class CaseAct(StrEnum):
    """What an operator can do about a case as a whole."""

    RETRY = "retry"
    """The cause is mended outside: all its orders go on."""
    MAP = "map"
    """Add the missing entry to the mapping, then all its orders go on."""
    ACCEPT = "accept"
    """Take the differences as they were shown, with a name and a reason."""
    APPROVE = "approve"
    """Let its orders go to the ERP, with a name and a reason."""
    CANCEL = "cancel"
    """Cancel all its orders."""
    WAIT = "wait"
    """Its orders wait until all of each is in stock."""
    SHIP = "ship"
    """What is in stock leaves, the rest as it comes."""
    CANCEL_REST = "cancel-rest"
    """What is not in stock is canceled in both systems."""


class CaseGuide(Frozen):
    """How a family of causes is told. In ``title``, ``{0}`` and so on stand for the parts after the family."""

    title: str
    fix: str
    acts: tuple[CaseAct, ...]
    hours: int
    """How long people may take before it hurts: from the opening to the deadline."""


_RETRY = (CaseAct.RETRY, CaseAct.CANCEL)
_MAP = (CaseAct.RETRY, CaseAct.MAP, CaseAct.CANCEL)
_ACCEPT = (CaseAct.RETRY, CaseAct.ACCEPT, CaseAct.CANCEL)
_ON_ITS_WAY = (CaseAct.RETRY,)
"""Of what has left the house, or is being canceled: nothing is left to cancel."""
_BACKORDER = (CaseAct.WAIT, CaseAct.SHIP, CaseAct.CANCEL_REST, CaseAct.CANCEL)
_DAY, _TWO_DAYS = 24, 48


def _guide(title: str, fix: str, acts: tuple[CaseAct, ...] = _RETRY, hours: int = _DAY) -> CaseGuide:
    return CaseGuide(title=title, fix=fix, acts=acts, hours=hours)


GUIDES = {
    # The mapping
    "unmapped": _guide(
        "The mapping has no entry for {1} in [{0}]",
        "Add the entry by its case (orderwright case resolve ... --map VALUE), or to the mapping file and restart the "
        "workers; then resubmit.",
        _MAP,
    ),
    "unmapped:carriers": _guide(
        "The mapping does not say what buyers see for carrier {1}",
        "Add the carrier's public name by its case (--map VALUE), or to [carriers] of the file; then resubmit.",
        (CaseAct.RETRY, CaseAct.MAP),
        8,
    ),
    "unmapped:warehouses": _guide(
        "The mapping has no storefront location for the ERP's warehouse {1}",
        "Name the storefront location by its case (--map VALUE), or in [locations] of the file; then resubmit.",
        (CaseAct.RETRY, CaseAct.MAP),
        8,
    ),
    "release_unreadable": _guide(
        "The attribute {0} of pre-ordered lines names no day",
        "Write the day of the release as 2026-12-24 in the store, or remove the attribute; then resubmit.",
    ),
    "adjustment_product_missing": _guide(
        "The mapping names no product for accepted differences",
        "Name a service of the ERP as adjustment_product in the mapping, or by its case (--map VALUE); then resubmit.",
        _MAP,
    ),
    "mapping_version_lost": _guide(
        "The mapping that orders are pinned to is lost",
        "Resubmit: each order then takes the mapping in force now. Find out who replaced the database.",
    ),
    # What the ERP lacks
    "product_unknown": _guide(
        "The ERP has no product {1}",
        "Make the product in the ERP (for sale), or map the SKU to another; then resubmit; or cancel the order.",
        _MAP,
    ),
    "tax_unknown": _guide(
        "The ERP has no tax {1}",
        "Make the tax in the ERP, or map it to another; then resubmit.",
        _MAP,
    ),
    "warehouse_unknown": _guide(
        "The ERP has no warehouse {1}",
        "Make the warehouse in the ERP, or map its location to another; then resubmit.",
        _MAP,
    ),
    "party_unknown": _guide(
        "The ERP has no party {1}",
        "Make the party in the ERP, or map the company to another; then resubmit.",
        _MAP,
    ),
    "party_inactive": _guide(
        "The ERP's party {1} is not active",
        "Activate the party in the ERP again, or replace it there by one that is active; then resubmit.",
    ),
    "carrier_unknown": _guide(
        "The ERP has no carrier {1}",
        "Make the carrier in the ERP, or map its shipping services to another; then resubmit.",
        _MAP,
    ),
    "price_list_unknown": _guide(
        "The ERP has no price list {1}",
        "Make the price list in the ERP, or correct [companies] of the mapping file; then resubmit.",
    ),
    "country_unknown": _guide(
        "The ERP does not know the country {1}", "Add the country to the ERP's list, then resubmit."
    ),
    "shop_unknown": _guide(
        "The ERP has no web shop {1}", "Make a web shop of this name in the ERP, then resubmit.", hours=4
    ),
    "currency_differs": _guide(
        "Orders come in another currency than the ERP's web shop",
        "Give the ERP's web shop the currency of the channel, or cancel the orders; then resubmit.",
        hours=4,
    ),
    "product_unsuitable": _guide(
        "The ERP's product {1} cannot be used for what it is mapped to",
        "Correct the product in the ERP, or name another in the mapping; then resubmit.",
    ),
    # What the ERP refuses
    "period_closed": _guide(
        "The ERP's fiscal period {1} is closed",
        "Open the period in the ERP, then resubmit.",
        hours=4,
    ),
    "rounding_missing": _guide(
        "The ERP cannot book a cent of rounding of {1}",
        "Make the service and the tax that the reason names in the ERP, then resubmit.",
    ),
    "out_of_stock": _guide(
        "The ERP refuses for want of stock",
        "Bring stock in, then resubmit; or cancel the order.",
    ),
    "amounts_differ": _guide(
        "The ERP would charge another amount",
        "Correct price or tax where it is wrong (the sentence names the difference), then resubmit. "
        "Nothing was confirmed in the ERP.",
    ),
    "amounts_differ:order": _guide(
        "The order does not add up",
        "Edit the order in the storefront, and it goes on by itself; or accept the difference: the order is then "
        "entered with a line of its own for it, so that both totals agree.",
        _ACCEPT,
    ),
    "stock_missing": _guide(
        "The ERP's books at {1} do not hold what was handed over",
        "Correct the stock in the ERP (what was handed over was there), then resubmit.",
        _ON_ITS_WAY,
    ),
    "delivered_elsewhere": _guide(
        "What left before the order was entered is on no shipment of its warehouse in the ERP",
        "Move it in the ERP to a shipment of the warehouse that it left from, then resubmit.",
        _ON_ITS_WAY,
    ),
    "erp_refused": _guide(
        "The ERP refuses: {1}",
        "Mend in the ERP what it names, then resubmit; or cancel the order.",
    ),
    "erp_warning": _guide(
        "The ERP asks a question that only a person may answer",
        "Mend in the ERP what it warns of, then resubmit.",
    ),
    "rejected": _guide("A system refuses", "Mend what its words name, then resubmit; or cancel the order."),
    # The order itself
    "sku_missing": _guide(
        "{0} is sold without a SKU", "Give it a SKU in the storefront and on the order, then resubmit."
    ),
    "no_location": _guide(
        "No location ships the order", "Assign a location in the storefront, then resubmit."
    ),
    "locations_differ": _guide(
        "The locations are to ship other quantities than were ordered",
        "Mend the fulfillment locations in the storefront, then resubmit.",
    ),
    "discount_exceeds_price": _guide(
        "Discounts or taxes exceed a price",
        "Mend them in the storefront, then resubmit; or cancel the order.",
    ),
    "amount_too_fine": _guide(
        "An amount has fractions of the currency's smallest unit",
        "Round price, discount or tax in the storefront, then resubmit; or cancel the order.",
    ),
    # Between the systems
    "unbalanced": _guide(
        "The two systems do not agree at the end: {0}",
        "Correct the side that is wrong (the sentence names both amounts), then resubmit; "
        "or accept the difference with a reason.",
        (CaseAct.RETRY, CaseAct.ACCEPT),
        _TWO_DAYS,
    ),
    "unbalanced:money": _guide(
        "What was taken is not what was delivered is worth",
        "Where the buyer owes it, send them the invoice from the storefront: once it is paid or promised the order "
        "goes on by itself. Where it was refunded by hand, correct that. Or accept the difference with a reason: it is "
        "then neither asked for nor given back.",
        (CaseAct.RETRY, CaseAct.ACCEPT),
        _TWO_DAYS,
    ),
    "edit_refused": _guide(
        "Order {0}:{1} was edited, and the warehouse has a part of it in hand already",
        "Have the warehouse undo the picking: the edit is then carried over by itself. Or undo the edit in the "
        "storefront: the order hears of that, too. Or accept that it ships as it was. Where a part has left already, "
        "settle the rest in the ERP by hand (credit note, new order) and accept.",
        _ACCEPT,
        4,
    ),
    "approval_needed": _guide(
        "Order {0}:{1} needs an approval",
        "Approve it with a reason (orderwright order approve), and it goes to the ERP; or cancel it, as fraud "
        "where it is one (--as fraud). Lowered or rated otherwise in the storefront, it goes on by itself.",
        (CaseAct.RETRY, CaseAct.APPROVE, CaseAct.CANCEL),
    ),
    "edit_after_return": _guide(
        "Order {0}:{1} was edited after goods of it came back",
        "Undo the edit in the storefront, and the order goes on by itself: once a part has come back, what was sold "
        "cannot be changed in the ERP any more, but for units of its lines, addresses, the note, and what waits in "
        "exchange. What else the buyer is to get is another order, or another return.",
    ),
    "backorder": _guide(
        "Orders of {0} lack {1}, which is not in stock",
        "Let them wait until all is there (--wait), send what is there and the rest as it comes (--ship), or cancel "
        "what is not there in both systems (--cancel-rest). Stock that comes in answers by itself.",
        _BACKORDER,
    ),
    "canceled_in_erp": _guide(
        "Canceled in the ERP alone",
        "Cancel the order here to cancel it in the storefront as well and give the money back.",
        hours=8,
    ),
    "cancel_picked": _guide(
        "Units of order {0}:{1} are to be canceled, and the warehouse has picked them",
        "Ask the warehouse to put them back and to say so in the ERP: they are then canceled by themselves. If they "
        "leave, they are not, and the order goes on. Or accept that they are sent.",
        (CaseAct.RETRY, CaseAct.ACCEPT),
        4,
    ),
    "cancel_refused": _guide(
        "Canceled in the storefront, but the warehouse goes on",
        "Have the goods put back in the ERP: the cancel then goes on by itself. Or refund in the storefront by hand.",
        hours=4,
    ),
    "given_up_in_erp": _guide(
        "The ERP does not send all of order {0}:{1} any more",
        "Cancel in the storefront too what it gave up (--cancel-rest): the money goes back, and the ERP's order "
        "follows. Or have the goods sent after all in the ERP: the order hears of it and goes on by itself.",
        (CaseAct.RETRY, CaseAct.CANCEL_REST),
        8,
    ),
    "erp_unreadable": _guide(
        "The ERP's record of the order cannot be read",
        "Correct the record in the ERP (each change of it is read again), then resubmit.",
    ),
    "erp_order_missing": _guide(
        "The ERP has no such order any more",
        "Find out who removed it and bring it back, then resubmit.",
        _ON_ITS_WAY,
        8,
    ),
    "quantities_broken": _guide(
        "The shipments do not fit the order",
        "Compare the shipments in the ERP with the order, correct them, then resubmit.",
        hours=8,
    ),
    "order_unknown": _guide(
        "A system does not know the order (any more)",
        "Find out who removed it and bring it back, then resubmit; or cancel it, which ends it in the system that has "
        "it.",
    ),
    "crosswalk_conflict": _guide(
        "Two records claim to be the same",
        "Find out which link is right and remove the other, then resubmit.",
    ),
    # Parcels and money
    "not_open_to_ship": _guide(
        "The storefront has nothing open to ship for a parcel",
        "An edit that the storefront has yet to tell of ends it by itself. Else compare the parcel with the order's "
        "fulfillments in the storefront, correct them, then resubmit.",
        _ON_ITS_WAY,
        8,
    ),
    "units_have_left": _guide(
        "Units that were to be canceled have left by the storefront's books",
        "Compare the order's fulfillments in the storefront with the parcels, correct them, then resubmit.",
    ),
    "move_refused": _guide(
        "The storefront does not let units leave from the location that shipped them",
        "Let that location stock the product in the storefront, or move the units there by hand, then resubmit.",
        _ON_ITS_WAY,
        8,
    ),
    "capture_exceeds_authorization": _guide(
        "More was delivered than the buyer's card promised",
        "Take the rest another way in the storefront, then resubmit.",
        _ON_ITS_WAY,
    ),
    "authorization_unknown": _guide(
        "The storefront does not know the authorization any more",
        "Take the money another way in the storefront, then resubmit.",
        _ON_ITS_WAY,
    ),
    "authorization_voided": _guide(
        "The authorization was voided",
        "Take the money another way in the storefront, then resubmit.",
        _ON_ITS_WAY,
    ),
    "authorization_expired": _guide(
        "The authorization expired before its money was taken",
        "Ask the buyer to pay again (send the invoice from the storefront), or take the money another way there; the "
        "order goes on by itself once it is paid, else resubmit.",
        _ON_ITS_WAY,
        8,
    ),
    "authorization_expires": _guide(
        "Authorizations of {0} by {1} expire before the goods leave",
        'Take the money now in the storefront, then resubmit (on_expiry = "capture" in [payments] of the mapping takes '
        "it by itself). Or hurry the parcel: a shipment takes its money and ends this. Or resubmit to go on without, "
        "and ask the buyer to pay again. Or cancel the order.",
    ),
    "authorization_captured_once": _guide(
        "The payment provider captures once only, and has",
        "Take the rest another way in the storefront, then resubmit. For later orders set capture = "
        '"at_first_shipment" for this gateway in [payments] of the mapping.',
        _ON_ITS_WAY,
    ),
    "capture_failed": _guide(
        "The payment provider refused the capture",
        "See the payment in the storefront, take the money there, then resubmit.",
        _ON_ITS_WAY,
        8,
    ),
    "money_kept": _guide(
        "Canceled, but the buyer's money was not given back",
        "Refund it in the storefront, then resubmit.",
        _ON_ITS_WAY,
        8,
    ),
    "already_shipped": _guide(
        "To be canceled, but a parcel has left",
        "Take back what left as a return, or refund in the storefront; then resubmit.",
        _ON_ITS_WAY,
        8,
    ),
    "cancel_failed": _guide(
        "The storefront could not cancel",
        "See the order in the storefront and cancel it there, then resubmit.",
        _ON_ITS_WAY,
        8,
    ),
    # The systems themselves
    "contract_broken": _guide(
        "{0}, asked to {1}, answers in a form nobody agreed on",
        "Show the evidence to whoever runs that system: it changed, or something stands between. Then resubmit.",
        hours=4,
    ),
    "call_fails": _guide(
        "{0} answers, but fails each time it is asked to {1}",
        "Look the order up in that system, mend what makes it fail there, then resubmit: the order is looked up before "
        "anything is sent again.",
        hours=8,
    ),
    "access_denied": _guide(
        "The storefront denies a right", "Give the app the right that is named, then resubmit.", hours=4
    ),
    "shop_inactive": _guide(
        "The shop is not active", "Activate the shop, or cancel the orders; then resubmit.", hours=4
    ),
    "channel_unknown": _guide(
        "Channel {0} is not set up here",
        "Set the channel up in the settings, restart, then resubmit.",
        hours=4,
    ),
    "shop_refused": _guide(
        "The storefront refuses to {0}",
        "Mend in the storefront what its words name, then resubmit; or cancel the order.",
    ),
    "http_refused": _guide(
        "{0} refuses with HTTP {1}",
        "See that its address and rights are right and what its words name, then resubmit.",
        hours=4,
    ),
    "bad_request": _guide(
        "The address of {0} cannot be used",
        "Correct the address in the settings, restart, then resubmit.",
        hours=4,
    ),
}
"""By family, or by family and first part where that is a kind of its own. Families that are not here are told by
``OTHER``."""

OTHER = _guide("{family}", "Mend what the reason names, then resubmit; or cancel the order.")
