"""The fault matrix on the memory adapters: every call, every fault, one world, all orders at once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from itertools import count, product

from temporalio.client import Client
from temporalio.service import RPCError

from adapters.memory.erp import MemoryErp
from adapters.memory.storefront import MemoryStorefront
from domain.balance import check_closing
from domain.erp_order import ErpOrder, ErpOrderState, ErpReturnState, ErpShipmentState
from domain.order import Order, OrderKey, PaymentKind, PaymentStatus
from domain.returns import LIVE
from store.cases import Cases
from store.connections import Connections
from store.database import Database
from store.mappings import MappingCatalog
from tests.chaos.asking import AWAY, CARRIED_ON, PACE, asked, pinged
from tests.chaos.calls import (
    ASKED,
    CALLS,
    ERP,
    EXCHANGING,
    OF_NO_ORDER,
    RETURNING,
    STOREFRONT,
    TELLING_AMOUNTS,
    WITHDRAWN,
    WITHOUT_CURRENCY,
    Call,
)
from tests.chaos.lives import LOOK_SECONDS, Board, Edit, Life, Lives, in_background, told_causes, told_errors
from tests.chaos.spoiled import ALTERED, ASKED_TO_WAIT, MemoryFault, Spoiled, Trouble
from tests.order_builder import handed_over, make_line, make_order, make_shipping, sandbox_mapping
from workers.composition import Parts
from workers.worker import start_feed, workers
from workflows.messages import (
    Attention,
    OrderView,
    ReturnAsked,
    StorefrontChanged,
)
from workflows.order import OrderWorkflow
from workflows.standing import ERP_FEED_ID

FEED_INTERVAL = timedelta(milliseconds=100)
LONGEST = 300.0
"""Seconds that any order may take here. All live at once: only one that is stuck takes so long on a busy machine."""
NOTHING_TO_TELL = "-"
SHIPMENTS = 2
"""Of each order."""


def applies(call: Call, fault: MemoryFault) -> bool:
    """Whether the answer of a call tells what the fault would tell wrong."""
    if fault not in ALTERED:
        return True
    no_currency = call.operation in WITHOUT_CURRENCY and fault is MemoryFault.WRONG_CURRENCY
    return call.operation in TELLING_AMOUNTS and not no_currency


INSTEAD = "PIN-SET"
"""What a buyer gets for what comes back; it is cheaper."""
SHORT = "CAP-BLK"
"""What the warehouse has none of."""


def order_of_two_parcels(external_id: str, *, rest: bool = False) -> Order:
    """``rest``: and two caps that are not in stock."""
    caps = (make_line("13", SHORT, ordered=2),) if rest else ()
    return make_order(
        external_id,
        lines=(make_line("11", ordered=3), make_line("12", "MUG-LOGO", ordered=2), *caps),
        shipping=(make_shipping(),),
        placement={"11": {"101": 2, "102": 1}, "12": {"102": 2}} | ({"13": {"101": 2}} if rest else {}),
    )


class MemoryMatrix:
    """Call ``run`` once, then ask ``cells`` and ``failures``."""

    def __init__(self, client: Client, database: Database) -> None:
        self._client, self._database = client, database
        # The server skips the days in which an order only waits, the warehouse needs real seconds for its round: by
        # the usual rules a return would expire before a busy machine has let it take the goods in.
        usual = sandbox_mapping()
        patient = usual.returns.model_copy(update={"expire_days": 1_000 * usual.returns.reminder_days})
        self._mapping = usual.model_copy(update={"returns": patient})
        self.storefront = MemoryStorefront(page_size=2, prices={INSTEAD: Decimal("4.99")})
        self.erp = MemoryErp(
            warehouses={"WH-EAST", "WH-WEST"}, currency="USD", stock={("WH-EAST", SHORT): 0}, backorder=True
        )
        self._spoiled = {STOREFRONT: Spoiled(STOREFRONT, self.storefront), ERP: Spoiled(ERP, self.erp)}
        self._ids = count(7001)
        self._board = Board(database)
        self._lives = Lives(client, self._board, longest=LONGEST)
        self._kept_back: set[str] = set()
        self._coming_back: dict[str, bool] = {}
        """Orders of which something comes back, and whether the buyer does send it."""
        self._exchanges: set[str] = set()
        """Those whose buyer gets something else for it."""
        self.cells: dict[tuple[str, str], str] = {}
        self.failures: dict[tuple[str, str], str] = {}

    async def run(self) -> None:
        """Live through all cells."""
        of_orders = [call for call in CALLS if call.operation not in OF_NO_ORDER]
        async with self._working():
            work = [self._cell(call, fault) for call, fault in product(of_orders, MemoryFault)]
            work += [self._ping_cell(call, fault) for call, fault in _cells_of("ping")]
            work += [
                self._asked_cell(call, fault) for name in sorted(ASKED) for call, fault in _cells_of(name)
            ]
            work.append(self._feed_cells())
            await asyncio.gather(*work)

    def open_cases(self) -> list[str]:
        """Titles of the cases that nobody has closed."""
        return [case.title for case in Cases(self._database).list()]

    @asynccontextmanager
    async def _working(self) -> AsyncIterator[None]:
        catalog = MappingCatalog(self._database, {"shop": self._mapping})
        parts = Parts(self._database, {"shop": self._spoiled[STOREFRONT]}, self._spoiled[ERP], catalog)
        async with (
            self._board.watched(),
            in_background(self._work_in_the_warehouse),
            workers(self._client, parts, feed_interval=FEED_INTERVAL, pace=PACE),
        ):
            await start_feed(self._client)
            yield

    async def _work_in_the_warehouse(self) -> None:
        """One shipment after the other leaves, of every order that is to be shipped."""
        while True:
            for key, held in list(self.erp.orders.items()):
                waiting = [x for x in held.shipments if x.state is ErpShipmentState.WAITING]
                if key.external_id in self._coming_back:
                    self._take_back(key, held)
                    continue
                edited = self.storefront.orders[key.external_id].total != held.total
                if waiting and not edited and key.external_id not in self._kept_back:
                    units = {line.line_id: line.quantity for line in waiting[0].lines}
                    self.erp.ship(key, waiting[0].warehouse, units)
            await asyncio.sleep(0.5)

    def _take_back(self, key: OrderKey, held: ErpOrder) -> None:
        """The second parcel waits until the return of the first is over, so that the order stays open for it."""
        waiting = [x for x in held.shipments if x.state is ErpShipmentState.WAITING]
        over = all(each.status not in LIVE for each in self.storefront.orders[key.external_id].returns)
        asked = bool(self.storefront.orders[key.external_id].returns)
        for each in held.returns:
            if each.state is ErpReturnState.EXPECTED and self._coming_back[key.external_id]:
                self.erp.receive_return(key, each.return_id, {x.line_id: x.quantity for x in each.expected})
        if len(waiting) == SHIPMENTS or (waiting and asked and over):
            units = {line.line_id: line.quantity for line in waiting[0].lines}
            self.erp.ship(key, waiting[0].warehouse, units)

    # -- calls about an order -------------------------------------------------------------------------------------

    async def _cell(self, call: Call, fault: MemoryFault) -> None:
        if not applies(call, fault):
            self.cells[str(call), fault] = NOTHING_TO_TELL
            return
        await self._noted(call, fault, self._lived(call, fault))

    async def _lived(self, call: Call, fault: MemoryFault) -> str:
        life_of = {
            "cancel_order": {"cancel": True},
            "cancel_units": {"rest": True},
            "amend_order": {"edit": True},
        }
        life_of |= {name: {"back": True} for name in RETURNING}
        life_of |= {name: {"withdrawn": True} for name in WITHDRAWN}
        life_of |= {name: {"back": True, "exchange": self._exchange} for name in EXCHANGING}
        life_of["open_exchange"] = {"back": True, "exchange": self._exchange_by_hand}
        life_of["deliver_order"] = {"at_counter": True}
        trouble, life = await self._live(call, fault, **life_of.get(call.operation, {}))
        self._assert_one_of_everything(life)
        assert trouble.struck, "the fault never struck"
        if call.operation == "find_order":
            of_cancel, canceled = await self._live(call, fault, cancel=True)
            self._assert_one_of_everything(canceled)
            assert of_cancel.struck, "the fault never struck the order that was canceled"
        return self._word(trouble, life)

    async def _live(
        self,
        call: Call,
        fault: MemoryFault,
        *,
        cancel: bool = False,
        edit: bool = False,
        back: bool = False,
        withdrawn: bool = False,
        rest: bool = False,
        at_counter: bool = False,
        exchange: Edit | None = None,
    ) -> tuple[Trouble, Life]:
        order = order_of_two_parcels(str(next(self._ids)), rest=rest)
        if at_counter:
            order = handed_over(order)
            self._kept_back.add(order.key.external_id)
        trouble = Trouble(call, fault)
        self._spoiled[call.system].troubles[order.key.external_id] = trouble
        if back or withdrawn:
            self._coming_back[order.key.external_id] = back
        if exchange is not None:
            self._exchanges.add(order.key.external_id)
        life = await self._through(order, cancel=cancel, edit=edit, rest=rest, exchange=exchange)
        await asyncio.gather(*trouble.late)  # whatever arrives late must find that all is done
        return trouble, life

    async def _through(
        self,
        order: Order,
        *,
        cancel: bool = False,
        edit: bool = False,
        rest: bool = False,
        exchange: Edit | None = None,
    ) -> Life:
        if cancel or edit:
            self._kept_back.add(order.key.external_id)
        self.storefront.place(order)
        back = self._coming_back.get(order.key.external_id)
        later = None if back is None else self._send_back if back else self._want_to_send_back
        later = exchange or later
        act = self._edit if edit else self._cancel_rest if rest else None
        return await self._lives.live(order.key, cancel=cancel, edit=act, later=later)

    async def _cancel_rest(self, key: OrderKey) -> None:
        handle = self._client.get_workflow_handle_for(OrderWorkflow.run, key.workflow_id)
        # The list knows of the ERP's number a moment before the order does: there is no rest yet.
        while not any(x.backordered for x in (await handle.query(OrderWorkflow.status)).lines):  # noqa: ASYNC110  a worker
            await asyncio.sleep(0.3)
        await handle.signal("cancel_rest")

    async def _edit(self, key: OrderKey) -> None:
        """A unit less; the warehouse ships what the ERP has taken over."""
        self.storefront.edit_quantity(key.external_id, "12", 1)
        self._kept_back.discard(key.external_id)
        await self._lives.tell(key, "orders/edited")

    async def _send_back(self, key: OrderKey) -> None:
        """A unit of the first parcel comes back."""
        await self._first_parcel(key)
        self.storefront.request_return(key.external_id, {"11": 1}, "too small")

    async def _first_parcel(self, key: OrderKey) -> None:
        while not self.storefront.orders[key.external_id].fulfillments:  # noqa: ASYNC110  a worker tells of it
            await asyncio.sleep(LOOK_SECONDS)

    async def _exchange(self, key: OrderKey) -> None:
        """The same, and the buyer gets something else for it."""
        await self._first_parcel(key)
        self.storefront.request_return(key.external_id, {"11": 1}, "too small", {INSTEAD: 1})

    async def _exchange_by_hand(self, key: OrderKey) -> None:
        """The same, for an operator."""
        await self._first_parcel(key)
        handle = self._client.get_workflow_handle(key.workflow_id)
        # The storefront shows a parcel a moment before the order knows that it was told.
        while not any(x.shipped for x in (await handle.query("status", result_type=OrderView)).lines):  # noqa: ASYNC110
            await asyncio.sleep(LOOK_SECONDS)
        asked = ReturnAsked(actor="Ada", reason="the buyer called", lines={"11": 1}, exchange={INSTEAD: 1})
        await handle.signal("return", asked)

    async def _want_to_send_back(self, key: OrderKey) -> None:
        """The buyer asks for a return, and thinks better of it."""
        await self._send_back(key)
        handle = self._client.get_workflow_handle(key.workflow_id)
        await handle.signal(
            "storefront_changed", StorefrontChanged(message_id="asked", topic="returns/request")
        )
        while not self.erp.orders[key].returns:  # noqa: ASYNC110  a worker does what is waited for
            await asyncio.sleep(LOOK_SECONDS)
        asked = self.storefront.orders[key.external_id].returns[0]
        self.storefront.withdraw_return(key.external_id, asked.return_id)

    def _word(self, trouble: Trouble, life: Life) -> str:
        """What happened, told by the errors that the order's calls met and the problems it stopped with."""
        if life.stops:
            return told_causes(life)
        if trouble.fault is MemoryFault.RATE_LIMITED:
            assert min(trouble.waited) >= ASKED_TO_WAIT.total_seconds(), trouble.waited
        return told_errors(trouble.met)

    def _assert_one_of_everything(self, life: Life) -> None:
        """Read both systems' own books."""
        told, held = self.storefront.orders[life.key.external_id], self.erp.orders[life.key]
        taken = Counter(p.kind for p in told.payments if p.status is PaymentStatus.SUCCESS)
        report = check_closing(told, held, self._mapping)
        assert report.balanced, report.differences
        if life.canceled:
            assert life.outcome is Attention.CANCELED
            assert held.state is ErpOrderState.CANCELED
            assert (told.captured, len(told.fulfillments), taken[PaymentKind.VOID]) == (0, 0, 1)
            return
        assert life.outcome is Attention.CLOSED
        assert held.state is ErpOrderState.DONE
        parcels = SHIPMENTS + (life.key.external_id in self._exchanges)
        assert (len(held.shipments), len(told.fulfillments)) == (parcels, parcels)
        assert len(held.exchanges) == parcels - SHIPMENTS
        at_once = all(each.tracking_number is None for each in told.fulfillments)
        back = self._coming_back.get(life.key.external_id, False)
        # A parcel that is told while money goes back leaves what it cannot know of to the closing.
        assert taken[PaymentKind.CAPTURE] in ({2, 3} if back else {1} if at_once else {2})
        assert taken[PaymentKind.REFUND] == (1 if back else 0)
        credit = sum((each.total for each in held.returns), Decimal(0))
        assert told.captured == told.total == held.total - credit
        assert bool(credit) == back

    # -- the change feed ------------------------------------------------------------------------------------------

    async def _feed_cells(self) -> None:
        """One fault after the other: all orders of the run depend on this feed, and none may miss its news."""
        lives = []
        for call, fault in _cells_of("changes"):
            await self._noted(call, fault, self._fed(call, fault))
            # Shipped after the fault: its news comes by the feed that had it.
            lives.append(
                asyncio.create_task(
                    self._noted(call, fault, self._told_by_feed(self.cells[str(call), fault]))
                )
            )
        await asyncio.gather(*lives)

    async def _fed(self, call: Call, fault: MemoryFault) -> str:
        # The feed that was ended goes on until its next sign of life: its calls would be taken for the new one's.
        trouble = Trouble(call, fault, rounds=1, run_id=await self._restart_feed())
        self._spoiled[ERP].troubles[None] = trouble
        async with asyncio.timeout(LONGEST):
            while not trouble.struck or len(trouble.waited) < trouble.struck:  # noqa: ASYNC110  the feed polls
                await asyncio.sleep(0.05)
        if fault is MemoryFault.RATE_LIMITED:
            assert min(trouble.waited) >= ASKED_TO_WAIT.total_seconds()
        return "followed later" if trouble.met else "carried on"

    async def _told_by_feed(self, word: str) -> str:
        life = await self._through(order_of_two_parcels(str(next(self._ids))))
        self._assert_one_of_everything(life)
        assert life.stops == []
        return word

    async def _restart_feed(self) -> str:
        """So that each fault is its activity's first: the pauses between its attempts grow. Returns the new run."""
        feed = self._client.get_workflow_handle(ERP_FEED_ID)
        await feed.terminate("the next fault")
        await start_feed(self._client)
        return (await feed.describe()).run_id

    # -- calls of no order ----------------------------------------------------------------------------------------

    async def _ping_cell(self, call: Call, fault: MemoryFault) -> None:
        if not applies(call, fault):
            self.cells[str(call), fault] = NOTHING_TO_TELL
            return
        await self._noted(call, fault, self._pinged(call, fault))

    async def _pinged(self, call: Call, fault: MemoryFault) -> str:
        spoiled, trouble = self._spoiled_apart(call, fault)
        connections = Connections(self._database)
        word = await pinged(f"{call}-{fault}", spoiled.ping, lambda: trouble.struck, connections)
        if fault is MemoryFault.RATE_LIMITED:
            assert min(trouble.waited) >= ASKED_TO_WAIT.total_seconds(), trouble.waited
        return word if trouble.met or word == AWAY else CARRIED_ON

    async def _asked_cell(self, call: Call, fault: MemoryFault) -> None:
        if not applies(call, fault):
            self.cells[str(call), fault] = NOTHING_TO_TELL
            return
        spoiled, trouble = self._spoiled_apart(call, fault)
        await self._noted(call, fault, asked(call, spoiled, lambda: trouble.struck))

    def _spoiled_apart(self, call: Call, fault: MemoryFault) -> tuple[Spoiled, Trouble]:
        spoiled = Spoiled(call.system, self.storefront if call.system == STOREFRONT else self.erp)
        trouble = spoiled.troubles[None] = Trouble(call, fault, rounds=1)
        return spoiled, trouble

    async def _noted(self, call: Call, fault: MemoryFault, living: Awaitable[str]) -> None:
        cell = (str(call), str(fault))
        try:
            self.cells[cell] = await living
        except (AssertionError, TimeoutError, RPCError) as error:
            self.failures[cell] = f"{type(error).__name__}: {error}"
            self.cells[cell] = "FAILED"


def _cells_of(operation: str) -> list[tuple[Call, MemoryFault]]:
    return [(call, fault) for call in CALLS if call.operation == operation for fault in MemoryFault]
