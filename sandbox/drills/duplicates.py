"""Every webhook comes again and again: twice at once, once more when all is over, and once more as a new delivery."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from sandbox.drills.carrying import LONGEST, carry, look_at_both, some_orders
from sandbox.drills.drill import Ground, Log, Wish
from sandbox.failures import HouseStuck
from sandbox.house import House

LOOK: Final = 0.3
SETTLING: Final = 3.0
"""Seconds after the last delivery: what a late webhook would start, it has started by then."""


@dataclass(frozen=True)
class Duplicates:
    """Implements ``Drill``."""

    wish: Wish
    name = "duplicates"
    summary = "every webhook comes several times, also long after the order was closed"
    ground = Ground.MEMORY

    async def run(self, house: House, log: Log) -> None:
        """See ``Drill``."""
        count = self.wish.count(usual=100, quick=12)
        await house.store.turn_webhooks(duplicate=True)
        ids = await house.place(some_orders(count))
        log.did(f"{count} orders placed, every webhook delivered twice")
        await carry(house, log, ids)
        await house.store.turn_webhooks(duplicate=False)
        # An order is closed a moment before its workflow has ended, which is an event more.
        await _until_over(house, ids)
        before = {each: (await house.cost(each)).events for each in ids}
        again = await house.store.deliver_again(ids, as_new=False)
        again += await house.store.deliver_again(ids, as_new=True)
        log.did(f"all over, {again} webhooks delivered once more: as they were, and as new deliveries")
        await _until_delivered(house)
        await asyncio.sleep(SETTLING)
        await look_at_both(house, log, ids)
        log.number("webhooks delivered again", again)
        second = [each for each in ids if not await house.is_over(each)]
        log.check("no closed order starts a second life", not second, f"{len(second)} orders run again")
        worked = [each for each in ids if (await house.cost(each)).events > before[each]]
        log.check("a late webhook makes no work", not worked, f"{len(worked)} orders did more than look")


async def _until_over(house: House, ids: Collection[str]) -> None:
    await _until_delivered(house)
    for _ in range(int(LONGEST / LOOK)):
        if all([await house.is_over(each) for each in ids]):
            return
        await asyncio.sleep(LOOK)
    raise HouseStuck("orders that are closed did not end")


async def _until_delivered(house: House) -> None:
    for _ in range(int(LONGEST / LOOK)):
        if (await house.store.turn_webhooks())["messages"]["waiting"] == 0:
            return
        await asyncio.sleep(LOOK)
    raise HouseStuck("the store could not deliver its webhooks")
