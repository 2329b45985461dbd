"""The stack of ``orderwright up``, its stock and its console: Tryton, store, worker and Temporal as processes."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from config.mappings import load_mapping
from orderwright.stack_commands import RULES_OF_STOCK
from sandbox.addresses import CHANNEL, OPERATOR
from sandbox.catalog import LOCATIONS
from sandbox.house import House, people_around
from sandbox.stack import Stack, mapping_with_stock
from sandbox.store.requests import PlaceLine, PlaceOrder
from sandbox.tryton.staff import Staff

pytestmark = pytest.mark.timeout(300)

MUG, EAST = "MUG-LOGO", "101"
WAREHOUSE, _, UNITS = LOCATIONS[EAST]
LONGEST = 60.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    folder = tmp_path_factory.mktemp("stack")
    stack = Stack(
        folder,
        fresh=True,
        say=lambda _text: None,
        known_ports=False,
        rules_of_stock=RULES_OF_STOCK,
        console=True,
    )
    async with stack, people_around(stack) as house:
        yield house


async def until_shown(house: House, units: int) -> None:
    """Wait until the store shows so many mugs at the one place."""
    shown: list[int] = []
    try:
        async with asyncio.timeout(LONGEST):
            while shown != [units]:
                levels = await house.store.read_stock(MUG)
                shown = [level.available for level in levels if str(level.location) == EAST]
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise AssertionError(f"the store shows {shown} and not {units}") from None


@pytest.mark.asyncio(loop_scope="module")
async def test_what_is_counted_in_the_warehouse_shows_in_the_store_less_what_is_sold(house: House) -> None:
    await until_shown(house, UNITS)
    where = house.stack.addresses
    async with Staff(where.erp, where.erp_database, where.staff_login, where.staff_password) as staff:
        await staff.take_stock(MUG, WAREHOUSE, 7)
        await until_shown(house, 7)
        order = PlaceOrder(lines=(PlaceLine(sku=MUG, quantity=3, location=int(EAST)),))
        await house.until_entered(await house.place([order]), within=LONGEST)
        await staff.take_stock(MUG, WAREHOUSE, 8)
        await until_shown(house, 5)


@pytest.mark.asyncio(loop_scope="module")
async def test_the_console_of_the_stack_tells_of_its_orders(house: House) -> None:
    (external_id,) = await house.place([PlaceOrder(lines=(PlaceLine(sku="SOCK-RED", quantity=2),))])
    await house.until_entered([external_id], within=LONGEST)
    where = house.stack.addresses
    login = (OPERATOR, where.console_password)
    async with httpx.AsyncClient(
        base_url=where.console, auth=login, timeout=30, follow_redirects=True
    ) as browser:
        page = await browser.get(f"/orders/{CHANNEL}/{external_id}")
        assert page.status_code == httpx.codes.OK, page.text
        assert "Entered in the ERP as" in page.text
        held = await browser.post(page.url.path + "/hold", headers={"Origin": where.console}, data={})
        assert f"release: {OPERATOR} put the order on hold" in held.text
        stock = await browser.get("/stock", params={"sku": MUG})
        assert f"{CHANNEL}, location {EAST} (warehouse {WAREHOUSE})" in stock.text
        assert "<strong>5</strong>" in stock.text


def test_a_mapping_that_somebody_has_changed_is_kept(tmp_path: Path) -> None:
    written = Path(mapping_with_stock("shopify-tryton", RULES_OF_STOCK, tmp_path))
    assert written.parent == tmp_path
    assert load_mapping(written).stock.push
    changed = written.read_text(encoding="utf-8").replace("push = true", "push = false")
    written.write_text(changed, encoding="utf-8")
    assert mapping_with_stock("shopify-tryton", RULES_OF_STOCK, tmp_path) == str(written)
    assert not load_mapping(written).stock.push
