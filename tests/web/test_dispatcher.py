"""The dispatcher: every webhook reaches its workflow, whatever is away meanwhile."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from domain.order import OrderKey
from store.database import Database
from store.errors import DatabaseUnavailable
from store.inbox import Inbox, InboxItem, InboxState, Received
from web.counters import Counters
from web.dispatcher import Dispatcher, Pace, TemporalAway

QUICK = Pace(
    concurrency=4,
    poll=0.02,
    hand_over=0.5,
    lease=5,
    first_pause=0.01,
    longest_outage_pause=0.05,
    longest_row_pause=0.1,
    grace=0.3,
)
HandOver = Callable[[InboxItem], Awaitable[InboxState]]


def fill(inbox: Inbox, count: int) -> list[str]:
    for number in range(count):
        inbox.add(
            Received(
                channel="shop",
                delivery_id=f"d{number}",
                topic="orders/create",
                external_id=str(5000 + number),
                headers={},
                body=b"{}",
            )
        )
    return [f"d{number}" for number in range(count)]


class Workflows:
    """Stands for Temporal: takes webhooks, counts, and can be away."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.tries = 0
        self.away = False
        self.at_once = 0
        self.most_at_once = 0

    async def __call__(self, item: InboxItem) -> InboxState:
        self.tries += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(0.002)
        finally:
            self.at_once -= 1
        if self.away:
            raise TemporalAway("UNAVAILABLE: connection refused")
        self.taken.append(item.delivery_id)
        return InboxState.DISPATCHED


@asynccontextmanager
async def dispatching(
    inbox: Inbox, hand_over: HandOver, pace: Pace = QUICK, counters: Counters | None = None
) -> AsyncIterator[Dispatcher]:
    dispatcher = Dispatcher(inbox, hand_over, pace=pace, counters=counters)
    running = asyncio.create_task(dispatcher.run())
    try:
        yield dispatcher
    finally:
        dispatcher.stop()
        await asyncio.wait_for(running, 10)


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  the conditions read a database
            await asyncio.sleep(0.01)


def dispatched(inbox: Inbox) -> int:
    return inbox.counts()[InboxState.DISPATCHED]


@pytest.fixture
def inbox(sqlite_db: Database) -> Inbox:
    return Inbox(sqlite_db)


async def test_every_row_is_handed_over_once_and_not_too_many_at_a_time(inbox: Inbox) -> None:
    expected = fill(inbox, 30)
    workflows = Workflows()
    async with dispatching(inbox, workflows):
        await until(lambda: dispatched(inbox) == 30)
    assert sorted(workflows.taken) == sorted(expected)
    assert 1 < workflows.most_at_once <= QUICK.concurrency


async def test_wake_cuts_the_pause_short(inbox: Inbox) -> None:
    workflows = Workflows()
    patient = Pace(poll=3600)
    async with dispatching(inbox, workflows, patient) as dispatcher:
        await asyncio.sleep(0.1)
        fill(inbox, 1)
        dispatcher.wake()
        await until(lambda: dispatched(inbox) == 1, seconds=5)


async def test_an_outage_loses_nothing_doubles_nothing_and_hammers_nobody(inbox: Inbox) -> None:
    expected = fill(inbox, 20)
    workflows = Workflows()
    workflows.away = True
    async with dispatching(inbox, workflows) as dispatcher:
        for _ in range(50):
            dispatcher.wake()
            await asyncio.sleep(0.01)
        tries_in_outage = workflows.tries
        assert inbox.backlog().pending == 20
        workflows.away = False
        await until(lambda: dispatched(inbox) == 20)
    # One round of all at once, then single probes, however often it was woken: pauses are 5 ms at least, then 25 ms.
    assert QUICK.concurrency <= tries_in_outage <= 30
    assert sorted(workflows.taken) == sorted(expected)


async def test_no_answer_in_time_counts_as_away(inbox: Inbox) -> None:
    fill(inbox, 1)
    answers = [False, True]
    taken: list[str] = []

    async def hand_over(item: InboxItem) -> InboxState:
        if not answers.pop(0):
            await asyncio.sleep(3600)
        taken.append(item.delivery_id)
        return InboxState.DISPATCHED

    async with dispatching(inbox, hand_over):
        await until(lambda: dispatched(inbox) == 1)
    assert taken == ["d0"]


