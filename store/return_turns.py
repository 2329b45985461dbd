"""Which return of an order is being settled: one at a time, for what units are worth depends on those that are left.

A turn is kept in the store, for the returns of an order are carried by workers that know nothing of each other.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import String, or_
from sqlmodel import Field, col, delete, update

from domain.order import OrderKey
from store.columns import Row, UtcTime
from store.database import Database, changed_rows, insert_or_ignore

LONGEST_TURN = timedelta(minutes=15)
"""After this another return may have the turn: whoever took it is gone. Each try of a return takes its turn anew, and
two tries are a minute or two apart."""


class ReturnTurnRow(Row, table=True):
    """Table ``return_turns``: the return of an order that has the turn. No row: nobody has."""

    __tablename__ = "return_turns"

    channel: str = Field(primary_key=True, sa_type=String(60))
    external_id: str = Field(primary_key=True, sa_type=String(100))
    return_id: str = Field(sa_type=String(200))
    since: datetime = Field(sa_type=UtcTime)
    """When its last try began."""


class ReturnTurns:
    """The table's queries. ``clock`` tells the time, for tests. Every method may raise DatabaseUnavailable."""

    def __init__(self, db: Database, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._db = db
        self._clock = clock

    def take(self, key: OrderKey, return_id: str) -> bool:
        """Take the order's turn, or keep it; False where another return has it."""
        now = self._clock()
        mine = {"channel": key.channel, "external_id": key.external_id, "return_id": return_id, "since": now}
        with self._db.write() as session:
            if insert_or_ignore(session, ReturnTurnRow, mine):
                return True
            statement = (
                update(ReturnTurnRow)
                .where(
                    col(ReturnTurnRow.channel) == key.channel,
                    col(ReturnTurnRow.external_id) == key.external_id,
                    or_(
                        col(ReturnTurnRow.return_id) == return_id,
                        col(ReturnTurnRow.since) < now - LONGEST_TURN,
                    ),
                )
                .values(return_id=return_id, since=now)
            )
            return changed_rows(session, statement) > 0

    def give_back(self, key: OrderKey, return_id: str) -> None:
        """Let another return of the order have the turn; nothing changes where this one has it not."""
        with self._db.write() as session:
            statement = delete(ReturnTurnRow).where(
                col(ReturnTurnRow.channel) == key.channel,
                col(ReturnTurnRow.external_id) == key.external_id,
                col(ReturnTurnRow.return_id) == return_id,
            )
            changed_rows(session, statement)
