"""The ERP's people give up units of an order: a person is asked, and both systems end alike."""

import asyncio

import pytest

from domain.cases import GIVEN_UP
from domain.erp_order import ErpOrderState
from domain.order import Order
from store.audit import Audit
from store.cases import Cases
from store.order_view import OrderViews
from tests.workflows.returning import WINDOW, ask, ended, with_rules
from tests.workflows.test_cancels import MUG, TEE, balanced, in_the_erp, paid, two_places, units_in_erp
from tests.workflows.test_exchanges import bring_back
from tests.workflows.world import World
from workflows.messages import Attention, OperatorMessage, OrderView
from workflows.order import OrderWorkflow

pytestmark = pytest.mark.usefixtures("days_pass_when_told")
ADA = OperatorMessage(actor="Ada", reason="damaged")


async def asked(world: World, order: Order) -> OrderView:
    """A person is asked what is to become of it, and the case says so."""
    view = await world.until(order.key, lambda view: view.problem is not None and view.problem.in_case)
    assert view.problem is not None
    assert view.problem.cause == f"{GIVEN_UP}:{order.key}"
    return view


def times_reported(world: World, order: Order) -> int:
    return sum(act.action == "report_problem" for act in Audit(world.database).for_order(order.key))


@pytest.mark.parametrize("left", [True, False], ids=["after a parcel", "before any"])
async def test_what_was_given_up_is_canceled_in_both_systems_once_a_person_says_so(
    world: World, external_id, left
):
    order = paid(two_places(external_id))
    async with in_the_erp(world, order) as handle:
        if left:
            world.erp.ship(order.key, "WH-EAST", {"11": 2}, tracking="T1")
            await world.until_told(order.key, "2 units left WH-EAST")
        world.erp.give_up(order.key, {"11": 1})
        view = await asked(world, order)
        assert view.problem is not None
        assert f"does not send 1 unit of {TEE} any more" in view.problem.reason
        tees = view.lines[0]
        assert (tees.given_up, tees.backordered, tees.unallocated) == (1, 0, 0)
        assert "1 given up by the ERP" in view.sentence
        assert {"cancel_rest", "resubmit"} <= set(view.can_do)
        (case,) = Cases(world.database).of_order(order.key)
        assert "sent after all" in case.guide.fix
        await handle.execute_update(OrderWorkflow.cancel_rest_update, ADA)
        await world.until_told(order.key, "Edit carried into")
        assert units_in_erp(world, order) == {"11": 2, "12": 2}
        assert not world.erp.orders[order.key].given_up
        assert f"Asked to cancel 1 unit of {TEE}: damaged." in await world.story(order.key)
        world.erp.ship_all(order.key)
        assert (await handle.result()).outcome is Attention.CLOSED
        await world.until_in_no_case(order.key)
    assert [line.current for line in world.storefront.orders[external_id].lines] == [2, 2]
    assert balanced(world, order)


async def test_what_is_sent_after_all_takes_the_order_on_by_itself(world: World, external_id):
    order = two_places(external_id)
    async with in_the_erp(world, order) as handle:
        world.erp.give_up(order.key, {"12": 2})
        await asked(world, order)
        # A webhook that is no answer leaves the question where people see it.
        await world.start(order, "orders/updated")
        # The reading takes it off the row; it is to be written there once more.
        await world.until(order.key, lambda _view: times_reported(world, order) == 2)
        row = OrderViews(world.database).get(order.key)
        assert row is not None
        assert "gave that up" in row.problem
        await asked(world, order)
        world.erp.send_after_all(order.key)
        await world.until_told(order.key, "Nothing of it is given up any more; the order goes on.")
        world.erp.ship_all(order.key)
        assert (await handle.result()).outcome is Attention.CLOSED
        await world.until_in_no_case(order.key)
    assert balanced(world, order)


