"""What every ERP adapter promises of stock (``adapters.stock_ports.ErpStockPort``), on memory and a real Tryton."""

from collections.abc import Sequence

import pytest

from adapters.errors import Rejected
from adapters.ports import ErpPort
from adapters.stock_ports import MOST_STOCK
from domain.erp_order import SalesOrder
from domain.stock import ErpStock, Kit
from sandbox.catalog import KIT_COMPONENTS, KIT_SKU, LOCATIONS, PRODUCTS
from tests.contract.erp_worlds import ErpWorld
from tests.contract.order_shapes import sales_order
from tests.order_builder import make_line, make_order

pytestmark = pytest.mark.asyncio(loop_scope="module")

EAST, WEST = "WH-EAST", "WH-WEST"
MOST_PAGES = 60
Levels = dict[tuple[str, str], ErpStock]


class Shelf:
    """The levels of some products, as ``find_stock`` tells them."""

    def __init__(self, erp: ErpPort, *products: str) -> None:
        self._erp = erp
        self._products = products

    async def read(self) -> Levels:
        return by_place((await self._erp.find_stock(self._products)).levels)


class StockFeed:
    """Reads changes page by page until nothing waits."""

    def __init__(self, erp: ErpPort, cursor: str | None = None) -> None:
        self._erp = erp
        self.cursor = cursor
        self.pages = 0
        self.kits: dict[str, Kit] = {}

    async def read(self) -> Levels:
        told: Levels = {}
        for _ in range(MOST_PAGES):
            page = await self._erp.stock_changes(self.cursor)
            self.cursor, self.pages = page.cursor, self.pages + 1
            told |= by_place(page.levels)
            self.kits |= {kit.product: kit for kit in page.kits}
            if not page.more:
                return told
        raise AssertionError(f"the feed has more after {MOST_PAGES} pages")


def by_place(levels: Sequence[ErpStock]) -> Levels:
    found = {(level.product, level.warehouse): level for level in levels}
    assert len(found) == len(levels), "a level was told twice on one page"
    return found


def order_of(world: ErpWorld, sku: str, units: int, location: str = "101") -> SalesOrder:
    lines = [make_line("11", sku, units)]
    return sales_order(make_order(world.new_id(), lines=lines, placement={"11": {location: units}}))


def changed(before: ErpStock, after: ErpStock) -> tuple[int, int, int]:
    """Units more on hand, allocated and free."""
    return (
        after.on_hand - before.on_hand,
        after.allocated - before.allocated,
        after.free - before.free,
    )


async def test_stock_is_told_by_product_and_warehouse_and_what_is_unknown_is_named(erp_world):
    found = await erp_world.erp.find_stock(["JEAN-IND-34", "NO-SUCH", "CAP-GRN", "JEAN-IND-34"])
    levels = by_place(found.levels)
    assert levels.keys() == {(sku, place) for sku in ("JEAN-IND-34", "CAP-GRN") for place in (EAST, WEST)}
    assert all(level.free <= level.on_hand for level in levels.values())
    # No other contract takes of it: it lies there as the catalog put it.
    assert levels["JEAN-IND-34", EAST].free == LOCATIONS["101"][2]
    assert (found.kits, found.unknown) == ((), ("NO-SUCH",))
    assert (await erp_world.erp.find_stock([])).levels == ()


async def test_a_kit_is_told_with_the_stock_of_its_components(erp_world):
    found = await erp_world.erp.find_stock([KIT_SKU])
    assert found.kits == (Kit(product=KIT_SKU, components=dict(KIT_COMPONENTS)),)
    assert {level.product for level in found.levels} == {sku for sku, _ in KIT_COMPONENTS}
    assert found.unknown == ()


async def test_more_products_than_one_call_takes_are_refused(erp_world):
    with pytest.raises(ValueError, match=str(MOST_STOCK)):
        await erp_world.erp.find_stock([f"SKU-{number}" for number in range(MOST_STOCK + 1)])


