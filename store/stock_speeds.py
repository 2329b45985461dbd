"""Which of the marked SKUs are told at once: as the tables know them, before the storefront is asked."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from sqlalchemy import func
from sqlmodel import Session, col, select

from domain.claims import NOWHERE
from domain.stock_rules import StockRules
from domain.stock_speed import is_fast, is_scarce
from store.database import Database
from store.shown import level_of_row
from store.stock_facts import decided, facts_of
from store.stock_tables import ShownStockRow, StockClaimRow

HOUR = timedelta(hours=1)


def urgent_skus(
    db: Database, channel: str, skus: Collection[str], rules: Mapping[str, StockRules], now: datetime
) -> set[str]:
    """Those of a channel's SKUs that are scarce or fast; ``rules`` of every channel that is told.

    Raises DatabaseUnavailable.
    """
    if not skus:
        return set()
    mine = rules[channel]
    rows = select(ShownStockRow).where(ShownStockRow.channel == channel, col(ShownStockRow.sku).in_(skus))
    with db.read() as session:
        levels = [level_of_row(row) for row in session.exec(rows).all()]
        sold = _sold_since(session, {level.product for level in levels} - {NOWHERE}, now - HOUR)
        facts = facts_of(session, channel, levels, rules)
    return {
        each.level.shown.sku
        for each in facts
        if is_fast(sold.get(each.level.product, 0), mine) or is_scarce(decided(each, mine, now.date()), mine)
    }


def _sold_since(session: Session, products: Collection[str], since: datetime) -> dict[str, int]:
    """Product -> units of orders, of all channels, that came since then."""
    query = (
        select(StockClaimRow.product, func.sum(StockClaimRow.due))
        .where(col(StockClaimRow.product).in_(products), col(StockClaimRow.since) > since)
        .group_by(StockClaimRow.product)
    )
    return {product: int(units) for product, units in session.exec(query).all()}
