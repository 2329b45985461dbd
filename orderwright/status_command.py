"""``orderwright status``: is all well right now, in one screen."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated

import typer
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

from activities.contracts import ERP_QUEUE, storefront_queue
from config.settings import Settings
from domain.connection import ERP_SYSTEM, Connection, called
from domain.model import Frozen, Instant
from domain.status import OrderStatus
from orderwright.terminal import (
    FAILED,
    AsJson,
    invocation,
    print_facts,
    print_json,
    print_table,
)
from store.connections import Connections
from store.database import Database
from store.inbox import Backlog, Inbox, InboxState
from store.order_view import OrderViews
from web.desk.operations import CannotBeDone, temporal


class SystemStatus(Frozen):
    """One outside system: how it is, and how many order steps wait for it."""

    system: str
    away: bool
    sentence: str
    waiting_steps: int | None
    """None where Temporal does not answer."""
    polled: bool | None
    """Whether a worker asks for work of its queue; None where Temporal does not answer."""


class Status(Frozen):
    """The answer of ``orderwright status``."""

    at: Instant
    temporal: str
    """Empty while it answers."""
    systems: tuple[SystemStatus, ...]
    orders: dict[OrderStatus, int]
    webhooks: Backlog
    webhooks_kept: dict[InboxState, int]
    """Of the days that the inbox keeps them, by what became of them."""

    @property
    def well(self) -> bool:
        """Nothing is away, and somebody works on each queue."""
        return not self.temporal and all(not s.away and s.polled is not False for s in self.systems)


def status(
    ctx: typer.Context,
    as_json: AsJson = False,
    check: Annotated[
        bool, typer.Option("--check", help="Exit status 1 where something is away; for monitoring.")
    ] = False,
) -> None:
    """Tell how every system is, what waits for it, and where the orders stand."""
    found = asyncio.run(look(invocation(ctx).settings()))
    if as_json:
        print_json(found)
    else:
        _print(found)
    if check and not found.well:
        raise typer.Exit(FAILED)


async def look(settings: Settings) -> Status:
    """Read it all. Raises DatabaseUnavailable; Temporal being away is a part of the answer."""
    database = Database(settings.database)
    try:
        database.check()
        known = {c.system: c for c in Connections(database).all()}
        orders = OrderViews(database).count_by_status()
        backlog, kept = Inbox(database).backlog(), Inbox(database).counts()
    finally:
        database.close()
    queues = {ERP_SYSTEM: ERP_QUEUE} | {name: storefront_queue(name) for name in sorted(settings.channels)}
    # A channel that was taken out of the settings may still have orders that wait for it.
    queues |= {name: storefront_queue(name) for name in known if name not in queues}
    waiting: dict[str, tuple[int, bool]] = {}
    trouble = ""
    try:
        async with temporal(settings.temporal) as client:
            found = await asyncio.gather(*(_queue(client, queue) for queue in queues.values()))
            waiting = dict(zip(queues, found, strict=True))
    except CannotBeDone as error:
        trouble = str(error)
    now = datetime.now(UTC)
    return Status(
        at=now,
        temporal=trouble,
        systems=tuple(_system(name, known.get(name), waiting.get(name), now) for name in queues),
        orders=orders,
        webhooks=backlog,
        webhooks_kept=kept,
    )


async def _queue(client: Client, queue: str) -> tuple[int, bool]:
    """Activity tasks that wait in a queue, and whether anybody polls it."""
    described = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
            report_stats=True,
        )
    )
    return described.stats.approximate_backlog_count, bool(described.pollers)


def _system(
    name: str, known: Connection | None, waiting: tuple[int, bool] | None, now: datetime
) -> SystemStatus:
    away = known is not None and known.away
    sentence = known.sentence(now) if known else f"{called(name)}: no worker has worked with it yet"
    if waiting is not None and not waiting[1] and not away:
        sentence = f"no worker polls for {called(name)}; start one: orderwright worker"
    return SystemStatus(
        system=name,
        away=away,
        sentence=sentence,
        waiting_steps=waiting[0] if waiting else None,
        # While a system is away its queue is left alone on purpose.
        polled=None if waiting is None or away else waiting[1],
    )


def _print(found: Status) -> None:
    rows = [
        (
            s.system,
            "AWAY" if s.away else "no worker" if s.polled is False else "up",
            s.sentence,
            "?" if s.waiting_steps is None else str(s.waiting_steps),
        )
        for s in found.systems
    ]
    print_table("Systems", ("System", "", "How it is", "Steps that wait"), rows, wide={"How it is"})
    print_facts(
        [
            ("Temporal", found.temporal or "answers"),
            ("webhooks waiting", _webhooks(found.webhooks, found.at)),
            ("webhooks done", _done(found.webhooks_kept)),
            ("orders", ", ".join(_counts(found.orders)) or "none"),
        ]
    )


def _webhooks(backlog: Backlog, now: datetime) -> str:
    if backlog.oldest_received_at is None:
        return "none"
    age = max(0, round((now - backlog.oldest_received_at).total_seconds()))
    return f"{backlog.pending}, the oldest for {age} s, {backlog.failing} of them failed before"


def _done(kept: dict[InboxState, int]) -> str:
    dispatched, echoes = kept.get(InboxState.DISPATCHED, 0), kept.get(InboxState.ECHO, 0)
    return f"{dispatched} handed over, {echoes} echoes that told nobody anything"


def _counts(orders: dict[OrderStatus, int]) -> Iterable[str]:
    return (f"{count} {status.value.replace('_', ' ')}" for status, count in orders.items() if count)