async def test_units_that_the_storefront_takes_off_itself_are_the_answer(world: World, external_id):
    order = two_places(external_id)
    async with in_the_erp(world, order) as handle:
        world.erp.give_up(order.key, {"12": 1})
        await asked(world, order)
        world.storefront.edit_quantity(external_id, "12", 1)
        await world.start(order, "orders/edited")
        await world.until_told(order.key, "Edit carried into")
        assert units_in_erp(world, order) == {"11": 3, "12": 1}
        world.erp.ship_all(order.key)
        assert (await handle.result()).outcome is Attention.CLOSED
        await world.until_in_no_case(order.key)
    assert balanced(world, order)


async def test_a_parcel_that_leaves_meanwhile_is_told_and_the_question_stays(world: World, external_id):
    order = two_places(external_id)
    async with in_the_erp(world, order) as handle:
        world.erp.give_up(order.key, {"12": 2})
        await asked(world, order)
        world.erp.ship(order.key, "WH-EAST", {"11": 2}, tracking="T1")
        await world.until_told(order.key, "2 units left WH-EAST")
        await asked(world, order)
        world.erp.give_up(order.key, {"11": 1})
        reason = f"1 unit of {TEE} and 2 units of {MUG}"
        await world.until(order.key, lambda view: view.problem is not None and reason in view.problem.reason)
        await asked(world, order)
        await handle.execute_update(OrderWorkflow.cancel_rest_update, ADA)
        assert (await handle.result()).outcome is Attention.CLOSED
    assert [line.current for line in world.storefront.orders[external_id].lines] == [2, 0]
    assert balanced(world, order)


@pytest.mark.parametrize("line", ["11", "12"])
async def test_what_was_given_up_is_canceled_also_after_goods_came_back(world: World, external_id, line):
    with_rules(world, WINDOW)
    order = two_places(external_id)
    async with in_the_erp(world, order) as handle:
        world.erp.ship(order.key, "WH-EAST", {"11": 2}, tracking="T1")
        await world.until_told(order.key, "2 units left WH-EAST")
        return_id = await ask(world, order, {"11": 1})
        await bring_back(world, order, return_id, {"11": 1})
        await ended(world, order, return_id)
        world.erp.give_up(order.key, {line: 1})
        await asked(world, order)
        await handle.execute_update(OrderWorkflow.cancel_rest_update, ADA)
        await world.until_told(order.key, "Edit carried into")
        assert not world.erp.orders[order.key].given_up
        world.erp.ship_all(order.key)
        await world.until(order.key, lambda view: view.attention is Attention.DELIVERED)
        await world.until_in_no_case(order.key)
    assert balanced(world, order)


async def test_where_all_of_it_was_given_up_the_order_is_canceled(world: World, external_id):
    order = paid(two_places(external_id))
    async with in_the_erp(world, order) as handle:
        world.erp.give_up(order.key, {"11": 3, "12": 2})
        await asked(world, order)
        await handle.execute_update(OrderWorkflow.cancel_rest_update, ADA)
        assert (await handle.result()).outcome is Attention.CANCELED
    assert world.storefront.orders[external_id].canceled_at is not None
    assert world.erp.orders[order.key].state is ErpOrderState.CANCELED


async def test_an_edit_that_is_read_while_a_person_says_to_go_on_is_carried_over(world: World, external_id):
    order = paid(two_places(external_id))
    async with in_the_erp(world, order) as handle:
        world.erp.give_up(order.key, {"11": 1})
        await asked(world, order)
        world.faults.unavailable("storefront.read_order")
        world.storefront.edit_quantity(external_id, "12", 1)
        await world.start(order, "orders/edited")
        for _ in range(100):
            if (await handle.describe()).raw_description.pending_activities:
                break
            await asyncio.sleep(0.05)
        await handle.signal("resubmit")
        world.faults.lift()
        await world.until_told(order.key, "Edit carried into")
        assert "do not agree" not in await world.story(order.key)
        await asked(world, order)
