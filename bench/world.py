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
from typing import Any

import httpx
from temporalio.client import Client

from adapters.memory.erp import MemoryErp
from adapters.memory.storefront import MemoryStorefront
from adapters.memory.webhooks import MemoryWebhooks
from adapters.requests import AmendOutcome, FulfillmentRequest
from bench.floor import PACKING
from bench.sample_order import sample_order
from bench.stopwatch import Stopwatch
from config.mappings import load_mapping
from config.setting_groups import WebSettings
from domain.erp_order import ErpOrder, SalesOrder
from domain.mapping import Mapping
from domain.order import Fulfillment, Order, OrderKey
from sandbox.catalog import PRODUCTS
from store.database import Database
from store.inbox import Inbox
from store.mappings import MappingCatalog
from web.app import create_app
from web.dispatcher import Dispatcher
from web.hand_over import hand_over_to
from web.server import temporal_probe
from workers.composition import Parts
from workers.worker import start_feed, workers
from workflows.messages import Attention, OrderResult

CHANNEL = "shop"
CREATED = "orders/create"
LONGEST_ORDER = 180
"""Seconds after which an order counts as stuck, and the run as failed."""


class WatchedErp(MemoryErp):
    """Tells when an order was taken."""

    def __init__(self, **known: Any) -> None:
        """``known`` as ``MemoryErp`` takes it."""
        super().__init__(**{"warehouses": {"WH-EAST", "WH-WEST"}} | known)
        self.taken_at: dict[OrderKey, float] = {}
        self._taken: defaultdict[OrderKey, asyncio.Event] = defaultdict(asyncio.Event)
        self._amended: defaultdict[OrderKey, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(0))

    async def submit_order(self, order: SalesOrder) -> ErpOrder:
        """See ``ErpPort``; notes the moment."""
        taken = await super().submit_order(order)
        self.taken_at.setdefault(order.key, time.perf_counter())
        self._taken[order.key].set()
        return taken

    async def amend_order(self, target: SalesOrder) -> AmendOutcome:
        """See ``ErpPort``; notes that it happened."""
        outcome = await super().amend_order(target)
        self._amended[target.key].release()
        return outcome

    async def until_amended(self, key: OrderKey) -> None:
        """Wait for the order's next amendment."""
        await self._amended[key].acquire()

    async def until_taken(self, key: OrderKey) -> None:
        """Wait until the order is in the books."""
        await self._taken[key].wait()


class WatchedStorefront(MemoryStorefront):
    """Tells when a shipment was told."""

    def __init__(self) -> None:
        super().__init__(CHANNEL, prices={each["sku"]: Decimal(each["price"]) for each in PRODUCTS})
        self._told: defaultdict[OrderKey, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(0))

    async def create_fulfillment(self, request: FulfillmentRequest) -> Fulfillment:
        """See ``StorefrontPort``; notes that it happened."""
        made = await super().create_fulfillment(request)
        self._told[request.key].release()
        return made

    async def until_told(self, key: OrderKey) -> None:
        """Wait for the order's next fulfillment."""
        await self._told[key].acquire()


