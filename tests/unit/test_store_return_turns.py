"""The turn of an order's returns: one has it at a time."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from domain.order import OrderKey
from store.database import Database
from store.return_turns import LONGEST_TURN, ReturnTurns

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
KEY = OrderKey(channel="shop", external_id="5001")
SECOND = timedelta(seconds=1)


class Clock:
    now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def turns(db: Database, clock: Clock) -> ReturnTurns:
    taken = ReturnTurns(db, clock)
    assert taken.take(KEY, "r1")
    return taken


def test_a_return_that_has_the_turn_takes_it_again_and_no_other_does(turns: ReturnTurns) -> None:
    assert turns.take(KEY, "r1")
    assert not turns.take(KEY, "r2")
    assert turns.take(KEY, "r1"), "what another wanted changed nothing"


@pytest.mark.parametrize(
    "key", [OrderKey(channel="shop", external_id="5002"), OrderKey(channel="other", external_id="5001")]
)
def test_each_order_has_a_turn_of_its_own(turns: ReturnTurns, key: OrderKey) -> None:
    assert turns.take(key, "r2")


def test_a_turn_that_was_given_back_is_anybodys(turns: ReturnTurns) -> None:
    turns.give_back(KEY, "r1")
    turns.give_back(KEY, "r1")
    assert turns.take(KEY, "r2")
    assert not turns.take(KEY, "r1")


def test_nobody_gives_back_what_another_has(turns: ReturnTurns) -> None:
    turns.give_back(KEY, "r2")
    turns.give_back(OrderKey(channel="shop", external_id="5002"), "r1")
    assert not turns.take(KEY, "r2")


def test_a_turn_ends_long_after_it_was_taken_last(turns: ReturnTurns, clock: Clock) -> None:
    clock.now = NOON + LONGEST_TURN
    assert not turns.take(KEY, "r2")
    assert turns.take(KEY, "r1")
    clock.now += LONGEST_TURN
    assert not turns.take(KEY, "r2"), "it was taken again in between"
    clock.now += SECOND
    assert turns.take(KEY, "r2")
    assert not turns.take(KEY, "r1"), "it is the other's now"


def test_of_many_that_take_it_at_once_one_has_it(db: Database) -> None:
    turns, ready = ReturnTurns(db), threading.Barrier(6)
    had: list[str] = []

    def take(name: str) -> None:
        ready.wait()
        if turns.take(KEY, name):
            had.append(name)

    threads = [threading.Thread(target=take, args=(f"r{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(had) == 1
