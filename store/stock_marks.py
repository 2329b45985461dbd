"""Marks: which SKUs of which channels have a number that may be another by now, and when they are to be told."""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import bindparam, case, func
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


def mark_products(session: Session, products: Collection[str], *, but: str | None = None) -> None:
    """Mark every SKU, on every channel (``but`` one), that is one of these products, or a kit with one of them in it.

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
    mark(session, [each for each in found if each[0] != but])


def mark(session: Session, skus: Iterable[tuple[str, str]]) -> None:
    """Mark SKUs (channel, SKU): due at once. The pusher puts off those that may wait, see ``gather``.

    One that is gathered is looked at again, for the change may have made it scarce; one that failed keeps its pause.
    """
    insert = insert_into(StockMarkRow, session.get_bind().dialect.name)
    sooner = case(
        (col(StockMarkRow.attempts) > 0, col(StockMarkRow.due_at)),
        else_=insert.excluded.due_at,
    )
    statement = insert.on_conflict_do_update(
        index_elements=["channel", "sku"], set_={"changes": StockMarkRow.changes + 1, "due_at": sooner}
    )
    if rows := _new_marks(skus, timedelta()):
        session.connection().execute(statement, rows)


def hold_back(session: Session, channel: str, skus: Iterable[str], wait: timedelta) -> None:
    """Keep in mind that SKUs may show more, and look again after so long. What is marked already stays as it is."""
    insert = insert_into(StockMarkRow, session.get_bind().dialect.name)
    if rows := _new_marks(((channel, sku) for sku in skus), wait):
        session.connection().execute(insert.on_conflict_do_nothing(), rows)


def _new_marks(skus: Iterable[tuple[str, str]], wait: timedelta) -> list[dict[str, object]]:
    now = datetime.now(UTC)
    return [
        {
            "channel": channel,
            "sku": sku,
            "shard": shard_of(sku),
            "changes": 1,
            "changed_at": now,
            "due_at": now + wait,
            "attempts": 0,
        }
        for channel, sku in sorted(set(skus))
    ]


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
        self,
        channel: str,
        now: datetime,
        limit: int,
        shards: Sequence[int] | None = None,
        *,
        newest: bool = False,
    ) -> tuple[Mark, ...]:
        """Marks of a channel that are due, the oldest first or the newest."""
        query = select(StockMarkRow).where(StockMarkRow.channel == channel, StockMarkRow.due_at <= now)
        if shards is not None:
            query = query.where(col(StockMarkRow.shard).in_(shards))
        due = col(StockMarkRow.due_at)
        query = query.order_by(due.desc() if newest else due, col(StockMarkRow.sku)).limit(limit)
        with self._db.read() as session:
            return tuple(
                Mark.model_validate(row.model_dump(exclude={"shard"})) for row in session.exec(query).all()
            )

    def settle(self, marks: Iterable[Mark]) -> None:
        """They were told of. One that changed meanwhile stays, as a change of now."""
        told = [_bound(each) for each in _in_order(marks)]
        if not told:
            return
        now = datetime.now(UTC)
        with self._db.write() as session:
            session.connection().execute(_TOLD, told)
            session.connection().execute(_CHANGED_SINCE, [{**each, "now": now} for each in told])

    def gather(self, marks: Iterable[Mark], wait: timedelta) -> None:
        """They are to be told once so long has passed since they changed, with what else changes until then."""
        self._later(
            [
                {**_bound(each), "new_due_at": each.changed_at + wait, "new_attempts": each.attempts}
                for each in _in_order(marks)
            ]
        )

    def put_off(self, marks: Iterable[Mark], until: datetime, *, failed: bool = False) -> None:
        """They are to be told later, because it did not work (``failed``) or is not to be done yet."""
        more = 1 if failed else 0
        self._later(
            [
                {**_bound(each), "new_due_at": until, "new_attempts": each.attempts + more}
                for each in _in_order(marks)
            ]
        )

    def waiting(self) -> dict[str, tuple[int, datetime]]:
        """Channel -> how many marks wait, and since when the oldest does."""
        query = select(StockMarkRow.channel, func.count(), func.min(col(StockMarkRow.changed_at))).group_by(
            StockMarkRow.channel
        )
        with self._db.read() as session:
            return {channel: (count, oldest) for channel, count, oldest in session.exec(query).all()}

    def _later(self, values: list[dict[str, object]]) -> None:
        """One that changed meanwhile is looked at as it is now: not put off."""
        if not values:
            return
        with self._db.write() as session:
            session.connection().execute(_LATER, values)


def _in_order(marks: Iterable[Mark]) -> list[Mark]:
    """As ``mark`` writes them: whoever locks rows in another sequence may wait for each other for ever."""
    return sorted(marks, key=lambda each: (each.channel, each.sku))


def _bound(each: Mark) -> dict[str, object]:
    return {"of_channel": each.channel, "of_sku": each.sku, "known": each.changes}


_THIS = (
    col(StockMarkRow.channel) == bindparam("of_channel"),
    col(StockMarkRow.sku) == bindparam("of_sku"),
)
_TOLD = delete(StockMarkRow).where(*_THIS, col(StockMarkRow.changes) == bindparam("known"))
_CHANGED_SINCE = (
    update(StockMarkRow)
    .where(*_THIS, col(StockMarkRow.changes) > bindparam("known"))
    .values(changed_at=bindparam("now"), due_at=bindparam("now"), attempts=0)
)
_LATER = (
    update(StockMarkRow)
    .where(*_THIS, col(StockMarkRow.changes) == bindparam("known"))
    .values(due_at=bindparam("new_due_at"), attempts=bindparam("new_attempts"))
)
