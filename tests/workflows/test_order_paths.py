"""The rarer turns of an order's life: messages that cross, clicks that come twice, runs that continue as new."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle
from temporalio.testing import WorkflowEnvironment

from adapters.memory.storefront import MemoryStorefront
from adapters.payloads import DATA_CONVERTER
from adapters.requests import CancelOutcome, FulfillmentRequest
from domain.erp_order import ErpOrder, ErpOrderState, SalesOrder
from domain.order import Fulfillment, Order, OrderKey
from sandbox.stack import find_temporal
from store.database import Database
from store.order_view import OrderViews
from tests.order_builder import make_order, sandbox_mapping
from tests.workflows.world import Gate, World
from workflows.desk import LONG_RUN
from workflows.messages import (
    Attention,
    CancelAsked,
    OperatorMessage,
    OrderResult,
    StorefrontChanged,
)
from workflows.order import OrderWorkflow
from workflows.search import ALL as SEARCH_ATTRIBUTES
from workflows.search import ERP_NUMBER, ORDER_STATE
from workflows.standing import ERP_FEED_ID

OrderHandle = WorkflowHandle[OrderWorkflow, OrderResult]


async def shown(handle: OrderHandle, attention: Attention) -> None:
    """Wait until the search attribute says so; fails where it never does."""
    for _ in range(50):
        found = (await handle.describe()).typed_search_attributes.get(ORDER_STATE)
        if found == attention.value:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"OrderState is {found!r}, not {attention.value!r}")


async def test_a_problem_found_while_waiting_is_shown_in_the_list_of_orders(world: World, external_id):
    order = make_order(external_id)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        world.erp.cancel_by_staff(order.key)
        await world.until_stopped(order.key)
        await shown(handle, Attention.NEEDS_ATTENTION)
        details = str(await handle.query("__temporal_workflow_metadata", result_type=dict))
        assert "The order was canceled in the ERP" in details
        assert (await handle.describe()).typed_search_attributes.get(ERP_NUMBER) == "SO-00001"


async def test_a_hold_while_waiting_and_its_release_are_shown_in_the_list_of_orders(
    world: World, external_id
):
    order = make_order(external_id)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        await handle.signal("hold")
        await shown(handle, Attention.ON_HOLD)
        await handle.signal("release")
        await shown(handle, Attention.WORKING)


async def test_a_hold_during_an_outage_is_shown_at_once(world: World, external_id):
    order = make_order(external_id)
    world.faults.unavailable("erp.*")
    async with world.working():
        handle = await world.place(order)
        await world.until(order.key, lambda v: "entering the order" in v.waiting_for)
        await handle.signal("hold")
        await shown(handle, Attention.ON_HOLD)


async def test_an_order_canceled_in_the_erp_still_needs_a_person_after_resubmit(world: World, external_id):
    order = make_order(external_id)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        world.erp.cancel_by_staff(order.key)
        await world.until_stopped(order.key)
        await handle.execute_update(OrderWorkflow.resubmit_update, OperatorMessage())
        again = await world.until_stopped(order.key)
        assert again.problem is not None
        assert again.problem.cause == "canceled_in_erp"


async def test_a_change_told_while_the_first_read_is_under_way_is_read_too(world: World, external_id):
    order, gate = make_order(external_id), Gate()

    class SlowStorefront(MemoryStorefront):
        async def read_order(self, external_id: str) -> Order:
            read = await super().read_order(external_id)
            if not gate.open.is_set():
                await gate.hold_back()
            return read

    world.replace_storefront(SlowStorefront(faults=world.faults))
    async with world.working():
        handle = await world.place(order)
        await gate.reached.wait()
        world.storefront.edit_quantity(external_id, "11", 1)
        await world.start(world.storefront.orders[external_id], "orders/edited")
        await handle.query(OrderWorkflow.status)
        gate.open.set()
        await world.until_in_erp(order.key)
    assert world.erp.orders[order.key].lines[0].quantity == 1


async def test_temporals_cancel_during_the_submission_leaves_nothing_in_the_erp(world: World, external_id):
    order, gate = make_order(external_id), Gate()

    class SlowErp(type(world.erp)):
        async def submit_order(self, order: SalesOrder) -> ErpOrder:
            if not gate.open.is_set():
                await gate.hold_back()
            return await super().submit_order(order)

    world.replace_erp(SlowErp(warehouses={"WH-EAST", "WH-WEST"}, faults=world.faults))
    async with world.working():
        handle = await world.place(order)
        await gate.reached.wait()
        await handle.cancel()
        await asyncio.sleep(0.5)
        gate.open.set()
        assert (await handle.result()).outcome is Attention.CANCELED
        await asyncio.sleep(0.5)
    held = world.erp.orders.get(order.key)
    assert held is None or held.state is ErpOrderState.CANCELED


async def test_temporals_cancel_during_a_report_does_not_report_twice(world: World, external_id):
    order, gate = make_order(external_id), Gate()

    class SlowStorefront(MemoryStorefront):
        async def create_fulfillment(self, request: FulfillmentRequest) -> Fulfillment:
            if not gate.open.is_set():
                await gate.hold_back()
            return await super().create_fulfillment(request)

    world.replace_storefront(SlowStorefront(faults=world.faults))
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        world.erp.ship_all(order.key)
        await gate.reached.wait()
        await handle.cancel()
        await world.until_told(order.key, "Asked to cancel; refused: 2 units have left the warehouse")
        gate.open.set()
        assert (await handle.result()).outcome is Attention.CLOSED
    assert [call.operation for call in world.storefront.calls].count("create_fulfillment") == 1


async def test_temporals_cancel_before_the_first_step_cancels_the_order(world: World, external_id):
    order = make_order(external_id)
    handle = await world.place(order)
    await handle.cancel()
    async with world.working():
        assert (await handle.result()).outcome is Attention.CANCELED
    assert (await world.storefront.read_order(external_id)).canceled_at is not None


async def test_a_cancel_under_way_survives_a_resubmit(world: World, external_id):
    order, gate = make_order(external_id), Gate()

    class SlowErp(type(world.erp)):
        async def cancel_order(self, key: OrderKey, reason: str) -> CancelOutcome:
            if not gate.open.is_set():
                await gate.hold_back()
            return await super().cancel_order(key, reason)

    world.replace_erp(SlowErp(warehouses={"WH-EAST", "WH-WEST"}, faults=world.faults))
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        world.faults.reject("amend_order", "the period is closed", nth=1)
        world.storefront.edit_quantity(external_id, "11", 1)
        await world.start(order, "orders/edited")
        await world.until_stopped(order.key)
        canceling = asyncio.create_task(
            handle.execute_update(OrderWorkflow.cancel_update, CancelAsked(actor="Kim"))
        )
        await gate.reached.wait()
        world.faults.reject("storefront.cancel_order", "a refund is pending", nth=1)
        await handle.execute_update(OrderWorkflow.resubmit_update, OperatorMessage(actor="Lou"))
        gate.open.set()
        answer = await canceling
        assert "a refund is pending" in answer.text
        await world.until_stopped(order.key)
        await handle.signal("resubmit")
        assert (await handle.result()).outcome is Attention.CANCELED


async def test_a_cancel_before_the_first_read_cancels_both_systems(world: World, external_id):
    order = make_order(external_id)
    world.faults.unavailable("read_order")
    async with world.working():
        handle = await world.place(order)
        await world.until(order.key, lambda v: v.waiting_for.startswith("reading"))
        canceling = asyncio.create_task(
            handle.execute_update(OrderWorkflow.cancel_update, CancelAsked(actor="Kim"))
        )
        await asyncio.sleep(0.3)
        world.faults.lift()
        assert (await canceling).done
        assert (await handle.result()).outcome is Attention.CANCELED
    assert order.key not in world.erp.orders


async def test_an_update_that_waits_is_answered_when_the_order_closes_first(world: World, external_id):
    order = make_order(external_id)
    world.faults.unavailable("close_order|erp.find_order")
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        await handle.signal("hold")
        world.erp.ship_all(order.key)
        await world.until(order.key, lambda v: v.lines[0].shipped == 2)
        await handle.signal("release")
        assert not (await world.view(order.key)).can_do.count("cancel")
        world.faults.lift()
        assert (await handle.result()).outcome is Attention.CLOSED


async def test_a_click_that_comes_twice_counts_once(world: World, external_id):
    order = make_order(external_id)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        for _ in range(2):
            await handle.signal("hold", OperatorMessage(message_id="click-1", actor="Kim"))
        await handle.signal("release", OperatorMessage(message_id="click-2", actor="Kim"))
        await handle.signal("hold", OperatorMessage(message_id="click-1", actor="Kim"))
        view = await world.until_told(order.key, "Kim: Released the order.")
    assert view.attention is Attention.WORKING


async def test_a_hint_that_is_older_than_our_reading_costs_no_second_one(world: World, external_id):
    order = make_order(external_id)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        old = datetime.now(UTC) - timedelta(hours=1)
        for message in (
            StorefrontChanged(message_id="old", topic="orders/edited", occurred_at=old),
            StorefrontChanged(message_id="again", topic="orders/create"),
        ):
            await handle.signal("storefront_changed", message)
        await handle.query(OrderWorkflow.status)
        await asyncio.sleep(0.3)
    assert [call.operation for call in world.storefront.calls].count("read_order") == 1


async def test_a_signal_in_a_form_nobody_agreed_on_does_no_harm(world: World, external_id):
    order = make_order(external_id)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        await handle.signal("hold", "not an object")
        world.erp.ship_all(order.key)
        assert (await handle.result()).outcome is Attention.CLOSED


@pytest.mark.parametrize("break_it", ["break_contract", "reject"])
async def test_the_feed_outlives_an_answer_it_cannot_read(world: World, external_id, break_it):
    order = make_order(external_id)
    if break_it == "reject":
        world.faults.reject("erp.changes", "the login may not read sales", nth=1)
    else:
        world.faults.break_contract("erp.changes", nth=1)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        world.erp.ship_all(order.key)
        async with asyncio.timeout(30):
            assert (await handle.result()).outcome is Attention.CLOSED
        feed = await world.client.get_workflow_handle(ERP_FEED_ID).describe()
    assert feed.status is WorkflowExecutionStatus.RUNNING


async def _renewed(handle: OrderHandle, first_run: str | None) -> str | None:
    """Send harmless messages until the order has continued as new."""
    for n in range(100):
        run = (await handle.describe()).run_id
        if run != first_run:
            return run
        await handle.signal(
            "storefront_changed", StorefrontChanged(message_id=f"n{n}", topic="orders/create")
        )
        await asyncio.sleep(0.02)
    raise AssertionError("the order never continued as new")


async def test_an_order_that_continues_as_new_forgets_nothing(tmp_path, external_id):
    server = await WorkflowEnvironment.start_local(
        dev_server_existing_path=find_temporal(),
        dev_server_extra_args=["--dynamic-config-value", "limit.historyCount.suggestContinueAsNew=15"],
        data_converter=DATA_CONVERTER,
        search_attributes=SEARCH_ATTRIBUTES,
    )
    database = Database(f"sqlite:///{tmp_path / 'orders.db'}")
    database.migrate()
    async with server:
        world = World(server.client, database, sandbox_mapping())
        order = make_order(external_id)
        world.faults.reject("read_order", "the token lacks read_orders", nth=1)
        async with world.working():
            handle = await world.place(order)
            first = (await handle.describe()).run_id
            await world.until_stopped(order.key)
            second = await _renewed(handle, first)
            await shown(handle, Attention.NEEDS_ATTENTION)
            stopped = await world.view(order.key)
            assert stopped.problem is not None
            assert "read_orders" in stopped.problem.reason
            await handle.signal("resubmit")
            await world.until_in_erp(order.key)
            row = OrderViews(database).get(order.key)
            assert row is not None
            assert (row.status, row.waiting_for) == ("submitted", "the warehouse")
            world.erp.ship(order.key, "WH-EAST", {"11": 1})
            await world.until_told(order.key, "1 unit left WH-EAST")
            await _renewed(handle, second)
            assert "1 unit left WH-EAST" in await world.story(order.key)
            world.erp.ship_all(order.key)
            result = await server.client.get_workflow_handle_for(
                OrderWorkflow.run, order.key.workflow_id
            ).result()
            assert result.outcome is Attention.CLOSED
            assert len(world.storefront.orders[external_id].fulfillments) == 2

            world.faults.reject("read_order", "the token lacks read_orders", nth=1)
            handle = await world.start(order, "orders/edited")
            late = (await handle.describe()).run_id
            await world.until_stopped(order.key)
            await _renewed(handle, late)
            await handle.signal("resubmit")
            renewed = server.client.get_workflow_handle_for(OrderWorkflow.run, order.key.workflow_id)
            ended = await renewed.result()
            assert ended.outcome is Attention.CLOSED
            assert "Ignored: the order is closed since" in await world.story(order.key)
    database.close()


async def test_no_run_of_an_order_with_much_to_it_grows_long(world: World, external_id):
    order, lengths = make_order(external_id), dict[str | None, int]()
    async with world.working():
        handle = await world.place(order)
        newest = world.client.get_workflow_handle(order.key.workflow_id)
        await world.until_in_erp(order.key)
        for number in range(25):
            before = reads(world, order)
            await world.start(order, f"orders/edited-{number}")
            await world.until(
                order.key,
                lambda view, n=before: reads(world, order) > n and "to ship the rest" in view.waiting_for,
            )
            run = await newest.describe()
            lengths[run.run_id] = run.history_length
        world.erp.ship_all(order.key)
        assert (await handle.result()).outcome is Attention.CLOSED
    assert 2 <= len(lengths) <= 3
    # A run ends where the order next waits. On a busy machine the next edit comes in before it does.
    assert max(lengths.values()) < 2 * LONG_RUN
    told = world.storefront.orders[external_id]
    assert len(told.fulfillments) == 1
    assert told.captured == order.total


def reads(world: World, order: Order) -> int:
    asked = [call for call in world.storefront.calls if call.operation == "read_order"]
    return sum(call.subject == order.key.external_id for call in asked)
