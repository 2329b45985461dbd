"""Records the histories of every order shape and path on a real Temporal server: ``python -m tests.replay.record``.

They are written for the version that ``pyproject.toml`` names. Where a shape's commands came out differently than the
checked-in fingerprints say, it shows both and keeps nothing, unless ``--changed-on-purpose`` is given. ``--missing``
records only paths that were never recorded; those that were stay as they are.
"""

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import count
from pathlib import Path

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle, WorkflowHistory
from temporalio.testing import WorkflowEnvironment

import tests.replay.cancel_paths  # noqa: F401  # its paths are listed by being read
from activities.feed import FeedActivities
from activities.stock_compare import StockComparing
from activities.stock_feed import StockFeedActivities
from activities.stock_telling import StockTelling
from adapters.memory.storefront import MemoryStorefront
from adapters.payloads import DATA_CONVERTER
from domain.order import Order
from domain.stock_rules import StockRules
from sandbox.scenarios.catalogue import shapes
from sandbox.stack import find_temporal
from store.database import Database
from tests.order_builder import sandbox_mapping
from tests.replay import exchange_paths, histories, paths, return_paths
from tests.replay.return_paths import return_over_renewals
from tests.store_fixture import run_store, storefront_at
from tests.workflows.world import World, terminate_all
from workers.composition import Parts
from workflows.erp_feed import ROUNDS_A_RUN
from workflows.messages import OrderResult
from workflows.order import OrderWorkflow
from workflows.order_reach import OrderReach
from workflows.return_messages import RETURN_WORKFLOW
from workflows.search import ALL as SEARCH_ATTRIBUTES
from workflows.standing import (
    ERP_FEED_ID,
    STOCK_FEED_ID,
    stock_comparison_id,
    stock_pusher_id,
)
from workflows.stock_comparison import BATCHES_A_RUN

SUGGEST_EARLY = ("--dynamic-config-value", "limit.historyCount.suggestContinueAsNew=15")
RULES = return_paths.RULES | exchange_paths.RULES
PYPROJECT = Path(__file__).parent.parent.parent / "pyproject.toml"
_ids = count(7001)

Take = Callable[["RecordedWorld"], Awaitable[None]]


class RecordedWorld(World):
    """Knows every run that was started in it."""

    def __init__(self, client: Client, database: Database) -> None:
        super().__init__(client, database, sandbox_mapping())
        self.runs: dict[str, str] = {}
        """First run of each chain -> workflow id, in the order they were started."""

    async def start(
        self, order: Order, topic: str = "orders/create"
    ) -> WorkflowHandle[OrderWorkflow, OrderResult]:
        handle = await super().start(order, topic)
        assert handle.first_execution_run_id is not None
        self.runs[handle.first_execution_run_id] = handle.id
        return handle

    async def find_returns(self) -> None:
        """Take the workflows that orders began themselves among the runs."""
        orders = {f"return:{workflow_id.removeprefix('order:')}:" for workflow_id in self.runs.values()}
        await asyncio.sleep(1)  # the list of workflows is written a moment later
        found = {}
        async for run in self.client.list_workflows(f'WorkflowType = "{RETURN_WORKFLOW}"'):
            if run.id.startswith(tuple(orders)):
                history = await self.client.get_workflow_handle(run.id, run_id=run.run_id).fetch_history()
                started = history.events[0].workflow_execution_started_event_attributes
                found[started.first_execution_run_id] = run.id
        self.runs.update(sorted(found.items(), key=lambda item: item[1]))


