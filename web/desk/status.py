"""Whether all is well right now: every outside system, what waits for it, and where the orders stand."""

import asyncio
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

from activities.contracts import ERP_QUEUE, storefront_queue
from config.settings import Settings
from domain.connection import ERP_SYSTEM, Connection, called
from domain.model import Frozen, Instant
from domain.status import OrderStatus
from store.connections import Connections
from store.database import Database
from store.inbox import Backlog, Inbox, InboxState
from store.order_view import OrderViews
from web.desk.operations import CannotBeDone, reached

PATIENCE_SECONDS = 30.0


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
    """All of it at one moment."""

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


async def look(
    settings: Settings,
    database: Database,
    connection: AbstractAsyncContextManager[Client],
    *,
    patience: float = PATIENCE_SECONDS,
) -> Status:
    """Read it all. Raises DatabaseUnavailable; Temporal being away is a part of the answer.

    ``patience``: seconds that Temporal has for its part.
    """
    known, orders, backlog, kept = await asyncio.to_thread(_kept, database)
    queues = {ERP_SYSTEM: ERP_QUEUE} | {name: storefront_queue(name) for name in sorted(settings.channels)}
    # A channel that was taken out of the settings may still have orders that wait for it.
    queues |= {name: storefront_queue(name) for name in known if name not in queues}
    waiting: dict[str, tuple[int, bool]] = {}
    trouble = ""
    try:
        async with asyncio.timeout(patience), connection as client:
            found = await asyncio.gather(*(_queue(client, queue) for queue in queues.values()))
            waiting = dict(zip(queues, found, strict=True))
    except CannotBeDone as error:
        trouble = error.words
    except TimeoutError:
        trouble = f"Temporal did not answer within {patience:.0f} s"
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
    asked = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=queue),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
        report_stats=True,
    )
    described = await reached(client.workflow_service.describe_task_queue(asked))
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


def _kept(
    database: Database,
) -> tuple[dict[str, Connection], dict[OrderStatus, int], Backlog, dict[InboxState, int]]:
    known = {connection.system: connection for connection in Connections(database).all()}
    inbox = Inbox(database)
    return known, OrderViews(database).count_by_status(), inbox.backlog(), inbox.counts()
