"""A real Temporal server with time skipping, and a small world around it: memory adapters, SQLite, workers."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.client import Client, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from adapters.memory.erp import MemoryErp
from adapters.memory.faults import Faults
from adapters.memory.storefront import MemoryStorefront
from domain.mapping import Mapping
from domain.order import Order, OrderKey
from sandbox.stack import find_temporal
from store.database import Database
from store.mappings import MappingCatalog
from tests.order_builder import sandbox_mapping
from workers.composition import Parts
from workers.worker import start_feed, workers
from workflows.messages import (
    ORDERS_QUEUE,
    Attention,
    OrderResult,
    OrderStart,
    OrderView,
    StorefrontChanged,
    TimelineEntry,
)
from workflows.order import OrderWorkflow
from workflows.search import ALL as SEARCH_ATTRIBUTES

_ids = count(5001)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests here share the server, so they share its event loop."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def server() -> AsyncIterator[WorkflowEnvironment]:
    environment = await WorkflowEnvironment.start_time_skipping_v2(
        dev_server_existing_path=find_temporal(),
        dev_server_extra_args=["--dynamic-config-value", "frontend.WorkflowTimeSkippingEnabled=true"],
        data_converter=pydantic_data_converter,
        search_attributes=SEARCH_ATTRIBUTES,
    )
    async with environment:
        yield environment


class World:
    """One shop, one ERP, one set of workers; orders are started as the dispatcher starts them."""

    def __init__(self, client: Client, database: Database, mapping: Mapping) -> None:
        self.client = client
        self.faults = Faults()
        self.storefront = MemoryStorefront(faults=self.faults)
        self.erp = MemoryErp(warehouses={"WH-EAST", "WH-WEST"}, faults=self.faults)
        self.database = database
        self.mapping = mapping
        self.parts = self._parts()

    def _parts(self) -> Parts:
        catalog = MappingCatalog(self.database, {"shop": self.mapping})
        return Parts(self.database, {"shop": self.storefront}, self.erp, catalog)

    def replace_mapping(self, mapping: Mapping) -> None:
        """As a restart after an edit of the mapping file does; call it while no workers run."""
        self.mapping = mapping
        self.parts = self._parts()

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Workers run and follow the feed."""
        async with workers(self.client, self.parts, feed_interval=timedelta(milliseconds=50)):
            await start_feed(self.client)
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
        entries: tuple[TimelineEntry, ...] = await handle.query(OrderWorkflow.timeline)
        return "\n".join(f"{entry.actor}: {entry.text}" for entry in entries)

    async def until(self, key: OrderKey, what: Callable[[OrderView], bool], seconds: float = 20) -> OrderView:
        """Wait for a state; fails with the order's own words."""
        async with asyncio.timeout(seconds + 5):
            for _ in range(int(seconds / 0.1)):
                view = await self.view(key)
                if what(view):
                    return view
                await asyncio.sleep(0.1)
        raise AssertionError(f"{view.sentence} waits for {view.waiting_for}\n{await self.story(key)}")

    async def until_in_erp(self, key: OrderKey) -> OrderView:
        return await self.until(key, lambda view: view.erp_number is not None)

    async def until_stopped(self, key: OrderKey) -> OrderView:
        return await self.until(key, lambda view: view.attention is Attention.NEEDS_ATTENTION)


@pytest_asyncio.fixture(loop_scope="session")
async def world(server: WorkflowEnvironment, tmp_path: Path) -> AsyncIterator[World]:
    database = Database(f"sqlite:///{tmp_path / 'orders.db'}")
    database.engine.dispose()
    import store.tables, store.erp_news

    store.tables.METADATA.create_all(database.engine)
    world = World(server.client, database, sandbox_mapping())
    yield world
    await _terminate_all(server.client)
    database.close()


async def _terminate_all(client: Client) -> None:
    async for running in client.list_workflows('ExecutionStatus = "Running"'):
        await client.get_workflow_handle(running.id).terminate("the test is over")


@pytest.fixture
def external_id() -> str:
    """An order id that no other test of the run has used: the server is shared."""
    return str(next(_ids))
