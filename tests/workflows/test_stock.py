"""Stock on a real Temporal server: read from the ERP, told to two storefronts, and compared."""

import asyncio
import time

from sqlmodel import select
from temporalio.client import WorkflowExecutionStatus

from adapters.errors import Rejected
from domain.cases import CaseState
from domain.stock import ShownStock
from store.cases import Cases
from store.database import Database
from store.stock_tables import StockClaimRow
from tests.workflows.stock_world import HERE, MUG, StockWorld, until
from tests.workflows.world import World
from workflows.messages import ORDERS_QUEUE
from workflows.standing import (
    STOCK_FEED_ID,
    StockComparisonStart,
    stock_pusher_id,
)
from workflows.stock_comparison import StockComparisonWorkflow


async def test_a_change_in_the_erp_is_soon_shown_everywhere(world: World):
    house = StockWorld(world, 12)
    async with world.working():
        await house.until_shown(6, 6)
        began = time.monotonic()
        house.erp.receive("WH-EAST", MUG, 4)
        await house.until_shown(8, 8)
        assert time.monotonic() - began < 5
        house.erp.count("WH-EAST", MUG, 3)
        await house.until_shown(1, 2)
    assert house.cases() == []


async def test_an_order_lowers_the_other_channel_before_the_erp_has_it(world: World, external_id):
    house = StockWorld(world, 12)
    async with world.working():
        await house.until_shown(6, 6)
        world.faults.unavailable("erp.*")
        order = await house.buy(6, external_id)
        await until(lambda: house.shown("outlet") == 3, lambda: f"outlet shows {house.shown('outlet')}")
        await until(lambda: house.shown("shop") == 3, lambda: f"shop shows {house.shown('shop')}")
        world.faults.lift()
        await world.until_in_erp(order.key)
        # The ERP holds the order now, and is asked again: nothing is in flight, and nothing was given twice.
        await until(lambda: in_flight(world.database) == 0, lambda: "units are still in flight")
        await asyncio.sleep(1)
        assert (house.shown("shop"), house.shown("outlet")) == (3, 3)


def in_flight(db: Database) -> int:
    with db.read() as session:
        return sum(row.awaiting + row.entering for row in session.exec(select(StockClaimRow)).all())


async def test_nobody_shows_more_before_every_storefront_was_listed_once(world: World):
    house = StockWorld(world, 60)
    house.shops["outlet"].shelf.stock(MUG, HERE, 40)
    world.faults.unavailable("outlet.list_stock|list_stock")
    async with world.working():
        await asyncio.sleep(2)
        assert house.shown("shop") == 20
        world.faults.lift()
        await house.until_shown(30, 30)


async def test_while_the_erp_is_away_what_was_read_last_holds(world: World):
    house = StockWorld(world, 12)
    async with world.working():
        await house.until_shown(6, 6)
        world.faults.unavailable("erp.*")
        house.erp.receive("WH-EAST", MUG, 4)
        house.shops["shop"].shelf.stock(MUG, HERE, 9)
        assert "1 set anew" in await house.compare()
        assert house.shown("shop") == 6
        world.faults.lift()
        await house.until_shown(8, 8)
        feed = await world.client.get_workflow_handle(STOCK_FEED_ID).describe()
        assert feed.status is not None
        assert feed.status.name == "RUNNING"


async def test_what_changes_while_a_storefront_is_away_is_told_once_it_is_back(world: World):
    house = StockWorld(world, 12)
    async with world.working():
        await house.until_shown(6, 6)
        world.faults.unavailable("storefront.*")
        house.erp.count("WH-EAST", MUG, 4)
        await asyncio.sleep(1.5)
        assert (house.shown("shop"), house.shown("outlet")) == (6, 6)
        world.faults.lift()
        await house.until_shown(2, 2)


async def test_a_number_that_a_buyer_made_old_is_decided_again(world: World, external_id):
    house = StockWorld(world, 12)
    shop = house.shops["shop"]
    async with world.working():
        await house.until_shown(6, 6)
        read_stock, bought = shop.read_stock, asyncio.Event()

        async def read_and_sell(skus) -> tuple[ShownStock, ...]:
            levels = await read_stock(skus)
            if not bought.is_set():
                bought.set()
                await house.buy(1, external_id)
            return levels

        shop.read_stock = read_and_sell  # a buyer of the storefront, in the moment between
        house.erp.receive("WH-EAST", MUG, 4)
        # One of 16 is sold: 15 are left, and the odd one goes to the first.
        await until(
            lambda: house.shown("shop") + house.shown("outlet") == 15,
            lambda: f"shown are {house.shown('shop')} and {house.shown('outlet')}",
        )
        assert bought.is_set()


