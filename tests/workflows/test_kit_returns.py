"""Kits of which the buyer or the warehouse gives back a part: credited and refunded in proportion, whole in the end."""

from decimal import Decimal

import pytest

from domain.order import Order
from domain.return_rules import InspectionRule
from domain.returns import Disposition
from sandbox.catalog import KIT_COMPONENTS, KIT_SKU
from tests.order_builder import CATALOG, make_line, make_order, make_shipping
from tests.workflows.returning import (
    WINDOW,
    ask,
    closes_balanced,
    deliver,
    ended,
    page,
    refunds,
    until,
    with_rules,
)
from tests.workflows.world import World
from workflows.customer_return import ReturnWorkflow
from workflows.messages import OperatorMessage, ReturnAsked
from workflows.order import OrderWorkflow
from workflows.return_messages import Inspection

pytestmark = pytest.mark.usefixtures("days_pass_when_told")

TEE, SOCK = "11/TEE-BLK-M", "11/SOCK-GRY"


@pytest.fixture(autouse=True)
def kits_and_a_window(world: World) -> None:
    with_rules(world, WINDOW)
    prices = {product: CATALOG[product][1] for product, _ in KIT_COMPONENTS}
    world.erp.stock_book.make_kit(KIT_SKU, dict(KIT_COMPONENTS), prices)
    for product, _ in KIT_COMPONENTS:
        world.erp.stock["WH-EAST", product] = 20


def kits(external_id: str, units: int = 1) -> Order:
    """At 29.90 and its tax, of which a tee is 61 %, and delivery."""
    line = make_line("11", KIT_SKU, units, unit_price="29.90")
    placement = {"11": {"101": units}}
    return make_order(external_id, lines=[line], shipping=[make_shipping()], placement=placement)


async def asked_by_operator(world: World, order: Order, **lines: int) -> str:
    """An operator asks for a return; returns its id."""
    handle = world.client.get_workflow_handle_for(OrderWorkflow.run, order.key.workflow_id)
    known = {each.return_id for each in world.erp.orders[order.key].returns}
    asked = ReturnAsked(actor="Kim", reason="too much", lines={f"{KIT_SKU}/{x}": n for x, n in lines.items()})
    await handle.execute_update(OrderWorkflow.return_update, asked)
    for _ in range(200):
        new = [x for x in world.erp.orders[order.key].returns if x.return_id not in known]
        if new:
            return new[0].return_id
        await world.until(order.key, bool)
    raise AssertionError(await world.story(order.key))


async def test_a_buyer_sends_a_part_and_later_the_rest(world: World, server, external_id):
    with_rules(world, WINDOW.model_copy(update={"refund_shipping": True}))
    order = kits(external_id)
    async with world.working():
        await deliver(world, order)
        return_id = await ask(world, order, {"11": 1})
        await until(world, order, return_id, "1 unit of KIT-STARTER are still to come")
        world.erp.receive_return(order.key, return_id, {TEE: 1})
        await until(world, order, return_id, "1 unit of TEE-BLK-M of KIT-STARTER")
        what_is_there = OperatorMessage(actor="Kim", reason="the socks are lost, they say")
        await page(world, order, return_id).execute_update(ReturnWorkflow.settle_update, what_is_there)
        await ended(world, order, return_id)
        part = refunds(world, order)
        (settled,) = world.erp.orders[order.key].returns
        (kept,) = settled.kept
        assert (kept.product, kept.quantity) == ("SOCK-GRY", 2)
        told = world.storefront.orders[external_id]
        assert part == settled.total == order.total - told.total - kept.gross
        assert Decimal("0.60") < part / (order.total - told.total) < Decimal("0.62")
        assert world.erp.stock["WH-EAST", "TEE-BLK-M"] == 20
        assert world.storefront.orders[external_id].returns[0].status == "closed"
        # The socks turn up.
        second = world.erp.receive_unannounced(order.key, "WH-EAST", {SOCK: 2})
        await until(world, order, second, "SOCK-GRY of KIT-STARTER")
        await ended(world, order, second)
        await closes_balanced(world, order, server)
    assert refunds(world, order) == order.total, "delivery goes back with the last piece"
    assert world.erp.stock["WH-EAST", "SOCK-GRY"] == 20
    assert sum(each.fee for each in world.erp.orders[order.key].returns) == 0


async def test_a_kit_whose_parts_come_one_after_the_other_is_whole(world: World, server, external_id):
    order = kits(external_id)
    async with world.working():
        await deliver(world, order)
        return_id = await ask(world, order, {"11": 1})
        await until(world, order, return_id, "still to come")
        for pieces in ({SOCK: 1}, {TEE: 1}, {SOCK: 1}):
            world.erp.receive_return(order.key, return_id, pieces)
        assert (await ended(world, order, return_id)).back == {"11": 1}
        await closes_balanced(world, order, server)
    assert refunds(world, order) == order.total - world.storefront.orders[external_id].total
    assert world.erp.orders[order.key].returns[0].kept == ()


async def test_an_operator_takes_single_pieces_back_and_each_is_inspected(world: World, server, external_id):
    asks = WINDOW.model_copy(update={"inspection": InspectionRule.ASK})
    with_rules(world, asks)
    order = kits(external_id, units=2)
    async with world.working():
        await deliver(world, order)
        with pytest.raises(Exception) as caught:
            await asked_by_operator(world, order, **{"SOCK-GRY": 5})
        assert "cannot" in str(caught.value.__cause__)
        return_id = await asked_by_operator(world, order, **{"SOCK-GRY": 3})
        await until(world, order, return_id, "3 units of SOCK-GRY of KIT-STARTER are still to come")
        world.erp.receive_return(order.key, return_id, {SOCK: 3})
        await until(world, order, return_id, "a person")
        verdicts = {SOCK: {Disposition.RESTOCK: 1, Disposition.SCRAP: 1, Disposition.REJECT: 1}}
        await page(world, order, return_id).execute_update(
            ReturnWorkflow.inspect_update, Inspection(actor="Kim", reason="worn", lines=verdicts)
        )
        await ended(world, order, return_id)
        # Two pairs are taken: one kit is begun, its tee is the buyer's still, as is the other kit.
        held, told = world.erp.orders[order.key], world.storefront.orders[external_id]
        assert [(x.product, x.quantity) for x in held.returns[0].kept] == [("TEE-BLK-M", 1)]
        assert told.lines[0].current == 1
        assert refunds(world, order) == held.returns[0].total
        assert world.erp.stock["WH-EAST", "SOCK-GRY"] == 20 - 4 + 1
        await closes_balanced(world, order, server)
