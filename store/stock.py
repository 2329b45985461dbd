"""What the ERP told of its stock: readings are kept with the token that was drawn before they began."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from sqlmodel import Session, col, delete, select, update

from domain.stock import ErpStock, Incoming, Kit, StockReading
from store.claims import ask_to_read
from store.database import Database
from store.stock_marks import mark_products
from store.stock_tables import ErpKitPartRow, ErpStockRow, ErpUnreadRow, StockClaimRow, draw_token


class ErpStockBook:
    """The readings' queries. Every method may raise DatabaseUnavailable."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def begin_reading(self) -> tuple[int, datetime]:
        """Draw a token and the time, before the ERP is asked."""
        with self._db.write() as session:
            return draw_token(session), datetime.now(UTC)

    def keep_reading(self, reading: StockReading) -> int:
        """Write a reading down and mark what changed; returns the number of products that did.

        A level of a later reading stays. Of a product that the ERP does not have (any more) nothing is left, but what a
        kit was made of while units of it are in flight: its components are what they take.
        """
        with self._db.write() as session:
            known = _known(session, {level.product for level in reading.levels})
            changed = {
                level.product
                for level in reading.levels
                if _keep_level(session, known.get((level.product, level.warehouse)), level, reading)
            }
            changed |= {kit.product for kit in reading.kits if _keep_kit(session, kit)}
            read = {*(level.product for level in reading.levels), *(kit.product for kit in reading.kits)}
            read |= set(reading.unknown)
            changed |= _let_in(session, read, reading.token)
            # After that: what is in flight of a kit may have been let in by this very reading.
            changed |= _drop(session, reading.unknown, reading.token)
            told_as_kits = {kit.product for kit in reading.kits}
            goods = {level.product for level in reading.levels} - told_as_kits
            changed |= _unmake(session, goods, StockClaimRow.entering)
            session.exec(
                delete(ErpUnreadRow).where(
                    col(ErpUnreadRow.product).in_(read), col(ErpUnreadRow.token) < reading.token
                )
            )
            mark_products(session, changed)
        return len(changed)

    def unread(self, limit: int) -> tuple[str, ...]:
        """Products that are to be read again and are due, the oldest wish first."""
        due = col(ErpUnreadRow.due_at)
        query = (
            select(ErpUnreadRow.product)
            .where(due.is_(None) | (due <= datetime.now(UTC)))
            .order_by(col(ErpUnreadRow.token), col(ErpUnreadRow.product))
        )
        with self._db.read() as session:
            return tuple(session.exec(query.limit(limit)).all())

    def ask_for(self, products: Iterable[str]) -> None:
        """Have products asked for by name."""
        with self._db.write() as session:
            ask_to_read(session, products, draw_token(session))

    def put_off(self, products: Iterable[str], until: datetime) -> None:
        """Do not ask for these before that, whoever wishes it."""
        named = col(ErpUnreadRow.product).in_(list(products))
        with self._db.write() as session:
            session.exec(update(ErpUnreadRow).where(named).values(due_at=until))

    def ask_for_older(self, token: int) -> int:
        """Have products asked for by name that no reading since that token told of; returns how many.

        Every kit is among them: it has no stock by which one would see that it was told of.
        """
        query = select(ErpStockRow.product).where(col(ErpStockRow.token) < token).distinct()
        with self._db.write() as session:
            kits = session.exec(select(ErpKitPartRow.kit).distinct()).all()
            products = sorted({*session.exec(query).all(), *kits})
            if products:
                ask_to_read(session, products, draw_token(session))
        return len(products)

    def levels(self, products: Iterable[str]) -> tuple[ErpStockRow, ...]:
        """What is known of these products."""
        query = select(ErpStockRow).where(col(ErpStockRow.product).in_(list(products)))
        with self._db.read() as session:
            return tuple(session.exec(query).all())


def level_of(row: Any) -> ErpStock:
    """A row (of ``ErpStockRow``, or of its columns) as the ERP told it."""
    return ErpStock(
        product=row.product,
        warehouse=row.warehouse,
        on_hand=row.on_hand,
        allocated=row.allocated,
        reserved=row.reserved,
        incoming=tuple(Incoming.model_validate(each) for each in row.incoming),
    )


def _known(session: Session, products: set[str]) -> dict[tuple[str, str], ErpStockRow]:
    rows = session.exec(select(ErpStockRow).where(col(ErpStockRow.product).in_(products))).all()
    return {(row.product, row.warehouse): row for row in rows}


