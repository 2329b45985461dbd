"""A real Temporal server with time skipping, and a small world around it (``world.py``)."""

from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.testing import WorkflowEnvironment

from adapters.payloads import DATA_CONVERTER
from sandbox.stack import find_temporal
from store.database import Database
from tests.order_builder import sandbox_mapping
from tests.workflows.world import World, terminate_all
from workflows.search import ALL as SEARCH_ATTRIBUTES

_ids = count(5001)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests here share the server, so they share its event loop."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def server() -> AsyncIterator[WorkflowEnvironment]:
    environment = await WorkflowEnvironment.start_time_skipping_v2(
        dev_server_existing_path=find_temporal(),
        dev_server_extra_args=["--dynamic-config-value", "frontend.WorkflowTimeSkippingEnabled=true"],
        data_converter=DATA_CONVERTER,
        search_attributes=SEARCH_ATTRIBUTES,
    )
    async with environment:
        yield environment


@pytest_asyncio.fixture(loop_scope="session")
async def world(server: WorkflowEnvironment, tmp_path: Path) -> AsyncIterator[World]:
    database = Database(f"sqlite:///{tmp_path / 'orders.db'}")
    database.migrate()
    world = World(server.client, database, sandbox_mapping())
    yield world
    await terminate_all(server.client)
    database.close()


@pytest.fixture
def days_pass_when_told(server: WorkflowEnvironment) -> Iterator[None]:
    """The server would skip within a second what an order only waits for, before a test can see it wait."""
    with server.with_time_skipping_disabled():
        yield


@pytest.fixture
def external_id() -> str:
    """An order id that no other test of the run has used: the server is shared."""
    return str(next(_ids))
