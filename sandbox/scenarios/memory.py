"""The quick ground: one process, one event loop, the ERP in memory, a Temporal server that skips time.

The store is the sandbox's own with its books in a temporary folder, so that what it says at the end is its own word
here as well; webhooks take their way through the web application, inbox and dispatcher.
"""

import asyncio
import os
import secrets
import sys
import tempfile
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from fastapi import FastAPI
from pydantic import SecretStr
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from activities.gates import Pace
from adapters.payloads import DATA_CONVERTER
from adapters.registry import build_memory_erp, build_webhook_reader
from config.settings import Settings, load_settings
from domain.erp_order import ErpOrderState, ErpShipment, ErpShipmentState
from domain.order import OrderKey
from sandbox import catalog
from sandbox.addresses import CHANNEL
from sandbox.audit import ErpSide
from sandbox.house import PLUS_PLAN
from sandbox.memory_erp.books import given_back, lines_of, take_in
from sandbox.processes import free_port
from sandbox.scenarios.in_process import Served
from sandbox.scenarios.mapping import write_mapping
from sandbox.scenarios.vocabulary import WentWrong
from sandbox.stack import find_temporal
from sandbox.store.client import AsyncStoreControl
from sandbox.store.server import StoreSettings
from sandbox.store.server import create_app as create_store
from store.database import Database
from store.inbox import Inbox
from web.app import create_app as create_web
from web.dispatcher import Dispatcher
from web.hand_over import hand_over_to
from web.server import temporal_probe
from workers.composition import compose
from workers.stock import StockPace, start_stock
from workers.worker import start_feed, workers
from workflows.search import ALL as SEARCH_ATTRIBUTES

if TYPE_CHECKING:
    from sandbox.scenarios.ground import People, System

FEED_INTERVAL: Final = timedelta(milliseconds=100)
PACE: Final = Pace(look=0.1, probe=0.5)
"""A system that is back is found within half a second."""
_OVER = frozenset({ErpShipmentState.SHIPPED, ErpShipmentState.CANCELED})
_TABLE = frozenset({ErpShipmentState.PICKED, ErpShipmentState.PACKED})


