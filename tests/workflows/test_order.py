"""The life of an order on a real Temporal server, against the memory adapters."""

import asyncio
from decimal import Decimal

import pytest
from temporalio.client import WorkflowUpdateFailedError

from domain.erp_order import ErpOrderState
from domain.order import PaymentKind, PaymentStatus
from domain.return_rules import ReturnRules
from domain.status import OrderStatus
from sandbox.billable import cost_of
from store.order_view import OrderViews
from tests.order_builder import (
    make_line,
    make_order,
    make_payment,
    make_shipping,
    sandbox_mapping,
)
from tests.workflows.returning import deliver
from tests.workflows.world import World
from workflows.messages import Attention, CancelAsked, OperatorMessage
from workflows.order import OrderWorkflow


def two_warehouse_order(external_id: str):
    return make_order(
        external_id,
        lines=(make_line("11", ordered=3), make_line("12", "MUG-LOGO", ordered=2)),
        shipping=(make_shipping(),),
        placement={"11": {"101": 2, "102": 1}, "12": {"102": 2}},
    )


async def test_an_order_goes_from_webhook_to_two_shipments_and_closes_balanced(world: World, external_id):
    order = two_warehouse_order(external_id)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        world.erp.ship(order.key, "WH-EAST", {"11": 2}, tracking="T1")
        first = await world.until(order.key, lambda v: v.status is OrderStatus.PARTLY_SHIPPED)
        assert first.sentence.endswith("2 of 5 units shipped; 3 waiting at WH-WEST.")
        world.erp.ship(order.key, "WH-WEST", {"11": 1, "12": 2}, tracking="T2")
        result = await handle.result()
    assert result.outcome is Attention.CLOSED
    told = await world.storefront.read_order(external_id)
    assert [(f.location, f.tracking_number) for f in told.fulfillments] == [("101", "T1"), ("102", "T2")]
    assert told.captured == order.total
    row = OrderViews(world.database).get(order.key)
    assert row is not None
    assert (row.status, row.captured, row.erp_total) == (OrderStatus.CLOSED, order.total, order.total)


async def test_money_is_captured_as_parcels_leave_never_before(world: World, external_id):
    order = two_warehouse_order(external_id)
    async with world.working():
        await world.place(order)
        await world.until_in_erp(order.key)
        assert (await world.storefront.read_order(external_id)).captured == Decimal(0)
        world.erp.ship(order.key, "WH-EAST", {"11": 1})
        # The status follows the ERP's news at once; the storefront and the money come a step later.
        await world.until(
            order.key,
            lambda v: v.status is OrderStatus.PARTLY_SHIPPED and v.waiting_for.startswith("the warehouse"),
        )
    captured = (await world.storefront.read_order(external_id)).captured
    one_unit = order.lines[0].unit_price + sum((t.amount for t in order.lines[0].taxes), Decimal(0)) / 3
    assert abs(captured - (one_unit + order.shipping[0].price)) <= Decimal("0.01")


@pytest.mark.parametrize(
    "operation", ["submit_order", "create_fulfillment", "capture_payment", "accept_order"]
)
async def test_a_lost_answer_leaves_one_of_everything(world: World, external_id, operation):
    order = two_warehouse_order(external_id)
    world.faults.lose_answer(operation, nth=1)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        world.erp.ship_all(order.key)
        result = await handle.result()
    assert result.outcome is Attention.CLOSED
    told = await world.storefront.read_order(external_id)
    assert len(told.fulfillments) == 2
    assert told.captured == order.total
    assert list(world.erp.orders) == [order.key]


async def test_an_outage_is_waited_for(world: World, external_id):
    order = make_order(external_id)
    world.faults.unavailable("erp.*")
    async with world.working():
        handle = await world.place(order)
        waiting = await world.until(order.key, lambda v: "entering the order" in v.waiting_for)
        assert waiting.attention is Attention.WORKING
        world.faults.lift()
        await world.until_in_erp(order.key)
        world.erp.ship_all(order.key)
        assert (await handle.result()).outcome is Attention.CLOSED


async def test_a_refused_order_waits_says_why_and_goes_on_after_resubmit(world: World, external_id):
    order = make_order(external_id)
    world.erp.forbid_product("TEE-BLK-M")
    async with world.working():
        handle = await world.place(order)
        stopped = await world.until_stopped(order.key)
        assert stopped.problem is not None
        assert "TEE-BLK-M" in stopped.problem.reason
        assert "resubmit" in stopped.problem.remedy
        assert stopped.can_do == ("cancel", "resubmit", "hold")
        row = OrderViews(world.database).get(order.key)
        assert row is not None
        assert "TEE-BLK-M" in (row.problem or "")
        world.erp.allow_product("TEE-BLK-M")
        await handle.signal("resubmit")
        await world.until_in_erp(order.key)
        world.erp.ship_all(order.key)
        assert (await handle.result()).outcome is Attention.CLOSED


