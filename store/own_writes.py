"""What we wrote into a storefront ourselves, so that the webhooks that tell of it need wake nobody.

Each write is good for one webhook, and only near its time: a return that we closed may be opened and closed again by
others, in the same words.
"""

from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from functools import cache

from sqlalchemy import Executable, String, or_
from sqlmodel import Field, col, delete, update

from domain.order import OrderKey
from store.columns import Row, UtcTime
from store.database import Database, changed_rows, insert_into

CLOCKS_DIFFER = timedelta(minutes=2)
"""By so much at most, a call's own length included, a storefront's time of a write may differ from ours."""


class OwnWriteRow(Row, table=True):
    """Table ``own_writes``: one row for each thing that a webhook is going to tell."""

    __tablename__ = "own_writes"

    channel: str = Field(primary_key=True, sa_type=String(60))
    external_id: str = Field(primary_key=True, sa_type=String(100))
    tells: str = Field(primary_key=True, sa_type=String(200))
    written_at: datetime = Field(sa_type=UtcTime, index=True)
    heard_as: str | None = Field(default=None, sa_type=String(200))
    """The delivery that told of it."""


class OwnWrites:
    """The table's queries. ``clock`` tells the time, for tests."""

    def __init__(self, db: Database, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._db = db
        self._clock = clock

    def remember(self, key: OrderKey, echoes: Collection[str]) -> None:
        """Webhooks of the order are going to tell this (``adapters.echoes``), which was written just now."""
        order = {"channel": key.channel, "external_id": key.external_id}
        with self._db.write() as session:
            insert = _insert(session.get_bind().dialect.name)
            for tells in echoes:
                session.connection().execute(
                    insert, {**order, "tells": tells, "written_at": self._clock(), "heard_as": None}
                )

    def is_echo(self, key: OrderKey, tells: str, delivery_id: str, occurred_at: datetime) -> bool:
        """Whether this delivery is the one that tells of a write of ours; no other one is from now on."""
        with self._db.write() as session:
            statement = (
                update(OwnWriteRow)
                .where(
                    col(OwnWriteRow.channel) == key.channel,
                    col(OwnWriteRow.external_id) == key.external_id,
                    col(OwnWriteRow.tells) == tells,
                    col(OwnWriteRow.written_at).between(
                        occurred_at - CLOCKS_DIFFER, occurred_at + CLOCKS_DIFFER
                    ),
                    # Tried again after a crash, it is the same echo.
                    or_(col(OwnWriteRow.heard_as).is_(None), col(OwnWriteRow.heard_as) == delivery_id),
                )
                .values(heard_as=delivery_id)
            )
            return changed_rows(session, statement) > 0

    def purge_before(self, moment: datetime) -> int:
        """Forget what was written before ``moment``; returns how many."""
        with self._db.write() as session:
            return changed_rows(session, delete(OwnWriteRow).where(col(OwnWriteRow.written_at) < moment))


@cache
def _insert(dialect: str) -> Executable:
    insert = insert_into(OwnWriteRow, dialect)
    new = {"written_at": insert.excluded.written_at, "heard_as": insert.excluded.heard_as}
    return insert.on_conflict_do_update(index_elements=["channel", "external_id", "tells"], set_=new)
