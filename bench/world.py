"""The whole road of an order, with nothing but the two outside systems replaced by ones in memory.

Web application, inbox, dispatcher, workers, store and change feed are the real ones, and so is the database: a SQLite
file that web and worker open each for themselves, as their two processes do. Nothing here polls Temporal: the bench
learns from the memory systems what happened there, so that it does not measure its own questions.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import httpx
from temporalio.client import Client

from adapters.memory.erp import MemoryErp
from adapters.memory.storefront import MemoryStorefront
from adapters.memory.webhooks import MemoryWebhooks
from adapters.ports import ErpChanges
from bench.sample_order import sample_order
from config.mappings import load_mapping
from config.settings import WebSettings
from domain.erp_order import ErpOrder, SalesOrder
from domain.order import OrderKey
from store.database import Database
from store.inbox import Inbox
from store.mappings import MappingCatalog
from web.app import create_app
from web.dispatcher import Dispatcher
from web.hand_over import hand_over_to
from web.server import temporal_probe
from workers.composition import Parts
from workers.worker import start_feed, workers
from workflows.messages import Attention
from workflows.order import OrderWorkflow

CHANNEL = "shop"
TOPIC = "orders/create"
LONGEST_ORDER = 180
"""Seconds after which an order counts as stuck, and the run as failed."""


class WatchedErp(MemoryErp):
    """Tells when an order was taken, and when the change feed has told everybody of a change."""

    def __init__(self) -> None:
        super().__init__(warehouses={"WH-EAST", "WH-WEST"})
        self.taken_at: dict[OrderKey, float] = {}
        self._taken: defaultdict[OrderKey, asyncio.Event] = defaultdict(asyncio.Event)
        self._waiting: list[tuple[int, asyncio.Event]] = []

    async def submit_order(self, order: SalesOrder) -> ErpOrder:
        """See ``ErpPort``; notes the moment."""
        taken = await super().submit_order(order)
        self.taken_at.setdefault(order.key, time.perf_counter())
        self._taken[order.key].set()
        return taken

    async def changes(self, cursor: str | None) -> ErpChanges:
        """See ``ErpPort``. The feed asks from a change on only once it has told of all up to it."""
        told = int(cursor or 0)
        for change, event in self._waiting:
            if change <= told:
                event.set()
        self._waiting = [(change, event) for change, event in self._waiting if change > told]
        return await super().changes(cursor)

    async def until_taken(self, key: OrderKey) -> None:
        """Wait until the order is in the books."""
        await self._taken[key].wait()

    async def until_told(self, key: OrderKey) -> None:
        """Wait until the feed has told of the order's latest change."""
        event = asyncio.Event()
        self._waiting.append((self.changed_at[key], event))
        await event.wait()


class BenchWorld:
    """One shop, one ERP, the house between them; ``webhook_to_erp`` in seconds, one entry an order."""

    def __init__(self, client: Client, directory: Path, feed_interval: timedelta) -> None:
        self.webhook_to_erp: list[float] = []
        self._client = client
        self._feed_interval = feed_interval
        self._storefront = MemoryStorefront(CHANNEL)
        self._erp = WatchedErp()
        self._webhooks = MemoryWebhooks("bench")
        url = f"sqlite:///{directory / 'orderwright.db'}"
        self._web_database, self._worker_database = Database(url), Database(url)
        self._web_database.migrate()

    def close(self) -> None:
        """Give the database back."""
        self._web_database.close()
        self._worker_database.close()

    @asynccontextmanager
    async def working(self) -> AsyncIterator[httpx.AsyncClient]:
        """The house runs while the block does; yields the storefront's way to the webhook address."""
        inbox = Inbox(self._web_database)
        dispatcher = Dispatcher(inbox, hand_over_to(self._client))
        app = create_app(
            {CHANNEL: self._webhooks},
            inbox,
            wake=dispatcher.wake,
            check_database=self._web_database.check,
            probe_temporal=temporal_probe(self._client),
            max_body=WebSettings().max_body_bytes,
            keep=timedelta(days=WebSettings().keep_webhooks_days),
        )
        catalog = MappingCatalog(self._worker_database, {CHANNEL: load_mapping("shopify-tryton")})
        parts = Parts(self._worker_database, {CHANNEL: self._storefront}, self._erp, catalog)
        dispatching = asyncio.create_task(dispatcher.run())
        try:
            async with (
                workers(self._client, parts, feed_interval=self._feed_interval),
                httpx.AsyncClient(
                    transport=httpx.ASGITransport(app), base_url="http://orderwright", timeout=60
                ) as web,
            ):
                await start_feed(self._client)
                yield web
        finally:
            dispatcher.stop()
            await dispatching

    async def one_order(self, web: httpx.AsyncClient, number: int) -> str:
        """Place an order, ship it in two parts, see it closed; returns its workflow id.

        Raises TimeoutError for one that is stuck, RuntimeError for one that ends otherwise than closed.
        """
        order = sample_order(CHANNEL, number)
        key = order.key
        async with asyncio.timeout(LONGEST_ORDER):
            self._storefront.place(order)
            posted = time.perf_counter()
            await self._deliver(web, key)
            await self._erp.until_taken(key)
            self.webhook_to_erp.append(self._erp.taken_at[key] - posted)
            first, second = self._erp.orders[key].shipments
            for shipment in (first, second):
                units = {line.line_id: line.quantity for line in shipment.lines}
                self._erp.ship(key, shipment.warehouse, units, tracking=f"TRACK-{shipment.shipment_id}")
                # A second parcel leaves after the order heard of the first: two messages, not one about both.
                await self._erp.until_told(key)
            handle = self._client.get_workflow_handle_for(OrderWorkflow.run, key.workflow_id)
            result = await handle.result()
        if result.outcome is not Attention.CLOSED:
            raise RuntimeError(f"order {key} did not close: {result.text}")
        captured = self._storefront.orders[key.external_id].captured
        if captured != order.total or captured == Decimal(0):
            raise RuntimeError(f"order {key} closed with {captured} captured of {order.total}")
        return key.workflow_id

    async def _deliver(self, web: httpx.AsyncClient, key: OrderKey) -> None:
        raw, headers = self._webhooks.write(
            f"delivery-{key.external_id}", TOPIC, key.external_id, occurred_at=datetime.now(UTC)
        )
        answer = await web.post(f"/webhooks/{CHANNEL}", content=raw, headers=headers)
        answer.raise_for_status()
