"""The inbox: one row a delivery, one claimer a row, nothing lost."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from domain.order import OrderKey
from domain.topics import ORDERS_UPDATED
from store.database import Database
from store.inbox import Inbox, InboxItem, InboxState, Received

LEASE = timedelta(seconds=60)
NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        self.now += timedelta(**by)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def inbox(db: Database, clock: Clock) -> Inbox:
    return Inbox(db, clock)


def webhook(number: int = 1, **changes: object) -> Received:
    values = {
        "channel": "shop",
        "delivery_id": f"d{number}",
        "event_id": f"e{number}",
        "topic": "orders/create",
        "external_id": str(5000 + number),
        "occurred_at": NOON,
        "headers": {"x-shopify-topic": "orders/create"},
        "body": b'{"id": 5001, "name": "\xe6\x97\xa5"}\x00\xff',
    }
    return Received.model_validate(values | changes)


def test_a_webhook_is_kept_as_it_came(inbox: Inbox) -> None:
    assert inbox.add(webhook())
    (row,) = inbox.for_order(OrderKey(channel="shop", external_id="5001"))
    assert row.body == webhook().body
    assert row.headers == webhook().headers
    assert (row.delivery_id, row.event_id, row.topic) == ("d1", "e1", "orders/create")
    assert (row.received_at, row.occurred_at, row.state) == (NOON, NOON, InboxState.PENDING)


def test_the_name_to_show_comes_with_the_claim(inbox: Inbox) -> None:
    inbox.add(webhook(1, label="#1001"))
    inbox.add(webhook(2))
    assert [item.label for item in inbox.claim(2, LEASE, "one")] == ["#1001", None]


def test_the_same_delivery_is_one_row_and_channels_are_apart(inbox: Inbox) -> None:
    assert inbox.add(webhook())
    assert not inbox.add(webhook(body=b"other"))
    assert inbox.add(webhook(channel="outlet"))
    assert inbox.counts()[InboxState.PENDING] == 2
    assert inbox.for_order(OrderKey(channel="shop", external_id="5001"))[0].body == webhook().body


def test_many_at_once_keep_one(inbox: Inbox) -> None:
    start = threading.Barrier(8)

    def deliver(_number: int) -> list[bool]:
        start.wait()
        return [inbox.add(webhook(number)) for number in range(5)]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(deliver, range(8)))
    for number in range(5):
        assert sum(answer[number] for answer in answers) == 1
    assert inbox.counts()[InboxState.PENDING] == 5


def test_several_claimers_never_share_a_row(inbox: Inbox) -> None:
    for number in range(60):
        inbox.add(webhook(number))
    start = threading.Barrier(4)

    def claim(name: int) -> list[int]:
        start.wait()
        mine: list[int] = []
        while items := inbox.claim(3, LEASE, f"claimer-{name}"):
            mine += [item.id for item in items]
        return mine

    with ThreadPoolExecutor(4) as pool:
        claimed = [row for mine in pool.map(claim, range(4)) for row in mine]
    # SKIP LOCKED may end a claimer early, but each row goes to exactly one, and none stays behind unseen.
    assert len(claimed) == len(set(claimed))
    rest = inbox.claim(60, LEASE, "last")
    assert len(claimed) + len(rest) == 60


def test_a_claim_comes_back_after_its_lease(inbox: Inbox, clock: Clock) -> None:
    inbox.add(webhook())
    (first,) = inbox.claim(10, LEASE, "crashed")
    assert inbox.claim(10, LEASE, "b") == ()
    clock.move(seconds=60)
    (second,) = inbox.claim(10, LEASE, "b")
    assert second.id == first.id
    # What the first learns late is still true; what it failed at is no longer its business.
    assert not inbox.mark_failed(first.id, "crashed", "late", timedelta(0))
    assert inbox.release([first.id], "crashed") == 0
    inbox.mark_dispatched([first.id])
    assert inbox.counts()[InboxState.DISPATCHED] == 1
    assert not inbox.mark_failed(second.id, "b", "later still", timedelta(0))
    clock.move(hours=1)
    assert inbox.claim(10, LEASE, "c") == ()


def test_a_failed_row_waits_and_the_others_pass_it(inbox: Inbox, clock: Clock) -> None:
    inbox.add(webhook(1))
    clock.move(seconds=1)
    inbox.add(webhook(2))
    bad, good = inbox.claim(10, LEASE, "a")
    assert (bad.delivery_id, good.delivery_id) == ("d1", "d2")
    assert inbox.mark_failed(bad.id, "a", "ValueError: no", timedelta(seconds=30))
    assert inbox.release([good.id], "a") == 1
    assert [item.delivery_id for item in inbox.claim(10, LEASE, "a")] == ["d2"]
    clock.move(seconds=30)
    (again,) = inbox.claim(10, LEASE, "a")
    assert (again.delivery_id, again.attempts) == ("d1", 1)
    row = inbox.for_order(again.key)[0]
    assert row.last_error == "ValueError: no"


def test_the_backlog_counts_what_waits(inbox: Inbox, clock: Clock) -> None:
    assert inbox.backlog().pending == 0
    assert inbox.backlog().oldest_received_at is None
    for number in (1, 2, 3):
        inbox.add(webhook(number))
        clock.move(minutes=1)
    first, second = inbox.claim(2, LEASE, "a")
    inbox.mark_dispatched([first.id])
    inbox.mark_failed(second.id, "a", "no", timedelta(hours=1))
    backlog = inbox.backlog()
    assert (backlog.pending, backlog.failing) == (2, 1)
    assert backlog.oldest_received_at == NOON + timedelta(minutes=1)


def test_purging_takes_what_is_done_and_leaves_what_waits(inbox: Inbox, clock: Clock) -> None:
    for number in (1, 2):
        inbox.add(webhook(number))
    (done,) = inbox.claim(1, LEASE, "a")
    inbox.mark_dispatched([done.id])
    clock.move(days=30)
    inbox.add(webhook(3))
    assert inbox.purge_before(NOON + timedelta(days=1)) == 1
    assert inbox.counts() == {InboxState.PENDING: 2, InboxState.DISPATCHED: 0, InboxState.ECHO: 0}


def test_what_may_be_an_echo_rests_until_its_cause_is_noted(inbox: Inbox, clock: Clock) -> None:
    inbox.add(webhook(1, topic="refunds/create", tells="refund 7 made"))
    inbox.add(webhook(2))
    (news,) = inbox.claim(10, LEASE, "a")
    assert (news.delivery_id, news.tells) == ("d2", None)
    clock.move(seconds=2)
    (rested,) = inbox.claim(10, LEASE, "a")
    assert (rested.delivery_id, rested.tells) == ("d1", "refund 7 made")
    inbox.mark_echoes([rested.id])
    inbox.mark_dispatched([news.id])
    assert inbox.counts() == {InboxState.PENDING: 0, InboxState.DISPATCHED: 1, InboxState.ECHO: 1}
    assert inbox.claim(10, LEASE, "a") == ()
    clock.move(days=2)
    assert inbox.purge_before(clock.now) == 2


def updates(inbox: Inbox, clock: Clock, *told: tuple[int, int, str]) -> dict[int, InboxItem]:
    """Updates of one order by number, in the order in which they come: number, hour of the change, what it says."""
    for number, hour, directions in told:
        at = NOON + timedelta(hours=hour)
        changes = {"topic": ORDERS_UPDATED, "occurred_at": at, "directions": directions}
        inbox.add(webhook(number, external_id="5001", **changes))
    assert all(item.topic != ORDERS_UPDATED for item in inbox.claim(10, LEASE, "a")), "they may be echoes"
    clock.move(seconds=2)
    return {int(item.delivery_id[1:]): item for item in inbox.claim(10, LEASE, "b")}


def test_an_update_is_compared_with_what_happened_before_it(inbox: Inbox, clock: Clock) -> None:
    inbox.add(webhook(1, external_id="5001", directions="home"))
    inbox.add(webhook(2, external_id="5001", topic="orders/paid", occurred_at=NOON + timedelta(hours=9)))
    inbox.add(webhook(9, external_id="5009", directions="elsewhere"))
    # The third is told twice over, as each write of ours that follows says the same, and an older one comes last.
    told = updates(
        inbox, clock, (3, 2, "away"), (4, 2, "away"), (5, 3, "away"), (6, 1, "home"), (7, 4, "home")
    )
    before = {number: inbox.directions_before(item) for number, item in told.items()}
    assert before == {3: "home", 4: "away", 5: "away", 6: "home", 7: "away"}


def test_an_update_that_comes_ahead_of_its_order_is_compared_with_the_placing(
    inbox: Inbox, clock: Clock
) -> None:
    (update,) = updates(inbox, clock, (1, 0, "home")).values()
    assert inbox.directions_before(update) is None
    inbox.add(webhook(2, external_id="5001", occurred_at=NOON + timedelta(seconds=1), directions="home"))
    assert inbox.directions_before(update) == "home"
