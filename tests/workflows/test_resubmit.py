"""What an order looks at again when somebody says that the cause of its problem is mended."""

import asyncio

from domain.erp_order import ErpReturnState
from domain.order import ReturnStatus
from store.crosswalk import Crosswalk
from tests.order_builder import make_order
from tests.workflows.returning import WINDOW, ask, deliver, ended, goods, page, until, with_rules
from tests.workflows.world import World
from workflows.customer_return import ReturnWorkflow
from workflows.messages import Attention, OperatorMessage
from workflows.order import OrderWorkflow


async def test_an_edit_that_the_erp_refused_is_carried_over_once_the_cause_is_mended(
    world: World, external_id
):
    order = make_order(external_id)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        world.faults.reject("amend_order", "the period is closed", nth=1)
        world.storefront.edit_quantity(external_id, "11", 1)
        await world.start(order, "orders/edited")
        stopped = await world.until_stopped(order.key)
        assert stopped.problem is not None
        assert "the period is closed" in stopped.problem.reason
        assert world.erp.orders[order.key].total == order.total
        await handle.execute_update(OrderWorkflow.resubmit_update, OperatorMessage())
        await world.until_told(order.key, "Edit carried into")
        assert world.erp.orders[order.key].total == world.storefront.orders[external_id].total


async def test_a_fulfillment_that_staff_canceled_before_its_money_was_taken_is_made_anew(
    world: World, external_id
):
    order = make_order(external_id)
    world.faults.reject("capture_payment", "the authorization has expired", nth=1)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        before = await world.storefront.read_order(external_id)
        world.erp.ship_all(order.key)
        await world.until_stopped(order.key)
        (canceled,) = (await world.storefront.read_order(external_id)).fulfillments
        world.storefront.replace(before)
        await handle.signal("resubmit")
        assert (await handle.result()).outcome is Attention.CLOSED
    (shown,) = (await world.storefront.read_order(external_id)).fulfillments
    assert shown.fulfillment_id != canceled.fulfillment_id
    canonical_id = f"{order.key}/{world.erp.orders[order.key].shipments[0].shipment_id}"
    crosswalk = Crosswalk(world.database)
    assert crosswalk.external_id("shipment", canonical_id, order.key.channel) == shown.fulfillment_id


async def test_a_shipment_whose_capture_is_refused_is_told_once_though_its_tracking_number_changes(
    world: World, external_id
):
    order = make_order(external_id)
    world.faults.reject("capture_payment", "the authorization has expired", nth=1)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        shipment = world.erp.ship(order.key, "WH-EAST", {"11": 2}, tracking="WRONG")
        await world.until_stopped(order.key)
        corrected = shipment.model_copy(update={"tracking_number": "RIGHT"})
        held = world.erp.orders[order.key]
        world.erp.keep(held.model_copy(update={"shipments": (corrected,)}))
        await asyncio.sleep(0.3)
        await handle.signal("resubmit")
        assert (await handle.result()).outcome is Attention.CLOSED
    assert len((await world.storefront.read_order(external_id)).fulfillments) == 1


async def test_a_return_that_the_erp_refused_to_end_ends_once_the_cause_is_mended(
    world: World, server, external_id
):
    with_rules(world, WINDOW)
    order = goods(external_id)
    with server.with_time_skipping_disabled():
        async with world.working():
            await deliver(world, order)
            return_id = await ask(world, order, {"11": 1})
            await until(world, order, return_id, "still to come")
            world.faults.reject("cancel_return", "shut for stocktaking", nth=1)
            keeps_it = OperatorMessage(actor="Ada", reason="the buyer keeps it")
            answer = await page(world, order, return_id).execute_update(ReturnWorkflow.end_update, keeps_it)
            assert not answer.done
            await world.until_stopped(order.key)
            handle = world.client.get_workflow_handle(order.key.workflow_id)
            await handle.execute_update(OrderWorkflow.resubmit_update, OperatorMessage())
            assert "the buyer keeps it" in (await ended(world, order, return_id)).text
    assert world.erp.orders[order.key].returns[0].state is ErpReturnState.CANCELED
    assert world.storefront.orders[external_id].returns[0].status is ReturnStatus.CANCELED
