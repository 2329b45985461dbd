"""Marks: which SKUs of which channels have a number that may be another by now, and when they are to be told."""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, delete, or_, select, update

from domain.model import Frozen, Instant, Quantity
from store.database import Database, insert_into
from store.stock_tables import ErpKitPartRow, ShownStockRow, StockMarkRow, shard_of


class Mark(Frozen):
    """A SKU that is to be told of; ``changes`` is how it was when it was taken up."""

    channel: str
    sku: str
    changes: int
    changed_at: Instant
    due_at: Instant
    attempts: Quantity = 0


def mark_products(session: Session, products: Collection[str]) -> None:
    """Mark every SKU, on every channel, that is one of these products, or a kit with one of them in it.

    A kit among them marks what shares its components.
    """
    if not products:
        return
    related = _related(session, products)
    found = session.exec(
        select(ShownStockRow.channel, ShownStockRow.sku)
        .where(col(ShownStockRow.product).in_(related))
        .distinct()
    ).all()
    mark(session, found)


def mark(session: Session, skus: Iterable[tuple[str, str]]) -> None:
    """Mark SKUs (channel, SKU): due at once. The pusher puts off those that may wait, see ``put_off``."""
    now = datetime.now(UTC)
    insert = insert_into(StockMarkRow, session.get_bind().dialect.name)
    statement = insert.on_conflict_do_update(
        index_elements=["channel", "sku"], set_={"changes": StockMarkRow.changes + 1}
    )
    rows = [
        {
            "channel": channel,
            "sku": sku,
            "shard": shard_of(sku),
            "changes": 1,
            "changed_at": now,
            "due_at": now,
            "attempts": 0,
        }
        for channel, sku in sorted(set(skus))
    ]
    if rows:
        session.connection().execute(statement, rows)


def _related(session: Session, products: Collection[str]) -> set[str]:
    parts = session.exec(
        select(ErpKitPartRow).where(
            or_(col(ErpKitPartRow.component).in_(products), col(ErpKitPartRow.kit).in_(products))
        )
    ).all()
    components = {part.component for part in parts}
    kits = session.exec(select(ErpKitPartRow.kit).where(col(ErpKitPartRow.component).in_(components))).all()
    return {*products, *components, *kits}


class Marks:
    """The marks' queries. Every method may raise DatabaseUnavailable."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def due(
        self, channel: str, now: datetime, limit: int, shards: Sequence[int] | None = None
    ) -> tuple[Mark, ...]:
        """Marks of a channel that are due, the oldest first."""
        query = select(StockMarkRow).where(StockMarkRow.channel == channel, StockMarkRow.due_at <= now)
        if shards is not None:
            query = query.where(col(StockMarkRow.shard).in_(shards))
        query = query.order_by(col(StockMarkRow.due_at), col(StockMarkRow.sku)).limit(limit)
        with self._db.read() as session:
            return tuple(
                Mark.model_validate(row.model_dump(exclude={"shard"})) for row in session.exec(query).all()
            )

    def settle(self, marks: Iterable[Mark]) -> None:
        """They were told of. One that changed meanwhile stays, as a change of now."""
        now = datetime.now(UTC)
        with self._db.write() as session:
            for each in marks:
                session.exec(
                    delete(StockMarkRow).where(*_this(each), col(StockMarkRow.changes) == each.changes)
                )
                session.exec(
                    update(StockMarkRow)
                    .where(*_this(each), col(StockMarkRow.changes) > each.changes)
                    .values(changed_at=now, attempts=0, due_at=now)
                )

    def put_off(self, marks: Iterable[Mark], until: datetime, *, failed: bool = False) -> None:
        """They are to be told later: to gather changes, or because it did not work (``failed``)."""
        with self._db.write() as session:
            for each in marks:
                attempts = each.attempts + 1 if failed else each.attempts
                session.exec(update(StockMarkRow).where(*_this(each)).values(due_at=until, attempts=attempts))


def _this(each: Mark) -> tuple[ColumnElement[bool], ...]:
    return (col(StockMarkRow.channel) == each.channel, col(StockMarkRow.sku) == each.sku)
