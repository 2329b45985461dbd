"""What every storefront adapter promises about the stock that it shows."""

from itertools import count

import pytest

from adapters.errors import OutcomeUnknown, Unavailable
from adapters.requests import CancelUnitsRequest
from adapters.stock_ports import MOST_STOCK
from domain.stock import SettingState, ShownStock, StockSetting
from tests.contract.storefront_requests import line_of, parcel, place, refund, shipped
from tests.contract.storefront_worlds import Basket, StorefrontWorld

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("stock")]

DONE, STALE, REFUSED = SettingState.DONE, SettingState.STALE, SettingState.REFUSED
EAST, WEST = "101", "102"

_keys = count(1)


def new_key() -> str:
    return f"shop:stock:{next(_keys)}"


async def shown(world: StorefrontWorld, sku: str) -> dict[str, tuple[int, int]]:
    """Available and committed by location."""
    return {x.location: (x.available, x.committed) for x in await world.storefront.read_stock([sku])}


async def level(world: StorefrontWorld, sku: str, location: str = EAST) -> ShownStock:
    (found,) = (x for x in await world.storefront.read_stock([sku]) if x.location == location)
    return found


def setting(level: ShownStock, available: int, **other: object) -> StockSetting:
    wanted = StockSetting(
        sku=level.sku,
        item_id=level.item_id,
        location=level.location,
        available=available,
        change_from=level.available,
    )
    return wanted.model_copy(update=other)


async def test_what_is_shown_is_told_for_every_location(storefront_world):
    both, one = storefront_world.stock({EAST: 7, WEST: -2}), storefront_world.stock({WEST: 0}, tracked=False)
    told = await storefront_world.storefront.read_stock([one, "NO-SUCH-SKU", both, one])
    assert {(x.sku, x.location, x.available, x.committed, x.tracked) for x in told} == {
        (both, EAST, 7, 0, True),
        (both, WEST, -2, 0, True),
        (one, WEST, 0, 0, False),
    }
    assert len({x.item_id for x in told}) == 2
    assert len(told) == 3
    assert await storefront_world.storefront.read_stock([]) == ()
    assert await storefront_world.storefront.read_stock(["no such sku at all"]) == ()


async def test_more_than_a_call_takes_is_refused_at_once(storefront_world):
    sku = storefront_world.stock({EAST: 1})
    with pytest.raises(ValueError, match="at most"):
        await storefront_world.storefront.read_stock([f"X-{n}" for n in range(MOST_STOCK + 1)])
    wanted = setting(await level(storefront_world, sku), 5)
    with pytest.raises(ValueError, match="at most"):
        await storefront_world.storefront.set_stock([wanted] * (MOST_STOCK + 1), new_key())
    assert await shown(storefront_world, sku) == {EAST: (1, 0)}


async def test_everything_is_listed_once_with_all_of_its_locations_on_one_page(storefront_world):
    skus = {storefront_world.stock({EAST: n, WEST: 2 * n}) for n in range(1, 8)}
    pages: list[list[ShownStock]] = []
    cursor: str | None = None
    while True:
        page = await storefront_world.storefront.list_stock(cursor)
        pages.append([x for x in page.levels if x.sku in skus])
        cursor = page.next_cursor
        if cursor is None:
            break
    listed = [x for page in pages for x in page]
    assert len(listed) == 14
    assert {(x.sku, x.location) for x in listed} == {(sku, at) for sku in skus for at in (EAST, WEST)}
    for page in pages:
        assert all([x.sku for x in page].count(sku) == 2 for sku in {x.sku for x in page})
    told = await storefront_world.storefront.read_stock(sorted(skus))
    assert set(told) == set(listed)


async def test_an_order_takes_its_units_where_they_are_planned_and_a_parcel_takes_them_away(storefront_world):
    sku = storefront_world.stock({EAST: 10, WEST: 10})
    order = await place(storefront_world, Basket({sku: {EAST: 3, WEST: 1}}))
    assert await shown(storefront_world, sku) == {EAST: (7, 3), WEST: (9, 1)}
    await storefront_world.storefront.create_fulfillment(parcel(order, EAST, {sku: 2}))
    assert await shown(storefront_world, sku) == {EAST: (7, 1), WEST: (9, 1)}
    await storefront_world.storefront.create_fulfillment(parcel(order, EAST, {sku: 1}, "1Z2"))
    assert await shown(storefront_world, sku) == {EAST: (7, 0), WEST: (9, 1)}


