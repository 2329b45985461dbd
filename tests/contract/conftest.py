"""The worlds that each contract suite runs against, started once a module."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from sandbox.tryton.server import TrytonServer
from tests.contract.erp_worlds import ErpWorld, MemoryErpWorld, TrytonErpWorld

TRYTON_STATE = Path(__file__).parents[2] / "var" / "tryton"


@pytest_asyncio.fixture(
    scope="module",
    loop_scope="module",
    params=["memory", pytest.param("tryton", marks=pytest.mark.tryton)],
)
async def erp_world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ErpWorld]:
    if request.param == "memory":
        yield MemoryErpWorld()
        return
    async with TrytonServer(TRYTON_STATE, data_dir=tmp_path_factory.mktemp("erp")) as server:
        world = TrytonErpWorld(server)
        yield world
        await world.close()
