"""The money of a return: what its units are worth, and what of it is to be given back, by the storefront's word."""

from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

from activities.shipping import capture
from adapters.errors import Conflict, ContractBroken, Rejected
from adapters.ports import StorefrontPort
from adapters.requests import RefundQuote, RefundRequest
from domain.erp_order import ErpOrder, ErpReturn
from domain.order import Order
from domain.payment_rules import PaymentRules
from domain.quantities import delivered_units, shipped_units, units_returned
from domain.refunds import NotTakenYet, given_back_earlier, money_back
from domain.returns import RefundPart

NO_MONEY: tuple[RefundPart, ...] = ()
_NOTHING = Decimal(0)


class Worth(NamedTuple):
    """What comes back is worth ``presentment`` to the buyer, ``fee`` (``Order.currency``) is kept back of it."""

    presentment: Decimal
    fee: Decimal
    return_id: str


async def quoted(
    storefront: StorefrontPort,
    order: Order,
    erp: ErpOrder,
    wanted: RefundRequest,
    settled: ErpReturn | None,
) -> RefundQuote | None:
    """What the units are worth; None where it is credited, and the storefront counts units as returned for it already.

    By its own refund, whose answer was lost, or by hand: they are quoted no second time, though others of the line are
    left.
    """
    if settled is not None:
        back = _back_beside(order, erp, settled.return_id)
        if any(back.get(line.line_id, 0) > 0 for line in wanted.lines):
            return None
    try:
        quote = await storefront.quote_refund(wanted)
    except Rejected as error:
        if settled is not None and error.cause == "not_returnable":
            return None
        raise
    _require_sum(wanted.key.channel, quote)
    return quote


async def worked_out(
    storefront: StorefrontPort,
    order: Order,
    erp: ErpOrder,
    worth: Worth,
    rules: PaymentRules,
) -> tuple[RefundPart, ...]:
    """The money to give back, beside what other returns of the order gave.

    What has left is captured with the parcels. Where the order was edited after the last one was told of, what left may
    be worth more than was captured then, and no parcel takes the rest: it is taken here. Raises Conflict while a parcel
    is still to be told of.
    """
    others = tuple(each for each in erp.returns if each.return_id != worth.return_id)
    beside = erp.model_copy(update={"returns": others})

    def back(of: Order) -> tuple[RefundPart, ...]:
        now = datetime.now(UTC)
        return money_back(of, beside, worth.presentment, worth.fee, return_id=worth.return_id, at=now)

    try:
        return back(order)
    except NotTakenYet as error:
        if not _is_told_of_all(order, erp):
            raise _not_yet(str(error)) from error
    earlier = given_back_earlier(order, beside, ())
    order = await capture(storefront, order, delivered_units(order, erp), rules, earlier)
    try:
        return back(order)
    except NotTakenYet as error:
        raise _not_yet(str(error)) from error


def require_turn(order: Order, erp: ErpOrder, return_id: str) -> None:
    """Raises Conflict while another return is credited and not refunded.

    What units are worth depends on those that are left. After some tries a person is asked, as of any call that fails
    alone.
    """
    back = _back_beside(order, erp, return_id)
    goods = {line.line_id for line in order.lines if line.requires_shipping}
    if any(units < 0 for line, units in back.items() if line in goods):
        raise _not_yet("another return of the order is credited and not refunded yet")


def _back_beside(order: Order, erp: ErpOrder, return_id: str) -> dict[str, int]:
    """Line -> units that count as returned in the storefront, less those that other returns credited."""
    back = units_returned(order)
    for each in erp.returns:
        for part in each.credited if each.return_id != return_id else ():
            back[part.line_id] = back.get(part.line_id, 0) - part.quantity
    return back


def _require_sum(channel: str, quote: RefundQuote) -> None:
    """Raises ContractBroken where the parts of a quote do not come to its total: the ERP is given the parts."""
    parts = sum((part.net + part.tax for part in quote.parts), _NOTHING)
    if parts != quote.total:
        reason = f"its parts come to {parts}, its total is {quote.total}"
        raise ContractBroken(channel, "quote refund", reason, quote.model_dump_json())


def _is_told_of_all(order: Order, erp: ErpOrder) -> bool:
    """Whether the storefront knows of every unit that has left."""
    told: Counter[str] = Counter()
    for fulfillment in order.fulfillments:
        for part in fulfillment.lines:
            told[part.line_id] += part.quantity
    return all(told[line] >= units for line, units in shipped_units(erp).items())


def _not_yet(reason: str) -> Conflict:
    waits = Conflict("ERP", "credit return", reason)
    waits.this_call_alone = True
    return waits
