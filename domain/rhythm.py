"""Whether a channel is silent for longer than its own rhythm allows.

Time is cut into slots of five minutes, and a slot is *active* when at least one webhook came in it: a flash sale makes
slots active, not more than active, so one wild day does not raise what is expected of all others. For each slot of a
silence the chance that a webhook comes is taken from the same hour of the last weeks (of the last days while there is
no week yet), smoothed over its neighbours. A silence alarms once the chance of it, by that rhythm, is below one in
``e ** ALARM`` (160,000):

    surprise = sum over the silent slots of -ln(1 - share of active slots in this hour)

A busy channel (a webhook in every slot) alarms after 30 to 35 minutes, one with a webhook every half hour after some
six hours, one with five orders a day after two to three days; hours that are quiet by rhythm add nothing.
"""

import math
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from domain.model import Frozen, Instant

SLOT: Final = timedelta(minutes=5)
SLOTS_AN_HOUR: Final = 12
HISTORY: Final = timedelta(weeks=4)
ALARM: Final = 12.0
"""The surprise at which a silence alarms."""
HIGHEST_CHANCE: Final = 0.9
"""Of a webhook in one slot: nothing is so regular that two missing slots prove anything."""

_HOUR: Final = SLOTS_AN_HOUR
_DAY: Final = 24 * _HOUR
_WEEK: Final = 7 * _DAY
_FEWEST: Final = 2
_MOST: Final = 7
"""Weeks, or days, that make a rhythm."""
_NEAR: Final = ((-1, 0.25), (0, 0.5), (1, 0.25))
"""What the hour before, the hour itself and the hour after weigh."""


class Silence(Frozen):
    """How silent a channel is. ``surprise`` grows with every slot in which a webhook would have been due."""

    last_at: Instant | None
    surprise: float = 0.0

    @property
    def alarming(self) -> bool:
        """Longer than the rhythm allows."""
        return self.surprise >= ALARM


def slot_of(moment: datetime) -> int:
    """The number of the slot that a moment lies in."""
    return int(moment.timestamp() // SLOT.total_seconds())


def slot_start(slot: int) -> datetime:
    """When a slot begins."""
    return datetime.fromtimestamp(slot * SLOT.total_seconds(), UTC)


def judge_silence(active: Iterable[int], last_at: datetime | None, now: datetime) -> Silence:
    """Judge the time from the last webhook to now.

    ``active`` are the slots in which webhooks came, of any order and age; those older than ``HISTORY`` are left out.
    """
    if last_at is None:
        return Silence(last_at=None)
    end = slot_of(last_at)
    floor = end - int(HISTORY / SLOT)
    # What came is the rhythm, the silence itself is not part of it.
    rhythm = _Rhythm([slot for slot in sorted(set(active)) if floor <= slot <= end], end)
    surprise = sum(-math.log1p(-rhythm.chance(slot)) * slots for slot, slots in _hours(end + 1, slot_of(now)))
    return Silence(last_at=last_at, surprise=round(surprise, 3))


class _Rhythm:
    """The share of active slots by hour of the week, and by hour of the day for a young channel."""

    def __init__(self, active: list[int], end: int) -> None:
        self._active = Counter(slot // _HOUR for slot in active)
        self._first = min(active, default=end) // _HOUR
        self._end = end // _HOUR

    def chance(self, slot: int) -> float:
        """That a webhook comes in a slot."""
        hour = slot // _HOUR
        for period in (_WEEK // _HOUR, _DAY // _HOUR):
            seen = [h for h in range(hour - period, self._first - 1, -period) if h < self._end][:_MOST]
            if len(seen) >= _FEWEST:
                active = sum(weight * self._active[h + near] for h in seen for near, weight in _NEAR)
                return min(active / (len(seen) * SLOTS_AN_HOUR), HIGHEST_CHANCE)
        return 0.0


def _hours(first: int, end: int) -> Iterable[tuple[int, int]]:
    """The slots from ``first`` to before ``end``, in hours: a slot of each and how many of it there are."""
    slot = first
    while slot < end:
        following = min((slot // _HOUR + 1) * _HOUR, end)
        yield slot, following - slot
        slot = following
