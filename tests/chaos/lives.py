"""Lives of orders under faults: each is driven to its end as its people would, and says what happened on the way."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic

from temporalio.client import Client, WorkflowHandle

from adapters.errors import (
    AdapterError,
    Conflict,
    ContractBroken,
    OutcomeUnknown,
    RateLimited,
    SessionExpired,
    Unavailable,
)
from domain.order import OrderKey
from store.database import Database
from store.order_view import OrderSummary, OrderViews
from workflows.messages import ORDERS_QUEUE, Attention, OrderResult, Problem, StorefrontChanged
from workflows.order import OrderWorkflow
from workflows.order_state import OrderStart

LOOK_SECONDS = 0.4
ASK_ANYWAY_SECONDS = 5.0
"""The order list may not say why an order stopped: its workflow is asked now and then."""
MOST_STOPS = 6
"""More would be an order that ``resubmit`` does not help."""

WORDS: dict[type[AdapterError], str] = {
    Unavailable: "waited",
    SessionExpired: "waited",
    RateLimited: "waited as told",
    OutcomeUnknown: "looked up, one",
    Conflict: "read again, one",
    ContractBroken: "case: contract_broken",
}


@dataclass
class Life:
    """What an order met. ``stops`` are the problems it had; each was answered with ``resubmit``."""

    key: OrderKey
    canceled: bool
    outcome: Attention | None = None
    stops: list[Problem] = field(default_factory=list)


def told_causes(life: Life) -> str:
    """The causes of the problems that an order stopped with, in order."""
    assert all(problem.reason for problem in life.stops)
    causes = dict.fromkeys(problem.cause.split(":")[0] for problem in life.stops)
    return f"case: {', '.join(causes)}"


def told_errors(met: Sequence[AdapterError]) -> str:
    """What became of an order whose calls met these errors, and that went on by itself."""
    return ", ".join(dict.fromkeys(WORDS[type(error)] for error in met)) or "carried on"


Edit = Callable[[OrderKey], Awaitable[None]]
"""Edits an order in the storefront, which may tell of it, or lets somebody ask for a change."""


def _hint(key: OrderKey, topic: str) -> StorefrontChanged:
    return StorefrontChanged(message_id=f"{key.external_id}-{topic}", topic=topic)


async def start_order(client: Client, key: OrderKey) -> WorkflowHandle[OrderWorkflow, OrderResult]:
    """The first webhook of an order comes in."""
    return await client.start_workflow(
        OrderWorkflow.run,
        OrderStart(key=key),
        id=key.workflow_id,
        task_queue=ORDERS_QUEUE,
        start_signal="storefront_changed",
        start_signal_args=[_hint(key, "orders/create")],
    )


class Board:
    """The order list, read once for all lives."""

    def __init__(self, database: Database) -> None:
        self._views = OrderViews(database)
        self._rows: dict[str, OrderSummary] = {}

    def row(self, key: OrderKey) -> OrderSummary | None:
        """Where an order stands."""
        return self._rows.get(key.external_id)

    def in_erp(self, key: OrderKey) -> bool:
        """Whether the ERP has given an order its number."""
        row = self.row(key)
        return row is not None and row.erp_number is not None

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Read the list anew and anew while the block runs."""

        async def look() -> None:
            while True:
                rows = await asyncio.to_thread(self._views.list, limit=10_000)
                self._rows = {row.key.external_id: row for row in rows}
                await asyncio.sleep(LOOK_SECONDS)

        async with in_background(look):
            yield


@asynccontextmanager
async def in_background(work: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Let somebody work while the block runs; what goes wrong there ends the test."""
    task = asyncio.ensure_future(work())
    try:
        yield
        if task.done():
            task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class Lives:
    """Starts orders as the dispatcher does and sees them through."""

    def __init__(self, client: Client, board: Board, *, longest: float) -> None:
        self._client, self._board, self._longest = client, board, longest

    async def live(
        self, key: OrderKey, *, cancel: bool = False, edit: Edit | None = None, later: Edit | None = None
    ) -> Life:
        """From webhook to end; it is canceled or edited once it is in the ERP. Raises AssertionError when late.

        ``later`` waits by itself for its time, and the storefront then tells of something new.
        """
        handle = await start_order(self._client, key)
        life = Life(key, canceled=cancel)
        ending = asyncio.create_task(handle.result())
        try:
            async with asyncio.timeout(self._longest):
                if cancel:
                    await self._until_in_erp(key)
                    await handle.signal("cancel")
                if edit is not None:
                    await self._until_in_erp(key)
                    await edit(key)
                if later is not None:
                    await later(key)
                    await self.tell(key, "returns/request")
                await self._see_through(handle, ending, life)
            life.outcome = ending.result().outcome
        except TimeoutError:
            view = await handle.query(OrderWorkflow.status)
            story = "\n".join(f"{x.actor}: {x.text}" for x in await handle.query(OrderWorkflow.timeline))
            raise AssertionError(f"{key}: {view.sentence} waits for {view.waiting_for}\n{story}") from None
        finally:
            ending.cancel()
            await asyncio.gather(ending, return_exceptions=True)
        return life

    async def tell(self, key: OrderKey, topic: str) -> None:
        """Let the storefront tell that something happened."""
        await self._client.get_workflow_handle(key.workflow_id).signal(
            "storefront_changed", _hint(key, topic)
        )

    async def _until_in_erp(self, key: OrderKey) -> None:
        while not self._board.in_erp(key):  # noqa: ASYNC110  a worker does what is waited for
            await asyncio.sleep(LOOK_SECONDS)

    async def _see_through(
        self,
        handle: WorkflowHandle[OrderWorkflow, OrderResult],
        ending: "asyncio.Task[OrderResult]",
        life: Life,
    ) -> None:
        """Whenever the order stops, note why and let it go on: what was wrong is over by then, or goes wrong again."""
        asked = monotonic()
        while not ending.done():
            await asyncio.wait({ending}, timeout=LOOK_SECONDS)
            row = self._board.row(life.key)
            stopped = row is not None and row.problem
            if ending.done() or not (stopped or monotonic() - asked > ASK_ANYWAY_SECONDS):
                continue
            asked = monotonic()
            problem = (await handle.query(OrderWorkflow.status)).problem
            if problem is None or (life.stops and life.stops[-1].since == problem.since):
                continue
            life.stops.append(problem)
            assert len(life.stops) <= MOST_STOPS, f"{life.key} stops again and again: {problem.reason}"
            await handle.signal("resubmit")