class MemoryPeople:
    """Implements ``People`` for the memory ERP in this process. It keeps no invoices."""

    def __init__(self) -> None:
        self.erp = build_memory_erp(
            products={product["sku"] for product in catalog.PRODUCTS}
            | {catalog.KIT_SKU, catalog.SHIPPING_PRODUCT, catalog.ADJUSTMENT_PRODUCT, catalog.FEE_PRODUCT}
            | set(catalog.CHARGE_PRODUCTS.values()),
            warehouses={code for code, *_ in catalog.LOCATIONS.values()},
            taxes={code: Decimal(rate) for code, (_, rate) in catalog.TAXES.items()},
            stock={
                (warehouse, product["sku"]): units
                for warehouse, _, units in catalog.LOCATIONS.values()
                for product in catalog.PRODUCTS
            },
            kits={catalog.KIT_SKU: dict(catalog.KIT_COMPONENTS)},
            prices=catalog.PRICES,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is held open."""

    async def entered(self, external_ids: Collection[str]) -> int:
        """See ``BackOffice``."""
        return sum(_key(each) in self.erp.orders for each in external_ids)

    async def ship(self, external_ids: Collection[str], *, part: bool = False) -> int:
        """See ``BackOffice``. What nothing has left of goes in parts in any case."""
        del part
        return sum([await self.ship_one(each, part=True, warehouse=None) for each in external_ids])

    async def ship_one(self, external_id: str, *, part: bool, warehouse: str | None) -> int:
        """See ``People``."""
        key, left = _key(external_id), 0
        for shipment in self._waiting(external_id):
            if warehouse not in {None, shipment.warehouse}:
                continue
            begun = any(
                each.warehouse == shipment.warehouse and each.state is ErpShipmentState.SHIPPED
                for each in self.erp.orders[key].shipments
            )
            units = _half(shipment) if part and not begun else _all(shipment)
            tracking = f"{shipment.carrier or 'UPS'}-{external_id}-{shipment.number}"
            self.erp.ship(key, shipment.warehouse, units, tracking=tracking)
            left += 1
        return left

    async def ship_piece(self, external_id: str, product: str, pieces: int) -> None:
        """See ``People``."""
        key = _key(external_id)
        kits = [line for line in self.erp.orders[key].lines if line.product == catalog.KIT_SKU]
        if not kits or product not in dict(catalog.KIT_COMPONENTS):
            raise LookupError(f"no kit of order {external_id} has a {product}")
        parcel = f"UPS-{external_id}-{product}"
        self.erp.ship_pieces(key, kits[0].line_id, product, pieces, tracking=parcel)

    async def pick(self, external_id: str) -> None:
        """See ``People``."""
        waiting = self._waiting(external_id)
        if not waiting:
            raise LookupError(f"no shipment of order {external_id} can be picked")
        self.erp.pick(_key(external_id), waiting[0].warehouse)

    async def put_back(self, external_id: str) -> None:
        """See ``People``."""
        key = _key(external_id)
        if not any(each.state in _TABLE for each in self.erp.orders[key].shipments):
            raise LookupError(f"nothing of order {external_id} is picked")
        self.erp.put_back(key)

    async def give_up(self, external_id: str, units: Mapping[str, int], *, handled: bool) -> None:
        """See ``People``. These books ask about nothing."""
        del handled
        key = _key(external_id)
        self.erp.give_up(key, lines_of(self.erp, key, units))

    async def send_after_all(self, external_id: str) -> None:
        """See ``People``."""
        self.erp.send_after_all(_key(external_id))

    async def send_picked(self, external_id: str) -> None:
        """See ``People``."""
        key = _key(external_id)
        picked = [each for each in self.erp.orders[key].shipments if each.state in _TABLE]
        if not picked:
            raise LookupError(f"nothing of order {external_id} is picked")
        tracking = f"{picked[0].carrier or 'UPS'}-{external_id}-{picked[0].number}"
        self.erp.ship(key, picked[0].warehouse, _all(picked[0]), tracking=tracking)

    async def receive_return(self, external_id: str, units: Mapping[str, int] | None = None) -> None:
        """See ``BackOffice``."""
        take_in(self.erp, _key(external_id), units)

    async def enter_return(self, external_id: str, units: Mapping[str, int], warehouse: str) -> None:
        """See ``BackOffice``."""
        key = _key(external_id)
        self.erp.receive_unannounced(key, warehouse, lines_of(self.erp, key, units))

    async def take_stock(self, sku: str, warehouse: str, units: int, external_id: str) -> None:
        """See ``People``. Whoever waits for it is told."""
        del external_id
        self.erp.count(warehouse, sku, units)

    async def settle(self, external_ids: Collection[str]) -> None:
        """See ``BackOffice``: there are no invoices."""

    async def read(self, numbers: Mapping[str, str]) -> dict[str, ErpSide]:
        """See ``BackOffice``."""
        found = {}
        for external_id in numbers:
            order = self.erp.orders.get(_key(external_id))
            if order is not None:
                found[external_id] = ErpSide(
                    count=sum(record.key == order.key for record in self.erp.records()),
                    number=order.number,
                    total=order.total,
                    taxes={tax.code: tax.amount for tax in order.taxes if tax.amount},
                    shipments=sum(
                        each.state is ErpShipmentState.SHIPPED and bool(each.lines)
                        for each in order.shipments
                    ),
                    invoices=0,
                    invoiced=None,
                    currency=order.currency,
                    adjusted=order.adjustment,
                    canceled=order.state is ErpOrderState.CANCELED,
                    **given_back(order),
                )
        return found

    async def hide_product(self, code: str) -> None:
        """See ``BackOffice``."""
        self.erp.forbid_product(code)

    async def show_product(self, code: str) -> None:
        """See ``BackOffice``."""
        self.erp.allow_product(code)

    def _waiting(self, external_id: str) -> list[ErpShipment]:
        order = self.erp.orders.get(_key(external_id))
        if order is None or self.erp.is_held_back(order):
            return []
        return [each for each in order.shipments if each.state not in _OVER | _TABLE]


class MemoryGround:
    """Implements ``Ground``."""

    def __init__(
        self,
        store: AsyncStoreControl,
        people: MemoryPeople,
        environment: WorkflowEnvironment,
        database_url: str,
        served: Served,
    ) -> None:
        self.store = store
        self.people: People = people
        self._erp = people.erp
        self.client: Client = environment.client
        self.database_url = database_url
        self._environment = environment
        self._served = served

    async def take_down(self, system: "System") -> None:
        """See ``Ground``."""
        if system == "erp":
            self._erp.faults.unavailable("erp.*")
        else:
            await self._served.stop()

    async def bring_back(self, system: "System") -> None:
        """See ``Ground``."""
        if system == "erp":
            self._erp.faults.lift("erp.*")
        else:
            await self._served.start()

    async def spoil_erp(self, act: WentWrong) -> None:
        """See ``Ground``."""
        faults = self._erp.faults
        call = "submit_order" if act.call == "submission" else "deliver_order"
        for nth in range(1, act.times + 1):
            if act.how == "answer lost":
                faults.lose_answer(call, nth=nth)
            elif act.how == "unavailable":
                faults.unavailable(call, nth=nth)
            else:
                faults.rate_limit(call, timedelta(seconds=1), nth=nth)

    async def pass_time(self, external_id: str, days: int) -> None:
        """See ``Ground``."""
        handle = self.client.get_workflow_handle(_key(external_id).workflow_id)
        await self._environment.fast_forward(handle, timedelta(days=days))


@asynccontextmanager
async def memory_ground() -> AsyncIterator[MemoryGround]:
    """Everything fresh; it leaves nothing behind."""
    async with AsyncExitStack() as exits:
        folder = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="orderwright-scenarios-")))
        with _nothing_on_stdout():
            started = await WorkflowEnvironment.start_time_skipping_v2(
                dev_server_existing_path=find_temporal(),
                dev_server_extra_args=["--dynamic-config-value", "frontend.WorkflowTimeSkippingEnabled=true"],
                dev_server_log_level="error",
                data_converter=DATA_CONVERTER,
                search_attributes=SEARCH_ATTRIBUTES,
            )
        environment = await exits.enter_async_context(started)
        store_port, web_port = free_port(0), free_port(0)
        settings = _settings(folder, environment, store_port, web_port)
        people = MemoryPeople()
        parts = await exits.enter_async_context(compose(settings))
        parts = replace(parts, erp=people.erp)
        client = environment.client
        await exits.enter_async_context(workers(client, parts, feed_interval=FEED_INTERVAL, pace=PACE))
        await start_feed(client)
        await start_stock(client, parts, StockPace())
        await exits.enter_async_context(_web(settings, client, parts.database, web_port))
        store = Served(_store_app(settings, folder, web_port), store_port)
        await store.start()
        exits.push_async_callback(store.stop)
        control = await exits.enter_async_context(AsyncStoreControl(f"http://127.0.0.1:{store_port}"))
        await control.set_throttle(PLUS_PLAN)
        yield MemoryGround(control, people, environment, f"sqlite:///{folder / 'orders.db'}", store)


@contextmanager
def _nothing_on_stdout() -> Iterator[None]:
    """What a process that is started meanwhile says comes on stderr: stdout is for the answer, as JSON too."""
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        os.dup2(2, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def _settings(folder: Path, environment: WorkflowEnvironment, store_port: int, web_port: int) -> Settings:
    values = {
        "DATABASE_URL": f"sqlite:///{folder / 'orders.db'}",
        "TEMPORAL__ADDRESS": environment.client.service_client.config.target_host,
        "WEB__PORT": web_port,
        f"CHANNELS__{CHANNEL.upper()}__VENDOR": "shopify",
        f"CHANNELS__{CHANNEL.upper()}__URL": f"http://127.0.0.1:{store_port}",
        f"CHANNELS__{CHANNEL.upper()}__ACCESS_TOKEN": f"shpat_{secrets.token_hex(16)}",
        f"CHANNELS__{CHANNEL.upper()}__WEBHOOK_SECRET": secrets.token_hex(32),
        f"CHANNELS__{CHANNEL.upper()}__MAPPING": write_mapping(folder),
        "ERP__VENDOR": "memory",
        "ERP__URL": "http://erp.invalid",
        "ERP__DATABASE": "memory",
        "ERP__LOGIN": "orderwright",
        "ERP__PASSWORD": "memory",
    }
    env_file = folder / "env"
    env_file.write_text("".join(f"ORDERWRIGHT_{name}={value}\n" for name, value in values.items()))
    return load_settings(env_file)


def _store_app(settings: Settings, folder: Path, web_port: int) -> FastAPI:
    channel = settings.channels[CHANNEL]
    return create_store(
        StoreSettings(
            state=folder / "store.sqlite",
            token=SecretStr(channel.access_token.get_secret_value()),
            secret=SecretStr(channel.webhook_secret.get_secret_value()),
            webhook_url=f"http://127.0.0.1:{web_port}/webhooks/{CHANNEL}",
        )
    )


@asynccontextmanager
async def _web(settings: Settings, client: Client, database: Database, port: int) -> AsyncIterator[None]:
    """The web application and its dispatcher, which starts orders through a client that skips time."""
    inbox = Inbox(database)
    dispatcher = Dispatcher(inbox, hand_over_to(client, database))
    app = create_web(
        {CHANNEL: build_webhook_reader(CHANNEL, settings)},
        inbox,
        wake=dispatcher.wake,
        check_database=database.check,
        probe_temporal=temporal_probe(client),
        max_body=settings.web.max_body_bytes,
        keep=timedelta(days=settings.web.keep_webhooks_days),
    )
    served = Served(app, port)
    await served.start()
    dispatching = asyncio.create_task(dispatcher.run())
    try:
        yield
    finally:
        await served.stop()
        dispatcher.stop()
        await dispatching


def _key(external_id: str) -> OrderKey:
    return OrderKey(channel=CHANNEL, external_id=external_id)


def _all(shipment: ErpShipment) -> dict[str, int]:
    return {line.line_id: line.quantity for line in shipment.lines}


def _half(shipment: ErpShipment) -> dict[str, int]:
    """About half of the units, lines giving in turn; all where there is but one."""
    units = _all(shipment)
    to_take = sum(units.values()) // 2 or 1
    taken = dict.fromkeys(units, 0)
    while to_take:
        for line, quantity in units.items():
            if to_take and taken[line] < quantity:
                taken[line] += 1
                to_take -= 1
    return {line: quantity for line, quantity in taken.items() if quantity}
