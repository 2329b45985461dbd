"""Kits that leave in more than one parcel, as every ERP tells them: whole, with the parcel that completes them."""

import pytest

from domain.erp_order import ErpShipmentState
from sandbox.catalog import KIT_SKU
from tests.contract.coming_back import EAST, Feed, units
from tests.contract.erp_worlds import ErpWorld
from tests.contract.order_shapes import sales_order
from tests.order_builder import make_line, make_order

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_piece_that_goes_ahead_is_no_kit_and_the_last_one_completes_it(erp_world: ErpWorld):
    lines = [make_line("11", KIT_SKU, 2), make_line("12", "MUG-LOGO", 1)]
    order = sales_order(make_order(erp_world.new_id(), lines=lines))
    await erp_world.erp.submit_order(order)
    feed = await Feed.from_now(erp_world)
    tracking = await erp_world.ship_piece(order.key, "11", "TEE-BLK-M")
    held = await erp_world.erp.find_order(order.key)
    assert held is not None
    (ahead,) = [s for s in held.shipments if s.state is ErpShipmentState.SHIPPED]
    assert (ahead.lines, ahead.tracking_number) == ((), tracking)
    assert [(p.line_id, p.product, p.quantity) for p in ahead.pieces] == [("11", "TEE-BLK-M", 1)]
    assert held.begun == {"11": 1}
    # Both kits are still to be told, with what waits.
    waiting = [s for s in held.shipments if s.state is not ErpShipmentState.SHIPPED]
    assert [units(s.lines) for s in waiting] == [{"11": 2, "12": 1}]
    assert await feed.told(order.key) == held
    refused = await erp_world.erp.cancel_order(order.key, "changed my mind")
    assert not refused.canceled
    await erp_world.ship(order.key, EAST, part=False)
    whole = await erp_world.erp.find_order(order.key)
    assert whole is not None
    left = [s for s in whole.shipments if s.state is ErpShipmentState.SHIPPED]
    assert sorted(str(units(s.lines)) for s in left) == sorted(["{}", "{'11': 2, '12': 1}"])
    assert whole.begun == {}
    assert [s.pieces for s in left if s.lines] == [()]


async def test_no_more_kits_are_begun_than_wait(erp_world: ErpWorld):
    order = sales_order(make_order(erp_world.new_id(), lines=[make_line("11", KIT_SKU, 1)]))
    await erp_world.erp.submit_order(order)
    await erp_world.ship_piece(order.key, "11", "TEE-BLK-M")
    with pytest.raises((ValueError, LookupError)):
        await erp_world.ship_piece(order.key, "11", "TEE-BLK-M")
