"""Stock through the Shopify adapter and the sandbox store over real HTTP: what is Shopify's own of it."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapters.errors import OutcomeUnknown
from adapters.shopify.stock import PAGE_POINTS
from adapters.shopify.storefront import ShopifyStorefront
from adapters.shopify.webhooks import ShopifyWebhooks
from adapters.stock_ports import MOST_STOCK
from domain.stock import SettingState, ShownStock, StockSetting
from sandbox.store.client import StoreRefused, StoreSoldOut
from sandbox.store.outbox import DEFAULT_TOPICS, LEVEL_TOPIC
from sandbox.store.requests import CancelOrder, EditOrder, GiveBack, GiveBackLine, PlaceLine, PlaceOrder
from sandbox.store.stock_desk import AddProducts, ChangeProduct, CountStock, KeyKnobs, Locations
from tests.running_store import TOKEN, Receiver, RunningStore, read, ship, until
from tests.store_fixture import run_store, storefront_at

DONE, STALE, REFUSED = SettingState.DONE, SettingState.STALE, SettingState.REFUSED


class Wire(httpx.AsyncBaseTransport):
    """The line to the store: notes what went over it, and loses answers to the mutations that are numbered."""

    def __init__(self, *lost: int) -> None:
        self._inner = httpx.AsyncHTTPTransport()
        self._lost = lost
        self.operations: Counter[str] = Counter()
        self.requested: list[int] = []
        self.spent: list[int] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        name = json.loads(request.content)["query"].split("(")[0].split()[1]
        self.operations[name] += 1
        response = await self._inner.handle_async_request(request)
        cost = json.loads(await response.aread())["extensions"]["cost"]
        self.requested.append(cost["requestedQueryCost"])
        self.spent.append(cost["actualQueryCost"])
        if name == "SetStock" and self.operations[name] in self._lost:
            raise httpx.ReadTimeout("nobody hears it", request=request)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStore]:
    """A store of this module's own, with locations and thousands of products that would be in others' way."""
    with run_store(tmp_path_factory.mktemp("stock")) as store:
        yield store


@pytest.fixture
async def adapter(shop: RunningStore) -> AsyncIterator[ShopifyStorefront]:
    adapter = storefront_at(shop)
    yield adapter
    await adapter.close()


def over(shop: RunningStore, wire: Wire) -> ShopifyStorefront:
    return ShopifyStorefront("shop", shop.url, TOKEN, transport=wire)


def setting(level: ShownStock, available: int, **other: Any) -> StockSetting:
    wanted = StockSetting(
        sku=level.sku,
        item_id=level.item_id,
        location=level.location,
        available=available,
        change_from=level.available,
    )
    return wanted.model_copy(update=other)


def add(shop: RunningStore, *skus: str, **more: Any) -> int:
    return shop.control.add_products(AddProducts(skus=skus, **more)).first_item


def available(shop: RunningStore, sku: str) -> dict[int, int]:
    return {level.location: level.available for level in shop.control.read_stock(sku)}


def buy(shop: RunningStore, sku: str, quantity: int = 1, **more: Any) -> int:
    line = {"sku": sku, "quantity": quantity, **more}
    return shop.control.place_order(PlaceOrder.model_validate({"lines": [line]})).id


async def test_a_sku_that_several_products_carry_comes_with_each_of_their_items(shop, adapter) -> None:
    first = add(shop, "TWICE", "TWICE", stock={101: 3, 102: 4})
    told = await adapter.read_stock(["TWICE"])
    assert [(x.item_id, x.location) for x in told] == [
        (str(first + n), at) for n in (0, 1) for at in ("101", "102")
    ]
    outcomes = await adapter.set_stock([setting(x, 9) for x in told], "twice")
    assert {x.state for x in outcomes} == {DONE}


AWKWARD = [
    "A 1",
    "a 1",
    "A 1-B",
    "A*",
    'A "1"',
    "A'1",
    "A\\1",
    "A:1",
    "A AND B",
    "A OR sku:B",
    "(A)",
    "-A",
    "Ä/ß",
    "A\\",
]


async def test_any_sku_is_found_and_no_other_with_it(shop, adapter) -> None:
    add(shop, *AWKWARD, stock={101: 1})
    for sku in AWKWARD:
        assert [x.sku for x in await adapter.read_stock([sku])] == [sku]
    other = storefront_at(shop)
    assert [x.sku for x in await other.read_stock(AWKWARD)] == AWKWARD
    assert [x.sku for x in await other.read_stock(["A", "a  1", "A 1-", *AWKWARD[:2]])] == AWKWARD[:2]
    await other.close()


async def test_a_closed_location_shows_nothing_and_takes_nothing(shop, adapter) -> None:
    place = shop.control.change_locations(Locations(name="Pop-up"))
    add(shop, "POP-UP", stock={101: 1, place: 5})
    told = {x.location: x for x in await adapter.read_stock(["POP-UP"])}
    assert told.keys() == {"101", str(place)}
    shop.control.change_locations(Locations(id=place, active=False))
    assert [x.location for x in await adapter.read_stock(["POP-UP"])] == ["101"]
    wanted = [setting(told[str(place)], 4), setting(told["101"], 2)]
    closed, good = await adapter.set_stock(wanted, "pop-up")
    assert (closed.state, closed.cause, good.state) == (REFUSED, "location_unknown", DONE)
    with pytest.raises(StoreRefused, match="no location"):
        buy(shop, "POP-UP", location=place)
    shop.control.change_locations(Locations(id=place))
    assert {x.location: x.available for x in await adapter.read_stock(["POP-UP"])} == {
        "101": 2,
        str(place): 5,
    }


async def test_a_number_that_the_shop_cannot_count_is_refused_by_itself(shop, adapter) -> None:
    add(shop, "MANY", "FEW", stock={101: 1})
    many, few = await adapter.read_stock(["MANY", "FEW"])
    # the largest number that GraphQL can send at all is beyond what a shop counts; more than that is no number there
    wanted = [setting(many, 2**31 - 1), setting(few, 0), setting(many, 3), setting(few, 2**31, change_from=0)]
    outcomes = await adapter.set_stock(wanted, "many")
    too_many = (REFUSED, "quantity_out_of_range")
    assert [(x.state, x.cause) for x in outcomes] == [too_many, (DONE, ""), (DONE, ""), too_many]


@pytest.mark.parametrize("refused", ["replayed", "spent"])
@pytest.mark.parametrize("lost", range(1, 7))
async def test_whichever_answer_is_lost_the_same_key_comes_to_the_same(
    shop: RunningStore, refused: str, lost: int
) -> None:
    """The first request is refused for its bad settings, the second sets the good one; then all of it is repeated."""
    shop.control.set_keys(KeyKnobs(refused=refused))
    sku = f"LOST-{refused}-{lost}"
    add(shop, f"{sku}-A", f"{sku}-B", f"{sku}-C", stock={101: 10})
    adapter = over(shop, Wire(lost))
    good, moved, gone = await adapter.read_stock([f"{sku}-A", f"{sku}-B", f"{sku}-C"])
    shop.control.count_stock(CountStock(sku=moved.sku, location=101, available=11))
    wanted = [setting(moved, 4), setting(good, 5), setting(gone, 6, location="999")]

    async def outcomes() -> list[SettingState]:
        try:
            return [x.state for x in await adapter.set_stock(wanted, sku)]
        except OutcomeUnknown:
            return [x.state for x in await adapter.set_stock(wanted, sku)]

    for _ in range(2):
        assert await outcomes() == [STALE, DONE, REFUSED]
        assert [available(shop, x.sku)[101] for x in (good, moved, gone)] == [5, 11, 10]
    await adapter.close()


async def test_a_number_that_a_buyer_made_is_not_taken_for_our_own(shop: RunningStore) -> None:
    """With spent keys a stale setting is proven by its key: the same number alone proves nothing."""
    shop.control.set_keys(KeyKnobs(refused="spent"))
    add(shop, "BOUGHT", "MOVED", stock={101: 10})
    adapter = storefront_at(shop)
    bought, moved = await adapter.read_stock(["BOUGHT", "MOVED"])
    buy(shop, "BOUGHT", 3)
    wanted = [setting(bought, 7), setting(moved, 4, change_from=9)]
    assert [x.state for x in await adapter.set_stock(wanted, "bought")] == [STALE, STALE]
    assert [x.state for x in await adapter.set_stock(wanted, "bought")] == [STALE, STALE]
    assert available(shop, "BOUGHT") == {101: 7}
    await adapter.close()


async def test_pages_fit_what_is_left_beside_orders_and_settle_at_what_a_level_costs(shop) -> None:
    place = shop.control.change_locations(Locations(name="North"))
    shop.control.add_products(AddProducts(count=1_500, prefix="BULK", stock={101: 5, 102: 6, place: 7}))
    wire = Wire()
    adapter = over(shop, wire)
    listed: list[ShownStock] = []
    cursor: str | None = None
    while True:
        page = await adapter.list_stock(cursor)
        listed += page.levels
        cursor = page.next_cursor
        if cursor is None:
            break
    bulk = [x for x in listed if x.sku.startswith("BULK-")]
    assert len({(x.item_id, x.location) for x in bulk}) == len(bulk) == 4_500
    assert max(wire.requested) <= PAGE_POINTS
    settled = wire.requested[-20:-5]
    assert max(settled) == PAGE_POINTS - 6
    """41 items of 3 levels: 2 + 41 x (3 + 3 x 3)."""
    assert wire.operations.keys() == {"ListStock"}

    # what was listed is read by its ids: as many SKUs as a call takes, in few requests
    wire.operations.clear()
    skus = [f"BULK-{n}" for n in random.Random(1).sample(range(1, 1_501), MOST_STOCK)]
    told = await adapter.read_stock(skus)
    assert [x.sku for x in told[::3]] == skus
    assert wire.operations == {"ReadStock": 7}

    # and all of them are set by one
    wire.operations.clear()
    outcomes = await adapter.set_stock([setting(x, 9) for x in told[:MOST_STOCK]], "bulk")
    assert {x.state for x in outcomes} == {DONE}
    assert wire.operations == {"SetStock": 1}
    assert wire.spent[-1] <= 20
    await adapter.close()


async def test_an_item_with_more_levels_than_a_page_asks_for_is_read_on(shop) -> None:
    places = [shop.control.change_locations(Locations(name=f"Shop {n}")) for n in range(13)]
    stock = dict.fromkeys(places, 2)
    add(shop, "EVERYWHERE", stock=stock)
    add(shop, *(f"FULL-{n}" for n in range(5)), stock=stock)
    wire = Wire()
    adapter = over(shop, wire)
    told = await adapter.read_stock(["EVERYWHERE"])
    assert {x.location for x in told} == {str(each) for each in places}
    assert wire.operations == {"ListStock": 1, "ReadMoreLevels": 1}
    # several such items: the page is asked for again, with more levels
    told = await adapter.read_stock([f"FULL-{n}" for n in range(5)])
    assert len(told) == 5 * 13
    assert wire.operations == {"ListStock": 3, "ReadMoreLevels": 1}
    await adapter.close()


async def test_buyers_and_pushes_at_the_same_time_lose_no_unit(shop, adapter) -> None:
    """The shelf holds 60. Whoever overwrites a buyer's unit shows more than the shelf less what orders hold."""
    add(shop, "RACE", stock={101: 60})
    stale = 0

    def buyers() -> None:
        for _ in range(12):
            buy(shop, "RACE")

    async def push() -> None:
        nonlocal stale
        for _ in range(25):
            (seen,) = await adapter.read_stock(["RACE"])
            await asyncio.sleep(0)
            wanted = setting(seen, 60 - seen.committed - (1 if seen.available % 2 else 0))
            (outcome,) = await adapter.set_stock([wanted], f"race-{random.random()}")
            stale += outcome.state is STALE

    await asyncio.gather(*(asyncio.to_thread(buyers) for _ in range(3)), push())
    (level,) = shop.control.read_stock("RACE")
    assert level.committed == 36
    assert level.available + level.committed in {59, 60}


