"""What every ERP adapter makes of an order's taxes, to the cent, held against memory and a real Tryton."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from adapters.errors import Rejected
from domain.balance import compare_orders, prove
from domain.erp_order import ErpOrder, TaxAdjustment, TaxAdjustmentCause
from domain.ledger import EntryKind
from domain.mapping import Mapping
from domain.money import round_money
from domain.order import Customer, Order, OrderLine
from domain.planning import plan_sales_order
from domain.tax_allocation import settle_taxes, whole_of
from tests.order_builder import (
    US_TAXES,
    VAT,
    TaxRates,
    make_discount,
    make_line,
    make_order,
    make_shipping,
    sandbox_mapping,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

CENT = Decimal("0.01")
TOLERANT = sandbox_mapping(tax_tolerance="0.02")
TOLERANCE = TaxAdjustmentCause.TOLERANCE


def three_lines(rates: TaxRates, *, included: bool = False) -> list[OrderLine]:
    """Prices at which no line's tax is whole cents."""
    return [
        make_line("11", "TEE-BLK-M", 3, tax_rates=rates, taxes_included=included),
        make_line("12", "STICKER", 7, unit_price="0.37", tax_rates=rates, taxes_included=included),
        make_line(
            "13",
            "MUG-LOGO",
            2,
            unit_price="9.99",
            discounts=[make_discount("0.05")],
            tax_rates=rates,
            taxes_included=included,
        ),
    ]


def included(external_id: str) -> Order:
    return make_order(external_id, lines=three_lines(VAT, included=True), taxes_included=True)


def two_rates_included(external_id: str) -> Order:
    return make_order(external_id, lines=three_lines(US_TAXES, included=True), taxes_included=True)


def excluded(external_id: str) -> Order:
    return make_order(external_id, lines=three_lines(VAT))


def two_rates(external_id: str) -> Order:
    return make_order(external_id, lines=three_lines(US_TAXES))


def rates_by_line(external_id: str) -> Order:
    lines = [of_rate[n] for n, of_rate in enumerate(map(three_lines, (US_TAXES, VAT, ())))]
    return make_order(external_id, lines=lines)


def exempt(external_id: str) -> Order:
    buyer = Customer(external_id="7002", name="Buyer", company_id="301", company_name="Wholesale Inc")
    return make_order(external_id, lines=three_lines(()), shipping=[make_shipping()], customer=buyer)


def delivery_taxed(external_id: str) -> Order:
    return make_order(
        external_id, lines=three_lines(()), shipping=[make_shipping("4.99", tax_rates=US_TAXES)]
    )


def delivery_taxed_within_its_price(external_id: str) -> Order:
    charge = make_shipping("4.99", tax_rates=VAT, taxes_included=True)
    lines = three_lines(VAT, included=True)
    return make_order(external_id, lines=lines, shipping=[charge], taxes_included=True)


def split_over_warehouses(external_id: str) -> Order:
    lines = [make_line("11", "TEE-BLK-M", 7, discounts=[make_discount("0.05")], tax_rates=US_TAXES)]
    return make_order(external_id, lines=lines, placement={"11": {"101": 3, "102": 4}})


def halves_of_cents(external_id: str) -> Order:
    """Each line holds a tax with half a cent: rounded per line they come to a cent more than together."""
    lines = [
        make_line(str(11 + n), "MUG-LOGO", 1, unit_price=price, tax_rates=VAT, taxes_included=True)
        for n, price in enumerate(("4.05", "10.05", "9.99"))
    ]
    return make_order(external_id, lines=lines, taxes_included=True)


def rounded_per_order(of: Callable[[str], Order]) -> Callable[[str], Order]:
    """The same from a storefront that rounds each rate once, and tells its lines fractions of a cent."""

    def told(external_id: str) -> Order:
        order = of(external_id)
        lines = []
        rates = {tax.title: tax.rate for tax in order.lines[0].taxes}
        sums = dict.fromkeys(rates, Decimal(0))
        whole = 1 + sum(rates.values()) if order.taxes_included else Decimal(1)
        for line in order.lines:
            price = whole_of(order, line).gross if order.taxes_included else whole_of(order, line).net
            taxes = [t.model_copy(update={"amount": price * t.rate / whole}) for t in line.taxes]
            lines.append(line.model_copy(update={"taxes": tuple(taxes)}))
            for tax in taxes:
                sums[tax.title] += tax.amount
        total_tax = sum((round_money(amount, "USD") for amount in sums.values()), Decimal(0))
        total = order.total if order.taxes_included else order.total - order.total_tax + total_tax
        fine = order.model_copy(update={"lines": tuple(lines), "total_tax": total_tax, "total": total})
        return settle_taxes(fine)

    return told


