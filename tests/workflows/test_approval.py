"""Orders of high value or risk wait for a person before they go to the ERP, and hear of the storefront meanwhile."""

from datetime import timedelta
from decimal import Decimal

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.testing import WorkflowEnvironment

from domain.approval import ApprovalRules
from domain.case_guides import CaseAct
from domain.cases import CaseState
from domain.erp_order import ErpOrderState
from domain.order import CancelKind, Order, PaymentKind, Risk
from domain.topics import RISK_ASSESSED
from store.audit import Audit
from store.order_view import OrderViews
from tests.order_builder import make_line, make_order, make_payment, sandbox_mapping
from tests.workflows.test_cases import solve, until_case, until_resolved, until_waiting
from tests.workflows.world import World
from workflows.messages import Attention, CancelAsked, OperatorAnswer, OperatorMessage
from workflows.order import OrderWorkflow

ABOVE_50 = ApprovalRules(above=Decimal("50.00"), risk=Risk.HIGH, remind_after_days=3)
KIM = OperatorMessage(actor="Kim", reason="known buyer")


@pytest.fixture(autouse=True)
def _ask_above_50(world: World) -> None:
    world.replace_mapping(sandbox_mapping(approval=ABOVE_50))


def worth(external_id: str, units: int, **overrides) -> Order:
    """So many units at 25.00."""
    return make_order(
        external_id, lines=(make_line(ordered=units, unit_price="25.00", tax_rates=()),), **overrides
    )


def in_erp(world: World, order: Order) -> bool:
    return order.key in world.erp.orders


async def approve(world: World, order: Order, message: OperatorMessage = KIM) -> OperatorAnswer:
    handle = world.client.get_workflow_handle(order.key.workflow_id)
    return await handle.execute_update(OrderWorkflow.approve_update, message)


async def deliver(world: World, order: Order) -> None:
    await world.until_in_erp(order.key)
    units = {line.line_id: line.current for line in world.storefront.orders[order.key.external_id].lines}
    world.erp.ship(order.key, "WH-EAST", units, tracking="T1")


async def test_an_order_above_the_limit_waits_in_a_case_and_is_entered_once_approved(
    world: World, external_id
):
    order = worth(external_id, 3)
    async with world.working():
        handle = await world.place(order)
        view = await world.until_stopped(order.key)
        assert {"approve", "cancel"} <= set(view.can_do)
        case = await until_waiting(world, "approval_needed", 1)
        asked = f"Order {order.number} needs an approval before it goes to the ERP: "
        assert case.waiting[0].reason == asked + "its total USD 75.00 is above USD 50.00."
        assert case.summary.guide.acts == (CaseAct.RETRY, CaseAct.APPROVE, CaseAct.CANCEL)
        assert not in_erp(world, order)
        assert (await approve(world, order)).done
        await deliver(world, order)
        assert (await handle.result()).outcome is Attention.CLOSED
        resolved = await until_resolved(world, case.summary.id)
        assert resolved.state is CaseState.RESOLVED
        assert "Kim: Approved (known buyer): its total USD 75.00 is above USD 50.00." in await world.story(
            order.key
        )
    acts = [(act.actor, act.text) for act in Audit(world.database).for_order(order.key)]
    assert ("Kim", "Approved (known buyer): its total USD 75.00 is above USD 50.00.") in acts


async def test_an_order_at_the_limit_goes_its_way(world: World, external_id):
    order = worth(external_id, 2)
    async with world.working():
        await world.place(order)
        await world.until_in_erp(order.key)


