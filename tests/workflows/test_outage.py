"""An outage is boring: one probe for all, no history, no order lost, and the rest of the house goes on."""

import asyncio
from collections import Counter
from datetime import timedelta

from temporalio.client import WorkflowHandle

from activities.contracts import ERP_QUEUE
from activities.failures import PATIENCE
from adapters.errors import OutcomeUnknown
from domain.order import Order
from sandbox.billable import cost_of
from store.connections import Connections
from tests.order_builder import make_order
from tests.workflows.world import PACE, World
from workflows.messages import Attention, OrderResult
from workflows.order import OrderWorkflow

ORDERS = 30
OUTAGE_SECONDS = 6

OrderHandle = WorkflowHandle[OrderWorkflow, OrderResult]


async def metadata(handle: OrderHandle) -> str:
    """What the Temporal UI shows under current details."""
    return str(await handle.query("__temporal_workflow_metadata", result_type=dict))


async def connection_known(world: World, system: str, *, away: bool) -> None:
    async with asyncio.timeout(20):
        while True:
            known = await asyncio.to_thread(Connections(world.database).get, system)
            if known is not None and known.away is away:
                return
            await asyncio.sleep(0.05)


async def place_all(world: World, external_id: str, count: int) -> list[tuple[Order, OrderHandle]]:
    orders = [make_order(f"{external_id}{number:03d}") for number in range(count)]
    return [(order, await world.place(order)) for order in orders]


async def finish(world: World, placed: list[tuple[Order, OrderHandle]]) -> None:
    for order, _ in placed:
        await world.until_in_erp(order.key)
        world.erp.ship_all(order.key)
    results = await asyncio.gather(*(handle.result() for _, handle in placed))
    assert Counter(result.outcome for result in results) == {Attention.CLOSED: len(placed)}


async def events(handle: OrderHandle) -> int:
    return cost_of((await handle.fetch_history()).events).events


async def test_while_the_erp_is_away_one_probe_asks_for_all_and_orders_gain_no_history(
    world: World, external_id
):
    async with world.working():
        [usual] = await place_all(world, f"{external_id}1", 1)
        await finish(world, [usual])
        world.faults.unavailable("erp.*")
        await connection_known(world, "erp", away=True)  # the change feed finds out
        before = len(world.erp.calls)
        waiting = await place_all(world, f"{external_id}2", ORDERS)
        await asyncio.sleep(OUTAGE_SECONDS)
        during = Counter(call.operation for call in world.erp.calls[before:])
        assert set(during) <= {"ping"}, "an order or the feed called a system that is known to be away"
        assert 1 <= during["ping"] <= OUTAGE_SECONDS / PACE.probe + 2
        view = await world.view(waiting[0][0].key)
        assert (view.attention, view.waits_on) == (Attention.WORKING, "erp")
        assert "the ERP is away since" in await metadata(waiting[0][1])
        assert "is down (ordered by a test)" in await metadata(waiting[0][1])
        world.faults.lift()
        await finish(world, waiting)
        assert "is away" not in await metadata(waiting[0][1])
        floor = await events(usual[1])
        assert max([await events(handle) for _, handle in waiting]) <= floor + 2
    entered = Counter(call.subject for call in world.erp.calls if call.operation == "submit_order")
    assert {entered[str(order.key)] for order, _ in waiting} <= {1, 2}
    assert len(world.erp.orders) == ORDERS + 1


async def test_a_storefront_that_is_away_holds_up_its_own_calls_alone(world: World, external_id):
    order, other = make_order(f"{external_id}1"), make_order(f"{external_id}2")
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        world.faults.unavailable("storefront.*")
        late = await world.place(other)
        await connection_known(world, "shop", away=True)
        assert "the storefront shop is away since" in await metadata(late)
        world.erp.ship_all(order.key)
        # The ERP's news arrive all the same; only telling the storefront waits.
        await world.until(order.key, lambda v: v.lines[0].open == 0 and v.waits_on == "shop")
        world.faults.lift()
        await finish(world, [(other, late)])
        assert (await handle.result()).outcome is Attention.CLOSED


async def test_one_call_that_fails_again_and_again_while_its_system_answers_is_a_case(
    world: World, external_id
):
    """The server carries the count from try to try; what other calls meet does not matter."""
    world.faults.fail("erp.submit_order", lambda system, op: OutcomeUnknown(system, op, "HTTP 500"))
    async with world.working():
        order = make_order(external_id)
        await world.place(order)
        view = await world.until_stopped(order.key)
        assert f"failed {PATIENCE} times while it answers otherwise: HTTP 500" in str(view.problem)
        world.faults.lift()
        await world.client.get_workflow_handle(order.key.workflow_id).signal("resubmit")
        await world.until_in_erp(order.key)


async def test_a_retry_after_keeps_all_calls_back_for_just_that_long(world: World, external_id):
    wait = timedelta(seconds=2)
    world.faults.rate_limit("erp.submit_order", wait, nth=1)
    async with world.working():
        placed = await place_all(world, external_id, 5)
        await connection_known(world, "erp", away=True)
        calls = len(world.erp.calls)
        await asyncio.sleep(wait.total_seconds() * 0.6)
        assert len(world.erp.calls) == calls
        await finish(world, placed)


async def test_orders_go_before_shipments_and_the_feed_before_both(world: World, external_id):
    async with world.working():
        [(order, handle)] = await place_all(world, external_id, 1)
        await finish(world, [(order, handle)])
        feed = world.client.get_workflow_handle("erp-feed")
        scheduled = [
            event.activity_task_scheduled_event_attributes
            async for events_of in _histories(handle, feed)
            for event in events_of
            if event.HasField("activity_task_scheduled_event_attributes")
        ]
    keys = {
        item.activity_type.name: item.priority.priority_key
        for item in scheduled
        if item.task_queue.name == ERP_QUEUE
    }
    assert keys["follow_erp_changes"] < keys["submit_order"] < keys["close_order"]


async def _histories(*handles):
    for handle in handles:
        yield (await handle.fetch_history()).events
