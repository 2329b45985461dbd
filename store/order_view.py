"""The order view: one row an order, what lists and the console show. A projection; Temporal's history is the truth.

Writers give a ``revision`` that grows with every step of the order's workflow. A row is never changed by an older
revision, so an activity attempt that was given up, but is still running somewhere, cannot set an order back.
"""

from collections.abc import Collection
from datetime import UTC, datetime
from decimal import Decimal

from sqlalchemy import BigInteger, String, Text, bindparam, func, update
from sqlmodel import Field, Session, col, select

from domain.model import Amount, Currency, Frozen, Instant
from domain.order import OrderKey
from domain.status import OrderStatus
from store.columns import ExactDecimal, Row, UtcTime, words
from store.database import Database, changed_rows, insert_or_ignore

PAGE = 50


class OrderViewRow(Row, table=True):
    """Table ``order_view``."""

    __tablename__ = "order_view"

    channel: str = Field(primary_key=True, sa_type=String(60))
    external_id: str = Field(primary_key=True, sa_type=String(100))
    number: str = Field(sa_type=String(60), index=True)
    erp_number: str | None = Field(default=None, sa_type=String(60), index=True)
    status: OrderStatus = Field(sa_type=words(OrderStatus), index=True)
    waiting_for: str = Field(default="", sa_type=Text)
    problem: str = Field(default="", sa_type=Text)
    currency: str | None = Field(default=None, sa_type=String(3))
    total: Decimal | None = Field(default=None, sa_type=ExactDecimal)
    captured: Decimal | None = Field(default=None, sa_type=ExactDecimal)
    erp_total: Decimal | None = Field(default=None, sa_type=ExactDecimal)
    shipments: int = 0
    placed_at: datetime | None = Field(default=None, sa_type=UtcTime)
    closed_at: datetime | None = Field(default=None, sa_type=UtcTime)
    updated_at: datetime = Field(sa_type=UtcTime, index=True)
    revision: int = Field(sa_type=BigInteger)


class OrderPatch(Frozen):
    """What a step changes in the view; None leaves a column as it is, an empty text clears it."""

    number: str | None = None
    erp_number: str | None = None
    status: OrderStatus | None = None
    waiting_for: str | None = None
    problem: str | None = None
    currency: Currency | None = None
    total: Amount | None = None
    captured: Amount | None = None
    erp_total: Amount | None = None
    shipments: int | None = None
    placed_at: Instant | None = None
    closed_at: Instant | None = None
    reopened: bool = False
    """It had ended, and goes on."""


AWAITS_PAYMENT = "the buyer to pay"
"""Begins what an order waits for whose buyer has to pay first."""


class OrderSummary(Frozen):
    """A row of the view."""

    key: OrderKey
    number: str
    erp_number: str | None
    status: OrderStatus
    waiting_for: str
    problem: str
    currency: Currency | None
    total: Amount | None
    captured: Amount | None
    erp_total: Amount | None
    shipments: int
    placed_at: Instant | None
    closed_at: Instant | None
    updated_at: Instant

    @property
    def awaits_payment(self) -> bool:
        """Whether its buyer has to pay before something of it leaves."""
        return self.waiting_for.startswith(AWAITS_PAYMENT)


