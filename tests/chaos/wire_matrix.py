"""The fault matrix on the wire: real adapters, real systems, and a proxy of its own for each order.

The calls to the store are lived through with the memory ERP, which is quick; those to the ERP with the real store.
"""

import asyncio
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from datetime import timedelta

import httpx
from temporalio.client import Client
from temporalio.service import RPCError

from adapters.errors import Unavailable
from adapters.memory.erp import MemoryErp
from adapters.shopify.storefront import ShopifyStorefront
from adapters.tryton.erp import TrytonErp
from sandbox.faults.proxy import Proxy
from sandbox.faults.rules import Fault
from sandbox.faults.vendors import VENDORS
from sandbox.store.client import AsyncStoreControl
from sandbox.tryton.staff import Staff
from store.cases import Cases
from store.connections import Connections
from store.database import Database
from store.mappings import MappingCatalog
from tests.chaos.asking import AWAY, CARRIED_ON, PACE, asked, pinged
from tests.chaos.calls import ERP, OF_NO_ORDER, STOREFRONT, Call
from tests.chaos.lives import (
    Board,
    Life,
    Lives,
    in_background,
    told_causes,
)
from tests.chaos.memory_people import MemoryPeople
from tests.chaos.tryton_people import TrytonPeople
from tests.chaos.wire_acts import CHANNEL, SHIPMENTS, SHORT, Acts, Back, ErpPeople, back_of
from tests.chaos.wire_faults import WIRE_FAULTS, ByOrder, Line, applies
from tests.order_builder import sandbox_mapping
from tests.running_store import TOKEN, RunningStore
from tests.running_store import read as read_transactions
from tests.tryton_fixture import TrytonAccess
from workers.composition import Parts
from workers.worker import start_feed, workers
from workflows.messages import Attention
from workflows.standing import ERP_FEED_ID

FEED_INTERVAL = timedelta(milliseconds=300)
STORE_PATIENCE = httpx.Timeout(2.0, connect=2.0)
"""What a spoiled adapter gives the store, so that nobody waits long for what never comes."""
ERP_PATIENCE = httpx.Timeout(10.0, connect=2.0)
LONGEST = 240.0
"""Seconds that an order may take, from its turn on."""
NOTHING_TO_TELL = "-"
TOGETHER = (
    frozenset({"open_exchange", "release_exchange"}),
    frozenset({"authorize_return", "cancel_return"}),
    frozenset({"add_exchange", "credit_return"}),
)
"""Calls that one order lives through, each on a line of its own: its life is a long one."""


