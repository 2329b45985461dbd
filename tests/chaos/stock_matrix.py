"""The fault matrix of the calls of stock on the memory adapters: buyers and the warehouse go on while calls fail.

Each call of a storefront has a channel and SKUs of its own, so that no cell disturbs another; the cells of a channel
follow each other, and so do those of the ERP's feed. What may be sold is counted here from both systems' own books.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import count, product

from sqlmodel import col, select
from temporalio.client import Client, WorkflowFailureError
from temporalio.service import RPCError

from activities.stock_contracts import StockComparison
from adapters.errors import OutcomeUnknown
from adapters.memory.erp import MemoryErp
from adapters.memory.storefront import MemoryStorefront
from adapters.stock_ports import MOST_STOCK
from domain.cases import CaseState
from domain.connection import ERP_SYSTEM
from domain.stock import SettingOutcome, SettingState, StockSetting
from store.cases import Cases, CaseSummary
from store.database import Database
from store.mappings import MappingCatalog
from store.stock import ErpStockBook, level_of
from store.stock_tables import ErpUnreadRow, StockClaimRow, StockWholeRow
from store.stock_whole import WholeReadings
from tests.chaos.asking import CARRIED_ON, PACE
from tests.chaos.calls import ERP, OF_ALL_STOCK, STOCK_CALLS, Call
from tests.chaos.lives import start_order, told_errors
from tests.chaos.memory_matrix import NOTHING_TO_TELL, applies
from tests.chaos.spoiled import ASKED_TO_WAIT, MemoryFault, Spoiled, Trouble
from tests.order_builder import make_line, make_order, sandbox_mapping
from tests.workflows.stock_world import until
from workers.composition import Parts
from workers.stock import StockPace, start_stock
from workers.worker import start_feed, workers
from workflows.messages import ORDERS_QUEUE
from workflows.standing import StockComparisonStart
from workflows.stock_comparison import StockComparisonWorkflow

CHANNEL_OF = {
    "list_stock": "lists",
    "read_stock": "reads",
    "set_stock": "sets",
    "stock_changes": "feed",
    "find_stock": "feed",
}
RULES = {"push": True, "share": "0.25", "scarce_below": 1000, "batch_seconds": 1}
"""Whatever changes is told at once."""
HERE, WAREHOUSE = "101", "WH-EAST"
AT_FIRST = 40
"""Units of each SKU, and what each storefront shows of it."""
OFF = 3
"""Units by which somebody at the storefront is wrong."""
FEED_INTERVAL = timedelta(milliseconds=50)
LONGEST = 60.0
DOUBTED = 200.0
"""A raise waits two minutes where an earlier call may still arrive."""
REFUSALS = frozenset({MemoryFault.REJECTED, MemoryFault.BROKEN})
MOST_WISHES = 10
LATER, SENT_AGAIN, READ_ANEW = "followed later", "sent again, once", "read anew, right"

Act = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Cell:
    """A call, a fault, and three SKUs that are theirs: the fault is about the first."""

    call: Call
    fault: MemoryFault

    @property
    def channel(self) -> str:
        return CHANNEL_OF[self.call.operation]

    @property
    def skus(self) -> tuple[str, str, str]:
        own = "" if self.call.operation == "list_stock" else f"-{self.fault.name}"
        name = f"{self.call.operation}{own}".upper()
        return f"{name}-1", f"{name}-2", f"{name}-3"

    @property
    def lies(self) -> bool:
        """What an ERP tells wrong is found by nobody before all is read anew: such a cell is lived through alone."""
        return self.call.system == ERP and self.fault is MemoryFault.WRONG_TOTAL

    @property
    def doubted(self) -> bool:
        """Nobody knows whether the call was done, so raises wait: the last cell of its channel, whose time it takes."""
        return self.call.operation == "set_stock" and self.fault is MemoryFault.BROKEN


class WatchedShop(MemoryStorefront):
    """Tells of every setting after which more is shown than may be sold."""

    def __init__(self, channel: str, sellable: Callable[[str, str], int]) -> None:
        super().__init__(channel, page_size=1)
        self._channel, self._sellable = channel, sellable
        self.oversold: list[tuple[str, str]] = []
        """SKU, and what happened in words."""

    async def set_stock(
        self, settings: Sequence[StockSetting], idempotency_key: str
    ) -> tuple[SettingOutcome, ...]:
        """See ``StorefrontStockPort``."""
        outcomes = await super().set_stock(settings, idempotency_key)
        for each in settings:
            shown, most = self.shelf.available[each.sku, HERE], self._sellable(self._channel, each.sku)
            done = any(x.setting == each and x.state is SettingState.DONE for x in outcomes)
            if done and each.available > each.change_from and shown > most:
                self.oversold.append((each.sku, f"{each.sku}: raised to {shown}, {most} may be sold"))
        return outcomes


class StockMatrix:
    """Call ``run`` once, then ask ``cells`` and ``failures``, and what is wrong with the whole."""

    def __init__(self, client: Client, database: Database, cells: Iterable[tuple[Call, MemoryFault]]) -> None:
        self._client, self._database = client, database
        cells = list(cells)
        self._cells = [Cell(call, fault) for call, fault in cells if applies(call, fault)]
        self._ids = count(9001)
        self._skus = {(each.channel, sku) for each in self._cells for sku in each.skus}
        self.erp = MemoryErp(stock={(WAREHOUSE, sku): AT_FIRST for _, sku in self._skus})
        channels = dict.fromkeys(CHANNEL_OF.values())
        self.shops = {channel: WatchedShop(channel, self._sellable) for channel in channels}
        for channel, sku in sorted(self._skus):
            self.shops[channel].shelf.stock(sku, HERE, AT_FIRST)
        self._spoiled = {channel: Spoiled("storefront", shop) for channel, shop in self.shops.items()}
        self._spoiled[ERP] = Spoiled(ERP, self.erp)
        self.cells = {(str(call), str(fault)): NOTHING_TO_TELL for call, fault in cells}
        self.failures: dict[tuple[str, str], str] = {}

    async def run(self) -> None:
        """Live through all cells."""
        apart = [[x for x in self._cells if x.channel == each and not x.lies] for each in self.shops]
        async with self._working():
            whole = WholeReadings(self._database)
            await until(lambda: not whole.lacking([*self.shops]), lambda: "not all was read once", LONGEST)
            await asyncio.gather(*(self._one_after_the_other(cells) for cells in apart))
            await self._one_after_the_other([each for each in self._cells if each.lies])

    def open_cases(self) -> list[str]:
        """Titles of the cases that nobody has closed."""
        return [case.title for case in Cases(self._database).list()]

    def oversold(self) -> list[str]:
        """Settings after which a storefront showed more than there was, other than what the ERP itself had told."""
        lied = {sku for each in self._cells if each.lies for sku in each.skus}
        return [words for shop in self.shops.values() for sku, words in shop.oversold if sku not in lied]

    async def differences(self) -> list[str]:
        """What any SKU shows that it should not, and what we hold of the ERP's stock that it does not say."""
        found = self._wrong(self._skus)
        book = ErpStockBook(self._database)
        products = sorted(sku for _, sku in self._skus)
        for start in range(0, len(products), MOST_STOCK):
            some = products[start : start + MOST_STOCK]
            held = {level_of(row) for row in book.levels(some)}
            found += [f"the ERP has {x}" for x in (await self.erp.find_stock(some)).levels if x not in held]
        return found

    # -- the two systems' books -----------------------------------------------------------------------------------

    def _sellable(self, channel: str, sku: str) -> int:
        """What the ERP has on the shelf for nobody, less what buyers took that it does not know of."""
        unknown = [each for each in self.shops[channel].orders.values() if each.key not in self.erp.orders]
        taken = sum(line.current for order in unknown for line in order.lines if line.sku == sku)
        return self.erp.stock[WAREHOUSE, sku] - taken

    def _shown(self, channel: str, sku: str) -> int:
        return self.shops[channel].shelf.available[sku, HERE]

    def _wrong(self, skus: Collection[tuple[str, str]]) -> list[str]:
        """SKUs of channels that show something else than may be sold, or of which units are in flight."""
        found = [
            f"{channel} shows {self._shown(channel, sku)} of {sku}, {self._sellable(channel, sku)} may be sold"
            for channel, sku in sorted(skus)
            if self._shown(channel, sku) != self._sellable(channel, sku)
        ]
        flying = StockClaimRow.awaiting + StockClaimRow.entering
        query = select(StockClaimRow.product).where(
            col(StockClaimRow.product).in_({sku for _, sku in skus}), flying > 0
        )
        with self._database.read() as session:
            return found + [f"units of {sku} are in flight" for sku in session.exec(query).all()]

    async def _until_right(self, channel: str, skus: Collection[str], seconds: float = LONGEST) -> None:
        places = [(channel, sku) for sku in skus]
        await until(lambda: not self._wrong(places), lambda: "; ".join(self._wrong(places)), seconds)

    async def _until_believed(self, channel: str, sku: str) -> None:
        def believed() -> bool:
            return self._shown(channel, sku) == self._sellable(channel, sku) + 1

        await until(believed, lambda: f"the lie about {sku} is not shown", LONGEST)

    # -- one cell -------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _working(self) -> AsyncIterator[None]:
        mapping = sandbox_mapping(stock=RULES)
        catalog = MappingCatalog(self._database, dict.fromkeys(self.shops, mapping))
        spoiled = {channel: self._spoiled[channel] for channel in self.shops}
        parts = Parts(self._database, spoiled, self._spoiled[ERP], catalog)
        pace = StockPace(feed_interval=FEED_INTERVAL)
        async with workers(self._client, parts, feed_interval=FEED_INTERVAL, stock_pace=pace, pace=PACE):
            await start_feed(self._client)
            await start_stock(self._client, parts, pace)
            yield

    async def _one_after_the_other(self, cells: Iterable[Cell]) -> None:
        for each in sorted(cells, key=lambda cell: cell.doubted):
            name = (str(each.call), str(each.fault))
            try:
                self.cells[name] = await self._lived(each)
            except (AssertionError, TimeoutError, RPCError, WorkflowFailureError) as error:
                self.failures[name] = f"{type(error).__name__}: {error}"
                self.cells[name] = "FAILED"

    async def _lived(self, cell: Cell) -> str:
        trouble = self._trouble(cell)
        comparing = asyncio.create_task(self._begin(cell, trouble))
        await until(lambda: trouble.struck > 0, lambda: "the fault never struck", LONGEST)
        case = await self._until_told(cell, trouble) if cell.fault in REFUSALS else None
        found = await comparing
        if cell.lies:
            if cell.call.operation == "stock_changes":
                await self._until_believed(cell.channel, cell.skus[1])
            self._age_the_last_whole_reading()
        if case is not None:
            self._quarter_of_an_hour_passes(cell)
            found = await self._compare(cell.channel)
        if found is not None:
            assert found.skus == len({sku for channel, sku in self._skus if channel == cell.channel})
        await self._until_right(cell.channel, cell.skus, DOUBTED if cell.doubted else LONGEST)
        await asyncio.gather(*trouble.late)  # whatever arrives late must find that all is done
        await self._until_right(cell.channel, cell.skus)
        await until(lambda: self._case(cell) is None, lambda: f"{case} is still open", LONGEST)
        return self._word(cell, trouble, case)

    def _word(self, cell: Cell, trouble: Trouble, case: CaseSummary | None) -> str:
        if case is not None:
            return f"case: {case.cause.partition(':')[0]}"
        if cell.lies:
            return READ_ANEW
        if cell.fault is MemoryFault.RATE_LIMITED:
            assert min(trouble.waited) >= ASKED_TO_WAIT.total_seconds(), trouble.waited
        if not trouble.met:
            return CARRIED_ON
        if cell.call.operation not in {"read_stock", "set_stock"}:
            return LATER
        if all(isinstance(error, OutcomeUnknown) for error in trouble.met):
            return SENT_AGAIN
        return told_errors(trouble.met)

    def _trouble(self, cell: Cell) -> Trouble:
        """The fault, and what others do to the three SKUs while the call is on its way."""
        first, second, third = cell.skus
        buys = cell.call.system != ERP
        before = self._buying(cell.channel, first) if buys else self._receiving(second)
        after = self._buying(cell.channel, second) if buys else self._counting(third)
        trouble = Trouble(
            cell.call,
            cell.fault,
            rounds=2 if cell.call.operation == "list_stock" else 1,
            lasts=cell.fault in REFUSALS,
            before=_once(before),
            after=_once(after),
        )
        spoiled = self._spoiled[ERP if cell.call.system == ERP else cell.channel]
        named = cell.call.operation in {"read_stock", "set_stock", "find_stock"}
        spoiled.troubles[first if named else None] = trouble
        return trouble

    async def _begin(self, cell: Cell, trouble: Trouble) -> StockComparison | None:
        """Whatever makes the call be made."""
        first, second, third = cell.skus
        match cell.call.operation:
            case "list_stock":
                shelf = self.shops[cell.channel].shelf
                shelf.stock(first, HERE, self._shown(cell.channel, first) + OFF)
                shelf.stock(third, HERE, self._shown(cell.channel, third) - OFF)
                self.erp.receive(WAREHOUSE, second, OFF)
                return await self._compare(cell.channel)
            case "find_stock":
                await self._buy(cell.channel, first)
                await self._asked_by_name(first, trouble)
            case "stock_changes":
                await self._counting(first)()
            case _:
                self.erp.count(WAREHOUSE, first, AT_FIRST - OFF)
                self.erp.receive(WAREHOUSE, second, OFF)
        return None

    async def _until_told(self, cell: Cell, trouble: Trouble) -> CaseSummary:
        """A refusal goes on until somebody is told of it; all else goes on meanwhile."""
        await until(
            lambda: self._case(cell, ever=True) is not None,
            lambda: f"nobody was told after {trouble.struck} refusals",
            LONGEST,
        )
        case = self._case(cell, ever=True)
        assert case is not None
        assert cell.call.operation in OF_ALL_STOCK or cell.skus[0] in case.title, case.title
        assert case.guide.fix
        if not cell.doubted and cell.call.operation != "stock_changes":
            await self._until_right(cell.channel, [cell.skus[1]])
        trouble.lasts = False
        return case

    def _case(self, cell: Cell, *, ever: bool = False) -> CaseSummary | None:
        """The open case about the SKU that the fault is about; about the system, where the call names no SKU.

        ``ever``: or one that is over already, of a SKU.
        """
        about = [ERP_SYSTEM if cell.call.system == ERP else cell.channel]
        by_name = cell.call.operation not in OF_ALL_STOCK
        if by_name:
            about.append(cell.skus[0])
        cases = Cases(self._database).list(None if ever and by_name else CaseState.OPEN)
        return next((each for each in cases if [*filter(None, each.cause.split(":")[1:])] == about), None)

    # -- people ---------------------------------------------------------------------------------------------------

    async def _buy(self, channel: str, sku: str) -> None:
        order = make_order(str(next(self._ids)), channel=channel, lines=(make_line("1", sku, 1),))
        self.shops[channel].place(order)
        await start_order(self._client, order.key)

    def _buying(self, channel: str, sku: str) -> Act:
        return lambda: self._buy(channel, sku)

    def _receiving(self, sku: str) -> Act:
        async def receive() -> None:
            self.erp.receive(WAREHOUSE, sku, OFF)

        return receive

    def _counting(self, sku: str) -> Act:
        async def count_less() -> None:
            self.erp.count(WAREHOUSE, sku, AT_FIRST - OFF)

        return count_less

    async def _asked_by_name(self, product: str, trouble: Trouble) -> None:
        """The feed may tell of an order's product before it is asked for by name: then it is asked for once more."""
        for _ in range(MOST_WISHES):
            await asyncio.sleep(1)
            if trouble.struck:
                return
            await asyncio.to_thread(ErpStockBook(self._database).ask_for, [product])

    async def _compare(self, channel: str) -> StockComparison:
        """Somebody has all of a channel compared."""
        return await self._client.execute_workflow(
            StockComparisonWorkflow.run,
            StockComparisonStart(channel=channel),
            id=f"by-hand:{channel}:{next(self._ids)}",
            task_queue=ORDERS_QUEUE,
        )

    def _quarter_of_an_hour_passes(self, cell: Cell) -> None:
        """A product that the ERP refused to tell of is asked for again."""
        with self._database.write() as session:
            row = session.get(ErpUnreadRow, cell.skus[0])
            if row is not None:
                row.due_at = None
                session.add(row)

    def _age_the_last_whole_reading(self) -> None:
        """A day and more goes by since all of the ERP's stock was read."""
        with self._database.write() as session:
            row = session.get_one(StockWholeRow, ERP_SYSTEM)
            row.began_at -= timedelta(days=2)
            session.add(row)


def _once(act: Act) -> Act:
    done = False

    async def act_once() -> None:
        nonlocal done
        if not done:
            done = True
            await act()

    return act_once


def all_cells() -> list[tuple[Call, MemoryFault]]:
    """Of the whole table."""
    return [*product(STOCK_CALLS, MemoryFault)]
