"""Cancels an order in its storefront, and sees to it that the buyer's money goes back."""

from decimal import Decimal

from activities.contracts import CancelOrder
from adapters.errors import Rejected
from adapters.ports import StorefrontPort
from domain.cases import ORDER_UNKNOWN, family
from domain.money import format_money
from domain.order import Order, PaymentKind, PaymentStatus


async def cancel_there(storefront: StorefrontPort, request: CancelOrder) -> Order | None:
    """The canceled order; None where the storefront has none any more: somebody has removed it.

    Raises Rejected ``money_kept`` where the buyer's money stayed, and whatever the storefront's adapter does.
    """
    try:
        order = await storefront.cancel_order(request.key.external_id, request.reason, request.kind)
    except Rejected as refused:
        if family(refused.cause) != ORDER_UNKNOWN:
            raise
        return None
    kept = order.captured - _on_its_way_back(order)
    if kept > 0:
        # Canceled in the storefront by somebody who chose not to refund, or whose refund failed.
        raise Rejected(
            request.key.channel,
            "give the money back",
            f"the order is canceled, but {format_money(kept, order.currency)} of the buyer's money is kept; "
            "refund it there",
            "money_kept",
        )
    return order


def _on_its_way_back(order: Order) -> Decimal:
    """Refunds that the payment provider has taken but not settled yet."""
    pending = (
        p.amount for p in order.payments if p.kind is PaymentKind.REFUND and p.status is PaymentStatus.PENDING
    )
    return sum(pending, Decimal(0))
