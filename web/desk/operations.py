"""What an operator can ask of an order, over Temporal: where it stands, and the messages, answered in words.

Returns are asked in the same way (``web.desk.returns``).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar
from urllib.parse import quote
from uuid import uuid4

from pydantic import ConfigDict, ValidationError
from temporalio.client import (
    Client,
    WorkflowExecution,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
    WorkflowUpdateStage,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from adapters.temporal import connect
from config.setting_groups import TemporalSettings
from domain.model import Frozen, Instant
from domain.order import OrderKey
from workflows.messages import (
    ORDER_WORKFLOW,
    Attention,
    OperatorAnswer,
    OperatorMessage,
    OrderView,
    TimelineEntry,
)
from workflows.narrative import full_stop
from workflows.search import ORDER_STATE

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 60.0
"""A cancel asks both systems; longer than that, and something is away."""
QUERY = timedelta(seconds=15)

_UNQUOTABLE = frozenset("'\"\\")
_NO_CONNECTION = "Failed client connect"
_NOBODY_THERE = frozenset(
    # The last: a query that Temporal gave to no worker, for none had asked for work lately.
    {RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED, RPCStatusCode.FAILED_PRECONDITION}
)

Answer = TypeVar("Answer")
Result = TypeVar("Result")
Sent = TypeVar("Sent", bound=OperatorMessage)


class CannotBeDone(Exception):
    """What somebody asks for cannot be done.

    ``words`` say why, and what helps; ``at_shell`` what helps those who have the command line, which a page leaves out.
    """

    def __init__(self, words: str, at_shell: str = "") -> None:
        self.words = words
        super().__init__(f"{words}; {at_shell}" if at_shell else words)


async def result_of(handle: WorkflowHandle[Any, Result], work: str, seconds: float) -> Result:
    """Wait for the end of ``work`` that a command started. Raises CannotBeDone where it fails or takes longer."""
    try:
        async with asyncio.timeout(seconds):
            return await handle.result()
    except TimeoutError as error:
        raise CannotBeDone(
            f"{work} goes on without this command; is a worker running, and does every system answer "
            f"(orderwright doctor)? See what it waits for in the Temporal UI, workflow {handle.id}"
        ) from error
    except WorkflowFailureError as error:
        cause = error.cause.__cause__ or error.cause
        reason = cause.message if isinstance(cause, ApplicationError) else str(cause)
        raise CannotBeDone(f"{work} failed: {reason}") from error


class TemporalRefused(CannotBeDone):
    """Temporal did not do what it was asked."""

    def __init__(self, error: RPCError) -> None:
        self.status = error.status
        away = error.status is RPCStatusCode.UNAVAILABLE
        super().__init__(f"Temporal {'cannot be reached' if away else 'refused'}: {_plain(error.message)}")


class OrderNotFound(CannotBeDone):
    """Temporal knows no such order, or return; it never came, or it ended so long ago that its history is gone."""


class NoAnswer(CannotBeDone):
    """The order, or return, is there, but nobody answers for it."""


class NotTaken(NoAnswer):
    """Nobody took a message yet; a worker that comes soon may still carry it out."""


class Taken(OperatorAnswer):
    """The order, or return, has taken the message and carries it out later; both fields as its status tells them."""

    done: bool = False
    text: str = "Taken"
    taken: bool = True
    waits_for: str = ""
    waits_on: str | None = None


class Standing(Frozen):
    """What orders and returns alike tell of what they wait for."""

    model_config = ConfigDict(extra="ignore")

    waiting_for: str
    waits_on: str | None = None


@asynccontextmanager
async def temporal(settings: TemporalSettings) -> AsyncIterator[Client]:
    """A connection. Raises CannotBeDone where the server cannot be reached."""
    where = f"profile {settings.profile}" if settings.profile else settings.address
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            client = await connect(settings)
    except (RuntimeError, TimeoutError) as error:
        reason = _plain(str(error)) or f"no answer in {CONNECT_SECONDS:.0f} s"
        raise CannotBeDone(f"Temporal cannot be reached at {where}: {reason}") from error
    yield client


@dataclass(frozen=True)
class Carried:
    """What a workflow carries, and how people are told of it."""

    workflow_id: str
    name: str
    """Such as ``order shop:5001``."""
    listed_by: str
    """The command that lists what there is."""
    shown_by: str
    """The command that shows this one."""
    signals: bool = True
    """Messages may also be left for it, as signals."""

    def unknown(self) -> "OrderNotFound":
        """Temporal knows no such workflow."""
        return OrderNotFound(f"no {self.name} is under way", f"see: orderwright {self.listed_by}")

    def unanswered(self) -> "NoAnswer":
        """Nobody tells where it stands."""
        words = f"nobody answers for {self.name}: no worker is running, or Temporal does not answer"
        return NoAnswer(words, "see: orderwright status")

    def not_taken(self, patience: float) -> "NotTaken":
        """Nobody took a message in so many seconds. Temporal may hold it for a worker that comes soon."""
        words = (
            f"nobody took the message for {self.name} within {patience:.0f} s: no worker is running; one that starts "
            "now may still take it"
        )
        kept = ". With --no-wait it is kept until one starts" if self.signals else ""
        return NotTaken(words, f"see: {self.shown_by}{kept}")


def order_carried(key: OrderKey) -> Carried:
    """An order, as Temporal and people know it."""
    return Carried(
        workflow_id=key.workflow_id,
        name=f"order {key}",
        listed_by="order list",
        shown_by=f"orderwright order show {key}",
    )


def ui_link(settings: TemporalSettings, workflow_id: str) -> str | None:
    """Where the Temporal UI shows a workflow; None where nobody has said where that UI is."""
    if settings.ui_url is None:
        return None
    return f"{settings.ui_url}/namespaces/{settings.namespace}/workflows/{quote(workflow_id, safe=':')}"


async def ask(client: Client, key: OrderKey) -> tuple[OrderView, tuple[TimelineEntry, ...]]:
    """Where the order stands, and its story. Raises OrderNotFound, NoAnswer."""
    carried = order_carried(key)
    return await query(client, carried, "status", OrderView), await story(client, carried)


async def story(client: Client, carried: Carried) -> tuple[TimelineEntry, ...]:
    """What happened, oldest first. Raises OrderNotFound, NoAnswer."""
    return tuple(await query(client, carried, "timeline", list[TimelineEntry]))


async def query(client: Client, carried: Carried, name: str, answer: type[Answer]) -> Answer:
    """What a workflow tells. Raises OrderNotFound, NoAnswer."""
    handle = client.get_workflow_handle(carried.workflow_id)
    return await answered(carried, handle.query(name, result_type=answer, rpc_timeout=QUERY))


class WaitingOrder(Frozen):
    """An order under way that needs attention or is on hold, as Temporal's list tells; nobody is asked for it."""

    key: OrderKey
    attention: str
    since: Instant
    """When its workflow was started."""


