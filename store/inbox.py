"""The inbox: every webhook that was answered 2xx, kept until it has been handed to its order's workflow.

A row is ``pending`` until it is ``dispatched``, or found to be an ``echo``. No row is ever given up: failures only make
the pause before the next try longer.

Raw bodies hold buyers' names and addresses. They are kept to prove what was received and to read it again after a
mistake of ours, and go with ``purge_before``. Of ``ORDERS_UPDATED``, which follows each write of ours, none is kept.
"""

from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
    and_,
    bindparam,
    case,
    func,
    or_,
)
from sqlalchemy import select as core_select
from sqlmodel import Field, col, delete, select, update

from domain.model import Frozen
from domain.order import OrderKey
from domain.topics import ORDERS_UPDATED
from store.columns import Row, UtcTime, words
from store.database import Database, changed_rows, insert_or_ignore


class InboxState(StrEnum):
    """Where a webhook stands."""

    PENDING = "pending"
    DISPATCHED = "dispatched"
    ECHO = "echo"
    """No news: it told of our own write, or of what nobody waits for. No workflow was told."""


ECHO_RESTS = timedelta(seconds=2)
"""What may be an echo rests so long, so that whoever caused it has its answer and has noted it."""


class InboxRow(Row, table=True):
    """Table ``inbox``."""

    __tablename__ = "inbox"
    __table_args__ = (
        UniqueConstraint("channel", "delivery_id", name="uq_inbox_channel_delivery"),
        Index("ix_inbox_state_due", "state", "next_attempt_at"),
        Index("ix_inbox_received", "received_at"),
        Index("ix_inbox_order", "channel", "external_id"),
    )

    id: int | None = Field(
        default=None, primary_key=True, sa_type=BigInteger().with_variant(Integer, "sqlite")
    )
    channel: str = Field(sa_type=String(60))
    delivery_id: str = Field(sa_type=String(200))
    event_id: str | None = Field(default=None, sa_type=String(200))
    topic: str = Field(sa_type=String(100))
    external_id: str | None = Field(default=None, sa_type=String(100))
    label: str | None = Field(default=None, sa_type=String(50))
    occurred_at: datetime | None = Field(default=None, sa_type=UtcTime)
    headers: dict[str, str] = Field(sa_type=JSON)
    body: bytes = Field(sa_type=LargeBinary)
    received_at: datetime = Field(sa_type=UtcTime)
    state: InboxState = Field(sa_type=words(InboxState))
    attempts: int = 0
    next_attempt_at: datetime = Field(sa_type=UtcTime)
    claimed_until: datetime | None = Field(default=None, sa_type=UtcTime)
    claimed_by: str | None = Field(default=None, sa_type=String(100))
    last_error: str | None = Field(default=None, sa_type=Text)
    trace: str | None = Field(default=None, sa_type=String(60))
    tells: str | None = Field(default=None, sa_type=String(200))
    directions: str | None = Field(default=None, sa_type=String(40))


class Received(Frozen):
    """A verified webhook on its way into the inbox. ``headers`` without signature and secrets."""

    channel: str
    delivery_id: str
    event_id: str | None = None
    topic: str
    external_id: str
    label: str | None = None
    """What people call the order; for display alone."""
    occurred_at: datetime | None = None
    headers: dict[str, str]
    body: bytes
    trace: str | None = None
    """The request's place in its trace (W3C ``traceparent``), where it is traced."""
    tells: str | None = None
    """All that it says, in a phrase (``adapters.echoes``), where it may be the echo of a write of ours."""
    directions: str | None = None
    """Fingerprint of the order's addresses and note, where it holds them."""


class InboxItem(Frozen):
    """A claimed row: what a dispatcher needs to hand it over."""

    id: int
    key: OrderKey
    delivery_id: str
    event_id: str | None
    topic: str
    label: str | None
    occurred_at: datetime | None
    received_at: datetime
    attempts: int
    """How often handing over failed before."""
    trace: str | None = None
    tells: str | None = None
    directions: str | None = None


class Backlog(Frozen):
    """What waits to be handed over."""

    pending: int
    failing: int
    """Those of ``pending`` whose last try failed."""
    oldest_received_at: datetime | None


