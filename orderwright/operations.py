"""What an operator can ask of an order, over Temporal: where it stands, and the messages, answered in words."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TypeVar
from uuid import uuid4

from temporalio.client import (
    Client,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from adapters.temporal import connect
from config.settings import TemporalSettings
from domain.order import OrderKey
from orderwright.terminal import CommandFailed
from workflows.messages import Attention, OperatorAnswer, OperatorMessage, OrderView, TimelineEntry
from workflows.search import ORDER_STATE

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 60.0
"""A cancel asks both systems; longer than that, and something is away."""
QUERY = timedelta(seconds=15)

Answer = TypeVar("Answer")


class OrderNotFound(CommandFailed):
    """Temporal knows no such order; it never came, or it ended so long ago that its history is gone."""


class NoAnswer(CommandFailed):
    """The order is there, but nobody answers for it."""


@asynccontextmanager
async def temporal(settings: TemporalSettings) -> AsyncIterator[Client]:
    """A connection. Raises CommandFailed where the server cannot be reached."""
    where = f"profile {settings.profile}" if settings.profile else settings.address
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            client = await connect(settings)
    except (RuntimeError, TimeoutError) as error:
        reason = _plain(str(error)) or f"no answer in {CONNECT_SECONDS:.0f} s"
        raise CommandFailed(f"Temporal cannot be reached at {where}: {reason}") from error
    yield client


async def ask(client: Client, key: OrderKey) -> tuple[OrderView, tuple[TimelineEntry, ...]]:
    """Where the order stands, and its story. Raises OrderNotFound, NoAnswer."""
    view = await _view(client, key)
    handle = client.get_workflow_handle(key.workflow_id)
    story = await _answer(key, handle.query("timeline", result_type=list[TimelineEntry], rpc_timeout=QUERY))
    return view, tuple(story)


async def waiting_for_people(client: Client, limit: int) -> dict[OrderKey, OrderView | None]:
    """Orders under way that need attention or are on hold, as they tell it themselves; None where one cannot tell."""
    states = ", ".join(f"'{state.value}'" for state in (Attention.NEEDS_ATTENTION, Attention.ON_HOLD))
    query = f"ExecutionStatus = 'Running' AND {ORDER_STATE.name} IN ({states})"
    keys = [OrderKey.parse(found.id) async for found in client.list_workflows(query, limit=limit)]
    views = await asyncio.gather(*(_view_if_told(client, key) for key in keys))
    return dict(zip(keys, views, strict=True))


async def _view_if_told(client: Client, key: OrderKey) -> OrderView | None:
    try:
        return await _view(client, key)
    except (NoAnswer, OrderNotFound):
        # One order that nobody answers for must not hide the others.
        return None


async def _view(client: Client, key: OrderKey) -> OrderView:
    handle = client.get_workflow_handle(key.workflow_id)
    return await _answer(key, handle.query("status", result_type=OrderView, rpc_timeout=QUERY))


async def tell(
    client: Client, key: OrderKey, name: str, message: OperatorMessage, *, wait: bool
) -> OperatorAnswer:
    """Send ``cancel``, ``resubmit``, ``accept``, ``hold`` or ``release``.

    With ``wait`` as an update, which answers how it went, also when it is refused; without as a signal, which is kept
    until somebody reads it. Raises OrderNotFound, NoAnswer.
    """
    handle = client.get_workflow_handle(key.workflow_id)
    if not message.message_id:
        message = message.model_copy(update={"message_id": uuid4().hex})
    if not wait:
        await _answer(key, handle.signal(name, message))
        return OperatorAnswer(
            done=True, text=f"Sent; look at the order to see what came of it: order show {key}"
        )
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return await _answer(
                key, handle.execute_update(name, message, id=message.message_id, result_type=OperatorAnswer)
            )
    except TimeoutError as error:
        raise NoAnswer(_nobody(key)) from error
    except WorkflowUpdateFailedError as error:
        reason = error.cause.message if isinstance(error.cause, ApplicationError) else str(error.cause)
        return OperatorAnswer(done=False, text=f"Refused: {reason}.")


async def _answer(key: OrderKey, call: Awaitable[Answer]) -> Answer:
    try:
        return await call
    except WorkflowUpdateRPCTimeoutOrCancelledError as error:
        raise NoAnswer(_nobody(key)) from error
    except WorkflowQueryFailedError as error:
        raise NoAnswer(f"order {key} could not tell where it stands: {error}") from error
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise OrderNotFound(f"no order {key} is under way; see: orderwright order list") from error
        if error.status in {RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED}:
            raise NoAnswer(_nobody(key)) from error
        raise CommandFailed(f"Temporal refused: {error.message}") from error


def _plain(reason: str) -> str:
    """The SDK tells a refused connection as the inner workings of its transport; people need one word of it."""
    return (
        "connection refused"
        if "ConnectionRefused" in reason
        else reason.removeprefix("Failed client connect: ")
    )


def _nobody(key: OrderKey) -> str:
    return (
        f"nobody answers for order {key}; is a worker running (orderwright worker)? "
        "With --no-wait the message is kept until one is"
    )
