"""Who polls which task queue. Scale by starting more of this process."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from activities.contracts import ERP_QUEUE, STOREFRONT_QUEUE
from adapters.temporal import connect, ensure_search_attributes
from config.settings import Settings
from workers.composition import Parts, compose
from workflows.erp_feed import ErpFeedWorkflow
from workflows.messages import ERP_FEED_ID, ORDERS_QUEUE, ErpFeedStart
from workflows.order import OrderWorkflow
from workflows.search import ALL as SEARCH_ATTRIBUTES

log = logging.getLogger(__name__)

GRACE = timedelta(seconds=10)
"""How long activities may finish after a stop was asked for."""
ERP_CALLS_AT_ONCE = 8
"""More would only queue inside the ERP; the feed's poll takes one of them."""
STOREFRONT_CALLS_AT_ONCE = 16

# Our own modules are deterministic by rule (import-linter, review); loading them once saves memory per workflow.
RUNNER = SandboxedWorkflowRunner(
    restrictions=SandboxRestrictions.default.with_passthrough_modules(
        "activities", "adapters", "config", "domain", "store", "pydantic", "pydantic_core"
    )
)


@asynccontextmanager
async def workers(client: Client, parts: Parts, *, feed_interval: timedelta) -> AsyncIterator[None]:
    """Poll all task queues while the block runs; on the way out activities get ``GRACE`` to finish."""
    orders = parts.order_activities()
    feed = parts.feed_activities(client, feed_interval)
    async with AsyncExitStack() as stack:
        for worker in (
            Worker(
                client,
                task_queue=ORDERS_QUEUE,
                workflows=[OrderWorkflow, ErpFeedWorkflow],
                workflow_runner=RUNNER,
            ),
            Worker(
                client,
                task_queue=ERP_QUEUE,
                activities=[
                    orders.submit_order,
                    orders.cancel_in_erp,
                    orders.close_order,
                    feed.follow_erp_changes,
                ],
                max_concurrent_activities=ERP_CALLS_AT_ONCE,
                graceful_shutdown_timeout=GRACE,
            ),
            Worker(
                client,
                task_queue=STOREFRONT_QUEUE,
                activities=[orders.read_order, orders.report_shipment, orders.cancel_in_storefront],
                max_concurrent_activities=STOREFRONT_CALLS_AT_ONCE,
                graceful_shutdown_timeout=GRACE,
            ),
        ):
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


async def run_worker(settings: Settings, stop: asyncio.Event) -> None:
    """Work until ``stop`` is set."""
    client = await connect(settings.temporal)
    added = await ensure_search_attributes(client, SEARCH_ATTRIBUTES)
    if added:
        log.info("registered search attributes: %s", ", ".join(added))
    async with (
        compose(settings) as parts,
        workers(client, parts, feed_interval=timedelta(seconds=settings.feed_interval_seconds)),
    ):
        await start_feed(client)
        log.info("worker is up")
        await stop.wait()
        log.info("worker stops")
