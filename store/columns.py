"""Column types that keep a value exact on every database, and the base of all tables."""

from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum

from sqlalchemy import DateTime, Dialect, Enum, MetaData, String, TypeDecorator
from sqlmodel import SQLModel


class Row(SQLModel):
    """Base of the tables: they live in a catalogue of their own, away from any other user of SQLModel."""

    metadata = MetaData()


class ExactDecimal(TypeDecorator[Decimal]):
    """Money as text, on every database.

    SQLite's NUMERIC is a float inside, and PostgreSQL's drops or adds digits by the column's scale; text gives back
    ``19.90`` as it was written. The price is that sums are made by us, never by the database.
    """

    impl = String
    cache_ok = True

    def __init__(self) -> None:
        super().__init__(length=40)

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> str | None:  # noqa: ARG002  SQLAlchemy's signature
        """Write; raises ValueError for a float or what is no finite number."""
        if value is None:
            return None
        if not isinstance(value, Decimal) or not value.is_finite():
            msg = f"money must be a finite Decimal, not {value!r}"
            raise ValueError(msg)
        return format(value, "f")

    def process_result_value(self, value: str | None, dialect: Dialect) -> Decimal | None:  # noqa: ARG002  as above
        """Read."""
        return None if value is None else Decimal(value)


class UtcTime(TypeDecorator[datetime]):
    """Aware times, in UTC. SQLite has no time zones: there the UTC wall clock is stored."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Write; raises ValueError for a time without zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            msg = f"time {value.isoformat()} has no time zone; give an aware one, such as datetime.now(UTC)"
            raise ValueError(msg)
        in_utc = value.astimezone(UTC)
        return in_utc.replace(tzinfo=None) if dialect.name == "sqlite" else in_utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002  as above
        """Read."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def words(kind: type[StrEnum]) -> Enum:
    """Column type of a StrEnum, stored by its words so that a reader of the table needs no key."""
    return Enum(
        kind,
        native_enum=False,
        length=20,
        validate_strings=True,
        values_callable=lambda members: [str(member.value) for member in members],
    )
