"""One shop, one ERP and the workers between them: memory adapters, SQLite, a real Temporal server."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Interceptor

from activities.gates import Pace
from activities.sweep import SweepRules
from adapters.memory.erp import MemoryErp
from adapters.memory.faults import Faults
from adapters.memory.storefront import MemoryStorefront
from domain.mapping import Mapping
from domain.order import Order, OrderKey
from store.cases import Cases
from store.database import Database
from store.mappings import MappingCatalog
from store.order_view import OrderViews
from tests.order_builder import CATALOG
from workers.composition import Parts
from workers.stock import StockPace, start_stock
from workers.worker import start_feed, workers
from workflows.messages import ORDERS_QUEUE, Attention, OrderResult, OrderView, StorefrontChanged
from workflows.order import OrderWorkflow
from workflows.order_state import OrderStart

PRICES = {sku: price for sku, (_, price) in CATALOG.items()}
FEED_INTERVAL = timedelta(milliseconds=50)
STOCK_PACE = StockPace(feed_interval=FEED_INTERVAL)
PACE = Pace(look=0.1, probe=1.0)
"""Ten looks a probe, as in production; a test waits a second for a system that is back."""


class Gate:
    """Lets a call come as far as its end and keeps its answer back until it is opened."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.open = asyncio.Event()

    async def hold_back(self) -> None:
        self.reached.set()
        await self.open.wait()


class World:
    """One shop, one ERP, one set of workers; orders are started as the dispatcher starts them."""

    def __init__(self, client: Client, database: Database, mapping: Mapping) -> None:
        self.client = client
        self.faults = Faults()
        self.storefront = MemoryStorefront(faults=self.faults, prices=PRICES)
        self.erp = MemoryErp(warehouses={"WH-EAST", "WH-WEST"}, faults=self.faults)
        self.database = database
        self.mapping = mapping
        self.sweep_rules = SweepRules()
        self.parts = self._parts()

    def _parts(self) -> Parts:
        catalog = MappingCatalog(self.database, {"shop": self.mapping})
        return Parts(self.database, {"shop": self.storefront}, self.erp, catalog)

    def replace_mapping(self, mapping: Mapping) -> None:
        """As a restart after an edit of the mapping file does; call it while no workers run."""
        self.mapping = mapping
        self.parts = self._parts()

    def replace_storefront(self, storefront: MemoryStorefront) -> None:
        """Another shop with the same faults; call it while no workers run."""
        self.storefront = storefront
        self.parts = self._parts()

    def replace_erp(self, erp: MemoryErp) -> None:
        """Another ERP with the same faults; call it while no workers run."""
        self.erp = erp
        self.parts = self._parts()

    @asynccontextmanager
    async def working(
        self, *, build_id: str | None = None, interceptors: Sequence[Interceptor] = ()
    ) -> AsyncIterator[None]:
        """Workers run and follow the feed."""
        async with workers(
            self.client,
            self.parts,
            feed_interval=FEED_INTERVAL,
            stock_pace=STOCK_PACE,
            sweep_rules=self.sweep_rules,
            pace=PACE,
            build_id=build_id,
            interceptors=interceptors,
        ):
            await start_feed(self.client)
            await start_stock(self.client, self.parts, STOCK_PACE)
            yield

    async def start(
        self, order: Order, topic: str = "orders/create"
    ) -> WorkflowHandle[OrderWorkflow, OrderResult]:
        """A webhook arrives: signal-with-start."""
        return await self.client.start_workflow(
            OrderWorkflow.run,
            OrderStart(key=order.key),
            id=order.key.workflow_id,
            task_queue=ORDERS_QUEUE,
            start_signal="storefront_changed",
            start_signal_args=[StorefrontChanged(message_id=f"{order.key.external_id}-{topic}", topic=topic)],
            static_summary=f"Order {order.number} of {order.key.channel}",
        )

    async def place(self, order: Order) -> WorkflowHandle[OrderWorkflow, OrderResult]:
        self.storefront.place(order)
        return await self.start(order)

    async def view(self, key: OrderKey) -> OrderView:
        return await self.client.get_workflow_handle(key.workflow_id).query(OrderWorkflow.status)

    async def story(self, key: OrderKey) -> str:
        handle = self.client.get_workflow_handle(key.workflow_id)
        entries = await handle.query(OrderWorkflow.timeline)
        return "\n".join(f"{entry.actor}: {entry.text}" for entry in entries)

    async def until(self, key: OrderKey, what: Callable[[OrderView], bool], seconds: float = 20) -> OrderView:
        """Wait for a state; fails with the order's own words."""
        end = asyncio.get_running_loop().time() + seconds
        while True:
            view = await self.view(key)
            if what(view):
                return view
            if asyncio.get_running_loop().time() > end:
                break
            await asyncio.sleep(0.1)
        raise AssertionError(f"{view.sentence} waits for {view.waiting_for}\n{await self.story(key)}")

    async def until_told(self, key: OrderKey, words: str) -> OrderView:
        """Wait until the order's story holds these words."""
        for _ in range(100):
            if words in await self.story(key):
                return await self.view(key)
            await asyncio.sleep(0.1)
        raise AssertionError(f"nobody told {words!r}:\n{await self.story(key)}")

    async def until_in_no_case(self, key: OrderKey) -> None:
        """Wait until lists show nothing more of a problem."""
        for _ in range(100):
            row = OrderViews(self.database).get(key)
            if row is not None and not row.problem and not Cases(self.database).of_order(key):
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"still in a case:\n{await self.story(key)}")

    async def until_in_erp(self, key: OrderKey) -> OrderView:
        return await self.until(key, lambda view: view.erp_number is not None)

    async def until_stopped(self, key: OrderKey) -> OrderView:
        return await self.until(key, lambda view: view.attention is Attention.NEEDS_ATTENTION)


async def terminate_all(client: Client) -> None:
    """End every running workflow of the server."""
    async for running in client.list_workflows('ExecutionStatus = "Running"'):
        await client.get_workflow_handle(running.id).terminate("the test is over")
