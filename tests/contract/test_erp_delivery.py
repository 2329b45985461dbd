"""What every ERP makes of an order that was handed over already (``ErpPort.deliver_order``), on memory and Tryton."""

from collections import Counter

import pytest

from adapters.errors import OutcomeUnknown, Rejected
from domain.erp_order import ErpOrderState, ErpShipmentState
from domain.order import Customer, OrderKey
from sandbox.catalog import KIT_SKU
from tests.contract.erp_worlds import ErpWorld
from tests.contract.order_shapes import sales_order, two_warehouses
from tests.contract.test_erp_amendment import OPEN, books_of, units
from tests.order_builder import make_line, make_order

pytestmark = pytest.mark.asyncio(loop_scope="module")

MOST_WRITES = 20
LEFT = {ErpShipmentState.SHIPPED}
TWO_WAREHOUSES = Counter(
    {("11", "WH-EAST"): 4, ("12", "WH-WEST"): 2, ("13", "WH-EAST"): 3, ("13", "WH-WEST"): 2}
)


async def test_everything_has_left_from_where_it_was_sold_whichever_answer_is_lost(erp_world: ErpWorld):
    order = sales_order(two_warehouses(erp_world.new_id()))
    await erp_world.erp.submit_order(order)
    unheard = 0
    for _ in range(MOST_WRITES):
        # Each attempt gets one write further, and never hears of it.
        erp_world.lose_answer()
        try:
            await erp_world.erp.deliver_order(order.key)
            break
        except OutcomeUnknown:
            unheard += 1
    erp_world.mend_line()
    assert unheard
    delivered = await erp_world.erp.deliver_order(order.key)
    assert units(delivered, LEFT) == TWO_WAREHOUSES
    assert units(delivered, OPEN) == Counter()
    assert len(delivered.shipments) == 2
    assert all(shipment.tracking_number is None for shipment in delivered.shipments)
    assert await erp_world.erp.find_order(order.key) == delivered
    assert await erp_world.books(order.key) == books_of(order)


async def test_what_a_warehouse_sent_off_stays_its_own(erp_world: ErpWorld):
    order = sales_order(two_warehouses(erp_world.new_id()))
    await erp_world.erp.submit_order(order)
    parcel = await erp_world.ship(order.key, "WH-WEST", part=False)
    delivered = await erp_world.erp.deliver_order(order.key)
    assert units(delivered, LEFT) == TWO_WAREHOUSES
    tracked = {shipment.shipment_id: shipment.tracking_number for shipment in delivered.shipments}
    assert tracked[parcel.shipment_id] == parcel.tracking_number


async def test_what_lies_on_the_packing_table_has_left_too(erp_world: ErpWorld):
    order = sales_order(two_warehouses(erp_world.new_id()))
    await erp_world.erp.submit_order(order)
    await erp_world.pick(order.key)
    assert units(await erp_world.erp.deliver_order(order.key), LEFT) == TWO_WAREHOUSES


async def test_somebody_without_a_name_and_an_address_buys_a_kit(erp_world: ErpWorld):
    nobody = Customer(name="Guest")
    line = make_line("11", KIT_SKU, 2)
    told = make_order(
        erp_world.new_id(), lines=[line], customer=nobody, billing_address=None, shipping_address=None
    )
    order = sales_order(told)
    await erp_world.erp.submit_order(order)
    delivered = await erp_world.erp.deliver_order(order.key)
    assert units(delivered, LEFT) == Counter({("11", "WH-EAST"): 2})
    assert delivered.state in {ErpOrderState.ACCEPTED, ErpOrderState.DONE}


async def test_an_order_it_never_had_cannot_be_delivered(erp_world: ErpWorld):
    with pytest.raises(Rejected) as caught:
        await erp_world.erp.deliver_order(OrderKey(channel="shop", external_id=erp_world.new_id()))
    assert caught.value.cause == "order_unknown"


@pytest.mark.parametrize("lost", [False, True], ids=["heard", "every answer lost"])
async def test_a_part_has_left_and_the_rest_waits_as_before(erp_world: ErpWorld, lost: bool):
    lines = [make_line("11", "TEE-BLK-M", 4), make_line("12", KIT_SKU, 3), make_line("13", "MUG-LOGO", 1)]
    placement = {"11": {"101": 3, "102": 1}, "12": {"101": 3}, "13": {"102": 1}}
    order = sales_order(make_order(erp_world.new_id(), lines=lines, placement=placement))
    await erp_world.erp.submit_order(order)
    handed = {"11": {"WH-EAST": 2}, "12": {"WH-EAST": 1}}
    for _ in range(MOST_WRITES if lost else 0):
        erp_world.lose_answer()
        try:
            await erp_world.erp.deliver_order(order.key, handed)
            break
        except OutcomeUnknown:
            continue
    erp_world.mend_line()
    delivered = await erp_world.erp.deliver_order(order.key, handed)
    assert units(delivered, LEFT) == Counter({("11", "WH-EAST"): 2, ("12", "WH-EAST"): 1})
    assert units(delivered, OPEN) == Counter(
        {("11", "WH-EAST"): 1, ("12", "WH-EAST"): 2, ("11", "WH-WEST"): 1, ("13", "WH-WEST"): 1}
    )
    assert await erp_world.erp.deliver_order(order.key, handed) == delivered
    await erp_world.ship(order.key, "WH-EAST", part=False)
    after = await erp_world.erp.deliver_order(order.key, handed)
    assert units(after, LEFT) == Counter({("11", "WH-EAST"): 3, ("12", "WH-EAST"): 3})
