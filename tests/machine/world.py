"""One shop, one ERP, one warehouse and our own house between them, all in this thread: nothing happens unasked.

The workflow, the activities, the store, the change feed and the way webhooks reach an order are the real ones; Temporal
is ``TinyTemporal``, the outside systems are the memory adapters.
"""

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Iterator
from collections.abc import Mapping as MappingOf
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from opentelemetry.metrics import NoOpMeter
from sqlmodel import delete
from temporalio.activity import _Definition as ActivityDefinition
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.contracts import FollowChanges, OrderHint
from activities.counters import FeedClock
from activities.feed import FeedActivities
from adapters.memory.erp import MemoryErp
from adapters.memory.storefront import MemoryStorefront
from domain.mapping import Mapping
from domain.order import Order, OrderKey
from store.columns import Row
from store.errors import DatabaseUnavailable
from store.mappings import MappingCatalog
from tests.machine.run import CONVERTER, Run, Task
from tests.machine.temporal import TinyTemporal
from tests.machine.weather import Crash, Weather, WeatheredDatabase
from workers.composition import Parts
from workflows.customer_return import ReturnWorkflow
from workflows.messages import RETURN_ASKED, OrderView, ReturnAsked, TimelineEntry
from workflows.order import OrderWorkflow
from workflows.order_reach import OrderReach
from workflows.return_messages import return_workflow_id

MOST_STEPS = 300
"""More without an end is a circle."""


class _Inline(ThreadPoolExecutor):
    """What goes to a thread is done at once, in this one."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001  the future carries it
            done.set_exception(error)
        return done


class _OneLook(FeedClock):
    """Ends the feed's round once it has read to the end."""

    def __init__(self) -> None:
        # A real meter keeps what it observes for as long as the process lives, and with it this world.
        super().__init__(NoOpMeter("machine"))
        self.end: Callable[[], None] = lambda: None

    def read_to_the_end(self) -> None:
        self.end()


def _activities_of(*owners: object) -> Iterator[tuple[str, ActivityDefinition]]:
    for owner in owners:
        for _, method in inspect.getmembers(owner, inspect.ismethod):
            definition = ActivityDefinition.from_callable(method)
            if definition is not None:
                yield definition.name or "", definition


class House:
    """What all worlds of a process share: an event loop and a database, emptied for each world."""

    def __init__(self, database: WeatheredDatabase) -> None:
        self.database = database
        self.loop = asyncio.new_event_loop()
        self.loop.set_default_executor(_Inline(1))

    def clean(self) -> None:
        self.database.weather = None
        with self.database.write() as session:
            for table in reversed(Row.metadata.sorted_tables):
                session.execute(delete(table))

    def close(self) -> None:
        self.loop.close()


