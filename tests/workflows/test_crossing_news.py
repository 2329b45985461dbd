"""News, answers and wishes that cross: what is told while a call is under way, or is answered a moment too late."""

import asyncio

import pytest
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError

from activities.contracts import ERP_UNREADABLE, UnreadableRecord
from adapters.memory.erp import MemoryErp
from adapters.memory.storefront import MemoryStorefront
from adapters.requests import AmendOutcome
from domain.approval import ApprovalRules
from domain.cases import CANCEL_PICKED
from domain.erp_order import ErpOrder, ErpOrderState, SalesOrder
from domain.order import Order, OrderKey, Risk
from domain.topics import RISK_ASSESSED
from store.cases import Cases
from store.inbox import InboxState
from tests.order_builder import make_line, make_order, make_payment, sandbox_mapping
from tests.workflows.test_backorders import ASK, CAP, TEE, order_of
from tests.workflows.test_echoes import told
from tests.workflows.test_edits import edit, tees_and_mugs, units_in_erp
from tests.workflows.world import Gate, World
from workflows.messages import Attention, CancelAsked, OperatorMessage, OrderResult
from workflows.order import OrderWorkflow

KIM = OperatorMessage(actor="Kim", reason="mended")
WAREHOUSES = {"WH-EAST", "WH-WEST"}

pytestmark = pytest.mark.usefixtures("days_pass_when_told")


class SlowToRead(MemoryStorefront):
    """Keeps a reading back while it has a gate; ``stale``: the answer, which is of before."""

    gate: Gate | None = None
    stale = False

    async def read_order(self, external_id: str) -> Order:
        if self.gate is None:
            return await super().read_order(external_id)
        found = await super().read_order(external_id) if self.stale else None
        await self.gate.hold_back()
        return found or await super().read_order(external_id)


async def stopped_canceling(world: World, order: Order) -> WorkflowHandle[OrderWorkflow, OrderResult]:
    """The ERP has the order, and refuses to cancel it for a reason that people mend."""
    handle = await world.place(order)
    await world.until_in_erp(order.key)
    world.faults.reject("erp.cancel_order", "the fiscal year is locked", "year_locked")
    whole = CancelAsked(actor="Ada", reason="the buyer called")
    assert not (await handle.execute_update(OrderWorkflow.cancel_update, whole)).done
    return handle


async def test_a_cancel_that_had_stopped_is_not_taken_up_again_once_something_else_was_asked_for(
    world: World, external_id
):
    order = tees_and_mugs(external_id)
    async with world.working():
        handle = await stopped_canceling(world, order)
        one = CancelAsked(actor="Ada", reason="keeps the others", lines={"11": 1})
        assert (await handle.execute_update(OrderWorkflow.cancel_update, one)).done
        await world.until_told(order.key, "Edit carried into")
        world.faults.lift()
        await handle.signal(ERP_UNREADABLE, UnreadableRecord(reason="somebody typed into it"))
        await world.until_stopped(order.key)
        await handle.execute_update(OrderWorkflow.resubmit_update, KIM)
        world.erp.ship_all(order.key)
        assert (await handle.result()).outcome is Attention.CLOSED
    assert world.erp.orders[order.key].state is not ErpOrderState.CANCELED
    assert units_in_erp(world, order) == {"11": 2, "12": 2}


async def test_a_cancel_that_had_stopped_goes_on_with_a_resubmit(world: World, external_id):
    order = tees_and_mugs(external_id)
    async with world.working():
        handle = await stopped_canceling(world, order)
        world.faults.lift()
        await handle.execute_update(OrderWorkflow.resubmit_update, KIM)
        assert (await handle.result()).outcome is Attention.CANCELED


async def test_units_are_not_canceled_by_a_page_that_is_just_being_read_anew(world: World, external_id):
    storefront = SlowToRead(faults=world.faults)
    world.replace_storefront(storefront)
    order = make_order(
        external_id,
        lines=(make_line("11", ordered=3, unit_price="10.00", tax_rates=()),),
        placement={"11": {"101": 3}},
        payments=(make_payment("100.00"),),
    )
    one = CancelAsked(actor="Ada", reason="one less", lines={"11": 1})
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        storefront.gate = Gate()
        raise_to(world, order, 5)
        await world.start(order, "orders/edited")
        await storefront.gate.reached.wait()
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await handle.execute_update(OrderWorkflow.cancel_update, one)
        assert "an edit of the order is under way" in str(refused.value.cause)
        storefront.gate.open.set()
        await world.until_told(order.key, "Edit carried into")
        assert (await handle.execute_update(OrderWorkflow.cancel_update, one)).done
        assert "Canceled 1 unit" in await world.story(order.key)
    assert world.storefront.orders[external_id].lines[0].current == 4


def raise_to(world: World, order: Order, units: int) -> None:
    """The buyer takes more of the first line, at 10.00."""
    now = world.storefront.orders[order.key.external_id]
    more = 10 * (units - now.lines[0].current)
    (plan,) = now.location_plans
    part = plan.lines[0].model_copy(update={"quantity": units, "remaining": units})
    changes = {
        "lines": (now.lines[0].model_copy(update={"ordered": units, "current": units}),),
        "location_plans": (plan.model_copy(update={"lines": (part,)}),),
        "total": now.total + more,
        "presentment_total": now.presentment_total + more,
    }
    world.storefront.replace(now.model_copy(update=changes))