class WireMatrix:
    """With ``tryton`` for the calls to the ERP, without it for those to the store. Ask ``cells`` and ``failures``."""

    def __init__(
        self, client: Client, database: Database, store: RunningStore, tryton: TrytonAccess | None
    ) -> None:
        self._client, self._database, self._store, self._tryton = client, database, store, tryton
        self._board = Board(database)
        self._lives = Lives(client, self._board, longest=LONGEST)
        self._turns = asyncio.Semaphore(3 if tryton else 16)
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
            work = [self._of_order(*each) for each in lives_of(cells)]
            work += [
                self._of_nobody(*each) for each in cells if each[0].operation in OF_NO_ORDER - {"changes"}
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
        self._acts = Acts(self._client, self._lives, self._board, self._control, self._people)
        catalog = MappingCatalog(self._database, {CHANNEL: sandbox_mapping()})
        parts = Parts(self._database, {CHANNEL: self._ports[STOREFRONT]}, self._ports[ERP], catalog)
        async with (
            self._board.watched(),
            in_background(self._acts.work_in_the_warehouse),
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

    async def _of_order(self, calls: Sequence[Call], column: str) -> None:
        with self._noting(calls, column):
            async with self._turns:
                lines = tuple([await self._line(call, column) for call in calls])
                key = await self._acts.place(calls)
                self._ports[calls[0].system].lines[key.external_id] = lines
                life = await self._acts.live(key, calls)
                await self._assert_one_of_everything(life, back_of(calls))
            for line in lines:
                assert line.struck, f"the fault never struck {line.call}"
                if line.asked_to_wait:
                    line.assert_waited_as_told()
            causes = told_causes(life)
            words = [causes] if life.stops and len(lines) == 1 else [line.told() for line in lines]
            assert not life.stops or causes in words, f"{causes}, though its calls tell {words}"
            self.cells.update(
                {(str(line.call), column): word for line, word in zip(lines, words, strict=True)}
            )

    async def _assert_one_of_everything(self, life: Life, back: Back | None) -> None:
        """Read both systems without the application."""
        told = await self._control.read_order(life.key.external_id)
        await self._people.assert_booked(life, told, back)
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
        left = SHIPMENTS + (back is Back.EXCHANGED)
        assert (told.fulfillments, told.open_units, parcels) in {(left, 0, left), (SHIPMENTS, 0, 0)}
        money_back = back in {Back.SENT, Back.EXCHANGED}
        # A parcel that is told while money goes back leaves what it cannot know of to the closing.
        assert kinds.pop("CAPTURE") in ({2, 3} if money_back else {parcels or 1})
        assert kinds == {"AUTHORIZATION": 1, **({"REFUND": 1} if money_back else {})}
        assert told.captured == told.total
        if back is not None:
            assert told.total == told.original_total - told.refunded
        ended = {None: [], Back.WITHDRAWN: [("CANCELED", 0)]}.get(back, [("CLOSED", 1)])
        assert [(each.status, each.processed) for each in told.returns] == ended

    # -- calls of no order -----------------------------------------------------------------------------------------

    async def _of_nobody(self, call: Call, column: str) -> None:
        with self._noting((call,), column):
            async with self._turns:
                self.cells[str(call), column] = await self._asked(call, column)

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
            with self._noting((call,), column):
                self.cells[str(call), column] = await self._fed(call, column)

    async def _fed(self, call: Call, column: str) -> str:
        line = self._ports[ERP].feed = await self._line(call, column)
        async with asyncio.timeout(LONGEST):
            while not line.struck or not line.well:  # noqa: ASYNC110  the feed polls
                await asyncio.sleep(0.1)
        return "followed later" if line.met else line.told_inside()

    @contextmanager
    def _noting(self, calls: Sequence[Call], column: str) -> Iterator[None]:
        """What goes wrong with these calls' cells is a failure of theirs."""
        try:
            yield
        except (AssertionError, TimeoutError, RPCError, httpx.HTTPError) as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            failure = f"{type(error).__name__}: {error} ({where.name}: {where.line})"
            self.failures |= {(str(call), column): failure for call in calls}
            self.cells |= {(str(call), column): "FAILED" for call in calls}


async def _log_in(erp: TrytonErp) -> None:
    """A session can expire only where there is one. Busy with sales, Tryton may take its time."""
    for _ in range(5):
        with suppress(Unavailable):
            return await erp.ping()
    return await erp.ping()


def cells_of(calls: Iterable[Call]) -> list[tuple[Call, str]]:
    """All cells of these calls."""
    return [(call, column) for call in calls for column in WIRE_FAULTS]


def lives_of(cells: Iterable[tuple[Call, str]]) -> list[tuple[tuple[Call, ...], str]]:
    """The calls, and the fault of theirs, that one order each lives through; the longest lives first.

    What is told wrong may be found by somebody else than the call: such a cell has an order of its own.
    """
    found: dict[tuple[object, str], list[Call]] = {}
    for call, column in cells:
        if call.operation not in OF_NO_ORDER:
            together = next((each for each in TOGETHER if call.operation in each), None)
            alone = together is None or WIRE_FAULTS[column]["fault"] is Fault.REWRITE
            found.setdefault((call if alone else together, column), []).append(call)
    lives = [(tuple(calls), column) for (_, column), calls in found.items()]
    return sorted(lives, key=lambda life: len(life[0]), reverse=True)
