"""What the tests of returns and exchanges share: an order that was delivered, and the pages of its returns."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal

from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from domain.order import Order, PaymentKind
from domain.return_rules import ReturnRules
from tests.order_builder import make_line, make_order, sandbox_mapping
from tests.workflows.world import World
from workflows.customer_return import ReturnWorkflow
from workflows.messages import Attention
from workflows.order import OrderWorkflow
from workflows.return_messages import ReturnResult, ReturnView, return_workflow_id

WINDOW = ReturnRules(window_days=100)


def with_rules(world: World, rules: ReturnRules) -> None:
    world.replace_mapping(sandbox_mapping().model_copy(update={"returns": rules}))


def goods(external_id: str) -> Order:
    lines = [make_line("11", ordered=3, unit_price="19.99"), make_line("12", "MUG-LOGO", ordered=2)]
    return make_order(external_id, lines=lines, placement={"11": {"101": 3}, "12": {"102": 2}})


async def deliver(world: World, order: Order) -> None:
    """The order is placed, shipped whole and proven balanced; it stays open for returns."""
    await world.place(order)
    await world.until_in_erp(order.key)
    world.erp.ship_all(order.key)
    await world.until(order.key, lambda view: view.attention is Attention.DELIVERED)


async def ask(world: World, order: Order, units: dict[str, int]) -> str:
    """The buyer asks in the storefront; returns the id of the return."""
    asked = world.storefront.request_return(order.key.external_id, units, "too small")
    await world.start(order, f"returns/request-{len(asked.returns)}")
    return asked.returns[-1].return_id


def page(world: World, order: Order, return_id: str):
    return world.client.get_workflow_handle_for(ReturnWorkflow.run, return_workflow_id(order.key, return_id))


async def until(world: World, order: Order, return_id: str, words: str) -> ReturnView:
    """Wait until the return waits for, or says, these words."""
    view = None
    for _ in range(200):
        with suppress(RPCError):  # it has not begun yet
            view = await page(world, order, return_id).query(ReturnWorkflow.status)
        if view is not None and (words in view.sentence or words in view.waiting_for):
            return view
        await asyncio.sleep(0.1)
    raise AssertionError(f"{view}\n{await story(world, order, return_id)}")


async def story(world: World, order: Order, return_id: str) -> str:
    entries = await page(world, order, return_id).query(ReturnWorkflow.timeline)
    return "\n".join(f"{entry.actor}: {entry.text}" for entry in entries)


async def ended(world: World, order: Order, return_id: str) -> ReturnResult:
    """How the return ended; fails with its story where it does not."""
    try:
        async with asyncio.timeout(20):
            return await page(world, order, return_id).result()
    except TimeoutError:
        raise AssertionError(await story(world, order, return_id)) from None


def refunds(world: World, order: Order) -> Decimal:
    told = world.storefront.orders[order.key.external_id]
    return sum((p.amount for p in told.payments if p.kind is PaymentKind.REFUND), Decimal(0))


async def closes_balanced(world: World, order: Order, server: WorkflowEnvironment | None = None) -> None:
    """After the return window; captured less refunded is what the buyer has, and the ERP credited as much."""
    handle = world.client.get_workflow_handle_for(OrderWorkflow.run, order.key.workflow_id)
    if server is not None:
        await world.until(order.key, lambda view: view.attention is Attention.DELIVERED)
        await server.fast_forward(handle, timedelta(days=101))
    try:
        async with asyncio.timeout(20):
            assert (await handle.result()).outcome is Attention.CLOSED
    except TimeoutError:
        raise AssertionError(await world.story(order.key)) from None
    told, held = world.storefront.orders[order.key.external_id], world.erp.orders[order.key]
    credit = sum((each.total for each in held.returns), Decimal(0))
    fees = sum((each.fee for each in held.returns), Decimal(0))
    assert told.captured == told.total + fees == held.total - credit
