"""Migrations, transactions and column types, on SQLite and PostgreSQL."""

import ast
import multiprocessing
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, StatementError
from sqlmodel import Field, select

from store import migrations
from store.columns import ExactDecimal, Row, UtcTime
from store.database import Database, changed_rows
from store.errors import DatabaseUnavailable, SchemaOutdated
from store.mappings import MappingRow
from store.tables import METADATA, TABLES

NOON = datetime(2026, 7, 1, 12, 0, 0, 123456, tzinfo=UTC)


def test_migrations_and_models_agree(db: Database) -> None:
    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []
    assert {table.__tablename__ for table in TABLES} == set(METADATA.tables)


def test_migrating_again_changes_nothing_and_check_is_content(db: Database) -> None:
    db.migrate()
    db.check()


def test_check_names_missing_tables(database_url: str, open_database: Callable[[str], Database]) -> None:
    with pytest.raises(SchemaOutdated, match=r"version none.*needs 0"):
        open_database(database_url).check()


def test_a_newer_database_is_left_alone(db: Database) -> None:
    with db.write() as session:
        session.connection().execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for step in (db.check, db.migrate):
        with pytest.raises(SchemaOutdated, match=r"9999.*newer program"):
            step()


def test_missing_tables_are_an_outage_and_not_a_crash(
    database_url: str, open_database: Callable[[str], Database]
) -> None:
    with (
        pytest.raises(DatabaseUnavailable, match="mapping_version"),
        open_database(database_url).read() as session,
    ):
        session.exec(select(MappingRow)).all()


def _migrate(url: str, start: "multiprocessing.synchronize.Event") -> None:  # type: ignore[name-defined]
    start.wait()
    database = Database(url)
    database.migrate()
    database.check()
    database.close()


def test_several_programs_may_start_at_once(database_url: str) -> None:
    context = multiprocessing.get_context("spawn")
    start = context.Event()
    programs = [context.Process(target=_migrate, args=(database_url, start)) for _ in range(3)]
    for program in programs:
        program.start()
    start.set()
    for program in programs:
        program.join(60)
    assert [program.exitcode for program in programs] == [0, 0, 0]


def test_a_block_that_raises_leaves_nothing(db: Database) -> None:
    def fail_half_way() -> None:
        with db.write() as session:
            session.add(MappingRow(version="v1", name="n", content="{}", first_used_at=NOON))
            session.flush()
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail_half_way()
    with db.read() as session:
        assert session.exec(select(MappingRow)).all() == []


def test_writers_do_not_lose_each_others_work(db: Database) -> None:
    with db.write() as session:
        session.add(MappingRow(version="v1", name="0", content="{}", first_used_at=NOON))

    def count_up() -> None:
        for _ in range(10):
            with db.write() as session:
                query = select(MappingRow).where(MappingRow.version == "v1").with_for_update()
                row = session.exec(query).one()
                row.name = str(int(row.name) + 1)

    threads = [threading.Thread(target=count_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with db.read() as session:
        assert session.exec(select(MappingRow.name)).one() == "40"


def test_changed_rows_counts(db: Database) -> None:
    with db.write() as session:
        assert changed_rows(session, text("DELETE FROM mapping_version")) == 0
        session.add(MappingRow(version="v1", name="n", content="{}", first_used_at=NOON))
        session.flush()
        assert changed_rows(session, text("DELETE FROM mapping_version")) == 1


class Sample(Row, table=True):
    """A table of this test alone."""

    __tablename__ = "column_sample"
    __table_args__ = {"info": {"test": True}}  # noqa: RUF012  SQLAlchemy's own form

    id: int | None = Field(default=None, primary_key=True)
    money: Decimal | None = Field(default=None, sa_type=ExactDecimal)
    at: datetime | None = Field(default=None, sa_type=UtcTime)


METADATA.remove(Sample.__table__)  # type: ignore[attr-defined]  the migrations know nothing of it


@pytest.fixture
def samples(db: Database) -> Database:
    Sample.__table__.create(db.engine)  # type: ignore[attr-defined]
    return db


@pytest.mark.parametrize("amount", ["19.90", "0.1", "-0.01", "12345678901234567890.123456789", "1E+3", "0"])
def test_money_comes_back_exactly(samples: Database, amount: str) -> None:
    with samples.write() as session:
        session.add(Sample(money=Decimal(amount)))
    with samples.read() as session:
        found = session.exec(select(Sample.money)).one()
    assert found == Decimal(amount)
    assert isinstance(found, Decimal)


@pytest.mark.parametrize("amount", [19.9, Decimal("NaN"), Decimal("Infinity"), 3])
def test_money_that_is_not_exact_is_refused(samples: Database, amount: object) -> None:
    row = Sample()
    row.money = amount  # type: ignore[assignment]
    with pytest.raises(StatementError, match="finite Decimal"), samples.write() as session:
        session.add(row)


def test_times_come_back_in_utc_to_the_microsecond(samples: Database) -> None:
    with samples.write() as session:
        session.add(Sample(at=NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))))
    with samples.read() as session:
        found = session.exec(select(Sample.at)).one()
    assert found == NOON
    assert found.utcoffset() == timedelta(0)


