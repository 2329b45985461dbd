"""Who polls which task queue. Scale by starting more of this process."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.worker import Interceptor, UnsandboxedWorkflowRunner, Worker

from activities.contracts import ERP_QUEUE, storefront_queue
from activities.gates import Pace
from activities.sweep import SweepRules
from adapters.temporal import connect, ensure_search_attributes
from config.settings import Settings
from domain.completeness import Patience
from domain.connection import ERP_SYSTEM
from workers.composition import Parts, compose
from workers.notices import OutageNotices
from workers.observation import Observation
from workers.queues import GRACE, for_system
from workers.schedules import ensure_comparisons, ensure_schedules
from workers.stock import WORKFLOWS as STOCK_WORKFLOWS
from workers.stock import StockPace, start_stock, stock_workers
from workers.versions import deployment_config
from workflows.customer_return import ReturnWorkflow
from workflows.erp_feed import ErpFeedWorkflow
from workflows.messages import ORDERS_QUEUE
from workflows.order import OrderWorkflow
from workflows.search import ALL as SEARCH_ATTRIBUTES
from workflows.standing import (
    ERP_FEED_ID,
    ErpFeedStart,
)
from workflows.sweep import SilenceWorkflow, SweepWorkflow

log = logging.getLogger(__name__)

ERP_CALLS_AT_ONCE = 8
"""More would only queue inside the ERP; the feed's poll takes one of them."""
STOREFRONT_CALLS_AT_ONCE = 16
"""Of each channel."""
STORE_CALLS_AT_ONCE = 4
CACHED_ORDERS = 1_000
"""Orders and returns that a worker keeps in memory between two of their steps; one more is replayed when it goes on."""

RUNNER = UnsandboxedWorkflowRunner()
"""Without the SDK's sandbox, which costs a fifth of the process: docs/decisions/0010."""


@asynccontextmanager
async def workers(
    client: Client,
    parts: Parts,
    *,
    feed_interval: timedelta,
    sweep_rules: SweepRules | None = None,
    stock_pace: StockPace | None = None,
    pace: Pace | None = None,
    build_id: str | None = None,
    interceptors: Sequence[Interceptor] = (),
    cached_orders: int = CACHED_ORDERS,
) -> AsyncIterator[None]:
    """Poll all task queues while the block runs; on the way out activities get ``GRACE`` to finish.

    Each outside system has a queue of its own, behind its gate: what one of them does holds up no other. Workers with
    a ``build_id`` get work only while that version is current (``workers.versions``). ``interceptors``: for trials.
    """
    version = deployment_config(build_id)
    gates = parts.gates(pace)
    gated = parts.behind(gates)
    orders = gated.order_activities()
    backorders = gated.backorder_activities()
    exchanges = gated.exchange_activities()
    feed = gated.feed_activities(client, feed_interval)
    sweep = gated.sweep_activities(client, sweep_rules or SweepRules())
    cases = parts.case_activities()
    returns = gated.return_activities()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(gates.watched())
        carrier = Worker(
            client,
            task_queue=ORDERS_QUEUE,
            workflows=[
                OrderWorkflow,
                ReturnWorkflow,
                ErpFeedWorkflow,
                SweepWorkflow,
                SilenceWorkflow,
                *STOCK_WORKFLOWS,
            ],
            workflow_runner=RUNNER,
            interceptors=[OutageNotices(gates), Observation(), *interceptors],
            # What asks no outside system must not wait for one that is away: cases above all.
            activities=[
                cases.report_problem,
                cases.leave_cases,
                returns.report_return,
                returns.clear_return,
                sweep.open_sweep,
                sweep.keep_certificates,
                sweep.check_silence,
            ],
            max_concurrent_activities=STORE_CALLS_AT_ONCE,
            max_cached_workflows=cached_orders,
            deployment_config=version,
            graceful_shutdown_timeout=GRACE,
        )
        erp = for_system(
            client,
            ERP_QUEUE,
            [
                orders.submit_order,
                orders.deliver_order,
                orders.amend_order,
                orders.cancel_in_erp,
                orders.close_order,
                returns.authorize_return,
                returns.credit_return,
                exchanges.enter_exchange,
                backorders.look_in_erp,
                backorders.send_what_is_there,
                feed.follow_erp_changes,
                sweep.compare_orders,
            ],
            gate=gates.of(ERP_SYSTEM),
            at_once=ERP_CALLS_AT_ONCE,
            steps_per_second=parts.steps_per_second.get(ERP_SYSTEM),
            version=version,
        )
        storefronts = [
            for_system(
                client,
                storefront_queue(channel),
                [
                    orders.read_order,
                    orders.capture_payments,
                    orders.report_shipment,
                    orders.cancel_in_storefront,
                    returns.refund_return,
                    returns.end_return,
                    exchanges.open_exchange,
                    exchanges.release_exchange,
                    backorders.cancel_rest,
                ],
                gate=gates.of(channel),
                at_once=STOREFRONT_CALLS_AT_ONCE,
                steps_per_second=parts.steps_per_second.get(channel),
                version=version,
            )
            for channel in parts.storefronts
        ]
        # The carrier ends first: it would be given what calls that end now bring, and drop it. Temporal would then wait
        # ten seconds before another worker goes on with that order, or with the feed.
        stock = stock_workers(client, gated, gates, stock_pace or StockPace(), version)
        for worker in (erp, *storefronts, *stock, carrier):
            await stack.enter_async_context(worker)
        yield


async def start_feed(client: Client) -> None:
    """Make sure that the ERP's change feed is followed; harmless when it is already."""
    await client.start_workflow(
        ErpFeedWorkflow.run,
        ErpFeedStart(),
        id=ERP_FEED_ID,
        task_queue=ORDERS_QUEUE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        static_summary="Follows the ERP's changes and tells the orders concerned",
    )


async def run_worker(
    settings: Settings,
    stop: asyncio.Event,
    ready: Callable[[], None] = lambda: None,
    *,
    interceptors: Sequence[Interceptor] = (),
) -> None:
    """Work until ``stop`` is set. ``ready`` is called once orders are carried; ``interceptors``: for trials."""
    client = await connect(settings.temporal, traced=settings.otel_endpoint is not None)
    added = await ensure_search_attributes(client, SEARCH_ATTRIBUTES)
    if added:
        log.info("registered search attributes: %s", ", ".join(added))
    stock_pace = StockPace.of(settings.stock)
    async with (
        compose(settings) as parts,
        workers(
            client,
            parts,
            feed_interval=timedelta(seconds=settings.feed_interval_seconds),
            sweep_rules=SweepRules(
                overlap=timedelta(minutes=settings.sweep.overlap_minutes),
                patience=Patience(grace=timedelta(minutes=settings.sweep.grace_minutes)),
            ),
            stock_pace=stock_pace,
            build_id=settings.temporal.build_id,
            interceptors=interceptors,
            cached_orders=settings.temporal.cached_orders,
        ),
    ):
        await start_feed(client)
        told = await start_stock(client, parts, stock_pace)
        await ensure_comparisons(client, settings.channels, told, settings.stock.compare_at_hour)
        await ensure_schedules(
            client,
            settings.channels,
            sweep_every=timedelta(minutes=settings.sweep.interval_minutes),
            silence_every=timedelta(minutes=settings.sweep.silence_minutes),
        )
        build_id = settings.temporal.build_id
        log.info("worker is up%s", f", build {build_id}" if build_id else "")
        ready()
        await stop.wait()
        log.info("worker stops")
