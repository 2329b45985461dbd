"""What orders claim of stock, noted in the same transaction as the act that changed it.

Units of an order are in flight until a reading of the ERP's stock that began after it got them: one that was under way
while an order was entered may hold it or not. Counted twice for a moment, they are missing in the shops; counted never,
they would be sold again.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, tuple_
from sqlmodel import Session, col, delete, select

from domain.claims import NOWHERE, Claim, OrderClaims, awaiting
from domain.order import OrderKey
from store.database import Database, changed_rows, insert_into
from store.order_view import OrderViewRow
from store.stock_marks import mark_products
from store.stock_tables import ErpStockRow, ErpUnreadRow, StockClaimRow, StockHeldRow, draw_token


class StockClaims:
    """Queries of their own. Every method may raise DatabaseUnavailable."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def sent(self, key: OrderKey, warehouse: str, units: Mapping[str, int]) -> None:
        """Units (SKU -> quantity) left, and the storefront is about to hear of it.

        Written before it does: were it afterwards, a buyer's order of the same moment would hide behind them.
        """
        if not units:
            return
        with self._db.write() as session:
            rows = session.exec(
                select(StockClaimRow).where(
                    *_its(StockClaimRow, key),
                    StockClaimRow.warehouse == warehouse,
                    col(StockClaimRow.sku).in_(units),
                )
            ).all()
            for row in rows:
                row.open = max(0, row.open - units[row.sku])
                session.add(row)

    def let_go(self, key: OrderKey) -> None:
        """The ERP is about to be asked to cancel the order: what it holds of it counts as not held from now on.

        Written before it is: a reading of its stock may find the units free before the answer is here, while the
        storefront still holds them. Where the ERP refuses, noting claims again sets it right.
        """
        with self._db.write() as session:
            for row in session.exec(select(StockClaimRow).where(*_its(StockClaimRow, key))).all():
                row.awaiting = row.due
                row.live = bool(row.open or row.awaiting or row.entering)
                session.add(row)


def note_claims(session: Session, key: OrderKey, found: OrderClaims) -> None:
    """Write what became known of an order's claims; noted again, nothing changes.

    Marks the SKUs concerned, of every channel, and asks for a new reading of products that the ERP was given.
    """
    rows = {
        (row.sku, row.location): row
        for row in session.exec(select(StockClaimRow).where(*_its(StockClaimRow, key))).all()
    }
    before = {place: (row.open, row.awaiting, row.entering) for place, row in rows.items()}
    in_erp = {place: row.due - row.awaiting for place, row in rows.items()}
    if found.claims is not None:
        _take_claims(key, rows, found.claims)
    held = _held(session, key, rows, found)
    token = None
    for sku in {sku for sku, _ in rows}:
        of_sku = [row for row in rows.values() if row.sku == sku]
        due: defaultdict[str, int] = defaultdict(int)
        for row in of_sku:
            due[row.warehouse] += row.due
        missing = awaiting(due, held.get(sku, {}))
        for row in of_sku:
            left = min(missing.get(row.warehouse, 0), row.due)
            missing[row.warehouse] = missing.get(row.warehouse, 0) - left
            more = row.due - left - in_erp.get((sku, row.location), 0)
            if found.held is not None and more > 0:
                token = token or draw_token(session)
                row.entering += more
                row.entered_token = token
            row.awaiting = left
    changed = {
        place
        for place, row in rows.items()
        if before.get(place, (0, 0, 0)) != (row.open, row.awaiting, row.entering)
    }
    for row in rows.values():
        row.live = bool(row.open or row.awaiting or row.entering)
        session.add(row)
    session.flush()
    products = {rows[place].product for place in changed} - {NOWHERE}
    if token is not None:
        ask_to_read(session, products, token)
    mark_products(session, products)


def ask_to_read(session: Session, products: Iterable[str], token: int) -> None:
    """Have the ERP asked about these products by a reading that begins after ``token`` was drawn."""
    insert = insert_into(ErpUnreadRow, session.get_bind().dialect.name)
    statement = insert.on_conflict_do_update(
        index_elements=["product"], set_={"token": insert.excluded.token}
    )
    for product in sorted(products):
        session.connection().execute(statement, {"product": product, "token": token})


def forget_claims(session: Session, key: OrderKey) -> None:
    """An order has closed: nothing of it is claimed any more. What is still entering stays until it was read.

    Where nobody follows the ERP's stock there is no such reading, and nothing stays.
    """
    its = [*_its(StockClaimRow, key)]
    if session.exec(select(ErpStockRow.product).limit(1)).first() is not None:
        its.append(col(StockClaimRow.live).is_(False))
    session.exec(delete(StockClaimRow).where(*its))
    session.exec(delete(StockHeldRow).where(*_its(StockHeldRow, key)))


def purge_claims(session: Session) -> int:
    """Forget what closed orders left because it was still entering, and that was read since; returns how many."""
    closed = select(OrderViewRow.channel, OrderViewRow.external_id).where(
        col(OrderViewRow.closed_at).is_not(None)
    )
    over = delete(StockClaimRow).where(
        col(StockClaimRow.live).is_(False),
        tuple_(col(StockClaimRow.channel), col(StockClaimRow.external_id)).in_(closed),
    )
    return changed_rows(session, over)


def _take_claims(
    key: OrderKey, rows: dict[tuple[str, str], StockClaimRow], claims: tuple[Claim, ...]
) -> None:
    now = datetime.now(UTC)
    for row in rows.values():
        row.due = row.open = 0
    for claim in claims:
        row = rows.get((claim.sku, claim.location)) or StockClaimRow(
            channel=key.channel,
            external_id=key.external_id,
            sku=claim.sku,
            location=claim.location,
            awaiting=0,
            entering=0,
            entered_token=0,
            since=now,
            live=True,
            product=claim.product,
            warehouse=claim.warehouse,
            due=claim.due,
            open=claim.open,
        )
        row.product, row.warehouse, row.due, row.open = claim.product, claim.warehouse, claim.due, claim.open
        rows[claim.sku, claim.location] = row


def _held(
    session: Session, key: OrderKey, rows: dict[tuple[str, str], StockClaimRow], found: OrderClaims
) -> dict[str, dict[str, int]]:
    """SKU -> warehouse -> units that the ERP has, written down where they are news."""
    known = session.exec(select(StockHeldRow).where(*_its(StockHeldRow, key))).all()
    units = defaultdict[str, dict[str, int]](dict)
    if found.held is None:
        units = _units_of(known)
        if not known and found.entered:
            for row in rows.values():
                left = row.due - min(row.due, row.open)
                units[row.sku][row.warehouse] = units[row.sku].get(row.warehouse, 0) + left
        return units
    for part in found.held:
        units[part.sku][part.warehouse] = units[part.sku].get(part.warehouse, 0) + part.quantity
    if units == _units_of(known):
        return units
    for each in known:
        session.delete(each)
    session.flush()
    for sku, places in units.items():
        for warehouse, quantity in places.items():
            session.add(
                StockHeldRow(
                    channel=key.channel,
                    external_id=key.external_id,
                    sku=sku,
                    warehouse=warehouse,
                    quantity=quantity,
                )
            )
    return units


def _units_of(rows: Iterable[StockHeldRow]) -> defaultdict[str, dict[str, int]]:
    units = defaultdict[str, dict[str, int]](dict)
    for each in rows:
        units[each.sku][each.warehouse] = each.quantity
    return units


def _its(table: type[StockClaimRow] | type[StockHeldRow], key: OrderKey) -> tuple[ColumnElement[bool], ...]:
    return (col(table.channel) == key.channel, col(table.external_id) == key.external_id)
