"""What a reading of an order writes down: a sentence, and the order's row. Pure."""

from datetime import datetime
from decimal import Decimal

from activities.contracts import ReadOrder
from domain.money import format_money
from domain.order import Order
from domain.preorders import Release
from domain.status import OrderStatus
from store.order_view import AWAITS_PAYMENT, OrderPatch


def noted_of(
    request: ReadOrder,
    order: Order,
    *,
    ignored: str | None,
    unpaid: Decimal,
    release: Release | None,
    reopened: bool,
    at: datetime,
) -> tuple[str, OrderPatch]:
    """The sentence and the row of a reading. ``unpaid`` is in the buyer's currency, ``ignored`` says why, if it is."""
    waiting = "entry in the ERP"
    if unpaid:
        waiting = f"{AWAITS_PAYMENT} {format_money(unpaid, order.presentment_currency)}"
    elif release is not None and release.at > at:
        waiting = f"its release at {release.at:%Y-%m-%d %H:%M} UTC"
    patch = OrderPatch(
        number=order.number,
        status=OrderStatus.IGNORED if ignored else OrderStatus.RECEIVED,
        waiting_for="" if ignored else waiting,
        total=order.total,
        currency=order.currency,
        captured=order.captured,
        placed_at=order.placed_at,
        problem="",
        reopened=reopened,
    )
    if not request.first and not ignored:
        # A later read brings new amounts, but does not set an order back to ``received``.
        kept = {"waiting_for": None} if request.submitted and not unpaid else {}
        patch = patch.model_copy(update={"status": None, **kept})
    worth = format_money(order.total, order.currency)
    return f"Ignored: {ignored}" if ignored else f"Read from the storefront: {worth}", patch
