"""Every call of stock times every fault on the memory adapters: what is shown may be sold, or a case says why not."""

from collections.abc import AsyncIterator, Iterable

import pytest
import pytest_asyncio
from temporalio.testing import WorkflowEnvironment

from store.database import Database
from tests.chaos.calls import ERP, STOCK_CALLS, STOREFRONT, Call
from tests.chaos.page import agree, read, table, wants_writing, write
from tests.chaos.spoiled import MemoryFault
from tests.chaos.stock_matrix import StockMatrix, all_cells

pytestmark = pytest.mark.asyncio(loop_scope="module")

OFTEN = (
    (Call(STOREFRONT, "list_stock"), MemoryFault.LOST),
    (Call(STOREFRONT, "read_stock"), MemoryFault.WRONG_TOTAL),
    (Call(STOREFRONT, "set_stock"), MemoryFault.LOST),
    (Call(STOREFRONT, "set_stock"), MemoryFault.REJECTED),
    (Call(ERP, "stock_changes"), MemoryFault.LOST),
    (Call(ERP, "find_stock"), MemoryFault.REJECTED),
)
"""The cells that every run lives through: those that could sell something twice or skip a change."""


@pytest_asyncio.fixture(loop_scope="module")
async def database(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Database]:
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('stock') / 'orders.db'}")
    database.migrate()
    yield database
    database.close()


async def live_through(
    server: WorkflowEnvironment, database: Database, cells: Iterable[tuple[Call, MemoryFault]]
) -> dict[tuple[str, str], str]:
    """What happened in these cells, none of which may leave anything wrong behind."""
    matrix = StockMatrix(server.client, database, cells)
    await matrix.run()
    assert matrix.failures == {}
    assert matrix.oversold() == []
    assert await matrix.differences() == []
    assert matrix.open_cases() == []
    return matrix.cells


async def test_what_often_goes_wrong_with_stock_sells_nothing_twice(
    server: WorkflowEnvironment, database: Database
):
    found = await live_through(server, database, OFTEN)
    kept = read("memory-stock")
    assert found.keys() == {(str(call), str(fault)) for call, fault in OFTEN}
    assert {c: (words, kept[c]) for c, words in found.items() if not agree(words, kept[c])} == {}


@pytest.mark.drill
@pytest.mark.timeout(600)
async def test_whatever_goes_wrong_with_a_call_of_stock_no_more_is_shown_than_may_be_sold(
    server: WorkflowEnvironment, database: Database
):
    found = await live_through(server, database, all_cells())
    if wants_writing():
        write("memory-stock", table(STOCK_CALLS, MemoryFault, found))
    kept = read("memory-stock")
    assert kept.keys() == found.keys()
    assert {c: (words, kept[c]) for c, words in found.items() if not agree(words, kept[c])} == {}
