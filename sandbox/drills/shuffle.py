"""Webhooks of an order overtake each other: an edit is told of before the order, a payment before both."""

from dataclasses import dataclass

from sandbox.drills.carrying import carry, look_at_both
from sandbox.drills.drill import Ground, Log, Wish
from sandbox.house import House
from sandbox.scenarios.catalogue import shapes

WINDOW = 3.0
"""Seconds that a webhook may be late."""


@dataclass(frozen=True)
class Shuffle:
    """Implements ``Drill``."""

    wish: Wish
    name = "shuffle"
    summary = "webhooks come in any order, up to three seconds late"
    ground = Ground.MEMORY

    async def run(self, house: House, log: Log) -> None:
        """See ``Drill``."""
        count = self.wish.count(usual=100, quick=12)
        await house.store.turn_webhooks(paused=True, shuffle_seed=self.wish.seed, shuffle_window=WINDOW)
        edited = [scenario for scenario in shapes() if scenario.edits]
        ids = []
        for number in range(count):
            # Every other order is edited right after it was placed: then there is something to overtake.
            among = edited if number % 2 else shapes()
            scenario = among[number // 2 % len(among)]
            (placed,) = await house.place([scenario.order])
            for edit in scenario.edits:
                await house.store.edit_order(placed, edit)
            ids.append(placed)
        waiting = (await house.store.turn_webhooks(paused=False))["messages"]["waiting"]
        log.did(f"{count} orders placed, half of them edited; {waiting} webhooks go out in any order")
        await carry(house, log, ids)
        await house.store.turn_webhooks(shuffle_seed=None, shuffle_window=0.0)
        await look_at_both(house, log, ids)
