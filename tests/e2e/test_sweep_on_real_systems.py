"""A sweep over a real Tryton and the Shopify-compatible store: webhooks lost, an order entered twice, parcels told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from activities.contracts import OrderHint, SweepReport
from activities.sweep import SweepRules
from adapters.payloads import DATA_CONVERTER
from adapters.tryton.erp import TrytonErp
from domain.completeness import Explanation, Patience
from domain.order import OrderKey
from sandbox.stack import find_temporal
from sandbox.store.requests import PlaceOrder
from sandbox.tryton.staff import Staff
from store.certificates import Certificates
from store.database import Database
from store.mappings import MappingCatalog
from tests.order_builder import sandbox_mapping
from tests.running_store import RunningStore
from tests.store_fixture import storefront_at
from tests.tryton_fixture import TrytonAccess
from tests.tryton_fixture import tryton_server as tryton_server  # noqa: PLC0414  a fixture
from workers.composition import Parts
from workers.worker import workers
from workflows.messages import ORDERS_QUEUE
from workflows.order_reach import OrderReach
from workflows.search import ALL as SEARCH_ATTRIBUTES
from workflows.standing import SweepStart
from workflows.sweep import SweepWorkflow

pytestmark = pytest.mark.tryton

NO_GRACE = SweepRules(patience=Patience(grace=timedelta(0)))
LONGEST = 90


@asynccontextmanager
async def temporal() -> AsyncIterator[Client]:
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=find_temporal(),
        data_converter=DATA_CONVERTER,
        search_attributes=SEARCH_ATTRIBUTES,
    ) as environment:
        yield environment.client


async def sweep(client: Client) -> SweepReport:
    # What was placed within this second is not in the window.
    await asyncio.sleep(1.1)
    async with asyncio.timeout(LONGEST):
        return await client.execute_workflow(
            SweepWorkflow.run,
            SweepStart(channel="shop", hours=1),
            id=f"sweep:{uuid4().hex}",
            task_queue=ORDERS_QUEUE,
        )


async def until_in_erp(erp: TrytonErp, ids: list[str]) -> None:
    async with asyncio.timeout(LONGEST):
        for external_id in ids:
            key = OrderKey(channel="shop", external_id=external_id)
            while (found := await erp.find_order(key)) is None or not found.shipments:  # noqa: ASYNC110  a system
                await asyncio.sleep(0.3)


async def until_told(store: RunningStore, external_id: str) -> None:
    async with asyncio.timeout(LONGEST):
        while not store.control.read_order(external_id).fulfillments:  # noqa: ASYNC110  another process
            await asyncio.sleep(0.3)


async def test_nothing_is_lost_and_what_is_twice_is_named(
    tryton_server: TrytonAccess, store: RunningStore, tmp_path: Path
):
    wanted = PlaceOrder.model_validate(
        {"lines": [{"sku": "CAP-GRN", "quantity": 2}], "taxes": ["STATE-6.25"]}
    )
    told, missed, also_missed = (str(store.control.place_order(wanted).id) for _ in range(3))
    store.control.place_order(wanted.model_copy(update={"test": True}))
    database = Database(f"sqlite:///{tmp_path / 'orders.db'}")
    database.migrate()
    access = tryton_server
    erp = TrytonErp(access.url, access.database, access.login, access.password)
    storefront = storefront_at(store)
    parts = Parts(database, {"shop": storefront}, erp, MappingCatalog(database, {"shop": sandbox_mapping()}))
    async with (
        temporal() as client,
        Staff(access.url, access.database, access.staff_login, access.staff_password) as staff,
        workers(client, parts, feed_interval=timedelta(seconds=1), sweep_rules=NO_GRACE),
    ):
        key = OrderKey(channel="shop", external_id=told)
        await OrderReach(client).hint(OrderHint(key=key, message_id="1", topic="orders/create"))
        await until_in_erp(erp, [told])
        report = await sweep(client)
        assert report.sentences[0] == (
            "4 placed, 1 in the ERP, 1 not carried, 2 missed webhooks (repaired), 0 unexplained"
        )
        await until_in_erp(erp, [missed, also_missed])
        # The feed is not running: that the parcel left is news that only the sweep brings.
        (job,) = await staff.shipments_to_do([missed])
        assert await staff.ship(job, part=False) is not None
        copy = await staff.copy_sale(told)
        report = await sweep(client)
        assert report.sentences == (
            "4 placed, 2 in the ERP, 1 not carried, 1 unexplained",
            "1 shipped, 0 told to the storefront, 1 shipped, but the storefront was not told (repaired), 0 unexplained",
        )
        (twice,) = Certificates(database).latest("shop")[0].tally.findings
        assert (twice.explanation, twice.key) == (Explanation.TWICE_IN_ERP, key)
        assert copy in twice.sentence
        await until_told(store, missed)
        report = await sweep(client)
        assert report.sentences[1] == "1 shipped, 1 told to the storefront, 0 unexplained"
        assert [await staff.count_sales(each) for each in (told, missed, also_missed)] == [1, 1, 1]
    await erp.close()
    await storefront.close()
    database.close()
