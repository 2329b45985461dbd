"""The order that is measured: two products, each from another warehouse, two taxes, shipping, paid by card."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

from domain.money import round_money
from domain.order import (
    Address,
    Customer,
    LocationLine,
    LocationPlan,
    Order,
    OrderKey,
    OrderLine,
    Payment,
    PaymentKind,
    PaymentStatus,
    ShippingCharge,
    TaxLine,
)

CURRENCY = "USD"
FIRST_ID = 5_000_000
_TAXES = (("State Tax", Decimal("0.0625")), ("City Tax", Decimal("0.015")))


class Goods(NamedTuple):
    """What a line sells: ``price`` is net, ``location`` the storefront's that ships it."""

    sku: str
    title: str
    units: int
    price: Decimal
    location: str


_GOODS = (
    Goods("TEE-BLK-M", "T-shirt black M", 2, Decimal("19.90"), "101"),
    Goods("MUG-LOGO", "Mug with logo", 3, Decimal("9.05"), "102"),
)
_SHIPPING = Decimal("7.50")
_NEW_YORK = Address(
    name="Ada Example",
    street=("1 Main Street",),
    city="New York",
    postal_code="10001",
    state="NY",
    country="US",
)


def sample_key(channel: str, number: int) -> OrderKey:
    """The key of the order with this number."""
    return OrderKey(channel=channel, external_id=str(FIRST_ID + number))


def sample_order(channel: str, number: int) -> Order:
    """The order with this number; two numbers differ in nothing else."""
    return order_of(channel, number, _GOODS)


def line_of(external_id: str, place: int, goods: Goods) -> OrderLine:
    """The line of an order that sells these."""
    return OrderLine(
        line_id=f"{external_id}{place}",
        sku=goods.sku,
        title=goods.title,
        ordered=goods.units,
        current=goods.units,
        unit_price=goods.price,
        taxes=_taxes(goods.units * goods.price),
    )


def order_of(channel: str, number: int, goods: Sequence[Goods]) -> Order:
    """An order of these goods, one line each."""
    key = sample_key(channel, number)
    external_id = key.external_id
    lines = tuple(line_of(external_id, place, each) for place, each in enumerate(goods, start=1))
    shipping = ShippingCharge(
        charge_id=f"{external_id}900",
        title="Standard",
        code="standard",
        price=_SHIPPING,
        taxes=_taxes(_SHIPPING),
    )
    taxes = [tax for line in lines for tax in line.taxes] + list(shipping.taxes)
    total_tax = sum((tax.amount for tax in taxes), Decimal(0))
    total = sum((line.current * line.unit_price for line in lines), _SHIPPING) + total_tax
    card = Payment(
        payment_id=f"{external_id}700",
        kind=PaymentKind.AUTHORIZATION,
        status=PaymentStatus.SUCCESS,
        gateway="shopify_payments",
        amount=total,
        presentment_amount=total,
    )
    return Order(
        key=key,
        number=f"#{external_id}",
        placed_at=datetime.now(UTC),
        currency=CURRENCY,
        presentment_currency=CURRENCY,
        taxes_included=False,
        customer=Customer(external_id="7001", name="Ada Example", email="ada@example.com"),
        billing_address=_NEW_YORK,
        shipping_address=_NEW_YORK,
        lines=lines,
        shipping=(shipping,),
        payments=(card,),
        location_plans=tuple(
            plan_of(
                [line for line, its in zip(lines, goods, strict=True) if its.location == location], location
            )
            for location in dict.fromkeys(each.location for each in goods)
        ),
        total=total,
        presentment_total=total,
        total_tax=total_tax,
    )


def _taxes(base: Decimal) -> tuple[TaxLine, ...]:
    return tuple(
        TaxLine(title=title, rate=rate, amount=round_money(base * rate, CURRENCY)) for title, rate in _TAXES
    )


def plan_of(lines: Sequence[OrderLine], location: str) -> LocationPlan:
    """All of these lines is to ship from there."""
    parts = tuple(
        LocationLine(
            id=f"6{line.line_id}", line_id=line.line_id, quantity=line.current, remaining=line.current
        )
        for line in lines
    )
    return LocationPlan(id=f"7{lines[0].line_id}", location=location, open=True, lines=parts)
