"""Edits of what a buyer gets in exchange, and of lines beside it: carried into the ERP once, in one balance."""

from decimal import Decimal

import pytest

from domain.exchanges import exchanged_lines
from domain.order import Order
from tests.workflows.returning import WINDOW, closes_balanced, deliver, ended, goods, refunds, with_rules
from tests.workflows.test_exchanges import MUG, bring_back, exchange
from tests.workflows.world import World
from workflows.order import OrderWorkflow

pytestmark = pytest.mark.usefixtures("days_pass_when_told")


async def exchanged(world: World, order: Order) -> str:
    """Two mugs of an order that was delivered came back for two others, which the ERP has; the line of those."""
    await deliver(world, order)
    return_id = await exchange(world, order, {"12": 2}, {MUG: 2})
    await bring_back(world, order, return_id, {"12": 2})
    await ended(world, order, return_id)
    await world.until(order.key, lambda _view: bool(world.erp.orders[order.key].exchanges))
    (line,) = exchanged_lines(world.storefront.orders[order.key.external_id])
    return line


async def lower(world: World, order: Order, line: str, units: int) -> None:
    world.storefront.edit_quantity(order.key.external_id, line, units)
    await world.start(order, f"orders/edited-{units}")


async def test_a_picked_exchange_is_amended_once_the_picking_is_undone_and_the_rest_given_back_once(
    world: World, server, external_id
):
    with_rules(world, WINDOW)
    order = goods(external_id)
    async with world.working():
        line = await exchanged(world, order)
        world.erp.pick(order.key)
        await lower(world, order, line, 1)
        view = await world.until(order.key, lambda v: v.problem is not None)
        assert view.problem is not None
        assert view.problem.cause == f"edit_refused:{order.key}"
        assert f"{MUG} 2 -> 1 units" in view.problem.reason
        assert {"accept", "resubmit"} <= set(view.can_do)
        world.erp.put_back(order.key)
        world.faults.lose_answer("amend_order", nth=1)
        handle = world.client.get_workflow_handle(order.key.workflow_id)
        await handle.signal("resubmit")
        await world.until_told(order.key, "Edit carried into")
        world.erp.ship_all(order.key)
        await closes_balanced(world, order, server)
        story = await world.story(order.key)
    told = world.storefront.orders[external_id]
    assert refunds(world, order) == order.total - told.total > 0
    assert f"USD {refunds(world, order)} given back to the buyer" in story
    (left,) = [x for x in world.erp.orders[order.key].lines if x.line_id == line]
    assert left.quantity == 1


async def test_an_exchange_that_is_taken_off_is_not_sent_and_its_money_goes_back(
    world: World, server, external_id
):
    with_rules(world, WINDOW)
    order = goods(external_id)
    async with world.working():
        line = await exchanged(world, order)
        world.faults.lose_answer("refund_order", nth=1)
        await lower(world, order, line, 0)
        await world.until_told(order.key, "Edit carried over: exchange SO-00001-X1 is canceled")
        await closes_balanced(world, order, server)
    held = world.erp.orders[order.key]
    assert held.exchanges == ()
    assert held.total == order.total
    (credit,) = held.returns
    assert refunds(world, order) == credit.total == order.total - world.storefront.orders[external_id].total
    assert credit.total > Decimal(0)


async def test_news_older_than_an_exchange_do_not_hide_an_edit_of_it(world: World, server, external_id):
    """The change feed may have read the ERP just before the exchange was entered, and be heard after it."""
    with_rules(world, WINDOW)
    order = goods(external_id)
    async with world.working():
        line = await exchanged(world, order)
        await world.until_told(order.key, "Exchange entered in the ERP")
        older = world.erp.orders[order.key].model_copy(update={"exchanges": ()})
        handle = world.client.get_workflow_handle(order.key.workflow_id)
        await handle.signal(OrderWorkflow.erp_changed, older)
        await lower(world, order, line, 1)
        await world.until_told(order.key, f"{MUG}: 2 -> 1 units")
        await world.until_told(order.key, "Edit carried into")
        world.erp.ship_all(order.key)
        await closes_balanced(world, order, server)
        story = await world.story(order.key)
    assert story.count("Exchange entered in the ERP") == 1


async def test_an_exchange_edited_while_nobody_carried_its_order_is_amended(
    world: World, server, external_id
):
    with_rules(world, WINDOW)
    order = goods(external_id)
    async with world.working():
        line = await exchanged(world, order)
        await world.until_told(order.key, "Exchange entered in the ERP")
        await world.client.get_workflow_handle(order.key.workflow_id).terminate(
            "somebody thinks that this helps"
        )
        await lower(world, order, line, 1)
        await world.until_told(order.key, "Edit carried into SO-00001-X1")
        assert "Entered in the ERP as SO-00001" in await world.story(order.key)
        world.erp.ship_all(order.key)
        await closes_balanced(world, order, server)
    (left,) = [x for x in world.erp.orders[order.key].lines if x.line_id == line]
    assert left.quantity == 1
    assert refunds(world, order) == order.total - world.storefront.orders[external_id].total > 0
