"""The money of a return: what its units are worth, and what of it is to be given back, by the storefront's word."""

from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

from activities.return_turns import back_beside, not_yet
from activities.shipping import capture
from adapters.errors import ContractBroken, Rejected
from adapters.ports import StorefrontPort
from adapters.requests import RefundQuote, RefundRequest
from domain.erp_order import ErpOrder, ErpReturn
from domain.order import Order
from domain.payment_rules import PaymentRules
from domain.quantities import delivered_units, shipped_units
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
        back = back_beside(order, erp, settled.return_id)
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
            raise not_yet(str(error)) from error
    earlier = given_back_earlier(order, beside, ())
    order = await capture(storefront, order, delivered_units(order, erp), rules, earlier)
    try:
        return back(order)
    except NotTakenYet as error:
        raise not_yet(str(error)) from error


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