async def test_an_unmapped_value_names_the_table_and_a_corrected_mapping_is_used_on_resubmit(
    world: World, external_id
):
    order = make_order(external_id)
    world.replace_mapping(sandbox_mapping(locations={"102": "WH-WEST"}))
    async with world.working():
        await world.place(order)
        stopped = await world.until_stopped(order.key)
        assert stopped.problem is not None
        assert stopped.problem.cause == "unmapped:locations:101"
    world.replace_mapping(sandbox_mapping())
    async with world.working():
        answer = await world.client.get_workflow_handle(order.key.workflow_id).execute_update(
            "resubmit", OperatorMessage(actor="Kim"), result_type=dict
        )
        assert answer["done"]
        await world.until_in_erp(order.key)


async def test_cancel_before_picking_cancels_both_systems_and_gives_the_money_back(world: World, external_id):
    order = make_order(external_id)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        await handle.signal("cancel")
        result = await handle.result()
        assert "operator: Canceled in both systems" in await world.story(order.key)
    assert result.outcome is Attention.CANCELED
    assert world.erp.orders[order.key].state is ErpOrderState.CANCELED
    told = await world.storefront.read_order(external_id)
    assert told.canceled_at is not None
    assert told.captured == Decimal(0)


async def test_cancel_after_picking_is_refused_with_the_reason_and_the_order_goes_on(
    world: World, external_id
):
    order = make_order(external_id)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        world.erp.pick(order.key)
        answer = await handle.execute_update(
            OrderWorkflow.cancel_update, CancelAsked(reason="customer called")
        )
        assert not answer.done
        assert "cannot be canceled yet: shipment SHIP-00001 from WH-EAST is picked" in answer.text
        assert (await world.storefront.read_order(external_id)).canceled_at is None
        shipment = world.erp.orders[order.key].shipments[0]
        world.erp.ship(order.key, shipment.warehouse, {"11": 2})
        assert (await handle.result()).outcome is Attention.CLOSED


@pytest.mark.usefixtures("days_pass_when_told")
async def test_cancel_after_everything_has_left_is_refused_by_the_validator(world: World, external_id):
    order = two_warehouse_order(external_id)
    world.replace_mapping(world.mapping.model_copy(update={"returns": ReturnRules(window_days=30)}))
    async with world.working():
        await deliver(world, order)
        handle = world.client.get_workflow_handle(order.key.workflow_id)
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await handle.execute_update(OrderWorkflow.cancel_update, CancelAsked())
        assert "units have left the warehouse; take back" in str(refused.value.cause)


async def test_a_cancel_in_the_storefront_reaches_the_erp(world: World, external_id):
    order = make_order(external_id)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        world.storefront.cancel_by_customer(external_id)
        await world.start(order, "orders/cancelled")
        assert (await handle.result()).outcome is Attention.CANCELED
    assert world.erp.orders[order.key].state is ErpOrderState.CANCELED


async def test_a_cancel_that_the_storefront_refuses_goes_on_after_resubmit(world: World, external_id):
    order = make_order(external_id)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        world.faults.reject("storefront.cancel_order", "a refund is pending", nth=1)
        await handle.signal("cancel")
        stopped = await world.until_stopped(order.key)
        assert stopped.problem is not None
        assert "a refund is pending" in stopped.problem.reason
        await handle.signal("resubmit")
        assert (await handle.result()).outcome is Attention.CANCELED
    assert (await world.storefront.read_order(external_id)).canceled_at is not None


async def test_a_cancel_that_keeps_the_buyers_money_waits_for_its_refund(world: World, external_id):
    order = make_order(external_id)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        sale = make_payment(order.total, PaymentKind.SALE, payment_id="802")
        canceled = order.model_copy(update={"canceled_at": order.placed_at, "payments": (sale,)})
        world.storefront.replace(canceled)
        await world.start(order, "orders/cancelled")
        stopped = await world.until_stopped(order.key)
        assert stopped.problem is not None
        assert stopped.problem.cause == "money_kept"
        assert "USD 42.89 of the buyer's money is kept" in stopped.problem.reason
        refund = make_payment(order.total, PaymentKind.REFUND, payment_id="803", parent_id="802")
        world.storefront.replace(canceled.model_copy(update={"payments": (sale, refund)}))
        await handle.signal("resubmit")
        assert (await handle.result()).outcome is Attention.CANCELED


