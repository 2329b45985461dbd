"""The connection to the database: SQLite (WAL) or PostgreSQL, chosen by URL, and its migrations.

Everything here is synchronous; async code calls it through ``asyncio.to_thread``. An engine is made by whoever
composes the program, never at import.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, CursorResult, Executable, create_engine, event, literal, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from sqlmodel import Session

from store.columns import Row
from store.errors import DatabaseUnavailable, SchemaOutdated

BUSY_SECONDS = 20
"""How long a SQLite writer waits for another process's transaction."""
CONNECT_SECONDS = 5
MIGRATION_LOCK = 7_036_874_417
"""Key of the advisory lock under which PostgreSQL is migrated; any number that nobody else uses."""
MIGRATIONS = Path(__file__).parent / "migrations"

_WRITES = {"orderwright_writes": True}
_AWAY = (OperationalError, InterfaceError, PoolExhausted)


class Database:
    """One database. ``url`` is ``sqlite:///path`` or ``postgresql://user:password@host/name``."""

    def __init__(self, url: str | URL) -> None:
        self._url = _checked(make_url(url))
        self.is_sqlite = self._url.get_backend_name() == "sqlite"
        if self.is_sqlite:
            Path(str(self._url.database)).parent.mkdir(parents=True, exist_ok=True)
            connect_args: dict[str, Any] = {"timeout": BUSY_SECONDS}
        else:
            connect_args = {"connect_timeout": CONNECT_SECONDS}
        # hide_parameters: an error's text must not carry a buyer's address into a log.
        self.engine = create_engine(
            self._url, connect_args=connect_args, hide_parameters=True, pool_pre_ping=not self.is_sqlite
        )
        # SQLite's own waiting polls and is unfair; writers of one process queue here instead.
        self._writer = Lock() if self.is_sqlite else nullcontext()
        if self.is_sqlite:
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)

    def __str__(self) -> str:
        """The address with its password hidden."""
        return self._url.render_as_string(hide_password=True)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that only reads; it sees one state of the database throughout on SQLite.

        Raises DatabaseUnavailable.
        """
        with _outages_named(), Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def write(self, *, lasting: bool = False) -> Iterator[Session]:
        """A session whose work is committed when the block ends, and undone when it raises.

        On SQLite the write lock is taken at the start, so that what is read in the block is still true when it is
        written; only a ``lasting`` commit is on the disk when this returns and survives a power cut. What is not
        lasting is a projection of Temporal's history, or is done again without harm. Raises DatabaseUnavailable.
        """
        with (
            _outages_named(),
            self._writer,
            self.engine.connect().execution_options(**_WRITES, orderwright_lasting=lasting) as connection,
            connection.begin(),
            Session(connection, expire_on_commit=False) as session,
        ):
            yield session
            session.flush()

    def migrate(self) -> None:
        """Bring the tables to the newest version, all or nothing. Several programs may start at once.

        Raises DatabaseUnavailable; SchemaOutdated where the tables are newer than this program.
        """
        with (
            _outages_named(),
            self._writer,
            self.engine.connect().execution_options(**_WRITES) as connection,
            connection.begin(),
        ):
            if not self.is_sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
            current = _version(connection)
            if current is not None and current not in self.versions():
                raise SchemaOutdated(_foreign_version(current))
            command.upgrade(alembic_config(connection), "head")

    def check(self) -> None:
        """Make sure that the database answers and its tables are of this program's version.

        Raises DatabaseUnavailable, SchemaOutdated.
        """
        with _outages_named(), self.engine.connect() as connection:
            current = _version(connection)
        head = _scripts().get_current_head()
        if current == head:
            return
        if current is not None and current not in self.versions():
            raise SchemaOutdated(_foreign_version(current))
        raise SchemaOutdated(
            f"the tables are at version {current or 'none'}, this program needs {head}; start it, it migrates by itself"
        )

    @staticmethod
    def versions() -> tuple[str, ...]:
        """The versions of the tables that this program knows, newest first."""
        return tuple(script.revision for script in _scripts().walk_revisions())

    def close(self) -> None:
        """Give connections back."""
        self.engine.dispose()


def insert_or_ignore(session: Session, table: type[Row], values: dict[str, Any]) -> bool:
    """Insert a row unless one of the table's unique keys is taken; says whether it was inserted."""
    statement = _insert_or_ignore(table, session.get_bind().dialect.name)
    return session.connection().execute(statement, values).first() is not None


@cache
def _insert_or_ignore(table: type[Row], dialect: str) -> Executable:
    return insert_into(table, dialect).on_conflict_do_nothing().returning(literal(1))


def insert_into(table: type[Row], dialect: str) -> sqlite.Insert | postgresql.Insert:
    """The start of an INSERT that can say what to do with a row that is there already.

    Statements are best made once and run with their values as parameters: making one costs more than running it.
    """
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


def changed_rows(session: Session, statement: Executable, values: dict[str, Any] | None = None) -> int:
    """Run an UPDATE or DELETE and return the number of rows that it touched."""
    result = session.connection().execute(statement, values)
    assert isinstance(result, CursorResult)
    return result.rowcount


def _checked(url: URL) -> URL:
    backend = url.get_backend_name()
    if backend == "sqlite":
        if url.database in {None, "", ":memory:"} or "mode=memory" in str(url.database):
            raise ValueError(
                "an in-memory database forgets orders; give a file, such as sqlite:///var/orderwright.db"
            )
        return url.set(drivername="sqlite")
    if backend in {"postgresql", "postgres"}:
        return url.set(drivername="postgresql+psycopg")
    raise ValueError(
        f"database {backend!r} is not supported; use sqlite:///file or postgresql://user:password@host/name"
    )


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # None: the driver starts no transaction of its own, _begin_sqlite says which kind.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
    connection.execute("PRAGMA foreign_keys = ON")
    _turn_on_wal(connection)


def _turn_on_wal(connection: Any) -> None:
    # The switch to WAL (once in a file's life) does not honour busy_timeout when two programs start together.
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("orderwright_writes", False)
    if not writes:
        connection.exec_driver_sql("BEGIN")
        return
    # In WAL mode NORMAL never harms the file; it may lose the last commits in a power cut, which FULL does not.
    lasting = connection.get_execution_options().get("orderwright_lasting", True)
    connection.exec_driver_sql(f"PRAGMA synchronous = {'FULL' if lasting else 'NORMAL'}")
    connection.exec_driver_sql("BEGIN IMMEDIATE")


@contextmanager
def _outages_named() -> Iterator[None]:
    try:
        yield
    except _AWAY as error:
        raise DatabaseUnavailable(_reason(error)) from error
    except ProgrammingError as error:
        if type(error.orig).__name__ == "UndefinedTable":
            raise DatabaseUnavailable(_reason(error)) from error
        raise
    except DBAPIError as error:
        if error.connection_invalidated:
            raise DatabaseUnavailable(_reason(error)) from error
        raise


def _reason(error: Exception) -> str:
    cause = getattr(error, "orig", None) or error
    first_line = str(cause).strip().splitlines()[:1]
    return (
        f"the database did not answer as it should: {first_line[0] if first_line else type(cause).__name__}"
    )


def alembic_config(connection: Connection | None) -> Config:
    """Alembic's settings, for one connection."""
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


@cache
def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(alembic_config(None))


def _version(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _foreign_version(current: str) -> str:
    return f"the tables are at version {current}, which this program does not know; install the newer program"
