"""Hypothesis strategies: storefront orders that are consistent in themselves, and what an ERP tells of them later.

Every shape that a real order takes is drawn: taxes in the price or on top, discounts on a line and on the order, units
edited away, lines that need no parcel, lines split over locations, several payments, another presentment currency.
"""

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

from hypothesis import strategies as st

from domain.erp_order import ErpOrder, ErpOrderState, ErpShipmentState, SalesLineKind, SalesOrder
from domain.mapping import Mapping
from domain.money import minor_digits, round_money, split
from domain.order import (
    Customer,
    Discount,
    DiscountScope,
    Order,
    OrderLine,
    Payment,
    PaymentKind,
    PaymentStatus,
    ShippingCharge,
)
from tests.order_builder import (
    CATALOG,
    US_TAXES,
    VAT,
    TaxRates,
    make_discount,
    make_erp_order,
    make_line,
    make_order,
    make_payment,
    make_shipment,
    make_shipping,
    sandbox_mapping,
)

FIVE_LOCATIONS = {"101": "WH-EAST", "102": "WH-WEST", "103": "WH-NORTH", "104": "WH-SOUTH", "105": "WH-STORE"}
CURRENCIES = ("USD", "JPY", "KWD")
TAX_SETS: tuple[TaxRates, ...] = ((), VAT, US_TAXES, US_TAXES[:1], (*US_TAXES, *VAT))
GUEST = Customer(name="Zoë Müller")
REGULAR = Customer(external_id="7001", name="Ada Byron", email="ada@example.com")
COMPANY = Customer(external_id="7002", name="Buyer", company_id="301", company_name="Wholesale Inc")
NOT_SHIPPED_YET = (
    ErpShipmentState.WAITING,
    ErpShipmentState.RESERVED,
    ErpShipmentState.PICKED,
    ErpShipmentState.PACKED,
)


def wide_mapping() -> Mapping:
    """The sandbox's mapping with five locations."""
    return sandbox_mapping(locations=FIVE_LOCATIONS)


def money(currency: str, *, low: int = 0, high: int = 30_000) -> st.SearchStrategy[Decimal]:
    """Amounts of whole minor units, bounds in minor units."""
    return st.integers(low, high).map(lambda units: Decimal(units) / 10 ** minor_digits(currency))


@st.composite
def partitions(draw: st.DrawFn, total: int, parts: int) -> list[int]:
    """``total`` units in ``parts`` piles, piles of none allowed."""
    cuts = sorted(draw(st.integers(0, total)) for _ in range(parts - 1))
    return [high - low for low, high in zip([0, *cuts], [*cuts, total], strict=True)]


@st.composite
def orders(
    draw: st.DrawFn,
    *,
    locations: Sequence[str] = tuple(FIVE_LOCATIONS),
    currencies: Sequence[str] = CURRENCIES,
    max_lines: int = 4,
) -> Order:
    """A storefront order whose parts add up; translates with ``wide_mapping()``."""
    currency = draw(st.sampled_from(currencies))
    included = draw(st.booleans())
    rates = draw(st.sampled_from(TAX_SETS))
    bare = [draw(_bare_lines(str(11 + n), currency)) for n in range(draw(st.integers(1, max_lines)))]
    lines = _taxed(_discounted(draw, bare, currency), rates, included=included, currency=currency)
    shipping = tuple(
        draw(_charges(currency, rates, included=included)) for _ in range(draw(st.integers(0, 1)))
    )
    placement = {
        line.line_id: dict(zip(locations, draw(partitions(line.current, len(locations))), strict=True))
        for line in lines
        if line.requires_shipping
    }
    order = make_order(
        lines=lines,
        shipping=shipping,
        taxes_included=included,
        currency=currency,
        placement=placement,
        customer=draw(st.sampled_from((REGULAR, GUEST, COMPANY))),
        note=draw(st.sampled_from(("", "Please ring twice"))),
    )
    presentment_currency, rate = draw(
        st.sampled_from(((currency, Decimal(1)), ("EUR", Decimal("0.9173")), ("JPY", Decimal("151.37"))))
    )
    if presentment_currency == currency:
        rate = Decimal(1)
    total = round_money(order.total * rate, presentment_currency)
    presented = order.model_copy(
        update={"presentment_currency": presentment_currency, "presentment_total": total, "payments": ()}
    )
    return presented.model_copy(update={"payments": draw(_payments(presented))})


@st.composite
def _bare_lines(draw: st.DrawFn, line_id: str, currency: str) -> OrderLine:
    """A line before order discounts and taxes."""
    ordered = draw(st.integers(1, 7))
    current = draw(st.one_of(st.just(ordered), st.integers(0, ordered)))
    price = draw(money(currency))
    off = draw(st.one_of(st.just(Decimal(0)), money(currency))) if current else Decimal(0)
    return make_line(
        line_id,
        draw(st.sampled_from(sorted(CATALOG))),
        ordered,
        current=current,
        unit_price=price,
        discounts=[make_discount(min(off, price * current))] if off else [],
        tax_rates=(),
        requires_shipping=draw(st.sampled_from((True, True, True, False))),
    )


