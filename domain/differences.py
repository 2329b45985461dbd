"""What two sides tell differently, each thing with a name, and a person's word that it may stay so."""

from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum

from domain.model import Amount, Frozen
from domain.money import format_money

UNITS_OF = "units of"
UNITS_SHIPPED_OF = "units shipped of"
"""How differences of a line's units begin."""


class DifferenceUnit(StrEnum):
    """What the numbers of a difference count."""

    MONEY = "money"
    UNITS = "units"


class Difference(Frozen):
    """One thing that the two sides tell differently."""

    name: str
    """Plain words, such as ``tax VAT-20``; the first says of what kind it is."""
    storefront: Amount
    erp: Amount
    unit: DifferenceUnit = DifferenceUnit.MONEY
    currency: str | None = None
    """Of this difference alone, where it is not the order's."""
    sides: tuple[str, str] = ("store", "ERP")
    """Who tells which amount."""

    def sentence(self, currency: str) -> str:
        """``tax VAT-20: store USD 3.33, ERP USD 3.34, difference USD -0.01``; ``currency`` is the order's."""
        store, erp, gap = (
            self.words(x, currency) for x in (self.storefront, self.erp, self.storefront - self.erp)
        )
        one, other = self.sides
        return f"{self.name}: {one} {store}, {other} {erp}, difference {gap}"

    def words(self, value: Decimal, currency: str) -> str:
        """An amount or a count, as this difference tells it."""
        return (
            format_money(value, self.currency or currency)
            if self.unit is DifferenceUnit.MONEY
            else f"{value:f}"
        )


class Unbalanced(Exception):
    """Two sides tell the order differently; ``cause`` is equal for equal kinds of differences."""

    def __init__(self, differences: tuple["Difference", ...], currency: str) -> None:
        self.differences = differences
        self.cause = f"unbalanced:{kinds(differences)}"
        self.reason = disagreement(differences, currency)
        super().__init__(self.reason)


class Acceptance(Frozen):
    """A named person takes exactly these differences, for a reason."""

    actor: str
    reason: str
    differences: tuple[Difference, ...]

    def covers(self, difference: Difference) -> bool:
        """Whether it is one of them: of the same name and by as much, whatever both sides come to meanwhile."""
        return any(_same(taken, difference) for taken in self.differences)


def disagreement(differences: Iterable[Difference], currency: str) -> str:
    """A sentence that names each difference."""
    return f"The two systems do not agree: {'; '.join(d.sentence(currency) for d in differences)}."


def kinds(differences: Iterable[Difference]) -> str:
    """The kinds of differences as one word, the same for the same kinds: ``tax+total``."""
    return "+".join(sorted({difference.name.split()[0] for difference in differences}))


def not_accepted(
    differences: Iterable[Difference], acceptances: Iterable[Acceptance]
) -> tuple[Difference, ...]:
    """Those that nobody has accepted; by another amount it is another difference."""
    given = tuple(acceptances)
    return tuple(each for each in differences if not any(acceptance.covers(each) for acceptance in given))


def accepted_by(differences: Iterable[Difference], acceptances: Iterable[Acceptance]) -> str:
    """Who accepted any of these, and why: ``Ada (a cent of rounding)``; empty where nobody did."""
    listed = list(differences)
    return ", ".join(
        dict.fromkeys(
            f"{acceptance.actor} ({acceptance.reason})"
            for acceptance in acceptances
            if any(acceptance.covers(difference) for difference in listed)
        )
    )


def _same(taken: Difference, found: Difference) -> bool:
    """Who takes that a line differs by so many units takes that as many left which the storefront does not know."""
    names = {taken.name, taken.name.replace(UNITS_OF, UNITS_SHIPPED_OF, 1)}
    return (
        found.name in names
        and (found.unit, found.currency, found.sides) == (taken.unit, taken.currency, taken.sides)
        and found.storefront - found.erp == taken.storefront - taken.erp
    )


class PlanRefused(Exception):
    """The order as it stands cannot be entered in the ERP.

    ``cause`` is a stable key (equal causes are one problem), ``reason`` plain words with the remedy. ``differences``
    are what a person may accept, where that is possible.
    """

    def __init__(self, cause: str, reason: str, differences: tuple[Difference, ...] = ()) -> None:
        self.cause = cause
        self.reason = reason
        self.differences = differences
        super().__init__(reason)
