"""Cases in the store, on SQLite and PostgreSQL: one open case a cause, whatever happens at once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from threading import Barrier

import pytest
from sqlmodel import col, update

from domain.case_guides import CaseAct
from domain.cases import CaseReport, CaseState
from domain.order import OrderKey
from store.case_tables import CaseRow
from store.cases import Cases, CaseSummary, release_order, report_case, settle_case
from store.crosswalk import Link, add_link
from store.database import Database
from store.errors import CrosswalkConflict
from store.journal import Entry, Journal
from store.order_view import OrderPatch, apply_patch

UNKNOWN = "product_unknown:tryton:ABC-1"


def key(number: int, channel: str = "shop") -> OrderKey:
    return OrderKey(channel=channel, external_id=str(number))


def report(
    db: Database, number: int | None, cause: str = UNKNOWN, *, step: str = "submit_order", **more: str
) -> int:
    about = CaseReport(cause=cause, reason=more.pop("reason", "no such product"), key=_key(number), **more)
    with db.write() as session:
        return report_case(session, about, step=step)


def _key(number: int | None) -> OrderKey | None:
    return None if number is None else key(number)


def release(db: Database, number: int, step: str | None = None) -> None:
    with db.write() as session:
        release_order(session, key(number), step=step)


def place(db: Database, number: int, total: str, currency: str = "USD") -> None:
    patch = OrderPatch(
        number=f"#{number}", total=Decimal(total), currency=currency, placed_at=datetime.now(UTC)
    )
    with db.write() as session:
        apply_patch(session, key(number), 1, patch)


def only(db: Database) -> CaseSummary:
    (case,) = Cases(db).list()
    return case


def test_equal_causes_are_one_case_and_others_are_not(db: Database) -> None:
    first = report(db, 1)
    assert report(db, 2) == first
    other = report(db, 3, "product_unknown:tryton:ABC-2")
    assert other != first
    told = {case.id: (case.title, case.waiting) for case in Cases(db).list()}
    assert told == {
        first: ("The ERP has no product ABC-1", 2),
        other: ("The ERP has no product ABC-2", 1),
    }


def test_writers_at_once_open_one_case(db: Database) -> None:
    together = Barrier(6)

    def one(number: int) -> int:
        together.wait()
        return report(db, number)

    with ThreadPoolExecutor(6) as pool:
        ids = set(pool.map(one, range(6)))
    assert len(ids) == 1
    assert only(db).waiting == 6


def test_the_last_two_that_go_on_at_once_resolve_the_case(db: Database) -> None:
    for _ in range(5):
        case = report(db, 1)
        report(db, 2)
        together = Barrier(2)

        def go_on(number: int, together: Barrier = together) -> None:
            together.wait()
            release(db, number)

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(go_on, (1, 2)))
        found = Cases(db).get(case)
        assert found is not None
        assert found.summary.state is CaseState.RESOLVED


def test_orders_that_join_while_others_leave_never_wait_in_a_resolved_case(db: Database) -> None:
    report(db, 0)
    together = Barrier(8)

    def one(number: int) -> None:
        together.wait()
        for _ in range(5):
            report(db, number)
            release(db, number)
        report(db, number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(1, 9)))
    waiting = [
        order.key for case in Cases(db).list(None) if (d := Cases(db).get(case.id)) for order in d.waiting
    ]
    assert sorted(map(str, waiting)) == [f"shop:{number}" for number in range(9)]
    assert only(db).waiting == 9


def test_a_case_is_resolved_when_nobody_waits_and_not_before(db: Database) -> None:
    case = report(db, 1)
    report(db, 2)
    release(db, 1)
    assert only(db).waiting == 1
    release(db, 2)
    found = Cases(db).get(case)
    assert found is not None
    assert found.summary.state is CaseState.RESOLVED
    assert (found.summary.resolved_by, found.summary.resolution) == ("Orderwright", "all its orders went on")
    assert found.summary.minutes_open is not None
    assert Cases(db).list() == ()
    assert report(db, 1) != case, "what comes again later is a new case"


def test_a_case_without_orders_is_settled_by_its_condition_alone(db: Database) -> None:
    case = report(db, None, "channel_silent:shop", step="")
    assert only(db).waiting == 0
    with db.write() as session:
        settle_case(session, "channel_silent:shop", "the channel speaks again")
    found = Cases(db).get(case)
    assert found is not None
    assert (found.summary.state, found.summary.resolution) == (CaseState.RESOLVED, "the channel speaks again")
    waiting = report(db, 1)
    with db.write() as session:
        settle_case(session, UNKNOWN, "over")
    assert only(db).id == waiting


def test_an_order_stopped_by_another_cause_at_the_same_step_changes_its_case(db: Database) -> None:
    first = report(db, 1)
    elsewhere = report(db, 1, "duplicate:erp", step="")
    second = report(db, 1, "product_unknown:tryton:ABC-2")
    assert {case.id for case in Cases(db).of_order(key(1))} == {elsewhere, second}
    found = Cases(db).get(first)
    assert found is not None
    assert found.summary.state is CaseState.RESOLVED


def test_one_step_that_works_releases_from_its_own_cases_alone(db: Database) -> None:
    read = report(db, 1, "order_unknown", step="read_order")
    submitted = report(db, 1)
    release(db, 1, "read_order")
    assert [case.id for case in Cases(db).of_order(key(1))] == [submitted]
    release(db, 1)
    assert Cases(db).of_order(key(1)) == ()
    assert {case.state for case in Cases(db).list(None)} == {CaseState.RESOLVED}
    assert read != submitted


def test_a_retry_that_does_not_help_is_counted_and_keeps_the_waiting_time(db: Database) -> None:
    case = report(db, 1, reason="no such product")
    before = Cases(db).get(case)
    report(db, 1, reason="still no such product, says ada@example.com")
    after = Cases(db).get(case)
    assert before is not None
    assert after is not None
    assert after.orders[0].since == before.orders[0].since
    assert (after.orders[0].reports, after.orders[0].reason) == (2, "still no such product, says ***")


def test_money_at_risk_is_of_waiting_orders_exact_and_by_currency(db: Database) -> None:
    for number, total, currency in (
        (1, "0.10", "USD"),
        (2, "0.20", "USD"),
        (3, "900", "JPY"),
        (4, "5.00", "USD"),
    ):
        place(db, number, total, currency)
        report(db, number)
    report(db, 5)
    release(db, 4)
    case = only(db)
    assert [(risk.currency, str(risk.amount)) for risk in case.money_at_risk] == [
        ("JPY", "900"),
        ("USD", "0.30"),
    ]
    assert (case.waiting, case.orders) == (4, 5)


def test_cases_are_listed_by_money_then_deadline(db: Database) -> None:
    place(db, 1, "10.00")
    place(db, 2, "20.00")
    small, large = report(db, 1, "erp_refused:a"), report(db, 2, "erp_refused:b")
    late, soon = report(db, 3, "unbalanced:total"), report(db, 4, "period_closed:erp:2026-01")
    assert [case.id for case in Cases(db).list()] == [large, small, soon, late]
    assert [case.id for case in Cases(db).list(limit=1)] == [large]


def test_what_was_tried_is_kept_once_and_named_at_the_resolution(db: Database) -> None:
    case, cases = report(db, 1), Cases(db)
    for _ in range(2):
        cases.record(
            case, CaseAct.RETRY, once="a", actor="Ada", reason="made the product", text="1 order told"
        )
    assert cases.assign(case, "Kim", actor="Ada")
    release(db, 1)
    found = cases.get(case)
    assert found is not None
    assert [(act.actor, act.act, act.text) for act in found.tried] == [
        ("Ada", "retry", "1 order told"),
        ("Ada", "assign", "Assigned to Kim"),
    ]
    assert (found.summary.resolved_by, found.summary.assigned_to) == ("Ada", "Kim")
    assert found.summary.resolution == "all its orders went on after retry: made the product"
    assert not cases.assign(case, "Ada", actor="Ada"), "a resolved case is nobody's any more"


def test_evidence_is_kept_without_secrets(db: Database) -> None:
    report(db, 1)
    case = report(
        db, 2, evidence='POST /rpc Authorization: Bearer abcdef123456 {"password": "hunter2", "code": "X"}'
    )
    found = Cases(db).get(case)
    assert found is not None
    assert "hunter2" not in found.evidence
    assert "abcdef123456" not in found.evidence
    assert '"code": "X"' in found.evidence


def test_minutes_of_fixing_are_told_for_a_thousand_orders(db: Database) -> None:
    for number in range(4):
        place(db, number, "1.00")
    case = report(db, 1)
    report(db, 2, "period_closed:erp:2026-01")
    now = datetime.now(UTC)
    with db.write() as session:
        session.exec(
            update(CaseRow).where(col(CaseRow.id) == case).values(opened_at=now - timedelta(minutes=30))
        )
    release(db, 1)
    fixing = Cases(db).fixing_time(now - timedelta(hours=1), now + timedelta(hours=1))
    assert (fixing.cases, fixing.orders) == (1, 4)
    assert fixing.minutes == pytest.approx(30, abs=0.5)
    assert fixing.minutes_per_thousand_orders == pytest.approx(7500, abs=125)
    later = Cases(db).fixing_time(now + timedelta(hours=1), now + timedelta(hours=2))
    assert (later.cases, later.minutes_per_thousand_orders) == (0, None)


def test_an_order_that_goes_on_stays_in_what_the_sweep_found(db: Database) -> None:
    report(db, 1)
    twice = report(db, 1, "duplicate_in_erp:shop:1", step="sweep:orders")
    release(db, 1)
    assert [case.id for case in Cases(db).list()] == [twice]
    release(db, 1, "sweep:orders")
    assert Cases(db).list() == ()


def note(db: Database, action: str, revision: int, *, cause: str = "", **patch: object) -> None:
    """What an activity writes down: of a step that stopped where there is a ``cause``, else of one that worked."""
    stopped = CaseReport(cause=cause, reason="no", key=key(1)) if cause else None
    entry = Entry(
        key=key(1),
        revision=revision,
        action=action,
        actor="Orderwright",
        text=f"{action} {revision}",
        patch=OrderPatch.model_validate({"problem": "no" if cause else "", **patch}),
        report=stopped,
    )
    Journal(db).note(entry)


def waits_in(db: Database) -> list[str]:
    return [case.cause for case in Cases(db).of_order(key(1))]


def test_a_refused_step_and_its_case_are_written_together_and_left_when_it_works(db: Database) -> None:
    note(db, "submit_order", 1, cause=UNKNOWN)
    assert waits_in(db) == [UNKNOWN]
    note(db, "read_order", 2)
    assert waits_in(db) == [UNKNOWN], "reading overcomes no refusal of the ERP"
    note(db, "submit_order", 3)
    assert waits_in(db) == []


def test_an_order_that_ends_leaves_all_its_cases(db: Database) -> None:
    note(db, "submit_order", 1, cause=UNKNOWN)
    note(db, "read_order", 2, status="ignored")
    assert waits_in(db) == []
    note(db, "report_shipment", 3, cause="capture_failed")
    note(db, "report_problem", 4, cause="canceled_in_erp")
    assert waits_in(db) == ["capture_failed", "canceled_in_erp"]
    note(db, "cancel_in_storefront", 5, status="canceled")
    assert waits_in(db) == []


def test_a_step_that_leaves_the_problem_alone_leaves_its_own_case_only(db: Database) -> None:
    note(db, "report_problem", 1, cause="canceled_in_erp")
    note(db, "cancel_in_erp", 2, cause="erp_refused:tryton:no")
    note(db, "cancel_in_erp", 3, problem=None)
    assert waits_in(db) == ["canceled_in_erp"]


def test_an_order_waits_in_a_case_until_each_of_its_returns_goes_on(db: Database) -> None:
    steps = [f"return #EU-100123-R{number}" for number in range(1, 6)]
    for number, step in enumerate(steps, 1):
        note(db, step, number, cause=UNKNOWN)
    for number, step in enumerate(steps, 11):
        assert waits_in(db) == [UNKNOWN], step
        note(db, step, number)
    assert waits_in(db) == []


def test_an_attempt_that_was_given_up_opens_and_leaves_no_case(db: Database) -> None:
    note(db, "submit_order", 5)
    note(db, "submit_order", 4, cause=UNKNOWN)
    assert waits_in(db) == []
    note(db, "submit_order", 6, cause=UNKNOWN)
    note(db, "submit_order", 3)
    assert waits_in(db) == [UNKNOWN]


def test_what_cannot_be_written_whole_opens_no_case(db: Database) -> None:
    with db.write() as session:
        add_link(session, Link(kind="order", canonical_id="shop:1", system="erp", external_id="7"))
    entry = Entry(
        key=key(1),
        revision=1,
        action="submit_order",
        actor="Orderwright",
        text="refused",
        patch=OrderPatch(problem="no"),
        links=(Link(kind="order", canonical_id="shop:1", system="erp", external_id="8"),),
        report=CaseReport(cause=UNKNOWN, reason="no", key=key(1)),
    )
    with pytest.raises(CrosswalkConflict):
        Journal(db).note(entry)
    assert Cases(db).list() == ()