def test_times_without_zone_are_refused(samples: Database) -> None:
    with pytest.raises(StatementError, match="no time zone"), samples.write() as session:
        session.add(Sample(at=NOON.replace(tzinfo=None)))


def test_errors_carry_no_values(db: Database) -> None:
    def write() -> None:
        with db.write() as session:
            session.add(MappingRow(version="v1", name="Ada Lovelace", content="{}", first_used_at=NOON))

    write()
    with pytest.raises(IntegrityError, match="mapping_version") as caught:
        write()
    assert "Ada" not in str(caught.value)


def test_a_database_that_is_away_is_named_so(open_database: Callable[[str], Database]) -> None:
    away = open_database("postgresql://nobody:top-secret@127.0.0.1:1/none")
    with pytest.raises(DatabaseUnavailable) as caught, away.read() as session:
        session.exec(select(MappingRow)).all()
    assert "top-secret" not in str(caught.value)
    assert "top-secret" not in str(away)


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("sqlite://", "give a file"),
        ("sqlite:///:memory:", "give a file"),
        ("mysql://localhost/x", "use sqlite"),
    ],
)
def test_unusable_addresses_are_refused_with_the_remedy(url: str, remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy):
        Database(url)


def test_sqlite_is_durable_and_strict(tmp_path: Path, open_database: Callable[[str], Database]) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'new folder' / 'store.db'}")
    with database.engine.connect() as connection:
        settings = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_only_a_lasting_commit_waits_for_the_disk(sqlite_db: Database) -> None:
    def synchronous(*, lasting: bool) -> int:
        with sqlite_db.write(lasting=lasting) as session:
            return int(session.connection().exec_driver_sql("PRAGMA synchronous").scalar_one())

    full, normal = 2, 1
    assert [synchronous(lasting=each) for each in (True, False, True)] == [full, normal, full]


_MIGRATIONS = sorted(Path(migrations.__file__).parent.glob("versions/0*.py"))
_ADDING = {"create_table", "create_index", "add_column", "batch_alter_table", "f"}


@pytest.mark.parametrize("file", _MIGRATIONS, ids=lambda file: file.stem)
def test_a_migration_only_adds_so_that_workers_of_the_release_before_go_on(file: Path) -> None:
    """What goes, goes one release after it was used last (docs/upgrades.md); such a migration is to be named here."""
    body = ast.parse(file.read_text(encoding="utf-8")).body
    (upgrade,) = [each for each in body if isinstance(each, ast.FunctionDef) and each.name == "upgrade"]
    for call in [each for each in ast.walk(upgrade) if isinstance(each, ast.Call)]:
        match call.func:
            case ast.Attribute(value=ast.Name(id="op" | "batch_op"), attr=what):
                assert what in _ADDING, f"{what} is not for old workers that still run"
                if what == "add_column":
                    column = call.args[-1]
                    assert isinstance(column, ast.Call)
                    said = {word.arg: ast.unparse(word.value) for word in column.keywords}
                    assert said.get("nullable") == "True" or "server_default" in said
