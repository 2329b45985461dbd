"""The sandbox store's arithmetic: totals are sums of their parts, exact to the minor unit, in both currencies."""

from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.store.money import Both, CurrencyPair, allocate, half_up, minor_unit
from sandbox.store.pricing import Charge, DiscountTerms, price_order, taxes_on

CENT = Decimal("0.01")

cents = st.integers(0, 500_00).map(lambda n: Decimal(n) * CENT)
rates = st.sampled_from(["0", "0.015", "0.0625", "0.07", "0.077", "0.19", "0.20", "0.255"]).map(Decimal)
terms = st.one_of(
    st.integers(1, 300_00).map(lambda n: DiscountTerms(amount=Decimal(n) * CENT)),
    st.integers(1, 100_00).map(lambda n: DiscountTerms(percent=Decimal(n) * CENT)),
)
charges = st.builds(
    Charge,
    quantity=st.integers(0, 12),
    unit_price=cents,
    discounts=st.lists(terms, max_size=2).map(tuple),
    tax_rates=st.lists(rates, max_size=2).map(tuple),
)


@given(
    st.lists(charges, min_size=1, max_size=6),
    st.lists(charges, max_size=1),
    st.lists(terms, max_size=2),
    st.booleans(),
)
def test_an_order_is_the_sum_of_its_parts(
    lines: list[Charge], shipping: list[Charge], discounts: list[DiscountTerms], included: bool
) -> None:
    priced = price_order(lines, shipping, discounts, CENT, taxes_included=included)

    parts = [*priced.lines, *priced.shipping]
    net = sum((part.gross - sum(part.discounts) for part in parts), Decimal(0))
    tax = sum((sum(part.taxes, Decimal(0)) for part in parts), Decimal(0))
    assert priced.total == (net if included else net + tax)
    assert priced.total_tax == tax
    for charge, part in zip([*lines, *shipping], parts, strict=True):
        assert part.gross == charge.unit_price * charge.quantity
        assert part.discounted >= 0, "no discount takes more than there is"
        amounts = [part.gross, *part.discounts, *part.taxes]
        assert all(amount == amount.quantize(CENT) for amount in amounts), "whole cents everywhere"
        assert all(discount >= 0 for discount in part.discounts)


@given(st.lists(charges, min_size=1, max_size=6), terms)
def test_a_discount_on_the_order_is_divided_without_a_rest(
    lines: list[Charge], discount: DiscountTerms
) -> None:
    without = price_order(lines, [], [], CENT, taxes_included=False)
    with_it = price_order(lines, [], [discount], CENT, taxes_included=False)

    shares = [line.discounts[-1] for line in with_it.lines]
    assert sum(shares) == discount.of(without.subtotal, CENT)
    for share, line in zip(shares, without.lines, strict=True):
        exact = discount.of(without.subtotal, CENT) * line.discounted / (without.subtotal or 1)
        assert abs(share - exact) < CENT, "each share is its exact part, rounded one way or the other"


@given(cents, st.lists(rates, min_size=1, max_size=3))
def test_tax_on_top_is_each_rate_of_the_price_half_up(base: Decimal, of: list[Decimal]) -> None:
    assert list(taxes_on(base, of, CENT, included=False)) == [
        (base * rate).quantize(CENT, rounding=ROUND_HALF_UP) for rate in of
    ]


@given(cents, rates)
def test_included_tax_is_what_the_net_price_would_bear(gross: Decimal, rate: Decimal) -> None:
    (tax,) = taxes_on(gross, [rate], CENT, included=True)
    assert abs((gross - tax) * rate - tax) <= CENT / 2 * (1 + rate), (
        "net * rate gives the tax back, to half a cent"
    )


@pytest.mark.parametrize(
    ("base", "rate", "included", "tax"),
    [
        ("0.10", "0.05", False, "0.01"),  # half a cent goes up
        ("0.30", "0.015", False, "0.00"),
        ("19.90", "0.0625", False, "1.24"),
        ("119.00", "0.19", True, "19.00"),
        ("9.99", "0.20", True, "1.67"),
    ],
)
def test_tax_by_hand(base: str, rate: str, included: bool, tax: str) -> None:
    assert taxes_on(Decimal(base), [Decimal(rate)], CENT, included=included) == (Decimal(tax),)


def test_two_included_taxes_share_one_net_price() -> None:
    # 110.00 with 6 % and 4 % in it: net 100.00
    assert taxes_on(Decimal("110.00"), [Decimal("0.06"), Decimal("0.04")], CENT, included=True) == (
        Decimal("6.00"),
        Decimal("4.00"),
    )


def test_the_largest_remainder_gets_the_odd_cent() -> None:
    assert allocate(Decimal("10.00"), [Decimal("33.33"), Decimal("33.33"), Decimal("33.34")], CENT) == [
        Decimal("3.33"),
        Decimal("3.33"),
        Decimal("3.34"),
    ]


@given(st.lists(cents, min_size=1, max_size=8), st.data())
def test_allocation_adds_up_and_never_exceeds_a_weight(weights: list[Decimal], data: st.DataObject) -> None:
    amount = data.draw(st.integers(0, int(sum(weights) / CENT))) * CENT
    parts = allocate(amount, weights, CENT)
    assert sum(parts) == amount
    assert all(0 <= part <= weight for part, weight in zip(parts, weights, strict=True))


def test_nothing_to_divide_by_is_an_error() -> None:
    with pytest.raises(ValueError, match="weights are zero"):
        allocate(CENT, [Decimal(0)], CENT)


@given(
    st.integers(1, 100_000_00),
    st.sampled_from(["EUR", "JPY"]),
    st.decimals("0.5", "160", places=3),
    st.lists(st.integers(1, 100), min_size=1, max_size=6),
)
def test_paid_in_full_in_one_currency_is_paid_in_full_in_the_other(
    shop_cents: int, currency: str, rate: Decimal, weights: list[int]
) -> None:
    pair = CurrencyPair(shop="USD", presentment=currency, rate=rate)
    due = pair.convert(shop_cents * CENT)
    moved = Both(shop=Decimal(0), presentment=Decimal(0))
    for part in allocate(due.presentment, [due.presentment * w for w in weights], minor_unit(currency)):
        moved += pair.settle(moved, part, due)
    assert moved == due or not due.presentment


@given(cents, st.integers(1, 20), st.data())
def test_shares_of_units_stay_within_half_a_cent(amount: Decimal, of_units: int, data: st.DataObject) -> None:
    units = data.draw(st.integers(0, of_units))
    pair = CurrencyPair(shop="USD", presentment="USD")
    share = pair.share(Both(shop=amount, presentment=amount), units, of_units)
    assert abs(share.shop - amount * units / of_units) <= CENT / 2
    assert share.shop == share.presentment
    if units == of_units:
        assert share.shop == amount, "all units have all of it"


def test_yen_have_no_cents() -> None:
    pair = CurrencyPair(shop="USD", presentment="JPY", rate=Decimal("151.37"))
    assert pair.convert(Decimal("19.90")) == Both(shop=Decimal("19.90"), presentment=Decimal(3012))
    assert half_up(Decimal("2.5"), minor_unit("JPY")) == 3


@pytest.mark.parametrize(
    "wrong",
    [{}, {"amount": Decimal(1), "percent": Decimal(1)}, {"amount": Decimal(-1)}, {"percent": Decimal(101)}],
)
def test_discount_terms_are_one_of_amount_and_percent(wrong: dict[str, Decimal]) -> None:
    with pytest.raises(ValueError, match="discount"):
        DiscountTerms(**wrong)
