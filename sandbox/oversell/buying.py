"""The orders of the race: goods without tax or delivery, each line planned at its locations."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from domain.erp_order import ErpOrder, ErpShipmentState
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
)

PRICE: Final = Decimal("10.00")
Wanted = Mapping[str, Mapping[str, int]]
"""SKU -> location -> units."""
_OVER: Final = frozenset({ErpShipmentState.SHIPPED, ErpShipmentState.CANCELED})
_HOME = Address(
    name="Ada Byron", street=("1 Main Street",), city="New York", postal_code="10001", country="US"
)


def make_order(key: OrderKey, wanted: Wanted) -> Order:
    """An order of these units, its money authorized; line ids are the SKUs."""
    units = {sku: sum(places.values()) for sku, places in wanted.items()}
    total = PRICE * sum(units.values())
    locations = sorted({location for places in wanted.values() for location in places})
    return Order(
        key=key,
        number=f"#{key.external_id}",
        placed_at=datetime.now(UTC),
        currency="USD",
        presentment_currency="USD",
        taxes_included=False,
        customer=Customer(name="Ada Byron"),
        billing_address=_HOME,
        shipping_address=_HOME,
        lines=tuple(
            OrderLine(
                line_id=sku, sku=sku, title=sku, ordered=units[sku], current=units[sku], unit_price=PRICE
            )
            for sku in wanted
        ),
        payments=(
            Payment(
                payment_id="1",
                kind=PaymentKind.AUTHORIZATION,
                status=PaymentStatus.SUCCESS,
                gateway="shopify_payments",
                amount=total,
                presentment_amount=total,
            ),
        ),
        location_plans=tuple(
            LocationPlan(
                id=f"plan-{location}",
                location=location,
                open=True,
                lines=tuple(
                    LocationLine(
                        id=f"{location}-{sku}",
                        line_id=sku,
                        quantity=places[location],
                        remaining=places[location],
                    )
                    for sku, places in wanted.items()
                    if places.get(location)
                ),
            )
            for location in locations
        ),
        total=total,
        presentment_total=total,
        total_tax=Decimal(0),
    )


def wanted_by(order: Order) -> dict[str, dict[str, int]]:
    """What an order holds that has not left."""
    wanted: dict[str, dict[str, int]] = {}
    for plan in order.location_plans if order.canceled_at is None else ():
        for line in plan.lines if plan.open else ():
            wanted.setdefault(line.line_id, {})[plan.location] = line.remaining
    return wanted


def held_beyond(
    order: Order, erp: ErpOrder | None, warehouses: Mapping[str, str]
) -> Counter[tuple[str, str]]:
    """(SKU, warehouse) -> units that the storefront holds for the order and the ERP does not."""
    held: Counter[tuple[str, str]] = Counter()
    for sku, places in wanted_by(order).items():
        for location, units in places.items():
            held[sku, warehouses[location]] += units
    for shipment in erp.shipments if erp is not None else ():
        for part in shipment.lines if shipment.state not in _OVER else ():
            held[part.line_id, shipment.warehouse] -= part.quantity
    return +held


def still_owed(order: Order, erp: ErpOrder | None, warehouses: Mapping[str, str]) -> Counter[tuple[str, str]]:
    """(SKU, warehouse) -> units that the storefront holds for the order and that have not left the house.

    What left and was not told to the storefront is not owed any more.
    """
    owed: Counter[tuple[str, str]] = Counter()
    for sku, places in wanted_by(order).items():
        for location, units in places.items():
            owed[sku, warehouses[location]] += units
    if order.canceled_at is not None:
        return owed
    gone: Counter[tuple[str, str]] = Counter()
    for shipment in erp.shipments if erp is not None else ():
        for part in shipment.lines if shipment.state is ErpShipmentState.SHIPPED else ():
            gone[part.line_id, shipment.warehouse] += part.quantity
    for fulfillment in order.fulfillments:
        for told in fulfillment.lines:
            gone[told.line_id, warehouses[fulfillment.location]] -= told.quantity
    return +Counter({place: units - max(0, gone[place]) for place, units in owed.items()})