async def test_buyers_may_buy_more_than_there_is_where_that_is_allowed(storefront_world):
    sku = storefront_world.stock({EAST: 1})
    await place(storefront_world, Basket({sku: {EAST: 3}}))
    assert await shown(storefront_world, sku) == {EAST: (-2, 3)}


async def test_units_that_another_location_sends_are_taken_there(storefront_world, plans):
    sku = storefront_world.stock({EAST: 10, WEST: 10})
    order = await place(storefront_world, Basket({sku: {EAST: 3}}))
    await storefront_world.storefront.create_fulfillment(parcel(order, WEST, {sku: 2}))
    assert await shown(storefront_world, sku) == {EAST: (9, 1), WEST: (8, 0)}


async def test_what_is_canceled_can_be_bought_again_once(storefront_world):
    sku = storefront_world.stock({EAST: 10})
    order = await place(storefront_world, Basket({sku: {EAST: 4}}))
    await storefront_world.storefront.cancel_order(order.key.external_id, "The buyer does not want it")
    assert await shown(storefront_world, sku) == {EAST: (10, 0)}
    await storefront_world.storefront.cancel_order(order.key.external_id, "again")
    assert await shown(storefront_world, sku) == {EAST: (10, 0)}


async def test_units_that_are_taken_off_can_be_bought_again(storefront_world):
    sku = storefront_world.stock({EAST: 10})
    order = await place(storefront_world, Basket({sku: {EAST: 4}}))
    storefront_world.edit(order.key.external_id, line_of(order, sku), 3)
    assert await shown(storefront_world, sku) == {EAST: (7, 3)}
    order = await storefront_world.storefront.read_order(order.key.external_id)
    await storefront_world.storefront.cancel_units(
        CancelUnitsRequest(
            key=order.key,
            units={line_of(order, sku): 2},
            total_before=order.presentment_total,
            reason="out of stock",
        )
    )
    assert await shown(storefront_world, sku) == {EAST: (8, 2)}


async def test_what_comes_back_is_shown_only_where_the_refund_names_a_location(storefront_world, refunds):
    sku = storefront_world.stock({EAST: 10, WEST: 0})
    order = await shipped(storefront_world, Basket({sku: {EAST: 4}}))
    assert await shown(storefront_world, sku) == {EAST: (6, 0), WEST: (0, 0)}
    storefront = storefront_world.storefront
    nowhere = refund(order, {sku: 1}, amount="1.00", key="r-1", location=None)
    await storefront.refund_order(nowhere)
    assert await shown(storefront_world, sku) == {EAST: (6, 0), WEST: (0, 0)}
    west = refund(order, {sku: 2}, amount="1.00", key="r-2", location=WEST)
    await storefront.refund_order(west)
    await storefront.refund_order(west)
    assert await shown(storefront_world, sku) == {EAST: (6, 0), WEST: (2, 0)}


async def test_what_is_set_is_shown_and_the_rest_stays(storefront_world):
    sku = storefront_world.stock({EAST: 10, WEST: 20})
    await place(storefront_world, Basket({sku: {EAST: 3}}))
    east, west = await level(storefront_world, sku), await level(storefront_world, sku, WEST)
    wanted = [setting(west, -4), setting(east, 5)]
    outcomes = await storefront_world.storefront.set_stock(wanted, new_key())
    assert [(x.setting, x.state, x.cause, x.reason) for x in outcomes] == [(x, DONE, "", "") for x in wanted]
    assert await shown(storefront_world, sku) == {EAST: (5, 3), WEST: (-4, 0)}
    assert await storefront_world.storefront.set_stock([], new_key()) == ()


@pytest.mark.usefixtures("comparing")
async def test_a_buyer_who_comes_in_between_is_not_overwritten(storefront_world):
    sku = storefront_world.stock({EAST: 10})
    seen = await level(storefront_world, sku)
    await place(storefront_world, Basket({sku: {EAST: 1}}))
    (stale,) = await storefront_world.storefront.set_stock([setting(seen, 8)], new_key())
    assert stale.state is STALE
    assert await shown(storefront_world, sku) == {EAST: (9, 1)}
    again = await level(storefront_world, sku)
    (done,) = await storefront_world.storefront.set_stock([setting(again, 7)], new_key())
    assert done.state is DONE
    assert await shown(storefront_world, sku) == {EAST: (7, 1)}


