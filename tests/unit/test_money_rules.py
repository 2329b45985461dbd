"""Rounding, splitting and shares: no minor unit is lost or made."""

from decimal import Decimal, localcontext

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.money import format_money, is_whole, minor_digits, proportion, round_money, share, split

CURRENCIES = st.sampled_from(("USD", "JPY", "KWD"))
UNITS = st.integers(-1_000_000, 1_000_000)
WEIGHTS = st.lists(
    st.one_of(st.integers(0, 1000), st.decimals(0, 1000, places=4, allow_nan=False)), min_size=1, max_size=6
)


def in_minor(amount: Decimal, currency: str) -> int:
    units = amount.scaleb(minor_digits(currency))
    assert units == units.to_integral_value()
    return int(units)


@pytest.mark.parametrize(("currency", "digits"), [("USD", 2), ("EUR", 2), ("JPY", 0), ("KWD", 3), ("ISK", 0)])
def test_minor_digits_follow_iso_4217(currency, digits):
    assert minor_digits(currency) == digits


@pytest.mark.parametrize(
    ("amount", "currency", "rounded"),
    [
        ("1.005", "USD", "1.01"),
        ("1.0049", "USD", "1.00"),
        ("-1.005", "USD", "-1.01"),
        ("0.5", "JPY", "1"),
        ("1.0005", "KWD", "1.001"),
        ("7", "USD", "7.00"),
    ],
)
def test_rounds_half_up_to_the_minor_unit(amount, currency, rounded):
    assert str(round_money(Decimal(amount), currency)) == rounded


def test_nothing_is_never_minus_nothing():
    assert str(round_money(Decimal("-0.001"), "USD")) == "0.00"


def test_money_in_plain_words_shows_every_digit_that_counts():
    assert format_money(Decimal("19.9"), "USD") == "USD 19.90"
    assert format_money(Decimal("1.2E+3"), "JPY") == "JPY 1200"
    assert format_money(Decimal("-0.1"), "KWD") == "KWD -0.100"
    assert format_money(Decimal("0.005"), "USD") == "USD 0.005"


def test_split_gives_left_over_cents_to_the_largest_remainder_then_the_earliest():
    assert split(Decimal("10.00"), (1, 1, 1), "USD") == (Decimal("3.34"), Decimal("3.33"), Decimal("3.33"))
    assert split(Decimal("0.05"), (1, 2), "USD") == (Decimal("0.02"), Decimal("0.03"))
    assert split(Decimal("-0.05"), (1, 1), "USD") == (Decimal("-0.03"), Decimal("-0.02"))
    assert split(Decimal(100), (Decimal("0.5"), 0, Decimal("0.25")), "JPY") == (67, 0, 33)
    assert split(Decimal("0.03"), (0, 0), "USD") == (Decimal("0.02"), Decimal("0.01"))


@given(CURRENCIES, UNITS, WEIGHTS)
def test_split_is_exact_fair_and_deterministic(currency, units, weights):
    total = Decimal(units).scaleb(-minor_digits(currency))
    parts = split(total, weights, currency)
    assert len(parts) == len(weights)
    assert sum(parts) == total
    assert parts == split(total, weights, currency)
    if not any(weights):
        return
    for part, weight in zip(parts, weights, strict=True):
        assert abs(in_minor(part, currency) * sum(weights) - units * weight) < sum(weights)  # within one unit
        assert weight or part == 0


@pytest.mark.parametrize(
    ("total", "weights", "problem"),
    [("0.005", (1, 1), "fraction"), ("1.00", (1, -1), "negative weight"), ("1.00", (), "nothing")],
)
def test_split_refuses_what_it_cannot_do_exactly(total, weights, problem):
    with pytest.raises(ValueError, match=problem):
        split(Decimal(total), weights, "USD")


def test_share_is_cumulative_and_rounded_half_up():
    assert [share(Decimal("0.05"), n, 2, "USD") for n in range(3)] == [0, Decimal("0.03"), Decimal("0.05")]
    assert [share(Decimal("10.00"), n, 3, "USD") for n in range(4)] == [
        0,
        Decimal("3.33"),
        Decimal("6.67"),
        Decimal("10.00"),
    ]
    assert share(Decimal("4.20"), 0, 0, "USD") == Decimal("4.20")


@given(CURRENCIES, UNITS, st.integers(1, 50))
def test_share_never_goes_back_and_ends_at_the_total(currency, units, whole):
    total = Decimal(units).scaleb(-minor_digits(currency))
    shares = [abs(share(total, part, whole, currency)) for part in range(whole + 1)]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert share(total, whole, whole, currency) == total
    for part, value in enumerate(shares):
        assert abs(in_minor(value, currency) * whole * 2 - abs(units) * part * 2) <= whole  # nearest unit


def test_share_of_an_amount_finer_than_a_cent_never_passes_it():
    total = Decimal("0.005")
    assert [share(total, n, 3, "USD") for n in range(4)] == [0, 0, 0, total]
    assert share(Decimal("0.008"), 3, 4, "USD") <= Decimal("0.008")


@pytest.mark.parametrize(("part", "whole"), [(3, 2), (-1, 2), (1, 0)])
def test_share_refuses_parts_outside_the_whole(part, whole):
    with pytest.raises(ValueError, match="units is no share"):
        share(Decimal(1), part, whole, "USD")


@given(CURRENCIES, UNITS, st.integers(0, 10**6), st.integers(1, 10**6))
def test_proportion_is_the_nearest_minor_unit(currency, units, part, whole):
    assume(part <= whole)
    amount = Decimal(units).scaleb(-minor_digits(currency))
    value = proportion(amount, part, whole, currency)
    assert abs(in_minor(value, currency) * whole - units * part) * 2 <= whole
    assert abs(value) <= abs(amount)


def test_proportion_of_a_whole_of_zero_is_refused():
    with pytest.raises(ValueError, match="whole of zero"):
        proportion(Decimal(1), 1, 0, "USD")


def test_a_narrow_decimal_context_changes_nothing():
    total = Decimal("123456789.01")
    expected = (split(total, (1, 2), "USD"), share(total, 1, 7, "USD"), round_money(total, "USD"))
    with localcontext() as context:
        context.prec = 3
        assert (split(total, (1, 2), "USD"), share(total, 1, 7, "USD"), round_money(total, "USD")) == expected


def test_whole_amounts_can_be_paid():
    assert is_whole(Decimal("1.10"), "USD")
    assert not is_whole(Decimal("1.101"), "USD")
    assert not is_whole(Decimal("0.5"), "JPY")
