"""What must have become of an order, worked out from what people did: plain dicts, ints and fractions.

Nothing here is taken from the house: the model hears what buyers, the shop's staff, the warehouse and operators did,
and says what may be true afterwards.
"""

from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction

Units = dict[str, int]


@dataclass
class Sheet:
    """An order as the shop's page shows it: money in whole minor units of the shop's currency."""

    units: Units
    """Line -> units that the buyer wants now."""
    worth: dict[str, int]
    """Line -> what they cost, all in."""
    without_parcel: set[str]
    delivery: int
    total: int

    def value(self, left: Units) -> Fraction:
        """What the units that left are worth."""
        parcel = any(left.get(line) for line in self.units if line not in self.without_parcel)
        value = Fraction(self.delivery if parcel else 0)
        for line, units in self.units.items():
            gone = units if parcel and line in self.without_parcel else min(left.get(line, 0), units)
            value += Fraction(self.worth[line] * gone, units) if units else 0
        return value


@dataclass
class Model:
    """One order. ``rule`` says when money is taken: ``each``, ``first`` or ``order``."""

    rule: str
    sheet: Sheet
    parcels: dict[str, Units] = field(default_factory=dict)
    """Tracking number -> what is in it."""
    canceled_at_shop: bool = False
    canceled_at_erp: bool = False
    may_have_taken: Fraction = Fraction(0)
    """The most that it was right to take at any moment so far."""
    reasons: set[str] = field(default_factory=set)
    """Families of causes that the order may have stopped at, after what people did."""

    @property
    def left(self) -> Units:
        """Line -> units that left the house."""
        units: Counter[str] = Counter()
        for parcel in self.parcels.values():
            units.update(parcel)
        return dict(units)

    def see(self, sheet: Sheet) -> None:
        """The shop's page shows something else."""
        self.sheet = sheet
        self.think()

    def think(self) -> None:
        """What may be taken by now."""
        left = self.left
        everything = self.rule == "order" or (self.rule == "first" and any(left.values()))
        # Without a parcel to wait for, the order is delivered as soon as it is entered.
        nothing_to_ship = not any(
            u for line, u in self.sheet.units.items() if line not in self.sheet.without_parcel
        )
        allowed = Fraction(self.sheet.total) if everything or nothing_to_ship else self.sheet.value(left)
        self.may_have_taken = max(self.may_have_taken, allowed)

    def ship(self, tracking: str, units: Units) -> None:
        """A parcel left."""
        assert tracking not in self.parcels
        self.parcels[tracking] = units
        self.think()
