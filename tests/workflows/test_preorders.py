"""Orders of goods that were sold ahead: nothing is allocated before their day, which may move; money by the rule."""

from datetime import UTC, datetime, timedelta

import pytest
from temporalio.testing import WorkflowEnvironment

from domain.order import Order
from domain.payment_rules import ExpiryRule, PaymentRules
from domain.preorders import PreorderCapture, PreorderRules
from store.order_view import OrderViews
from tests.order_builder import make_line, make_order, sandbox_mapping
from tests.workflows.world import World
from workflows.messages import Attention, CancelAsked
from workflows.order import OrderWorkflow

pytestmark = pytest.mark.usefixtures("days_pass_when_told")


TODAY = datetime.now(UTC)
"""Days are counted from here: each workflow has a clock of its own, which starts with the world's."""


def sold_ahead(world: World, external_id: str, days: int = 30) -> Order:
    """Two tees that may leave in so many days, and a mug that could leave now."""
    lines = (make_line("11"), make_line("12", "MUG-LOGO", 1))
    order = make_order(external_id, lines=lines, placement={"11": {"101": 2}, "12": {"102": 1}})
    world.storefront.place(order)
    at = TODAY + timedelta(days=days)
    first, *others = world.storefront.orders[external_id].location_plans
    plans = (first.model_copy(update={"not_before": at}), *others)
    return world.storefront.replace(order.model_copy(update={"location_plans": plans}))


async def skip(world: World, server: WorkflowEnvironment, order: Order, days: float) -> None:
    handle = world.client.get_workflow_handle(order.key.workflow_id)
    await server.fast_forward(handle, timedelta(days=days))


async def waits(world: World, order: Order) -> None:
    await world.until(order.key, lambda view: view.attention is Attention.AWAITING_RELEASE)


async def closes(world: World, order: Order) -> None:
    await world.until_in_erp(order.key)
    world.erp.ship_all(order.key)
    handle = world.client.get_workflow_handle_for(OrderWorkflow.run, order.key.workflow_id)
    assert (await handle.result()).outcome is Attention.CLOSED
    assert world.storefront.orders[order.key.external_id].captured == order.total


async def test_it_goes_to_the_erp_on_the_day_of_its_release(world: World, server, external_id):
    order = sold_ahead(world, external_id)
    async with world.working():
        await world.start(order)
        await waits(world, order)
        view = await world.view(order.key)
        assert view.waiting_for.startswith("the release: TEE-BLK-M is released on ")
        assert "cancel" in view.can_do
        row = OrderViews(world.database).get(order.key)
        assert row is not None
        assert row.waiting_for.startswith("its release at ")
        await skip(world, server, order, 29)
        assert world.erp.orders == {}
        await skip(world, server, order, 1.1)
        await closes(world, order)


async def test_its_day_moves_either_way(world: World, server, external_id):
    order = sold_ahead(world, external_id)
    async with world.working():
        await world.start(order)
        await waits(world, order)
        world.storefront.reschedule(external_id, TODAY + timedelta(days=60))
        await world.start(order, "orders/updated")
        await world.until_told(order.key, "The release has moved: ")
        await skip(world, server, order, 31)
        assert world.erp.orders == {}
        # Nobody tells of this one: it is found when the day that was known has come.
        world.storefront.reschedule(external_id, TODAY + timedelta(days=90))
        await skip(world, server, order, 30)
        await world.until_told(order.key, f"{TODAY + timedelta(days=90):%Y-%m-%d %H:%M} UTC")
        await waits(world, order)
        assert world.erp.orders == {}
        world.storefront.reschedule(external_id, None)
        await world.start(order, "orders/updated-2")
        await closes(world, order)


async def test_it_is_canceled_before_its_release(world: World, server, external_id):
    order = sold_ahead(world, external_id)
    async with world.working():
        handle = await world.start(order)
        await waits(world, order)
        world.storefront.cancel_by_customer(external_id)
        await world.start(order, "orders/cancelled")
        assert (await handle.result()).outcome is Attention.CANCELED
    assert world.erp.orders == {}
    assert world.storefront.orders[external_id].captured == 0


async def test_its_money_is_taken_at_once_where_the_rule_says_so(world: World, server, external_id):
    rules = PreorderRules(capture=PreorderCapture.AT_ORDER)
    world.replace_mapping(sandbox_mapping(preorders=rules))
    order = sold_ahead(world, external_id)
    async with world.working():
        await world.start(order)
        await world.until_told(order.key, "captured")
        await waits(world, order)
        assert world.storefront.orders[external_id].captured == order.total
        assert world.erp.orders == {}
        await skip(world, server, order, 31)
        await closes(world, order)


@pytest.mark.parametrize("rule", list(ExpiryRule))
async def test_an_authorization_that_expires_in_the_wait_is_taken_or_asked_about(
    world: World, server, external_id, rule
):
    world.replace_mapping(sandbox_mapping(payments=PaymentRules(on_expiry=rule)))
    order = sold_ahead(world, external_id)
    expiry = TODAY + timedelta(days=7)
    payment = order.payments[0].model_copy(update={"expires_at": expiry})
    world.storefront.replace(order.model_copy(update={"payments": (payment,)}))
    async with world.working():
        await world.start(order)
        await waits(world, order)
        await skip(world, server, order, 6.2)
        if rule is ExpiryRule.CASE:
            view = await world.until_stopped(order.key)
            assert view.problem is not None
            assert view.problem.cause == "authorization_expires:shop:shopify_payments"
            handle = world.client.get_workflow_handle_for(OrderWorkflow.run, order.key.workflow_id)
            await handle.execute_update(OrderWorkflow.cancel_update, CancelAsked(actor="Ada", reason="gone"))
            assert (await handle.result()).outcome is Attention.CANCELED
            return
        await world.until_told(order.key, "captured")
        await waits(world, order)
        assert world.storefront.orders[external_id].captured == order.total
        await skip(world, server, order, 25)
        await closes(world, order)


async def test_a_release_that_moves_once_the_erp_has_the_order_is_told(world: World, server, external_id):
    order = sold_ahead(world, external_id, days=0)
    async with world.working():
        await world.start(order)
        await world.until_in_erp(order.key)
        world.storefront.reschedule(external_id, TODAY + timedelta(days=9))
        await world.start(order, "orders/updated")
        await world.until_told(order.key, "The ERP has the order already")
        await world.start(order, "orders/updated-2")
        await closes(world, order)
        assert (await world.story(order.key)).count("The ERP has the order already") == 1
