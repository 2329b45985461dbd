"""Every port call times every fault of the wire, on the real adapters, Tryton and the Shopify-compatible store."""

from collections.abc import AsyncIterator, Iterable, Iterator

import pytest
import pytest_asyncio
from temporalio.testing import WorkflowEnvironment

from store.database import Database
from tests.chaos.calls import ERP, EXCHANGING, RETURNING, STOREFRONT, Call, wire_calls
from tests.chaos.page import agree, committed, read, table, wants_writing, write
from tests.chaos.wire_faults import WIRE_FAULTS
from tests.chaos.wire_matrix import WireMatrix, cells_of
from tests.running_store import RunningStore
from tests.tryton_fixture import TrytonAccess

pytestmark = pytest.mark.asyncio(loop_scope="module")

OFTEN = {
    STOREFRONT: {
        **dict.fromkeys(("storefront.create_fulfillment", "storefront.capture_payment"), (*WIRE_FAULTS,)),
        "storefront.quote_refund": ("wrong total",),
        "storefront.refund_order": ("drop-answer", "drop-answer, twice", "502, done", "truncate"),
        "storefront.approve_return": ("late-answer",),
        "storefront.end_return": ("drop-answer",),
        "storefront.open_exchange": ("drop-answer",),
        "storefront.release_exchange": ("drop-answer",),
        "storefront.cancel_units": ("drop-answer", "502, done", "truncate"),
        "storefront.read_order": ("hang", "wrong total"),
        "storefront.cancel_order": ("drop-answer", "truncate"),
        "storefront.list_orders": ("cut-answer",),
        "storefront.ping": ("503",),
        "storefront.probe": ("refuse",),
    },
    ERP: {
        "erp.submit_order": ("drop-answer", "late-answer", "502, done", "truncate", "wrong total"),
        "erp.amend_order": ("drop-answer",),
        "erp.add_exchange": ("drop-answer",),
        "erp.deliver_order": ("drop-answer",),
        "erp.credit_return": ("drop-answer",),
        "erp.cancel_order": ("drop-answer",),
        "erp.find_order": ("expire-session",),
        "erp.changes": ("cut", "break-json"),
    },
}
"""The cells that every run lives through: all that could do something twice, and some of the others."""


@pytest.fixture(autouse=True)
def days_pass_when_told(server: WorkflowEnvironment) -> Iterator[None]:
    """The server would skip the weeks in which goods are on their way before the warehouse has them."""
    with server.with_time_skipping_disabled():
        yield


@pytest_asyncio.fixture(loop_scope="module")
async def database(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Database]:
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('wire') / 'orders.db'}")
    database.migrate()
    yield database
    database.close()


async def live_through_some(system: str, matrix: WireMatrix) -> None:
    """The cells of every run: they are as the table in the docs has them."""
    cells = [cell for cell in cells_of(wire_calls(system)) if cell[1] in OFTEN[system].get(str(cell[0]), ())]
    await matrix.run(cells)
    assert matrix.failures == {}
    assert matrix.open_cases() == []
    shown = read(system)
    assert matrix.cells.keys() == {(str(call), fault) for call, fault in cells}
    assert {c: (words, shown[c]) for c, words in matrix.cells.items() if not agree(words, shown[c])} == {}


async def live_through_all(system: str, calls: Iterable[Call], matrix: WireMatrix) -> None:
    """All cells of these calls; with the others' as they are in the docs they are the table there."""
    await matrix.run(cells_of(calls))
    assert matrix.failures == {}
    assert matrix.open_cases() == []
    shown = table(wire_calls(system), WIRE_FAULTS, read(system) | matrix.cells)
    if wants_writing():
        write(system, shown)
    assert committed(system) == shown


@pytest.mark.long
async def test_what_often_goes_wrong_on_the_wire_to_the_store_leaves_one_of_everything(
    server: WorkflowEnvironment, database: Database, running_store: RunningStore
):
    await live_through_some(STOREFRONT, WireMatrix(server.client, database, running_store, None))


@pytest.mark.long
@pytest.mark.tryton
@pytest.mark.timeout(300)
async def test_what_often_goes_wrong_on_the_wire_to_the_erp_leaves_one_of_everything(
    server: WorkflowEnvironment, database: Database, running_store: RunningStore, tryton_server: TrytonAccess
):
    await live_through_some(ERP, WireMatrix(server.client, database, running_store, tryton_server))


@pytest.mark.drill
@pytest.mark.timeout(600)
async def test_every_fault_of_the_wire_to_the_store_leaves_one_of_everything(
    server: WorkflowEnvironment, database: Database, running_store: RunningStore
):
    calls = wire_calls(STOREFRONT)
    await live_through_all(STOREFRONT, calls, WireMatrix(server.client, database, running_store, None))


@pytest.mark.drill
@pytest.mark.tryton
@pytest.mark.timeout(2400)
@pytest.mark.parametrize("returns", [False, True], ids=["orders", "returns"])
async def test_every_fault_of_the_wire_to_the_erp_leaves_one_of_everything(
    server: WorkflowEnvironment,
    database: Database,
    running_store: RunningStore,
    tryton_server: TrytonAccess,
    *,
    returns: bool,
):
    calls = [call for call in wire_calls(ERP) if (call.operation in RETURNING | EXCHANGING) is returns]
    await live_through_all(ERP, calls, WireMatrix(server.client, database, running_store, tryton_server))
