"""The worlds that each contract suite runs against."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.contract.erp_worlds import ErpWorld, MemoryErpWorld, TrytonErpWorld
from tests.contract.storefront_worlds import MemoryStorefrontWorld, ShopifyWorld, StorefrontWorld
from tests.store_fixture import running_store

__all__ = ["erp_world", "running_store", "storefront_world"]

# Servers are asked for by name: the tests on memory shall not start one.


@pytest_asyncio.fixture(
    scope="module",
    loop_scope="module",
    params=["memory", pytest.param("tryton", marks=pytest.mark.tryton)],
)
async def erp_world(request: pytest.FixtureRequest) -> AsyncIterator[ErpWorld]:
    world: ErpWorld = (
        MemoryErpWorld()
        if request.param == "memory"
        else TrytonErpWorld(request.getfixturevalue("tryton_server"))
    )
    yield world
    await world.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["memory", "shopify"])
async def storefront_world(request: pytest.FixtureRequest) -> AsyncIterator[StorefrontWorld]:
    world: StorefrontWorld = (
        MemoryStorefrontWorld()
        if request.param == "memory"
        else ShopifyWorld(request.getfixturevalue("running_store"))
    )
    yield world
    await world.storefront.close()


@pytest.fixture
def captures(storefront_world):
    if not storefront_world.storefront.capabilities.capture:
        pytest.skip("this storefront captures by itself")


@pytest.fixture
def foreign_currency(storefront_world):
    if not storefront_world.storefront.capabilities.presentment_currency:
        pytest.skip("this storefront has one currency")


@pytest.fixture
def exchanges(storefront_world):
    if not storefront_world.storefront.capabilities.exchanges:
        pytest.skip("this storefront keeps no exchanges")


@pytest.fixture
def plans(storefront_world):
    if not storefront_world.storefront.capabilities.location_plans:
        pytest.skip("this storefront does not say which location ships what")


@pytest.fixture
def refunds(storefront_world):
    if not storefront_world.storefront.capabilities.refunds:
        pytest.skip("this storefront refunds by itself")


@pytest.fixture
def returns(storefront_world):
    if not storefront_world.storefront.capabilities.returns:
        pytest.skip("this storefront keeps no returns")


@pytest.fixture
def stock(storefront_world):
    if not storefront_world.storefront.capabilities.stock:
        pytest.skip("this storefront's stock is not set from outside")


@pytest.fixture
def comparing(storefront_world):
    if not storefront_world.storefront.capabilities.compare_and_set:
        pytest.skip("this storefront sets whatever number it is given")