async def test_what_one_sku_lacks_is_a_case_and_holds_up_no_other(world: World):
    house = StockWorld(world, 12)
    shelf = house.shops["shop"].shelf
    shelf.stock("NO-SUCH", HERE, 4)
    async with world.working():
        await house.until_shown(6, 6)
        await house.until_case("stock_product_unknown:shop:NO-SUCH")
        house.erp.stock["WH-EAST", "NO-SUCH"] = 3
        await until(lambda: shelf.available["NO-SUCH", HERE] == 3, lambda: "the new product is not told")
        await house.until_case(None)


async def test_a_refused_setting_is_a_case_until_it_works(world: World):
    house = StockWorld(world, 12)
    house.erp.stock["WH-EAST", "CAP"] = 8
    shelf = house.shops["shop"].shelf
    shelf.stock("CAP", HERE, 4)
    async with world.working():
        await house.until_shown(6, 6)
        await until(lambda: shelf.available["CAP", HERE] == 8, lambda: "the cap is not told")
        set_one = shelf._set

        def not_counted(setting, *, compare):
            shelf.untracked.add("CAP")
            outcome = set_one(setting, compare=compare)
            shelf.untracked.discard("CAP")
            return outcome

        shelf._set = not_counted
        house.erp.count("WH-EAST", "CAP", 2)
        house.erp.count("WH-EAST", MUG, 10)
        await house.until_shown(5, 5)
        await house.until_case("stock_not_tracked:shop:CAP")
        shelf._set = set_one
        house.erp.count("WH-EAST", "CAP", 4)
        await until(lambda: shelf.available["CAP", HERE] == 4, lambda: "the cap is not told")
        await house.until_case(None)


async def test_a_sku_that_is_refused_as_a_whole_is_found_among_the_others(world: World):
    house = StockWorld(world, 12)
    shop = house.shops["shop"]
    for number in range(9):
        house.erp.stock["WH-EAST", f"CAP-{number}"] = 8
        shop.shelf.stock(f"CAP-{number}", HERE, 4)
    async with world.working():
        await house.until_shown(6, 6)
        await until(lambda: shop.shelf.available["CAP-8", HERE] == 8, lambda: "the last cap is not told")
        read_stock = shop.read_stock

        async def stumble(skus) -> tuple[ShownStock, ...]:
            if "CAP-4" in skus:
                world.faults.break_contract("storefront.read_stock", nth=1)
            return await read_stock(skus)

        shop.read_stock = stumble
        for number in range(9):
            house.erp.count("WH-EAST", f"CAP-{number}", 2)
        await house.until_case("stock_refused:shop:CAP-4")
        shown = [shop.shelf.available[f"CAP-{number}", HERE] for number in range(9)]
        assert shown == [2, 2, 2, 2, 8, 2, 2, 2, 2]


async def test_a_sku_that_two_items_carry_is_left_alone(world: World):
    house = StockWorld(world, 12)
    shop = house.shops["shop"]
    levels, twice = shop.shelf.levels, True

    def both(skus) -> tuple[ShownStock, ...]:
        found = levels(skus)
        more = [each.model_copy(update={"item_id": "another"}) for each in found if each.sku == MUG]
        return (*found, *more) if twice else found

    shop.shelf.levels = both
    async with world.working():
        await house.until_case(f"stock_sku_twice:shop:{MUG}")
        assert house.shown("shop") == 20
        twice = False
        await house.compare()
        await house.until_case(None)
        await house.until_shown(6, 6)


async def test_a_comparison_sets_what_differs_and_tells_what_one_side_lacks(world: World):
    house = StockWorld(world, 12, page_size=3)
    shelf = house.shops["shop"].shelf
    for number in range(10):
        house.erp.stock["WH-EAST", f"CAP-{number}"] = 8
        shelf.stock(f"CAP-{number}", HERE, 4)
    shelf.stock("NO-SUCH", HERE, 4)
    house.erp.stock["WH-EAST", "ONLY-ERP"] = 5
    async with world.working():
        await house.until_shown(6, 6)
        await house.until_whole()
        await until(
            lambda: all(shelf.available[f"CAP-{number}", HERE] == 8 for number in range(10)),
            lambda: f"the caps are not told: {shelf.available}",
        )
        shelf.stock("CAP-3", HERE, 0)
        shelf.stock("CAP-7", HERE, 99)
        assert await house.compare() == (
            "12 numbers of 12 SKUs of shop compared: 9 equal, 2 set anew, 1 not decided; 1 SKUs that the ERP does not "
            "have, 1 products of the ERP that the storefront does not have"
        )
        assert (shelf.available["CAP-3", HERE], shelf.available["CAP-7", HERE]) == (8, 8)


