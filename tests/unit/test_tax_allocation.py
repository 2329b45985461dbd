"""Parts of a line: they add up to it to the cent, net and tax by tax, whatever their order and sizes."""

from decimal import Decimal
from itertools import accumulate, pairwise
from operator import attrgetter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.adding_up import sum_by_code
from domain.erp_order import SalesLine, SalesLineKind, TaxAmount
from domain.money import is_whole, share, split
from domain.order import Order, OrderLine
from domain.tax_allocation import PartAmount, divide_sales_line, lowered, part_of_line, whole_of
from tests.order_builder import US_TAXES, VAT, make_discount, make_line, make_order
from tests.order_strategy import money, orders, partitions

RATES = (*US_TAXES, *VAT, ("Levy", Decimal("0.005")))


def order_of(line: OrderLine, *, included: bool = False, currency: str = "USD") -> Order:
    return make_order(lines=[line], taxes_included=included, currency=currency)


@st.composite
def lines(draw: st.DrawFn) -> tuple[Order, OrderLine]:
    """A line of up to four taxes whose amounts are as a storefront works them out, or off by some cents."""
    currency, included = draw(st.sampled_from(("USD", "JPY", "KWD"))), draw(st.booleans())
    units = draw(st.integers(1, 40))
    price = draw(money(currency, high=draw(st.sampled_from((3, 300, 30_000)))))
    line = make_line(
        ordered=units,
        unit_price=price,
        discounts=[make_discount(draw(st.sampled_from((Decimal(0), price))))] if units > 1 else [],
        tax_rates=RATES[: draw(st.integers(0, 4))],
        taxes_included=included,
        currency=currency,
    )
    order = order_of(line, included=included, currency=currency)
    return order, line if whole_of(order, line).net >= 0 else line.model_copy(update={"taxes": ()})


def parts_of(order: Order, line: OrderLine, sizes: list[int]) -> list[PartAmount]:
    before = [0, *accumulate(sizes)]
    return [part_of_line(order, line, done, size) for done, size in zip(before, sizes, strict=False)]


def amounts(part: PartAmount) -> tuple[Decimal, ...]:
    return (part.net, *map(attrgetter("amount"), part.taxes))


@given(lines(), st.data())
def test_parts_add_up_to_the_line_net_and_tax_by_tax(drawn, data):
    order, line = drawn
    sizes = data.draw(partitions(line.current, data.draw(st.integers(1, 6))))
    parts = parts_of(order, line, sizes)
    assert tuple(map(sum, zip(*map(amounts, parts), strict=True))) == amounts(whole_of(order, line))
    assert sum(part.gross for part in parts) == whole_of(order, line).gross


@given(lines(), st.data())
def test_it_does_not_matter_how_the_units_before_were_divided(drawn, data):
    order, line = drawn
    sizes = data.draw(partitions(line.current, 5))
    mixed = data.draw(st.permutations(sizes))
    done = sum(sizes[:3])
    assert sum(p.gross for p in parts_of(order, line, sizes)[:3]) == part_of_line(order, line, 0, done).gross
    assert sum(p.gross for p in parts_of(order, line, mixed)) == sum(
        p.gross for p in parts_of(order, line, sizes)
    )


@given(lines())
def test_no_unit_is_worth_less_than_nothing_and_more_units_are_never_worth_less(drawn):
    order, line = drawn
    assert all(min(amounts(part)) >= 0 for part in parts_of(order, line, [1] * line.current))
    so_far = [part_of_line(order, line, 0, units) for units in range(line.current + 1)]
    assert not any(amounts(so_far[0]))
    for fewer, more in pairwise(so_far):
        assert all(less <= much for less, much in zip(amounts(fewer), amounts(more), strict=True))


@given(lines())
def test_what_units_are_worth_can_be_paid_and_is_nearly_their_share(drawn):
    order, line = drawn
    cent = Decimal(1).scaleb({"JPY": 0, "KWD": -3}.get(order.currency, -2))
    whole = whole_of(order, line)
    for units in range(line.current):
        part = part_of_line(order, line, 0, units)
        assert all(is_whole(amount, order.currency) for amount in amounts(part))
        price, of = (part.gross, whole.gross) if order.taxes_included else (part.net, whole.net)
        assert abs(price * line.current - of * units) * 2 <= cent * line.current  # the nearest cent
        for amount, exact in zip(amounts(part), amounts(whole), strict=True):
            assert abs(amount * line.current - exact * units) <= cent * (len(part.taxes) + 1) * line.current


@given(orders(), st.data())
def test_every_order_divides_whole(order, data):
    for line in order.lines:
        sizes = data.draw(partitions(line.current, 3))
        whole = whole_of(order, line)
        assert sum(p.gross for p in parts_of(order, line, sizes)) == whole.gross
    charges = sum((whole_of(order, charge).gross for charge in order.shipping), Decimal(0))
    assert sum((whole_of(order, line).gross for line in order.lines), charges) == order.total


