"""The paths of orders of which something comes back: each drives an order and its returns to their end."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from temporalio.service import RPCError

from domain.order import Order
from domain.return_rules import ApprovalRule, InspectionRule, ReturnRules
from domain.returns import Disposition
from tests.order_builder import make_order
from tests.replay.paths import delivered, entered, path, renewed, two_warehouses
from tests.workflows.world import World
from workflows.customer_return import ReturnWorkflow
from workflows.messages import CancelAsked, OperatorMessage, ReturnAsked
from workflows.order import OrderWorkflow
from workflows.return_messages import Inspection, ReturnView, return_workflow_id

ASKED: Final = OperatorMessage(actor="Ada", reason="worn")
RULES: Final[dict[str, ReturnRules]] = {
    "return-asked-about-and-declined": ReturnRules(approval=ApprovalRule.ASK),
    "return-agreed-to-and-judged-by-a-person": ReturnRules(
        approval=ApprovalRule.ASK, inspection=InspectionRule.ASK
    ),
    "return-window-open": ReturnRules(window_days=100),
}
"""Path -> how goods are taken back there; the others have the default."""


def page(world: World, order: Order, return_id: str) -> Any:
    """The workflow of a return."""
    return world.client.get_workflow_handle_for(ReturnWorkflow.run, return_workflow_id(order.key, return_id))


async def until(world: World, order: Order, return_id: str, what: Callable[[ReturnView], bool]) -> None:
    """Wait for a state of a return."""
    for _ in range(200):
        with suppress(RPCError):  # it has not begun yet
            if what(await page(world, order, return_id).query(ReturnWorkflow.status)):
                return
        await asyncio.sleep(0.1)
    raise AssertionError(await world.story(order.key))


async def half_shipped(world: World, external_id: str) -> tuple[Any, Order]:
    """One warehouse has sent its part, the other keeps the order open."""
    order = two_warehouses(external_id)
    handle = await entered(world, order)
    world.erp.ship(order.key, "WH-EAST", {"11": 2}, tracking="T1")
    await world.until_told(order.key, "2 units left WH-EAST")
    return handle, order


async def asked_for(world: World, order: Order) -> str:
    """The buyer asks for a return; its id."""
    asked = world.storefront.request_return(order.key.external_id, {"11": 1}, "too small")
    await world.start(order, "returns/request")
    return asked.returns[-1].return_id


def awaits_goods(view: ReturnView) -> bool:
    """The warehouse knows."""
    return "still to come" in view.waiting_for


async def half_shipped_and_refunded(world: World, external_id: str) -> tuple[Any, Order]:
    """A unit of what was sent came back, and its money went back."""
    handle, order = await half_shipped(world, external_id)
    return_id = await asked_for(world, order)
    await until(world, order, return_id, awaits_goods)
    world.erp.receive_return(order.key, return_id, {"11": 1})
    await page(world, order, return_id).result()
    await world.until_told(order.key, "refunded")
    return handle, order


@path
async def return_received_and_refunded(world: World, external_id: str) -> None:
    handle, order = await half_shipped_and_refunded(world, external_id)
    await delivered(world, handle, order.key)


@path
async def cancel_of_the_rest_of_a_line_of_which_units_came_back(world: World, external_id: str) -> None:
    handle, order = await half_shipped_and_refunded(world, external_id)
    await handle.execute_update(OrderWorkflow.cancel_update, CancelAsked(actor="Kim", lines={"11": 1}))
    await world.until_told(order.key, "Edit carried into")
    await delivered(world, handle, order.key)


@path
async def return_asked_about_and_declined(world: World, external_id: str) -> None:
    handle, order = await half_shipped(world, external_id)
    return_id = await asked_for(world, order)
    await world.until_stopped(order.key)
    await page(world, order, return_id).execute_update(ReturnWorkflow.end_update, ASKED)
    await world.until_told(order.key, "ended without goods")
    await delivered(world, handle, order.key)


@path
async def return_agreed_to_and_judged_by_a_person(world: World, external_id: str) -> None:
    handle, order = await half_shipped(world, external_id)
    return_id = await asked_for(world, order)
    await world.until_stopped(order.key)
    await page(world, order, return_id).execute_update(ReturnWorkflow.approve_update, ASKED)
    await until(world, order, return_id, awaits_goods)
    world.erp.receive_return(order.key, return_id, {"11": 1})
    await until(world, order, return_id, lambda view: "inspect" in view.can_do and view.problem is not None)
    verdict = Inspection(actor="Ada", lines={"11": {Disposition.REJECT: 1}})
    await page(world, order, return_id).execute_update(ReturnWorkflow.inspect_update, verdict)
    await world.until_told(order.key, "nothing was taken back")
    await delivered(world, handle, order.key)


@path
async def return_withdrawn_in_the_storefront(world: World, external_id: str) -> None:
    handle, order = await half_shipped(world, external_id)
    return_id = await asked_for(world, order)
    await until(world, order, return_id, awaits_goods)
    world.storefront.withdraw_return(external_id, return_id)
    await world.start(order, "returns/cancel")
    await world.until_told(order.key, "ended without goods")
    await delivered(world, handle, order.key)


@path
async def return_refused_then_resubmitted(world: World, external_id: str) -> None:
    handle, order = await half_shipped(world, external_id)
    return_id = await asked_for(world, order)
    await until(world, order, return_id, awaits_goods)
    world.erp.close_period()
    world.erp.receive_return(order.key, return_id, {"11": 1})
    await world.until_stopped(order.key)
    world.erp.open_period()
    await handle.execute_update(OrderWorkflow.resubmit_update, OperatorMessage(actor="Ada"))
    await world.until_told(order.key, "refunded")
    await delivered(world, handle, order.key)


async def half_shipped_and_its_refund_refused(world: World, external_id: str) -> tuple[Any, Order, str]:
    """A unit of what was sent came back and is credited; its refund stands before a person."""
    handle, order = await half_shipped(world, external_id)
    return_id = await asked_for(world, order)
    await until(world, order, return_id, awaits_goods)
    world.faults.reject("storefront.refund_order", "the payment provider refuses", nth=1)
    world.erp.receive_return(order.key, return_id, {"11": 1})
    await world.until_stopped(order.key)
    return handle, order, return_id


@path
async def return_whose_refund_was_sent_again(world: World, external_id: str) -> None:
    """Recorded before a stopped refund was worked out anew."""
    handle, order, _ = await half_shipped_and_its_refund_refused(world, external_id)
    await handle.execute_update(OrderWorkflow.resubmit_update, OperatorMessage(actor="Ada"))
    await world.until_told(order.key, "refunded")
    await delivered(world, handle, order.key)


@path
async def return_whose_refund_is_worked_out_anew(world: World, external_id: str) -> None:
    handle, order, return_id = await half_shipped_and_its_refund_refused(world, external_id)
    await page(world, order, return_id).execute_update(ReturnWorkflow.resubmit_update, ASKED)
    await world.until_told(order.key, "refunded")
    await delivered(world, handle, order.key)


@path
async def return_without_goods_by_an_operator(world: World, external_id: str) -> None:
    handle, order = await half_shipped(world, external_id)
    asked = ReturnAsked(actor="Ada", reason="lost", lines={"11": 1}, without_goods=True)
    await handle.execute_update(OrderWorkflow.return_update, asked)
    await world.until_told(order.key, "refunded")
    await delivered(world, handle, order.key)


@path
async def return_of_a_closed_order(world: World, external_id: str) -> None:
    order = make_order(external_id)
    handle = await entered(world, order)
    await delivered(world, handle, order.key)
    return_id = await asked_for(world, order)
    await until(world, order, return_id, awaits_goods)
    world.erp.receive_return(order.key, return_id, {"11": 1})
    await world.client.get_workflow_handle(order.key.workflow_id).result()


@path
async def return_named_by_its_message(world: World, external_id: str) -> None:
    handle, order = await half_shipped(world, external_id)
    asked = ReturnAsked(
        message_id="one-click", actor="Ada", reason="lost", lines={"11": 1}, without_goods=True
    )
    await handle.execute_update(OrderWorkflow.return_update, asked)
    await world.until_told(order.key, "refunded")
    await delivered(world, handle, order.key)


@path
async def return_window_open(world: World, external_id: str) -> None:
    order = make_order(external_id)
    await entered(world, order)
    world.erp.ship_all(order.key)
    await world.until_told(order.key, "open for returns until")


async def return_over_renewals(world: World, external_id: str) -> None:
    """The order continues as new while its return waits for goods, and the return while it waits."""
    handle, order = await half_shipped(world, external_id)
    return_id = await asked_for(world, order)
    await until(world, order, return_id, awaits_goods)
    now = (await world.client.get_workflow_handle(order.key.workflow_id).describe()).run_id
    await renewed(world, world.client.get_workflow_handle(order.key.workflow_id), now)
    world.erp.receive_return(order.key, return_id, {"11": 1})
    await world.until_told(order.key, "refunded")
    world.erp.ship_all(order.key)
    del handle
    await world.client.get_workflow_handle_for(OrderWorkflow.run, order.key.workflow_id).result()
