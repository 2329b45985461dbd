"""One trace an order: from the webhook over dispatcher, workflow and activity to the HTTP request."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Replayer

from adapters.memory.webhooks import MemoryWebhooks
from adapters.payloads import DATA_CONVERTER
from adapters.ports import Probe
from adapters.shopify.storefront import ShopifyStorefront
from adapters.temporal import tracing
from domain.order import OrderKey
from store.database import Database
from store.inbox import Inbox
from tests.order_builder import make_line, make_order, sandbox_mapping
from tests.running_store import TOKEN, RunningStore, place
from tests.telemetry_fixture import *  # noqa: F403  the fixtures
from tests.telemetry_fixture import Measured, Traced
from tests.workflows.world import World, terminate_all
from web.app import create_app
from web.dispatcher import Dispatcher, Pace
from web.hand_over import hand_over_to
from workers.worker import RUNNER
from workflows.order import OrderWorkflow

WEBHOOKS = MemoryWebhooks("a secret of ours")
QUICK = Pace(poll=0.02, first_pause=0.01)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStore]:
    running = RunningStore(tmp_path_factory.mktemp("store") / "state.db").start()
    yield running
    running.close()


def traced_client(server: WorkflowEnvironment) -> Client:
    return Client(**{**server.client.config(), "interceptors": tracing()})


@asynccontextmanager
async def world_on(client: Client, folder: Path) -> AsyncIterator[World]:
    """A world whose workers run; nothing of it is left on the server."""
    database = Database(f"sqlite:///{folder / 'traced.db'}")
    database.migrate()
    yield World(client, database, sandbox_mapping())
    await terminate_all(client)
    database.close()


@asynccontextmanager
async def web_process(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """Ingress and dispatcher, as ``web.server`` puts them together."""

    async def probe() -> Probe:
        return Probe(ok=True, detail="answers")

    inbox = Inbox(world.database)
    dispatcher = Dispatcher(inbox, hand_over_to(world.client, world.database), pace=QUICK)
    app = create_app(
        {"shop": WEBHOOKS},
        inbox,
        wake=dispatcher.wake,
        check_database=world.database.check,
        probe_temporal=probe,
        max_body=10_000,
        keep=timedelta(days=30),
    )
    running = asyncio.create_task(dispatcher.run())
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://web.test") as client:
        yield client
    dispatcher.stop()
    await running


async def deliver(web: httpx.AsyncClient, delivery: str, order: str) -> str:
    raw, headers = WEBHOOKS.write(delivery, "orders/create", order)
    answer = await web.post("/webhooks/shop", content=raw, headers=headers)
    return str(answer.json()["status"])


async def until_handed_over(world: World) -> None:
    async with asyncio.timeout(20):
        while Inbox(world.database).backlog().pending:  # noqa: ASYNC110  the dispatcher tells nobody
            await asyncio.sleep(0.05)


def path_to_root(span: ReadableSpan, spans: list[ReadableSpan]) -> list[str]:
    """Names from a span up to the beginning of its trace."""
    by_id = {s.context.span_id: s for s in spans}
    names = [span.name]
    while span.parent is not None:
        span = by_id[span.parent.span_id]
        names.append(span.name)
    return names


async def test_one_webhook_is_one_trace_down_to_http(
    server: WorkflowEnvironment, store: RunningStore, tmp_path: Path, traced: Traced, measured: Measured
):
    storefront = ShopifyStorefront("shop", store.url, TOKEN)
    order = str(place(store, lines=[{"sku": "TEE-BLK-S", "quantity": 1}], email="ada@example.com"))
    key = OrderKey(channel="shop", external_id=order)
    async with world_on(traced_client(server), tmp_path) as world:
        world.replace_storefront(storefront)
        async with world.working(), web_process(world) as web:
            assert await deliver(web, f"d{order}", order) == "received"
            await until_handed_over(world)
            await world.until_in_erp(key)
            world.erp.ship_all(key)
            await world.client.get_workflow_handle(key.workflow_id).result()
            assert await deliver(web, f"d{order}", order) == "duplicate"
    await storefront.close()
    first, again = traced.named("receive webhook")
    assert first.context.trace_id != again.context.trace_id
    spans = traced.of(first.context.trace_id)
    assert [s.name for s in spans if s.parent is None] == ["receive webhook"]

    http = [s for s in spans if s.kind is SpanKind.CLIENT and s.name.startswith("shopify: ")]
    paths = {tuple(path_to_root(s, spans)) for s in http}
    above = ("SignalWithStartWorkflow:OrderWorkflow", "hand over webhook", "receive webhook")
    read = ("RunActivity:read_order", "StartActivity:read_order", *above)
    report = ("RunActivity:report_shipment", "StartActivity:report_shipment", *above)
    assert ("shopify: read order", *read) in paths
    assert ("shopify: create fulfillment", *report) in paths
    assert ("shopify: capture payment", *report) in paths
    assert {s.attributes["orderwright.order"] for s in http} == {str(key)}
    assert {s.attributes["http.response.status_code"] for s in http} == {200}
    assert {s.attributes["orderwright.writes"] for s in http} == {True, False}
    looked = [e.attributes for s in spans for e in s.events if e.name == "looked up"]
    assert {(e["what"], e["found"]) for e in looked} == {("fulfillment", False), ("capture", False)}
    # The ERP's news came by the feed, which has a trace of its own: here it is a link.
    told = [s for s in spans if s.name == "HandleSignal:erp_changed"]
    assert told
    assert all(s.links for s in told)

    written = repr(
        [(s.name, dict(s.attributes or {}), [e.attributes for e in s.events]) for s in traced.all()]
    )
    assert TOKEN not in written
    assert "example.com" not in written
    assert measured.value("orderwright.activities", activity="report_shipment", outcome="done") >= 1
    assert measured.value("orderwright.lookups", system="shopify", what="capture", found=False) >= 1
    assert measured.value("orderwright.calls", system="shop", operation="read order", outcome="done") >= 1


async def test_a_failed_attempt_is_marked_by_its_error_and_counted(
    server: WorkflowEnvironment, tmp_path: Path, external_id: str, traced: Traced, measured: Measured
):
    async with world_on(traced_client(server), tmp_path) as world:
        world.faults.lose_answer("erp.submit_order", nth=1)
        async with world.working():
            order = make_order(external_id, lines=(make_line("11"),))
            await world.place(order)
            await world.until_in_erp(order.key)
    attempts = traced.named("RunActivity:submit_order")
    assert [s.attributes.get("error.type") for s in attempts] == ["OutcomeUnknown", None]
    assert [s.attributes["orderwright.attempt"] for s in attempts] == [1, 2]
    assert measured.value("orderwright.activities", activity="submit_order", outcome="OutcomeUnknown") == 1
    assert (
        measured.value("orderwright.calls", system="erp", operation="submit order", outcome="OutcomeUnknown")
        == 1
    )


async def carried(client: Client, folder: Path, external_id: str):
    """The history of an order that was closed."""
    async with world_on(client, folder) as world, world.working():
        order = make_order(external_id, lines=(make_line("11"),))
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        world.erp.ship_all(order.key)
        await handle.result()
    return await handle.fetch_history()


def header_bytes(events: list[HistoryEvent]) -> list[int]:
    """Of every event that has a header with something in it."""
    attributes = [getattr(event, event.WhichOneof("attributes")) for event in events]
    return [a.header.ByteSize() for a in attributes if hasattr(a, "header") and a.header.fields]


async def test_a_trace_costs_headers_and_no_event_and_nothing_when_it_is_off(
    server: WorkflowEnvironment, tmp_path: Path, external_id: str, traced: Traced
):
    (tmp_path / "on").mkdir()
    on = await carried(traced_client(server), tmp_path / "on", f"{external_id}1")
    off = await carried(server.client, tmp_path, f"{external_id}2")
    assert header_bytes(off.events) == []
    carriers = ("EXECUTION_STARTED", "EXECUTION_SIGNALED", "ACTIVITY_TASK_SCHEDULED")
    names = [EventType.Name(event.event_type) for event in on.events]
    sizes = header_bytes(on.events)
    assert len(sizes) == sum(name.endswith(carriers) for name in names)
    assert max(sizes) < 150
    commands = ("ACTIVITY_TASK_SCHEDULED", "TIMER_STARTED")
    kinds = [
        [k for e in h.events if any(c in (k := EventType.Name(e.event_type)) for c in commands)]
        for h in (on, off)
    ]
    assert kinds[0] == kinds[1] != []
    # A worker without traces replays what one with traces wrote, and a replay makes no span anew.
    before = len(traced.all())
    for interceptors in ([], tracing()):
        replayer = Replayer(
            workflows=[OrderWorkflow],
            workflow_runner=RUNNER,
            data_converter=DATA_CONVERTER,
            interceptors=interceptors,
        )
        await replayer.replay_workflow(on)
    assert len(traced.all()) == before
