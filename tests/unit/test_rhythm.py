"""The alarm on silence: steady traffic never raises it, a stop does in bounded time, a quiet night does not."""

import random
from bisect import bisect_left
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.rhythm import HISTORY, SLOT, judge_silence, slot_of, slot_start

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
HALF_HOUR, SOONEST = timedelta(minutes=30), timedelta(minutes=35)


def every(period: timedelta, until: datetime = NOW, since: timedelta = HISTORY) -> list[datetime]:
    """Webhooks at a steady pace, the last one at ``until``."""
    return [until - period * number for number in range(int(since / period))]


def silence(came: list[datetime], now: datetime):
    return judge_silence(map(slot_of, came), max(came), now)


def alarm_after(came: list[datetime], at_most: timedelta) -> timedelta:
    """How long after the last webhook the alarm comes: found by halving, as a longer silence never surprises less."""
    last = max(came)
    waits = range(int(at_most / SLOT) + 1)
    first = bisect_left(waits, True, key=lambda slots: silence(came, last + slots * SLOT).alarming)
    assert first < len(waits), f"no alarm after {at_most}"
    return first * SLOT


@given(st.integers(1, 48 * 60), st.integers(0, 7 * 24 * 60))
def test_steady_traffic_never_alarms(period_minutes, shift):
    period = timedelta(minutes=period_minutes)
    last = NOW + timedelta(minutes=shift)
    assert not silence(every(period, last), last + period).alarming


@given(st.integers(1, 12 * 60))
def test_a_stop_alarms_within_a_bounded_time(period_minutes):
    period = timedelta(minutes=period_minutes)
    assert alarm_after(every(period), at_most=max(SOONEST, 14 * period))


@given(st.integers(1, 12 * 60), st.integers(0, 14 * 24 * 60), st.integers(1, 60))
def test_a_longer_silence_never_surprises_less(period_minutes, silent_minutes, more_minutes):
    came = every(timedelta(minutes=period_minutes))
    shorter = max(came) + timedelta(minutes=silent_minutes)
    longer = shorter + timedelta(minutes=more_minutes)
    assert silence(came, longer).surprise >= silence(came, shorter).surprise


def test_a_busy_channel_alarms_after_some_half_an_hour_and_no_sooner():
    waited = alarm_after(every(timedelta(minutes=1)), SOONEST)
    assert waited >= timedelta(minutes=25)


def daytime(moment: datetime) -> bool:
    return 8 <= moment.hour < 22


@given(st.integers(1, 60), st.integers(0, 27))
def test_a_quiet_night_by_rhythm_does_not_alarm(period_minutes, day):
    """By day at a steady pace, by night nothing: until the first webhook of the morning is late."""
    night = datetime(2026, 7, 1, 22, tzinfo=UTC) + day * DAY
    came = [moment for moment in every(timedelta(minutes=period_minutes), night) if daytime(moment)]
    assert not silence(came, night + 10 * HOUR).alarming
    assert silence(came, night + 10 * HOUR + max(HOUR, timedelta(minutes=14 * period_minutes))).alarming


def test_a_quiet_sunday_by_rhythm_does_not_alarm():
    saturday = datetime(2026, 7, 4, 23, 55, tzinfo=UTC)
    came = [m for m in every(timedelta(minutes=10), saturday) if m.isoweekday() != 7]
    assert not silence(came, saturday + DAY).alarming
    assert silence(came, saturday + DAY + 3 * HOUR).alarming


def test_one_flash_sale_does_not_make_the_same_hour_of_the_next_week_alarm():
    usual = every(HALF_HOUR)
    sale = every(timedelta(seconds=20), NOW - timedelta(days=7) + HOUR, 2 * HOUR)
    assert not silence(usual + sale, NOW + HALF_HOUR).alarming


@pytest.mark.parametrize("seed", range(20))
def test_traffic_that_comes_by_chance_does_not_alarm(seed):
    """Four weeks of chance arrivals, some forty a day: none of the gaps of the fifth week alarms."""
    dice = random.Random(seed)
    came = [NOW - HISTORY - DAY]
    while came[-1] < NOW + timedelta(days=7):
        came.append(came[-1] + timedelta(minutes=dice.expovariate(1 / 36)))
    for last, following in pairwise(came):
        if last >= NOW:
            past = [moment for moment in came if moment <= last]
            assert not silence(past, following).alarming


def test_a_young_channel_goes_by_the_hour_of_the_day_and_a_new_one_by_nothing():
    few_days = every(timedelta(minutes=5), since=timedelta(days=4))
    assert silence(few_days, NOW + HOUR).alarming
    assert not silence(every(timedelta(minutes=5), since=timedelta(hours=20)), NOW + 3 * HOUR).alarming
    assert not judge_silence([], None, NOW).alarming


def test_the_silence_itself_and_what_is_older_than_four_weeks_are_no_rhythm():
    came = every(timedelta(minutes=5), NOW - timedelta(days=40), timedelta(days=14))
    fresh = every(12 * HOUR)
    assert silence(came + fresh, NOW + HOUR).surprise == silence(fresh, NOW + HOUR).surprise
    long_after = NOW + timedelta(days=3)
    assert silence(every(HALF_HOUR), long_after).surprise > silence(every(HALF_HOUR), NOW + DAY).surprise


def test_a_slot_begins_where_it_says():
    assert slot_start(slot_of(NOW)) == NOW
    assert slot_of(NOW - timedelta(microseconds=1)) == slot_of(NOW) - 1
