"""What a return gives back: fees, several payments, money without goods, and what was not captured yet."""

from decimal import Decimal

import pytest
from temporalio.client import WorkflowUpdateFailedError

from domain.order import PaymentKind
from domain.return_rules import ReturnRules
from tests.order_builder import make_line, make_order, make_payment
from tests.workflows.returning import (
    WINDOW,
    ask,
    closes_balanced,
    deliver,
    ended,
    goods,
    refunds,
    until,
    with_rules,
)
from tests.workflows.world import World
from workflows.messages import OperatorMessage, ReturnAsked
from workflows.order import OrderWorkflow

pytestmark = pytest.mark.usefixtures("days_pass_when_told")

ASKED = OperatorMessage(actor="Ada", reason="the buyer called")


async def test_a_fee_is_held_back_credited_less_and_named(world: World, server, external_id):
    rules = ReturnRules(window_days=100, fee_percent=Decimal(10), fee_product="RESTOCKING-FEE")
    with_rules(world, rules)
    order = goods(external_id)
    async with world.working():
        await deliver(world, order)
        return_id = await ask(world, order, {"11": 1})
        await until(world, order, return_id, "still to come")
        world.erp.receive_return(order.key, return_id, {"11": 1})
        await ended(world, order, return_id)
        await closes_balanced(world, order, server)
    held = world.erp.orders[order.key].returns[0]
    assert held.fee > 0
    assert refunds(world, order) == held.total


async def test_money_goes_back_to_all_payments_in_proportion(world: World, server, external_id):
    with_rules(world, WINDOW)
    lines = (make_line(ordered=4, unit_price="25.00", tax_rates=()),)
    gift = make_payment("30.00", PaymentKind.SALE, payment_id="1", gateway="gift_card")
    card = make_payment("70.00", payment_id="2")
    order = make_order(external_id, lines=lines, payments=(gift, card))
    async with world.working():
        await deliver(world, order)
        return_id = await ask(world, order, {"11": 2})
        await until(world, order, return_id, "still to come")
        world.erp.receive_return(order.key, return_id, {"11": 2})
        await ended(world, order, return_id)
        await closes_balanced(world, order, server)
    told = world.storefront.orders[external_id]
    back = sorted((p.gateway, str(p.amount)) for p in told.payments if p.kind is PaymentKind.REFUND)
    assert back == [("gift_card", "15.00"), ("shopify_payments", "35.00")]


async def test_an_operator_refunds_without_goods(world: World, server, external_id):
    with_rules(world, WINDOW)
    order = goods(external_id)
    async with world.working():
        await deliver(world, order)
        handle = world.client.get_workflow_handle(order.key.workflow_id)
        asked = ReturnAsked(actor="Ada", reason="lost in the post", lines={"MUG-LOGO": 1}, without_goods=True)
        await handle.execute_update(OrderWorkflow.return_update, asked)
        await world.until_told(order.key, "1 unit of MUG-LOGO; USD")
        too_many = asked.model_copy(update={"lines": {"MUG-LOGO": 2}})
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await handle.execute_update(OrderWorkflow.return_update, too_many)
        assert "MUG-LOGO" in str(refused.value.cause)
        await closes_balanced(world, order, server)
    assert world.storefront.orders[external_id].lines[1].current == 1


async def test_what_no_parcel_takes_any_more_is_captured_before_it_is_given_back(
    world: World, external_id: str, days_pass_when_told: None
) -> None:
    """The last parcel was told of before an edit made what had left worth more than was captured with it."""
    with_rules(world, WINDOW)
    order = goods(external_id)
    async with world.working():
        await deliver(world, order)
        told = world.storefront.orders[external_id]
        less = [
            p.model_copy(update={"amount": p.amount - 1, "presentment_amount": p.presentment_amount - 1})
            if p.kind is PaymentKind.CAPTURE
            else p
            for p in told.payments
        ]
        world.storefront.replace(told.model_copy(update={"payments": tuple(less)}))
        return_id = await ask(world, order, {"11": 3, "12": 2})
        await until(world, order, return_id, "still to come")
        world.erp.receive_return(order.key, return_id, {"11": 3, "12": 2})
        assert "refunded" in (await ended(world, order, return_id)).text
    told = world.storefront.orders[external_id]
    captured = sum((p.amount for p in told.payments if p.kind is PaymentKind.CAPTURE), Decimal(0))
    assert (captured, refunds(world, order)) == (order.total, order.total)
