"""What every storefront adapter promises of its lists: memory and a Shopify-compatible store."""

from datetime import timedelta

import pytest

from adapters.ports import MOST_FOUND
from domain.listings import PlacedOrder
from domain.model import Instant
from domain.order import Order
from tests.contract.storefront_requests import parcel
from tests.contract.storefront_worlds import Basket, StorefrontWorld

pytestmark = pytest.mark.asyncio(loop_scope="module")

TWO_PLACES = Basket({"CAP-BLK": {"101": 3, "102": 2}, "MUG-LOGO": {"101": 2}})


async def place(world: StorefrontWorld, basket: Basket = TWO_PLACES) -> Order:
    return await world.storefront.read_order(world.place(basket))


async def listed(
    world: StorefrontWorld, since: Instant, before: Instant | None = None
) -> dict[str, PlacedOrder]:
    """The whole list, page by page."""
    cursor, orders = None, {}
    for _ in range(100):
        page = await world.storefront.list_orders(since, cursor, placed_before=before)
        orders |= {order.external_id: order for order in page.orders}
        if (cursor := page.next_cursor) is None:
            return orders
    raise AssertionError("the list does not end")


async def test_a_list_tells_what_a_comparison_needs(storefront_world):
    left, canceled = await place(storefront_world), await place(storefront_world)
    tried = await place(storefront_world, Basket({"STICKER": {"101": 1}}, test=True))
    await storefront_world.storefront.create_fulfillment(parcel(left, "102", {"CAP-BLK": 2}))
    await storefront_world.storefront.cancel_order(canceled.key.external_id, "fraud")
    orders = await listed(storefront_world, left.placed_at)
    first, second, third = (orders[order.key.external_id] for order in (left, canceled, tried))
    assert (first.number, first.test, first.canceled_at, first.fulfilled) == (left.number, False, None, 2)
    assert abs(first.placed_at - left.placed_at) < timedelta(seconds=1)
    assert second.canceled_at is not None
    assert second.fulfilled == 0
    assert third.test


async def test_a_window_holds_its_start_and_not_its_end(storefront_world):
    order = await place(storefront_world)
    second = order.placed_at.replace(microsecond=0)
    for since, before, there in (
        (second, second + timedelta(seconds=1), True),
        (second - timedelta(minutes=1), second, False),
        (second + timedelta(seconds=1), second + timedelta(minutes=1), False),
    ):
        assert (order.key.external_id in await listed(storefront_world, since, before)) is there


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
