"""Taxes that a storefront rounds once for the order: divided over its lines, to the cent, and nothing else bent."""

from decimal import Decimal
from fractions import Fraction
from typing import TypeVar

from hypothesis import given
from hypothesis import strategies as st

from domain.money import is_whole, round_money
from domain.order import Order, OrderLine, ShippingCharge, TaxLine
from domain.planning import plan_sales_order
from domain.tax_allocation import settle_taxes, whole_of
from tests.order_builder import US_TAXES, VAT, make_line, make_order, make_shipping
from tests.order_strategy import orders, wide_mapping

Part = TypeVar("Part", OrderLine, ShippingCharge)


def exact_taxes(order: Order, part: OrderLine | ShippingCharge) -> tuple[Fraction, ...]:
    """What price and rates give for each of a part's taxes. Decimals would make 0.2649... of a sum that is 0.265."""
    whole = whole_of(order, part)
    price = Fraction(whole.gross if order.taxes_included else whole.net)
    rates = sum((Fraction(tax.rate) for tax in part.taxes), Fraction(0)) if order.taxes_included else 0
    return tuple(price * Fraction(tax.rate) / (1 + rates) for tax in part.taxes)


def told_fine(part: Part, exact: tuple[Fraction, ...]) -> Part:
    """A part as a storefront tells it that rounds no line."""
    amounts = (Decimal(amount.numerator) / amount.denominator for amount in exact)
    taxes = (
        tax.model_copy(update={"amount": amount}) for tax, amount in zip(part.taxes, amounts, strict=True)
    )
    return part.model_copy(update={"taxes": tuple(taxes)})


def rounded_per_order(order: Order, *, together: bool, fine: bool) -> Order:
    """The same order from a storefront that rounds each rate once, or all ``together``.

    ``fine``: it tells lines of fractions of a cent; else each line's tax rounded by itself, whatever they come to.
    """
    parts: list[OrderLine | ShippingCharge] = [x for x in order.lines if x.current]
    parts += order.shipping
    exact = {id(part): exact_taxes(order, part) for part in parts}
    sums: dict[tuple[str, Decimal], Fraction] = {}
    for part in parts:
        for tax, amount in zip(part.taxes, exact[id(part)], strict=True):
            sums[tax.title, tax.rate] = sums.get((tax.title, tax.rate), Fraction(0)) + amount
    total_tax = (
        round_money(sum(sums.values(), Fraction(0)), order.currency)
        if together
        else sum((round_money(amount, order.currency) for amount in sums.values()), Decimal(0))
    )
    if fine:
        lines = [told_fine(x, exact[id(x)]) if x.current else x for x in order.lines]
        shipping = [told_fine(x, exact[id(x)]) for x in order.shipping]
        order = order.model_copy(update={"lines": tuple(lines), "shipping": tuple(shipping)})
    total = order.total if order.taxes_included else order.total - order.total_tax + total_tax
    return order.model_copy(update={"total_tax": total_tax, "total": total})


def all_taxes(order: Order) -> list[TaxLine]:
    parts = [*(x for x in order.lines if x.current), *order.shipping]
    return [tax for part in parts for tax in part.taxes]


@given(orders())
def test_an_order_rounded_per_line_stays_as_it_is(order):
    assert settle_taxes(order) is order


@given(orders(max_lines=7), st.sampled_from(((False, False), (False, True), (True, True))))
def test_an_order_rounded_once_adds_up_tax_by_tax_and_no_tax_moves_by_two_cents(order, way):
    together, fine = way
    told = rounded_per_order(order, together=together, fine=fine)
    settled = settle_taxes(told)
    taxes, before = all_taxes(settled), all_taxes(told)
    assert sum((tax.amount for tax in taxes), Decimal(0)) == told.total_tax
    assert all(is_whole(tax.amount, order.currency) and tax.amount >= 0 for tax in taxes)
    cent = Decimal(1).scaleb({"JPY": 0, "KWD": -3}.get(order.currency, -2))
    moved = [abs(one.amount - other.amount) for one, other in zip(taxes, before, strict=True)]
    assert all(amount < 2 * cent for amount in moved)
    if not together:
        for title, rate in {(tax.title, tax.rate) for tax in taxes}:
            of_rate = [tax.amount for tax in taxes if (tax.title, tax.rate) == (title, rate)]
            exact = [
                amount
                for part in (*(x for x in order.lines if x.current), *order.shipping)
                for tax, amount in zip(part.taxes, exact_taxes(order, part), strict=True)
                if (tax.title, tax.rate) == (title, rate)
            ]
            if fine:
                assert sum(of_rate) == round_money(sum(exact, Fraction(0)), order.currency)


@given(orders(max_lines=7), st.booleans())
def test_an_order_rounded_once_is_planned_to_the_cent(order, fine):
    settled = settle_taxes(rounded_per_order(order, together=False, fine=fine))
    if all(whole_of(settled, part).net >= 0 for part in (*settled.lines, *settled.shipping)):
        planned = plan_sales_order(settled, wide_mapping())
        booked = sum(
            (x.net + sum((t.amount for t in x.taxes), Decimal(0)) for x in planned.lines), Decimal(0)
        )
        assert booked == settled.total


def test_the_cent_of_an_order_rounded_once_goes_to_the_largest_remainder():
    # State: 0.2625 + 0.1875 + 0.0625 = 0.5125, per line 0.26 + 0.19 + 0.06 and per order 0.51 as well.
    # City: 0.063 + 0.045 + 0.015 = 0.123, per line 0.06 + 0.05 + 0.02 but per order 0.12: 6.1, 4.4 and 1.5 cents of it.
    prices = ("4.20", "3.00", "1.00")
    lines = [make_line(str(11 + n), ordered=1, unit_price=price) for n, price in enumerate(prices)]
    order = make_order(lines=lines)
    assert order.total_tax == Decimal("0.64")
    told = order.model_copy(update={"total_tax": Decimal("0.63"), "total": order.total - Decimal("0.01")})
    settled = settle_taxes(told)
    assert [[str(tax.amount) for tax in line.taxes] for line in settled.lines] == [
        ["0.26", "0.06"],
        ["0.19", "0.04"],
        ["0.06", "0.02"],
    ]


def test_whole_cents_of_taxes_are_not_taken_for_all_rounded_together():
    # 2.4875 + 0.597 are 3.0845: a total tax of 3.08 beside 2.49 and 0.60 is a difference that somebody has to look at.
    order = make_order()
    assert order.total_tax == Decimal("3.09")
    told = order.model_copy(update={"total_tax": Decimal("3.08"), "total": order.total - Decimal("0.01")})
    assert settle_taxes(told) == told


def test_what_rounding_does_not_explain_is_left_as_it_is_told():
    order = make_order(lines=[make_line(tax_rates=VAT)], shipping=[make_shipping(tax_rates=US_TAXES)])
    more_tax = order.model_copy(
        update={"total_tax": order.total_tax + Decimal("0.05"), "total": order.total + Decimal("0.05")}
    )
    tip = order.model_copy(update={"total": order.total + Decimal("0.01")})
    for told in (more_tax, tip):
        assert settle_taxes(told) == told
