"""Our own writes: which delivery is the echo of which."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.order import OrderKey
from store.database import Database
from store.own_writes import CLOCKS_DIFFER, OwnWrites

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
KEY = OrderKey(channel="shop", external_id="5001")
CLOSED = "return 7 closed"


@pytest.fixture
def own_writes(db: Database) -> OwnWrites:
    written = OwnWrites(db, lambda: NOON)
    written.remember(KEY, (CLOSED, "refund 9 made"))
    return written


def test_one_delivery_tells_of_a_write_however_often_it_is_asked_about(own_writes: OwnWrites) -> None:
    assert own_writes.is_echo(KEY, CLOSED, "d1", NOON)
    assert own_writes.is_echo(KEY, CLOSED, "d1", NOON), "tried again after a crash"
    assert not own_writes.is_echo(KEY, CLOSED, "d2", NOON), "somebody closed it once more"
    assert own_writes.is_echo(KEY, "refund 9 made", "d2", NOON)


@pytest.mark.parametrize(
    ("key", "tells"),
    [
        (KEY, "refund 10 made"),
        (KEY, "return 7 canceled"),
        (OrderKey(channel="shop", external_id="5002"), CLOSED),
        (OrderKey(channel="other", external_id="5001"), CLOSED),
    ],
)
def test_what_differs_in_anything_is_no_echo(own_writes: OwnWrites, key: OrderKey, tells: str) -> None:
    assert not own_writes.is_echo(key, tells, "d1", NOON)


def test_the_same_words_of_another_time_are_no_echo(own_writes: OwnWrites) -> None:
    second = timedelta(seconds=1)
    for far in (NOON - CLOCKS_DIFFER - second, NOON + CLOCKS_DIFFER + second):
        assert not own_writes.is_echo(KEY, CLOSED, "d1", far)
    assert own_writes.is_echo(KEY, CLOSED, "d1", NOON - CLOCKS_DIFFER)


def test_a_thing_that_was_written_again_is_heard_again(db: Database, own_writes: OwnWrites) -> None:
    assert own_writes.is_echo(KEY, CLOSED, "d1", NOON)
    later = NOON + timedelta(days=1)
    OwnWrites(db, lambda: later).remember(KEY, (CLOSED,))
    assert own_writes.is_echo(KEY, CLOSED, "d2", later)


def test_old_writes_are_forgotten(own_writes: OwnWrites) -> None:
    assert own_writes.purge_before(NOON) == 0
    assert own_writes.purge_before(NOON + timedelta(seconds=1)) == 2
    assert not own_writes.is_echo(KEY, CLOSED, "d1", NOON)
