"""Money that was taken for units which are canceled before they left: how much goes back, and to which payment."""

from decimal import Decimal

from domain.model import Amount, Frozen
from domain.money import split
from domain.order import Order, PaymentKind, PaymentStatus
from domain.refunds import refunded_presentment

_TAKINGS = frozenset({PaymentKind.SALE, PaymentKind.CAPTURE})
_NOTHING = Decimal(0)


class MoneyBack(Frozen):
    """A refund to one sale or capture, in ``Order.presentment_currency``."""

    parent_id: str
    gateway: str
    amount: Amount


def overpaid(order: Order, worth: Decimal, fees: Decimal = _NOTHING) -> tuple[MoneyBack, ...]:
    """What was taken beyond the order's total, in proportion to each payment; at most ``worth``, what was canceled.

    ``fees`` are what returns held back, in ``Order.presentment_currency``: taken for no unit, and kept.
    A refund under way counts as given, and so does one to no payment that is told of (as credit in the store). Once
    it is given, nothing is: asked again, it gives nothing twice.
    """
    left = {
        p.payment_id: p.presentment_amount
        for p in order.payments
        if p.kind in _TAKINGS and p.status is PaymentStatus.SUCCESS
    }
    taken = sum(left.values(), _NOTHING)
    for p in order.payments:
        if p.kind is PaymentKind.REFUND and p.status is not PaymentStatus.FAILED and p.parent_id in left:
            left[p.parent_id] -= p.presentment_amount
    over = min(worth, taken - refunded_presentment(order) - order.presentment_total - fees)
    if over <= 0:
        return ()
    gateways = {p.payment_id: p.gateway for p in order.payments}
    shares = split(over, tuple(max(amount, _NOTHING) for amount in left.values()), order.presentment_currency)
    return tuple(
        MoneyBack(parent_id=payment, gateway=gateways[payment], amount=amount)
        for payment, amount in zip(left, shares, strict=True)
        if amount
    )
