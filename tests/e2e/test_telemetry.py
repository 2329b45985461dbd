"""Worker and web as processes of their own, and a collector on loopback: what is sent when the endpoint is set."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
import pytest_asyncio
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from adapters.memory.webhooks import MemoryWebhooks
from adapters.payloads import DATA_CONVERTER
from config.metrics import METRICS
from sandbox.processes import free_port
from sandbox.stack import find_temporal
from tests.observability_files import alert_expressions, dashboard_expressions, labels_used, names_used
from tests.otlp_receiver import OtlpReceiver, otlp_receiver
from workflows.messages import ORDERS_QUEUE
from workflows.search import ALL as SEARCH_ATTRIBUTES

SECRET = "a secret of ours"
FROM_PROMETHEUS = {"le", "job", "instance"}
"""Labels that Prometheus itself adds."""


@asynccontextmanager
async def role(name: str, settings: dict[str, str]) -> AsyncIterator[None]:
    """``orderwright worker`` or ``orderwright web`` until the block ends; then it sends what is left."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ORDERWRIGHT_")} | settings
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "orderwright", name, env=environment, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), 60)


async def until(condition: Callable[[], bool], what: Callable[[], str], seconds: float = 60) -> None:
    try:
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110  the conditions look outside
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(what()) from None


async def deliver(port: int, number: int) -> int:
    raw, headers = MemoryWebhooks(SECRET).write(f"d{number}", "orders/create", str(number))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        try:
            return (await client.post("/webhooks/shop", content=raw, headers=headers)).status_code
        except httpx.TransportError:
            return 0


def names_of_the_sdk() -> list[tuple[str, str]]:
    """Where the alert rules and the dashboard use a time series of the SDK, and which."""
    expressions = [*alert_expressions(), *dashboard_expressions()]
    used = [(where, name) for where, expression in expressions for name in names_used(expression)]
    return [(where, name) for where, name in used if name.startswith("temporal_")]


async def provoke_a_workflow_task_failure(client: Client) -> None:
    """A start that cannot be read fails each try of the workflow's first task, as a change of code does."""
    await client.start_workflow(
        "OrderWorkflow", {"no": "order"}, id="order:shop:broken", task_queue=ORDERS_QUEUE
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def collected(tmp_path_factory: pytest.TempPathFactory) -> OtlpReceiver:
    """What came in while an order was carried, another was broken, and both processes ended in order."""
    folder = tmp_path_factory.mktemp("telemetry")
    port = free_port()
    with otlp_receiver() as (endpoint, receiver):
        async with await WorkflowEnvironment.start_local(
            dev_server_existing_path=find_temporal(),
            data_converter=DATA_CONVERTER,
            search_attributes=SEARCH_ATTRIBUTES,
        ) as environment:
            settings = {
                "ORDERWRIGHT_DATABASE_URL": f"sqlite:///{folder / 'orders.db'}",
                "ORDERWRIGHT_TEMPORAL__ADDRESS": environment.client.service_client.config.target_host,
                "ORDERWRIGHT_OTEL_ENDPOINT": f"{endpoint}/prefix/",
                "ORDERWRIGHT_WEB__PORT": str(port),
                "ORDERWRIGHT_FEED_INTERVAL_SECONDS": "0.2",
                "ORDERWRIGHT_CHANNELS__SHOP__VENDOR": "memory",
                "ORDERWRIGHT_CHANNELS__SHOP__URL": "http://memory.test",
                "ORDERWRIGHT_CHANNELS__SHOP__ACCESS_TOKEN": "a token of ours",
                "ORDERWRIGHT_CHANNELS__SHOP__WEBHOOK_SECRET": SECRET,
                "ORDERWRIGHT_ERP__VENDOR": "memory",
                "ORDERWRIGHT_ERP__URL": "http://memory.test",
                "ORDERWRIGHT_ERP__DATABASE": "erp",
                "ORDERWRIGHT_ERP__LOGIN": "orderwright",
                "ORDERWRIGHT_ERP__PASSWORD": "a password of ours",
                "OTEL_METRIC_EXPORT_INTERVAL": "500",
            }
            async with role("worker", settings), role("web", settings):
                async with asyncio.timeout(60):
                    while await deliver(port, 5001) != 200:  # noqa: ASYNC110  a process that starts
                        await asyncio.sleep(0.2)
                await provoke_a_workflow_task_failure(environment.client)
                wanted = {
                    "temporal_workflow_task_execution_failed_total",
                    "orderwright_cases",
                    "orderwright_feed_last_poll_seconds",
                    *(name for _, name in names_of_the_sdk()),
                }
                await until(
                    lambda: wanted <= set(receiver.series),
                    lambda: f"{wanted - set(receiver.series)} did not come, but {sorted(receiver.series)}",
                )
    return receiver


def test_metrics_of_both_roles_and_of_the_sdk_arrive(collected: OtlpReceiver):
    web, worker = "orderwright-web", "orderwright-worker"
    wanted = {
        "orderwright_webhooks_received_total": {web},
        "orderwright_connection_up": {web},
        "orderwright_calls_total": {worker},
        "orderwright_activities_total": {worker},
        "temporal_num_pollers": {worker},
        "temporal_request_total": {web, worker},
    }
    found = {name: {service for service, _ in collected.senders[name]} for name in wanted}
    assert found == wanted
    assert {"/prefix/v1/metrics", "/prefix/v1/traces"} == set(collected.requests)
    # Each says which process it is: else the same series of two workers would be one.
    assert all(instance for senders in collected.senders.values() for _, instance in senders)


def test_the_trace_of_a_webhook_arrives_from_both_processes(collected: OtlpReceiver):
    assert {
        ("orderwright-web", "receive webhook"),
        ("orderwright-web", "hand over webhook"),
        ("orderwright-web", "SignalWithStartWorkflow:OrderWorkflow"),
        ("orderwright-worker", "StartActivity:read_order"),
        ("orderwright-worker", "RunActivity:read_order"),
    } <= set(collected.spans)
    assert not [name for _, name in collected.spans if "follow_erp_changes" in name]


def test_what_our_code_sends_is_what_the_list_says(collected: OtlpReceiver):
    known = {series: set(metric.labels) for metric in METRICS for series in metric.series}
    sent = {name: labels for name, labels in collected.series.items() if name.startswith("orderwright_")}
    assert {name: labels for name, labels in sent.items() if labels != known.get(name)} == {}


def test_alert_rules_and_dashboard_use_names_and_labels_of_the_sdk_that_it_sends(collected: OtlpReceiver):
    for where, name in names_of_the_sdk():
        assert name in collected.series, f"{where}: the SDK sends no {name}"
    for where, expression in [*alert_expressions(), *dashboard_expressions()]:
        for name, labels in labels_used(expression).items():
            if name.startswith("temporal_"):
                assert labels - FROM_PROMETHEUS <= collected.series[name], where
