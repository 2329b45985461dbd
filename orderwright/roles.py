"""The long-running roles of a deployment, and the one-shot that prepares the tables."""

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest

from config.settings import Settings
from orderwright.logs import configure_logs
from orderwright.operations import temporal
from orderwright.telemetry import export_metrics
from orderwright.terminal import CommandFailed, invocation
from store.database import Database
from workers.worker import run_worker
from workflows.messages import ORDERS_QUEUE

FRESH = timedelta(minutes=2)
"""Temporal hears of a living poller at least once a minute."""


def worker(
    ctx: typer.Context,
    check: Annotated[
        bool,
        typer.Option("--check", help="Only say whether a worker of this machine polls; for health checks."),
    ] = False,
) -> None:
    """Carry orders: poll Temporal's task queues until stopped. Start more of them for more throughput."""
    settings = invocation(ctx).settings()
    if check:
        typer.echo(asyncio.run(_polled_from_here(settings)))
        return
    _run_role(settings, lambda stop: _worker(settings, stop))


def web(ctx: typer.Context) -> None:
    """Take webhooks, and hand them to Temporal, until stopped."""
    from web.server import run_web  # noqa: PLC0415  the web framework is loaded by the one role that needs it

    settings = invocation(ctx).settings()
    _run_role(settings, lambda stop: run_web(settings, stop))


def migrate(ctx: typer.Context) -> None:
    """Bring the tables of the store up to date. May be run at any time, and again."""
    settings = invocation(ctx).settings()
    database = Database(settings.database)
    try:
        database.migrate()
        typer.echo(f"{database}: the tables are up to date")
    finally:
        database.close()


def _run_role(settings: Settings, role: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run until SIGINT or SIGTERM asks to stop; the role then finishes what is under way."""

    async def until_stopped() -> None:
        stop = asyncio.Event()
        for asked in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(asked, stop.set)
        await role(stop)

    configure_logs(settings.log)
    export_metrics(settings.otel_endpoint)
    asyncio.run(until_stopped())


async def _worker(settings: Settings, stop: asyncio.Event) -> None:
    async with temporal(settings.temporal):
        pass  # said in plain words here; the worker itself makes a connection of its own
    await run_worker(settings, stop)


async def _polled_from_here(settings: Settings) -> str:
    """Raises CommandFailed where no process of this machine polled lately."""
    async with temporal(settings.temporal) as client:
        described = await client.workflow_service.describe_task_queue(
            DescribeTaskQueueRequest(
                namespace=client.namespace,
                task_queue=TaskQueue(name=ORDERS_QUEUE),
                task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
            )
        )
    here = f"@{socket.gethostname()}"
    polled = [
        poller.last_access_time.ToDatetime(tzinfo=UTC)
        for poller in described.pollers
        if poller.identity.endswith(here)
    ]
    if not polled or datetime.now(UTC) - max(polled) > FRESH:
        raise CommandFailed(f"no worker of this machine polls the task queue {ORDERS_QUEUE!r}")
    return f"a worker polled at {max(polled):%H:%M:%S} UTC"
