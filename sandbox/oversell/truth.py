"""What there really is, reckoned apart from everything that is tried: who showed too much, and why."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from typing import NamedTuple

from domain.order import OrderKey

Place = tuple[str, str]
"""Product and warehouse."""


class Move(NamedTuple):
    """Units that the ERP's own people took away, and when, counted in moments."""

    moment: int
    units: int
    order: OrderKey | None
    """The order that they left for, though it was canceled in the storefront."""


class Knowledge(NamedTuple):
    """What a push could know: moments of the ERP's reading, and of its own of the storefront."""

    erp_read_at: int
    shop_read_at: int


class Truth:
    """The units of each place that nobody was promised, and what all storefronts together show of them.

    ``shown`` tells the latter. Shown beyond what is there may be the work of the ERP's own people, who take what we
    could not know of yet; only what a push of ours adds beyond that counts against us.
    """

    def __init__(self, there: Mapping[Place, int], shown: Callable[[Place], int]) -> None:
        self.unpromised = dict(there)
        self.moment = 0
        """Grows with everything that happens."""
        self.by_push: Counter[Place] = Counter()
        """Units that pushes of ours showed beyond what is there."""
        self.stories: list[str] = []
        """One sentence for each such push."""
        self.shown = shown
        self._fated: Counter[Place] = Counter()
        """Units shown beyond what is there through no push of ours."""
        self._missing: Counter[Place] = Counter()
        """The most units that were promised and not there."""
        self._heard: dict[OrderKey, int] = {}
        self._taken: defaultdict[Place, list[Move]] = defaultdict(list)

    def promised(self, place: Place, units: int) -> None:
        """A buyer was promised units; below zero: they are given up again."""
        self.moment += 1
        self.unpromised[place] -= units
        self._missing[place] = max(self._missing[place], -self.unpromised[place])

    def came_in(self, place: Place, units: int) -> None:
        """The ERP has more."""
        self.moment += 1
        self.unpromised[place] += units

    def taken_away(self, place: Place, units: int, order: OrderKey | None = None) -> None:
        """The ERP's own people need units for something else, or send them to somebody who has canceled the order."""
        self.moment += 1
        before = self.excess(place)
        self.unpromised[place] -= units
        self._fated[place] += self.excess(place) - before
        self._taken[place].append(Move(self.moment, units, order))
        self._missing[place] = max(self._missing[place], -self.unpromised[place])

    def excess(self, place: Place) -> int:
        """Units that are shown and are not there."""
        return max(0, self.shown(place) - self.unpromised[place])

    def given_up(self, order: OrderKey) -> None:
        """A buyer gave up units of an order, and nobody told us yet."""
        self._heard.pop(order, None)

    def heard(self, order: OrderKey) -> None:
        """We know an order as it is in the storefront."""
        # A moment of its own: what was read just before did not know of it.
        self.moment += 1
        self._heard.setdefault(order, self.moment)

    def raised(self, place: Place, before: int, knew: Knowledge, story: str) -> None:
        """A push of ours showed more; ``before`` was the excess without it. What it could not know is not its fault."""
        self.moment += 1
        added = self.excess(place) - before
        if added <= 0:
            return
        unknown = sum(move.units for move in self._taken[place] if not self._could_know(move, knew))
        excused = min(added, unknown)
        self._fated[place] += excused
        if added > excused:
            self.by_push[place] += added - excused
            self.stories.append(f"{added - excused} of {place[0]} at {place[1]}: {story}")

    def _could_know(self, move: Move, knew: Knowledge) -> bool:
        """Goods that left for a canceled order look as if they were still kept for it until we hear of that."""
        heard = 0 if move.order is None else self._heard.get(move.order)
        return move.moment <= knew.erp_read_at and heard is not None and heard <= knew.shop_read_at

    @property
    def oversold(self) -> int:
        """Units that buyers were promised, that are not there, and that a push of ours had shown."""
        return sum(
            max(0, min(self.by_push[place], units - self._fated[place]))
            for place, units in self._missing.items()
        )

    @property
    def missing(self) -> int:
        """Units that buyers were promised and that are not there, whoever is to blame."""
        return sum(self._missing.values())