class BenchWorld:
    """One shop, one ERP, the house between them; ``webhook_to_erp`` in seconds, one entry an order."""

    def __init__(
        self,
        client: Client,
        directory: Path,
        feed_interval: timedelta,
        erp: WatchedErp | None = None,
        mapping: Mapping | None = None,
    ) -> None:
        self.webhook_to_erp: list[float] = []
        self.storefront = WatchedStorefront()
        self.erp = erp or WatchedErp()
        self._mapping = mapping or load_mapping("shopify-tryton")
        self._client = client
        self._feed_interval = feed_interval
        self._outside, self._app = Stopwatch(), Stopwatch()
        self._webhooks = MemoryWebhooks("bench")
        self.database_url = f"sqlite:///{directory / 'orderwright.db'}"
        self._web_database, self._worker_database = Database(self.database_url), Database(self.database_url)
        self._web_database.migrate()

    @property
    def outside_cpu(self) -> float:
        """Seconds of CPU so far for what is not ours: both systems, their staff, and who sends the webhooks."""
        return self._outside.seconds - self._app.seconds

    def close(self) -> None:
        """Give the database back."""
        self._web_database.close()
        self._worker_database.close()

    @asynccontextmanager
    async def working(self) -> AsyncIterator[httpx.AsyncClient]:
        """The house runs while the block does; yields the storefront's way to the webhook address."""
        inbox = Inbox(self._web_database)
        dispatcher = Dispatcher(inbox, hand_over_to(self._client, self._web_database))
        app = create_app(
            {CHANNEL: self._webhooks},
            inbox,
            wake=dispatcher.wake,
            check_database=self._web_database.check,
            probe_temporal=temporal_probe(self._client),
            max_body=WebSettings().max_body_bytes,
            keep=timedelta(days=WebSettings().keep_webhooks_days),
        )
        catalog = MappingCatalog(self._worker_database, {CHANNEL: self._mapping})
        parts = Parts(
            self._worker_database,
            {CHANNEL: self._outside.calls_of(self.storefront)},
            self._outside.calls_of(self.erp),
            catalog,
        )

        async def measured_app(scope: Any, receive: Any, send: Any) -> None:
            await self._app.of(app(scope, receive, send))

        dispatching = asyncio.create_task(dispatcher.run())
        try:
            async with (
                workers(self._client, parts, feed_interval=self._feed_interval),
                httpx.AsyncClient(
                    transport=httpx.ASGITransport(measured_app), base_url="http://orderwright", timeout=60
                ) as web,
            ):
                await start_feed(self._client)
                yield web
        finally:
            dispatcher.stop()
            await dispatching

    def inbox_is_empty(self) -> bool:
        """Whether every webhook was handed over, or found to be an echo."""
        return not Inbox(self._web_database).backlog().pending

    async def one_order(self, web: httpx.AsyncClient, number: int) -> str:
        """Place the sample order, ship it in two parts, see it closed; returns its workflow id. Raises as ``carry``."""
        return await self.carry(web, sample_order(CHANNEL, number))

    async def carry(self, web: httpx.AsyncClient, order: Order, longest: float = LONGEST_ORDER) -> str:
        """Place an order, ship each of its parcels, see it closed; returns its workflow id.

        Raises TimeoutError for one that is stuck, RuntimeError for one that ends otherwise than closed.
        """
        key = order.key
        async with asyncio.timeout(longest):
            await self.deliver_goods(web, order)
            handle = self._client.get_workflow_handle(key.workflow_id, result_type=OrderResult)
            result: OrderResult = await handle.result()
        if result.outcome is not Attention.CLOSED:
            raise RuntimeError(f"order {key} did not close: {result.text}")
        captured = self.storefront.orders[key.external_id].captured
        if captured != order.total or captured == Decimal(0):
            raise RuntimeError(f"order {key} closed with {captured} captured of {order.total}")
        return key.workflow_id

    async def deliver_goods(self, web: httpx.AsyncClient, order: Order) -> None:
        """Place an order and ship each of its parcels."""
        await self._outside.of(self._act_outside(web, order))

    async def _act_outside(self, web: httpx.AsyncClient, order: Order) -> None:
        """What a buyer, the storefront and the warehouses do."""
        key = order.key
        self.storefront.place(order)
        posted = time.perf_counter()
        await self.deliver(web, key, CREATED)
        await self.erp.until_taken(key)
        self.webhook_to_erp.append(self.erp.taken_at[key] - posted)
        for shipment in self.erp.orders[key].shipments:
            await asyncio.sleep(PACKING.total_seconds())
            units = {line.line_id: line.quantity for line in shipment.lines}
            self.erp.ship(key, shipment.warehouse, units, tracking=f"TRACK-{shipment.shipment_id}")
            await self.storefront.until_told(key)

    async def deliver(
        self, web: httpx.AsyncClient, key: OrderKey, topic: str, *, nth: int = 1, tells: str | None = None
    ) -> None:
        """The storefront sends a webhook, the order's ``nth`` of that topic. ``tells``: see ``adapters.echoes``."""
        delivery_id = f"delivery-{key.external_id}-{topic}-{nth}"
        now = datetime.now(UTC)
        raw, headers = self._webhooks.write(delivery_id, topic, key.external_id, occurred_at=now, tells=tells)
        answer = await web.post(f"/webhooks/{CHANNEL}", content=raw, headers=headers)
        answer.raise_for_status()
