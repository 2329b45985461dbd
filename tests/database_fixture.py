"""The databases that the store's tests run on: a SQLite file, and PostgreSQL where there is one.

PostgreSQL is taken from ORDERWRIGHT_TEST_POSTGRES_URL, or started here from the machine's own programs, on a free
loopback port, in a temporary folder, and ended with the run. Each test gets a database of its own.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy.engine import make_url

from sandbox.processes import free_port
from store.database import Database

START_SECONDS = 30


def _program(name: str) -> str | None:
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (folder / name).exists():
            return str(folder / name)
    return shutil.which(name)


def _unprivileged() -> pwd.struct_passwd | None:
    """Whom to run the server as where we are root, which it refuses."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError(
        "tests run as root and there is neither a user postgres nor nobody to run PostgreSQL as"
    )


class PostgresServer:
    """A PostgreSQL server of our own."""

    def __init__(self, initdb: str, postgres: str) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="orderwright-pg-"))
        self.port = free_port()
        user = _unprivileged()
        self._as_user = (
            {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        )
        if user is not None:
            os.chown(self._folder, user.pw_uid, user.pw_gid)
        data = str(self._folder / "data")
        subprocess.run(
            [initdb, "--pgdata", data, "--username", "orderwright", "--auth", "trust", "--encoding", "UTF8",
             "--locale", "C", "--no-sync"],
            check=True, capture_output=True, cwd=self._folder, **self._as_user,
        )  # fmt: skip
        self._log = (self._folder / "log").open("wb")
        self._process = subprocess.Popen(
            [postgres, "-D", data, "-h", "127.0.0.1", "-p", str(self.port), "-k", str(self._folder),
             "-c", "fsync=off", "-c", "max_connections=60"],
            stdout=self._log, stderr=subprocess.STDOUT, cwd=self._folder, **self._as_user,
        )  # fmt: skip
        self._wait()

    @property
    def url(self) -> str:
        return f"postgresql://orderwright@127.0.0.1:{self.port}/postgres"

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                psycopg.connect(self.url, connect_timeout=2).close()
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self.stop(keep_log=True)
                    raise
                time.sleep(0.1)
            else:
                return

    def stop(self, *, keep_log: bool = False) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()
        if not keep_log:
            shutil.rmtree(self._folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a PostgreSQL server on which databases may be made."""
    given = os.environ.get("ORDERWRIGHT_TEST_POSTGRES_URL")
    if given:
        yield given.replace("postgresql+psycopg://", "postgresql://")
        return
    initdb, postgres = _program("initdb"), _program("postgres")
    if initdb is None or postgres is None:
        reason = "initdb and postgres are not here: install postgresql or set ORDERWRIGHT_TEST_POSTGRES_URL"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    server = PostgresServer(initdb, postgres)
    yield server.url
    server.stop()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of an empty database, on SQLite and then on PostgreSQL."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'store.db'}"
        return
    server = request.getfixturevalue("postgres_server")
    name = f"test_{uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield make_url(server).set(database=name).render_as_string(hide_password=False)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def open_database() -> Iterator[Callable[[str], Database]]:
    """Makes databases that are closed with the test."""
    opened: list[Database] = []

    def make(url: str) -> Database:
        opened.append(Database(url))
        return opened[-1]

    yield make
    for db in opened:
        db.close()


@pytest.fixture
def db(database_url: str, open_database: Callable[[str], Database]) -> Database:
    """A migrated database."""
    database = open_database(database_url)
    database.migrate()
    return database


@pytest.fixture
def sqlite_db(tmp_path: Path, open_database: Callable[[str], Database]) -> Database:
    """A migrated SQLite database, for tests of what stands above the store."""
    database = open_database(f"sqlite:///{tmp_path / 'store.db'}")
    database.migrate()
    return database
