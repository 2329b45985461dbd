"""What brings an order back to life that was closed: its row says how it stood then."""

from domain.order import Order
from domain.status import OrderStatus
from store.order_view import OrderSummary


def changed_since(order: Order, ended: OrderSummary) -> bool:
    """Whether an order was edited, or money of it moved, after it was closed, or just while it was.

    One of which nothing was left, or that needed no parcel, may even be canceled then.
    """
    if ended.status is not OrderStatus.CLOSED:
        return False
    if order.canceled_at is not None:
        return not order.fulfillments
    return (order.total, order.captured) != (ended.total, ended.captured)


def grew_since(order: Order, ended: OrderSummary) -> bool:
    """Whether something was added to it, which is to be paid before it leaves."""
    return ended.total is not None and order.total > ended.total