async def test_what_the_feed_told_before_an_amendment_does_not_outlive_it(world: World, external_id):
    gate = Gate()

    class SlowErp(MemoryErp):
        async def amend_order(self, target: SalesOrder) -> AmendOutcome:
            await gate.hold_back()
            return await super().amend_order(target)

    stock = {("WH-EAST", TEE): 10, ("WH-WEST", CAP): 3}
    world.replace_mapping(sandbox_mapping(backorders=ASK))
    world.replace_erp(SlowErp(warehouses=WAREHOUSES, stock=stock, backorder=True, faults=world.faults))
    order = order_of(external_id)
    async with world.working():
        await world.place(order)
        await world.until_in_erp(order.key)
        await edit(world, order, "12", 2)
        await gate.reached.wait()
        world.erp.find_short(order.key, "WH-WEST", {"12": 1})
        await until_early(world, order)
        gate.open.set()
        await world.until_told(order.key, "Edit carried into")
        view = await world.until(order.key, lambda view: view.waiting_for.startswith("the warehouse"))
        assert {line.line_id: line.backordered for line in view.lines} == {"11": 0, "12": 0}
        assert not Cases(world.database).of_order(order.key)
        assert "Stopped:" not in await world.story(order.key)


async def picked_and_edited(world: World, order: Order) -> None:
    """The ERP has the order, the warehouse its tees in hand, and the buyer takes two of them off."""
    await world.place(order)
    await world.until_in_erp(order.key)
    world.erp.pick(order.key, "WH-EAST")
    await edit(world, order, "11", 1)


async def until_early(world: World, order: Order) -> None:
    """The feed has told of the order, while the order itself waits for an answer."""
    handle = world.client.get_workflow_handle(order.key.workflow_id)
    for _ in range(100):
        history = await handle.fetch_history()
        heard = [e.workflow_execution_signaled_event_attributes.signal_name for e in history.events]
        if "erp_changed" in heard:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(heard)


async def test_goods_put_back_while_the_refusal_is_on_its_way_are_an_answer(world: World, external_id):
    gate = Gate()

    class LateToTell(MemoryErp):
        """What it has after it refused something is told late, and of before."""

        refused = False

        async def amend_order(self, target: SalesOrder) -> AmendOutcome:
            outcome = await super().amend_order(target)
            self.refused = self.refused or bool(outcome.refused)
            return outcome

        async def find_order(self, key: OrderKey) -> ErpOrder | None:
            found = await super().find_order(key)
            if self.refused:
                await gate.hold_back()
            return found

    world.replace_erp(LateToTell(warehouses=WAREHOUSES, faults=world.faults))
    order = tees_and_mugs(external_id)
    async with world.working():
        await picked_and_edited(world, order)
        await gate.reached.wait()
        world.erp.put_back(order.key, "WH-EAST")
        await until_early(world, order)
        gate.open.set()
        await world.until_told(order.key, "Edit carried into")
        assert "The warehouse has answered" in await world.story(order.key)
    assert units_in_erp(world, order) == {"11": 1, "12": 2}


async def test_goods_put_back_just_after_the_erp_refused_are_found_by_the_look_that_follows(
    world: World, external_id
):
    class QuickWarehouse(MemoryErp):
        async def amend_order(self, target: SalesOrder) -> AmendOutcome:
            outcome = await super().amend_order(target)
            if outcome.refused:
                self.put_back(target.key)
            return outcome

    world.replace_erp(QuickWarehouse(warehouses=WAREHOUSES, faults=world.faults))
    order = tees_and_mugs(external_id)
    async with world.working():
        await picked_and_edited(world, order)
        await world.until_told(order.key, "Edit carried into")
        assert "Stopped:" not in await world.story(order.key)
    assert units_in_erp(world, order) == {"11": 1, "12": 2}


@pytest.mark.parametrize(("before", "after"), [(Risk.PENDING, Risk.LOW), (Risk.LOW, Risk.HIGH)])
async def test_another_rating_while_the_order_is_read_first_is_heard(
    world: World, external_id, before, after
):
    storefront = SlowToRead(faults=world.faults)
    world.replace_storefront(storefront)
    world.replace_mapping(sandbox_mapping(approval=ApprovalRules(risk=Risk.HIGH)))
    storefront.gate, storefront.stale = Gate(), True
    order = tees_and_mugs(external_id).model_copy(update={"risk": before})
    async with world.working():
        await world.place(order)
        await storefront.gate.reached.wait()
        world.storefront.replace(order.model_copy(update={"risk": after}))
        assert await told(world, order, RISK_ASSESSED) is InboxState.DISPATCHED
        storefront.gate.open.set()
        if after is Risk.LOW:
            await world.until_in_erp(order.key)
            return
        view = await world.until(
            order.key, lambda view: view.problem is not None and "risk" in view.problem.reason
        )
        assert view.erp_number is None


async def test_another_rating_of_an_order_that_nobody_knows_begins_none(world: World, external_id):
    order = tees_and_mugs(external_id)
    async with world.working():
        assert await told(world, order, RISK_ASSESSED) is InboxState.ECHO


async def test_a_cancel_of_what_is_picked_is_answered_although_the_order_is_on_hold(
    world: World, external_id
):
    order = tees_and_mugs(external_id)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        world.erp.pick(order.key, "WH-EAST")
        await handle.execute_update(OrderWorkflow.hold_update, KIM)
        one = CancelAsked(actor="Ada", reason="one less", lines={"11": 1})
        answer = await handle.execute_update(OrderWorkflow.cancel_update, one)
        assert not answer.done
        assert "once the order is released" in answer.text
        await handle.execute_update(OrderWorkflow.release_update, KIM)
        await world.until(
            order.key, lambda view: view.problem is not None and CANCEL_PICKED in view.problem.cause
        )
