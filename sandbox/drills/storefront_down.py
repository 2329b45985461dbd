"""The storefront's API is away while buyers still order, its webhooks still come, and the warehouse ships."""

import asyncio
from dataclasses import dataclass

from sandbox.drills.carrying import carry, longest, look_at_both, small_orders, the_faults
from sandbox.drills.drill import Ground, Log, Wish
from sandbox.drills.outage import away, check_calls
from sandbox.house import House


@dataclass(frozen=True)
class StorefrontDown:
    """Implements ``Drill``."""

    wish: Wish
    name = "storefront-down"
    summary = "the storefront's API is away while webhooks still come and the warehouse ships"
    ground = Ground.MEMORY

    async def run(self, house: House, log: Log) -> None:
        """See ``Drill``."""
        count = self.wish.count(usual=200, quick=20)
        seconds = self.wish.seconds(usual=600.0, quick=30.0)
        early = await house.place(small_orders(count // 2))
        await house.until_entered(early, within=longest(count))
        log.did(f"{len(early)} orders are in the ERP")
        async with away(the_faults(house), "store") as outage:
            left = await house.office.ship(early)
            log.did(f"the storefront is away for {seconds:.0f} s; {left} parcels leave the warehouse")
            late = await house.place(small_orders(count - len(early)))
            log.did(f"{len(late)} more orders are placed, their webhooks come")
            await asyncio.sleep(max(0.0, seconds - outage.seconds_so_far))
        check_calls(log, outage, "the storefront")
        log.did("the storefront is back")
        await carry(house, log, [*early, *late])
        await look_at_both(house, log, [*early, *late])
