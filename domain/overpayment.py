"""Money that was taken for units which are canceled before they left: how much goes back, and to which payment."""

from decimal import Decimal

from domain.order import Order
from domain.refunds import kept_presentment, over_payments
from domain.returns import RefundPart

_NOTHING = Decimal(0)


def overpaid(order: Order, worth: Decimal, fees: Decimal = _NOTHING) -> tuple[RefundPart, ...]:
    """What was taken beyond the order's total, in proportion to each payment; at most ``worth``, what was canceled.

    ``fees`` are what returns held back, in ``Order.presentment_currency``: taken for no unit, and kept.
    A refund under way counts as given. Once it is given, nothing is: asked again, it gives nothing twice.
    """
    over = min(worth, kept_presentment(order) - order.presentment_total - fees)
    return over_payments(order, over) if over > 0 else ()