def _discounted(draw: st.DrawFn, lines: list[OrderLine], currency: str) -> list[OrderLine]:
    """Spread a discount on the order over its lines as storefronts do, never below zero."""
    worth = [x.current * x.unit_price - sum((d.amount for d in x.discounts), Decimal(0)) for x in lines]
    off = min(draw(st.one_of(st.just(Decimal(0)), money(currency))), sum(worth, Decimal(0)))
    if not off:
        return lines
    return [
        line.model_copy(
            update={
                "discounts": (
                    *line.discounts,
                    Discount(title="ORDER", scope=DiscountScope.ORDER, amount=part),
                )
            }
        )
        for line, part in zip(lines, split(off, worth, currency), strict=True)
    ]


def _taxed(
    lines: list[OrderLine], rates: TaxRates, *, included: bool, currency: str
) -> tuple[OrderLine, ...]:
    return tuple(
        make_line(
            line.line_id,
            line.sku,
            line.ordered,
            current=line.current,
            unit_price=line.unit_price,
            discounts=line.discounts,
            tax_rates=rates,
            taxes_included=included,
            currency=currency,
            requires_shipping=line.requires_shipping,
        )
        for line in lines
    )


@st.composite
def _charges(draw: st.DrawFn, currency: str, rates: TaxRates, *, included: bool) -> ShippingCharge:
    price = draw(money(currency, high=3_000))
    off = draw(st.sampled_from((Decimal(0), price)))  # free delivery is a charge with a full discount
    return make_shipping(
        price,
        code=draw(st.sampled_from(("standard", "express"))),
        discounts=[make_discount(off, DiscountScope.ORDER)] if off else [],
        tax_rates=draw(st.sampled_from((rates, ()))),
        taxes_included=included,
        currency=currency,
    )


@st.composite
def _payments(draw: st.DrawFn, order: Order) -> tuple[Payment, ...]:
    """Ways to pay the whole order: one card, two cards, a gift card and a card, at once."""
    if not order.total:
        return ()
    card, gift = (PaymentKind.AUTHORIZATION, "shopify_payments"), (PaymentKind.SALE, "gift_card")
    ways = draw(st.sampled_from(((card,), (card, card), (gift, card), (card, gift, card), (gift,))))
    weights = [draw(st.integers(1, 5)) for _ in ways]
    amounts = split(order.total, weights, order.currency)
    presented = split(order.presentment_total, weights, order.presentment_currency)
    return tuple(
        make_payment(
            amount,
            kind,
            payment_id=f"80{number}",
            gateway=gateway,
            status=PaymentStatus.SUCCESS,
            presentment_amount=presentment,
        )
        for number, ((kind, gateway), amount, presentment) in enumerate(
            zip(ways, amounts, presented, strict=True)
        )
    )


@st.composite
def erp_histories(draw: st.DrawFn, sales_order: SalesOrder) -> list[ErpOrder]:
    """Readings of the ERP's order as its units leave parcel by parcel, oldest first; the last has shipped all.

    Meanwhile people give some up, and send them after all.
    """
    waiting = {
        (line.line_id, line.warehouse): line.quantity
        for line in sales_order.lines
        if line.kind is SalesLineKind.GOODS and line.warehouse
    }
    parcels = [
        (line_id, warehouse, units)
        for (line_id, warehouse), quantity in sorted(waiting.items())
        for units in draw(partitions(quantity, 3))
        if units
    ]
    shipped = []
    readings = []
    for number, (line_id, warehouse, units) in enumerate([("", "", 0), *draw(st.permutations(parcels))]):
        if units:
            waiting[line_id, warehouse] -= units
            shipped.append(make_shipment({line_id: units}, shipment_id=str(number), warehouse=warehouse))
        kept = {place: draw(st.integers(0, left)) for place, left in sorted(waiting.items())}
        given_up = Counter[str]()
        for (line, at), left in waiting.items():
            given_up[line] += left - kept[line, at]
        rest = [
            make_shipment(
                {line: left},
                shipment_id=f"w{line}{at}",
                warehouse=at,
                state=draw(st.sampled_from(NOT_SHIPPED_YET)),
            )
            for (line, at), left in sorted(kept.items())
            if left
        ]
        reading = make_erp_order(sales_order, [*shipped, *rest], state=ErpOrderState.ACCEPTED)
        readings.append(reading.model_copy(update={"given_up": dict(+given_up)}))
    return readings