async def test_a_comparison_that_is_interrupted_goes_on_where_it_was(world: World):
    house = StockWorld(world, 12, page_size=1)
    shop = house.shops["shop"]
    for number in range(10):
        house.erp.stock["WH-EAST", f"CAP-{number}"] = 8
        shop.shelf.stock(f"CAP-{number}", HERE, 4)
    asked: list[str | None] = []
    list_stock = shop.list_stock
    hangs = asyncio.Event()

    async def list_until_killed(cursor: str | None = None):
        asked.append(cursor)
        if cursor == "CAP-5" and not hangs.is_set():
            hangs.set()
            await asyncio.Event().wait()
        return await list_stock(cursor)

    async with world.working():
        await house.until_shown(6, 6)
        await house.until_whole()
        shop.list_stock = list_until_killed
        handle = await world.client.start_workflow(
            StockComparisonWorkflow.run,
            StockComparisonStart(channel="shop"),
            id="interrupted",
            task_queue=ORDERS_QUEUE,
        )
        async with asyncio.timeout(20):
            await hangs.wait()
    async with world.working():
        found = await handle.result()
    assert (found.skus, found.equal) == (11, 11)
    assert asked.count(None) == 1, "it did not start over"
    assert asked.count("CAP-5") == 2
    assert len(asked) == 12


async def test_a_comparison_goes_on_past_a_page_with_a_sku_that_is_refused(world: World):
    house = StockWorld(world, 12, page_size=4)
    shop = house.shops["shop"]
    for number in range(9):
        house.erp.stock["WH-EAST", f"CAP-{number}"] = 8
        shop.shelf.stock(f"CAP-{number}", HERE, 4)
    set_stock, bad = shop.set_stock, "CAP-2"

    async def stumble(settings, key):
        if bad in {setting.sku for setting in settings}:
            raise Rejected("shop", "set stock", "the item is locked")
        return await set_stock(settings, key)

    async with world.working():
        await house.until_shown(6, 6)
        await house.until_whole()
        await until(lambda: shop.shelf.available["CAP-8", HERE] == 8, lambda: "the last cap is not told")
        shop.set_stock = stumble
        for number in range(9):
            shop.shelf.stock(f"CAP-{number}", HERE, 1)
        assert "4 refused" in await house.compare(), "the page of the bad one is left to the pusher"
        await house.until_case("stock_refused:shop:CAP-2")
        told = [f"CAP-{number}" for number in range(9) if number != 2]
        await until(
            lambda: all(shop.shelf.available[sku, HERE] == 8 for sku in told),
            lambda: f"the caps are not told: {shop.shelf.available}",
        )
        bad = ""
        await house.compare(number=2)
        await house.until_case(None)
        assert shop.shelf.available["CAP-2", HERE] == 8


async def test_a_storefront_that_does_not_list_its_stock_is_a_case_until_it_does(world: World):
    house = StockWorld(world, 12)
    shop = house.shops["shop"]
    async with world.working():
        await house.until_shown(6, 6)
        await house.until_whole()
        list_stock, refusals = shop.list_stock, 0

        async def refuse(cursor=None):
            nonlocal refusals
            refusals += 1
            if refusals == 1:
                raise Rejected("shop", "list stock", "the scope read_inventory is missing")
            (case,) = Cases(world.database).list(CaseState.OPEN)
            assert case.cause == "stock_list_refused:shop:"
            assert "read_inventory is missing" in case.reason
            return await list_stock(cursor)

        shop.list_stock = refuse
        await house.compare()
        assert refusals == 2
        await house.until_case(None)


async def test_channels_that_are_not_told_any_more_leave_nothing_running(world: World):
    house = StockWorld(world, 12)
    handles = [
        world.client.get_workflow_handle(workflow_id)
        for workflow_id in (STOCK_FEED_ID, stock_pusher_id("shop", 0), stock_pusher_id("outlet", 0))
    ]
    async with world.working():
        await house.until_shown(6, 6)
    StockWorld(world, 12, push=False)
    async with world.working():
        for handle in handles:
            assert (await handle.describe()).status is WorkflowExecutionStatus.TERMINATED
