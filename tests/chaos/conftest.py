"""A real Temporal server with time skipping for the fault matrix, shared by a module's tests."""

from collections.abc import AsyncIterator

import pytest_asyncio
from temporalio.testing import WorkflowEnvironment

from adapters.payloads import DATA_CONVERTER
from sandbox.stack import find_temporal
from tests.store_fixture import running_store as running_store  # noqa: PLC0414  a fixture
from workflows.search import ALL as SEARCH_ATTRIBUTES


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[WorkflowEnvironment]:
    environment = await WorkflowEnvironment.start_time_skipping_v2(
        dev_server_existing_path=find_temporal(),
        dev_server_extra_args=["--dynamic-config-value", "frontend.WorkflowTimeSkippingEnabled=true"],
        data_converter=DATA_CONVERTER,
        search_attributes=SEARCH_ATTRIBUTES,
    )
    async with environment:
        yield environment
