"""Plain builders of storefront orders, complete and consistent by default: override what a test is about.

``make_order`` works out totals, one authorization and location plans from its lines, so that an order
which a test does not touch always balances.
"""

import tomllib
from collections.abc import Mapping as MappingOf
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from domain.erp_order import (
    COUNTED,
    ErpLine,
    ErpOrder,
    ErpOrderState,
    ErpShipment,
    ErpShipmentState,
    SalesLineKind,
    SalesOrder,
    ShipmentLine,
)
from domain.mapping import Mapping
from domain.money import round_money
from domain.order import (
    Address,
    Customer,
    Discount,
    DiscountScope,
    ExtraCharge,
    Fulfillment,
    FulfillmentLine,
    LineKind,
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
from sandbox.catalog import KIT_NAME, KIT_PRICE, KIT_SKU, PRODUCTS

MAPPING_FILE = Path(__file__).parent.parent / "config" / "mappings" / "shopify-tryton.toml"
US_TAXES = (("State Tax", Decimal("0.0625")), ("City Tax", Decimal("0.015")))
VAT = (("VAT", Decimal("0.20")),)
LOCATIONS = ("101", "102")
CATALOG = {p["sku"]: (p["name"], Decimal(p["price"])) for p in PRODUCTS} | {
    KIT_SKU: (KIT_NAME, Decimal(KIT_PRICE))
}
PLACED_AT = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
NEW_YORK = Address(
    name="Ada Byron",
    street=("1 Main Street",),
    city="New York",
    postal_code="10001",
    state="NY",
    country="US",
)

TaxRates = Sequence[tuple[str, Decimal]]


def sandbox_mapping(**overrides: Any) -> Mapping:
    """The mapping that the sandbox runs with, read straight from its file."""
    return Mapping.model_validate(tomllib.loads(MAPPING_FILE.read_text(encoding="utf-8")) | overrides)


def tax_lines(
    base: Decimal, rates: TaxRates, *, included: bool, currency: str = "USD"
) -> tuple[TaxLine, ...]:
    """Taxes of one line as storefronts work them out: each rounded half up to the minor unit.

    ``base`` is what the line costs after discounts; the taxes are in it when ``included``.
    """
    divisor = 1 + sum((rate for _, rate in rates), Decimal(0)) if included else Decimal(1)
    return tuple(
        TaxLine(title=title, rate=rate, amount=round_money(base * rate / divisor, currency))
        for title, rate in rates
    )


def make_discount(
    amount: str | Decimal, scope: DiscountScope = DiscountScope.LINE, title: str = "SAVE"
) -> Discount:
    return Discount(title=title, scope=scope, amount=Decimal(amount))


def make_line(
    line_id: str = "11",
    sku: str | None = "TEE-BLK-M",
    ordered: int = 2,
    *,
    current: int | None = None,
    unit_price: str | Decimal | None = None,
    discounts: Sequence[Discount] = (),
    tax_rates: TaxRates = US_TAXES,
    taxes_included: bool = False,
    currency: str = "USD",
    **overrides: Any,
) -> OrderLine:
    """A line of a catalogue product at its list price; taxes worked out unless ``taxes=`` is given."""
    title, list_price = CATALOG.get(sku or "", ("Something", Decimal("10.00")))
    current = ordered if current is None else current
    price = list_price if unit_price is None else Decimal(unit_price)
    base = current * price - sum((d.amount for d in discounts), Decimal(0))
    values: dict[str, Any] = {
        "line_id": line_id,
        "sku": sku,
        "title": title,
        "ordered": ordered,
        "current": current,
        "unit_price": price,
        "discounts": tuple(discounts),
        "taxes": tax_lines(base, tax_rates if current else (), included=taxes_included, currency=currency),
    }
    return OrderLine(**values | overrides)


def make_shipping(
    price: str | Decimal = "7.50",
    *,
    charge_id: str = "901",
    code: str = "standard",
    discounts: Sequence[Discount] = (),
    tax_rates: TaxRates = (),
    taxes_included: bool = False,
    currency: str = "USD",
    **overrides: Any,
) -> ShippingCharge:
    """A delivery charge, untaxed unless rates are given."""
    base = Decimal(price) - sum((d.amount for d in discounts), Decimal(0))
    values: dict[str, Any] = {
        "charge_id": charge_id,
        "title": f"{code.capitalize()} delivery",
        "code": code,
        "price": Decimal(price),
        "discounts": tuple(discounts),
        "taxes": tax_lines(base, tax_rates, included=taxes_included, currency=currency),
    }
    return ShippingCharge(**values | overrides)


def make_charge(
    price: str | Decimal, charge_id: str, *, title: str = "Duty", tax_rates: TaxRates = ()
) -> ExtraCharge:
    """A duty or a fee; taxes are added to it."""
    taxes = tax_lines(Decimal(price), tax_rates, included=False)
    return ExtraCharge(charge_id=charge_id, title=title, price=Decimal(price), taxes=taxes)


def make_tip(amount: str | Decimal, line_id: str = "19") -> OrderLine:
    """Money for the shop's people."""
    return OrderLine(
        line_id=line_id,
        sku=None,
        title="Tip",
        ordered=1,
        current=1,
        unit_price=Decimal(amount),
        requires_shipping=False,
        kind=LineKind.TIP,
    )


def make_payment(
    amount: str | Decimal,
    kind: PaymentKind = PaymentKind.AUTHORIZATION,
    *,
    payment_id: str = "801",
    gateway: str = "shopify_payments",
    status: PaymentStatus = PaymentStatus.SUCCESS,
    presentment_amount: str | Decimal | None = None,
    parent_id: str | None = None,
) -> Payment:
    return Payment(
        payment_id=payment_id,
        kind=kind,
        status=status,
        gateway=gateway,
        amount=Decimal(amount),
        presentment_amount=Decimal(amount if presentment_amount is None else presentment_amount),
        parent_id=parent_id,
    )


def make_plans(placement: MappingOf[str, MappingOf[str, int]]) -> tuple[LocationPlan, ...]:
    """Location plans from line -> location -> units."""
    locations = sorted({location for units in placement.values() for location in units})
    return tuple(
        LocationPlan(
            id=f"7{location}",
            location=location,
            open=True,
            lines=tuple(
                LocationLine(
                    id=f"6{location}{line_id}",
                    line_id=line_id,
                    quantity=units[location],
                    remaining=units[location],
                )
                for line_id, units in placement.items()
                if units.get(location)
            ),
        )
        for location in locations
    )


def make_order(
    external_id: str = "5001",
    *,
    channel: str = "shop",
    lines: Sequence[OrderLine] | None = None,
    shipping: Sequence[ShippingCharge] = (),
    taxes_included: bool = False,
    placement: MappingOf[str, MappingOf[str, int]] | None = None,
    **overrides: Any,
) -> Order:
    """An order that adds up: totals, authorization, location plans (all at 101) follow from the lines.

    ``placement`` (line -> location -> units) says otherwise where lines ship from; any field can be
    overridden.
    """
    lines = (make_line(taxes_included=taxes_included),) if lines is None else tuple(lines)
    parts = [(x.current * x.unit_price, x) for x in lines] + [(x.price, x) for x in shipping]
    parts += [(x.price, x) for x in (*overrides.get("fees", ()), *(d for line in lines for d in line.duties))]
    total_tax = sum((t.amount for _, x in parts for t in x.taxes), Decimal(0))
    total = sum((p - sum((d.amount for d in x.discounts), Decimal(0)) for p, x in parts), Decimal(0))
    total = overrides.get("total", total if taxes_included else total + total_tax)
    presentment_total = overrides.get("presentment_total", total)
    whole_placement = {
        x.line_id: {LOCATIONS[0]: x.current} for x in lines if x.requires_shipping and x.current
    }
    values: dict[str, Any] = {
        "key": OrderKey(channel=channel, external_id=external_id),
        "number": f"#{external_id}",
        "placed_at": PLACED_AT,
        "currency": "USD",
        "presentment_currency": overrides.get("currency", "USD"),
        "taxes_included": taxes_included,
        "customer": Customer(external_id="7001", name="Ada Byron", email="ada@example.com"),
        "billing_address": NEW_YORK,
        "shipping_address": NEW_YORK,
        "lines": lines,
        "shipping": tuple(shipping),
        "payments": (make_payment(total, presentment_amount=presentment_total),) if total else (),
        "location_plans": make_plans(whole_placement | dict(placement or {})),
        "total": total,
        "presentment_total": presentment_total,
        "total_tax": total_tax,
    }
    return Order(**values | overrides)


def handed_over(order: Order) -> Order:
    """The order as a till leaves it: everything gone from where it was planned, without a parcel."""
    plans = [
        plan.model_copy(
            update={"open": False, "lines": tuple(x.model_copy(update={"remaining": 0}) for x in plan.lines)}
        )
        for plan in order.location_plans
    ]
    fulfillments = [
        Fulfillment(
            fulfillment_id=f"F{plan.location}",
            location=plan.location,
            lines=tuple(FulfillmentLine(line_id=x.line_id, quantity=x.quantity) for x in plan.lines),
        )
        for plan in plans
    ]
    return order.model_copy(update={"location_plans": tuple(plans), "fulfillments": tuple(fulfillments)})


def make_shipment(
    units: MappingOf[str, int],
    *,
    shipment_id: str = "1",
    warehouse: str = "WH-EAST",
    state: ErpShipmentState = ErpShipmentState.SHIPPED,
    **overrides: Any,
) -> ErpShipment:
    """A shipment of line -> units."""
    values: dict[str, Any] = {
        "shipment_id": shipment_id,
        "number": f"S{shipment_id}",
        "warehouse": warehouse,
        "state": state,
        "lines": tuple(ShipmentLine(line_id=line, quantity=quantity) for line, quantity in units.items()),
    }
    return ErpShipment(**values | overrides)


def make_erp_order(
    sales_order: SalesOrder, shipments: Sequence[ErpShipment] = (), **overrides: Any
) -> ErpOrder:
    """What an ERP that did as it was asked says of a planned order."""
    values: dict[str, Any] = {
        "key": sales_order.key,
        "erp_id": f"9{sales_order.key.external_id}",
        "number": f"SO{sales_order.key.external_id}",
        "state": ErpOrderState.ACCEPTED,
        "currency": sales_order.currency,
        "total": sales_order.total,
        "taxes": sales_order.taxes,
        "lines": tuple(
            ErpLine(line_id=x.line_id, product=x.product, warehouse=x.warehouse, quantity=x.quantity)
            for x in sales_order.lines
            if x.kind in COUNTED
        ),
        "shipments": tuple(shipments),
        "adjustment": sum(
            (x.net for x in sales_order.lines if x.kind is SalesLineKind.ADJUSTMENT), Decimal(0)
        ),
    }
    return ErpOrder(**values | overrides)


def after_leaving(order: Order, units: MappingOf[str, int]) -> Order:
    """The order whose location plans have these units (line -> units) gone, as the storefront shows it then."""
    left = dict(units)
    plans = []
    for plan in order.location_plans:
        lines = []
        for line in plan.lines:
            gone = min(left.get(line.line_id, 0), line.remaining)
            left[line.line_id] = left.get(line.line_id, 0) - gone
            lines.append(line.model_copy(update={"remaining": line.remaining - gone}))
        still_open = any(line.remaining for line in lines)
        plans.append(plan.model_copy(update={"lines": tuple(lines), "open": still_open}))
    return order.model_copy(update={"location_plans": tuple(plans)})