class Inbox:
    """The inbox's queries. ``clock`` tells the time, for tests."""

    def __init__(self, db: Database, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._db = db
        self._clock = clock

    def add(self, received: Received) -> bool:
        """Keep a webhook, committed when this returns. False where the delivery was there already."""
        now = self._clock()
        rests = received.tells or received.topic == ORDERS_UPDATED
        values = received.model_dump() | {
            "received_at": now,
            "next_attempt_at": now + ECHO_RESTS if rests else now,
            "state": InboxState.PENDING,
            "attempts": 0,
        }
        with self._db.write(lasting=True) as session:
            return insert_or_ignore(session, InboxRow, values)

    def claim(self, limit: int, lease: timedelta, claimed_by: str) -> tuple[InboxItem, ...]:
        """Take up to ``limit`` due rows for ``lease``; nobody else gets them until it has run out.

        Rows whose claimer vanished come back by themselves. Several dispatchers may claim at once; their clocks
        may differ by less than the lease.
        """
        now = self._clock()
        if self._db.is_sqlite:
            # A look without the write lock: an idle dispatcher must not get in the way of the ingress.
            with self._db.read() as session:
                if session.connection().execute(_DUE, {"now": now, "rows": 1}).first() is None:
                    return ()
        with self._db.write() as session:
            rows = session.connection().execute(_DUE, {"now": now, "rows": limit}).all()
            claim = {"ids": [row.id for row in rows], "claimed_until": now + lease, "claimed_by": claimed_by}
            session.connection().execute(_CHANGE, claim)
        return tuple(_item(row) for row in rows)

    def mark_dispatched(self, item_ids: Collection[int]) -> None:
        """Note that their workflows have them; true whoever holds the claims by now."""
        self._mark_done(item_ids, InboxState.DISPATCHED)

    def mark_echoes(self, item_ids: Collection[int]) -> None:
        """Note that they are no news to their workflows."""
        self._mark_done(item_ids, InboxState.ECHO)

    def _mark_done(self, item_ids: Collection[int], state: InboxState) -> None:
        done = {"state": state, "claimed_until": None, "claimed_by": None, "last_error": None}
        with self._db.write() as session:
            session.connection().execute(_CHANGE, done | {"ids": list(item_ids)})

    def mark_failed(self, item_id: int, claimed_by: str, error: str, pause: timedelta) -> bool:
        """Put a row back for another try after ``pause``. False where somebody else claimed it meanwhile."""
        with self._db.write() as session:
            statement = (
                update(InboxRow)
                .where(
                    col(InboxRow.id) == item_id,
                    col(InboxRow.state) == InboxState.PENDING,
                    col(InboxRow.claimed_by) == claimed_by,
                )
                .values(
                    attempts=InboxRow.attempts + 1,
                    next_attempt_at=self._clock() + pause,
                    claimed_until=None,
                    claimed_by=None,
                    last_error=error[:2000],
                )
            )
            return changed_rows(session, statement) > 0

    def release(self, item_ids: Collection[int], claimed_by: str) -> int:
        """Give claims back untried, at once due again; returns how many were still ours."""
        if not item_ids:
            return 0
        with self._db.write() as session:
            statement = (
                update(InboxRow)
                .where(
                    col(InboxRow.id).in_(item_ids),
                    col(InboxRow.state) == InboxState.PENDING,
                    col(InboxRow.claimed_by) == claimed_by,
                )
                .values(claimed_until=None, claimed_by=None)
            )
            return changed_rows(session, statement)

    def backlog(self) -> Backlog:
        """What waits, cheap enough for a health check: reads pending rows only."""
        failing = func.count(col(InboxRow.last_error))
        query = select(func.count(), failing, func.min(col(InboxRow.received_at))).where(
            col(InboxRow.state) == InboxState.PENDING
        )
        with self._db.read() as session:
            pending, failed, oldest = session.exec(query).one()
        return Backlog(pending=pending, failing=failed, oldest_received_at=oldest)

    def counts(self) -> dict[InboxState, int]:
        """Rows by state."""
        query = select(InboxRow.state, func.count()).group_by(col(InboxRow.state))
        with self._db.read() as session:
            found = dict(session.exec(query).all())
        return {state: found.get(state, 0) for state in InboxState}

    def for_order(self, key: OrderKey) -> tuple[InboxRow, ...]:
        """All webhooks of an order, oldest first."""
        query = (
            select(InboxRow)
            .where(InboxRow.channel == key.channel, InboxRow.external_id == key.external_id)
            .order_by(col(InboxRow.id))
        )
        with self._db.read() as session:
            return tuple(session.exec(query).all())

    def directions_before(self, item: InboxItem) -> str | None:
        """What the order's addresses and note were before this webhook, as the newest says that happened before it.

        Where none did, as its placing says, which may be told a moment later; None where that is not there either.
        """
        earlier = col(InboxRow.id) < item.id
        if item.occurred_at is not None:
            at = col(InboxRow.occurred_at)
            earlier = or_(at < item.occurred_at, and_(at == item.occurred_at, earlier))
        query = (
            select(InboxRow.directions)
            .where(
                InboxRow.channel == item.key.channel,
                InboxRow.external_id == item.key.external_id,
                col(InboxRow.directions).is_not(None),
                InboxRow.id != item.id,
                or_(earlier, col(InboxRow.topic) != ORDERS_UPDATED),
            )
            .order_by(earlier.desc(), col(InboxRow.occurred_at).desc(), col(InboxRow.id).desc())
            .limit(1)
        )
        with self._db.read() as session:
            return session.exec(query).first()

    def told_of(self, channel: str, external_ids: Collection[str]) -> dict[str, bool]:
        """Of which of these orders a webhook came, and whether one of them still waits to be handed over.

        One that says no more than that an order was updated begins none, and does not count.
        """
        waits = func.max(case((col(InboxRow.state) == InboxState.PENDING, 1), else_=0))
        query = (
            select(InboxRow.external_id, waits)
            .where(
                InboxRow.channel == channel,
                col(InboxRow.external_id).in_(external_ids),
                InboxRow.topic != ORDERS_UPDATED,
            )
            .group_by(col(InboxRow.external_id))
        )
        with self._db.read() as session:
            return {str(external_id): bool(waiting) for external_id, waiting in session.exec(query).all()}

    def purge_before(self, moment: datetime) -> int:
        """Delete rows that are done with, received before ``moment``, bodies and all; returns their number.

        A delivery that comes again after that is taken for a new one, which is harmless: the workflow reads the
        order anew and finds nothing to do. Keep at least as long as the storefront retries (Shopify: 4 hours).
        """
        with self._db.write() as session:
            statement = delete(InboxRow).where(
                col(InboxRow.received_at) < moment, col(InboxRow.state) != InboxState.PENDING
            )
            return changed_rows(session, statement)


_HANDED_OVER = (
    col(InboxRow.id),
    col(InboxRow.channel),
    col(InboxRow.external_id),
    col(InboxRow.delivery_id),
    col(InboxRow.event_id),
    col(InboxRow.topic),
    col(InboxRow.label),
    col(InboxRow.occurred_at),
    col(InboxRow.received_at),
    col(InboxRow.attempts),
    col(InboxRow.trace),
    col(InboxRow.tells),
    col(InboxRow.directions),
)
_DUE = (
    core_select(*_HANDED_OVER)
    .where(
        col(InboxRow.state) == InboxState.PENDING,
        col(InboxRow.next_attempt_at) <= bindparam("now"),
        or_(col(InboxRow.claimed_until).is_(None), col(InboxRow.claimed_until) <= bindparam("now")),
    )
    .order_by(col(InboxRow.next_attempt_at), col(InboxRow.id))
    .limit(bindparam("rows"))
    .with_for_update(skip_locked=True)  # SQLite has one writer at a time and leaves it out
)
_CHANGE = update(InboxRow).where(col(InboxRow.id).in_(bindparam("ids", expanding=True)))


def _item(row: Any) -> InboxItem:
    return InboxItem(
        id=row.id,
        key=OrderKey(channel=row.channel, external_id=row.external_id),
        delivery_id=row.delivery_id,
        event_id=row.event_id,
        topic=row.topic,
        label=row.label,
        occurred_at=row.occurred_at,
        received_at=row.received_at,
        attempts=row.attempts,
        trace=row.trace,
        tells=row.tells,
        directions=row.directions,
    )
