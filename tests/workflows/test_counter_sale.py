"""Orders that were handed over at a counter: the ERP writes down that they left, the storefront is told nothing."""

from decimal import Decimal

import pytest

from domain.approval import ApprovalRules
from domain.erp_order import ErpShipmentState
from domain.order import Order, PaymentKind, Risk
from domain.return_rules import ReturnRules
from tests.order_builder import handed_over, make_line, make_order, make_payment, sandbox_mapping
from tests.workflows.returning import ended, until, with_rules
from tests.workflows.world import World
from workflows.messages import Attention, ReturnAsked
from workflows.order import OrderWorkflow
from workflows.order_reach import OrderReach


def sold(external_id: str, *, paid: bool = True, units: int = 2, **overrides) -> Order:
    """Two units at 25.00, one at each place, carried away at once."""
    kind = PaymentKind.SALE if paid else PaymentKind.AUTHORIZATION
    lines = (make_line(ordered=units, unit_price="25.00", tax_rates=()),)
    order = make_order(
        external_id,
        lines=lines,
        placement={"11": {"101": 1, "102": units - 1}},
        payments=(make_payment(f"{25 * units}.00", kind, payment_id="2"),),
        **overrides,
    )
    return handed_over(order)


def writes(world: World, external_id: str) -> list[str]:
    """What the storefront was asked to do."""
    asked = {"create_fulfillment", "capture_payment", "cancel_order"}
    return [c.operation for c in world.storefront.calls if c.operation in asked and c.subject == external_id]


@pytest.mark.parametrize("fault", ["", "lose_answer", "unavailable"])
async def test_it_is_written_down_as_left_and_closed_without_a_fulfillment_and_a_capture(
    world: World, external_id, fault
):
    if fault:
        getattr(world.faults, fault)("send_shipment", nth=2)
    order = sold(external_id)
    async with world.working():
        handle = await world.place(order)
        result = await handle.result()
        assert result.outcome is Attention.CLOSED
        story = await world.story(order.key)
        assert "Handed over already: written down as left from WH-EAST and WH-WEST" in story
    erp = world.erp.orders[order.key]
    assert [s.state for s in erp.shipments] == [ErpShipmentState.SHIPPED] * 2
    assert writes(world, external_id) == []
    assert world.storefront.orders[external_id] == order


@pytest.mark.usefixtures("days_pass_when_told")
async def test_it_comes_back_to_life_for_a_return_and_is_told_to_nobody_again(world: World, external_id):
    with_rules(world, ReturnRules())
    order = sold(external_id)
    async with world.working():
        await (await world.place(order)).result()
        asked = ReturnAsked(actor="Kim", reason="too small", lines={"11": 1})
        await OrderReach(world.client).bring_back_for_return(order.key, asked)
        await world.until(order.key, lambda view: bool(view.returns))
        (return_id,) = (await world.view(order.key)).returns
        await until(world, order, return_id, "still to come")
        world.erp.receive_return(order.key, return_id, {"11": 1})
        await ended(world, order, return_id)
        handle = world.client.get_workflow_handle_for(OrderWorkflow.run, order.key.workflow_id)
        assert (await handle.result()).outcome is Attention.CLOSED
    assert "create_fulfillment" not in writes(world, external_id)


async def test_one_that_was_only_promised_its_money_is_captured_when_it_closes(world: World, external_id):
    order = sold(external_id, paid=False)
    async with world.working():
        handle = await world.place(order)
        assert (await handle.result()).outcome is Attention.CLOSED
    assert writes(world, external_id) == ["capture_payment"]
    assert world.storefront.orders[external_id].captured == 50


async def test_nobody_is_asked_to_approve_what_has_left(world: World, external_id):
    world.replace_mapping(sandbox_mapping(approval=ApprovalRules(above=Decimal(1), risk=Risk.LOW)))
    order = sold(external_id, risk=Risk.HIGH)
    async with world.working():
        handle = await world.place(order)
        assert (await handle.result()).outcome is Attention.CLOSED


async def test_a_part_that_was_handed_over_is_written_down_and_the_rest_is_sent(world: World, external_id):
    order = sold(external_id, paid=False, units=3)
    first, *others = order.location_plans
    waiting = [
        plan.model_copy(
            update={
                "open": True,
                "lines": tuple(x.model_copy(update={"remaining": x.quantity}) for x in plan.lines),
            }
        )
        for plan in others
    ]
    order = order.model_copy(
        update={"fulfillments": order.fulfillments[:1], "location_plans": (first, *waiting)}
    )
    async with world.working():
        handle = await world.place(order)
        await world.until_told(order.key, "written down as left from WH-EAST")
        erp = world.erp.orders[order.key]
        assert {(s.warehouse, s.state is ErpShipmentState.SHIPPED) for s in erp.shipments} == {
            ("WH-EAST", True),
            ("WH-WEST", False),
        }
        assert "the rest is to be shipped" in await world.story(order.key)
        # The feed's echo of it tells the storefront nothing.
        world.erp.ship(order.key, "WH-WEST", {"11": 2}, tracking="1ZWEST")
        assert (await handle.result()).outcome is Attention.CLOSED
    assert writes(world, external_id) == ["create_fulfillment", "capture_payment"]
    told = world.storefront.orders[external_id]
    assert [f.tracking_number for f in told.fulfillments] == [None, "1ZWEST"]
    assert told.captured == order.total
