"""What must have become of an order, worked out from what people did: plain dicts, ints and fractions.

Nothing here is taken from the house: the model hears what buyers, the shop's staff, the warehouse and operators did,
and says what may be true afterwards.
"""

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
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

    def value(self, left: Units, back: Units) -> Fraction:
        """What the units that left are worth, but for those that were refunded and are on the page no more."""
        parcel = any(left.get(line) for line in self.units if line not in self.without_parcel)
        value = Fraction(self.delivery if parcel else 0)
        for line, units in self.units.items():
            kept = max(left.get(line, 0) - back.get(line, 0), 0)
            gone = units if parcel and line in self.without_parcel else min(kept, units)
            value += Fraction(self.worth[line] * gone, units) if units else 0
        return value


@dataclass
class Refund:
    """What the shop's page lost when a return was paid back, in whole minor units of the shop's currency."""

    worth: int
    units: Units


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
    asks: Counter[str] = field(default_factory=Counter)
    """Line -> units that anybody has ever wanted back."""
    came: dict[str, Units] = field(default_factory=dict)
    """Return -> units that the warehouse took in for it."""
    said: dict[str, list[dict[str, Units]]] = field(default_factory=dict)
    """Return -> what a person said becomes of its goods (restock, scrap, reject), the last word last."""
    accepted: bool = False
    """An operator has taken a difference of the two systems as it is."""
    resubmitted: bool = False
    """An operator has said that something goes on, returns too."""
    back_for_units: Decimal = Decimal(0)
    """What was given back, in the buyer's currency, when units were taken off the page: once with each act."""
    given_for_units: Fraction = Fraction(0)
    """The same in minor units of the shop's currency, at the rate of all refunds."""
    refunds: dict[str, Refund] = field(default_factory=dict)
    """Return -> what was paid back for it."""
    reasons: set[str] = field(default_factory=set)
    """Families of causes that the order may have stopped at, after what people did."""

    @property
    def left(self) -> Units:
        """Line -> units that left the house."""
        units: Counter[str] = Counter()
        for parcel in self.parcels.values():
            units.update(parcel)
        return dict(units)

    @property
    def back(self) -> Units:
        """Line -> units that were refunded."""
        units: Counter[str] = Counter()
        for refund in self.refunds.values():
            units.update(refund.units)
        return dict(units)

    @property
    def given_back(self) -> int:
        """What all refunds were worth."""
        return sum(refund.worth for refund in self.refunds.values())

    def with_the_buyer(self, line: str) -> int:
        """Units of a line that left and did not come back, or were sent to the buyer again."""
        came = sum(units.get(line, 0) for units in self.came.values())
        again = sum(said[-1].get("reject", {}).get(line, 0) for said in self.said.values() if said)
        return self.left.get(line, 0) - came + again

    def see(self, sheet: Sheet) -> None:
        """The shop's page shows something else."""
        self.sheet = sheet
        self.think()

    def think(self) -> None:
        """What may be taken by now, what was paid back counted in."""
        left = self.left
        everything = self.rule == "order" or (self.rule == "first" and any(left.values()))
        # Without a parcel to wait for, the order is delivered as soon as it is entered.
        nothing_to_ship = not any(
            u for line, u in self.sheet.units.items() if line not in self.sheet.without_parcel
        )
        whole = everything or nothing_to_ship
        allowed = Fraction(self.sheet.total) if whole else self.sheet.value(left, self.back)
        self.may_have_taken = max(self.may_have_taken, allowed + self.given_back + self.given_for_units)

    def pay(self, taken: int) -> None:
        """The buyer has paid; with that, so much was taken in all."""
        self.may_have_taken = max(self.may_have_taken, Fraction(taken))

    def ship(self, tracking: str, units: Units) -> None:
        """A parcel left."""
        assert tracking not in self.parcels
        self.parcels[tracking] = units
        self.think()

    def ask_back(self, units: Units) -> None:
        """Somebody wants units back; where more are wanted than left, some of it is not possible."""
        self.asks.update(units)
        if any(wanted > self.left.get(line, 0) for line, wanted in self.asks.items()):
            self.reasons |= {"not_returnable"}

    def refund(self, return_id: str, sheet: Sheet) -> None:
        """A return was paid back: the page shows that much less."""
        gone = {line: units - sheet.units[line] for line, units in self.sheet.units.items()}
        units = {line: fewer for line, fewer in gone.items() if fewer}
        self.refunds[return_id] = Refund(self.sheet.total - sheet.total, units)
        self.see(sheet)