async def test_the_case_approves_it_with_name_and_reason(world: World, external_id):
    order = worth(external_id, 3)
    async with world.working():
        await world.place(order)
        case = await until_waiting(world, "approval_needed", 1)
        done = await solve(world, case, CaseAct.APPROVE)
        assert done.told == (order.key,)
        await world.until_in_erp(order.key)
        assert "Ada: Approved (reviewed)" in await world.story(order.key)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (OperatorMessage(reason="known buyer"), "say who approves (actor)"),
        (OperatorMessage(actor="Kim"), "say why (reason)"),
    ],
)
async def test_nobody_approves_without_a_name_and_a_reason(world: World, external_id, message, words):
    order = worth(external_id, 3)
    async with world.working():
        await world.place(order)
        await world.until_stopped(order.key)
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await approve(world, order, message)
        assert words in str(refused.value.cause)
        handle = world.client.get_workflow_handle(order.key.workflow_id)
        await handle.signal("approve", message)
        await world.until_told(order.key, f"Asked to approve; refused: {words}")
        assert not in_erp(world, order)


async def test_what_waits_for_no_approval_is_not_approved(world: World, external_id):
    order = worth(external_id, 1)
    async with world.working():
        await world.place(order)
        await world.until_in_erp(order.key)
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await approve(world, order)
        assert "the order waits for no approval" in str(refused.value.cause)


async def test_an_order_canceled_instead_is_canceled_in_the_storefront_and_its_money_voided(
    world: World, external_id
):
    order = worth(external_id, 1, risk=Risk.HIGH)
    async with world.working():
        handle = await world.place(order)
        case = await until_waiting(world, "approval_needed", 1)
        assert "the storefront rates its risk high" in case.waiting[0].reason
        await solve(world, case, CaseAct.CANCEL)
        assert (await handle.result()).outcome is Attention.CANCELED
        await until_resolved(world, case.summary.id)
    told = world.storefront.orders[external_id]
    assert told.canceled_at is not None
    assert [p.kind for p in told.payments] == [PaymentKind.AUTHORIZATION, PaymentKind.VOID]
    assert not in_erp(world, order)


async def test_it_hears_that_the_buyer_canceled(world: World, external_id):
    order = worth(external_id, 3)
    async with world.working():
        handle = await world.place(order)
        case = await until_waiting(world, "approval_needed", 1)
        world.storefront.cancel_by_customer(external_id)
        await world.start(order, "orders/cancelled")
        assert (await handle.result()).outcome is Attention.CANCELED
        await until_resolved(world, case.summary.id)


async def test_it_goes_on_by_itself_once_it_is_lowered_below_the_limit(world: World, external_id):
    order = worth(external_id, 3)
    async with world.working():
        handle = await world.place(order)
        case = await until_waiting(world, "approval_needed", 1)
        world.storefront.edit_quantity(external_id, "11", 2)
        await world.start(order, "orders/edited")
        await deliver(world, order)
        assert (await handle.result()).outcome is Attention.CLOSED
        await until_resolved(world, case.summary.id)
        assert "Needs no approval any more" in await world.story(order.key)


async def test_it_goes_on_by_itself_once_its_risk_turns_out_low(world: World, external_id):
    order = worth(external_id, 1, risk=Risk.PENDING)
    async with world.working():
        await world.place(order)
        view = await world.until_stopped(order.key)
        assert "still assessing its risk" in view.waiting_for
        world.storefront.replace(order.model_copy(update={"risk": Risk.LOW}))
        await world.start(order, RISK_ASSESSED)
        await world.until_in_erp(order.key)


async def test_an_edit_that_leaves_it_above_the_limit_keeps_it_waiting_with_what_it_comes_to_now(
    world: World, external_id
):
    order = worth(external_id, 5)
    async with world.working():
        await world.place(order)
        case = await until_waiting(world, "approval_needed", 1)
        world.storefront.edit_quantity(external_id, "11", 4)
        await world.start(order, "orders/edited")
        again = await until_case(
            world, lambda c: c.id == case.summary.id and c.money_at_risk[0].amount == 100
        )
        assert again.waiting == 1
        await world.until(order.key, lambda v: "USD 100.00 is above" in v.waiting_for)
        row = OrderViews(world.database).get(order.key)
        assert row is not None
        for _ in range(100):
            row = OrderViews(world.database).get(order.key)
            if "USD 100.00 is above" in row.problem:
                break
            await world.view(order.key)
        assert "USD 100.00 is above" in row.problem, "the list must go on to say that it waits for a person"
        assert (await approve(world, order)).done
        await world.until_in_erp(order.key)


