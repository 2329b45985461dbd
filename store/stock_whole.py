"""Whether stock was read from end to end once: before that, nobody is told to show more.

What a storefront shows that was never listed is an unknown promise, and what the ERP never told is an unknown number.
"""

from collections.abc import Collection
from datetime import UTC, datetime

from sqlmodel import Session, col, delete, select, update

from domain.connection import ERP_SYSTEM
from store.database import Database, insert_or_ignore
from store.stock_tables import ShownStockRow, StockMarkRow, StockWholeRow


class WholeReadings:
    """Of the ERP and of every channel that is told of stock. Every method may raise DatabaseUnavailable."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def begin(self, system: str) -> bool:
        """A reading from the start begins. Whether none had begun before."""
        with self._db.write() as session:
            values = {"system": system, "began_at": datetime.now(UTC)}
            return insert_or_ignore(session, StockWholeRow, values)

    def begin_anew(self, system: str, before: datetime) -> bool:
        """Another reading from the start begins, if the last whole one began before that. Whether it does."""
        with self._db.write() as session:
            row = session.get(StockWholeRow, system)
            if row is None or row.whole_at is None or row.began_at > before:
                return False
            row.began_at = datetime.now(UTC)
            return True

    def end(self, system: str) -> None:
        """Its end is reached. The first time, all that waits to be told is due: it may be more now."""
        now = datetime.now(UTC)
        with self._db.write() as session:
            row = session.get(StockWholeRow, system)
            if row is None or row.whole_at is not None:
                return
            row.whole_at = now
            session.flush()
            _look_again(session, now)

    def held_back(self, channels: Collection[str]) -> None:
        """SKUs were held back because something was lacking: where that has come meanwhile, they are due."""
        if not self.lacking(channels):
            with self._db.write() as session:
                _look_again(session, datetime.now(UTC))

    def forget(self, channels: Collection[str]) -> tuple[str, ...]:
        """Nobody tells these channels any more, so what they show becomes unknown. Those that were told until now."""
        with self._db.write() as session:
            known = session.exec(
                select(StockWholeRow.system).where(col(StockWholeRow.system).in_(channels))
            ).all()
            if not known:
                return ()
            session.exec(delete(ShownStockRow).where(col(ShownStockRow.channel).in_(channels)))
            session.exec(delete(StockMarkRow).where(col(StockMarkRow.channel).in_(channels)))
            session.exec(delete(StockWholeRow).where(col(StockWholeRow.system).in_(channels)))
        return tuple(known)

    def lacking(self, channels: Collection[str]) -> tuple[str, ...]:
        """The systems, of the ERP and these channels, that were not read whole yet."""
        with self._db.read() as session:
            whole = session.exec(
                select(StockWholeRow.system).where(col(StockWholeRow.whole_at).is_not(None))
            ).all()
        return tuple(sorted({ERP_SYSTEM, *channels}.difference(whole)))


def _look_again(session: Session, now: datetime) -> None:
    session.exec(update(StockMarkRow).where(col(StockMarkRow.due_at) > now).values(due_at=now))
