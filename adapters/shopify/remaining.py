"""What is left of a line's taxes and discounts after some of its units were removed.

Shopify keeps telling a line's taxes and discounts for all units it ever had, removed ones included. Only the order's
own totals (``currentTaxLines``, ``currentTotalDiscountsSet``) are about what is left, so they decide: the lines that
were cut share, by what they have left, what the untouched lines leave of the total.
"""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from domain.money import minor_digits, share, split


class Part(NamedTuple):
    """An amount told for ``ordered`` units, of which ``current`` are left."""

    amount: Decimal
    ordered: int
    current: int


def shares_left(parts: Sequence[Part], totals: Sequence[Decimal], currency: str) -> tuple[Decimal, ...]:
    """What each part still counts, in whole minor units.

    ``totals`` are what the parts may sum up to, likeliest first: the first that rounding can explain is met exactly.
    Where none can, each part is rounded by itself, and the order's balance check tells the difference.
    """
    told = tuple(part.amount for part in parts)
    exact = [Fraction(part.amount) * part.current / part.ordered for part in parts]
    cent = Fraction(1, 10 ** minor_digits(currency))
    for total in totals:
        if total == sum(told):
            return told
        if abs(Fraction(total) - sum(exact)) <= cent * len(parts):
            weights = [part.amount * part.current / part.ordered for part in parts]
            return split(total, weights, currency)
    return tuple(share(part.amount, part.current, part.ordered, currency) for part in parts)
