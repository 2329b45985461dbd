"""The fault matrix on the wire: real adapters, real systems, and a proxy of its own for each order.

The calls to the store are lived through with the memory ERP, which is quick; those to the ERP with the real store.
"""

import asyncio
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from typing import Protocol

import httpx
from temporalio.client import Client, WorkflowUpdateStage
from temporalio.service import RPCError

from adapters.errors import Unavailable
from adapters.memory.erp import MemoryErp
from adapters.shopify.storefront import ShopifyStorefront
from adapters.tryton.erp import TrytonErp
from domain.order import OrderKey
from sandbox.faults.proxy import Proxy
from sandbox.faults.vendors import VENDORS
from sandbox.store.client import AsyncStoreControl
from sandbox.store.control import OrderReading, ReturnReading
from sandbox.store.requests import AskReturn, AskReturnLine, PlaceLine, PlaceOrder
from sandbox.tryton.staff import Staff
from store.cases import Cases
from store.connections import Connections
from store.database import Database
from store.mappings import MappingCatalog
from tests.chaos.asking import AWAY, CARRIED_ON, PACE, asked, pinged
from tests.chaos.calls import ERP, OF_NO_ORDER, RETURNING, STOREFRONT, WITHDRAWN, Call, wire_calls
from tests.chaos.lives import (
    LOOK_SECONDS,
    Board,
    Life,
    Lives,
    in_background,
    told_causes,
    told_errors,
)
from tests.chaos.memory_people import MemoryPeople
from tests.chaos.tryton_people import TrytonPeople
from tests.chaos.wire_faults import WIRE_FAULTS, ByOrder, Line, applies
from tests.order_builder import sandbox_mapping
from tests.running_store import TOKEN, RunningStore
from tests.running_store import read as read_transactions
from tests.tryton_fixture import TrytonAccess
from workers.composition import Parts
from workers.worker import start_feed, workers
from workflows.messages import ERP_FEED_ID, Attention, OperatorMessage, StorefrontChanged
from workflows.return_messages import return_workflow_id

CHANNEL = "shop"
FEED_INTERVAL = timedelta(milliseconds=300)
STORE_PATIENCE = httpx.Timeout(2.0, connect=2.0)
"""What a spoiled adapter gives the store, so that nobody waits long for what never comes."""
ERP_PATIENCE = httpx.Timeout(10.0, connect=2.0)
LONGEST = 170.0
"""Seconds that an order may take, from its turn on."""
NOTHING_TO_TELL = "-"
SHIPMENTS = 2
"""Of each order."""
LIVE = {"REQUESTED", "OPEN"}
"""Returns in these states may still come to something."""
TWO_PARCELS = PlaceOrder.model_validate(
    {
        "lines": [
            {
                "sku": "TEE-BLK-S",
                "quantity": 3,
                "split": [{"location": 101, "quantity": 1}, {"location": 102, "quantity": 2}],
            },
            {"sku": "MUG-LOGO", "quantity": 2, "discount": {"title": "Scratched", "amount": "1.10"}},
        ],
        "taxes": ["STATE-6.25", "CITY-1.5"],
        "shipping": {"code": "standard", "price": "9.90"},
    }
)


SHORT = "CAP-BLK"
"""What the memory ERP's warehouse has none of."""
WITH_A_REST = TWO_PARCELS.model_copy(update={"lines": (*TWO_PARCELS.lines, PlaceLine(sku=SHORT, quantity=2))})


class ErpPeople(Protocol):
    """The ERP's warehouse and what its books say."""

    async def waiting(self, key: OrderKey) -> int:
        """Shipments of an order that have not left."""
        ...

    async def take_in(self, key: OrderKey, return_id: str) -> None:
        """What is expected of a return comes in, where it is expected."""
        ...

    async def ship(self, keys: list[OrderKey]) -> None:
        """One shipment of each of these orders leaves, where one waits."""
        ...

    async def assert_booked(self, life: Life, told: OrderReading) -> None:
        """One order, the store's cents, two shipments that left; or one that is canceled."""
        ...


