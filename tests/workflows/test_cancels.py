"""Canceling units of an order, and what has not left of it; what the warehouse has picked is its to say."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError

from domain.balance import prove
from domain.cases import CANCEL_PICKED, ORDER_UNKNOWN
from domain.erp_order import ErpOrderState, ErpShipmentState
from domain.order import Order, PaymentKind
from domain.status import OrderStatus
from store.cases import Cases
from store.order_view import OrderViews
from tests.order_builder import make_line, make_order, make_payment
from tests.workflows.world import World
from workflows.messages import (
    Attention,
    CancelAsked,
    OperatorAnswer,
    OperatorMessage,
    OrderResult,
    OrderView,
    StorefrontChanged,
)
from workflows.order import OrderWorkflow

TEE, MUG = "TEE-BLK-M", "MUG-LOGO"
OrderHandle = WorkflowHandle[OrderWorkflow, OrderResult]


def two_places(external_id: str) -> Order:
    """Three tees, of which one leaves from the west, and two mugs from there."""
    return make_order(
        external_id,
        lines=(make_line("11", TEE, 3), make_line("12", MUG, 2)),
        placement={"11": {"101": 2, "102": 1}, "12": {"102": 2}},
    )


def paid(order: Order) -> Order:
    """Its money was taken with the order."""
    return order.model_copy(update={"payments": (make_payment(order.total, kind=PaymentKind.SALE),)})


@asynccontextmanager
async def in_the_erp(world: World, order: Order) -> AsyncIterator[OrderHandle]:
    """The workers are at work, and the ERP has the order."""
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        yield handle


async def cancel(world: World, order: Order, units: Mapping[str, int] | None = None) -> OperatorAnswer:
    asked = CancelAsked(actor="Ada", reason="the buyer called", lines=dict(units or {}))
    handle = world.client.get_workflow_handle_for(OrderWorkflow.run, order.key.workflow_id)
    return await handle.execute_update(OrderWorkflow.cancel_update, asked)


async def asked(world: World, order: Order) -> OrderView:
    """The warehouse is asked, and the case says so."""
    view = await world.until(order.key, lambda view: view.problem is not None and view.problem.in_case)
    assert view.problem is not None
    assert view.problem.cause == f"{CANCEL_PICKED}:{order.key}"
    return view


def units_in_erp(world: World, order: Order) -> dict[str, int]:
    units: dict[str, int] = {}
    for line in world.erp.orders[order.key].lines:
        units[line.line_id] = units.get(line.line_id, 0) + line.quantity
    return {line: count for line, count in units.items() if count and line in {"11", "12"}}


def balanced(world: World, order: Order) -> bool:
    told = world.storefront.orders[order.key.external_id]
    return prove(told, world.erp.orders[order.key], world.mapping).report.balanced


async def test_units_of_a_line_are_canceled_in_both_systems_and_their_money_goes_back(
    world: World, external_id
):
    order = paid(two_places(external_id))
    async with in_the_erp(world, order) as handle:
        world.faults.lose_answer("cancel_units", nth=1)
        answer = await cancel(world, order, {TEE: 1, "12": 2})
        assert answer.done
        await world.until_told(order.key, "Edit carried into")
        assert units_in_erp(world, order) == {"11": 2}
        story = await world.story(order.key)
        assert f"Asked to cancel 1 unit of {TEE}; 2 units of {MUG}: the buyer called." in story
        world.erp.ship_all(order.key)
        assert (await handle.result()).outcome is Attention.CLOSED
    told = world.storefront.orders[external_id]
    assert told.total < order.total
    refunded = sum((p.amount for p in told.payments if p.kind is PaymentKind.REFUND), Decimal(0))
    assert refunded == order.total - told.total
    assert balanced(world, order)


async def test_an_order_that_somebody_removed_from_the_storefront_is_ended_by_a_cancel(
    world: World, external_id
):
    order = paid(two_places(external_id))
    async with in_the_erp(world, order) as handle:
        del world.storefront.orders[external_id]
        await handle.signal("storefront_changed", StorefrontChanged(message_id="gone", topic="orders/edited"))
        stopped = await world.until(order.key, lambda view: view.problem is not None)
        assert stopped.problem.cause.startswith(ORDER_UNKNOWN)
        assert len(Cases(world.database).of_order(order.key)) == 1
        assert (await cancel(world, order)).done
        assert (await handle.result()).outcome is Attention.CANCELED
        assert "Canceled in the ERP; the storefront has no such order any more" in await world.story(
            order.key
        )
    assert world.erp.orders[order.key].state is ErpOrderState.CANCELED
    assert Cases(world.database).of_order(order.key) == ()
    row = OrderViews(world.database).get(order.key)
    assert row is not None
    assert (row.status, row.problem, row.captured) == (OrderStatus.CANCELED, "", order.total)
    assert row.closed_at is not None


async def test_an_order_that_was_removed_before_it_was_read_is_ended_by_a_cancel(world: World, external_id):
    order = paid(two_places(external_id))
    async with world.working():
        handle = await world.start(order)
        await world.until(order.key, lambda view: view.problem is not None)
        assert (await cancel(world, order)).done
        assert (await handle.result()).outcome is Attention.CANCELED
    assert order.key not in world.erp.orders
    assert Cases(world.database).list() == ()


async def test_after_a_parcel_has_left_the_rest_is_canceled(world: World, external_id):
    order = two_places(external_id)
    async with in_the_erp(world, order) as handle:
        world.erp.ship(order.key, "WH-EAST", {"11": 2}, tracking="T1")
        await world.until_told(order.key, "2 units left WH-EAST")
        assert (await cancel(world, order)).done
        assert (await handle.result()).outcome is Attention.CLOSED
    told = world.storefront.orders[external_id]
    assert [line.current for line in told.lines] == [2, 0]
    assert told.captured == told.total
    assert balanced(world, order)


async def test_what_is_picked_and_put_back_is_canceled_by_itself(world: World, external_id):
    order = make_order(external_id)
    async with in_the_erp(world, order) as handle:
        world.erp.pick(order.key)
        answer = await cancel(world, order)
        assert not answer.done
        assert "If the warehouse puts the goods back, they are canceled" in answer.text
        view = await asked(world, order)
        assert "accept" in view.can_do
        (case,) = Cases(world.database).of_order(order.key)
        assert "put them back" in case.guide.fix
        world.erp.put_back(order.key)
        assert (await handle.result()).outcome is Attention.CANCELED
    assert world.erp.orders[order.key].state is ErpOrderState.CANCELED
    assert world.storefront.orders[external_id].canceled_at is not None


async def test_what_is_picked_and_leaves_is_not_canceled_and_the_order_goes_on(world: World, external_id):
    order = two_places(external_id)
    async with in_the_erp(world, order) as handle:
        world.erp.pick(order.key, "WH-EAST")
        await cancel(world, order, {TEE: 3})
        await asked(world, order)
        # The one that waited in the west is canceled meanwhile.
        assert units_in_erp(world, order) == {"11": 2, "12": 2}
        world.erp.ship(order.key, "WH-EAST", {"11": 2}, tracking="T1")
        await world.until_told(order.key, f"Not canceled: 2 units of {TEE} left the warehouse")
        world.erp.ship_all(order.key)
        assert (await handle.result()).outcome is Attention.CLOSED
        await world.until_in_no_case(order.key)
    told = world.storefront.orders[external_id]
    assert [line.current for line in told.lines] == [2, 2]
    assert balanced(world, order)


async def test_of_one_line_at_two_places_those_go_that_nobody_has_in_hand(world: World, external_id):
    order = two_places(external_id)
    async with in_the_erp(world, order) as handle:
        world.erp.pick(order.key, "WH-WEST")
        assert (await cancel(world, order, {TEE: 2})).done
        await world.until_told(order.key, "Edit carried into")
        held = world.erp.orders[order.key]
        waiting = {ErpShipmentState.WAITING, ErpShipmentState.PICKED}
        left = {s.warehouse: s.lines for s in held.shipments if s.state in waiting}
        assert left.keys() == {"WH-WEST"}
        world.erp.ship_all(order.key)
        assert (await handle.result()).outcome is Attention.CLOSED
    assert balanced(world, order)


async def test_that_picked_goods_are_sent_may_be_accepted(world: World, external_id):
    order = make_order(external_id)
    async with in_the_erp(world, order) as handle:
        world.erp.pick(order.key)
        await cancel(world, order)
        await asked(world, order)
        message = OperatorMessage(actor="Ada", reason="the buyer wants them after all")
        await handle.execute_update(OrderWorkflow.accept_update, message)
        await world.until(order.key, lambda view: view.problem is None)
        world.erp.ship_all(order.key)
        assert (await handle.result()).outcome is Attention.CLOSED


async def test_an_order_that_the_storefront_canceled_is_canceled_once_its_goods_are_put_back(
    world: World, external_id
):
    order = make_order(external_id)
    async with in_the_erp(world, order) as handle:
        world.erp.pick(order.key)
        world.storefront.cancel_by_customer(external_id)
        await world.start(order, "orders/cancelled")
        view = await world.until_stopped(order.key)
        assert view.problem is not None
        assert view.problem.cause == "cancel_refused"
        world.erp.put_back(order.key)
        assert (await handle.result()).outcome is Attention.CANCELED


async def test_the_line_that_keeps_an_order_from_the_erp_is_canceled_and_the_rest_goes_on(
    world: World, external_id
):
    order = two_places(external_id)
    async with world.working():
        world.erp.forbid_product(MUG)
        handle = await world.place(order)
        await world.until_stopped(order.key)
        assert (await cancel(world, order, {MUG: 2})).done
        await world.until_in_erp(order.key)
        world.erp.ship_all(order.key)
        assert (await handle.result()).outcome is Attention.CLOSED
    assert units_in_erp(world, order) == {"11": 3}


async def test_a_storefront_that_refuses_is_asked_again_after_a_resubmit(world: World, external_id):
    order = two_places(external_id)
    async with in_the_erp(world, order) as handle:
        world.faults.reject("cancel_units", "the order is locked", "order_locked", nth=1)
        answer = await cancel(world, order, {TEE: 1})
        assert not answer.done
        assert "the order is locked" in answer.text
        await world.until_stopped(order.key)
        await handle.execute_update(OrderWorkflow.resubmit_update, OperatorMessage(actor="Ada"))
        await world.until_told(order.key, "Edit carried into")
        assert units_in_erp(world, order) == {"11": 2, "12": 2}
        world.erp.ship_all(order.key)
        assert (await handle.result()).outcome is Attention.CLOSED


@pytest.mark.parametrize(
    ("units", "words"),
    [
        ({TEE: 4}, f"only 3 units of {TEE} can be canceled"),
        ({"NO-SUCH": 1}, f"NO-SUCH is on no line of the order; it has {MUG}, {TEE}"),
    ],
)
async def test_what_cannot_be_canceled_is_refused_in_words(world: World, external_id, units, words):
    order = two_places(external_id)
    async with in_the_erp(world, order) as handle:
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await cancel(world, order, units)
        assert words in str(refused.value.cause)
        # As from the Temporal UI, whose words are the order's story.
        await handle.signal("cancel", {"actor": "Ada", "lines": units})
        await world.until_told(order.key, words)
    assert units_in_erp(world, order) == {"11": 3, "12": 2}
