"""What the memory storefront shows of stock, and how its own orders move it."""

from bisect import bisect_right, insort
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from domain.order import Order
from domain.stock import SettingOutcome, SettingState, ShownStock, StockSetting

Place = tuple[str, str]
"""SKU and location."""


class Shelf:
    """Units by SKU and location. A SKU counts nothing before ``stock`` was called for it.

    A storefront does not forget what its orders hold: units that are taken, canceled or sent move what is shown in the
    same moment as the order.
    """

    def __init__(self) -> None:
        self.available: dict[Place, int] = {}
        self._locations: dict[str, list[str]] = {}
        self._skus: list[str] = []
        """In the order of the alphabet."""
        self.untracked: set[str] = set()
        self.committed: Counter[Place] = Counter()
        self._answers: dict[str, tuple[tuple[StockSetting, ...], tuple[SettingOutcome, ...]]] = {}

    def stock(self, sku: str, location: str, units: int) -> None:
        """Somebody at the storefront counts so many units, whatever it showed."""
        if (sku, location) not in self.available:
            if sku not in self._locations:
                insort(self._skus, sku)
            self._locations.setdefault(sku, []).append(location)
        self.available[sku, location] = units

    def moved(self, before: Order | None, after: Order) -> None:
        """An order is another than it was."""
        committed, sent = _committed(after), _sent(after)
        if before is not None:
            committed.subtract(_committed(before))
            sent.subtract(_sent(before))
        for place, units in committed.items():
            self.committed[place] += units
        for place in committed.keys() | sent.keys():
            if place in self.available:
                self.available[place] -= committed[place] + sent[place]

    def restocked(self, units: Mapping[Place, int]) -> None:
        """What came back may be bought again."""
        for place, quantity in units.items():
            if place in self.available:
                self.available[place] += quantity

    def levels(self, skus: Iterable[str]) -> tuple[ShownStock, ...]:
        """What is shown of these SKUs."""
        return tuple(
            ShownStock(
                sku=sku,
                item_id=f"item-{sku}",
                location=location,
                available=self.available[sku, location],
                committed=max(0, self.committed[sku, location]),
                tracked=sku not in self.untracked,
            )
            for sku in dict.fromkeys(skus)
            for location in self._locations.get(sku, ())
        )

    def skus(self, after: str | None, size: int) -> list[str]:
        """So many SKUs, in the order of the alphabet; None: from the first."""
        start = 0 if after is None else bisect_right(self._skus, after)
        return self._skus[start : start + size]

    def set(
        self, settings: Sequence[StockSetting], key: str, *, compare: bool = True
    ) -> tuple[SettingOutcome, ...]:
        """Set what fits, or without ``compare`` whatever there is; a repeated call is answered as the first one was."""
        asked = tuple(settings)
        if key in self._answers and self._answers[key][0] == asked:
            return self._answers[key][1]
        outcomes = tuple(self._set(setting, compare=compare) for setting in asked)
        self._answers[key] = (asked, outcomes)
        return outcomes

    def _set(self, setting: StockSetting, *, compare: bool) -> SettingOutcome:
        place = (setting.sku, setting.location)
        cause, reason = "", ""
        if setting.sku not in self._locations:
            cause, reason = "stock_item_unknown", f"there is no item {setting.item_id}; create the product"
        elif place not in self.available:
            cause = "not_stocked"
            reason = (
                f"{setting.sku} is not stocked at {setting.location}; stock it there, or map another location"
            )
        elif setting.sku in self.untracked:
            cause, reason = "not_tracked", f"{setting.sku} is sold without counting; switch tracking on"
        if cause:
            return SettingOutcome(setting=setting, state=SettingState.REFUSED, cause=cause, reason=reason)
        if compare and self.available[place] != setting.change_from:
            return SettingOutcome(setting=setting, state=SettingState.STALE)
        self.available[place] = setting.available
        return SettingOutcome(setting=setting, state=SettingState.DONE)


def _committed(order: Order) -> Counter[Place]:
    units: Counter[Place] = Counter()
    skus = {line.line_id: line.sku or "" for line in order.lines}
    for plan in order.location_plans if order.canceled_at is None else ():
        for line in plan.lines if plan.open else ():
            units[skus[line.line_id], plan.location] += line.remaining
    return units


def _sent(order: Order) -> Counter[Place]:
    units: Counter[Place] = Counter()
    skus = {line.line_id: line.sku or "" for line in order.lines}
    for fulfillment in order.fulfillments:
        for line in fulfillment.lines:
            units[skus.get(line.line_id, ""), fulfillment.location] += line.quantity
    return units
