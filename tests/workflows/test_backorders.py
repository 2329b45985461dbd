"""What becomes of units that are not in stock, by each rule, on a real Temporal server; weeks are skipped."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta

import pytest
from temporalio.client import WorkflowUpdateFailedError

from adapters.memory.erp import MemoryErp
from domain.backorder_rules import BackorderRules, OnShortage
from domain.erp_order import ErpOrderState, ErpShipmentState
from domain.order import Order, PaymentKind
from domain.payment_rules import CaptureRule, PaymentRules
from domain.status import OrderStatus
from tests.order_builder import make_line, make_order, make_payment, sandbox_mapping
from tests.workflows.test_cases import until_waiting
from tests.workflows.world import World
from workflows.messages import Attention, OperatorMessage
from workflows.order import OrderWorkflow

TEE, CAP = "TEE-BLK-M", "CAP-BLK"
ASK = BackorderRules(on_shortage=OnShortage.ASK)
ALL = BackorderRules(on_shortage=OnShortage.WAIT_FOR_ALL)
TWO_WEEKS = BackorderRules(cancel_rest_after_days=14)
KIM = OperatorMessage(actor="Kim", reason="spoke to the buyer")


def stocked(world: World, rules: BackorderRules, stock: dict[tuple[str, str], int], **mapping) -> None:
    """An ERP that takes what it has not got, and a mapping with these rules."""
    world.replace_mapping(sandbox_mapping(backorders=rules, **mapping))
    world.replace_erp(
        MemoryErp(warehouses={"WH-EAST", "WH-WEST"}, stock=dict(stock), backorder=True, faults=world.faults)
    )


def order_of(external_id: str, *, placed_at: datetime | None = None, tees: int = 2, caps: int = 3) -> Order:
    """Tees from the one warehouse, caps from the other, at 25.00 and 10.00."""
    lines = []
    if tees:
        lines.append(make_line("11", TEE, tees, unit_price="25.00", tax_rates=()))
    if caps:
        lines.append(make_line("12", CAP, caps, unit_price="10.00", tax_rates=()))
    placement = {"11": {"101": tees}, "12": {"102": caps}}
    total = 25 * tees + 10 * caps
    given = {"placed_at": placed_at} if placed_at else {}
    return make_order(
        external_id,
        lines=tuple(lines),
        placement={line.line_id: placement[line.line_id] for line in lines},
        payments=(make_payment(f"{total}.00", payment_id="2"),),
        **given,
    )


def short_of_caps(caps: int = 1) -> dict[tuple[str, str], int]:
    return {("WH-EAST", TEE): 10, ("WH-WEST", CAP): caps}


@asynccontextmanager
async def at_their_pace(world: World, server) -> AsyncIterator[None]:
    """Workers run; orders that start here wait out their timers, unless days are skipped."""
    with server.with_time_skipping_disabled():
        async with world.working():
            yield


async def skip(world: World, server, order: Order, days: int) -> None:
    handle = world.client.get_workflow_handle(order.key.workflow_id)
    await server.fast_forward(handle, timedelta(days=days))


def left(world: World, order: Order) -> dict[str, int]:
    """Units that left the ERP, by line."""
    units: dict[str, int] = {}
    for shipment in world.erp.orders[order.key].shipments:
        for part in shipment.lines if shipment.state is ErpShipmentState.SHIPPED else ():
            units[part.line_id] = units.get(part.line_id, 0) + part.quantity
    return units


def money_kept(world: World, order: Order) -> int:
    return world.storefront.orders[order.key.external_id].captured


async def test_what_is_there_leaves_and_the_rest_follows_as_it_comes(world: World, external_id):
    stocked(world, BackorderRules(), short_of_caps())
    world.erp.promise("WH-WEST", CAP, date(2026, 12, 1))
    order = order_of(external_id)
    async with world.working():
        handle = await world.place(order)
        view = await world.until(order.key, lambda v: any(line.backordered for line in v.lines))
        cap = next(line for line in view.lines if line.sku == CAP)
        assert (cap.allocated, cap.backordered, cap.expected) == ({"WH-WEST": 1}, 2, date(2026, 12, 1))
        assert view.sentence.endswith("2 on backorder, expected 2026-12-01.")
        assert view.waiting_for == "stock: 2 units of CAP-BLK at WH-WEST, expected 2026-12-01"
        world.erp.ship_all(order.key)
        await world.until(order.key, lambda v: v.status is OrderStatus.PARTLY_SHIPPED)
        world.erp.receive("WH-WEST", CAP, 2)
        await world.until_told(order.key, "Nothing is on backorder any more.")
        world.erp.ship_all(order.key)
        assert (await handle.result()).outcome is Attention.CLOSED
    assert left(world, order) == {"11": 2, "12": 3}
    assert money_kept(world, order) == 80


async def test_nothing_leaves_before_all_of_it_is_there(world: World, external_id):
    stocked(world, ALL, short_of_caps())
    order = order_of(external_id)
    async with world.working():
        handle = await world.place(order)
        view = await world.until(order.key, lambda v: v.waiting_for.startswith("stock"))
        assert view.waiting_for.endswith("nothing leaves before all of it is there")
        with pytest.raises(ValueError, match="is to leave complete"):
            world.erp.ship_all(order.key)
        world.erp.receive("WH-WEST", CAP, 2)
        world.erp.ship_all(order.key)
        assert (await handle.result()).outcome is Attention.CLOSED
    assert left(world, order) == {"11": 2, "12": 3}


async def test_an_operator_may_let_leave_what_was_to_wait(world: World, external_id):
    stocked(world, ALL, short_of_caps())
    order = order_of(external_id)
    async with world.working():
        handle = await world.place(order)
        await world.until(order.key, lambda v: "ship_what_is_there" in v.can_do)
        await handle.execute_update(OrderWorkflow.ship_what_is_there_update, KIM)
        await world.until_told(order.key, "What is there may leave")
        world.erp.ship_all(order.key)
        await world.until(order.key, lambda v: v.status is OrderStatus.PARTLY_SHIPPED)
        world.erp.receive("WH-WEST", CAP, 2)
        world.erp.ship_all(order.key)
        assert (await handle.result()).outcome is Attention.CLOSED


@pytest.mark.parametrize("rule", list(CaptureRule))
async def test_the_rest_is_canceled_after_its_days_in_both_systems(world: World, server, external_id, rule):
    stocked(world, TWO_WEEKS, short_of_caps(), payments=PaymentRules(capture=rule))
    order = order_of(external_id)
    async with at_their_pace(world, server):
        handle = await world.place(order)
        view = await world.until(order.key, lambda v: v.waiting_for.startswith("stock"))
        assert "; what is not there is canceled at " in view.waiting_for
        world.erp.ship(order.key, "WH-EAST", {"11": 2}, tracking="T1")
        await world.until(order.key, lambda v: v.status is OrderStatus.PARTLY_SHIPPED)
        await skip(world, server, order, 13)
        assert world.storefront.orders[external_id].total == 80
        await skip(world, server, order, 2)
        await world.until_told(order.key, "Edit carried into")
        told = world.storefront.orders[external_id]
        assert [line.current for line in told.lines] == [2, 1]
        assert (told.total, world.erp.orders[order.key].total) == (60, 60)
        assert world.erp.orders[order.key].backorders == ()
        world.erp.ship_all(order.key)
        assert (await handle.result()).outcome is Attention.CLOSED
        story = await world.story(order.key)
    assert "ERP: On backorder: 2 units of CAP-BLK at WH-WEST." in story
    assert "Orderwright: Asked to cancel what is on backorder: not in stock for 14 days." in story
    assert "Orderwright: Canceled 2 units of CAP-BLK in the storefront: USD 60.00 now" in story
    assert money_kept(world, order) == 60
    assert left(world, order) == {"11": 2, "12": 1}


async def test_stock_that_comes_in_time_stops_the_clock(world: World, server, external_id):
    stocked(world, TWO_WEEKS, short_of_caps())
    order = order_of(external_id)
    async with at_their_pace(world, server):
        handle = await world.place(order)
        await world.until(order.key, lambda v: v.waiting_for.startswith("stock"))
        await skip(world, server, order, 10)
        world.erp.receive("WH-WEST", CAP, 2)
        await world.until_told(order.key, "Nothing is on backorder any more.")
        await skip(world, server, order, 10)
        assert world.storefront.orders[external_id].total == 80
        # Short again, the days are counted anew.
        world.erp.find_short(order.key, "WH-WEST", {"12": 1})
        await world.until(order.key, lambda v: v.waiting_for.startswith("stock"))
        await skip(world, server, order, 10)
        assert world.storefront.orders[external_id].total == 80
        world.erp.receive("WH-WEST", CAP, 1)
        world.erp.ship_all(order.key)
        assert (await handle.result()).outcome is Attention.CLOSED


async def test_an_order_of_which_nothing_is_there_is_canceled_whole(world: World, server, external_id):
    stocked(world, TWO_WEEKS, short_of_caps(0))
    order = order_of(external_id, tees=0)
    async with at_their_pace(world, server):
        handle = await world.place(order)
        await world.until(order.key, lambda v: v.waiting_for.startswith("stock"))
        await skip(world, server, order, 15)
        assert (await handle.result()).outcome is Attention.CANCELED
    assert world.storefront.orders[external_id].canceled_at is not None
    assert world.erp.orders[order.key].state is ErpOrderState.CANCELED


async def test_on_hold_nothing_is_canceled_until_release(world: World, server, external_id):
    stocked(world, TWO_WEEKS, short_of_caps())
    order = order_of(external_id)
    async with at_their_pace(world, server):
        handle = await world.place(order)
        await world.until(order.key, lambda v: v.waiting_for.startswith("stock"))
        await handle.execute_update(OrderWorkflow.hold_update, KIM)
        await skip(world, server, order, 20)
        assert world.storefront.orders[external_id].total == 80
        await handle.execute_update(OrderWorkflow.release_update, KIM)
        await world.until_told(order.key, "Edit carried into")
        world.erp.ship_all(order.key)
        assert (await handle.result()).outcome is Attention.CLOSED
    assert money_kept(world, order) == 60


@pytest.mark.parametrize("fault", ["lose_answer", "unavailable"])
async def test_the_rest_is_canceled_once_whatever_happens_to_the_call(
    world: World, server, external_id, fault
):
    stocked(world, TWO_WEEKS, short_of_caps(), payments=PaymentRules(capture=CaptureRule.AT_ORDER))
    getattr(world.faults, fault)("cancel_units", nth=1)
    order = order_of(external_id)
    async with at_their_pace(world, server):
        handle = await world.place(order)
        await world.until(order.key, lambda v: v.waiting_for.startswith("stock"))
        await skip(world, server, order, 15)
        await world.until_told(order.key, "Edit carried into")
        world.erp.ship_all(order.key)
        assert (await handle.result()).outcome is Attention.CLOSED
    refunds = [p for p in world.storefront.orders[external_id].payments if p.kind is PaymentKind.REFUND]
    assert [p.amount for p in refunds] == [20]


async def test_what_was_picked_meanwhile_is_a_case_and_not_canceled_twice(world: World, server, external_id):
    """Stock comes and is picked while nobody hears of it: the storefront has canceled, the ERP says no."""
    stocked(world, TWO_WEEKS, short_of_caps())
    order = order_of(external_id)
    async with at_their_pace(world, server):
        handle = await world.place(order)
        await world.until(order.key, lambda v: v.waiting_for.startswith("stock"))
        world.faults.unavailable("changes")
        world.erp.receive("WH-WEST", CAP, 2)
        world.erp.pick(order.key, "WH-WEST")
        await skip(world, server, order, 15)
        view = await world.until_stopped(order.key)
        assert view.problem is not None
        assert view.problem.cause.startswith("edit_refused")
        world.faults.lift("changes")
        world.erp.put_back(order.key, "WH-WEST")
        await handle.execute_update(OrderWorkflow.resubmit_update, KIM)
        await world.until_told(order.key, "Edit carried into")
        assert [line.current for line in world.storefront.orders[external_id].lines] == [2, 1]
        world.erp.ship_all(order.key)
        assert (await handle.result()).outcome is Attention.CLOSED
    assert left(world, order) == {"11": 2, "12": 1}


async def test_of_a_line_from_two_warehouses_what_is_in_hand_stays(world: World, server, external_id):
    """The storefront shortens the plan of the location planned last; the ERP has its units there."""
    stocked(world, TWO_WEEKS, {("WH-EAST", TEE): 1, ("WH-WEST", TEE): 5})
    lines = (make_line("11", TEE, 5, unit_price="20.00", tax_rates=()),)
    payments = (make_payment("100.00", payment_id="2"),)
    order = make_order(external_id, lines=lines, placement={"11": {"101": 3, "102": 2}}, payments=payments)
    async with at_their_pace(world, server):
        handle = await world.place(order)
        await world.until(order.key, lambda v: v.waiting_for.startswith("stock"))
        await skip(world, server, order, 15)
        await world.until_told(order.key, "Edit carried into")
        held = {s.warehouse: [p.quantity for p in s.lines] for s in world.erp.orders[order.key].shipments}
        assert held == {"WH-EAST": [1], "WH-WEST": [2]}
        world.erp.ship_all(order.key)
        assert (await handle.result()).outcome is Attention.CLOSED
    assert money_kept(world, order) == 60


async def asked(world: World, external_id: str) -> Order:
    order = order_of(external_id)
    await world.place(order)
    view = await world.until_stopped(order.key)
    assert view.problem is not None
    assert view.problem.cause == "backorder:shop:CAP-BLK"
    assert view.problem.reason.startswith("Not in stock: 2 units of CAP-BLK at WH-WEST.")
    assert {"wait_for_all", "ship_what_is_there", "cancel_rest", "cancel"} <= set(view.can_do)
    await until_waiting(world, "backorder:shop:CAP-BLK", 1)
    with pytest.raises(ValueError, match="is to leave complete"):
        world.erp.ship_all(order.key)
    return order


async def test_asked_a_person_lets_it_wait_and_is_not_asked_again(world: World, external_id):
    stocked(world, ASK, short_of_caps())
    async with world.working():
        order = await asked(world, external_id)
        handle = world.client.get_workflow_handle_for(OrderWorkflow.run, order.key.workflow_id)
        await handle.execute_update(OrderWorkflow.wait_for_all_update, KIM)
        view = await world.until(order.key, lambda v: v.waiting_for.startswith("stock"))
        assert view.problem is None
        world.erp.promise("WH-WEST", CAP, date(2026, 12, 1))
        await world.until(order.key, lambda v: "expected 2026-12-01" in v.waiting_for)
        with pytest.raises(ValueError, match="is to leave complete"):
            world.erp.ship_all(order.key)
        world.erp.receive("WH-WEST", CAP, 2)
        world.erp.ship_all(order.key)
        assert (await handle.result()).outcome is Attention.CLOSED


async def test_asked_a_person_sends_what_is_there(world: World, external_id):
    stocked(world, ASK, short_of_caps())
    async with world.working():
        order = await asked(world, external_id)
        handle = world.client.get_workflow_handle_for(OrderWorkflow.run, order.key.workflow_id)
        await handle.signal("ship_what_is_there", KIM)
        await world.until_told(order.key, "What is there may leave")
        world.erp.ship_all(order.key)
        await world.until(order.key, lambda v: v.status is OrderStatus.PARTLY_SHIPPED and v.problem is None)
        # More that turns out to be missing is another question.
        world.erp.receive("WH-WEST", CAP, 2)
        await world.until_told(order.key, "Nothing is on backorder any more.")
        world.erp.find_short(order.key, "WH-WEST", {"12": 1})
        await world.until_stopped(order.key)
        world.erp.receive("WH-WEST", CAP, 1)
        await world.until_told(order.key, "All of it is in stock now; the order goes on.")
        await until_waiting(world, "backorder:shop:CAP-BLK", 0)
        world.erp.ship_all(order.key)
        assert (await handle.result()).outcome is Attention.CLOSED
    assert left(world, order) == {"11": 2, "12": 3}


async def test_asked_a_person_cancels_the_rest(world: World, external_id):
    stocked(world, ASK, short_of_caps())
    async with world.working():
        order = await asked(world, external_id)
        handle = world.client.get_workflow_handle_for(OrderWorkflow.run, order.key.workflow_id)
        await handle.execute_update(OrderWorkflow.cancel_rest_update, KIM)
        await world.until_told(order.key, "Edit carried into")
        world.erp.ship_all(order.key)
        assert (await handle.result()).outcome is Attention.CLOSED
        assert "Kim: Canceled 2 units of CAP-BLK in the storefront" in await world.story(order.key)
    assert money_kept(world, order) == 60


async def test_what_makes_no_sense_is_refused_with_its_reason(world: World, external_id):
    stocked(world, BackorderRules(), short_of_caps(3))
    order = order_of(external_id)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        for update, words in (
            (OrderWorkflow.wait_for_all_update, "nobody was asked"),
            (OrderWorkflow.ship_what_is_there_update, "nothing of the order is on backorder"),
            (OrderWorkflow.cancel_rest_update, "nothing of the order is on backorder"),
        ):
            with pytest.raises(WorkflowUpdateFailedError) as refused:
                await handle.execute_update(update, KIM)
            assert words in str(refused.value.cause)
        world.erp.ship_all(order.key)
        await handle.result()


async def test_a_shortage_found_while_picking_goes_on_by_the_same_rule(world: World, server, external_id):
    stocked(world, TWO_WEEKS, short_of_caps(3))
    order = order_of(external_id)
    async with at_their_pace(world, server):
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        world.erp.pick(order.key, "WH-WEST")
        world.erp.find_short(order.key, "WH-WEST", {"12": 2})
        await world.until_told(order.key, "On backorder: 2 units of CAP-BLK at WH-WEST.")
        world.erp.ship_all(order.key)
        await world.until(order.key, lambda v: v.status is OrderStatus.PARTLY_SHIPPED)
        await skip(world, server, order, 15)
        assert (await handle.result()).outcome is Attention.CLOSED
    assert left(world, order) == {"11": 2, "12": 1}
    assert money_kept(world, order) == 60


async def test_stock_that_comes_in_goes_to_the_oldest_order_first(world: World, external_id):
    stocked(world, BackorderRules(), {("WH-WEST", CAP): 0})
    now = datetime.now(UTC)
    younger = order_of(f"{external_id}1", placed_at=now, tees=0, caps=2)
    older = order_of(f"{external_id}2", placed_at=now - timedelta(hours=1), tees=0, caps=2)
    async with world.working():
        handles = []
        for order in (younger, older):
            handles.append(await world.place(order))
            await world.until(order.key, lambda v: v.waiting_for.startswith("stock"))
        world.erp.receive("WH-WEST", CAP, 3)
        await world.until_told(older.key, "Nothing is on backorder any more.")
        view = await world.until_told(younger.key, "On backorder: 1 unit of CAP-BLK at WH-WEST.")
        assert [line.backordered for line in view.lines] == [1]
        world.erp.ship_all(older.key)
        assert (await handles[1].result()).outcome is Attention.CLOSED
        world.erp.receive("WH-WEST", CAP, 1)
        world.erp.ship_all(younger.key)
        assert (await handles[0].result()).outcome is Attention.CLOSED
