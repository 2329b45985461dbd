"""Versions of the workers side by side: who carries the orders, and what an order's past says afterwards."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio import workflow
from temporalio.client import WorkflowHandle
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import (
    ExecuteWorkflowInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

from adapters.payloads import DATA_CONVERTER
from config.settings import Settings
from domain.order import Order
from orderwright import doctor
from sandbox.drills.changed_worker import PATCH, OneStepMore
from sandbox.drills.upgrade import Past
from sandbox.stack import find_temporal
from store.database import Database
from tests.order_builder import make_order, sandbox_mapping
from tests.workflows.world import World, terminate_all
from workers.composition import Parts
from workers.versions import Carriers, NoSuchVersion, carriers, make_current
from workflows.messages import ORDER_WORKFLOW, Attention
from workflows.search import ALL as SEARCH_ATTRIBUTES

SOON = timedelta(seconds=1)


@pytest_asyncio.fixture(loop_scope="session")
async def versioned(tmp_path: Path) -> AsyncIterator[World]:
    """A world on a server of its own: which version is current would be the same for all tests of a shared one."""
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=find_temporal(),
        data_converter=DATA_CONVERTER,
        search_attributes=SEARCH_ATTRIBUTES,
    )
    database = Database(f"sqlite:///{tmp_path / 'orders.db'}")
    database.migrate()
    async with environment:
        yield World(environment.client, database, sandbox_mapping())
        await terminate_all(environment.client)
    database.close()


async def past_of(handle: WorkflowHandle[Any, Any]) -> Past:
    return Past.of(await handle.fetch_history())


async def until_there_are(world: World, wanted: Carriers) -> None:
    """Temporal hears of a worker with its first poll."""
    for _ in range(200):
        found = await carriers(world.client)
        if found == wanted:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"{found}, not {wanted}")


@asynccontextmanager
async def current(world: World, build_id: str) -> AsyncIterator[None]:
    """Workers of a build, and orders go on with them."""
    async with world.working(build_id=build_id):
        await make_current(world.client, build_id)
        yield


async def test_orders_go_on_with_the_version_that_is_current_and_back(versioned: World, external_id: str):
    order, later = make_order(external_id), make_order(f"{external_id}0")
    async with current(versioned, "1.0"):
        handle = await versioned.place(order)
        await versioned.until_in_erp(order.key)
        async with current(versioned, "2.0"):
            second = await versioned.place(later)
            await versioned.until_in_erp(later.key)
            await handle.signal("hold")
            await versioned.until_told(order.key, "hold")
        await make_current(versioned.client, "1.0")
        await handle.signal("release")
        for each in (order, later):
            versioned.erp.ship_all(each.key)
        assert (await handle.result()).outcome is Attention.CLOSED
        assert (await second.result()).outcome is Attention.CLOSED
    builds, later_builds = (await past_of(handle)).builds, (await past_of(second)).builds
    assert (builds[0], "2.0" in builds, builds[-1]) == ("1.0", True, "1.0")
    assert (later_builds[0], later_builds[-1]) == ("2.0", "1.0")


async def test_workers_of_a_new_version_wait_until_it_is_made_current(versioned: World, external_id: str):
    order = make_order(external_id)
    async with current(versioned, "1.0"), versioned.working(build_id="2.0"):
        await until_there_are(versioned, Carriers("1.0", frozenset({"1.0", "2.0"})))
        handle = await versioned.place(order)
        await versioned.until_in_erp(order.key)
        versioned.erp.ship_all(order.key)
        await handle.result()
    assert set((await past_of(handle)).builds) == {"1.0"}


async def test_a_version_that_nobody_runs_is_refused_with_the_remedy(versioned: World):
    async with versioned.working():
        await make_current(versioned.client, None, SOON)
        with pytest.raises(
            NoSuchVersion, match=r"build 2\.1: none polls; .* with ORDERWRIGHT_TEMPORAL__BUILD_ID=2\.1"
        ):
            await make_current(versioned.client, "2.1", SOON)
        assert (await carriers(versioned.client)).current is None


async def test_a_version_that_leaves_a_channel_to_nobody_is_refused(versioned: World, external_id: str):
    order = make_order(external_id)
    async with current(versioned, "1.0"):
        await versioned.place(order)
        await versioned.until_in_erp(order.key)
        # Its settings lack the channel.
        versioned.parts = Parts(versioned.database, {}, versioned.erp, versioned.parts.mappings)
        async with versioned.working(build_id="2.0"):
            await until_there_are(versioned, Carriers("1.0", frozenset({"1.0", "2.0"})))
            with pytest.raises(NoSuchVersion, match="missing active task queues"):
                await make_current(versioned.client, "2.0", SOON)
        versioned.erp.ship_all(order.key)
        await versioned.client.get_workflow_handle(order.key.workflow_id).result()


async def test_orders_are_not_given_to_workers_without_a_version_where_there_are_none(versioned: World):
    async with current(versioned, "1.0"):
        with pytest.raises(NoSuchVersion, match="start one without"):
            await make_current(versioned.client, None, SOON)
        assert (await carriers(versioned.client)).current == "1.0"
        async with versioned.working():
            await make_current(versioned.client, None)
            assert (await carriers(versioned.client)).current is None


async def test_the_doctor_sees_orders_that_wait_for_a_version(versioned: World):
    address = versioned.client.service_client.config.target_host
    settings = Settings.model_validate({"temporal": {"address": address}})
    assert (await doctor.workers(settings)).detail == "none asks for orders yet"
    async with versioned.working(build_id="1.0"):
        # Before the first promotion: orders would wait for workers that have no version.
        await until_there_are(versioned, Carriers(None, frozenset({"1.0"})))
        found = await doctor.workers(settings)
        assert "workers without a version, but none polls; there are workers of build 1.0" in found.detail
        assert "--promote" in found.remedy
        await make_current(versioned.client, "1.0")
        found = await doctor.workers(settings)
        assert (found.ok, found.detail) == (True, "orders go on with workers of build 1.0")


async def marked(world: World, *orders: Order) -> list[str]:
    """Which of the orders went through the patch, as an operator asks before it is deleted; the list lags a bit."""
    ids = ", ".join(f"'{order.key.workflow_id}'" for order in orders)
    asked = f"TemporalChangeVersion = '{PATCH}' AND WorkflowId IN ({ids})"
    for _ in range(100):
        if found := [each.id async for each in world.client.list_workflows(asked)]:
            return found
        await asyncio.sleep(0.1)
    return []


class Careless(Interceptor):
    """The same change without a patch."""

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: A002  the SDK's name
    ) -> type[WorkflowInboundInterceptor]:
        del input
        return SleepsFirst


class SleepsFirst(WorkflowInboundInterceptor):
    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:  # noqa: A002  the SDK's name
        if workflow.info().workflow_type == ORDER_WORKFLOW:
            await workflow.sleep(1)
        return await super().execute_workflow(input)


async def until_contradicted(handle: WorkflowHandle[Any, Any]) -> None:
    for _ in range(200):
        if (await past_of(handle)).contradicted:
            return
        await asyncio.sleep(0.1)
    raise AssertionError("no worker found a contradiction")


async def test_a_careless_change_stops_an_order_until_code_that_fits_is_back(world: World, external_id: str):
    order = make_order(external_id)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
    world.erp.ship_all(order.key)
    async with world.working(interceptors=[Careless()]):
        await until_contradicted(handle)
        assert (await world.storefront.read_order(external_id)).fulfillments == ()
    async with world.working():
        assert (await handle.result()).outcome is Attention.CLOSED


async def test_a_patched_change_lets_old_orders_go_their_old_way(world: World, external_id: str):
    order, later = make_order(external_id), make_order(f"{external_id}0")
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
    async with world.working(interceptors=[OneStepMore()]):
        second = await world.place(later)
        await world.until_in_erp(later.key)
        for each in (order, later):
            world.erp.ship_all(each.key)
        await asyncio.gather(handle.result(), second.result())
    old, new = await past_of(handle), await past_of(second)
    assert (old.patched, new.patched) == (False, True)
    assert (old.contradicted, new.contradicted) == (0, 0)
    assert await marked(world, order, later) == [later.key.workflow_id]


async def test_after_the_way_back_an_order_that_met_a_patch_waits_for_the_new_version(
    world: World, external_id: str
):
    order = make_order(external_id)
    async with world.working(interceptors=[OneStepMore()]):
        handle = await world.place(order)
        await world.until_in_erp(order.key)
    world.erp.ship_all(order.key)
    async with world.working():
        await until_contradicted(handle)
    async with world.working(interceptors=[OneStepMore()]):
        assert (await handle.result()).outcome is Attention.CLOSED
