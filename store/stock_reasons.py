"""Why a storefront shows what it shows: the stored facts and the orders behind them, nothing changed."""

from collections.abc import Mapping
from datetime import datetime

from sqlmodel import Session, col, or_, select

from domain.model import Frozen, Instant, Quantity
from domain.order import OrderKey
from domain.stock_decision import Decision
from domain.stock_rules import StockRules
from store.database import Database
from store.order_view import OrderViewRow
from store.shown import level_of_row
from store.stock_facts import decided, facts_of
from store.stock_tables import ErpKitPartRow, ShownStockRow, StockClaimRow, StockMarkRow


class InFlight(Frozen):
    """An order that takes units which the ERP's last reading does not know of."""

    key: OrderKey
    number: str
    sku: str
    units: Quantity
    entered: bool
    """The ERP has it, its stock was not read since."""
    since: Instant


class Why(Frozen):
    """One SKU at one location of one channel."""

    channel: str
    warehouse: str
    decision: Decision
    seen_at: Instant
    """When the storefront was read or set last."""
    waits_since: Instant | None
    """Since when a change is to be told; None where none is."""
    problem: str
    in_flight: tuple[InFlight, ...]


class StockReasons:
    """The questions. Every method may raise DatabaseUnavailable."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def why(self, sku: str, rules: Mapping[str, StockRules], now: datetime) -> tuple[Why, ...]:
        """Every place at which a storefront shows the SKU, by channel and location."""
        query = (
            select(ShownStockRow)
            .where(ShownStockRow.sku == sku, col(ShownStockRow.channel).in_(rules))
            .order_by(col(ShownStockRow.channel), col(ShownStockRow.location))
        )
        with self._db.read() as session:
            return tuple(_why(session, row, rules, now) for row in session.exec(query).all())


def _why(session: Session, row: ShownStockRow, rules: Mapping[str, StockRules], now: datetime) -> Why:
    (facts,) = facts_of(session, row.channel, (level_of_row(row),), rules)
    mark = session.get(StockMarkRow, (row.channel, row.sku))
    return Why(
        channel=row.channel,
        warehouse=row.warehouse,
        decision=decided(facts, rules[row.channel], now.date()),
        seen_at=max(row.seen_at, row.set_at or row.seen_at),
        waits_since=mark.changed_at if mark is not None else None,
        problem=row.problem,
        in_flight=_in_flight(session, row),
    )


def _in_flight(session: Session, row: ShownStockRow) -> tuple[InFlight, ...]:
    """The orders, also of other SKUs and channels, that take of what this one is made of."""
    components = session.exec(select(ErpKitPartRow.component).where(ErpKitPartRow.kit == row.product)).all()
    products = {row.product, *components}
    kits = session.exec(select(ErpKitPartRow.kit).where(col(ErpKitPartRow.component).in_(products))).all()
    query = (
        select(StockClaimRow, OrderViewRow.number)
        .join(
            OrderViewRow,
            (col(OrderViewRow.channel) == StockClaimRow.channel)
            & (col(OrderViewRow.external_id) == StockClaimRow.external_id),
            isouter=True,
        )
        .where(
            col(StockClaimRow.product).in_({*products, *kits}),
            StockClaimRow.warehouse == row.warehouse,
            col(StockClaimRow.live).is_(True),
            or_(StockClaimRow.awaiting > 0, StockClaimRow.entering > 0),
        )
        .order_by(col(StockClaimRow.since), col(StockClaimRow.external_id))
    )
    return tuple(
        InFlight(
            key=OrderKey(channel=claim.channel, external_id=claim.external_id),
            number=number or claim.external_id,
            sku=claim.sku,
            units=claim.awaiting + claim.entering,
            entered=claim.awaiting == 0,
            since=claim.since,
        )
        for claim, number in session.exec(query).all()
    )
