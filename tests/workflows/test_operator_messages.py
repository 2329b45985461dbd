"""What operators send, however they write it: nothing of it is dropped without a word, and nothing is half done."""

import pytest
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError

from domain.order import Order
from tests.workflows.returning import WINDOW, deliver, ended, goods, until, with_rules
from tests.workflows.test_edits import tees_and_mugs, units_in_erp
from tests.workflows.world import World
from workflows.messages import (
    LONGEST_REASON,
    Attention,
    CancelAsked,
    OperatorMessage,
    OrderResult,
    ReturnAsked,
)
from workflows.order import OrderWorkflow

KIM = OperatorMessage(actor="Kim", reason="fraud check")
Handle = WorkflowHandle[OrderWorkflow, OrderResult]

pytestmark = pytest.mark.usefixtures("days_pass_when_told")


async def in_the_erp(world: World, order: Order) -> Handle:
    handle = await world.place(order)
    await world.until_in_erp(order.key)
    return handle


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("just a string", "it is no JSON object"),
        ({"reason": 5}, "reason: "),
        ({"reason": "x" * (LONGEST_REASON + 1)}, "reason: string should have at most 2000 characters"),
        ([], "it is no JSON object"),
    ],
)
async def test_a_signal_that_cannot_be_read_is_told_in_the_story(world: World, external_id, body, words):
    async with world.working():
        order = tees_and_mugs(external_id)
        handle = await in_the_erp(world, order)
        await handle.signal("hold", body)
        await world.until_told(
            order.key, "Sent `hold`, of which nothing was done: the message cannot be read ("
        )
        assert words in await world.story(order.key)
        assert (await world.view(order.key)).attention is Attention.WORKING
        await handle.terminate()


async def test_an_update_that_cannot_be_read_is_refused_in_words(world: World, external_id):
    async with world.working():
        order = tees_and_mugs(external_id)
        handle = await in_the_erp(world, order)
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await handle.execute_update("cancel", {"lines": {"MUG-LOGO": -1}})
        assert "lines.MUG-LOGO: " in str(refused.value.cause)
        assert 'send a JSON object such as {"actor"' in str(refused.value.cause)
        await handle.terminate()


async def test_updates_need_no_body(world: World, external_id):
    async with world.working():
        order = tees_and_mugs(external_id)
        handle = await in_the_erp(world, order)
        await handle.execute_update("hold")
        assert (await world.view(order.key)).attention is Attention.ON_HOLD
        await handle.execute_update("release", "")
        await world.until(order.key, lambda view: view.attention is Attention.WORKING)
        await handle.terminate()


async def test_why_somebody_released_or_resubmitted_stands_in_the_story(world: World, external_id):
    async with world.working():
        order = tees_and_mugs(external_id)
        handle = await in_the_erp(world, order)
        await handle.execute_update(OrderWorkflow.hold_update, KIM)
        await handle.execute_update(OrderWorkflow.release_update, KIM)
        assert "Kim: Released the order (fraud check)." in await world.story(order.key)
        await handle.signal("erp_unreadable", {"reason": "somebody typed into it"})
        await world.until_stopped(order.key)
        mended = OperatorMessage(actor="Kim", reason="corrected it.")
        await handle.execute_update(OrderWorkflow.resubmit_update, mended)
        told = "Kim: Asked to go on (corrected it); the order is read again."
        assert told in await world.story(order.key)
        await handle.terminate()


async def test_units_that_are_canceled_on_hold_are_canceled_in_the_erp_too(world: World, external_id):
    """A hold keeps the order from its next step, and no warehouse from sending what the ERP has."""
    async with world.working():
        order = tees_and_mugs(external_id)
        handle = await in_the_erp(world, order)
        await handle.execute_update(OrderWorkflow.hold_update, KIM)
        one = CancelAsked(actor="Kim", reason="one too many", lines={"11": 1})
        answer = await handle.execute_update(OrderWorkflow.cancel_update, one)
        assert answer.text == "Canceled in the storefront; the ERP follows."
        await world.until_told(order.key, "Edit carried into")
        assert units_in_erp(world, order) == {"11": 2, "12": 2}
        assert (await world.view(order.key)).attention is Attention.ON_HOLD
        await handle.execute_update(OrderWorkflow.release_update, KIM)
        world.erp.ship_all(order.key)
        assert (await handle.result()).outcome is Attention.CLOSED


async def test_a_return_that_cannot_begin_yet_is_noted_and_counted(world: World, external_id):
    with_rules(world, WINDOW)
    order = goods(external_id)
    async with world.working():
        await deliver(world, order)
        handle = world.client.get_workflow_handle_for(OrderWorkflow.run, order.key.workflow_id)
        await handle.execute_update(OrderWorkflow.hold_update, KIM)
        two = ReturnAsked(actor="Kim", reason="too small", lines={"TEE-BLK-M": 2})
        answer = await handle.execute_update(OrderWorkflow.return_update, two)
        words = "Noted; the return begins once the order is released from its hold, if it is possible then."
        assert answer.text == words
        told = "Asked for a return of 2 units of TEE-BLK-M (too small); it begins once the order is released"
        assert told in await world.story(order.key)
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await handle.execute_update(OrderWorkflow.return_update, two)
        assert "only 1 unit of TEE-BLK-M" in str(refused.value.cause)
        one = two.model_copy(update={"lines": {"TEE-BLK-M": 1}})
        await handle.execute_update(OrderWorkflow.return_update, one)
        await handle.execute_update(OrderWorkflow.release_update, KIM)
        view = await world.until(order.key, lambda view: len(view.returns) == 2)
        assert sorted(sum(brief.lines.values()) for brief in view.returns.values()) == [1, 2]
        for return_id, brief in view.returns.items():
            await until(world, order, return_id, "still to come")
            world.erp.receive_return(order.key, return_id, brief.lines)
            await ended(world, order, return_id)
