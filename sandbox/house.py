"""A running stack and everybody around it: buyers, the ERP's people, somebody who reads both systems back.

Where an order stands is asked of the application's own order list, because waiting needs no proof; what came of it is
read from both systems without the application (``audit``).
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError

from adapters.temporal import connect
from config.setting_groups import TemporalSettings
from domain.order import OrderKey
from domain.status import OrderStatus
from sandbox.addresses import CHANNEL
from sandbox.audit import Audited, StoreSide, compare, tax_codes
from sandbox.back_office import BackOffice, back_office_of
from sandbox.billable import Cost, cost_of
from sandbox.failures import HouseStuck
from sandbox.faults.client import Faults
from sandbox.stack import Stack
from sandbox.store.client import AsyncStoreControl
from sandbox.store.control import OrderReading
from sandbox.store.requests import PlaceOrder
from sandbox.store.throttle import ThrottleKnobs
from store.database import Database
from store.order_view import OrderSummary, OrderViews

LOOK_SECONDS = 0.5
STOPPED_SECONDS = 10.0
"""So long a problem may stand in the list after the order was told to go on."""
MANY = 1_000_000
PLUS_PLAN = ThrottleKnobs(maximum_available=20_000, restore_rate=1_000)
"""What a shop of 10,000 orders a day has; with the smallest plan's 100 points a second everything would mostly wait."""
OVER = frozenset({OrderStatus.CLOSED, OrderStatus.CANCELED, OrderStatus.IGNORED})

Progress = Callable[[int, int], None]
"""Told (so many, of so many) whenever the first number changes."""


@dataclass(frozen=True)
class House:
    """Everybody around a running stack. ``faults`` is None where it has no proxies."""

    stack: Stack
    store: AsyncStoreControl
    office: BackOffice
    client: Client
    faults: Faults | None

    async def place(self, orders: Sequence[PlaceOrder]) -> list[str]:
        """Buyers order, one after the other; returns the orders' ids."""
        return [str((await self.store.place_order(order)).id) for order in orders]

    async def listed(self) -> dict[str, OrderSummary]:
        """The application's own order list, by id."""
        return await asyncio.to_thread(self._listed)

    def _listed(self) -> dict[str, OrderSummary]:
        database = Database(self.stack.addresses.database_url)
        try:
            rows = OrderViews(database).list(channel=CHANNEL, limit=MANY)
        finally:
            database.close()
        return {row.key.external_id: row for row in rows}

    async def until(
        self,
        ids: Collection[str],
        what: Callable[[OrderSummary], bool],
        words: str,
        *,
        within: float,
        progress: Progress = lambda _so_many, _of: None,
    ) -> float:
        """Wait until the list says so of all orders; returns the seconds it took.

        Raises HouseStuck where that takes too long, or all that are missing have stopped with a problem.
        """
        began = moving = time.monotonic()
        told = -1
        while True:
            listed = await self.listed()
            missing = [each for each in ids if each not in listed or not what(listed[each])]
            if len(ids) - len(missing) != told:
                told = len(ids) - len(missing)
                progress(told, len(ids))
            if not missing:
                return time.monotonic() - began
            now = time.monotonic()
            waited = now - began
            if not all(each in listed and listed[each].problem for each in missing):
                moving = now
            if now - moving > STOPPED_SECONDS or waited > within:
                raise HouseStuck(
                    f"after {waited:.0f} s {told} of {len(ids)} orders {words}; {_why(missing, listed)}"
                )
            await asyncio.sleep(LOOK_SECONDS)

    async def until_entered(
        self, ids: Collection[str], *, within: float, progress: Progress = lambda _so_many, _of: None
    ) -> float:
        """Wait until all orders are in the ERP, and the application knows; returns the seconds it took."""
        return await self.until(
            ids, lambda row: row.erp_number is not None, "are in the ERP", within=within, progress=progress
        )

    async def until_known(self, ids: Collection[str], *, within: float) -> float:
        """Wait until the application has read all orders from the store; returns the seconds it took."""
        return await self.until(ids, lambda _row: True, "are known", within=within)

    async def ship_to_the_end(
        self, ids: Collection[str], *, within: float, progress: Progress = lambda _so_many, _of: None
    ) -> None:
        """Let the warehouse work round by round until every order is over, then post the invoices."""
        waiting = asyncio.create_task(
            self.until(ids, lambda row: row.status in OVER, "are over", within=within, progress=progress)
        )
        try:
            while not waiting.done():
                await self.office.ship(ids)
                await asyncio.wait({waiting}, timeout=LOOK_SECONDS * 2)
            waiting.result()
        finally:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        await self.office.settle(ids)

    async def audit(self, names: Mapping[str, str], *, with_cost: bool = False) -> list[Audited]:
        """Read both systems back without the application; ``names`` (id -> what the order is called) in their order."""
        told = {str(each.id): each for each in await self.store.list_orders() if str(each.id) in names}
        held = await self.office.read({external_id: each.name for external_id, each in told.items()})
        return [
            compare(
                name,
                store_side(told[external_id]),
                held.get(external_id),
                await self.cost(external_id) if with_cost else None,
            )
            for external_id, name in names.items()
        ]

    async def is_over(self, external_id: str) -> bool:
        """Whether the order's workflow has come to its end."""
        try:
            description = await self.client.get_workflow_handle(workflow_id(external_id)).describe()
        except RPCError:
            return False
        return description.status is WorkflowExecutionStatus.COMPLETED

    async def told_in_the_ui(self, external_id: str) -> str:
        """What the Temporal UI shows of the order under current details, with its surroundings."""
        return await told_in_the_ui(self.client, workflow_id(external_id))

    async def cost(self, external_id: str) -> Cost:
        """What the order's workflow cost."""
        handle = self.client.get_workflow_handle(workflow_id(external_id))
        return cost_of((await handle.fetch_history()).events)


