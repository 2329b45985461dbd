"""Units are canceled of an order of which goods came back, also of the very line: both systems end alike."""

from collections import Counter
from collections.abc import Callable

import pytest
from temporalio.client import WorkflowUpdateFailedError

from domain.backorder_rules import BackorderRules
from domain.order import Order
from tests.workflows.returning import WINDOW, ask, ended, with_rules
from tests.workflows.test_backorders import CAP, KIM, order_of, short_of_caps, stocked
from tests.workflows.test_cancels import (
    MUG,
    TEE,
    balanced,
    cancel,
    in_the_erp,
    paid,
    two_places,
    units_in_erp,
)
from tests.workflows.test_exchanges import bring_back
from tests.workflows.world import World
from workflows.messages import Attention
from workflows.order import OrderWorkflow

pytestmark = pytest.mark.usefixtures("days_pass_when_told")


async def brought_back(world: World, order: Order, units: dict[str, int]) -> None:
    """A buyer sent back what had left, and got the money for it."""
    return_id = await ask(world, order, units)
    await bring_back(world, order, return_id, units)
    await ended(world, order, return_id)


async def two_sent_and_back(world: World, order: Order, back: int) -> None:
    """Two of three tees left from the east, of which some came back; what is in the west is still to leave."""
    world.erp.ship(order.key, "WH-EAST", {"11": 2}, tracking="T1")
    await world.until_told(order.key, "2 units left WH-EAST")
    await brought_back(world, order, {"11": back})


async def delivered(world: World, order: Order) -> dict[str, int]:
    """All is over but for the return window; returns what the buyer has kept, by line of the storefront."""
    await world.until_told(order.key, "Edit carried into")
    view = await world.until(order.key, lambda view: view.attention is Attention.DELIVERED)
    assert balanced(world, order)
    told = world.storefront.orders[order.key.external_id]
    left = Counter[str]()
    for fulfillment in told.fulfillments:
        left.update({part.line_id: part.quantity for part in fulfillment.lines})
    for line, state in zip(told.lines, view.lines, strict=True):
        assert state.shipped == left[line.line_id] == line.current + state.returned
        assert state.ordered == state.shipped + state.canceled
    return {line.line_id: line.current for line in told.lines}


@pytest.mark.parametrize("sold", [two_places, lambda key: paid(two_places(key))], ids=["authorized", "paid"])
async def test_what_has_not_left_is_canceled_after_a_return(
    world: World, external_id, sold: Callable[[str], Order]
):
    with_rules(world, WINDOW)
    order = sold(external_id)
    async with in_the_erp(world, order):
        await two_sent_and_back(world, order, 1)
        assert (await cancel(world, order)).done
        assert f"Asked to cancel 1 unit of {TEE}; 2 units of {MUG}" in await world.story(order.key)
        assert await delivered(world, order) == {"11": 1, "12": 0}
    assert units_in_erp(world, order) == {"11": 2}
    told = world.storefront.orders[external_id]
    assert told.captured == told.total


async def test_units_are_named_of_those_that_have_not_left_and_did_not_come_back(world: World, external_id):
    with_rules(world, WINDOW)
    order = two_places(external_id)
    async with in_the_erp(world, order):
        await two_sent_and_back(world, order, 2)
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await cancel(world, order, {TEE: 2})
        assert f"only 1 unit of {TEE} can be canceled" in str(refused.value.cause)
        world.faults.lose_answer("cancel_units", nth=1)
        assert (await cancel(world, order, {TEE: 1})).done
        await world.until_told(order.key, "Edit carried into")
        assert units_in_erp(world, order) == {"11": 2, "12": 2}
        world.erp.ship_all(order.key)
        assert await delivered(world, order) == {"11": 0, "12": 2}


async def test_an_order_whose_goods_all_came_back_is_not_canceled_with_its_rest(world: World, external_id):
    with_rules(world, WINDOW)
    order = two_places(external_id)
    async with in_the_erp(world, order):
        await two_sent_and_back(world, order, 2)
        assert (await cancel(world, order)).done
        assert await delivered(world, order) == {"11": 0, "12": 0}
    assert world.storefront.orders[external_id].canceled_at is None


async def test_the_rest_of_a_line_is_canceled_of_which_units_came_back(world: World, external_id):
    stocked(world, BackorderRules(), short_of_caps(2), returns=WINDOW)
    order = order_of(external_id, tees=0)
    async with in_the_erp(world, order) as handle:
        world.erp.ship_all(order.key)
        await world.until_told(order.key, "2 units left WH-WEST")
        await brought_back(world, order, {"12": 1})
        await handle.execute_update(OrderWorkflow.cancel_rest_update, KIM)
        assert await delivered(world, order) == {"12": 1}
        assert f"Canceled 1 unit of {CAP} in the storefront" in await world.story(order.key)