async def test_one_that_became_dearer_after_it_was_approved_is_asked_about_again(world: World, external_id):
    order = worth(external_id, 3)
    async with world.working():
        await world.place(order)
        await world.until_stopped(order.key)
        # Nobody tells of it: the reading after the approval finds it.
        world.storefront.replace(worth(external_id, 4))
        await approve(world, order)
        view = await world.until_stopped(order.key)
        assert "its total USD 100.00 is above" in view.waiting_for
        assert not in_erp(world, order)
        await approve(world, order)
        await world.until_in_erp(order.key)


async def test_an_order_that_is_in_the_erp_is_not_asked_about_again_by_another_run(world: World, external_id):
    order = worth(external_id, 3)
    async with world.working():
        await world.place(order)
        await world.until_stopped(order.key)
        await approve(world, order)
        await world.until_in_erp(order.key)
        handle = world.client.get_workflow_handle(order.key.workflow_id)
        await handle.terminate("lost")
        again = await world.start(order, "orders/edited-2")
        await deliver(world, order)
        assert (await again.result()).outcome is Attention.CLOSED


async def test_a_person_is_reminded_every_so_many_days(
    world: World, server: WorkflowEnvironment, external_id
):
    order = worth(external_id, 3)
    with server.with_time_skipping_disabled():
        async with world.working():
            handle = await world.place(order)
            case = await until_waiting(world, "approval_needed", 1)
            await server.fast_forward(handle, timedelta(days=3, minutes=1))
            await world.until_told(order.key, "Reminder: still waits for an approval, for 3 days now.")
            await until_case(world, lambda c: c.id == case.summary.id and c.waiting == 1)
            await server.fast_forward(handle, timedelta(days=3, minutes=1))
            await world.until_told(order.key, "Reminder: still waits for an approval, for 6 days now.")
            await approve(world, order)
            await world.until_in_erp(order.key)
    reminders = [
        a for a in Audit(world.database).for_order(order.key) if a.text.startswith("Reminder: Order")
    ]
    assert len(reminders) == 2


async def test_a_fraud_is_canceled_as_one_and_its_money_goes_back(world: World, external_id):
    paid = make_payment("25.00", PaymentKind.SALE, payment_id="2")
    order = worth(external_id, 1, risk=Risk.HIGH, payments=(paid,))
    async with world.working():
        handle = await world.place(order)
        await world.until_stopped(order.key)
        fraud = CancelAsked(actor="Kim", reason="stolen card", kind=CancelKind.FRAUD)
        answer = await handle.execute_update(OrderWorkflow.cancel_update, fraud)
        assert answer.done
        assert "Kim: Canceled in both systems: fraud: stolen card." in await world.story(order.key)
    told = world.storefront.orders[external_id]
    assert told.cancel_kind is CancelKind.FRAUD
    assert told.captured == 0


async def test_a_fraud_that_the_erp_has_already_is_canceled_there_too(world: World, external_id):
    order = worth(external_id, 1)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        await handle.signal("cancel", {"actor": "Kim", "kind": "fraud"})
        assert (await handle.result()).outcome is Attention.CANCELED
    assert world.erp.orders[order.key].state is ErpOrderState.CANCELED
    assert world.storefront.orders[external_id].cancel_kind is CancelKind.FRAUD
    assert [p.kind for p in world.storefront.orders[external_id].payments][-1] is PaymentKind.VOID


async def test_a_word_that_nobody_knows_cancels_all_the_same(world: World, external_id):
    order = worth(external_id, 1)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        await handle.signal("cancel", {"actor": "Kim", "kind": "Betrug"})
        assert (await handle.result()).outcome is Attention.CANCELED
    assert world.storefront.orders[external_id].cancel_kind is CancelKind.OTHER
