"""What every ERP adapter promises of its lists: memory and a real Tryton, people who enter orders twice among them."""

from datetime import timedelta

import pytest

from adapters.errors import Rejected
from adapters.ports import MOST_FOUND
from domain.erp_order import ErpOrderState, SalesOrder
from domain.listings import ErpRecord, OrderName
from domain.model import Instant
from domain.order import OrderKey
from sandbox.catalog import KIT_SKU
from tests.contract.erp_worlds import ErpWorld
from tests.contract.order_shapes import sales_order, two_warehouses
from tests.order_builder import make_line, make_order

pytestmark = pytest.mark.asyncio(loop_scope="module")


def new_order(world: ErpWorld) -> SalesOrder:
    return sales_order(two_warehouses(world.new_id()))


def name_of(order: SalesOrder) -> OrderName:
    return OrderName(external_id=order.key.external_id, number=order.number)


async def found(world: ErpWorld, *orders: SalesOrder) -> tuple[ErpRecord, ...]:
    return await world.erp.find_records("shop", [name_of(order) for order in orders])


async def changed(world: ErpWorld, since: Instant) -> dict[str, ErpRecord]:
    """The whole list, page by page."""
    cursor, records = None, []
    for _ in range(100):
        page = await world.erp.list_records("shop", since, cursor)
        records += page.records
        if (cursor := page.next_cursor) is None:
            break
    assert cursor is None
    assert len({record.erp_id for record in records}) == len(records), "a record came twice"
    return {record.number: record for record in records}


async def test_a_record_tells_key_reference_state_and_what_left(erp_world):
    order = new_order(erp_world)
    submitted = await erp_world.erp.submit_order(order)
    (record,) = await found(erp_world, order)
    assert (record.key, record.reference, record.number) == (order.key, order.number, submitted.number)
    assert (record.erp_id, record.state, record.shipped) == (submitted.erp_id, ErpOrderState.ACCEPTED, 0)
    await erp_world.ship(order.key, "WH-WEST", part=False)
    (record,) = await found(erp_world, order)
    assert record.shipped == 4
    await erp_world.ship(order.key, "WH-EAST", part=True)
    (record,) = await found(erp_world, order)
    whole = await erp_world.erp.find_order(order.key)
    assert whole is not None
    assert record.shipped == sum(
        line.quantity for s in whole.shipments if s.state == "shipped" for line in s.lines
    )


async def test_kits_count_whole(erp_world):
    order = sales_order(make_order(erp_world.new_id(), lines=[make_line("11", KIT_SKU, 3)]))
    await erp_world.erp.submit_order(order)
    await erp_world.ship(order.key, "WH-EAST", part=False)
    (record,) = await found(erp_world, order)
    assert record.shipped == 3


async def test_a_canceled_record_says_so(erp_world):
    order = new_order(erp_world)
    await erp_world.erp.submit_order(order)
    assert (await erp_world.erp.cancel_order(order.key, "fraud")).canceled
    (record,) = await found(erp_world, order)
    assert record.state is ErpOrderState.CANCELED


async def test_many_orders_are_found_in_one_call_and_missing_ones_left_out(erp_world):
    first, second, never = (new_order(erp_world) for _ in range(3))
    await erp_world.erp.submit_order(first)
    await erp_world.erp.submit_order(second)
    records = await found(erp_world, second, never, first)
    assert {record.key for record in records} == {first.key, second.key}
    assert await found(erp_world) == ()
    assert await erp_world.erp.find_records("nobody", [name_of(first)]) == ()
    names = [OrderName(external_id=str(number), number="") for number in range(MOST_FOUND + 1)]
    with pytest.raises(ValueError, match="at most"):
        await erp_world.erp.find_records("shop", names)


async def test_what_people_enter_a_second_time_is_found_beside_ours(erp_world):
    order = new_order(erp_world)
    submitted = await erp_world.erp.submit_order(order)
    number = await erp_world.enter_again(order.key)
    records = {record.number: record for record in await found(erp_world, order)}
    assert records.keys() == {submitted.number, number}
    assert (records[submitted.number].key, records[number].key) == (order.key, None)
    assert records[number].reference == order.number
    # The port's own look-up by key still finds ours.
    assert (await erp_world.erp.find_order(order.key)).erp_id == submitted.erp_id
    since = records[number].changed_at - timedelta(seconds=1)
    assert number in await changed(erp_world, since)


async def test_the_list_holds_what_was_entered_or_changed_since_and_nothing_else(erp_world):
    old, changing, shipping = (new_order(erp_world) for _ in range(3))
    numbers = [(await erp_world.erp.submit_order(order)).number for order in (old, changing, shipping)]
    since = await erp_world.now()
    assert numbers[0] not in await changed(erp_world, since)
    new = [(await erp_world.erp.submit_order(new_order(erp_world))).number for _ in range(4)]
    assert (await erp_world.erp.cancel_order(changing.key, "fraud")).canceled
    await erp_world.ship(shipping.key, "WH-WEST", part=False)
    await erp_world.ship(shipping.key, "WH-EAST", part=True)
    records = await changed(erp_world, since)
    assert records.keys() >= {*new, numbers[1], numbers[2]}
    assert numbers[0] not in records
    assert records[numbers[2]].shipped > 4
    assert all(record.changed_at >= since for record in records.values())


async def test_a_shipment_alone_brings_its_order_into_the_list(erp_world):
    order = new_order(erp_world)
    number = (await erp_world.erp.submit_order(order)).number
    await erp_world.ship(order.key, "WH-EAST", part=True)
    since = await erp_world.now()
    # From here on the sale's own state stays "partially shipped".
    await erp_world.ship(order.key, "WH-WEST", part=True)
    assert number in await changed(erp_world, since)


async def test_a_cursor_of_another_list_is_refused(erp_world):
    with pytest.raises(Rejected) as caught:
        await erp_world.erp.list_records("shop", await erp_world.now(), "of another list")
    assert caught.value.cause == "cursor_unknown"


async def test_orders_of_another_channel_are_not_listed(erp_world):
    order = new_order(erp_world)
    await erp_world.erp.submit_order(order)
    page = await erp_world.erp.list_records("nobody", await erp_world.now() - timedelta(hours=1))
    assert OrderKey(channel="shop", external_id=order.key.external_id) not in {r.key for r in page.records}
