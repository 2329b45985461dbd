"""Goods that come back, from the buyer's wish to the refund: on a real Temporal server, weeks are skipped."""

from datetime import timedelta

import pytest
from temporalio.client import WorkflowUpdateFailedError

from adapters.memory.erp import MemoryErp
from adapters.requests import ErpChanges
from domain.erp_order import ErpInvoiceState, ErpOrder, ErpOrderState, ErpReturnState
from domain.order import OrderKey, ReturnStatus
from domain.return_rules import ApprovalRule, InspectionRule, ReturnRules
from domain.returns import Disposition, ReturnAuthorization
from domain.stock_rules import StockRules
from store.cases import Cases
from store.order_view import OrderViews
from tests.order_builder import sandbox_mapping
from tests.workflows.returning import (
    WINDOW,
    ask,
    closes_balanced,
    deliver,
    ended,
    goods,
    page,
    refunds,
    story,
    until,
    with_rules,
)
from tests.workflows.world import Gate, World
from workflows.customer_return import ReturnWorkflow
from workflows.messages import Attention, OperatorMessage
from workflows.order import OrderWorkflow
from workflows.return_messages import Inspection

pytestmark = pytest.mark.usefixtures("days_pass_when_told")

ASKED = OperatorMessage(actor="Ada", reason="the buyer called")


async def test_a_return_is_agreed_to_received_credited_and_refunded(world: World, server, external_id):
    with_rules(world, WINDOW)
    world.erp.stock = {("WH-EAST", "TEE-BLK-M"): 10}
    order = goods(external_id)
    async with world.working():
        await deliver(world, order)
        return_id = await ask(world, order, {"11": 2})
        await until(world, order, return_id, "2 units of TEE-BLK-M are still to come")
        assert world.storefront.orders[external_id].returns[0].status is ReturnStatus.OPEN
        assert world.erp.orders[order.key].returns[0].state is ErpReturnState.EXPECTED
        world.erp.receive_return(order.key, return_id, {"11": 2})
        result = await ended(world, order, return_id)
        assert result.back == {"11": 2}
        assert "2 units of TEE-BLK-M; USD" in result.text
        view = await world.until_told(order.key, "refunded.\nOrderwright: Balanced")
        assert view.lines[0].returned == view.lines[0].refunded == 2
        assert view.attention is Attention.DELIVERED
        await closes_balanced(world, order, server)
    held = world.erp.orders[order.key]
    assert held.returns[0].state is ErpReturnState.SETTLED
    assert [note.state for note in held.invoices if note.is_credit] == [ErpInvoiceState.POSTED]
    assert world.erp.stock["WH-EAST", "TEE-BLK-M"] == 10 - 3 + 2
    closed = world.storefront.orders[external_id]
    assert closed.returns[0].status is ReturnStatus.CLOSED
    assert refunds(world, order) == order.total - closed.total > 0


@pytest.mark.parametrize("told", [False, True])
async def test_a_storefront_that_is_told_of_stock_is_not_told_by_a_refund_too(
    world: World, external_id, told: bool
):
    rules = {"returns": WINDOW, "stock": StockRules(push=told)}
    world.replace_mapping(sandbox_mapping().model_copy(update=rules))
    put_back: list[dict[tuple[str, str], int]] = []
    world.storefront.shelf.restocked = put_back.append
    order = goods(external_id)
    async with world.working():
        await deliver(world, order)
        return_id = await ask(world, order, {"11": 2})
        await until(world, order, return_id, "2 units of TEE-BLK-M are still to come")
        world.erp.receive_return(order.key, return_id, {"11": 2})
        await ended(world, order, return_id)
    assert put_back == [{} if told else {("TEE-BLK-M", "101"): 2}]


async def test_every_answer_lost_once_refunds_and_credits_once(world: World, server, external_id):
    with_rules(world, WINDOW)
    order = goods(external_id)
    async with world.working():
        await deliver(world, order)
        for call in ("approve_return", "authorize_return", "credit_return", "refund_order"):
            world.faults.lose_answer(call, nth=1)
        return_id = await ask(world, order, {"11": 1, "12": 2})
        await until(world, order, return_id, "still to come")
        world.erp.receive_return(order.key, return_id, {"11": 1, "12": 2})
        await ended(world, order, return_id)
        await closes_balanced(world, order, server)
    assert len(world.storefront.refunds) == 1
    assert len([note for note in world.erp.orders[order.key].invoices if note.is_credit]) == 1


