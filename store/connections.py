"""Which outside system is away: one row a system, shared by all workers, so that one of them probes for all."""

from datetime import datetime

from sqlalchemy import String, Text
from sqlmodel import Field, col, select, update

from domain.connection import Connection, ConnectionState
from store.columns import Row, UtcTime, words
from store.database import Database, changed_rows, insert_or_ignore


class ConnectionRow(Row, table=True):
    """Table ``connection``."""

    __tablename__ = "connection"

    system: str = Field(primary_key=True, sa_type=String(60))
    state: ConnectionState = Field(sa_type=words(ConnectionState))
    since: datetime = Field(sa_type=UtcTime)
    reason: str = Field(default="", sa_type=Text)
    next_probe_at: datetime | None = Field(default=None, sa_type=UtcTime)


class Connections:
    """The connections' queries. Every method may raise DatabaseUnavailable."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def all(self) -> tuple[Connection, ...]:
        """Every system that a worker has worked with, by name."""
        with self._db.read() as session:
            rows = session.exec(select(ConnectionRow).order_by(ConnectionRow.system)).all()
            return tuple(_connection(row) for row in rows)

    def get(self, system: str) -> Connection | None:
        """One system; None where no worker has worked with it yet."""
        with self._db.read() as session:
            row = session.get(ConnectionRow, system)
            return _connection(row) if row else None

    def enter(self, system: str, at: datetime) -> Connection:
        """The system as it is known; one that nobody knows yet counts as up."""
        known = self.get(system)
        if known is None:
            values = Connection(system=system, state=ConnectionState.UP, since=at).model_dump()
            with self._db.write() as session:
                insert_or_ignore(session, ConnectionRow, values)
            known = self.get(system)
            assert known is not None
        return known

    def note_up(self, system: str, at: datetime) -> Connection:
        """The system answers; where that is news, it does so since ``at``."""
        return self._note(Connection(system=system, state=ConnectionState.UP, since=at))

    def note_away(self, system: str, reason: str, at: datetime, next_probe_at: datetime) -> Connection:
        """The system does not answer; where that is news, it is away since ``at``. A later probe counts."""
        return self._note(
            Connection(
                system=system,
                state=ConnectionState.AWAY,
                since=at,
                reason=reason,
                next_probe_at=next_probe_at,
            )
        )

    def claim_probe(self, system: str, at: datetime, next_probe_at: datetime) -> bool:
        """Take the probe that is due; False where it is not due, or another worker took it."""
        statement = (
            update(ConnectionRow)
            .where(
                col(ConnectionRow.system) == system,
                col(ConnectionRow.state) == ConnectionState.AWAY,
                col(ConnectionRow.next_probe_at) <= at,
            )
            .values(next_probe_at=next_probe_at)
        )
        with self._db.write() as session:
            return changed_rows(session, statement) == 1

    def _note(self, found: Connection) -> Connection:
        values = found.model_dump()
        with self._db.write() as session:
            if insert_or_ignore(session, ConnectionRow, values):
                return found
            row = session.get_one(ConnectionRow, found.system, with_for_update=True)
            if row.state is not found.state:
                row.state, row.since = found.state, found.since
                row.next_probe_at = found.next_probe_at
            elif found.next_probe_at is not None and row.next_probe_at is not None:
                row.next_probe_at = max(row.next_probe_at, found.next_probe_at)
            row.reason = found.reason
            session.flush()
            return _connection(row)


def _connection(row: ConnectionRow) -> Connection:
    return Connection.model_validate(row.model_dump())