async def test_one_bad_row_stops_no_other_and_is_not_given_up(
    inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    fill(inbox, 10)
    good_again = False
    taken: list[str] = []
    failures = 0

    async def hand_over(item: InboxItem) -> InboxState:
        nonlocal failures
        if item.delivery_id == "d3" and not good_again:
            failures += 1
            raise ValueError("no such workflow type")
        taken.append(item.delivery_id)
        return InboxState.DISPATCHED

    with caplog.at_level(logging.ERROR, "web.dispatcher"):
        async with dispatching(inbox, hand_over):
            await until(lambda: dispatched(inbox) == 9 and failures >= 3)
            backlog = inbox.backlog()
            (row,) = inbox.for_order(OrderKey(channel="shop", external_id="5003"))
            good_again = True
            await until(lambda: dispatched(inbox) == 10)
    assert (backlog.pending, backlog.failing) == (1, 1)
    assert row.last_error == "ValueError: no such workflow type"
    assert row.state is InboxState.PENDING
    assert "d3 of shop:5003" in caplog.text
    assert sorted(taken) == sorted(f"d{number}" for number in range(10))


async def test_a_crash_between_claim_and_mark_is_handed_over_again(sqlite_db: Database) -> None:
    now = datetime.now(UTC)
    inbox = Inbox(sqlite_db, lambda: now)
    expected = fill(inbox, 3)
    workflows = Workflows()
    # The process that crashed claimed all, handed one over, and marked none.
    crashed = inbox.claim(3, timedelta(seconds=60), "crashed")
    await workflows(crashed[0])
    async with dispatching(inbox, workflows):
        await asyncio.sleep(0.1)
        assert len(workflows.taken) == 1
        now += timedelta(seconds=60)
        await until(lambda: dispatched(inbox) == 3)
    # At least once each; what came twice carries the same delivery id, by which the workflow knows it.
    assert set(workflows.taken) == set(expected)
    assert workflows.taken.count("d0") == 2


async def test_two_dispatchers_share_the_work(sqlite_db: Database) -> None:
    inbox = Inbox(sqlite_db)
    expected = fill(inbox, 30)
    workflows = Workflows()
    async with dispatching(inbox, workflows), dispatching(Inbox(sqlite_db), workflows):
        await until(lambda: dispatched(inbox) == 30)
    assert sorted(workflows.taken) == sorted(expected)


async def test_a_stop_lets_tries_finish(inbox: Inbox) -> None:
    fill(inbox, 2)
    started = asyncio.Event()

    async def hand_over(_item: InboxItem) -> InboxState:
        started.set()
        await asyncio.sleep(0.1)
        return InboxState.DISPATCHED

    async with dispatching(inbox, hand_over):
        await started.wait()
    assert dispatched(inbox) == 2


async def test_a_stop_gives_unfinished_claims_back_at_once(inbox: Inbox) -> None:
    fill(inbox, 2)
    started = asyncio.Event()

    async def hand_over(_item: InboxItem) -> InboxState:
        started.set()
        await asyncio.sleep(3600)
        return InboxState.DISPATCHED

    slow = Pace(hand_over=3000, lease=3600, grace=0.05)
    async with dispatching(inbox, hand_over, slow):
        await started.wait()
    again = inbox.claim(10, timedelta(seconds=1), "next")
    assert [item.attempts for item in again] == [0, 0]


class Flickering(Inbox):
    """An inbox whose database is away for some calls."""

    def __init__(self, db: Database) -> None:
        super().__init__(db)
        self.claims_to_fail = 3
        self.marks_to_fail = 1

    def claim(self, limit: int, lease: timedelta, claimed_by: str) -> tuple[InboxItem, ...]:
        if self.claims_to_fail > 0:
            self.claims_to_fail -= 1
            raise DatabaseUnavailable("the server closed the connection")
        return super().claim(limit, lease, claimed_by)

    def mark_dispatched(self, item_ids: Collection[int]) -> None:
        if self.marks_to_fail > 0:
            self.marks_to_fail -= 1
            raise DatabaseUnavailable("the server closed the connection")
        super().mark_dispatched(item_ids)


async def test_a_database_away_for_a_while_is_survived(sqlite_db: Database) -> None:
    inbox = Flickering(sqlite_db)
    fill(inbox, 3)
    workflows = Workflows()
    short_lease = Pace(concurrency=4, poll=0.02, hand_over=0.2, lease=0.4, first_pause=0.01, grace=0.1)
    async with dispatching(inbox, workflows, short_lease):
        await until(lambda: dispatched(inbox) == 3)
    assert set(workflows.taken) == {"d0", "d1", "d2"}
    assert len(workflows.taken) == 4


def test_a_lease_too_short_is_refused() -> None:
    with pytest.raises(ValueError, match="lease must be longer"):
        Pace(hand_over=20, lease=20)


class Counting(Inbox):
    """Counts the transactions that note what was handed over."""

    def __init__(self, db: Database) -> None:
        super().__init__(db)
        self.marks: list[int] = []

    def mark_dispatched(self, item_ids: Collection[int]) -> None:
        self.marks.append(len(item_ids))
        super().mark_dispatched(item_ids)


async def test_what_is_handed_over_together_is_noted_together(sqlite_db: Database) -> None:
    inbox = Counting(sqlite_db)
    fill(inbox, 12)
    all_there = asyncio.Barrier(12)

    async def hand_over(_item: InboxItem) -> InboxState:
        await all_there.wait()
        return InboxState.DISPATCHED

    dispatcher = Dispatcher(inbox, hand_over, pace=Pace(concurrency=12))
    running = asyncio.create_task(dispatcher.run())
    await until(lambda: dispatched(inbox) == 12)
    dispatcher.stop()
    await running
    assert sum(inbox.marks) == 12
    assert len(inbox.marks) < 12


async def test_an_echo_is_marked_as_one_and_counted_apart(inbox: Inbox) -> None:
    fill(inbox, 3)
    reader = InMemoryMetricReader()

    async def hand_over(item: InboxItem) -> InboxState:
        return InboxState.ECHO if item.delivery_id == "d1" else InboxState.DISPATCHED

    counters = Counters(MeterProvider([reader]).get_meter("test"))
    async with dispatching(inbox, hand_over, counters=counters):
        await until(lambda: inbox.backlog().pending == 0)
    assert inbox.counts() == {InboxState.PENDING: 0, InboxState.DISPATCHED: 2, InboxState.ECHO: 1}
    told = reader.get_metrics_data()
    assert told is not None
    [metrics] = [scope.metrics for each in told.resource_metrics for scope in each.scope_metrics]
    sums = {
        m.name: sum(p.value for p in m.data.data_points) for m in metrics if hasattr(m.data, "is_monotonic")
    }
    assert sums == {"orderwright.webhooks.handed_over": 2, "orderwright.webhooks.echo": 1}
