"""Tips, duties and fees through a whole order: taken with parcels, given back with goods, a case where unmapped."""

import asyncio
from decimal import Decimal

import pytest
from temporalio.testing import WorkflowEnvironment

from domain.order import Order
from domain.return_rules import ReturnRules
from store.cases import Cases
from tests.order_builder import (
    US_TAXES,
    make_charge,
    make_line,
    make_order,
    make_tip,
    sandbox_mapping,
)
from tests.workflows.test_returns import ask, closes_balanced, ended, page, refunds, until
from tests.workflows.world import World
from workflows.messages import Attention, OperatorMessage, ReturnAsked
from workflows.order import OrderWorkflow

pytestmark = pytest.mark.usefixtures("days_pass_when_told")


def charged(external_id: str) -> Order:
    """Three tees at 10.00 with a duty of 2.00, a mug from elsewhere, a fee of 1.50, a tip of 5.00."""
    duty = make_charge("2.00", "d", tax_rates=US_TAXES)
    lines = (
        make_line("11", ordered=3, unit_price="10.00", duties=(duty,)),
        make_line("12", "MUG-LOGO", ordered=1, unit_price="9.00", tax_rates=()),
        make_tip("5.00"),
    )
    fees = (make_charge("1.50", "f", title="Packaging"),)
    return make_order(external_id, lines=lines, fees=fees, placement={"12": {"102": 1}})


async def test_they_are_taken_with_the_parcels_and_a_duty_goes_back_with_its_goods(
    world: World, server: WorkflowEnvironment, external_id: str
):
    world.replace_mapping(sandbox_mapping(returns=ReturnRules(window_days=100)))
    order = charged(external_id)
    async with world.working():
        await world.place(order)
        await world.until_in_erp(order.key)
        world.erp.ship(order.key, "WH-EAST", {"11": 1})
        # A tee 10.78, its part of the duty 0.72, fee and tip.
        await world.until_told(order.key, "USD 18.00 captured so far")
        world.erp.ship_all(order.key)
        await world.until(order.key, lambda view: view.attention is Attention.DELIVERED)
        assert world.storefront.orders[external_id].captured == order.total
        return_id = await ask(world, order, {"11": 2})
        await until(world, order, return_id, "still to come")
        world.erp.receive_return(order.key, return_id, {"11": 2})
        await ended(world, order, return_id)
        # Two of three tees with 1.55 of tax, 1.33 of the duty with 0.10.
        assert refunds(world, order) == Decimal("22.99")
        await closes_balanced(world, order, server)


async def test_a_tip_goes_back_where_an_operator_asks_for_it_and_for_nothing_else(
    world: World, server: WorkflowEnvironment, external_id: str
):
    world.replace_mapping(sandbox_mapping(returns=ReturnRules(window_days=100)))
    order = charged(external_id)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        world.erp.ship_all(order.key)
        await world.until(order.key, lambda view: view.attention is Attention.DELIVERED)
        with pytest.raises(Exception) as caught:
            await handle.execute_update(
                OrderWorkflow.return_update, ReturnAsked(actor="Ada", reason="rude", lines={"19": 1})
            )
        assert "Tip needs no shipping" in str(caught.value.__cause__)
        await handle.execute_update(
            OrderWorkflow.return_update,
            ReturnAsked(actor="Ada", reason="rude", lines={"19": 1}, without_goods=True),
        )
        view = await world.until(order.key, lambda v: bool(v.returns))
        (return_id,) = view.returns
        await ended(world, order, return_id)
        assert refunds(world, order) == Decimal("5.00")
        # The storefront tells of the refund by a webhook as well: it is no edit.
        await world.start(order, "refunds/create")
        await asyncio.sleep(0.5)
        assert "Edited" not in await world.story(order.key)
        await closes_balanced(world, order, server)
    assert await page(world, order, return_id).result()


async def test_an_unmapped_tip_stops_the_order_in_a_case_that_an_entry_solves(world: World, external_id: str):
    whole = sandbox_mapping()
    world.replace_mapping(whole.model_copy(update={"charges": {"duty": "DUTY", "fee": "SURCHARGE"}}))
    order = charged(external_id)
    async with world.working():
        await world.place(order)
        view = await world.until_stopped(order.key)
        assert view.problem is not None
        assert "no entry for 'tip' in [charges]" in view.problem.reason
        (case,) = Cases(world.database).of_order(order.key)
        assert case.cause == "unmapped:charges:tip"
    assert world.erp.orders == {}
    world.replace_mapping(whole)
    async with world.working():
        handle = world.client.get_workflow_handle_for(OrderWorkflow.run, order.key.workflow_id)
        await handle.execute_update(OrderWorkflow.resubmit_update, OperatorMessage(actor="Ada"))
        await world.until_in_erp(order.key)
    assert world.erp.orders[order.key].total == order.total
