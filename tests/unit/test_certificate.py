"""The window of a sweep, its watermark, and the sentence on the certificate."""

import re
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from domain.certificate import LONGEST_WINDOW, MOST_NAMED, SweepWindow, Tally, next_window, watermark_after
from domain.completeness import Explanation, Finding, Flow, Repair
from domain.order import OrderKey

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
spans = st.timedeltas(timedelta(0), timedelta(days=3))


def finding(number: int, explanation: Explanation, repair: Repair = Repair.NONE, *, in_erp: bool = False):
    return Finding(
        flow=Flow.ORDERS,
        key=OrderKey(channel="shop", external_id=str(number)),
        number=f"#{number}",
        explanation=explanation,
        sentence="why",
        repair=repair,
        in_erp=in_erp,
    )


def matched(count: int):
    return [finding(number, Explanation.MATCHED, in_erp=True) for number in range(count)]


def test_a_certificate_without_a_difference_says_so():
    assert Tally(flow=Flow.ORDERS).add(matched(412)).sentence == "412 placed, 412 in the ERP, 0 unexplained"
    assert Tally(flow=Flow.SHIPMENTS).add(matched(7)).sentence == (
        "7 shipped, 7 told to the storefront, 0 unexplained"
    )


def test_a_certificate_names_and_counts_what_is_explained_and_repaired():
    tally = Tally(flow=Flow.ORDERS).add(
        [
            *matched(3),
            finding(11, Explanation.NOT_CARRIED),
            finding(12, Explanation.ON_ITS_WAY),
            finding(13, Explanation.MISSED_WEBHOOK, Repair.START),
            finding(14, Explanation.TWICE_IN_ERP, in_erp=True),
        ]
    )
    assert tally.sentence == (
        "7 placed, 3 in the ERP, 1 not carried, 1 on its way, 1 missed webhook (repaired), 1 unexplained"
    )
    assert [each.number for each in tally.findings] == ["#13", "#14"]
    assert tally.open == ("12", "13", "14")


def test_all_groups_of_a_certificate_add_up_to_what_was_placed():
    tally = Tally(flow=Flow.ORDERS).add(
        [
            *matched(8),
            finding(21, Explanation.MATCHED),
            finding(22, Explanation.MATCHED),
            finding(23, Explanation.WAITS_FOR_PERSON),
            # In the ERP as well: it is told once.
            finding(24, Explanation.WAITS_FOR_PERSON, in_erp=True),
        ]
    )
    assert tally.sentence == "12 placed, 8 in the ERP, 2 canceled in both, 2 wait for a person, 0 unexplained"
    assert sum(map(int, re.findall(r"\d+", tally.sentence)[1:])) == 12


@given(st.lists(st.tuples(st.sampled_from(Explanation), st.booleans(), st.booleans()), max_size=30))
def test_whatever_is_found_the_groups_add_up(found):
    findings = [
        finding(number, what, Repair.START if helped else Repair.NONE, in_erp=there)
        for number, (what, helped, there) in enumerate(found)
    ]
    numbers = [int(each) for each in re.findall(r"\d+", Tally(flow=Flow.ORDERS).add(findings).sentence)]
    assert numbers[0] == len(found) == sum(numbers[1:])


def test_a_certificate_that_an_older_version_kept_adds_up_as_well():
    kept = {"flow": "orders", "placed": 3, "there": 3, "matched": 2, "explained": {"on its way": 1}}
    assert Tally.model_validate(kept).sentence == "3 placed, 2 in the ERP, 1 on its way, 0 unexplained"


def test_what_is_unexplained_beside_those_placed_is_told_apart():
    tally = Tally(flow=Flow.ORDERS).add([finding(1, Explanation.TWICE_IN_ERP, in_erp=True)])
    tally = tally.add([finding(2, Explanation.ONLY_IN_ERP, in_erp=True)], of_window=False)
    assert tally.sentence == "1 placed, 0 in the ERP, 2 unexplained (1 of them beside those placed)"


def test_what_was_placed_before_the_window_counts_only_where_it_is_wrong():
    before = [finding(1, Explanation.ON_ITS_WAY), finding(2, Explanation.TWICE_IN_ERP, in_erp=True)]
    tally = Tally(flow=Flow.ORDERS).add(matched(2)).add(before, of_window=False)
    assert tally.sentence == "2 placed, 2 in the ERP, 1 unexplained (beside those placed)"
    assert (tally.surplus, tally.open) == (1, ("1", "2"))


def test_what_several_lists_show_is_named_once():
    twice = [finding(2, Explanation.TWICE_IN_ERP, in_erp=True)]
    tally = Tally(flow=Flow.ORDERS).add(twice, of_window=False).add(twice, of_window=False)
    assert (tally.unexplained, len(tally.findings), tally.open) == (1, 1, ("2",))


def test_a_wild_day_is_counted_whole_though_not_named_whole():
    many = [finding(number, Explanation.TWICE_IN_ERP) for number in range(MOST_NAMED + 7)]
    tally = Tally(flow=Flow.ORDERS).add(many)
    assert (tally.unexplained, len(tally.findings)) == (MOST_NAMED + 7, MOST_NAMED)


@given(spans, spans, spans)
def test_windows_overlap_and_never_reach_before_the_beginning(overlap, since_watermark, since_began):
    watermark = NOW - since_watermark
    began = min(watermark, NOW - since_began)
    window = next_window(NOW, watermark=watermark, began=began, overlap=overlap)
    assert began <= window.since <= watermark
    assert window.since == began or window.since == watermark - overlap
    assert window.before == min(NOW, window.since + max(LONGEST_WINDOW, 2 * overlap))


@given(spans, st.integers(1, 30))
def test_after_a_long_stop_windows_catch_up(overlap, days):
    """However long it was and whatever the overlap, each window moves the watermark on until now is reached."""
    watermark = began = NOW - timedelta(days=days)
    for _ in range(3 * days):
        window = next_window(NOW, watermark=watermark, began=began, overlap=overlap)
        moved = watermark_after(window, watermark)
        if moved == NOW:
            return
        assert moved > watermark
        watermark = moved
    raise AssertionError("it does not catch up")


def test_the_first_window_begins_with_our_first_sign_of_the_channel_or_now():
    first = next_window(NOW, watermark=None, began=NOW - HOUR, overlap=2 * HOUR)
    assert first == SweepWindow(since=NOW - HOUR, before=NOW)
    nothing = next_window(NOW, watermark=None, began=None, overlap=2 * HOUR)
    assert nothing == SweepWindow(since=NOW, before=NOW)


@given(st.lists(st.tuples(spans, spans), min_size=1, max_size=8))
def test_the_watermark_never_jumps_over_a_gap(windows):
    """Whatever windows are covered in whatever order: all before the watermark was covered without a hole."""
    start = NOW - timedelta(days=10)
    first = SweepWindow(since=start, before=start + HOUR)
    covered = [first]
    watermark = watermark_after(first, None)
    for since, length in windows:
        window = SweepWindow(since=start + since, before=start + since + length)
        watermark = watermark_after(window, watermark)
        covered.append(window)
        probe = start
        while probe < watermark:
            ends = [each.before for each in covered if each.since <= probe < each.before]
            assert ends, f"nobody counted {probe}"
            probe = max(ends)


def test_a_window_names_its_day_once():
    assert str(SweepWindow(since=NOW - HOUR, before=NOW)) == "2026-07-01 11:00 to 12:00 UTC"
    assert str(SweepWindow(since=NOW - 24 * HOUR, before=NOW)) == "2026-06-30 12:00 to 2026-07-01 12:00 UTC"