class WireMatrix:
    """With ``tryton`` for the calls to the ERP, without it for those to the store. Ask ``cells`` and ``failures``."""

    def __init__(
        self, client: Client, database: Database, store: RunningStore, tryton: TrytonAccess | None
    ) -> None:
        self._client, self._database, self._store, self._tryton = client, database, store, tryton
        self._board = Board(database)
        self._lives = Lives(client, self._board, longest=LONGEST)
        self._turns = asyncio.Semaphore(3 if tryton else 16)
        self._to_ship: set[OrderKey] = set()
        self._edited: dict[OrderKey, OrderReading] = {}
        """Orders that are shipped once the ERP has this total."""
        self._coming_back: dict[OrderKey, bool] = {}
        """Orders of which something comes back, and whether the buyer does send it."""
        self._exits = AsyncExitStack()
        self.cells: dict[tuple[str, str], str] = {}
        self.failures: dict[tuple[str, str], str] = {}

    async def run(self, cells: Iterable[tuple[Call, str]]) -> None:
        """Live through these cells."""
        cells = list(cells)
        for call, column in cells:
            if not applies(call, column):
                self.cells[str(call), column] = NOTHING_TO_TELL
        cells = [(call, column) for call, column in cells if applies(call, column)]
        async with self._exits, AsyncStoreControl(self._store.url) as self._control, self._working():
            work = [
                self._noted(each, self._of_order(*each))
                for each in cells
                if each[0].operation not in OF_NO_ORDER
            ]
            work += [
                self._noted(each, self._of_nobody(*each))
                for each in cells
                if each[0].operation in OF_NO_ORDER - {"changes"}
            ]
            work.append(self._feed_cells([each for each in cells if each[0].operation == "changes"]))
            await asyncio.gather(*work)

    def open_cases(self) -> list[str]:
        """Titles of the cases that nobody has closed."""
        return [case.title for case in Cases(self._database).list()]

    @asynccontextmanager
    async def _working(self) -> AsyncIterator[None]:
        storefront = ShopifyStorefront(CHANNEL, self._store.url, TOKEN)
        self._exits.push_async_callback(storefront.close)
        erp = self._erp()
        self._exits.push_async_callback(erp.close)
        self._ports = {STOREFRONT: ByOrder(storefront), ERP: ByOrder(erp)}
        self._people = await self._erp_people(erp)
        catalog = MappingCatalog(self._database, {CHANNEL: sandbox_mapping()})
        parts = Parts(self._database, {CHANNEL: self._ports[STOREFRONT]}, self._ports[ERP], catalog)
        async with (
            self._board.watched(),
            in_background(self._work_in_the_warehouse),
            workers(self._client, parts, feed_interval=FEED_INTERVAL, pace=PACE),
        ):
            await start_feed(self._client)
            yield
            await self._client.get_workflow_handle(ERP_FEED_ID).terminate("the run is over")

    def _erp(self) -> TrytonErp | MemoryErp:
        if self._tryton is None:
            stock = {("WH-EAST", SHORT): 0}
            return MemoryErp(warehouses={"WH-EAST", "WH-WEST"}, currency="USD", stock=stock, backorder=True)
        return self._tryton_erp(self._tryton.url, None)

    def _tryton_erp(self, url: str, patience: httpx.Timeout | None) -> TrytonErp:
        access = self._tryton
        assert access is not None
        told = {} if patience is None else {"timeout": patience}
        return TrytonErp(url, access.database, access.login, access.password, **told)

    async def _erp_people(self, erp: TrytonErp | MemoryErp) -> ErpPeople:
        if self._tryton is None:
            assert isinstance(erp, MemoryErp)
            return MemoryPeople(erp)
        access = self._tryton
        staff = Staff(access.url, access.database, access.staff_login, access.staff_password, channel=CHANNEL)
        return TrytonPeople(await self._exits.enter_async_context(staff))

    async def _work_in_the_warehouse(self) -> None:
        while True:
            for key, told in list(self._edited.items()):
                row = self._board.row(key)
                if row is not None and row.erp_total == told.total:
                    self._to_ship.add(key)
                    del self._edited[key]
            await self._people.ship(sorted(self._to_ship, key=str))
            for key, sent in list(self._coming_back.items()):
                await self._take_back(key, sent=sent)
            await asyncio.sleep(0.7)

    async def _take_back(self, key: OrderKey, *, sent: bool) -> None:
        """The second parcel waits until the return of the first is over, so that the order stays open for it."""
        told = await self._control.read_order(key.external_id)
        over = bool(told.returns) and all(each.status not in LIVE for each in told.returns)
        for each in told.returns if sent else ():
            await self._people.take_in(key, str(each.id))
        waiting = await self._people.waiting(key)
        if waiting == SHIPMENTS or (waiting and over):
            await self._people.ship([key])

    async def _line(self, call: Call, column: str) -> Line:
        """A proxy of its own before the system, and an adapter that speaks through it."""
        target = self._store.url
        if call.system == ERP:
            assert self._tryton is not None
            target = self._tryton.url
        vendor = VENDORS["shopify" if call.system == STOREFRONT else "tryton"]
        proxy = await self._exits.enter_async_context(Proxy(target, vendor))
        port: ShopifyStorefront | TrytonErp
        if call.system == STOREFRONT:
            port = ShopifyStorefront(CHANNEL, proxy.url, TOKEN, timeout=STORE_PATIENCE)
        else:
            port = self._tryton_erp(proxy.url, ERP_PATIENCE)
            await _log_in(port)
        self._exits.push_async_callback(port.close)
        return Line(call, column, proxy, port)

    # -- calls about an order --------------------------------------------------------------------------------------

    async def _of_order(self, call: Call, column: str) -> str:
        async with self._turns:
            line = await self._line(call, column)
            # The ERP is asked for an order before a cancel too, and that life is the shorter one.
            life = await self._live(line, cancel=call.operation in {"cancel_order", "find_order"})
        assert line.struck, "the fault never struck"
        if line.asked_to_wait:
            line.assert_waited_as_told()
        if life.stops:
            return told_causes(life)
        return told_errors(line.met) if line.met else line.told_inside()

    async def _live(self, line: Line, *, cancel: bool = False) -> Life:
        rest = line.call.operation == "cancel_units"
        at_counter = line.call.operation == "deliver_order"
        wanted = TWO_PARCELS.model_copy(update={"handed_over": True}) if at_counter else TWO_PARCELS
        placed = await self._control.place_order(WITH_A_REST if rest else wanted)
        key = OrderKey(channel=CHANNEL, external_id=str(placed.id))
        self._ports[line.call.system].lines[key.external_id] = line
        edit = {"amend_order": self._edit, "cancel_units": self._cancel_rest}.get(line.call.operation)
        later = None
        if line.call.operation in RETURNING:
            sent = line.call.operation not in WITHDRAWN
            later = self._send_back if sent else self._want_to_send_back
            self._coming_back[key] = sent
        elif not cancel and (edit is None or rest) and not at_counter:
            self._to_ship.add(key)
        try:
            life = await self._lives.live(key, cancel=cancel, edit=edit, later=later)
        finally:
            self._to_ship.discard(key)
            self._coming_back.pop(key, None)
        await self._assert_one_of_everything(life, back=None if later is None else sent)
        return life

    async def _edit(self, key: OrderKey) -> None:
        """A unit less."""
        self._edited[key] = await self._control.edit_line(key.external_id, 2, 1)
        await self._lives.tell(key, "orders/edited")

    async def _cancel_rest(self, key: OrderKey) -> None:
        await self._client.get_workflow_handle(key.workflow_id).signal("cancel_rest")

    async def _send_back(self, key: OrderKey) -> None:
        """A unit of the first parcel comes back."""
        while not (await self._control.read_order(key.external_id)).fulfillments:  # noqa: ASYNC110  a worker tells of it
            await asyncio.sleep(LOOK_SECONDS)
        await self._control.ask_return(key.external_id, AskReturn(lines=(AskReturnLine(line=1),)))

    async def _want_to_send_back(self, key: OrderKey) -> None:
        """The buyer asks for a return, and an operator hears that nothing will come."""
        await self._send_back(key)
        handle = self._client.get_workflow_handle(key.workflow_id)
        # The same as is told again afterwards: nobody reads the order twice, beside the call that goes wrong.
        hint = StorefrontChanged(message_id=f"{key.external_id}-returns/request", topic="returns/request")
        await handle.signal("storefront_changed", hint)
        while (asked := await self._asked_for(key)).status != "OPEN":  # noqa: ASYNC110  a worker agrees
            await asyncio.sleep(LOOK_SECONDS)
        carrier = self._client.get_workflow_handle(return_workflow_id(key, str(asked.id)))
        message = OperatorMessage(reason="keeps it")
        await carrier.start_update("end", message, wait_for_stage=WorkflowUpdateStage.ACCEPTED)

    async def _asked_for(self, key: OrderKey) -> ReturnReading:
        (asked,) = (await self._control.read_order(key.external_id)).returns
        return asked

    async def _assert_one_of_everything(self, life: Life, *, back: bool | None) -> None:
        """Read both systems without the application. ``back`` says whether something that was asked for came back."""
        told = await self._control.read_order(life.key.external_id)
        await self._people.assert_booked(life, told)
        transactions = await asyncio.to_thread(read_transactions, self._store, told.id)
        kinds = Counter(each["kind"] for each in transactions["transactions"])
        if life.canceled:
            assert life.outcome is Attention.CANCELED
            assert (told.canceled, told.captured, told.fulfillments) == (True, 0, 0)
            assert kinds == {"AUTHORIZATION": 1, "VOID": 1}
            return
        assert life.outcome is Attention.CLOSED
        # At a counter there is no parcel, and all is captured in one.
        parcels = len(set(told.tracking_numbers))
        assert (told.fulfillments, told.open_units, parcels) in {(2, 0, 2), (2, 0, 0)}
        # A parcel that is told while money goes back leaves what it cannot know of to the closing.
        assert kinds.pop("CAPTURE") in ({2, 3} if back else {parcels or 1})
        assert kinds == {"AUTHORIZATION": 1, **({"REFUND": 1} if back else {})}
        assert told.captured == told.total
        if back is not None:
            assert told.total == told.original_total - told.refunded
        ended = {None: [], True: [("CLOSED", 1)], False: [("CANCELED", 0)]}[back]
        assert [(each.status, each.processed) for each in told.returns] == ended

    # -- calls of no order -----------------------------------------------------------------------------------------

    async def _of_nobody(self, call: Call, column: str) -> str:
        async with self._turns:
            return await self._asked(call, column)

    async def _asked(self, call: Call, column: str) -> str:
        line = await self._line(call, column)
        if call.operation == "ping":

            async def ping() -> None:
                await line.do("ping", ())

            word = await pinged(f"{call}-{column}", ping, lambda: line.struck, Connections(self._database))
            return word if line.met or word == AWAY else line.told_inside()

        class Asked:
            def __getattr__(self, name: str):
                return lambda *arguments: line.do(name, arguments)

        word = await asked(call, Asked(), lambda: line.struck)
        return line.told_inside() if word == CARRIED_ON else word

    # -- the change feed -------------------------------------------------------------------------------------------

    async def _feed_cells(self, cells: list[tuple[Call, str]]) -> None:
        """One fault after the other; the orders of the other cells depend on the feed meanwhile."""
        for call, column in cells:
            await self._noted((call, column), self._fed(call, column))

    async def _fed(self, call: Call, column: str) -> str:
        line = self._ports[ERP].feed = await self._line(call, column)
        async with asyncio.timeout(LONGEST):
            while not line.struck or not line.well:  # noqa: ASYNC110  the feed polls
                await asyncio.sleep(0.1)
        return "followed later" if line.met else line.told_inside()

    async def _noted(self, cell: tuple[Call, str], living: Awaitable[str]) -> None:
        name = (str(cell[0]), cell[1])
        try:
            self.cells[name] = await living
        except (AssertionError, TimeoutError, RPCError, httpx.HTTPError) as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            self.failures[name] = f"{type(error).__name__}: {error} ({where.name}: {where.line})"
            self.cells[name] = "FAILED"


async def _log_in(erp: TrytonErp) -> None:
    """A session can expire only where there is one. Busy with sales, Tryton may take its time."""
    for _ in range(5):
        with suppress(Unavailable):
            return await erp.ping()
    return await erp.ping()


def cells_of(system: str) -> list[tuple[Call, str]]:
    """All cells of a system's calls."""
    return [(call, column) for call in wire_calls(system) for column in WIRE_FAULTS]