class QuickParts(Parts):
    """Rounds of the change feed that end at once, so that its workflow comes to continue as new."""

    def feed_activities(self, client: Client, interval: timedelta) -> FeedActivities:
        short = timedelta(milliseconds=20)
        orders = OrderReach(client)
        return FeedActivities(
            self.erp,
            client,
            self.database,
            bring_back=orders.bring_back,
            tell_return=orders.tell_return,
            interval=short,
            round_length=short,
        )

    def stock_feed_activities(self, interval: timedelta) -> StockFeedActivities:
        short = timedelta(milliseconds=20)
        return StockFeedActivities(self.erp, self.database, interval=short, round_length=short)

    def stock_telling(self, shards: int) -> StockTelling:
        short = timedelta(milliseconds=20)
        return StockTelling(
            self.storefronts, self.mappings, self.database, parts=shards, poll=short, round_length=short
        )

    def stock_comparing(self) -> StockComparing:
        return StockComparing(self.storefronts, self.mappings, self.database, batch=timedelta(0))


class Recorder:
    """Writes the runs of each world under its name, unless that is ``known``."""

    def __init__(self, folder: Path, known: Collection[str]) -> None:
        self._folder = folder
        self._known = known
        self.fingerprints: dict[str, list[str]] = {}

    async def record(self, client: Client, name: str, take: Take, *, quick_feed: bool = False) -> None:
        """Make a world, go its way in it and save what came of it."""
        if name in self._known:
            return
        with tempfile.TemporaryDirectory() as folder:
            database = Database(f"sqlite:///{folder}/orders.db")
            database.migrate()
            world = RecordedWorld(client, database)
            if name in RULES:
                world.replace_mapping(world.mapping.model_copy(update={"returns": RULES[name]}))
            if name == paths.STOCK:
                _show_more_than_a_run_compares(world)
            if quick_feed:
                world.parts = QuickParts(database, world.parts.storefronts, world.erp, world.parts.mappings)
            async with world.working():
                await take(world)
                await world.find_returns()
            recorded = [h for first, key in world.runs.items() async for h in _chain(client, key, first)]
            await terminate_all(client)
            database.close()
        for number, history in enumerate(recorded, start=1):
            run = name if number == 1 else f"{name}-{number}"
            self.fingerprints[run] = histories.save(self._folder, run, history)
        print(f"{name}: {len(recorded)} run(s), {sum(len(h.events) for h in recorded)} events", flush=True)


async def _chain(client: Client, workflow_id: str, run: str) -> AsyncIterator[WorkflowHistory]:
    """The history of a run and of those that continued it."""
    while run:
        history = await client.get_workflow_handle(workflow_id, run_id=run).fetch_history()
        yield history
        last = history.events[-1]
        continued = last.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW
        run = (
            last.workflow_execution_continued_as_new_event_attributes.new_execution_run_id
            if continued
            else ""
        )


@asynccontextmanager
async def _server(*more: str) -> AsyncIterator[Client]:
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=find_temporal(),
        dev_server_extra_args=more,
        data_converter=DATA_CONVERTER,
        search_attributes=SEARCH_ATTRIBUTES,
    )
    async with environment:
        yield environment.client


async def _scenario_orders() -> dict[str, Order]:
    """Every scenario of the sandbox, placed in its store, edited there, and read by the adapter."""
    orders = {}
    with tempfile.TemporaryDirectory() as folder, run_store(Path(folder)) as store:
        adapter = storefront_at(store)
        try:
            for scenario in shapes():
                placed = await asyncio.to_thread(store.control.place_order, scenario.order)
                for edit in scenario.edits:
                    await asyncio.to_thread(store.control.edit_order, placed.id, edit)
                orders[paths.slug(scenario.name)] = await adapter.read_order(str(placed.id))
        finally:
            await adapter.close()
    return orders


def _straight(order: Order) -> Take:
    async def take(world: RecordedWorld) -> None:
        handle = await paths.entered(world, order)
        await paths.ship_in_two_parts(world, order.key)
        await handle.result()

    return take


def _along(path: paths.Path) -> Take:
    async def take(world: RecordedWorld) -> None:
        await path(world, str(next(_ids)))

    return take


