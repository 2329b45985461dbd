"""Which system is away: said in words, and kept in one row that all workers share."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.connection import Connection, ConnectionState
from store.connections import Connections

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.fixture
def connections(db):
    return Connections(db)


def away(**changes) -> Connection:
    values = {
        "system": "erp",
        "state": ConnectionState.AWAY,
        "since": NOON,
        "reason": "cannot be reached",
        "next_probe_at": NOON + 65 * SECOND,
    }
    return Connection(**values | changes)


def test_a_system_that_is_away_says_since_when_why_and_when_it_is_asked_again() -> None:
    told = away().sentence(NOON + 60 * SECOND)
    assert told == "the ERP is away since 12:00 UTC (cannot be reached), next probe in 5 s"
    assert away().sentence(NOON + 90 * SECOND).endswith("next probe now")
    assert away().sentence(NOON + timedelta(days=1)).startswith("the ERP is away since 2026-07-01 12:00 UTC")


def test_a_storefront_is_called_by_its_channel() -> None:
    up = Connection(system="shop", state=ConnectionState.UP, since=NOON)
    assert up.sentence(NOON + SECOND) == "the storefront shop answers, since 12:00 UTC"


def test_a_system_nobody_worked_with_is_not_known(connections) -> None:
    assert connections.get("erp") is None
    assert connections.all() == ()


def test_entering_a_system_leaves_what_is_known_of_it(connections) -> None:
    assert connections.enter("erp", NOON).state is ConnectionState.UP
    noted = connections.note_away("erp", "refused", NOON, NOON + 5 * SECOND)
    assert connections.enter("erp", NOON + SECOND) == noted


def test_away_counts_from_the_first_note_and_keeps_the_latest_reason_and_probe(connections) -> None:
    connections.note_up("erp", NOON)
    connections.note_away("erp", "refused", NOON + SECOND, NOON + 6 * SECOND)
    noted = connections.note_away("erp", "timed out", NOON + 2 * SECOND, NOON + 7 * SECOND)
    assert noted == away(since=NOON + SECOND, reason="timed out", next_probe_at=NOON + 7 * SECOND)
    assert connections.get("erp") == noted


def test_an_earlier_probe_does_not_cut_short_a_wait_that_the_system_asked_for(connections) -> None:
    connections.note_away("erp", "too many calls", NOON, NOON + 60 * SECOND)
    noted = connections.note_away("erp", "refused", NOON, NOON + 5 * SECOND)
    assert noted.next_probe_at == NOON + 60 * SECOND


def test_up_again_forgets_reason_and_probe_and_counts_from_then(connections) -> None:
    connections.note_away("erp", "refused", NOON, NOON + 5 * SECOND)
    connections.note_up("erp", NOON + 9 * SECOND)
    connections.note_up("erp", NOON + 10 * SECOND)
    up = Connection(system="erp", state=ConnectionState.UP, since=NOON + 9 * SECOND)
    assert connections.all() == (up,)


def test_one_probe_is_taken_by_one_worker_alone(connections) -> None:
    connections.note_away("erp", "refused", NOON, NOON + 5 * SECOND)
    due = NOON + 5 * SECOND
    assert not connections.claim_probe("erp", due - SECOND, due + 5 * SECOND)
    assert connections.claim_probe("erp", due, due + 5 * SECOND)
    assert not connections.claim_probe("erp", due, due + 5 * SECOND)


def test_nobody_probes_what_is_up(connections) -> None:
    connections.note_up("erp", NOON)
    assert not connections.claim_probe("erp", NOON + timedelta(days=1), NOON + timedelta(days=2))
