"""The paths of orders that are canceled, or units of them, by whomever."""

from domain.erp_order import ErpShipmentState
from domain.status import OrderStatus
from tests.order_builder import make_order
from tests.replay.paths import delivered, entered, path, two_warehouses
from tests.workflows.world import World
from workflows.messages import CancelAsked, OperatorMessage
from workflows.order import OrderWorkflow


@path
async def cancel_by_signal(world: World, external_id: str) -> None:
    handle = await entered(world, make_order(external_id))
    await handle.signal("cancel")
    await handle.result()


@path
async def cancel_by_update(world: World, external_id: str) -> None:
    handle = await entered(world, make_order(external_id))
    await handle.execute_update(OrderWorkflow.cancel_update, CancelAsked(actor="Kim", reason="wish"))
    await handle.result()


@path
async def cancel_before_the_first_read(world: World, external_id: str) -> None:
    world.faults.unavailable("read_order", nth=1)
    handle = await world.place(make_order(external_id))
    await handle.signal("cancel")
    await handle.result()


@path
async def cancel_refused_by_the_erp(world: World, external_id: str) -> None:
    order = make_order(external_id)
    handle = await entered(world, order)
    world.erp.pick(order.key)
    await handle.execute_update(OrderWorkflow.cancel_update, CancelAsked())
    await delivered(world, handle, order.key)


@path
async def cancel_of_the_rest_after_a_shipment(world: World, external_id: str) -> None:
    order = two_warehouses(external_id)
    handle = await entered(world, order)
    world.erp.ship(order.key, "WH-EAST", {"11": 2})
    await world.until(order.key, lambda v: v.status is OrderStatus.PARTLY_SHIPPED)
    await handle.signal("cancel")
    await handle.result()


@path
async def cancel_of_units_that_are_picked_and_put_back(world: World, external_id: str) -> None:
    order = two_warehouses(external_id)
    handle = await entered(world, order)
    world.erp.pick(order.key, "WH-EAST")
    asked = CancelAsked(actor="Kim", reason="wish", lines={"11": 3})
    await handle.execute_update(OrderWorkflow.cancel_update, asked)
    await world.until_stopped(order.key)
    world.erp.put_back(order.key, "WH-EAST")
    await world.until(order.key, lambda v: v.problem is None and v.lines[0].due == 0)
    await world.until_told(order.key, "Edit carried into")
    await delivered(world, handle, order.key)


@path
async def cancel_in_the_storefront(world: World, external_id: str) -> None:
    order = make_order(external_id)
    handle = await entered(world, order)
    world.storefront.cancel_by_customer(external_id)
    await world.start(order, "orders/cancelled")
    await handle.result()


@path
async def cancel_in_the_storefront_refused_by_the_erp(world: World, external_id: str) -> None:
    order = make_order(external_id)
    handle = await entered(world, order)
    world.erp.pick(order.key)
    world.storefront.cancel_by_customer(external_id)
    await world.start(order, "orders/cancelled")
    await world.until_stopped(order.key)
    picked = world.erp.orders[order.key]
    waiting = {"state": ErpShipmentState.WAITING}
    put_back = tuple(s.model_copy(update=waiting) for s in picked.shipments)
    world.erp.keep(picked.model_copy(update={"shipments": put_back}))
    await handle.signal("resubmit")
    await handle.result()


@path
async def cancel_refused_by_the_storefront(world: World, external_id: str) -> None:
    order = make_order(external_id)
    handle = await entered(world, order)
    world.faults.reject("storefront.cancel_order", "a refund is pending", nth=1)
    await handle.signal("cancel")
    await world.until_stopped(order.key)
    await handle.signal("resubmit")
    await handle.result()


@path
async def units_given_up_in_the_erp_and_canceled(world: World, external_id: str) -> None:
    order = two_warehouses(external_id)
    handle = await entered(world, order)
    world.erp.ship(order.key, "WH-EAST", {"11": 2})
    await world.until(order.key, lambda v: v.status is OrderStatus.PARTLY_SHIPPED)
    world.erp.give_up(order.key, {"12": 1})
    await world.until_stopped(order.key)
    message = OperatorMessage(actor="Kim", reason="damaged")
    await handle.execute_update(OrderWorkflow.cancel_rest_update, message)
    await world.until_told(order.key, "Edit carried into")
    await delivered(world, handle, order.key)
