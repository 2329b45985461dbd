"""Certificates and rhythms, and what a sweep asks the other tables, on SQLite and PostgreSQL."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlmodel import select

from domain.certificate import SweepWindow, Tally
from domain.completeness import Explanation, Finding, Flow, Repair
from domain.order import OrderKey
from domain.rhythm import SLOT
from store.certificates import KEEP, CertificateRow, Certificates
from store.database import Database
from store.inbox import Inbox, Received
from store.order_view import OrderPatch, OrderViews, apply_patch
from store.rhythms import Rhythms

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def window(since: int, before: int) -> SweepWindow:
    return SweepWindow(since=NOON + since * HOUR, before=NOON + before * HOUR)


def missed(number: str) -> Finding:
    return Finding(
        flow=Flow.ORDERS,
        key=OrderKey(channel="shop", external_id=number),
        number=f"#{number}",
        explanation=Explanation.MISSED_WEBHOOK,
        sentence="no webhook told of it",
        repair=Repair.START,
    )


def keep(db: Database, sweep_id: str, covered: SweepWindow, *findings: Finding):
    tallies = [Tally(flow=Flow.ORDERS).add(findings), Tally(flow=Flow.SHIPMENTS)]
    return Certificates(db).keep(sweep_id, "shop", covered, tallies, began=covered.since)


def receive(db: Database, at: datetime, external_id: str = "5001") -> None:
    Inbox(db, clock=lambda: at).add(
        Received(
            channel="shop",
            delivery_id=f"{external_id} {at}",
            topic="orders/create",
            external_id=external_id,
            headers={},
            body=b"{}",
        )
    )


def test_the_next_sweep_goes_on_where_the_last_one_ended(db: Database) -> None:
    keep(db, "first", window(0, 1), missed("5001"))
    coverage = Certificates(db).coverage("shop")
    assert (coverage.watermark, coverage.began) == (NOON + HOUR, NOON)
    assert coverage.open == ("5001",)
    assert coverage.repaired == {"5001": (Explanation.MISSED_WEBHOOK,)}
    keep(db, "second", window(0, 2))
    coverage = Certificates(db).coverage("shop")
    assert (coverage.watermark, coverage.began, coverage.open) == (NOON + 2 * HOUR, NOON, ())
    assert coverage.repaired == {}


def test_a_gap_keeps_the_watermark_and_an_earlier_look_back_keeps_the_beginning(db: Database) -> None:
    keep(db, "first", window(0, 1))
    keep(db, "a gap between", window(3, 4))
    assert Certificates(db).coverage("shop").watermark == NOON + HOUR
    keep(db, "far back", window(-48, 5))
    coverage = Certificates(db).coverage("shop")
    assert (coverage.watermark, coverage.began) == (NOON + 5 * HOUR, NOON)


def test_a_sweep_that_is_kept_twice_is_kept_once(db: Database) -> None:
    first = keep(db, "first", window(0, 1), missed("5001"))
    assert keep(db, "first", window(0, 1), missed("5001")) == first
    orders, shipments = first
    assert (orders.tally.flow, shipments.tally.flow) == (Flow.ORDERS, Flow.SHIPMENTS)
    assert orders.tally.sentence == "1 placed, 0 in the ERP, 1 missed webhook (repaired), 0 unexplained"
    assert orders.tally.findings == (missed("5001"),)


def test_what_is_written_beside_the_certificates_is_all_or_nothing(db: Database) -> None:
    def fail(*_: object) -> None:
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        Certificates(db).keep("first", "shop", window(0, 1), [Tally(flow=Flow.ORDERS)], began=NOON, also=fail)
    assert Certificates(db).latest("shop") == ()


def test_before_the_first_sweep_the_channel_is_ours_since_its_first_sign(db: Database) -> None:
    assert Certificates(db).coverage("shop").began is None
    receive(db, NOON)
    assert Certificates(db).coverage("shop").began == NOON
    with db.write() as session:
        key = OrderKey(channel="shop", external_id="5001")
        apply_patch(session, key, 1, OrderPatch(placed_at=NOON - HOUR))
    assert Certificates(db).coverage("shop").began == NOON - HOUR
    assert Certificates(db).coverage("outlet").began is None


def test_old_certificates_go(db: Database) -> None:
    keep(db, "long ago", window(0, 1))
    with db.write() as session:
        for row in session.exec(select(CertificateRow)).all():
            row.at = datetime.now(UTC) - KEEP - HOUR
    keep(db, "now", window(0, 2))
    with db.read() as session:
        assert {row.sweep_id for row in session.exec(select(CertificateRow)).all()} == {"now"}


def test_many_orders_are_looked_up_at_once(db: Database) -> None:
    for number, name in (("5001", "#1001"), ("5002", "#1002")):
        with db.write() as session:
            key = OrderKey(channel="shop", external_id=number)
            apply_patch(session, key, 1, OrderPatch(number=name))
    views = OrderViews(db)
    assert set(views.get_many("shop", ["5002", "5003"])) == {"5002"}
    assert views.numbered("shop", ["#1001", "#1009"]) == {"#1001": "5001"}
    assert views.get_many("outlet", ["5001"]) == views.numbered("outlet", ["#1001"]) == {}


def test_the_inbox_tells_of_which_orders_webhooks_came_and_which_wait(db: Database) -> None:
    inbox = Inbox(db)
    for number in ("5001", "5002"):
        receive(db, NOON, number)
    for item in inbox.claim(1, HOUR, "dispatcher"):
        inbox.mark_dispatched([item.id])
    assert inbox.told_of("shop", ["5001", "5002", "5003"]) == {"5001": False, "5002": True}
    receive(db, NOON + HOUR, "5001")
    assert inbox.told_of("shop", ["5001"]) == {"5001": True}


def test_a_rhythm_is_learned_bit_by_bit_and_outlives_the_inbox(db: Database) -> None:
    rhythms = Rhythms(db)
    assert rhythms.silence("shop") is None
    for number in range(15 * 24 * 4):
        receive(db, NOON + number * 3 * SLOT)
    last = NOON + (15 * 24 * 4 - 1) * 3 * SLOT
    assert rhythms.check("shop", last + SLOT).alarm_since is None
    Inbox(db).purge_before(last + SLOT)
    later = last + timedelta(hours=6)
    alarmed = rhythms.check("shop", later)
    assert (alarmed.last_at, alarmed.alarm_since) == (last, later)
    assert rhythms.silence("shop") == alarmed
    receive(db, later + SLOT)
    assert rhythms.check("shop", later + 2 * SLOT).alarm_since is None
    assert rhythms.check("outlet", later).sentence == "no webhook of outlet ever came"


def test_what_is_done_with_a_silence_is_done_with_its_row(db: Database) -> None:
    def fail(*_: object) -> None:
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        Rhythms(db).check("shop", NOON, fail)
    assert Rhythms(db).silence("shop") is None


def test_a_certificate_of_a_newer_version_is_read_with_what_is_known_of_it(db: Database) -> None:
    keep(db, "first", window(0, 1), missed("1"))
    with db.write() as session:
        for row in session.exec(select(CertificateRow)).all():
            row.tally = row.tally | {"counted_by_a_newer_version": 3}
    assert [each.tally.placed for each in Certificates(db).latest("shop")] == [1, 0]
    keep(db, "second", window(1, 2))
    assert len(Certificates(db).latest("shop")) == 2
