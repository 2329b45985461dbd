"""The paths that an order can take besides the straight one: each drives one order of a world to its end.

This and the shapes of ``sandbox.scenarios`` are the lists of what has to be recorded.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final

from domain.erp_order import ErpShipmentState
from domain.order import Order, OrderKey
from domain.status import OrderStatus
from sandbox.scenarios.catalogue import shapes
from tests.order_builder import make_line, make_order, make_shipping
from tests.workflows.world import World
from workflows.messages import CancelAsked, OperatorMessage, StorefrontChanged
from workflows.order import OrderWorkflow

Path = Callable[[World, str], Awaitable[None]]
PATHS: Final[dict[str, Path]] = {}
CONTINUED: Final = "continue-as-new"
"""Needs a server that suggests it early."""
RETURN_CONTINUED: Final = "return-over-renewals"
"""Likewise."""
FEED: Final = "erp-feed"
STOCK: Final = "stock"
"""The feed of stock, a pusher and a comparison, each until it has continued as new."""


def path(take: Path) -> Path:
    """Add a path to the list, by its function's name."""
    PATHS[take.__name__.replace("_", "-")] = take
    return take


def slug(name: str) -> str:
    """A scenario's name as a file's name."""
    return "shape-" + "-".join("".join(c if c.isalnum() else " " for c in name).lower().split())


def expected() -> set[str]:
    """Every name that must have been recorded."""
    return (
        {slug(scenario.name) for scenario in shapes()}
        | set(PATHS)
        | {CONTINUED, RETURN_CONTINUED, FEED, STOCK}
    )


def two_warehouses(external_id: str) -> Order:
    return make_order(
        external_id,
        lines=(make_line("11", ordered=3), make_line("12", "MUG-LOGO", ordered=2)),
        shipping=(make_shipping(),),
        placement={"11": {"101": 2, "102": 1}, "12": {"102": 2}},
    )


async def entered(world: World, order: Order) -> Any:
    """Place an order and see it into the ERP."""
    handle = await world.place(order)
    await world.until_in_erp(order.key)
    return handle