@asynccontextmanager
async def people_around(stack: Stack) -> AsyncIterator[House]:
    """Everybody around a stack that runs."""
    where = stack.addresses
    async with AsyncExitStack() as exits:
        yield House(
            stack,
            await exits.enter_async_context(AsyncStoreControl(where.store)),
            await exits.enter_async_context(back_office_of(where)),
            await connect(TemporalSettings(address=where.temporal)),
            await exits.enter_async_context(Faults(where.faults)) if where.faults else None,
        )


async def told_in_the_ui(client: Client, its_workflow_id: str) -> str:
    """What the Temporal UI shows of a workflow under current details, with its surroundings."""
    handle = client.get_workflow_handle(its_workflow_id)
    return str(await handle.query("__temporal_workflow_metadata", result_type=dict))


def workflow_id(external_id: str) -> str:
    """The workflow of an order of the stack's channel."""
    return OrderKey(channel=CHANNEL, external_id=external_id).workflow_id


def store_side(told: OrderReading) -> StoreSide:
    """What the store's own books say of an order; a tip counts as money, and not as a unit."""
    goods = [line for line in told.lines if line.sku]
    return StoreSide(
        external_id=str(told.id),
        number=told.name,
        total=told.total,
        taxes=tax_codes(told.taxes),
        captured=told.captured,
        presentment_total=told.presentment_total,
        presentment_captured=told.presentment_captured,
        units=sum(line.current for line in goods),
        fulfilled=sum(line.shipped for line in goods),
        returned=sum(line.returned for line in goods),
        fulfillments=told.fulfillments,
        currency=told.currency,
        canceled=told.canceled,
        canceled_as=told.cancel_reason or "",
    )


def _why(missing: Sequence[str], listed: Mapping[str, OrderSummary], at_most: int = 5) -> str:
    """Where the late ones stand, in their own words."""
    words = []
    for each in missing[:at_most]:
        row = listed.get(each)
        words.append(
            f"{each}: {row.status}, {row.problem or row.waiting_for or 'under way'}"
            if row
            else f"{each}: unknown"
        )
    more = len(missing) - at_most
    return "; ".join(words) + (f"; and {more} more" if more > 0 else "")
