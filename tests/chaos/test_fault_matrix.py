"""Every port call times every fault on the memory adapters: one of everything, balanced or said why."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from temporalio.testing import WorkflowEnvironment

from store.database import Database
from tests.chaos.calls import CALLS, Call
from tests.chaos.memory_matrix import MemoryMatrix
from tests.chaos.page import agree, read, table, wants_writing, write
from tests.chaos.spoiled import MemoryFault

pytestmark = [pytest.mark.long, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def matrix(
    server: WorkflowEnvironment, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[MemoryMatrix]:
    """All cells, lived through at once."""
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('matrix') / 'orders.db'}")
    database.migrate()
    matrix = MemoryMatrix(server.client, database)
    await matrix.run()
    yield matrix
    database.close()


@pytest.mark.parametrize("call", CALLS, ids=str)
async def test_whatever_goes_wrong_with_a_call_there_is_one_of_everything(matrix: MemoryMatrix, call: Call):
    assert {cell: words for cell, words in matrix.failures.items() if cell[0] == str(call)} == {}


async def test_nothing_but_the_orders_of_the_run_is_in_the_erp(matrix: MemoryMatrix):
    assert {key.external_id for key in matrix.erp.orders} == set(matrix.storefront.orders)
    # Numbers are given one after the other: a draft that was made a second time would leave a gap.
    assert sorted(int(order.erp_id) for order in matrix.erp.orders.values()) == [
        *range(1, len(matrix.erp.orders) + 1)
    ]


async def test_no_case_is_left_open(matrix: MemoryMatrix):
    assert matrix.open_cases() == []


async def test_the_table_in_the_docs_tells_what_the_run_has_shown(matrix: MemoryMatrix):
    shown = table(CALLS, MemoryFault, matrix.cells)
    if wants_writing() and not matrix.failures:
        write("memory", shown)
    kept = read("memory")
    assert kept.keys() == matrix.cells.keys()
    others = {
        cell: (words, kept[cell]) for cell, words in matrix.cells.items() if not agree(words, kept[cell])
    }
    assert others == {}
