"""Exact money in two currencies at once, and the ways in which this store rounds and divides it.

Everything rounds half up (away from zero) to the minor unit of its currency, as Shopify does.
"""

from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Self

from domain.model import Amount, Frozen

_MINOR_DIGITS = {"JPY": 0, "KRW": 0}
_TWO_DIGITS = 2


def minor_unit(currency: str) -> Decimal:
    """The smallest amount of a currency: 0.01, or 1 for yen and won."""
    return Decimal(1).scaleb(-_MINOR_DIGITS.get(currency, _TWO_DIGITS))


def half_up(amount: Decimal, unit: Decimal) -> Decimal:
    """``amount`` to whole ``unit``s, halves away from zero."""
    return amount.quantize(unit, rounding=ROUND_HALF_UP)


def allocate(amount: Decimal, weights: Sequence[Decimal], unit: Decimal) -> list[Decimal]:
    """Divide ``amount`` by ``weights`` so that the parts add up exactly: largest remainder, first come
    first on a tie.

    ``amount`` and ``weights`` are not negative and whole units; no part is larger than its weight as long
    as the amount is not larger than their sum. Raises ValueError where there is something to divide and no
    weight.
    """
    whole = sum(weights, Decimal(0))
    if not whole:
        if amount:
            msg = f"{amount} cannot be divided: all weights are zero"
            raise ValueError(msg)
        return [Decimal(0) for _ in weights]
    exact = [amount * weight / whole for weight in weights]
    parts = [part // unit * unit for part in exact]
    missing = int((amount - sum(parts, Decimal(0))) / unit)
    by_remainder = sorted(range(len(parts)), key=lambda i: (parts[i] - exact[i], i))
    for i in by_remainder[:missing]:
        parts[i] += unit
    return parts


def share(amount: Decimal, units: int, of_units: int, unit: Decimal) -> Decimal:
    """What of a line's ``amount`` belongs to ``units`` of its ``of_units``, half up."""
    return half_up(amount * units / of_units, unit) if of_units else Decimal(0)


class Both(Frozen):
    """One amount, told in the shop's currency and in the one that the buyer saw."""

    shop: Amount
    presentment: Amount

    def __add__(self, other: "Both") -> "Both":
        return Both(shop=self.shop + other.shop, presentment=self.presentment + other.presentment)

    def __sub__(self, other: "Both") -> "Both":
        return Both(shop=self.shop - other.shop, presentment=self.presentment - other.presentment)

    def __neg__(self) -> "Both":
        return ZERO - self

    def times(self, units: int) -> "Both":
        """The amount of so many units."""
        return Both(shop=self.shop * units, presentment=self.presentment * units)

    @classmethod
    def total(cls, amounts: Iterable["Both"]) -> Self:
        """Sum, zero for none."""
        listed = list(amounts)
        return cls(
            shop=sum((a.shop for a in listed), Decimal(0)),
            presentment=sum((a.presentment for a in listed), Decimal(0)),
        )


ZERO = Both(shop=Decimal(0), presentment=Decimal(0))


class CurrencyPair(Frozen):
    """The order's two currencies and what one unit of the shop's costs in the buyer's."""

    shop: str
    presentment: str
    rate: Amount = Decimal(1)

    @property
    def units(self) -> Both:
        """Minor unit of each."""
        return Both(shop=minor_unit(self.shop), presentment=minor_unit(self.presentment))

    def convert(self, shop_amount: Decimal) -> Both:
        """An amount in the shop's currency, told in both."""
        return Both(shop=shop_amount, presentment=half_up(shop_amount * self.rate, self.units.presentment))

    def share(self, amount: Both, units: int, of_units: int) -> Both:
        """``share`` in each currency for itself."""
        return Both(
            shop=share(amount.shop, units, of_units, self.units.shop),
            presentment=share(amount.presentment, units, of_units, self.units.presentment),
        )

    def settle(self, moved: Both, presentment: Decimal, due: Both) -> Both:
        """The amount of the next payment in both currencies, given what ``moved`` before and the order's
        ``due``.

        The buyer's currency is exact; the shop's follows at the order's own rate, counted over all payments
        together, so that what is paid in full in one currency is paid in full in the other.
        """
        after = moved.presentment + presentment
        if due.presentment:
            shop_after = half_up(after * due.shop / due.presentment, self.units.shop)
        else:
            shop_after = half_up(after / self.rate, self.units.shop)
        return Both(shop=shop_after - moved.shop, presentment=presentment)
