"""Kits that leave in more than one parcel: told and charged once, with the parcel that completes them."""

from decimal import Decimal

import pytest

from adapters.memory.erp import MemoryErp
from domain.order import Order
from sandbox.catalog import KIT_SKU
from tests.order_builder import make_line, make_order
from tests.workflows.world import World
from workflows.messages import Attention, CancelAsked, OperatorMessage
from workflows.order import OrderWorkflow


def kit(external_id: str, units: int = 1) -> Order:
    lines = [
        make_line("11", KIT_SKU, units, unit_price="29.90", tax_rates=()),
        make_line("12", "MUG-LOGO", 1, unit_price="9.00", tax_rates=()),
    ]
    return make_order(external_id, lines=lines, placement={"12": {"102": 1}})


def captured(world: World, external_id: str) -> Decimal:
    return world.storefront.orders[external_id].captured


async def test_a_kit_is_told_and_charged_with_the_parcel_that_completes_it(world: World, external_id: str):
    order = kit(external_id)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        world.erp.ship_pieces(order.key, "11", "TEE-BLK-M", 1, tracking="1ZTEE")
        await world.until_told(order.key, f"1 TEE-BLK-M of {KIT_SKU} left WH-EAST")
        view = await world.view(order.key)
        assert view.waiting_for.startswith(f"the warehouse to send what is missing of 1 unit of {KIT_SKU}")
        world.erp.ship(order.key, "WH-WEST", {"12": 1}, tracking="1ZMUG")
        await world.until_told(order.key, "USD 9.00 captured so far")
        assert captured(world, external_id) == Decimal("9.00")
        world.erp.ship(order.key, "WH-EAST", {"11": 1}, tracking="1ZSOCKS")
        assert (await handle.result()).outcome is Attention.CLOSED
    told = world.storefront.orders[external_id]
    assert [(f.tracking_number, f.more_tracking) for f in told.fulfillments] == [
        ("1ZMUG", ()),
        ("1ZSOCKS", ("1ZTEE",)),
    ]
    assert told.captured == order.total == Decimal("38.90")


async def test_what_has_left_in_part_is_neither_canceled_nor_taken_off_with_the_rest(
    world: World, external_id: str
):
    world.replace_erp(
        MemoryErp(
            warehouses={"WH-EAST", "WH-WEST"},
            stock={("WH-EAST", KIT_SKU): 2},
            backorder=True,
            faults=world.faults,
        )
    )
    order = kit(external_id, units=3)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        world.erp.ship_pieces(order.key, "11", "TEE-BLK-M", 1)
        await world.until_told(order.key, "1 TEE-BLK-M of")
        with pytest.raises(Exception) as caught:
            await handle.execute_update(
                OrderWorkflow.cancel_update, CancelAsked(actor="Ada", reason="no", lines={KIT_SKU: 3})
            )
        assert f"only 2 units of {KIT_SKU} can be canceled" in str(caught.value.__cause__)
        # The one that is begun turns out to be short as well: it is waited for, the other one is not.
        world.erp.find_short(order.key, "WH-EAST", {"11": 2})
        await world.until(order.key, lambda v: v.lines[0].backordered == 3)
        await handle.execute_update(
            OrderWorkflow.cancel_rest_update, OperatorMessage(actor="Ada", reason="gone")
        )
        await world.until(order.key, lambda v: v.lines[0].due == 1)
        world.erp.receive("WH-EAST", KIT_SKU, 5)
        world.erp.ship_all(order.key)
        assert (await handle.result()).outcome is Attention.CLOSED
    told = world.storefront.orders[external_id]
    assert [line.current for line in told.lines] == [1, 1]
    assert told.captured == told.total == Decimal("38.90")
