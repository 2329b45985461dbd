"""The rhythm of each channel's webhooks, and how silent it is: see ``domain.rhythm``.

Slots are kept apart from the inbox, which is purged, and cost a row each at most: 8,064 in four weeks.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, Float, String, func
from sqlmodel import Field, Session, col, delete, select

from domain.model import Frozen, Instant
from domain.rhythm import HISTORY, SLOT, Silence, judge_silence, slot_of, slot_start
from store.columns import Row, UtcTime
from store.database import Database, insert_or_ignore
from store.inbox import InboxRow

LOOK_BACK = timedelta(hours=1)
"""Before the newest slot known: longer than any webhook takes to be committed."""


class RhythmRow(Row, table=True):
    """Table ``channel_rhythm``: a slot in which a webhook came."""

    __tablename__ = "channel_rhythm"

    channel: str = Field(primary_key=True, sa_type=String(60))
    slot: int = Field(primary_key=True, sa_type=BigInteger)


class SilenceRow(Row, table=True):
    """Table ``channel_silence``: how silent a channel was when it was looked at last."""

    __tablename__ = "channel_silence"

    channel: str = Field(primary_key=True, sa_type=String(60))
    last_at: datetime | None = Field(default=None, sa_type=UtcTime)
    surprise: float = Field(sa_type=Float)
    alarm_since: datetime | None = Field(default=None, sa_type=UtcTime)
    checked_at: datetime = Field(sa_type=UtcTime)


class ChannelSilence(Frozen):
    """How silent a channel is; ``alarm_since`` is None while it is as silent as it may be."""

    channel: str
    last_at: Instant | None
    alarm_since: Instant | None
    checked_at: Instant

    @property
    def sentence(self) -> str:
        """In plain words."""
        if self.last_at is None:
            return f"no webhook of {self.channel} ever came"
        last = f"{self.last_at:%Y-%m-%d %H:%M} UTC"
        if self.alarm_since is None:
            return f"the last webhook of {self.channel} came at {last}"
        return f"{self.channel} is silent: no webhook since {last}, longer than its own rhythm allows"


class Rhythms:
    """The rhythms' queries."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def check(
        self,
        channel: str,
        now: datetime,
        also: Callable[[Session, ChannelSilence], None] = lambda _session, _silence: None,
    ) -> ChannelSilence:
        """Learn what came since the last look, judge the silence and keep the result.

        ``also`` is called within the transaction.
        """
        with self._db.write() as session:
            last_at = _learn(session, channel, now)
            active = session.exec(select(RhythmRow.slot).where(RhythmRow.channel == channel)).all()
            found = _keep(session, channel, now, judge_silence(active, last_at, now))
            also(session, found)
        return found

    def silence(self, channel: str) -> ChannelSilence | None:
        """What the last look found; None before the first."""
        with self._db.read() as session:
            row = session.get(SilenceRow, channel)
            return _silence(row) if row else None


def _learn(session: Session, channel: str, now: datetime) -> datetime | None:
    """Note the slots of what came since the last look; returns when the last webhook came."""
    newest = session.exec(select(func.max(RhythmRow.slot)).where(RhythmRow.channel == channel)).one()
    floor = now - HISTORY if newest is None else slot_start(newest) - LOOK_BACK
    came = select(InboxRow.received_at).where(InboxRow.channel == channel, InboxRow.received_at >= floor)
    times = session.exec(came).all()
    for slot in {slot_of(moment) for moment in times}:
        insert_or_ignore(session, RhythmRow, {"channel": channel, "slot": slot})
    oldest = slot_of(now - HISTORY - SLOT)
    session.exec(delete(RhythmRow).where(col(RhythmRow.channel) == channel, col(RhythmRow.slot) < oldest))
    if times:
        return max(times)
    known = session.get(SilenceRow, channel)
    return known.last_at if known else None


def _keep(session: Session, channel: str, now: datetime, silence: Silence) -> ChannelSilence:
    row = session.get(SilenceRow, channel) or SilenceRow(channel=channel, surprise=0.0, checked_at=now)
    row.last_at, row.surprise, row.checked_at = silence.last_at, silence.surprise, now
    row.alarm_since = (row.alarm_since or now) if silence.alarming else None
    session.add(row)
    session.flush()
    return _silence(row)


def _silence(row: SilenceRow) -> ChannelSilence:
    return ChannelSilence(
        channel=row.channel, last_at=row.last_at, alarm_since=row.alarm_since, checked_at=row.checked_at
    )
