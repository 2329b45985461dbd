"""A sweep's pages over systems in memory: whatever the page size and whatever moves, each order counts once."""

import asyncio
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import ActivityEnvironment

from activities.contracts import Carried, CompareOrders, OpenSweep, OrderHint, SweepPhase, SweepProgress
from activities.sweep import SweepActivities, SweepRules
from adapters.memory.erp import MemoryErp
from adapters.memory.storefront import MemoryStorefront
from adapters.requests import OrderPage
from domain.completeness import Explanation, Patience
from domain.erp_order import ErpOrder
from domain.model import Instant
from domain.order import OrderKey
from store.database import Database
from tests.contract.order_shapes import sales_order
from tests.order_builder import make_order

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
HOURS = 6
RULES = SweepRules(patience=Patience(grace=timedelta(0)))


class Nobody:
    """No order is carried; notes who is to be started. ``refused`` is an order that Temporal does not take."""

    def __init__(self, refused: str = "") -> None:
        self.hints: list[OrderHint] = []
        self._refused = refused

    async def hint(self, hint: OrderHint) -> None:
        if hint.key.external_id == self._refused:
            raise RPCError("the id is too long", RPCStatusCode.INVALID_ARGUMENT, b"")
        self.hints.append(hint)

    async def carried(self, key: OrderKey) -> Carried:
        return Carried()

    async def tell(self, order: ErpOrder) -> bool:
        return False


class RestlessStorefront(MemoryStorefront):
    """Its orders change while its list is read."""

    def __init__(self, page_size: int, dice: random.Random) -> None:
        super().__init__(page_size=page_size, clock=lambda: NOW)
        self._dice = dice

    async def list_changed(self, changed_since: Instant, cursor: str | None = None) -> OrderPage:
        page = await super().list_changed(changed_since, cursor)
        for external_id in self._dice.sample(sorted(self.orders), min(2, len(self.orders))):
            self.changed_at[external_id] = max(self.changed_at.values()) + timedelta(seconds=1)
        return page


async def sweep(activities: SweepActivities) -> SweepProgress:
    environment = ActivityEnvironment()
    progress = await environment.run(activities.open_sweep, OpenSweep(channel="shop", now=NOW, hours=HOURS))
    for _ in range(200):
        if progress.phase is SweepPhase.DONE:
            return progress
        request = CompareOrders(sweep_id="sweep", now=NOW, progress=progress)
        progress = await environment.run(activities.compare_orders, request)
    raise AssertionError("the sweep does not end")


@pytest.fixture
def database(tmp_path: Path) -> Database:
    database = Database(f"sqlite:///{tmp_path / 'orders.db'}")
    database.migrate()
    return database


@pytest.mark.parametrize("seed", range(12))
def test_each_order_counts_once(database: Database, seed: int) -> None:
    dice = random.Random(seed)
    storefront = RestlessStorefront(dice.randint(1, 7), dice)
    erp = MemoryErp(page_size=dice.randint(1, 7), clock=lambda: NOW)
    kinds: Counter[str] = Counter()

    async def fill() -> None:
        for number in range(dice.randint(0, 40)):
            kind = dice.choice(["carried", "missing", "trial", "twice", "shipped", "before", "canceled"])
            kinds[kind] += 1
            age = timedelta(hours=dice.uniform(0.1, HOURS - 0.1) + (HOURS if kind == "before" else 0))
            order = make_order(str(6000 + number), placed_at=NOW - age, test=kind == "trial")
            storefront.place(order)
            if kind in {"carried", "twice", "shipped", "before"}:
                await erp.submit_order(sales_order(order))
            if kind == "twice":
                erp.enter_by_hand(order.number)
            if kind == "shipped":
                erp.ship_all(order.key)
            if kind == "canceled":
                storefront.cancel_by_customer(order.key.external_id)

    asyncio.run(fill())
    orders = Nobody()
    activities = SweepActivities(
        {"shop": storefront}, erp, orders, database, RULES, batch=timedelta(0)
    )  # one page an activity
    progress = asyncio.run(sweep(activities))
    tally, shipments = progress.orders, progress.shipments
    assert tally.placed == kinds.total() - kinds["before"]
    assert tally.matched == kinds["carried"] + kinds["shipped"]
    assert tally.unexplained == kinds["twice"]
    assert tally.repaired.get(Explanation.MISSED_WEBHOOK, 0) == kinds["missing"] == _started(orders, "orders")
    assert tally.explained.get(Explanation.NOT_CARRIED, 0) == kinds["trial"]
    assert tally.explained.get(Explanation.CANCELED_BEFORE_ENTRY, 0) == kinds["canceled"]
    assert shipments.placed == kinds["shipped"]
    assert _started(orders, "shipments") == kinds["shipped"]


def _started(orders: Nobody, flow: str) -> int:
    """Orders that were woken for a flow; the same hint given twice is one."""
    return len({hint.message_id for hint in orders.hints if f":{flow}:" in hint.message_id})


def test_one_order_that_cannot_be_started_stops_no_other(database: Database) -> None:
    storefront, orders = MemoryStorefront(clock=lambda: NOW), Nobody(refused="6001")
    for number in range(6000, 6003):
        storefront.place(make_order(str(number), placed_at=NOW - timedelta(hours=1)))
    activities = SweepActivities({"shop": storefront}, MemoryErp(), orders, database, RULES)
    tally = asyncio.run(sweep(activities)).orders
    assert (tally.repaired, tally.unexplained) == ({Explanation.MISSED_WEBHOOK: 2}, 1)
    (unexplained,) = [finding for finding in tally.findings if finding.cause]
    assert unexplained.key.external_id == "6001"
    assert "Temporal refused the repair: the id is too long" in unexplained.sentence
