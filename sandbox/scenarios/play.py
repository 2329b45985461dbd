"""Plays scenarios on a ground: side by side, but for those that would feel each other.

The application is only asked how far an order has come, because waiting needs no proof; what came of it is read from
both systems without the application (``proof``).
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

from domain.status import OrderStatus
from sandbox.house import OVER
from sandbox.scenarios import vocabulary as words
from sandbox.scenarios.acts import Acts
from sandbox.scenarios.ground import Ground, Late
from sandbox.scenarios.onlooker import Onlooker
from sandbox.scenarios.proof import Row, prove
from sandbox.stack import Say

ROUND_SECONDS: Final = 0.6
"""Between two rounds of a crew through the warehouse."""
CREWS: Final = 2
PLENTY: Final = 500
"""Units on a shelf that nobody has to count."""


class Player:
    """Plays on one ground. Close it.

    ``patience``: seconds that one wait may take; ``at_once``: so many scenarios live at the same time.
    """

    def __init__(
        self, ground: Ground, *, patience: float, at_once: int = 32, say: Say = lambda _text: None
    ) -> None:
        self._ground = ground
        self._at_once = at_once
        self._say = say
        self._onlooker = Onlooker(ground, patience)
        self._acts = Acts(ground, self._onlooker, patience)
        self._placing = asyncio.Lock()
        self._may_leave: set[str] = set()
        """Orders of which the warehouse may send whatever waits."""
        self._done = 0
        self._failed: dict[str, str] = {}
        """What went wrong on the way, by the scenario's name."""

    def close(self) -> None:
        """Give connections back."""
        self._onlooker.close()

    async def play(self, scenarios: Sequence[words.Scenario]) -> list[Row]:
        """Play them all and read both systems back; rows come in the order given."""
        # Webhooks come twice and out of order for everybody, as they do in the wild.
        await self._ground.store.turn_webhooks(duplicate=True, shuffle_seed=20)
        crews = [asyncio.create_task(self._crew(number)) for number in range(CREWS)]
        try:
            ids = await self._live(scenarios)
        finally:
            for crew in crews:
                crew.cancel()
            await asyncio.gather(*crews, return_exceptions=True)
        self._say("both systems are read back, independently of the application ...")
        stories = {
            each.name: await self._onlooker.whole_story(ids[each.name])
            for each in scenarios
            if each.holds.story
        }
        return await prove(self._ground, scenarios, ids, self._failed, stories)

    async def _live(self, scenarios: Sequence[words.Scenario]) -> dict[str, str]:
        """Let them all come to their ends; returns the orders' ids by scenario name."""
        beside = sorted((each for each in scenarios if not each.alone), key=_turn)
        alone = [each for each in scenarios if each.alone]
        ids: dict[str, str] = {}
        self._say(
            f"{len(beside)} scenarios begin, {self._at_once} at once; {len(alone)} with trouble come afterwards ..."
        )
        await self._side_by_side(beside, ids)
        for each in alone:
            await self._live_through(each, ids)
        return ids

    async def _side_by_side(self, waiting: list[words.Scenario], ids: dict[str, str]) -> None:
        """Each begins once there is room, and nobody lives whom it would disturb."""
        under_way: dict[asyncio.Task[None], words.Scenario] = {}
        try:
            while waiting or under_way:
                for each in list(waiting):
                    living = under_way.values()
                    if len(living) < self._at_once and not any(map(each.disturbs, living)):
                        waiting.remove(each)
                        under_way[asyncio.create_task(self._live_through(each, ids))] = each
                over, _ = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                for task in over:
                    del under_way[task]
                    task.result()
        finally:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    async def _live_through(self, scenario: words.Scenario, ids: dict[str, str]) -> None:
        """One scenario from the order that is placed to its end; puts the order's id into ``ids``."""
        began = time.monotonic()
        await self._begin(scenario, ids)
        external_id = ids[scenario.name]
        if scenario.name not in self._failed:
            try:
                for act in scenario.happens[len(scenario.at_first) :]:
                    await self._acts.do(act, external_id)
                await self._to_the_end(scenario, external_id)
                if scenario.holds.ends is words.End.CLOSED:
                    await self._ground.people.settle([external_id])
            except Exception as error:  # noqa: BLE001  one scenario that fails must not hide the others
                self._failed[scenario.name] = _in_words(error)
        if scenario.name in self._failed:
            await self._mend(scenario)
        for act in scenario.happens:
            if isinstance(act, words.Counted):
                await self._ground.people.take_stock(act.sku, act.warehouse, PLENTY, external_id)
        self._done += 1
        failure = self._failed.get(scenario.name)
        seconds = round(time.monotonic() - began)
        self._say(f"  {self._done}: {scenario.name}, {seconds} s{f': {failure}' if failure else ''}")

    async def _begin(self, scenario: words.Scenario, ids: dict[str, str]) -> None:
        """Place the order, and let happen what happens before its first webhook."""
        store = self._ground.store
        async with self._placing:
            await store.turn_webhooks(paused=True)
            external_id = ids[scenario.name] = str((await store.place_order(scenario.order)).id)
            try:
                for act in scenario.at_first:
                    await self._acts.do(act, external_id)
            except Exception as error:  # noqa: BLE001  as above
                self._failed[scenario.name] = _in_words(error)
            await store.turn_webhooks(paused=False)

    async def _mend(self, scenario: words.Scenario) -> None:
        """Nobody after this scenario is to live with its trouble."""
        for act in scenario.happens:
            if isinstance(act, words.WentDown):
                await self._ground.bring_back(act.system)
            elif isinstance(act, words.ProductHidden):
                await self._ground.people.show_product(act.sku)

    async def _to_the_end(self, scenario: words.Scenario, external_id: str) -> None:
        ends = OrderStatus(scenario.holds.ends)
        if scenario.holds.ends is words.End.CLOSED:
            self._may_leave.add(external_id)
        try:
            row = await self._onlooker.until(external_id, lambda row: row.status in OVER, f"not {ends}")
        finally:
            self._may_leave.discard(external_id)
        if row.status is not ends:
            raise Late(f"ended {row.status}, and was to end {ends}")

    async def _crew(self, number: int) -> None:
        """A crew of the warehouse goes round and sends what may leave; each has its own orders."""
        while True:
            own = {each for each in self._may_leave if int(each) % CREWS == number}
            try:
                if own:
                    await self._ground.people.ship(own)
            except Exception as error:  # noqa: BLE001  the orders that wait in vain will say so
                self._say(f"  the warehouse could not ship: {_in_words(error)}")
            await asyncio.sleep(ROUND_SECONDS)


def shared(scenarios: Sequence[words.Scenario], houses: int) -> list[list[words.Scenario]]:
    """Deal them out to at most so many houses, so that each has about as much to do; none has nothing."""
    by_length = sorted(scenarios, key=lambda each: (each.alone, len(each.happens)))
    return [share for number in range(houses) if (share := by_length[number::houses])]


def _turn(scenario: words.Scenario) -> tuple[bool, bool]:
    """What takes longest begins first, then what keeps others from beginning."""
    takes_long = any(line.release_in_days for line in scenario.order.lines)
    return not takes_long, not scenario.keeps


def _in_words(error: Exception) -> str:
    return str(error) if isinstance(error, Late) else f"{type(error).__name__}: {error}"
