"""Rounds of crashes: processes of a stack are killed at random points while orders, webhooks and parcels go on.

Everything random comes from one seed: what is ordered, who is killed when, and how long it stays away. Where in a
call a kill hits is up to the machine; a run that fails is repeated with its seed, and is likely to fail again.
"""

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx
from temporalio.client import WorkflowExecutionStatus
from temporalio.service import RPCError

from adapters.registry import build_webhook_reader
from config.settings import load_settings
from domain.status import OrderStatus
from sandbox.addresses import CHANNEL
from sandbox.drills.crash import PARTS
from sandbox.failures import PartFailed
from sandbox.house import PLUS_PLAN, House, workflow_id
from sandbox.store.requests import PlaceOrder
from sandbox.tryton.rpc import Refused
from sandbox.tryton.staff import Staff
from store.database import Database
from store.inbox import Inbox, InboxState
from tests.chaos.lives import in_background

SKUS = ("TEE-BLK-S", "MUG-LOGO", "CAP-GRN", "SOCK-GRY", "BAG-TOTE", "STICKER")
LONGEST_AWAY = 3.0
"""Seconds that a killed process stays away."""
TRIES = 5
"""Starts of a process that ends at once because another one is away, as a container that is restarted always."""
WAREHOUSE_SECONDS = 1.0
OVER = frozenset({OrderStatus.CLOSED, OrderStatus.CANCELED, OrderStatus.IGNORED})


@dataclass
class Toll:
    """What a run did and what came of it."""

    seed: int
    placed: list[str] = field(default_factory=list)
    kills: Counter[str] = field(default_factory=Counter)
    restarts: int = 0
    """Starts that were needed beyond one a kill, because another process was away."""
    seconds_to_settle: float = 0.0
    """From the last kill until nothing was open any more."""
    lost: list[str] = field(default_factory=list)
    unbalanced: list[str] = field(default_factory=list)
    duplicates: int = 0
    stuck: list[str] = field(default_factory=list)
    died: list[str] = field(default_factory=list)
    """Processes that ended by themselves."""

    def words(self) -> str:
        killed = ", ".join(f"{name} {times}" for name, times in sorted(self.kills.items()))
        return (
            f"seed {self.seed}: {len(self.placed)} orders, {self.kills.total()} kills ({killed}), "
            f"{len(self.lost)} lost, {self.duplicates} duplicates, {len(self.stuck)} stuck, "
            f"{len(self.unbalanced)} unbalanced, all over {self.seconds_to_settle:.0f} s after the last kill"
        )


