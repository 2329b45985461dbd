"""What a drill's report says, and when it says that all held."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from orderwright.cli import app
from sandbox.drills.crash import PARTS
from sandbox.drills.drill import Ground, Log, Wish
from sandbox.drills.outage import Outage, check_calls
from sandbox.drills.registry import DRILLS, crash, every_drill
from sandbox.drills.reports import as_markdown, verdict, write_reports
from sandbox.drills.staging_drills import STAGING_DRILLS
from sandbox.drills.throttle import too_early
from sandbox.drills.upgrade import Past, check_pasts
from sandbox.faults.call_log import Call
from sandbox.faults.rules import Fault

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def report(*checks: tuple[str, bool, str]):
    log = Log(lambda _text: None)
    log.did("12 orders placed")
    for claim, held, seen in checks:
        log.check(claim, held, seen)
    log.number("seconds | alone", 12.3456)
    return log.report(DRILLS["shuffle"](Wish()), NOON, 61.04)


def test_a_drill_holds_only_where_every_check_did():
    assert report(("a", True, ""), ("b", True, "")).held
    assert not report(("a", True, ""), ("b", False, "")).held


def test_a_drill_that_looked_at_nothing_did_not_hold():
    assert not report().held


def test_reports_are_for_people_and_for_programs(tmp_path):
    good = report(("no order is lost", True, "0 missing"))
    bad = report(("nothing is there twice", False, "2 | too many"))
    written = write_reports(tmp_path, [good, bad])
    text = written.read_text(encoding="utf-8")
    assert text.startswith("# Drills: 1 of 2 held")
    assert "| nothing is there twice | **FAILED** | 2 \\| too many |" in text
    assert "- 12 orders placed" in text
    assert "| seconds \\| alone | 12.346 |" in text
    told = json.loads(written.with_suffix(".json").read_text(encoding="utf-8"))
    assert told["held"] is False
    assert [each["held"] for each in told["drills"]] == [True, False]
    assert verdict([good, bad]) == "1 of 2 held"
    assert as_markdown([good]).count("## shuffle: held") == 1


def call(seconds: float, fault: Fault | None = None) -> Call:
    return Call(
        number=1,
        at=NOON + timedelta(seconds=seconds),
        operation="submit_order",
        names=("submit_order",),
        fault=fault,
        forwarded=fault is None,
        status=200,
        seconds=0.1,
    )


def test_calls_within_the_time_that_a_system_asked_for_came_too_early():
    calls = [call(0, Fault.RATE_LIMIT), call(0.2), call(1.5), call(3.9), call(9)]
    assert too_early(calls, timedelta(seconds=4)) == [calls[2]]
    assert too_early(calls[1:], timedelta(seconds=4)) == []


@pytest.mark.parametrize(("calls", "held"), [(0, True), (20, True), (21, False)])
def test_a_system_that_is_away_may_be_asked_once_in_three_seconds(calls, held):
    log = Log(lambda _text: None)
    check_calls(log, Outage(NOON, NOON + timedelta(seconds=60), calls), "the ERP")
    assert log.report(DRILLS["erp-down"](Wish()), NOON, 60).held is held


BEGUN_BY_OLD = Past(("old", "old", "new"), contradicted=0, patched=False)
BEGUN_BY_NEW = Past(("new", "new"), contradicted=0, patched=True)


@pytest.mark.parametrize(
    ("carried_over", "begun_later", "failed"),
    [
        (BEGUN_BY_OLD, BEGUN_BY_NEW, ()),
        (replace(BEGUN_BY_OLD, contradicted=1), BEGUN_BY_NEW, ("never contradicted",)),
        (replace(BEGUN_BY_OLD, builds=("old", "old")), BEGUN_BY_NEW, ("went from the old version",)),
        (replace(BEGUN_BY_OLD, builds=("", "new")), BEGUN_BY_NEW, ("went from the old version",)),
        (replace(BEGUN_BY_OLD, patched=True), BEGUN_BY_NEW, ("the old way",)),
        (BEGUN_BY_OLD, replace(BEGUN_BY_NEW, patched=False), ("the old way",)),
        # Where the new version began none, its new way was not tried.
        (BEGUN_BY_OLD, BEGUN_BY_OLD, ("the old way",)),
    ],
)
def test_an_upgrade_holds_where_orders_went_over_and_kept_their_way(carried_over, begun_later, failed):
    log = Log(lambda _text: None)
    check_pasts(log, {"5001": carried_over, "5002": begun_later}, ["5001"], patched=True)
    checks = log.report(DRILLS["upgrade"](Wish()), NOON, 30).checks
    assert len(checks) == 3
    found = [check.claim for check in checks if not check.held]
    assert len(found) == len(failed)
    assert all(words in claim for words, claim in zip(failed, found, strict=True))


def test_an_upgrade_from_another_checkout_has_no_new_way_to_look_for():
    log = Log(lambda _text: None)
    unpatched = replace(BEGUN_BY_NEW, patched=False)
    check_pasts(log, {"5001": BEGUN_BY_OLD, "5002": unpatched}, ["5001"], patched=False)
    assert log.report(DRILLS["upgrade"](Wish()), NOON, 30).held


def test_every_drill_goes_by_its_name():
    wish = Wish(quick=True)
    assert {name: make(wish).name for name, make in DRILLS.items()} == {name: name for name in DRILLS}
    assert [crash(part, wish).name for part in PARTS] == [f"crash {part}" for part in PARTS]
    names = [drill.name for drill in every_drill(wish)]
    assert len(names) == len(set(names)) == len(DRILLS) + len(PARTS)


def test_the_erp_that_is_killed_is_a_real_one():
    assert crash("erp", Wish()).ground is Ground.TRYTON


def test_what_was_asked_for_goes_before_the_usual_size():
    assert (Wish().count(100, 10), Wish(quick=True).count(100, 10)) == (100, 10)
    assert Wish(quick=True, orders=3).count(100, 10) == 3
    assert Wish(quick=True, minutes=20).seconds(1200, 60) == 1200


def test_an_unknown_drill_is_answered_with_those_there_are():
    told = CliRunner().invoke(app, ["drill", "crash", "printer"])
    assert told.exit_code == 1
    assert "there is no drill 'crash printer'" in told.output
    assert "lost-answers" in told.output


def test_a_drill_that_needs_the_sandbox_says_so_on_a_staging():
    told = CliRunner().invoke(app, ["drill", "crash", "worker", "--staging", "http://127.0.0.1:1"])
    assert told.exit_code == 1
    assert "crash worker runs on the embedded stack alone: it kills processes" in told.output
    assert "lost-answers" in told.output


def test_every_drill_runs_on_a_staging_or_says_why_not():
    for drill in every_drill(Wish()):
        if drill.name not in STAGING_DRILLS:
            told = CliRunner().invoke(app, ["drill", *drill.name.split(), "--staging", "http://127.0.0.1:1"])
            assert "runs on the embedded stack alone: it " in told.output


def test_on_a_staging_nobody_orders_for_the_drill():
    told = CliRunner().invoke(app, ["drill", "all", "--orders", "5", "--staging", "http://127.0.0.1:1"])
    assert told.exit_code == 1
    assert "the orders are your own; leave --orders out" in told.output
