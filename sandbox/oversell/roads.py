"""The ways to the storefronts and the ERP: every call takes its time both ways, and answers get lost on them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Final

from activities.gated_ports import GatedErp, GatedStorefront
from activities.gates import Gate
from adapters.errors import OutcomeUnknown, Unavailable
from adapters.ports import ErpPort, StorefrontPort
from domain.stock import SettingOutcome, SettingState, ShownStock, StockSetting
from sandbox.oversell.truth import Knowledge, Truth

LONGEST_WAY = 1.5
"""Seconds that a call, and its answer, take at most as a rule."""
LONGEST_DETOUR = 15.0
"""And now and then; less than we take for as long as a call can still have an effect."""
DETOURS, LOST_BEFORE, LOST_AFTER = 0.04, 0.02, 0.04
"""The part of all calls that take long, that never arrive, and of which the answer never arrives."""
_READS: Final = frozenset({"read order", "find order", "read stock", "read stock changes", "find stock"})


class Road(Gate):
    """The way to one system, always open. ``done`` is called in the moment in which a call was done."""

    def __init__(self, system: str, dice: Random, done: Callable[[], None] = lambda: None) -> None:
        self._name, self._dice, self._done = system, dice, done

    @property
    def system(self) -> str:
        """See ``Gate``."""
        return self._name

    @asynccontextmanager
    async def passing(self, operation: str) -> AsyncIterator[None]:
        """See ``Gate``. What gets lost on the way there is Unavailable, on the way back OutcomeUnknown of a write."""
        luck = self._dice.random()
        await asyncio.sleep(self._seconds())
        if luck < LOST_BEFORE:
            raise Unavailable(self._name, operation, "nobody listens (ordered by the race)")
        try:
            yield
        finally:
            self._done()
        await asyncio.sleep(self._seconds())
        if luck > 1 - LOST_AFTER:
            error = Unavailable if operation in _READS else OutcomeUnknown
            raise error(self._name, operation, "the answer was lost (ordered by the race)")

    def _seconds(self) -> float:
        longest = LONGEST_DETOUR if self._dice.random() < DETOURS else LONGEST_WAY
        return self._dice.random() * longest


class FarErp(GatedErp):
    """Implements ``ErpPort`` at the end of a road. ``moment`` is that in which the last call was done there."""

    def __init__(self, erp: ErpPort, dice: Random, truth: Truth) -> None:
        super().__init__(erp, Road("erp", dice, self._done))
        self._truth = truth
        self.moment = 0

    def _done(self) -> None:
        self.moment = self._truth.moment


class FarShop(GatedStorefront):
    """Implements ``StorefrontPort`` at the end of a road, and tells the truth of every push that arrives.

    A call that is on its way goes on, whatever becomes of who made it. ``read_moment`` tells the moment of the ERP's
    reading of a product that is kept now.
    """

    def __init__(
        self,
        channel: str,
        shop: StorefrontPort,
        road: Road,
        truth: Truth,
        *,
        warehouses: Mapping[str, str],
        read_moment: Callable[[str], int],
    ) -> None:
        super().__init__(shop, road)
        self._channel, self._shop, self._road, self._truth = channel, shop, road, truth
        self._warehouses = warehouses
        self._read_moment = read_moment
        self._knew: dict[str, Knowledge] = {}
        self._under_way: set[asyncio.Task[tuple[SettingOutcome, ...]]] = set()
        self.raises = 0
        """Levels that were shown more of by a push."""

    async def read_stock(self, skus: Sequence[str]) -> tuple[ShownStock, ...]:
        """See ``StorefrontStockPort``."""
        shown = await super().read_stock(skus)
        now = self._truth.moment
        self._knew = {sku: Knowledge(self._read_moment(sku), now) for sku in skus}
        return shown

    async def set_stock(
        self, settings: Sequence[StockSetting], idempotency_key: str
    ) -> tuple[SettingOutcome, ...]:
        """See ``StorefrontStockPort``."""
        call = asyncio.create_task(self._set(settings, idempotency_key, dict(self._knew)))
        self._under_way.add(call)
        call.add_done_callback(self._arrived)
        return await asyncio.shield(call)

    async def _set(
        self, settings: Sequence[StockSetting], key: str, knew: Mapping[str, Knowledge]
    ) -> tuple[SettingOutcome, ...]:
        async with self._road.passing("set stock"):
            outcomes = await self._shop.set_stock(settings, key)
            for outcome in outcomes:
                if outcome.state is SettingState.DONE:
                    self._look_at(outcome.setting, knew[outcome.setting.sku])
            return outcomes

    def _look_at(self, setting: StockSetting, knew: Knowledge) -> None:
        more = max(0, setting.available) - max(0, setting.change_from)
        if more <= 0:
            return
        self.raises += 1
        place = (setting.sku, self._warehouses[setting.location])
        shown, there = self._truth.shown(place), self._truth.unpromised[place]
        story = (
            f"{self._channel} was set from {setting.change_from} to {setting.available}; "
            f"{shown} are shown in all, {there} are there that nobody was promised"
        )
        self._truth.raised(place, max(0, shown - more - there), knew, story)

    def _arrived(self, call: asyncio.Task[tuple[SettingOutcome, ...]]) -> None:
        self._under_way.discard(call)
        if not call.cancelled():
            call.exception()  # whoever made the call may be gone: nobody else asks