async def ship_in_two_parts(world: World, key: OrderKey) -> None:
    """Half of what waits at each warehouse, and once that is told to the storefront the rest."""
    sent = 0
    for shipment in world.erp.orders[key].shipments:
        half = {line.line_id: line.quantity // 2 for line in shipment.lines if line.quantity > 1}
        if not half and len(shipment.lines) > 1:
            half = {shipment.lines[0].line_id: shipment.lines[0].quantity}
        if half and shipment.state is ErpShipmentState.WAITING:
            world.erp.ship(key, shipment.warehouse, half, tracking=f"T-{shipment.number}")
            sent += sum(half.values())
    if sent:
        await world.until(
            key,
            lambda v: v.waiting_for.startswith("the warehouse") and sum(x.shipped for x in v.lines) >= sent,
        )
    world.erp.ship_all(key)


async def delivered(world: World, handle: Any, key: OrderKey) -> None:
    """Everything leaves; the order closes."""
    world.erp.ship_all(key)
    await handle.result()


@path
async def refused_then_resubmitted(world: World, external_id: str) -> None:
    order = make_order(external_id)
    world.erp.forbid_product("TEE-BLK-M")
    handle = await world.place(order)
    await world.until_stopped(order.key)
    world.erp.allow_product("TEE-BLK-M")
    await handle.signal("resubmit")
    await world.until_in_erp(order.key)
    await delivered(world, handle, order.key)


@path
async def unmapped_then_resubmitted(world: World, external_id: str) -> None:
    handle = await world.place(make_order(external_id, placement={"11": {"999": 2}}))
    order = make_order(external_id)
    await world.until_stopped(order.key)
    world.storefront.replace(order)
    await handle.execute_update(OrderWorkflow.resubmit_update, OperatorMessage(actor="Kim"))
    await world.until_in_erp(order.key)
    await delivered(world, handle, order.key)


@path
async def shipment_refused_then_resubmitted(world: World, external_id: str) -> None:
    order = make_order(external_id)
    handle = await entered(world, order)
    world.faults.reject("create_fulfillment", "the order is locked", nth=1)
    world.erp.ship_all(order.key)
    await world.until_stopped(order.key)
    await handle.signal("resubmit")
    await handle.result()


@path
async def hold_and_release_by_signal(world: World, external_id: str) -> None:
    order = make_order(external_id)
    handle = await entered(world, order)
    await handle.signal("hold")
    await world.until(order.key, lambda v: v.waiting_for.startswith("release"))
    world.erp.ship_all(order.key)
    await world.until(order.key, lambda v: v.lines[0].shipped == v.lines[0].ordered)
    await handle.signal("release")
    await handle.result()


@path
async def hold_and_release_by_update_before_submission(world: World, external_id: str) -> None:
    order = make_order(external_id)
    world.faults.unavailable("read_order", nth=1)
    handle = await world.place(order)
    await world.until(order.key, lambda v: v.waiting_for.startswith("reading"))
    await handle.execute_update(OrderWorkflow.hold_update, OperatorMessage(actor="Kim"))
    await world.until(order.key, lambda v: v.number == order.number)
    await handle.execute_update(OrderWorkflow.release_update, OperatorMessage(actor="Kim"))
    await world.until_in_erp(order.key)
    await delivered(world, handle, order.key)


@path
async def test_order_ignored(world: World, external_id: str) -> None:
    handle = await world.place(make_order(external_id, test=True))
    await handle.result()


@path
async def edit_before_submission(world: World, external_id: str) -> None:
    order = make_order(external_id)
    world.faults.reject("submit_order", "the period is closed", nth=1)
    handle = await world.place(order)
    await world.until_stopped(order.key)
    world.storefront.edit_quantity(external_id, "11", 1)
    await world.start(order, "orders/edited")
    await handle.signal("resubmit")
    await world.until_in_erp(order.key)
    await delivered(world, handle, order.key)


@path
async def edit_after_submission_then_canceled(world: World, external_id: str) -> None:
    order = make_order(external_id)
    handle = await entered(world, order)
    world.storefront.edit_quantity(external_id, "11", 1)
    await world.start(order, "orders/edited")
    await world.until_told(order.key, "Edit carried into")
    await handle.execute_update(OrderWorkflow.cancel_update, CancelAsked())
    await handle.result()


@path
async def edit_after_submission(world: World, external_id: str) -> None:
    order = two_warehouses(external_id)
    handle = await entered(world, order)
    world.storefront.edit_quantity(external_id, "11", 1)
    await world.start(order, "orders/edited")
    await world.until_told(order.key, "Edit carried into")
    await delivered(world, handle, order.key)


@path
async def edit_of_what_is_picked(world: World, external_id: str) -> None:
    order = make_order(external_id)
    handle = await entered(world, order)
    world.erp.pick(order.key)
    world.storefront.edit_quantity(external_id, "11", 1)
    await world.start(order, "orders/edited")
    await world.until_stopped(order.key)
    world.erp.put_back(order.key)
    await handle.signal("resubmit")
    await world.until_told(order.key, "Edit carried into")
    await delivered(world, handle, order.key)


@path
async def canceled_in_the_erp_alone(world: World, external_id: str) -> None:
    order = make_order(external_id)
    handle = await entered(world, order)
    world.erp.cancel_by_staff(order.key)
    await world.until_stopped(order.key)
    await handle.signal("resubmit")
    await world.until_told(order.key, "the order is read again")
    await world.until_stopped(order.key)
    await handle.signal("cancel")
    await handle.result()


@path
async def temporals_cancel_while_waiting(world: World, external_id: str) -> None:
    handle = await entered(world, make_order(external_id))
    await handle.cancel()
    await handle.result()


@path
async def temporals_cancel_during_the_submission(world: World, external_id: str) -> None:
    order = make_order(external_id)
    world.faults.unavailable("submit_order", nth=1)
    handle = await world.place(order)
    await world.until(order.key, lambda v: v.waiting_for.startswith("entering"))
    await handle.cancel()
    await handle.result()


@path
async def unbalanced_then_resubmitted(world: World, external_id: str) -> None:
    order = make_order(external_id)
    handle = await entered(world, order)
    right = world.erp.orders[order.key]
    wrong = {"total": right.total + 1}
    world.erp.keep(right.model_copy(update=wrong))
    world.erp.ship_all(order.key)
    await world.until_stopped(order.key)
    corrected = world.erp.orders[order.key].model_copy(update={"total": right.total})
    world.erp.keep(corrected)
    await handle.signal("resubmit")
    await handle.result()


@path
async def every_answer_lost_once(world: World, external_id: str) -> None:
    order = two_warehouses(external_id)
    for operation in ("read_order", "submit_order", "create_fulfillment", "capture_payment"):
        world.faults.lose_answer(operation, nth=1)
    handle = await entered(world, order)
    await delivered(world, handle, order.key)


@path
async def rate_limited_and_down(world: World, external_id: str) -> None:
    order = make_order(external_id)
    world.faults.rate_limit("read_order", timedelta(milliseconds=200), nth=1)
    world.faults.unavailable("submit_order", nth=1)
    world.faults.conflict("create_fulfillment", nth=1)
    handle = await entered(world, order)
    await delivered(world, handle, order.key)


@path
async def duplicates(world: World, external_id: str) -> None:
    order = make_order(external_id)
    handle = await world.place(order)
    for _ in range(3):
        await world.start(order)
    await world.until_in_erp(order.key)
    click = OperatorMessage(message_id="click-1", actor="Kim")
    for name in ("hold", "hold", "release", "hold"):
        await handle.signal(name, click if name == "hold" else OperatorMessage(message_id="click-2"))
    for _ in range(2):
        await world.start(order, "orders/paid")
    for _ in range(2):
        await handle.signal("erp_changed", world.erp.orders[order.key])
    await world.until_told(order.key, "Released the order")
    await delivered(world, handle, order.key)


@path
async def erp_changed_before_the_submission_is_answered(world: World, external_id: str) -> None:
    order = make_order(external_id)
    world.faults.lose_answer("submit_order", nth=1)
    handle = await world.place(order)
    for _ in range(200):
        if order.key in world.erp.orders:
            break
        await asyncio.sleep(0.02)
    world.erp.ship_all(order.key)
    await handle.signal("erp_changed", world.erp.orders[order.key])
    await handle.result()


@path
async def second_life_of_a_closed_order(world: World, external_id: str) -> None:
    order = make_order(external_id)
    handle = await entered(world, order)
    await delivered(world, handle, order.key)
    await (await world.start(order, "orders/edited")).result()


@path
async def change_told_during_the_first_read(world: World, external_id: str) -> None:
    order = make_order(external_id)
    world.faults.unavailable("read_order", nth=1)
    handle = await world.place(order)
    await world.until(order.key, lambda v: v.waiting_for.startswith("reading"))
    await world.start(order, "orders/edited")
    await world.until_in_erp(order.key)
    await delivered(world, handle, order.key)


async def continues_as_new(world: World, external_id: str) -> None:
    """Once with a problem before the first read, once half delivered."""
    order = two_warehouses(external_id)
    world.faults.reject("read_order", "the token lacks read_orders", nth=1)
    handle = await world.place(order)
    await world.until_stopped(order.key)
    run = await renewed(world, handle, handle.first_execution_run_id)
    await handle.signal("resubmit")
    await world.until_in_erp(order.key)
    world.erp.ship(order.key, "WH-EAST", {"11": 2}, tracking="T1")
    await world.until(order.key, lambda v: v.status is OrderStatus.PARTLY_SHIPPED)
    await renewed(world, handle, run)
    world.erp.ship_all(order.key)
    await world.client.get_workflow_handle_for(OrderWorkflow.run, order.key.workflow_id).result()


async def renewed(world: World, handle: Any, run: str | None) -> str:
    """Send harmless messages until the order has continued as new; returns the new run's id."""
    for n in range(200):
        now: str = (await handle.describe()).run_id
        if now != run:
            return now
        await handle.signal(
            "storefront_changed", StorefrontChanged(message_id=f"{run}-{n}", topic="orders/create")
        )
        await asyncio.sleep(0.02)
    raise AssertionError("the order never continued as new")
