"""What operators ask of an order, and of its returns. What comes a moment too early is asked again; raises ``Late``."""

import asyncio
import time
from typing import Final
from uuid import uuid4

from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.service import RPCError

from domain.order import OrderKey
from sandbox.addresses import CHANNEL
from sandbox.house import workflow_id
from sandbox.scenarios.ground import Ground, Late
from sandbox.scenarios.onlooker import LOOK_SECONDS
from sandbox.scenarios.vocabulary import Operated, OperatorInspects, OperatorReturns
from workflows.messages import CancelAsked, OperatorAnswer, ReturnAsked
from workflows.return_messages import Inspection, ReturnView, return_workflow_id

ASK_SECONDS: Final = 15.0
"""So long a message is sent again."""


async def ask(client: Client, act: Operated, external_id: str) -> None:
    """Send an operator's message; one that comes a moment too early is sent again."""
    handle = client.get_workflow_handle(workflow_id(external_id))
    deadline = time.monotonic() + ASK_SECONDS
    while True:
        message = CancelAsked(
            message_id=uuid4().hex, actor=act.actor, reason=act.reason, kind=act.kind, lines=act.units
        )
        if act.by_signal:
            for _ in range(act.clicks):
                await handle.signal(act.to, message)
            return
        try:
            answers = [
                await handle.execute_update(act.to, message, result_type=OperatorAnswer)
                for _ in range(act.clicks)
            ]
        except WorkflowUpdateFailedError as error:
            done, text = False, str(error.cause or error)
        else:
            done, text = answers[-1].done, answers[-1].text
        if done is not act.refused:
            return
        if time.monotonic() > deadline:
            expected = "was not refused" if act.refused else "was refused"
            raise Late(f"{act.to} {expected}: {text}")
        await asyncio.sleep(LOOK_SECONDS)


async def begin_return(client: Client, act: OperatorReturns, external_id: str) -> None:
    """An operator begins a return; a moment too early it is asked for again."""
    handle = client.get_workflow_handle(workflow_id(external_id))
    asked = ReturnAsked(
        message_id=uuid4().hex,
        actor=act.actor,
        reason=act.reason,
        lines=act.units,
        without_goods=act.without_goods,
        exchange=act.exchange,
    )
    deadline = time.monotonic() + ASK_SECONDS
    while True:
        try:
            await handle.execute_update("return", asked, result_type=OperatorAnswer)
        except WorkflowUpdateFailedError as error:
            if time.monotonic() > deadline:
                raise Late(f"return was refused: {error.cause or error}") from None
            await asyncio.sleep(LOOK_SECONDS)
        else:
            return


async def inspect(ground: Ground, act: OperatorInspects, external_id: str, patience: float) -> None:
    """An operator inspects what the warehouse has; a moment too early they try again."""
    last = (await ground.store.read_order(external_id)).returns[-1]
    key = OrderKey(channel=CHANNEL, external_id=external_id)
    handle = ground.client.get_workflow_handle(return_workflow_id(key, str(last.id)))
    deadline = time.monotonic() + patience
    while True:
        try:
            view = await handle.query("status", result_type=ReturnView)
            lines = {line.line_id: act.verdicts[line.name] for line in view.lines if line.received}
            inspection = Inspection(message_id=uuid4().hex, actor=act.actor, reason=act.reason, lines=lines)
            await handle.execute_update("inspect", inspection, result_type=OperatorAnswer)
        except (WorkflowUpdateFailedError, RPCError) as error:
            if time.monotonic() > deadline:
                raise Late(f"the inspection was refused: {error.__cause__ or error}") from None
            await asyncio.sleep(LOOK_SECONDS)
        else:
            return