async def waiting_orders(client: Client, limit: int) -> tuple[WaitingOrder, ...]:
    """At most so many of them, the oldest first. Raises TemporalRefused, CannotBeDone."""
    states = ", ".join(f"'{state.value}'" for state in (Attention.NEEDS_ATTENTION, Attention.ON_HOLD))
    wanted = f"ExecutionStatus = 'Running' AND WorkflowType = '{ORDER_WORKFLOW}' AND {ORDER_STATE.name} IN ({states})"
    found = (
        WaitingOrder(
            key=OrderKey.parse(run.id),
            attention=run.typed_search_attributes.get(ORDER_STATE) or "",
            since=run.start_time,
        )
        for run in await listed(client, wanted, limit)
    )
    return tuple(sorted(found, key=lambda each: each.since))


async def waiting_for_people(client: Client, limit: int) -> dict[OrderKey, OrderView | None]:
    """Orders under way that need attention or are on hold, as they tell it themselves; None where one cannot tell."""
    keys = [each.key for each in await waiting_orders(client, limit)]
    views = await asyncio.gather(*(_view_if_told(client, key) for key in keys))
    return dict(zip(keys, views, strict=True))


def quotable(text: str) -> bool:
    """Whether a text may stand between quotes in a query of Temporal's list."""
    return not _UNQUOTABLE & set(text)


async def listed(client: Client, wanted: str, limit: int) -> list[WorkflowExecution]:
    """Workflows that Temporal finds, the youngest first. Raises TemporalRefused, CannotBeDone."""

    async def found() -> list[WorkflowExecution]:
        return [run async for run in client.list_workflows(wanted, limit=limit)]

    return await reached(found())