@pytest.mark.usefixtures("comparing")
async def test_bad_settings_spoil_no_good_one(storefront_world):
    storefront = storefront_world.storefront
    good, moved, east_only = (storefront_world.stock({EAST: 10}) for _ in range(3))
    uncounted = storefront_world.stock({EAST: 10}, tracked=False)
    levels = {sku: await level(storefront_world, sku) for sku in (good, moved, east_only, uncounted)}
    storefront_world.count(moved, EAST, 11)
    wanted = [
        setting(levels[good], 1, sku="NO-SUCH-SKU", item_id="no-such-item"),
        setting(levels[good], 1, sku="NO-SUCH-SKU", item_id="999999999"),
        setting(levels[moved], 2),
        setting(levels[good], 3),
        setting(levels[east_only], 4, location=WEST),
        setting(levels[uncounted], 5),
        setting(levels[east_only], 6),
    ]
    outcomes = await storefront.set_stock(wanted, new_key())
    assert [x.setting for x in outcomes] == wanted
    assert [x.state for x in outcomes] == [REFUSED, REFUSED, STALE, DONE, REFUSED, REFUSED, DONE]
    assert [x.cause for x in outcomes] == [
        "stock_item_unknown", "stock_item_unknown", "", "", "not_stocked", "not_tracked", ""
    ]  # fmt: skip
    assert all(bool(x.reason) == (x.state is REFUSED) for x in outcomes)
    assert [(await shown(storefront_world, sku))[EAST][0] for sku in levels] == [3, 11, 6, 10]


async def test_the_same_key_does_nothing_twice_and_answers_the_same(storefront_world):
    sku, bad = storefront_world.stock({EAST: 10}), storefront_world.stock({EAST: 10})
    storefront = storefront_world.storefront
    wanted = [setting(await level(storefront_world, sku), 5)]
    wanted.append(setting(await level(storefront_world, bad), 5, change_from=4))
    key = new_key()
    first = await storefront.set_stock(wanted, key)
    assert [x.state for x in first] == [DONE, STALE]
    storefront_world.count(sku, EAST, 10)
    assert await storefront.set_stock(wanted, key) == first
    assert await shown(storefront_world, sku) == {EAST: (10, 0)}
    # other settings are another call, whatever their key
    (other,) = await storefront.set_stock([setting(await level(storefront_world, sku), 4)], key)
    assert other.state is DONE
    assert await shown(storefront_world, sku) == {EAST: (4, 0)}


async def test_an_answer_that_was_lost_is_made_good_by_the_same_key(storefront_world):
    sku = storefront_world.stock({EAST: 10})
    wanted = [setting(await level(storefront_world, sku), 5)]
    key = new_key()
    storefront_world.lose_answer("set_stock")
    with pytest.raises(OutcomeUnknown):
        await storefront_world.storefront.set_stock(wanted, key)
    await place(storefront_world, Basket({sku: {EAST: 1}}))
    (outcome,) = await storefront_world.storefront.set_stock(wanted, key)
    assert outcome.state is DONE
    assert await shown(storefront_world, sku) == {EAST: (4, 1)}


async def test_a_call_that_did_not_happen_is_made_by_the_next_attempt(storefront_world):
    sku = storefront_world.stock({EAST: 10})
    wanted = [setting(await level(storefront_world, sku), 5)]
    key = new_key()
    storefront_world.lose_request("set_stock")
    with pytest.raises((Unavailable, OutcomeUnknown)):
        await storefront_world.storefront.set_stock(wanted, key)
    (outcome,) = await storefront_world.storefront.set_stock(wanted, key)
    assert outcome.state is DONE
    assert await shown(storefront_world, sku) == {EAST: (5, 0)}


async def test_a_level_that_a_call_names_twice_is_set_in_turn(storefront_world):
    sku = storefront_world.stock({EAST: 10})
    seen = await level(storefront_world, sku)
    wanted = [setting(seen, 5), setting(seen, 4), setting(seen, 3, change_from=5)]
    outcomes = await storefront_world.storefront.set_stock(wanted, new_key())
    assert [x.state for x in outcomes] == [DONE, STALE, DONE]
    assert await shown(storefront_world, sku) == {EAST: (3, 0)}