async def _feed(world: RecordedWorld) -> None:
    """Follow the feed until it has continued as new."""
    handle = world.client.get_workflow_handle(ERP_FEED_ID)
    first = (await handle.describe()).run_id
    assert first is not None
    world.runs[first] = ERP_FEED_ID
    for _ in range(20 * ROUNDS_A_RUN):
        now = await handle.describe()
        if now.run_id != first and now.raw_description.pending_activities:
            return
        await asyncio.sleep(0.25)
    raise AssertionError("the feed never continued as new")


def _show_more_than_a_run_compares(world: RecordedWorld) -> None:
    """A storefront that is told of stock and lists one SKU a page."""
    world.replace_mapping(world.mapping.model_copy(update={"stock": StockRules(push=True)}))
    world.replace_storefront(MemoryStorefront(page_size=1, faults=world.faults))
    for number in range(BATCHES_A_RUN + 5):
        world.storefront.shelf.stock(f"SKU-{number:03d}", "101", number)


async def _stock(world: RecordedWorld) -> None:
    """Follow the three workflows of stock until each has continued as new."""
    for workflow_id in (stock_comparison_id("shop"), STOCK_FEED_ID, stock_pusher_id("shop", 0)):
        handle = world.client.get_workflow_handle(workflow_id)
        described = await handle.describe()
        first = described.raw_description.workflow_execution_info.first_run_id
        world.runs[first] = workflow_id
        for _ in range(20 * ROUNDS_A_RUN):
            now = await handle.describe()
            ended = now.status is WorkflowExecutionStatus.COMPLETED
            if now.run_id != first and (ended or now.raw_description.pending_activities):
                break
            await asyncio.sleep(0.25)
        else:
            raise AssertionError(f"{workflow_id} never continued as new")


async def record(folder: Path, known: Collection[str]) -> dict[str, list[str]]:
    """Record everything but what is known into a folder; returns the fingerprints."""
    recorder = Recorder(folder, known)
    orders = await _scenario_orders()
    async with _server() as client:
        for name, order in orders.items():
            await recorder.record(client, name, _straight(order))
        for name, path in paths.PATHS.items():
            await recorder.record(client, name, _along(path))
        await recorder.record(client, paths.FEED, _feed, quick_feed=True)
        await recorder.record(client, paths.STOCK, _stock, quick_feed=True)
    async with _server(*SUGGEST_EARLY) as client:
        await recorder.record(client, paths.CONTINUED, _along(paths.continues_as_new))
        await recorder.record(client, paths.RETURN_CONTINUED, _along(return_over_renewals))
    return recorder.fingerprints


def _same(was: list[str], now: list[str]) -> bool:
    """Whether the workflow itself did the same: messages arrive a moment earlier or later each time.

    A run that had not ended when it was recorded (the feed's last) counts as far as both go.
    """
    own = [[entry for entry in run if not entry.startswith(("signal ", "update "))] for run in (was, now)]
    if not any(run and run[-1] in histories.ENDS for run in own):
        shorter = min(len(run) for run in own)
        own = [run[:shorter] for run in own]
    return own[0] == own[1]


def main() -> int:
    """Record for the version of ``pyproject.toml``."""
    parser = argparse.ArgumentParser(description="Record the histories that tests/replay replays.")
    parser.add_argument("--changed-on-purpose", action="store_true", help="take over changed fingerprints")
    parser.add_argument("--missing", action="store_true", help="record only what never was")
    options = parser.parse_args()
    release = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["version"]
    kept = histories.FOLDER / release
    file = kept / histories.FINGERPRINTS
    known = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(record(Path(folder), known if options.missing else ()))
        changed = [name for name in found if name in known and not _same(known[name], found[name])]
        for name in changed:
            print(f"{name}\n  was {known[name]}\n  is  {found[name]}", file=sys.stderr)
        if changed and not options.changed_on_purpose:
            print("nothing was kept: --changed-on-purpose keeps it, if that is meant", file=sys.stderr)
            return 1
        if options.missing:
            found = known | found
        else:
            shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(folder, kept, dirs_exist_ok=True)
    file.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