async def test_what_is_sold_out_cannot_be_bought(shop, adapter) -> None:
    add(shop, "SCARCE", stock={101: 2, 102: 1})
    with pytest.raises(StoreSoldOut, match="SCARCE is sold out: 3 are wanted from Warehouse East, 2 are"):
        buy(shop, "SCARCE", 3)
    buy(shop, "SCARCE", 3, anywhere=True)
    assert available(shop, "SCARCE") == {101: 0, 102: 0}
    with pytest.raises(StoreSoldOut):
        buy(shop, "SCARCE", anywhere=True)
    levels = await adapter.read_stock(["SCARCE"])
    assert [x.committed for x in levels] == [2, 1]
    shop.control.change_product(ChangeProduct(sku="SCARCE", policy="CONTINUE"))
    buy(shop, "SCARCE")
    assert available(shop, "SCARCE")[101] == -1
    shop.control.change_product(ChangeProduct(sku="SCARCE", policy="DENY", tracked=False))
    buy(shop, "SCARCE", location=102)


def test_levels_are_announced_where_somebody_listens_and_that_is_not_us(tmp_path: Path) -> None:
    assert LEVEL_TOPIC not in {*DEFAULT_TOPICS, *ShopifyWebhooks.topics}
    receiver = Receiver().start()
    try:
        with run_store(tmp_path, receiver.url) as shop:
            add(shop, "TOLD", stock={101: 5})
            buy(shop, "TOLD")
            until(lambda: len(receiver.received) == 1)
            shop.control.turn_webhooks(topics=[LEVEL_TOPIC])
            buy(shop, "TOLD", 2)
            shop.control.count_stock(CountStock(sku="TOLD", location=101, available=9))
            until(lambda: len(receiver.received) == 3)
    finally:
        receiver.stop()
    assert receiver.received[0].headers["x-shopify-topic"] == "orders/create"
    told = [json.loads(each.raw)["available"] for each in receiver.received[1:]]
    assert sorted(told) == [2, 9]