async def test_no_unit_is_counted_twice_or_forgotten_while_an_order_leaves_in_parts(erp_world):
    shelf = Shelf(erp_world.erp, "BAG-TOTE")
    before = await shelf.read()
    order = order_of(erp_world, "BAG-TOTE", 5, "102")
    await erp_world.erp.submit_order(order)
    taken = await shelf.read()
    assert changed(before["BAG-TOTE", WEST], taken["BAG-TOTE", WEST]) == (0, 5, -5)
    assert taken["BAG-TOTE", EAST] == before["BAG-TOTE", EAST]
    parcel = await erp_world.ship(order.key, WEST, part=True)
    (left,) = parcel.units.values()
    half = await shelf.read()
    assert changed(before["BAG-TOTE", WEST], half["BAG-TOTE", WEST]) == (-left, 5 - left, -5)
    assert half["BAG-TOTE", EAST] == before["BAG-TOTE", EAST]
    await erp_world.erp.deliver_order(order.key)
    gone = await shelf.read()
    assert changed(before["BAG-TOTE", WEST], gone["BAG-TOTE", WEST]) == (-5, 0, -5)
    assert gone["BAG-TOTE", EAST] == before["BAG-TOTE", EAST]


async def test_what_is_picked_is_on_hand_and_allocated_still(erp_world):
    shelf = Shelf(erp_world.erp, "BELT-BRN")
    before = (await shelf.read())["BELT-BRN", EAST]
    order = order_of(erp_world, "BELT-BRN", 3)
    await erp_world.erp.submit_order(order)
    await erp_world.pick(order.key)
    assert changed(before, (await shelf.read())["BELT-BRN", EAST]) == (0, 3, -3)


async def test_an_order_for_a_kit_takes_its_components(erp_world):
    shelf = Shelf(erp_world.erp, KIT_SKU)
    before = await shelf.read()
    order = order_of(erp_world, KIT_SKU, 2)
    await erp_world.erp.submit_order(order)
    taken = await shelf.read()
    for sku, number in KIT_COMPONENTS:
        assert changed(before[sku, EAST], taken[sku, EAST]) == (0, 2 * number, -2 * number)
    await erp_world.ship(order.key, EAST, part=False)
    gone = await shelf.read()
    for sku, number in KIT_COMPONENTS:
        assert changed(before[sku, EAST], gone[sku, EAST]) == (-2 * number, 0, -2 * number)


async def test_a_canceled_order_gives_back_what_it_took_once(erp_world):
    shelf = Shelf(erp_world.erp, "PIN-SET")
    before = await shelf.read()
    order = order_of(erp_world, "PIN-SET", 4)
    await erp_world.erp.submit_order(order)
    assert changed(before["PIN-SET", EAST], (await shelf.read())["PIN-SET", EAST]) == (0, 4, -4)
    for _ in range(2):
        assert (await erp_world.erp.cancel_order(order.key, "changed their mind")).canceled
        assert await shelf.read() == before


async def test_the_feed_begins_with_everything_in_pages_and_then_tells_what_changed(erp_world):
    feed = StockFeed(erp_world.erp)
    everything = await feed.read()
    assert feed.pages > 1
    assert everything.keys() >= {(p["sku"], place) for p in PRODUCTS for place in (EAST, WEST)}
    assert feed.kits[KIT_SKU].components == dict(KIT_COMPONENTS)
    assert await feed.read() == {}
    kept = feed.cursor
    order = order_of(erp_world, "STICKER", 6, "102")
    await erp_world.erp.submit_order(order)
    told = await feed.read()
    assert changed(everything["STICKER", WEST], told["STICKER", WEST]) == (0, 6, -6)
    assert {sku for sku, _ in told} == {"STICKER"}
    assert await feed.read() == {}
    await erp_world.ship(order.key, WEST, part=False)
    # A reader that lost its place goes back to a cursor it kept, in another process.
    colleague = erp_world.colleague()
    again = await StockFeed(colleague, kept).read()
    await colleague.close()
    assert changed(everything["STICKER", WEST], again["STICKER", WEST]) == (-6, 0, -6)
    assert (await feed.read())["STICKER", WEST] == again["STICKER", WEST]


async def test_what_changes_while_everything_is_told_comes_as_well(erp_world):
    first = await erp_world.erp.stock_changes(None)
    assert first.more
    order = order_of(erp_world, first.levels[0].product, 2)
    await erp_world.erp.submit_order(order)
    told = await StockFeed(erp_world.erp, first.cursor).read()
    before = by_place(first.levels)[order.lines[0].product, EAST]
    assert changed(before, told[order.lines[0].product, EAST]) == (0, 2, -2)


async def test_a_foreign_cursor_is_refused(erp_world):
    order_cursor = (await erp_world.erp.changes(None)).cursor
    cursors = ["yesterday", "[1]"] if order_cursor.isdecimal() else ["yesterday", "[1]", order_cursor]
    for cursor in cursors:
        with pytest.raises(Rejected) as caught:
            await erp_world.erp.stock_changes(cursor)
        assert caught.value.cause == "cursor_unknown"
