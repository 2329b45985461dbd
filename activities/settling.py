"""The counterpart of a capture: money of an order with exchanges that is held beyond its worth goes back, once."""

from decimal import Decimal

from adapters.ports import StorefrontPort
from adapters.requests import RefundRequest
from domain.capture import taken_presentment
from domain.erp_order import ErpOrder
from domain.model import Amount, Frozen
from domain.order import Order
from domain.refunds import held_beyond_worth, refunded_presentment

_NOTHING = Decimal(0)


class Settled(Frozen):
    """The order after its balance was settled."""

    order: Order
    given_back: Amount = _NOTHING
    """In ``Order.presentment_currency``."""
    echoes: tuple[str, ...] = ()


async def settle_exchanges(storefront: StorefrontPort, order: Order, erp: ErpOrder) -> Settled:
    """Give back what is held of an order beyond what it comes to; only of one with exchanges, which is one balance.

    The refund's key names what was taken and given back before, so that it is made once for what it was decided on.
    """
    money = held_beyond_worth(order, erp) if storefront.capabilities.refunds else ()
    if not money:
        return Settled(order=order)
    made = await storefront.refund_order(
        RefundRequest(
            key=order.key,
            refund_key=f"balance:{order.key}:{taken_presentment(order)}-{refunded_presentment(order)}",
            money=money,
            note="What the buyer gets in exchange was changed",
        )
    )
    now = await storefront.read_order(order.key.external_id)
    # What the ERP says of its exchanges is known already.
    now = now.model_copy(update={"returns": order.returns})
    return Settled(order=now, given_back=made.amount, echoes=made.echoes)
