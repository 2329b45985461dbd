"""Arithmetic on money that loses no cent: rounding, splitting, shares.

Amounts are Decimal in major units. Everything here counts in whole minor units (cents) with exact
fractions, so that a result never depends on the precision of a decimal context.
"""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

# ISO 4217: currencies whose minor unit is not a hundredth.
_MINOR_DIGITS = {
    **dict.fromkeys(
        (
            "BIF",
            "CLP",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "VND",
            "VUV",
            "XAF",
            "XOF",
            "XPF",
        ),
        0,
    ),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}
_USUAL_DIGITS = 2


def minor_digits(currency: str) -> int:
    """How many decimals the currency's smallest unit has: USD 2, JPY 0, KWD 3."""
    return _MINOR_DIGITS.get(currency, _USUAL_DIGITS)


def smallest_unit(currency: str) -> Decimal:
    """A cent, a yen."""
    return Decimal(1).scaleb(-minor_digits(currency))


def round_money(amount: Decimal | Fraction, currency: str) -> Decimal:
    """Round to the currency's minor unit, half away from zero, as storefronts do."""
    return _from_units(_half_up(_units(amount, currency)), currency)


def is_whole(amount: Decimal, currency: str) -> bool:
    """Whether the amount can be paid: no fraction of a minor unit is in it."""
    return _units(amount, currency).denominator == 1


def format_money(amount: Decimal, currency: str) -> str:
    """``USD 19.99``. An amount finer than the minor unit is shown in full, so that no reader is misled."""
    if is_whole(amount, currency):
        amount = round_money(amount, currency)
    return f"{currency} {amount:f}"


def split(total: Decimal, weights: Sequence[Decimal | int | Fraction], currency: str) -> tuple[Decimal, ...]:
    """Divide ``total`` by weight into parts of whole minor units that sum to it exactly.

    Left-over units go to the largest remainders, the earlier part first. A weight of zero gets nothing,
    unless all weights are zero: then they count as equal. A negative total is split as its positive
    mirror.

    Raises ValueError where the total has fractions of a minor unit, a weight is negative or there is none.
    """
    units = _units(total, currency)
    if units.denominator != 1:
        raise ValueError(
            f"cannot split {currency} {total}: it holds a fraction of the smallest unit; round it first"
        )
    shares = [Fraction(weight) for weight in weights]
    if any(weight < 0 for weight in shares):
        raise ValueError(
            f"cannot split {format_money(total, currency)} by a negative weight in {list(weights)}"
        )
    if not shares:
        raise ValueError(
            f"cannot split {format_money(total, currency)} over nothing; give at least one weight"
        )
    if not any(shares):
        shares = [Fraction(1)] * len(shares)
    whole = sum(shares)
    exact = [abs(units) * weight / whole for weight in shares]
    parts = [int(value) for value in exact]
    by_remainder = sorted(range(len(exact)), key=lambda index: (parts[index] - exact[index], index))
    for index in by_remainder[: int(abs(units)) - sum(parts)]:
        parts[index] += 1
    sign = -1 if units < 0 else 1
    return tuple(_from_units(sign * part, currency) for part in parts)


def share(total: Decimal, part: int, whole: int, currency: str) -> Decimal:
    """What ``part`` of ``whole`` units is worth, cumulatively: rounded half up, all of them ``total``.

    It never falls as ``part`` grows (never rises for a negative total), so that the difference of two
    calls is the worth of the units in between. Raises ValueError unless ``0 <= part <= whole``.
    """
    if not 0 <= part <= whole:
        raise ValueError(f"{part} of {whole} units is no share; the part must lie between 0 and the whole")
    if part == whole:
        return total
    return proportion(total, part, whole, currency)


def proportion(amount: Decimal, part: Decimal | int, whole: Decimal | int, currency: str) -> Decimal:
    """``amount * part / whole`` in whole minor units, half up, and never farther from zero than ``amount``.

    Raises ValueError where ``whole`` is zero.
    """
    if not whole:
        raise ValueError(f"no part of {format_money(amount, currency)} can be told from a whole of zero")
    exact = _units(amount, currency) * Fraction(part) / Fraction(whole)
    rounded = _from_units(_half_up(exact), currency)
    # Rounding up may pass an amount that itself is finer than the minor unit.
    return min(rounded, amount) if amount > 0 else max(rounded, amount)


def _units(amount: Decimal | Fraction, currency: str) -> Fraction:
    return Fraction(amount) * Fraction(10 ** minor_digits(currency))


def _half_up(units: Fraction) -> int:
    rounded = int(abs(units) + Fraction(1, 2))
    return -rounded if units < 0 else rounded


def _from_units(units: int, currency: str) -> Decimal:
    # From its digits: Decimal arithmetic would round to the context's precision.
    return Decimal((int(units < 0), tuple(int(digit) for digit in str(abs(units))), -minor_digits(currency)))