async def test_goods_that_come_in_parts_are_settled_once_all_are_there(world: World, server, external_id):
    with_rules(world, WINDOW)
    order = goods(external_id)
    async with world.working():
        await deliver(world, order)
        return_id = await ask(world, order, {"11": 3})
        await until(world, order, return_id, "3 units of TEE-BLK-M are still to come")
        world.erp.receive_return(order.key, return_id, {"11": 1})
        await until(world, order, return_id, "2 units of TEE-BLK-M are still to come")
        assert refunds(world, order) == 0
        world.erp.receive_return(order.key, return_id, {"11": 2})
        assert (await ended(world, order, return_id)).back == {"11": 3}
        await closes_balanced(world, order, server)


async def test_what_came_can_be_settled_without_the_rest(world: World, server, external_id):
    with_rules(world, WINDOW)
    order = goods(external_id)
    async with world.working():
        await deliver(world, order)
        return_id = await ask(world, order, {"11": 3})
        await until(world, order, return_id, "still to come")
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await page(world, order, return_id).execute_update(ReturnWorkflow.settle_update, ASKED)
        assert "no goods are back yet" in str(refused.value.cause)
        world.erp.receive_return(order.key, return_id, {"11": 1})
        await until(world, order, return_id, "2 units of TEE-BLK-M are still to come")
        await page(world, order, return_id).execute_update(ReturnWorkflow.settle_update, ASKED)
        assert (await ended(world, order, return_id)).back == {"11": 1}
        await closes_balanced(world, order, server)
    assert world.storefront.orders[external_id].returns[0].status is ReturnStatus.CLOSED


async def test_goods_that_never_come_are_reminded_of_and_then_given_up(world: World, server, external_id):
    with_rules(world, ReturnRules(window_days=100, reminder_days=10, expire_days=25))
    order = goods(external_id)
    async with world.working():
        await deliver(world, order)
        return_id = await ask(world, order, {"11": 1})
        await until(world, order, return_id, "still to come")
        for days in (11, 10, 10):
            await server.fast_forward(page(world, order, return_id), timedelta(days=days))
        result = await ended(world, order, return_id)
        assert "no goods came within 25 days" in result.text
        told = await story(world, order, return_id)
        assert told.count("Still waiting") == 2
        await closes_balanced(world, order, server)
    assert world.erp.orders[order.key].returns[0].state is ErpReturnState.CANCELED
    assert world.storefront.orders[external_id].returns[0].status is ReturnStatus.CANCELED
    assert refunds(world, order) == 0


async def test_goods_that_come_in_while_they_are_given_up_are_settled(world: World, server, external_id):
    with_rules(world, ReturnRules(window_days=100, reminder_days=5, expire_days=5))
    order, gate = goods(external_id), Gate()

    class SlowFeed(MemoryErp):
        async def changes(self, cursor: str | None) -> ErpChanges:
            found = await super().changes(cursor)
            if any(each.received for held in found.orders for each in held.returns):
                await gate.hold_back()
            return found

    world.replace_erp(SlowFeed(warehouses={"WH-EAST", "WH-WEST"}, faults=world.faults))
    async with world.working():
        await deliver(world, order)
        return_id = await ask(world, order, {"11": 1})
        await until(world, order, return_id, "still to come")
        world.erp.receive_return(order.key, return_id, {"11": 1})
        await gate.reached.wait()
        await server.fast_forward(page(world, order, return_id), timedelta(days=6))
        stopped = await world.until_stopped(order.key)
        assert stopped.problem is not None
        assert stopped.problem.cause == "return_received"
        gate.open.set()
        assert (await ended(world, order, return_id)).back == {"11": 1}
        assert not Cases(world.database).list()
        await closes_balanced(world, order, server)


