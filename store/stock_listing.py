"""What a whole listing of a storefront's stock asks of the tables: what is gone, and what was not seen."""

from collections.abc import Collection, Iterable
from datetime import datetime

from sqlalchemy import func
from sqlmodel import Session, col, delete, or_, select

from domain.claims import NOWHERE
from domain.stock import ShownStock
from store.claims import purge_claims
from store.database import Database
from store.shown import LONGEST_SETTING
from store.stock_facts import KnownOpen
from store.stock_tables import ErpKitPartRow, ErpStockRow, ShownStockRow, StockClaimRow


def forget_gone(session: Session, channel: str, asked: Collection[str], at: datetime) -> None:
    """Forget levels of the SKUs ``asked`` for that a reading since ``at``, noted before, does not have any more."""
    since = col(ShownStockRow.setting_since)
    session.connection().execute(
        delete(ShownStockRow).where(
            col(ShownStockRow.channel) == channel,
            col(ShownStockRow.sku).in_(asked),
            col(ShownStockRow.seen_at) < at,
            or_(since.is_(None), since < at - LONGEST_SETTING),
        )
    )
    session.expire_all()


def products_of(session: Session, channel: str, skus: Collection[str]) -> set[str]:
    """The ERP's products of these SKUs of a channel, as far as they are mapped."""
    rows = session.exec(
        select(ShownStockRow.product)
        .where(ShownStockRow.channel == channel, col(ShownStockRow.sku).in_(skus))
        .distinct()
    ).all()
    return {*rows} - {NOWHERE}


class Listing:
    """Queries of a whole comparison. Every method may raise DatabaseUnavailable."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def known(self, channel: str) -> KnownOpen:
        """Units of all open orders of a channel that we know of. To be called before a page is read."""
        query = (
            select(StockClaimRow.sku, StockClaimRow.location, func.sum(StockClaimRow.open))
            .where(StockClaimRow.channel == channel, col(StockClaimRow.live).is_(True))
            .group_by(StockClaimRow.sku, StockClaimRow.location)
        )
        with self._db.read() as session:
            return {
                (channel, sku, location): int(units) for sku, location, units in session.exec(query).all()
            }

    def other_items(self, channel: str, shown: Iterable[ShownStock]) -> set[str]:
        """SKUs that another item of the storefront was known by."""
        items = {level.sku: level.item_id for level in shown}
        query = (
            select(ShownStockRow.sku, ShownStockRow.item_id)
            .where(ShownStockRow.channel == channel, col(ShownStockRow.sku).in_(items))
            .distinct()
        )
        with self._db.read() as session:
            return {sku for sku, item in session.exec(query).all() if items[sku] != item}

    def not_seen(self, channel: str, since: datetime, after: str, limit: int) -> tuple[str, ...]:
        """SKUs, in the order of the alphabet, that the storefront had and that it did not tell of since then."""
        query = (
            select(ShownStockRow.sku)
            .where(ShownStockRow.channel == channel, ShownStockRow.seen_at < since, ShownStockRow.sku > after)
            .distinct()
            .order_by(col(ShownStockRow.sku))
            .limit(limit)
        )
        with self._db.read() as session:
            return tuple(session.exec(query).all())

    def only_in_erp(self, channel: str) -> int:
        """How many products of the ERP, kits among them, the storefront shows under no SKU."""
        shown = select(ShownStockRow.product).where(ShownStockRow.channel == channel)
        with self._db.read() as session:
            goods = session.exec(
                select(func.count(func.distinct(ErpStockRow.product))).where(
                    col(ErpStockRow.product).not_in(shown)
                )
            ).one()
            kits = session.exec(
                select(func.count(func.distinct(ErpKitPartRow.kit))).where(
                    col(ErpKitPartRow.kit).not_in(shown)
                )
            ).one()
        return goods + kits

    def purge(self) -> int:
        """Forget what orders that have closed do not claim any more."""
        with self._db.write() as session:
            return purge_claims(session)
