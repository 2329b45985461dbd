"""Whatever units come off a Tryton sale, its lines and their spare cents come to the storefront's order."""

from collections.abc import Iterable
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from adapters.tryton.lowering import lowered_lines
from adapters.tryton.notes import is_rounding
from adapters.tryton.records import LineRecord, SaleRecord, read_record
from adapters.tryton.translate import ROUNDING_PRODUCT, ProductReference, plan_sale
from domain import tax_allocation
from domain.erp_order import SalesOrder
from domain.order import DiscountScope, Order
from domain.planning import plan_sales_order
from tests.order_builder import (
    US_TAXES,
    VAT,
    make_discount,
    make_line,
    make_order,
    make_shipping,
    sandbox_mapping,
    tax_lines,
)
from tests.unit.test_tryton_lowering import POSTED
from tests.unit.test_tryton_reading import line, sale
from tests.unit.test_tryton_translate import PARTY, REFERENCES, as_tryton_computes, created_lines


@st.composite
def sold_and_lowered(draw: st.DrawFn) -> tuple[Order, Order]:
    """An order, and what the storefront holds once units were taken off some of its lines."""
    included = draw(st.booleans())
    lines, places = [], {}
    for number in range(draw(st.integers(1, 4))):
        units, price = draw(st.integers(2, 9)), draw(st.integers(100, 9999)) * Decimal("0.01")
        off = draw(st.one_of(st.just(0), st.integers(1, int(price * units * 50)))) * Decimal("0.01")
        discounts = [make_discount(off, draw(st.sampled_from(DiscountScope)))] if off else []
        rates = draw(st.sampled_from([(), US_TAXES, VAT, (*US_TAXES, *VAT)]))
        made = make_line(str(number), "MUG-LOGO", units, unit_price=price, discounts=discounts)
        base = units * price - off
        lines.append(made.model_copy(update={"taxes": tax_lines(base, rates, included=included)}))
        places[str(number)] = {"101": units - (west := draw(st.integers(0, 1))), "102": west}
    charge = make_shipping("4.99", tax_rates=draw(st.sampled_from([(), US_TAXES])), taxes_included=included)
    sold = make_order(lines=lines, shipping=[charge], taxes_included=included, placement=places)
    stay = {each.line_id: draw(st.integers(places[each.line_id]["102"], each.current)) for each in lines}
    left = [tax_allocation.lowered(sold, each, stay[each.line_id]) for each in lines]
    placed = {line: {"101": stay[line] - each["102"], "102": each["102"]} for line, each in places.items()}
    return sold, make_order(lines=left, shipping=[charge], taxes_included=included, placement=placed)


EAST = REFERENCES.warehouses["EAST"]
KNOWN = REFERENCES.model_copy(
    update={
        "products": {
            "MUG-LOGO": ProductReference(id=21, unit=1, ships=True),
            "SHIPPING": ProductReference(id=22, unit=1, ships=False),
            ROUNDING_PRODUCT: ProductReference(id=23, unit=1, ships=False),
        },
        "warehouses": {"WH-EAST": EAST, "WH-WEST": EAST},
    }
)
"""What the sandbox's mapping names."""


def entered(order: SalesOrder, mark: str = "") -> SaleRecord:
    """The sale of the order as Tryton would hold it."""
    taxes = {tax.id: tax for tax in KNOWN.taxes.values()}
    codes = {product.id: code for code, product in KNOWN.products.items()}
    lines = []
    for number, values in enumerate(created_lines(plan_sale(order, PARTY, KNOWN, mark)), 1):
        held = [
            {
                "id": tax,
                "description": taxes[tax].code,
                "type": "percentage" if taxes[tax].rate else "fixed",
                "rate": taxes[tax].rate,
                "amount": taxes[tax].amount,
            }
            for tax in values["taxes"][0][1]
        ]
        changes = {name: values[name] for name in ("unit_price", "note")} | {"taxes.": held}
        product = {"product.": {"id": values["product"], "code": codes[values["product"]], "type": "goods"}}
        lines.append(line(number, values["quantity"], **changes, **product))
    tax = sum((each.amount for each in order.taxes), Decimal(0))
    return read_record(sale(*lines, total_amount=order.total, tax_amount=tax))


@given(sold_and_lowered())
def test_whatever_units_are_taken_off_the_sale_comes_to_the_cent(orders: tuple[Order, Order]) -> None:
    before, now = (plan_sales_order(each, sandbox_mapping(tax_tolerance="0")) for each in orders)
    record = entered(before)
    found = lowered_lines(record, plan_sale(now, PARTY, KNOWN).lines, now)
    assert found is not None
    assert all(each.quantity <= each.line.units for each in found if not is_rounding(each.line.note))
    changed = {each.line.id: each.changed for each in found}
    amounts = as_computed([changed.get(each.id, each) for each in record.order_lines])
    assert amounts == (now.total, {tax.code: tax.amount for tax in now.taxes if tax.amount})


def billed(record: SaleRecord) -> SaleRecord:
    return record.model_copy(update={"invoices": read_record(sale(**POSTED)).invoices})


def as_computed(lines: Iterable[LineRecord]) -> tuple[Decimal, dict[str, Decimal]]:
    """In all, and by tax."""
    net, taxes = as_tryton_computes(
        [
            {
                "unit_price": each.unit_price,
                "quantity": each.quantity,
                "taxes": [["add", [tax.id for tax in each.taxes]]],
            }
            for each in lines
        ]
    )
    return net + sum(taxes.values()), {code: amount for code, amount in taxes.items() if amount}


@given(sold_and_lowered())
def test_once_an_invoice_is_posted_its_credit_comes_to_the_cent_or_nothing_is_done(
    orders: tuple[Order, Order],
) -> None:
    before, now = (plan_sales_order(each, sandbox_mapping(tax_tolerance="0")) for each in orders)
    record = billed(entered(before))
    found = lowered_lines(record, plan_sale(now, PARTY, KNOWN).lines, now)
    credited, _ = as_computed(
        each.line.model_copy(update={"quantity": float(each.line.units - each.quantity)})
        for each in found or ()
    )
    assert credited == (before.total - now.total if found else 0)


def test_a_credit_that_tryton_would_round_otherwise_is_refused() -> None:
    """Tax of 0.225 falls to 0.15, and Tryton's credit of one unit is of 0.08 beside the cent that had been added."""
    before, now = (
        plan_sales_order(
            make_order(lines=[make_line("1", "MUG-LOGO", n, unit_price="1.20", tax_rates=US_TAXES[:1])]),
            sandbox_mapping(tax_tolerance="0"),
        )
        for n in (3, 2)
    )
    record, lines = entered(before), plan_sale(now, PARTY, KNOWN).lines
    assert lowered_lines(record, lines, now)
    assert lowered_lines(billed(record), lines, now) is None