class World:
    """One run of the machine. The two types are others where a trial breaks something."""

    storefront_type = MemoryStorefront
    erp_type = MemoryErp

    def __init__(
        self,
        house: House,
        mapping: Mapping,
        *,
        stock: dict[tuple[str, str], int],
        prices: MappingOf[str, Decimal],
    ) -> None:
        house.clean()
        self._house, self.database = house, house.database
        self._began, self._passed = datetime.now(UTC), timedelta(0)
        self.weather = Weather()
        self.first_stock = dict(stock)
        self.storefront = self.storefront_type(faults=self.weather, clock=self.now, prices=prices)
        self.erp = self.erp_type(
            warehouses={"WH-EAST", "WH-WEST"}, stock=stock, faults=self.weather, clock=self.now, page_size=1
        )
        catalog = MappingCatalog(self.database, {"shop": mapping})
        self.database.weather = self.weather
        parts = Parts(self.database, {"shop": self.storefront}, self.erp, catalog)
        self._activities = dict(
            _activities_of(
                parts.order_activities(),
                parts.return_activities(),
                parts.exchange_activities(),
                parts.backorder_activities(),
                parts.case_activities(),
            )
        )
        self.temporal = TinyTemporal((OrderWorkflow, ReturnWorkflow), self.now)
        self._reach = OrderReach(self.temporal)  # type: ignore[arg-type]
        self._look = _OneLook()
        self._feed = FeedActivities(
            self.erp,
            self.temporal,  # type: ignore[arg-type]
            self.database,
            bring_back=self._reach.bring_back,
            tell_return=self._reach.tell_return,
            interval=timedelta(0),
            clock=self._look,
        )
        self._cursor: str | None = None
        self.post: list[OrderHint] = []
        """Webhooks on their way."""
        self._in_flight: list[tuple[Run, Task, Any]] = []
        """What activities came to, not told yet."""
        self.attempts = 0

    def close(self) -> None:
        self.temporal.close()
        self.database.weather = None

    # -- time --------------------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        return self._began + self._passed

    def pass_time(self, much: timedelta = timedelta(milliseconds=20)) -> None:
        self._passed += much

    # -- messages ----------------------------------------------------------------------------------------------------

    def write_webhook(self, order: Order, topic: str) -> None:
        """The storefront sends it; it is on its way."""
        number = len(self.post) + sum(map(len, self.temporal.runs.values())) + self.erp.last_change
        hint = OrderHint(
            key=order.key,
            message_id=f"{topic}-{number}-{self.now().timestamp()}",
            topic=topic,
            label=order.number,
            occurred_at=self.now(),
        )
        self.post.append(hint)

    def deliver_webhook(self, place: int = 0, *, again: bool = False) -> None:
        """One of those on their way arrives; ``again``: and comes once more later."""
        hint = self.post[place] if again else self.post.pop(place)
        self._run(self._reach.hint(hint))
        self.settle_down()

    def look_at_feed(self) -> None:
        """The change feed reads to its end, or as far as it comes."""
        environment = ActivityEnvironment()
        self._look.end = environment.worker_shutdown

        def beat(*details: Any) -> None:
            self._cursor = details[0]

        environment.on_heartbeat = beat
        following = FollowChanges(cursor=self._cursor)
        try:
            self._run(environment.run(self._feed.follow_erp_changes, following))
        except (ApplicationError, DatabaseUnavailable):
            pass  # Temporal tries again, from the last heartbeat on
        except Crash:
            self.crash()
        self.settle_down()

    # -- work --------------------------------------------------------------------------------------------------------

    def attempt(self, place: int = 0) -> bool:
        """Let an activity run; False where none waits. Its answer stays in flight."""
        waiting = self._waiting()
        if not waiting:
            return False
        self._attempt(*waiting[place % len(waiting)])
        return True

    def step(self, place: int = 0) -> bool:
        """One thing more of what is under way, ``place`` says which; False where nothing is.

        An answer of an activity reaches its workflow, something that a workflow asked of another arrives, or an
        activity runs.
        """
        waiting, carried = self._waiting(), self.temporal.on_its_way
        several = len(self._in_flight) + carried + len(waiting)
        if not several:
            return False
        place %= several
        if place < len(self._in_flight):
            self._answer(place)
        elif place < len(self._in_flight) + carried:
            self.temporal.carry(place - len(self._in_flight))
            self.settle_down()
        else:
            self._attempt(*waiting[place - len(self._in_flight) - carried])
        return True

    def _waiting(self) -> list[tuple[Run, Task]]:
        """Activities that are asked for and have not run."""
        busy = {id(task) for _, task, _ in self._in_flight}
        return [
            (run, task)
            for run in self.temporal.all_running()
            for task in run.tasks.values()
            if id(task) not in busy
        ]

    def _answer(self, place: int) -> None:
        """Tell the workflow what an activity came to."""
        run, task, outcome = self._in_flight.pop(place)
        self.pass_time()
        if isinstance(outcome, BaseException):
            run.refuse(task, outcome)
        else:
            run.answer(task, outcome)
        self.settle_down()

    def work(self) -> None:
        """Until nothing is under way."""
        for _ in range(MOST_STEPS):
            if not self.step():
                return
        raise AssertionError(
            f"no end of it: {[t.name for r in self.temporal.all_running() for t in r.tasks.values()]}"
        )

    def crash(self) -> None:
        """The worker dies: answers in flight are lost, and the memory of all workflows."""
        for _, task, _ in self._in_flight:
            task.attempt += 1
        self._in_flight.clear()
        self.temporal.forget_all()

    def settle_down(self) -> None:
        """What Temporal does by itself."""
        self.pass_time()
        self.temporal.go_on()

    def _attempt(self, run: Run, task: Task) -> None:
        self.attempts += 1
        definition = self._activities[task.name]
        arguments = CONVERTER.from_payloads(task.arguments, definition.arg_types)
        environment = ActivityEnvironment()
        environment.info = replace(
            environment.info, attempt=task.attempt, activity_type=task.name, heartbeat_details=task.told
        )

        def beat(*details: Any) -> None:
            task.told = details

        environment.on_heartbeat = beat
        try:
            outcome = self._run(environment.run(definition.fn, *arguments))
        except ApplicationError as error:
            if not error.non_retryable:
                task.attempt += 1
                return
            outcome = error
        except DatabaseUnavailable:
            task.attempt += 1
            return
        except Crash:
            task.attempt += 1
            self.crash()
            return
        self._in_flight.append((run, task, outcome))

    def _run(self, doing: Coroutine[Any, Any, Any]) -> Any:
        return self._house.loop.run_until_complete(doing)

    def ask_return(self, asked: ReturnAsked, key: OrderKey) -> None:
        """An operator asks for a return, of an order that may have ended."""
        run = self.temporal.running(key.workflow_id)
        if run is not None:
            run.update(RETURN_ASKED, asked.message_id, asked)
        else:
            self._run(self._reach.bring_back_for_return(key, asked))
        self.settle_down()

    # -- what can be seen ----------------------------------------------------------------------------------------------

    def view(self, key: OrderKey) -> OrderView | None:
        """What the order says of itself; None before its first webhook."""
        runs = self.temporal.runs.get(key.workflow_id)
        return runs[-1].query("status", OrderView) if runs else None

    def returns_under_way(self, key: OrderKey) -> dict[str, Run]:
        """Return id -> the workflow that carries it."""
        begins = return_workflow_id(key, "")
        return {
            run.workflow_id.removeprefix(begins): run
            for run in self.temporal.all_running()
            if run.workflow_id.startswith(begins) and run.begun
        }

    def story(self, key: OrderKey) -> str:
        """The timelines of its last run and of its returns, for the words of a failure."""
        begins = return_workflow_id(key, "")
        lasts = [
            (workflow_id.removeprefix(begins), runs[-1])
            for workflow_id, runs in self.temporal.runs.items()
            if (workflow_id == key.workflow_id or workflow_id.startswith(begins)) and runs[-1].begun
        ]
        entries = [(n, e) for n, run in lasts for e in run.query("timeline", tuple[TimelineEntry, ...])]
        entries.sort(key=lambda told: told[1].at)
        return "\n".join(f"{e.at:%d %H:%M:%S.%f} {name} {e.actor}: {e.text}" for name, e in entries)