async def _view_if_told(client: Client, key: OrderKey) -> OrderView | None:
    try:
        return await query(client, order_carried(key), "status", OrderView)
    except (NoAnswer, OrderNotFound):
        # One order that nobody answers for must not hide the others.
        return None


async def tell(
    client: Client, key: OrderKey, name: str, message: OperatorMessage, *, wait: bool
) -> OperatorAnswer:
    """Send ``cancel``, ``resubmit``, ``accept``, ``hold``, ``release`` or ``return``.

    With ``wait`` as an update, which answers how it went, also when it is refused; without as a signal, which is kept
    until somebody reads it. Raises OrderNotFound, NoAnswer.
    """
    carried = order_carried(key)
    if wait:
        return await update(client, carried, name, message)
    message = once(message)
    await answered(carried, client.get_workflow_handle(key.workflow_id).signal(name, message))
    return OperatorAnswer(done=True, text=f"Sent; look at the order to see what came of it: order show {key}")


def once(message: Sent) -> Sent:
    """The message with an id, so that it counts once however often it arrives."""
    return message if message.message_id else message.model_copy(update={"message_id": uuid4().hex})


async def update(
    client: Client,
    carried: Carried,
    name: str,
    message: OperatorMessage,
    *,
    patience: float = ANSWER_SECONDS,
) -> OperatorAnswer:
    """Send an update, which answers how it went, also when it is refused; ``patience``: seconds to wait for that.

    ``Taken`` where the workflow has it and needs longer than people wait: a system is away, say. Raises OrderNotFound;
    NoAnswer where nobody took it.
    """
    message = once(message)
    handle = client.get_workflow_handle(carried.workflow_id)
    started = None
    try:
        async with asyncio.timeout(patience):
            asked = handle.start_update(
                name,
                message,
                id=message.message_id,
                wait_for_stage=WorkflowUpdateStage.ACCEPTED,
                result_type=OperatorAnswer,
            )
            started = await answered(carried, asked)
            return await answered(carried, started.result())
    except (TimeoutError, NoAnswer) as error:
        if started is None:
            raise carried.not_taken(patience) from error
        return await _taken(client, carried)
    except WorkflowUpdateFailedError as error:
        reason = error.cause.message if isinstance(error.cause, ApplicationError) else str(error.cause)
        return OperatorAnswer(done=False, text=f"Refused: {full_stop(reason)}")


async def _taken(client: Client, carried: Carried) -> Taken:
    """What a workflow waits for that has a message and has not answered yet."""
    try:
        standing = await query(client, carried, "status", Standing)
    except (NoAnswer, OrderNotFound):
        # The message is taken all the same, and that is what people have to know.
        return Taken()
    return Taken(waits_for=standing.waiting_for, waits_on=standing.waits_on)


async def answered(carried: Carried, call: Awaitable[Answer]) -> Answer:
    """What a call about a workflow answers. Raises OrderNotFound, NoAnswer, CannotBeDone in words."""
    try:
        return await reached(call)
    except WorkflowUpdateRPCTimeoutOrCancelledError as error:
        raise carried.unanswered() from error
    except WorkflowQueryFailedError as error:
        raise NoAnswer(f"{carried.name} could not tell where it stands: {error}") from error
    except ValidationError as error:
        words = f"{carried.name} tells more than this program understands: it is older than the workers"
        raise NoAnswer(words, "install their version") from error
    except TemporalRefused as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise carried.unknown() from error
        if error.status in _NOBODY_THERE:
            raise carried.unanswered() from error
        raise


async def reached(call: Awaitable[Answer]) -> Answer:
    """What a call to Temporal answers. Raises TemporalRefused, CannotBeDone in words."""
    try:
        return await call
    except RPCError as error:
        raise TemporalRefused(error) from error
    except RuntimeError as error:
        # A client that connects at its first call says so in this way where nothing is there.
        if _NO_CONNECTION not in str(error):
            raise
        raise CannotBeDone(f"Temporal cannot be reached: {_plain(str(error))}") from error


def _plain(reason: str) -> str:
    """The SDK tells what became of a connection as the inner workings of its transport; people need a word of it."""
    if "ConnectionRefused" in reason:
        return "connection refused"
    if "http2 error" in reason or "transport error" in reason or "tonic::" in reason:
        return "it does not answer"
    return reason.removeprefix(f"{_NO_CONNECTION}: ")