async def test_a_cancel_whose_refund_is_on_its_way_waits_for_nobody(world: World, external_id):
    order = make_order(external_id)
    sale = make_payment(order.total, PaymentKind.SALE, payment_id="802")
    refund = make_payment(
        order.total, PaymentKind.REFUND, payment_id="803", parent_id="802", status=PaymentStatus.PENDING
    )
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        world.storefront.replace(
            order.model_copy(update={"canceled_at": order.placed_at, "payments": (sale, refund)})
        )
        await world.start(order, "orders/cancelled")
        assert (await handle.result()).outcome is Attention.CANCELED


async def test_an_edit_that_arrives_during_the_first_read_is_read_too(world: World, external_id):
    order = make_order(external_id)
    world.faults.unavailable("read_order")
    async with world.working():
        await world.place(order)
        await world.until(order.key, lambda v: v.waiting_for.startswith("reading"))
        await asyncio.sleep(0.5)
        await world.start(order, "orders/edited")
        world.faults.lift()
        failed = len(world.storefront.calls)
        await world.until_in_erp(order.key)
    answered = [call for call in world.storefront.calls[failed:] if call.operation == "read_order"]
    assert len(answered) == 2


async def test_temporals_own_cancel_cancels_the_order_instead_of_losing_it(world: World, external_id):
    order = make_order(external_id)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        await handle.cancel()
        assert (await handle.result()).outcome is Attention.CANCELED
    assert world.erp.orders[order.key].state is ErpOrderState.CANCELED


async def test_hold_stops_before_the_next_step_until_release(world: World, external_id):
    order = make_order(external_id)
    world.faults.unavailable("read_order")
    async with world.working():
        handle = await world.place(order)
        await world.until(order.key, lambda v: v.waiting_for.startswith("reading"))
        await asyncio.sleep(0.5)
        await handle.signal("hold", {"actor": "Kim", "reason": "address is checked"})
        world.faults.lift()
        held = await world.until(order.key, lambda v: v.number == order.number)
        assert held.attention is Attention.ON_HOLD
        assert held.waiting_for == "release: Kim put the order on hold"
        assert order.key not in world.erp.orders
        await handle.signal("release")
        await world.until_in_erp(order.key)
        assert "Kim: Put the order on hold: address is checked." in await world.story(order.key)


async def test_a_test_order_is_ignored_with_the_reason(world: World, external_id):
    order = make_order(external_id, test=True)
    async with world.working():
        result = await (await world.place(order)).result()
    assert result.outcome is Attention.IGNORED
    assert "test" in result.text
    assert not world.erp.orders


async def test_a_finished_order_that_comes_again_starts_no_second_life(world: World, external_id):
    order = make_order(external_id)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        world.erp.ship_all(order.key)
        await handle.result()
        again = await world.start(order, "orders/updated")
        result = await again.result()
        assert "the order is closed since" in await world.story(order.key)
    assert result.outcome is Attention.CLOSED
    assert len((await world.storefront.read_order(external_id)).fulfillments) == 1


async def test_an_edited_order_can_still_be_canceled(world: World, external_id):
    order = make_order(external_id)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        world.storefront.edit_quantity(external_id, "11", 1)
        await world.start(order, "orders/edited")
        await world.until_told(order.key, "Edit carried into")
        await handle.execute_update(OrderWorkflow.cancel_update, CancelAsked())
        assert (await handle.result()).outcome is Attention.CANCELED


async def test_an_order_canceled_in_the_erp_alone_asks_a_person(world: World, external_id):
    order = make_order(external_id)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        world.erp.cancel_by_staff(order.key)
        stopped = await world.until_stopped(order.key)
        assert stopped.problem is not None
        assert stopped.problem.cause == "canceled_in_erp"
        await handle.signal("cancel")
        assert (await handle.result()).outcome is Attention.CANCELED
    assert (await world.storefront.read_order(external_id)).canceled_at is not None


async def test_the_temporal_ui_tells_the_story(world: World, external_id):
    order = two_warehouse_order(external_id)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        details = await handle.query("__temporal_workflow_metadata", result_type=dict)
    words = str(details)
    assert "In the ERP as SO-00001" in words
    assert "`cancel`" in words
    assert "the warehouse to ship the rest" in words


async def test_an_order_costs_at_most_12_actions_and_45_events(world: World, external_id):
    order = two_warehouse_order(external_id)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        world.erp.ship(order.key, "WH-EAST", {"11": 2})
        await world.until(order.key, lambda v: v.status is OrderStatus.PARTLY_SHIPPED)
        world.erp.ship(order.key, "WH-WEST", {"11": 1, "12": 2})
        await handle.result()
    cost = cost_of((await handle.fetch_history()).events)
    assert cost.actions <= 12
    assert cost.events <= 45