def _keep_level(session: Session, known: ErpStockRow | None, level: ErpStock, reading: StockReading) -> bool:
    """Whether it is news."""
    incoming = [each.model_dump(mode="json") for each in level.incoming]
    if known is None:
        values = level.model_dump(exclude={"incoming"})
        session.add(ErpStockRow(**values, incoming=incoming, token=reading.token, read_at=reading.at))
        return True
    if known.token > reading.token:
        return False
    news = level_of(known) != level
    known.on_hand, known.allocated, known.reserved = level.on_hand, level.allocated, level.reserved
    known.incoming, known.token, known.read_at = incoming, reading.token, reading.at
    session.add(known)
    return news


def _keep_kit(session: Session, kit: Kit) -> bool:
    rows = session.exec(select(ErpKitPartRow).where(ErpKitPartRow.kit == kit.product)).all()
    if {row.component: row.units for row in rows} == dict(kit.components):
        return False
    session.exec(delete(ErpKitPartRow).where(col(ErpKitPartRow.kit) == kit.product))
    for component, units in kit.components.items():
        session.add(ErpKitPartRow(kit=kit.product, component=component, units=units))
    session.flush()
    return True


def _drop(session: Session, products: Iterable[str], token: int) -> set[str]:
    gone = list(products)
    if not gone:
        return set()
    freed = _unmake(session, gone, StockClaimRow.awaiting + StockClaimRow.entering)
    session.exec(
        delete(ErpStockRow).where(col(ErpStockRow.product).in_(gone), col(ErpStockRow.token) <= token)
    )
    return {*gone, *freed}


def _unmake(session: Session, products: Iterable[str], in_flight: Any) -> set[str]:
    """Those of the products that are no kits any more; returns them and what they were made of.

    One of which units are ``in_flight`` stays: without its parts nobody would take them off its components. It is
    found again by the next reading that tells of it.
    """
    rows = session.exec(select(ErpKitPartRow).where(col(ErpKitPartRow.kit).in_(list(products)))).all()
    if not rows:
        return set()
    flying = session.exec(
        select(StockClaimRow.product).where(
            col(StockClaimRow.product).in_({row.kit for row in rows}),
            col(StockClaimRow.live).is_(True),
            in_flight > 0,
        )
    ).all()
    freed: set[str] = set()
    for row in rows:
        if row.kit not in flying:
            freed |= {row.kit, row.component}
            session.delete(row)
    session.flush()
    return freed


def _let_in(session: Session, read: set[str], token: int) -> set[str]:
    """Units that were entered before the reading began are part of it; returns the products of which there were any."""
    claimed = {*read}
    claimed |= set(
        session.exec(select(ErpKitPartRow.kit).where(col(ErpKitPartRow.component).in_(read))).all()
    )
    entered = (
        col(StockClaimRow.product).in_(claimed),
        col(StockClaimRow.live).is_(True),
        col(StockClaimRow.entering) > 0,
        col(StockClaimRow.entered_token) < token,
    )
    found = set(session.exec(select(StockClaimRow.product).where(*entered)).all())
    kits = set(session.exec(select(ErpKitPartRow.kit).where(col(ErpKitPartRow.kit).in_(found))).all())
    for product in found - kits:
        session.exec(
            update(StockClaimRow)
            .where(*entered, col(StockClaimRow.product) == product)
            .values(entering=0, live=(col(StockClaimRow.open) > 0) | (col(StockClaimRow.awaiting) > 0))
        )
    for kit in kits:
        _let_in_kit(session, kit)
    return found


def _let_in_kit(session: Session, kit: str) -> None:
    """A kit's units are in once every component was read since."""
    parts = session.exec(select(ErpKitPartRow.component).where(ErpKitPartRow.kit == kit)).all()
    rows = session.exec(
        select(StockClaimRow).where(
            StockClaimRow.product == kit, col(StockClaimRow.live).is_(True), col(StockClaimRow.entering) > 0
        )
    ).all()
    for row in rows:
        tokens = session.exec(
            select(ErpStockRow.token).where(
                col(ErpStockRow.product).in_(parts), ErpStockRow.warehouse == row.warehouse
            )
        ).all()
        if len(tokens) == len(parts) and min(tokens) > row.entered_token:
            row.entering = 0
            row.live = bool(row.open or row.awaiting)
            session.add(row)