ORDERS: dict[str, Callable[[str], Order]] = {
    "included": included,
    "included, two rates": two_rates_included,
    "excluded": excluded,
    "excluded, two rates": two_rates,
    "a rate a line, one free of tax": rates_by_line,
    "exempt company": exempt,
    "delivery taxed": delivery_taxed,
    "delivery taxed within its price": delivery_taxed_within_its_price,
    "split over warehouses": split_over_warehouses,
    "included, rounded per line": halves_of_cents,
    "included, rounded per order": rounded_per_order(halves_of_cents),
    "excluded, rounded per order": rounded_per_order(two_rates),
}


async def enter(erp_world, order: Order, mapping: Mapping = TOLERANT) -> ErpOrder:
    return await erp_world.erp.submit_order(plan_sales_order(order, mapping))


@pytest.mark.parametrize("make", ORDERS.values(), ids=ORDERS.keys())
async def test_taxes_are_the_storefronts_to_the_cent_with_no_tolerance_at_all(erp_world, make):
    order = make(erp_world.new_id())
    strict = sandbox_mapping(tax_tolerance="0")
    held = await enter(erp_world, order, strict)
    assert compare_orders(order, held, strict) == ()
    assert held.total == order.total
    books = await erp_world.books(order.key)
    assert sum(books.taxes.values()) == order.total_tax
    assert not [each for each in held.tax_adjustments if each.cause is TOLERANCE]


async def test_rounding_per_order_gives_other_totals_than_per_line():
    """Else the two orders above would prove nothing."""
    for of in (halves_of_cents, two_rates):
        assert rounded_per_order(of)("1").total_tax != of("1").total_tax


def dearer(order: Order, cents: int) -> Order:
    """The last line's first tax is so many cents above what its rate gives, and the order with it."""
    *lines, last = order.lines
    first, *others = last.taxes
    more = first.model_copy(update={"amount": first.amount + cents * CENT})
    lines.append(last.model_copy(update={"taxes": (more, *others)}))
    return order.model_copy(
        update={
            "lines": tuple(lines),
            "total_tax": order.total_tax + cents * CENT,
            "total": order.total + (0 if order.taxes_included else cents * CENT),
        }
    )


@pytest.mark.parametrize(("make", "cents"), [(excluded, 2), (two_rates, 2), (two_rates, -2), (included, 2)])
async def test_a_tax_off_within_the_tolerance_is_booked_and_named(erp_world, make, cents):
    order = dearer(make(erp_world.new_id()), cents)
    held = await enter(erp_world, order)
    assert compare_orders(order, held, TOLERANT) == ()
    code = "STATE-6.25" if make is two_rates else "VAT-20"
    tolerated = [each for each in held.tax_adjustments if each.cause is TOLERANCE]
    assert len(tolerated) == 1
    assert tolerated[0].code == code
    # With the tax in the price the net is less as well, which the rate takes into account.
    assert abs(tolerated[0].amount - cents * CENT) <= (CENT if make is included else 0)
    subjects = {
        e.subject for e in prove(order, held, TOLERANT).ledger.entries if e.kind is EntryKind.TAX_ADJUSTED
    }
    assert f"{code}, within the tolerance" in subjects
    assert (await erp_world.books(order.key)).total == order.total
    assert await erp_world.erp.find_order(order.key) == held
    assert await enter(erp_world, order) == held


async def test_a_tax_off_by_more_is_refused_with_both_numbers_and_the_rate_and_taken_once_corrected(
    erp_world,
):
    right = two_rates(erp_world.new_id())
    wrong = dearer(right, 3)
    with pytest.raises(Rejected) as refused:
        await enter(erp_world, wrong)
    assert refused.value.cause == "amounts_differ"
    told, reckoned = (order.lines[-1].taxes[0].amount for order in (wrong, right))
    for word in ("line 13", "STATE-6.25", str(told), str(reckoned), "0.03", "tolerance of 0.02"):
        assert word in refused.value.reason
    assert (await erp_world.books(right.key)).orders == 0
    held = await enter(erp_world, right)
    assert compare_orders(right, held, TOLERANT) == ()


@pytest.mark.parametrize("cents", [1, -2])
async def test_a_total_tax_off_within_the_tolerance_is_booked_on_the_adjustment_product(erp_world, cents):
    order = excluded(erp_world.new_id())
    off = order.model_copy(
        update={"total_tax": order.total_tax + cents * CENT, "total": order.total + cents * CENT}
    )
    held = await enter(erp_world, off)
    assert compare_orders(off, held, TOLERANT) == ()
    assert held.total == off.total
    assert held.adjustment == cents * CENT
    assert TaxAdjustment(code="", cause=TOLERANCE, amount=cents * CENT) in held.tax_adjustments
    assert {line.product for line in held.lines if line.line_id == "tax-difference"} == {"ADJUSTMENT"}
    equations = prove(off, held, TOLERANT).equations
    assert all(each.holds for each in equations if each.told.name.startswith(("total", "tax", "parts")))
