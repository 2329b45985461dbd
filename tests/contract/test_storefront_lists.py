"""What every storefront adapter promises of its lists: memory and a Shopify-compatible store."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from adapters.ports import MOST_FOUND
from domain.listings import PlacedOrder
from domain.model import Instant
from domain.order import Order
from tests.contract.storefront_requests import line_of, parcel
from tests.contract.storefront_worlds import Basket, StorefrontWorld

pytestmark = pytest.mark.asyncio(loop_scope="module")

TWO_PLACES = Basket({"CAP-BLK": {"101": 3, "102": 2}, "MUG-LOGO": {"101": 2}})


async def place(world: StorefrontWorld, basket: Basket = TWO_PLACES) -> Order:
    return await world.storefront.read_order(world.place(basket))


async def changed(world: StorefrontWorld, since: Instant) -> dict[str, PlacedOrder]:
    """The whole list of what changed, page by page; an order that came twice as it came last."""
    cursor, orders = None, {}
    for _ in range(100):
        page = await world.storefront.list_changed(since, cursor)
        orders |= {order.external_id: order for order in page.orders}
        if (cursor := page.next_cursor) is None:
            return orders
    raise AssertionError("the list does not end")


async def now_of(world: StorefrontWorld) -> Instant:
    """The storefront's clock, past all that was changed so far; lists go by whole seconds."""
    await asyncio.sleep(1.1)
    (order,) = await world.storefront.find_orders([world.place(Basket({"STICKER": {"101": 1}}))])
    await asyncio.sleep(1.1)
    return order.changed_at + timedelta(seconds=1)


async def test_a_list_tells_what_a_comparison_needs(storefront_world):
    left, canceled = await place(storefront_world), await place(storefront_world)
    tried = await place(storefront_world, Basket({"STICKER": {"101": 1}}, test=True))
    await storefront_world.storefront.create_fulfillment(parcel(left, "102", {"CAP-BLK": 2}))
    await storefront_world.storefront.cancel_order(canceled.key.external_id, "fraud")
    orders = await changed(storefront_world, datetime(2020, 1, 1, tzinfo=UTC))
    first, second, third = (orders[order.key.external_id] for order in (left, canceled, tried))
    assert (first.number, first.test, first.canceled_at, first.fulfilled) == (left.number, False, None, 2)
    assert first.total == left.total
    assert abs(first.placed_at - left.placed_at) < timedelta(seconds=1)
    assert second.canceled_at is not None
    assert second.fulfilled == 0
    assert third.test


async def test_what_was_placed_or_changed_since_is_listed_and_nothing_else(storefront_world):
    untouched, canceled, edited, shipped = [await place(storefront_world) for _ in range(4)]
    since = await now_of(storefront_world)
    placed = await place(storefront_world)
    await storefront_world.storefront.cancel_order(canceled.key.external_id, "fraud")
    storefront_world.edit(edited.key.external_id, line_of(edited, "CAP-BLK"), 2)
    await storefront_world.storefront.create_fulfillment(parcel(shipped, "102", {"CAP-BLK": 2}))
    orders = await changed(storefront_world, since)
    touched = (placed, canceled, edited, shipped)
    assert orders.keys() == {order.key.external_id for order in touched}
    assert untouched.key.external_id not in orders
    assert orders[edited.key.external_id].total < edited.total
    assert all(order.changed_at >= since for order in orders.values())


async def test_orders_are_found_by_id_and_those_that_are_not_are_left_out(storefront_world):
    first, second = await place(storefront_world), await place(storefront_world)
    ids = [second.key.external_id, "99999999", first.key.external_id]
    found = await storefront_world.storefront.find_orders(ids)
    assert {order.external_id: order.number for order in found} == {
        first.key.external_id: first.number,
        second.key.external_id: second.number,
    }
    assert await storefront_world.storefront.find_orders([]) == ()
    with pytest.raises(ValueError, match="at most"):
        await storefront_world.storefront.find_orders([str(number) for number in range(MOST_FOUND + 1)])
