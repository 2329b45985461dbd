"""What a living order claims of stock, from its webhook to its end."""

import asyncio
from collections import Counter

from sqlmodel import select

from domain.order import OrderKey
from domain.status import OrderStatus
from domain.stock import StockReading
from store.stock import ErpStockBook
from store.stock_tables import StockClaimRow, StockHeldRow
from tests.order_builder import make_line, make_order
from tests.workflows.world import World
from workflows.messages import Attention, CancelAsked, OperatorMessage
from workflows.order import OrderWorkflow

STOCK = {("WH-EAST", "TEE-BLK-M"): 20}


def claims(world: World, key: OrderKey) -> Counter[str]:
    """Units that are open at the storefront, that the ERP lacks, and that no reading of it holds yet."""
    units: Counter[str] = Counter()
    with world.database.read() as session:
        rows = session.exec(
            select(StockClaimRow).where(
                StockClaimRow.channel == key.channel, StockClaimRow.external_id == key.external_id
            )
        ).all()
    for row in rows:
        units.update({"open": row.open, "awaiting": row.awaiting, "entering": row.entering})
    return +units


async def read_erp(world: World) -> None:
    book = ErpStockBook(world.database)
    token, at = book.begin_reading()
    page = await world.erp.stock_changes(None)
    book.keep_reading(StockReading(token=token, at=at, levels=page.levels, kits=page.kits))


async def test_an_order_claims_its_units_until_they_have_left(world: World, external_id):
    for place, units in STOCK.items():
        world.erp.stock[place] = units
    order = make_order(external_id, lines=(make_line("11", ordered=3),))
    world.faults.reject("erp.submit_order", "closed for stocktaking", "stocktaking")
    async with world.working():
        handle = await world.place(order)
        await world.until_stopped(order.key)
        assert claims(world, order.key) == {"open": 3, "awaiting": 3}
        await read_erp(world)
        assert claims(world, order.key)["awaiting"] == 3, "the ERP does not have it"
        world.faults.lift()
        await handle.execute_update(OrderWorkflow.resubmit_update, OperatorMessage())
        await world.until_in_erp(order.key)
        assert claims(world, order.key) == {"open": 3, "entering": 3}
        await read_erp(world)
        assert claims(world, order.key) == {"open": 3}
        world.erp.ship(order.key, "WH-EAST", {"11": 2})
        await world.until(
            order.key,
            lambda v: v.status is OrderStatus.PARTLY_SHIPPED and v.waiting_for.startswith("the warehouse"),
        )
        assert claims(world, order.key) == {"open": 1}
        world.erp.ship(order.key, "WH-EAST", {"11": 1})
        assert (await handle.result()).outcome is Attention.CLOSED
    with world.database.read() as session:
        assert session.exec(select(StockClaimRow)).all() == []
        assert session.exec(select(StockHeldRow)).all() == []


async def test_a_canceled_order_claims_nothing(world: World, external_id):
    for place, units in STOCK.items():
        world.erp.stock[place] = units
    await read_erp(world)
    order = make_order(external_id, lines=(make_line("11", ordered=3),))
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        world.storefront.cancel_by_customer(external_id)
        await world.start(world.storefront.orders[external_id], "orders/cancelled")
        assert (await handle.result()).outcome is Attention.CANCELED
    assert claims(world, order.key) == {"entering": 3}, "until the ERP's stock is read again"
    await read_erp(world)
    assert claims(world, order.key) == {}


async def test_units_that_an_edit_adds_are_claimed_until_the_erp_has_them(world: World, external_id):
    for place, units in STOCK.items():
        world.erp.stock[place] = units
    order = make_order(external_id, lines=(make_line("11", ordered=3),))
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        await read_erp(world)
        world.storefront.edit_quantity(external_id, "11", 1)
        await world.start(world.storefront.orders[external_id], "orders/edited")
        await world.until_told(order.key, "in the ERP")
        await world.until(
            order.key, lambda v: "of 1 unit" in v.sentence or v.waiting_for.startswith("the ware")
        )
        for _ in range(100):
            if claims(world, order.key) == {"open": 1}:
                break
            await read_erp(world)
        assert claims(world, order.key) == {"open": 1}
        world.erp.ship(order.key, "WH-EAST", {"11": 1})
        assert (await handle.result()).outcome is Attention.CLOSED


async def test_units_are_in_flight_before_the_erp_is_asked_to_cancel(world: World, external_id):
    for place, units in STOCK.items():
        world.erp.stock[place] = units
    order = make_order(external_id, lines=(make_line("11", ordered=3),))
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        await read_erp(world)
        assert claims(world, order.key) == {"open": 3}
        world.faults.lose_answer("erp.cancel_order")
        canceling = asyncio.create_task(handle.execute_update(OrderWorkflow.cancel_update, CancelAsked()))
        async with asyncio.timeout(20):
            while "awaiting" not in claims(world, order.key):  # noqa: ASYNC110  it is told by nobody
                await asyncio.sleep(0.05)
        # The ERP has canceled it, nobody has heard of that, and its stock is read.
        await read_erp(world)
        assert claims(world, order.key) == {"open": 3, "awaiting": 3}
        world.faults.lift()
        await canceling
        assert (await handle.result()).outcome is Attention.CANCELED
    await read_erp(world)
    assert claims(world, order.key) == {}