class Crashes:
    """``rounds`` rounds on a running stack with people around it. ``patience`` is how long it may take to settle."""

    def __init__(self, house: House, *, seed: int, rounds: int, orders: int, patience: float) -> None:
        self._house = house
        self._dice = random.Random(seed)
        self._rounds, self._orders, self._patience = rounds, orders, patience
        self.toll = Toll(seed)

    async def run(self) -> Toll:
        """Kill, restart, wait until all is over, and count. Raises HouseStuck where it is not over in time."""
        house, toll = self._house, self.toll
        await house.store.set_throttle(PLUS_PLAN)
        # As whoever installs the app does: what nobody takes would be sent again and again.
        topics = sorted(build_webhook_reader(CHANNEL, load_settings(house.stack.env_file)).topics)
        await house.store.turn_webhooks(topics=topics, duplicate=True, retry_after=0.2, retry_at_most=2.0)
        async with in_background(self._work_in_the_warehouse):
            for number in range(self._rounds):
                await asyncio.gather(self._place(number), self._crash())
            settling = time.monotonic()
            await house.until(toll.placed, lambda row: row.status in OVER, "are over", within=self._patience)
            await self._until_webhooks_delivered()
            toll.seconds_to_settle = time.monotonic() - settling
        await house.office.settle(toll.placed)
        await self._count()
        return toll

    # -- what goes on meanwhile ---------------------------------------------------------------------------------------

    async def _place(self, number: int) -> None:
        """This round's share of the orders, spread over its length."""
        share = self._orders // self._rounds + (number < self._orders % self._rounds)
        for _ in range(share):
            order = some_order(self._dice, split=self._house.stack.erp is None)
            self.toll.placed += await self._house.place([order])
            await asyncio.sleep(self._dice.uniform(0.0, 2 * LONGEST_AWAY / max(share, 1)))

    async def _work_in_the_warehouse(self) -> None:
        """Ship whatever waits, over and over; the ERP may be away, and parcels are half done when it is back."""
        interrupted = False
        while True:
            try:
                if interrupted:
                    await self._finish_begun()
                await self._house.office.ship(self.toll.placed)
                interrupted = False
            except (httpx.HTTPError, Refused):
                interrupted = True
            await asyncio.sleep(WAREHOUSE_SECONDS)

    async def _finish_begun(self) -> None:
        where = self._house.stack.addresses
        if self._house.stack.erp is not None:
            login = (where.erp, where.erp_database, where.staff_login, where.staff_password)
            async with Staff(*login, channel=CHANNEL) as staff:
                await staff.finish_begun(self.toll.placed)

    async def _crash(self) -> None:
        """One or two processes die at a random point and come back in any order."""
        await asyncio.sleep(self._dice.uniform(0.2, 2.0))
        names = self._dice.sample(PARTS, self._dice.choice((1, 1, 2)))
        away = {name: self._dice.uniform(0.0, LONGEST_AWAY) for name in names}
        self.toll.kills.update(names)
        await asyncio.gather(*(self._die(name, seconds) for name, seconds in away.items()))
        self.toll.died += [name for name, part in self._house.stack.parts.items() if part.pid is None]

    async def _die(self, name: str, seconds: float) -> None:
        await self._house.stack.crash(name)
        await asyncio.sleep(seconds)
        for attempt in range(TRIES):
            try:
                await self._start(name)
            except PartFailed:
                if attempt + 1 == TRIES:
                    raise
                self.toll.restarts += 1
            else:
                return

    async def _start(self, name: str) -> None:
        stack = self._house.stack
        if name == "erp" and stack.erp is not None:
            await stack.erp.start()
        else:
            await stack.parts[name].start()

    # -- the reckoning ------------------------------------------------------------------------------------------------

    async def _until_webhooks_delivered(self) -> None:
        async with asyncio.timeout(self._patience):
            while await self._webhooks_under_way():  # noqa: ASYNC110  another process does what is waited for
                await asyncio.sleep(0.5)

    async def _webhooks_under_way(self) -> bool:
        counts = (await self._house.store.turn_webhooks())["messages"]
        return bool(counts["waiting"] or self._inbox_pending())

    async def _count(self) -> None:
        toll = self.toll
        rows = await self._house.audit({each: each for each in toll.placed})
        toll.lost = [each.name for each in rows if each.erp is None]
        toll.duplicates = sum(each.duplicates for each in rows)
        toll.unbalanced = [
            f"{each.name}: {'; '.join(each.differences)}" for each in rows if not each.balanced
        ]
        toll.stuck = [each for each in toll.placed if not await self._ended(each)]
        toll.stuck += [f"{self._inbox_pending()} webhooks in the inbox"] * bool(self._inbox_pending())

    async def _ended(self, external_id: str) -> bool:
        try:
            told = await self._house.client.get_workflow_handle(workflow_id(external_id)).describe()
        except RPCError:
            return False
        return told.status is WorkflowExecutionStatus.COMPLETED

    def _inbox_pending(self) -> int:
        database = Database(self._house.stack.addresses.database_url)
        try:
            counts = Inbox(database).counts()
        finally:
            database.close()
        return sum(rows for state, rows in counts.items() if state is InboxState.PENDING)


def some_order(dice: random.Random, *, split: bool) -> PlaceOrder:
    """One to three lines, some of them from both warehouses where ``split``, else all from one.

    Tryton puts what is left of a shipment at the sale's own warehouse until the change feed moves it: a warehouse that
    works on while the feed is away would ship it from where the store does not expect it.
    """
    places = [101, 102] if split else [dice.choice((101, 102))]
    lines: list[dict[str, Any]] = []
    for sku in dice.sample(SKUS, dice.randint(1, 3)):
        units = {place: dice.randint(0, 2) for place in places}
        units[places[0]] += 1
        parts = [{"location": place, "quantity": quantity} for place, quantity in units.items() if quantity]
        lines.append({"sku": sku, "quantity": sum(units.values()), "split": parts})
    return PlaceOrder.model_validate({"lines": lines, "taxes": ["STATE-6.25", "CITY-1.5"], "shipping": {}})