class OrderViews:
    """The view's queries."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def get(self, key: OrderKey) -> OrderSummary | None:
        """One order."""
        with self._db.read() as session:
            row = session.get(OrderViewRow, (key.channel, key.external_id))
            return _summary(row) if row else None

    def find(self, text: str) -> tuple[OrderSummary, ...]:
        """Orders that people call ``text``: store number (with or without #), ERP number or id."""
        names = {text, f"#{text}"}
        query = select(OrderViewRow).where(
            col(OrderViewRow.number).in_(names)
            | (col(OrderViewRow.erp_number) == text)
            | (col(OrderViewRow.external_id) == text)
        )
        with self._db.read() as session:
            return tuple(_summary(row) for row in session.exec(query.order_by(OrderViewRow.channel)).all())

    def get_many(self, channel: str, external_ids: Collection[str]) -> dict[str, OrderSummary]:
        """Those of these orders that have a row, by external id."""
        query = select(OrderViewRow).where(
            OrderViewRow.channel == channel, col(OrderViewRow.external_id).in_(external_ids)
        )
        with self._db.read() as session:
            return {row.external_id: _summary(row) for row in session.exec(query).all()}

    def totals(self, channel: str, external_ids: Collection[str]) -> dict[str, Decimal]:
        """What these orders came to when they were read last, by external id."""
        rows = self.get_many(channel, external_ids)
        return {external_id: row.total for external_id, row in rows.items() if row.total is not None}

    def numbered(self, channel: str, numbers: Collection[str]) -> dict[str, str]:
        """External ids of the orders that people call by these numbers, by number."""
        query = select(OrderViewRow.number, OrderViewRow.external_id).where(
            OrderViewRow.channel == channel, col(OrderViewRow.number).in_(numbers)
        )
        with self._db.read() as session:
            return dict(session.exec(query).all())

    def list(
        self,
        *,
        channel: str | None = None,
        status: OrderStatus | None = None,
        limit: int = PAGE,
        offset: int = 0,
    ) -> tuple[OrderSummary, ...]:
        """Orders, the latest change first."""
        query = select(OrderViewRow).order_by(
            col(OrderViewRow.updated_at).desc(), col(OrderViewRow.external_id)
        )
        if channel is not None:
            query = query.where(OrderViewRow.channel == channel)
        if status is not None:
            query = query.where(OrderViewRow.status == status)
        with self._db.read() as session:
            return tuple(_summary(row) for row in session.exec(query.limit(limit).offset(offset)).all())

    def count_by_status(self) -> dict[OrderStatus, int]:
        """Orders by status, in the order of their life; every status is there."""
        query = select(OrderViewRow.status, func.count()).group_by(col(OrderViewRow.status))
        with self._db.read() as session:
            found = dict(session.exec(query).all())
        return {status: found.get(status, 0) for status in OrderStatus}


_UPDATE = update(OrderViewRow).where(
    col(OrderViewRow.channel) == bindparam("its_channel"),
    col(OrderViewRow.external_id) == bindparam("its_external_id"),
    col(OrderViewRow.revision) <= bindparam("its_revision"),
)


def apply_patch(session: Session, key: OrderKey, revision: int, patch: OrderPatch) -> bool:
    """Write a step's changes, in the caller's transaction. False where the row is of a later revision already."""
    changes = patch.model_dump(exclude_none=True, exclude={"reopened"})
    changes |= {"revision": revision, "updated_at": datetime.now(UTC)}
    if patch.reopened:
        changes["closed_at"] = None
    identity = {"its_channel": key.channel, "its_external_id": key.external_id, "its_revision": revision}
    if changed_rows(session, _UPDATE, changes | identity):
        return True
    new_row = {
        "channel": key.channel,
        "external_id": key.external_id,
        "number": key.external_id,
        "status": OrderStatus.RECEIVED,
        "waiting_for": "",
        "problem": "",
        "shipments": 0,
    }
    if insert_or_ignore(session, OrderViewRow, new_row | changes):
        return True
    # There is a later revision, or another writer inserted the row in this moment: then it is compared once more.
    return changed_rows(session, _UPDATE, changes | identity) > 0


def apply_beside(session: Session, key: OrderKey, patch: OrderPatch) -> None:
    """Write what a return changes in its order's row. It is carried beside the order and tells no newer state of it."""
    changes = patch.model_dump(exclude_none=True, exclude={"reopened"}) | {"updated_at": datetime.now(UTC)}
    session.connection().execute(
        update(OrderViewRow)
        .where(col(OrderViewRow.channel) == key.channel, col(OrderViewRow.external_id) == key.external_id)
        .values(**changes)
    )


def _summary(row: OrderViewRow) -> OrderSummary:
    return OrderSummary(
        key=OrderKey(channel=row.channel, external_id=row.external_id),
        **row.model_dump(exclude={"channel", "external_id", "revision"}),
    )