async def test_a_person_agrees_where_the_mapping_says_so(world: World, server, external_id):
    with_rules(world, ReturnRules(window_days=100, approval=ApprovalRule.ASK))
    order = goods(external_id)
    async with world.working():
        await deliver(world, order)
        return_id = await ask(world, order, {"12": 1})
        stopped = await world.until_stopped(order.key)
        assert "nobody has agreed" in Cases(world.database).list()[0].title
        assert "resubmit" in stopped.can_do
        await page(world, order, return_id).execute_update(ReturnWorkflow.approve_update, ASKED)
        await until(world, order, return_id, "still to come")
        assert not Cases(world.database).list()
        world.erp.receive_return(order.key, return_id, {"12": 1})
        await ended(world, order, return_id)
        await closes_balanced(world, order, server)


async def test_a_return_is_agreed_to_by_resubmitting_its_order(world: World, server, external_id):
    with_rules(world, ReturnRules(window_days=100, approval=ApprovalRule.ASK))
    order = goods(external_id)
    async with world.working():
        await deliver(world, order)
        return_id = await ask(world, order, {"12": 1})
        await world.until_stopped(order.key)
        handle = world.client.get_workflow_handle(order.key.workflow_id)
        await handle.execute_update(OrderWorkflow.resubmit_update, ASKED)
        await until(world, order, return_id, "still to come")


async def test_a_declined_return_ends_in_both_systems(world: World, server, external_id):
    with_rules(world, ReturnRules(window_days=100, approval=ApprovalRule.ASK))
    order = goods(external_id)
    async with world.working():
        await deliver(world, order)
        return_id = await ask(world, order, {"12": 1})
        await world.until_stopped(order.key)
        reason = OperatorMessage(actor="Ada", reason="worn")
        answer = await page(world, order, return_id).execute_update(ReturnWorkflow.end_update, reason)
        assert answer.done
        assert "worn" in answer.text
        await closes_balanced(world, order, server)
    assert world.storefront.orders[external_id].returns[0].status is ReturnStatus.DECLINED
    assert not Cases(world.database).list()


async def test_every_unit_is_judged_and_what_is_rejected_is_not_paid_back(world: World, server, external_id):
    with_rules(world, ReturnRules(window_days=100, inspection=InspectionRule.ASK))
    world.erp.stock = {("WH-EAST", "TEE-BLK-M"): 10}
    order = goods(external_id)
    async with world.working():
        await deliver(world, order)
        return_id = await ask(world, order, {"11": 3})
        await until(world, order, return_id, "still to come")
        world.erp.receive_return(order.key, return_id, {"11": 3})
        await world.until_stopped(order.key)
        short = Inspection(actor="Ada", lines={"11": {Disposition.RESTOCK: 1}})
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await page(world, order, return_id).execute_update(ReturnWorkflow.inspect_update, short)
        assert "3 units came back, and 1 unit are judged" in str(refused.value.cause)
        verdict = {Disposition.RESTOCK: 1, Disposition.SCRAP: 1, Disposition.REJECT: 1}
        whole = Inspection(actor="Ada", lines={"11": verdict})
        await page(world, order, return_id).execute_update(ReturnWorkflow.inspect_update, whole)
        assert (await ended(world, order, return_id)).back == {"11": 2}
        await closes_balanced(world, order, server)
    assert world.erp.stock["WH-EAST", "TEE-BLK-M"] == 10 - 3 + 1
    assert world.storefront.orders[external_id].lines[0].current == 1


async def test_a_closed_order_comes_back_to_life_for_a_return(world: World, server, external_id):
    order = goods(external_id)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        world.erp.ship_all(order.key)
        assert (await handle.result()).outcome is Attention.CLOSED
        return_id = await ask(world, order, {"11": 1})
        await until(world, order, return_id, "still to come")
        row = OrderViews(world.database).get(order.key)
        assert row is not None
        assert row.closed_at is None
        world.erp.receive_return(order.key, return_id, {"11": 1})
        await ended(world, order, return_id)
        assert "Orderwright: Comes back to life, after it was closed" in await world.story(order.key)
        await closes_balanced(world, order)
    assert len(world.storefront.orders[external_id].fulfillments) == 2
    row = OrderViews(world.database).get(order.key)
    assert row is not None
    assert row.closed_at is not None


