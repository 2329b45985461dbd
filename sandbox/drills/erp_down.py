"""The ERP is away while orders keep coming; then all of them want in at once."""

import asyncio
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from sandbox.drills.alone import seconds_alone
from sandbox.drills.carrying import longest, look_at_both, small_orders, the_faults
from sandbox.drills.drill import Ground, Log, Wish
from sandbox.drills.outage import away, check_calls
from sandbox.house import House

MORE_EVENTS: Final = 2
"""So many events an order's history may hold more than without an outage."""
SLOWER: Final = 1.25
"""So many times what the ERP alone needs may the backlog take."""
SAMPLE: Final = 40
"""Histories that are counted."""
SETTLING: Final = 4.0
"""Seconds after which an order in the ERP has heard of it through the change feed too."""
LOOK: Final = 0.25


@dataclass(frozen=True)
class ErpDown:
    """Implements ``Drill``."""

    wish: Wish
    name = "erp-down"
    summary = "the ERP is away while orders keep coming"
    ground = Ground.MEMORY

    async def run(self, house: House, log: Log) -> None:
        """See ``Drill``."""
        count = self.wish.count(usual=1000, quick=200)
        outage_seconds = self.wish.seconds(usual=1200.0, quick=60.0)
        before = await house.place(small_orders(5))
        await house.until_entered(before, within=longest(len(before)))
        await asyncio.sleep(SETTLING)
        usual_events = await _events(house, before)
        log.did("5 orders went into the ERP as on any day")

        async with away(the_faults(house), "erp") as outage:
            log.did(f"the ERP is away for {outage_seconds:.0f} s, {count} orders come in meanwhile")
            alone = asyncio.create_task(seconds_alone(house, before[0], count))
            ids = await _place_evenly(house, count, outage_seconds)
            await house.until_known(ids, within=longest(count))
            asked = ids[:: max(1, count // 10)]
            telling = sum(["the ERP is away since" in await house.told_in_the_ui(each) for each in asked])
            needed_alone = await alone
            await asyncio.sleep(max(0.0, outage_seconds - outage.seconds_so_far))
        check_calls(log, outage, "the ERP")
        log.check(
            "an order that waits says that the ERP is away and since when",
            telling == len(asked),
            f"{telling} of {len(asked)} orders asked in the Temporal UI's way",
        )

        back = time.monotonic()
        log.did("the ERP is back; new orders come in at once")
        fresh = await house.place(small_orders(max(5, count // 20)))
        waits = asyncio.create_task(_seconds_until_entered(house, fresh, back))
        drained = max(await _seconds_until_entered(house, ids, back))
        new_ones = await waits
        log.number("orders during the outage", count)
        log.number("seconds until all were in the ERP", drained)
        log.number("seconds that the ERP alone needs for as many", needed_alone)
        log.check(
            f"the backlog is in the ERP in at most {SLOWER} x what the ERP alone needs",
            drained <= SLOWER * needed_alone,
            f"{drained:.0f} s, alone {needed_alone:.0f} s: {drained / needed_alone:.2f} x",
        )
        share = SLOWER * needed_alone * (count + len(fresh)) / count
        log.number("median seconds that new orders waited", median(new_ones))
        log.check(
            "new orders are not starved",
            max(new_ones) <= share,
            f"the slowest of {len(fresh)} waited {max(new_ones):.0f} s, {share:.0f} s is its turn at the latest",
        )

        await asyncio.sleep(SETTLING)
        usual, during = max(usual_events), await _events(house, ids[:: max(1, count // SAMPLE)])
        log.number("events of an order before", usual)
        log.number("events of an order during the outage, at most", max(during))
        log.check(
            f"waiting adds at most {MORE_EVENTS} events to an order's history",
            max(during) <= usual + MORE_EVENTS,
            f"at most {max(during)} (median {median(during):.0f}), without an outage {usual}",
        )
        everything = [*before, *ids, *fresh]
        await house.ship_to_the_end(
            everything,
            within=longest(len(everything)),
            progress=log.progress("orders are delivered, paid and closed"),
        )
        await look_at_both(house, log, everything)


async def _place_evenly(house: House, count: int, seconds: float) -> list[str]:
    """So many orders, the last a little before the time is over."""
    pause = seconds * 0.9 / count
    began = time.monotonic()
    ids: list[str] = []
    for number, order in enumerate(small_orders(count)):
        await asyncio.sleep(max(0.0, began + number * pause - time.monotonic()))
        ids += await house.place([order])
    return ids


async def _events(house: House, ids: Sequence[str]) -> list[int]:
    return [(await house.cost(each)).events for each in ids]


async def _seconds_until_entered(house: House, ids: Collection[str], since: float) -> list[float]:
    """For each order the seconds until the ERP's books hold it, as its own people see it."""
    took: list[float] = []
    deadline = since + longest(len(ids))
    while len(took) < len(ids) and time.monotonic() < deadline:
        entered = await house.office.entered(ids)
        took += [time.monotonic() - since] * (entered - len(took))
        await asyncio.sleep(LOOK)
    return took + [float("inf")] * (len(ids) - len(took))
