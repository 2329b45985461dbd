"""What the shop's page of an order shows, in the whole minor units and words of the model."""

from collections.abc import Sequence
from decimal import Decimal
from typing import TypeVar

from domain.money import minor_digits
from domain.order import Order, OrderLine, Payment, PaymentKind, PaymentStatus, ShippingCharge
from tests.machine.model import Sheet
from tests.machine.world import World

T = TypeVar("T")


def refunded(order: Order) -> Decimal:
    """All that was refunded, in the buyer's currency."""
    return sum((p.presentment_amount for p in order.payments if is_refund(p)), Decimal(0))


def is_refund(payment: Payment) -> bool:
    """Money that went back."""
    return payment.status is PaymentStatus.SUCCESS and payment.kind is PaymentKind.REFUND


def refunded_by_returns(world: World, of: str = "") -> Decimal:
    """What the storefront refunded for goods that came back, in the buyer's currency; by what its key begins with."""
    refunds = world.storefront.refunds.items()
    return sum((refund.amount for key, refund in refunds if key.startswith(of)), Decimal(0))


def is_taken(payment: Payment) -> bool:
    """Money that was taken, not promised alone."""
    return payment.status is PaymentStatus.SUCCESS and payment.kind in {PaymentKind.SALE, PaymentKind.CAPTURE}


def sheet_of(order: Order) -> Sheet:
    """The shop's page in whole minor units."""

    def gross(price: Decimal, part: OrderLine | ShippingCharge) -> int:
        taxes = () if order.taxes_included else part.taxes
        return (
            cents(order, price)
            - sum(cents(order, d.amount) for d in part.discounts)
            + sum(cents(order, t.amount) for t in taxes)
        )

    return Sheet(
        units={line.line_id: line.current for line in order.lines},
        worth={line.line_id: gross(line.current * line.unit_price, line) for line in order.lines},
        without_parcel={line.line_id for line in order.lines if not line.requires_shipping},
        delivery=sum(gross(charge.price, charge) for charge in order.shipping),
        total=cents(order, order.total),
    )


def cents(order: Order, amount: Decimal) -> int:
    """An amount in whole minor units of the shop's currency."""
    return int(amount * 10 ** minor_digits(order.currency))


def pick_one(choices: Sequence[T], dice: int) -> T | None:
    """One of them; None of none."""
    return choices[dice % len(choices)] if choices else None