async def test_a_return_that_is_asked_for_while_the_order_closes_is_not_lost(
    world: World, server, external_id
):
    order, gate = goods(external_id), Gate()

    class SlowToClose(MemoryErp):
        async def find_order(self, key: OrderKey) -> ErpOrder | None:
            found = await super().find_order(key)
            if found is not None and found.state is ErpOrderState.DONE and not gate.open.is_set():
                await gate.hold_back()
                await gate.open.wait()
            return found

    world.replace_erp(SlowToClose(warehouses={"WH-EAST", "WH-WEST"}, faults=world.faults))
    async with world.working():
        await world.place(order)
        await world.until_in_erp(order.key)
        world.erp.ship_all(order.key)
        await gate.reached.wait()
        # The closing has read the storefront, and it is told of a return before it is over.
        return_id = await ask(world, order, {"11": 1})
        gate.open.set()
        await until(world, order, return_id, "still to come")
        world.erp.receive_return(order.key, return_id, {"11": 1})
        await ended(world, order, return_id)
        await closes_balanced(world, order)


async def test_goods_that_nobody_announced_are_taken_back(world: World, server, external_id):
    with_rules(world, WINDOW)
    order = goods(external_id)
    async with world.working():
        await deliver(world, order)
        return_id = world.erp.receive_unannounced(order.key, "WH-EAST", {"11": 1})
        assert (await until(world, order, return_id, "refunded")).ended
        await closes_balanced(world, order, server)
    assert refunds(world, order) > 0


async def test_a_closed_order_comes_back_for_goods_that_nobody_announced(world: World, server, external_id):
    order = goods(external_id)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        world.erp.ship_all(order.key)
        assert (await handle.result()).outcome is Attention.CLOSED
        return_id = world.erp.receive_unannounced(order.key, "WH-EAST", {"11": 1})
        assert (await until(world, order, return_id, "refunded")).ended
        await closes_balanced(world, order)


async def test_goods_that_come_while_another_return_is_agreed_to_are_not_missed(
    world: World, server, external_id
):
    class TakesInMeanwhile(MemoryErp):
        async def authorize_return(self, request: ReturnAuthorization) -> ErpOrder:
            if not self.orders[request.key].returns:
                self.receive_unannounced(request.key, "WH-EAST", {"12": 1})
            return await super().authorize_return(request)

    with_rules(world, WINDOW)
    world.replace_erp(TakesInMeanwhile(warehouses={"WH-EAST", "WH-WEST"}, faults=world.faults))
    order = goods(external_id)
    async with world.working():
        await deliver(world, order)
        return_id = await ask(world, order, {"11": 1})
        assert (await until(world, order, "w1", "refunded")).ended
        world.erp.receive_return(order.key, return_id, {"11": 1})
        await ended(world, order, return_id)
        await closes_balanced(world, order, server)


async def test_a_closed_period_stops_the_return_and_not_the_order(world: World, server, external_id):
    with_rules(world, WINDOW)
    order = goods(external_id)
    async with world.working():
        await deliver(world, order)
        return_id = await ask(world, order, {"11": 1})
        await until(world, order, return_id, "still to come")
        world.erp.close_period()
        world.erp.receive_return(order.key, return_id, {"11": 1})
        stopped = await world.until_stopped(order.key)
        assert stopped.problem is not None
        assert stopped.problem.cause.startswith("period_closed")
        [case] = Cases(world.database).list()
        assert case.cause.startswith("period_closed")
        assert refunds(world, order) == 0
        world.erp.open_period()
        handle = world.client.get_workflow_handle(order.key.workflow_id)
        await handle.execute_update(OrderWorkflow.resubmit_update, ASKED)
        await ended(world, order, return_id)
        assert not Cases(world.database).list()
        await closes_balanced(world, order, server)


async def test_the_window_costs_nothing_and_ends_by_itself(world: World, server, external_id):
    with_rules(world, WINDOW)
    order = goods(external_id)
    async with world.working():
        await deliver(world, order)
        handle = world.client.get_workflow_handle_for(OrderWorkflow.run, order.key.workflow_id)
        began = (await handle.describe()).history_length
        await server.fast_forward(handle, timedelta(days=99))
        assert (await handle.describe()).history_length - began <= 2
        assert (await world.view(order.key)).attention is Attention.DELIVERED
        await server.fast_forward(handle, timedelta(days=2))
        assert (await handle.result()).outcome is Attention.CLOSED
        ended = await handle.describe()
        # Its timer, the last proof and the closing.
        assert ended.history_length - began <= 16