def both(shop: RunningStore, sku: str) -> dict[int, tuple[int, int]]:
    return {level.location: (level.available, level.committed) for level in shop.control.read_stock(sku)}


def test_whatever_people_do_to_an_order_moves_its_units(shop: RunningStore) -> None:
    add(shop, "MOVES", "OTHER", stock={101: 10, 102: 10})
    order = buy(shop, "MOVES", 4)
    assert both(shop, "MOVES") == {101: (6, 4), 102: (10, 0)}
    shop.control.edit_line(order, 1, 6)
    assert both(shop, "MOVES")[101] == (4, 6)
    shop.control.edit_order(order, EditOrder(add=(PlaceLine(sku="OTHER", quantity=2, location=102),)))
    assert both(shop, "OTHER") == {101: (10, 0), 102: (8, 2)}
    shop.control.refund_order(order, GiveBack(lines=(GiveBackLine(quantity=1, restock="CANCEL"),)))
    assert both(shop, "MOVES")[101] == (5, 5)
    plan = read(shop, order)["fulfillmentOrders"]["nodes"][0]
    ship(shop, plan, (plan["lineItems"]["nodes"][0]["id"], 3))
    assert both(shop, "MOVES")[101] == (5, 2)
    shop.control.refund_order(order, GiveBack(lines=(GiveBackLine(restock="NO_RESTOCK"),)))
    assert both(shop, "MOVES")[101] == (5, 2)
    shop.control.refund_order(order, GiveBack(lines=(GiveBackLine(restock="RETURN", location=102),)))
    assert both(shop, "MOVES") == {101: (5, 2), 102: (11, 0)}
    for restock, kept in ((True, 8), (False, 6)):
        canceled = buy(shop, "OTHER", 2, location=102)
        assert both(shop, "OTHER")[102] == (6, 4)
        shop.control.cancel_order(canceled, CancelOrder(restock=restock))
        assert both(shop, "OTHER")[102] == (kept, 2)
    at_the_till = PlaceOrder.model_validate({"lines": [{"sku": "OTHER"}], "handed_over": True})
    shop.control.place_order(at_the_till)
    assert both(shop, "OTHER")[101] == (9, 0)