def test_one_of_two_units_costs_its_price_where_tax_is_included():
    line = make_line(unit_price="9.99", tax_rates=VAT, taxes_included=True)
    order = order_of(line, included=True)
    first, second = parts_of(order, line, [1, 1])
    assert (first.net, first.tax, first.gross) == (Decimal("8.32"), Decimal("1.67"), Decimal("9.99"))
    assert (second.net, second.tax, second.gross) == (Decimal("8.33"), Decimal("1.66"), Decimal("9.99"))


def test_one_of_three_units_costs_its_price_where_tax_comes_on_top():
    line = make_line(ordered=3, unit_price="10.00", tax_rates=US_TAXES)  # 1.88 and 0.45 of tax
    parts = parts_of(order_of(line), line, [1, 1, 1])
    assert [part.net for part in parts] == [10, 10, 10]
    assert [[str(tax.amount) for tax in part.taxes] for part in parts] == [
        ["0.63", "0.15"],
        ["0.62", "0.15"],
        ["0.63", "0.15"],
    ]
    assert [tax.title for tax in parts[0].taxes] == ["State Tax", "City Tax"]


def test_the_odd_cent_of_a_discount_goes_to_the_unit_that_is_nearest_to_it():
    line = make_line(ordered=3, unit_price="10.00", discounts=[make_discount("0.01")], tax_rates=())
    parts = parts_of(order_of(line), line, [1, 1, 1])
    assert [str(part.gross) for part in parts] == ["10.00", "9.99", "10.00"]


def test_units_that_cost_less_than_a_cent_never_cost_a_tax_alone():
    line = make_line(
        ordered=4, unit_price="0.01", discounts=[make_discount("0.02")], tax_rates=VAT, taxes_included=True
    )
    line = line.model_copy(update={"taxes": (line.taxes[0].model_copy(update={"amount": Decimal("0.01")}),)})
    parts = parts_of(order_of(line, included=True), line, [1, 1, 1, 1])
    assert [(str(p.net), str(p.tax)) for p in parts] == [
        ("0.00", "0.00"),
        ("0.00", "0.01"),
        ("0.00", "0.00"),
        ("0.01", "0.00"),
    ]


@pytest.mark.parametrize(("before", "units"), [(0, 3), (2, 1), (-1, 1), (1, -1)])
def test_units_that_the_line_does_not_have_are_no_part_of_it(before, units):
    line = make_line(ordered=2)
    with pytest.raises(ValueError, match="are no part of its 2 units"):
        part_of_line(order_of(line), line, before, units)


def test_a_line_without_units_is_worth_nothing():
    line = make_line(ordered=2, current=0)
    assert part_of_line(order_of(line), line, 0, 0) == PartAmount(net=Decimal(0))


@given(lines(), st.data())
def test_a_line_with_fewer_units_is_worth_what_its_first_ones_are(drawn, data):
    order, line = drawn
    kept = data.draw(st.integers(0, line.current))
    left = lowered(order, line, kept)
    assert left.current == kept
    assert (
        amounts(whole_of(order, left))[: 1 + len(left.taxes)]
        == amounts(part_of_line(order, line, 0, kept))[: 1 + len(left.taxes)]
    )
    assert all(discount.amount >= 0 for discount in left.discounts)


def test_what_is_left_of_two_discounts_is_their_share_together():
    discounts = [make_discount("0.01"), make_discount("0.01", title="ORDER")]
    line = make_line(ordered=2, unit_price="0.01", discounts=discounts, tax_rates=())
    assert [d.amount for d in lowered(order_of(line), line, 1).discounts] == [
        Decimal("0.01"),
        Decimal("0.00"),
    ]


@given(lines(), st.data())
def test_a_line_of_the_erp_is_divided_whole_tax_by_tax(drawn, data):
    order, line = drawn
    whole = whole_of(order, line)
    taxes = tuple(TaxAmount(code=tax.title, amount=tax.amount) for tax in whole.taxes)
    sales = SalesLine(
        line_id="11",
        kind=SalesLineKind.GOODS,
        product="TEE",
        warehouse=None,
        quantity=line.current,
        net=whole.net,
        taxes=taxes,
    )
    sizes = data.draw(partitions(line.current, 4))
    parts = divide_sales_line(sales, sizes, order.currency)
    assert [part.quantity for part in parts] == sizes
    assert sum(part.net for part in parts) == whole.net
    assert sum_by_code(tax for part in parts for tax in part.taxes) == sum_by_code(taxes)
    assert all(min(part.net, *(tax.amount for tax in part.taxes), part.net) >= 0 for part in parts)
    with pytest.raises(ValueError, match="are not its"):
        divide_sales_line(sales, [*sizes, 1], order.currency)


@given(st.integers(0, 5000), st.integers(0, 40), st.integers(0, 40))
def test_units_so_far_and_units_left_divide_by_largest_remainder(cents, done, left):
    total = Decimal(cents).scaleb(-2)
    if done + left:
        assert split(total, (done, left), "USD")[0] == share(total, done, done + left, "USD")
