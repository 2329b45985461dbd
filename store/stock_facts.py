"""What is known of stock at a moment, for a decision: what there is, what is in flight, who may sell it."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import case, func, inspect
from sqlalchemy import select as core_select
from sqlmodel import Session, col, or_, select

from domain.claims import NOWHERE
from domain.model import Frozen
from domain.sellable import Standing, Supply
from domain.stock import ErpStock
from domain.stock_decision import Decision, Hindrance, decide
from domain.stock_rules import StockRules
from store.shown import SHOWN_COLUMNS, Level
from store.stock import level_of
from store.stock_tables import ErpKitPartRow, ErpStockRow, ShownStockRow, StockClaimRow

KnownOpen = Mapping[tuple[str, str, str], int]
"""Channel, SKU and location -> units of open orders that we know of."""


class PlaceFacts(Frozen):
    """All that is known of a SKU at a location of a channel."""

    level: Level
    supplies: tuple[Supply, ...] | None
    """One a component; None where the ERP does not have the product (or one of its components)."""
    mine: Standing
    others: tuple[Standing, ...] = ()


def known_open(session: Session, skus: Iterable[tuple[str, str]]) -> KnownOpen:
    """Units of open orders that we know of, for these SKUs (channel, SKU)."""
    wanted: defaultdict[str, list[str]] = defaultdict(list)
    for channel, sku in skus:
        wanted[channel].append(sku)
    found: dict[tuple[str, str, str], int] = {}
    for channel, of_channel in wanted.items():
        rows = session.exec(
            select(StockClaimRow.sku, StockClaimRow.location, func.sum(StockClaimRow.open))
            .where(
                StockClaimRow.channel == channel,
                col(StockClaimRow.sku).in_(of_channel),
                col(StockClaimRow.live).is_(True),
            )
            .group_by(StockClaimRow.sku, StockClaimRow.location)
        ).all()
        found |= {(channel, sku, location): int(units) for sku, location, units in rows}
    return found


def facts_of(
    session: Session, channel: str, levels: Sequence[Level], rules: Mapping[str, StockRules]
) -> tuple[PlaceFacts, ...]:
    """What is known of these levels, which ``note_seen`` has written down; ``rules`` of every channel that is told.

    To decide, call ``lock_products`` first.
    """
    products = {level.product for level in levels if level.product != NOWHERE}
    parts = _parts(session, products)
    components = {component for product in products for component in parts.get(product, {product: 1})}
    stock = _stock(session, components)
    flying = _in_flight(session, components)
    shown = session.connection().execute(
        core_select(*SHOWN_COLUMNS).where(col(ShownStockRow.product).in_(products))
    )
    by_place: defaultdict[tuple[str, str], list[Any]] = defaultdict(list)
    for row in shown:
        by_place[row.product, row.warehouse].append(row)
    known = _known_since(session, products)

    def facts(level: Level) -> PlaceFacts:
        standings = {
            (row.channel, row.sku): _standing(row, rules[row.channel], known)
            for row in by_place[level.product, level.warehouse]
            if row.channel in rules and (row.channel != channel or row.location == level.shown.location)
        }
        return PlaceFacts(
            level=level,
            supplies=_supplies(level, parts.get(level.product, {level.product: 1}), stock, flying),
            mine=standings.get((channel, level.shown.sku)) or _standing_of(channel, rules[channel]),
            others=tuple(each for (name, _), each in sorted(standings.items()) if name != channel),
        )

    return tuple(facts(level) for level in levels)


def decided(
    facts: PlaceFacts, rules: StockRules, today: date, known_before: KnownOpen | None = None
) -> Decision:
    """What is to be shown of a level; ``known_before`` was counted before it was read."""
    level, mine = facts.level, facts.mine
    if level.warehouse == NOWHERE:
        return Decision(shown=level.shown, available=None, hindrance=Hindrance.LOCATION_UNMAPPED)
    if level.product == NOWHERE:
        return Decision(shown=level.shown, available=None, hindrance=Hindrance.PRODUCT_UNMAPPED)
    all_known = mine.known + mine.sold_since
    if known_before is not None:
        all_known = min(all_known, known_before.get((mine.channel, level.shown.sku, level.shown.location), 0))
    mine = mine.model_copy(update={"known": all_known, "sold_since": 0})
    return decide(level.shown, facts.supplies, (mine, *facts.others), rules, today)


def lock_products(session: Session, products: Collection[str]) -> None:
    """Whoever decides about these products next waits until this transaction ends. SQLite has one writer anyway."""
    parts = _parts(session, products)
    components = {component for product in products for component in parts.get(product, {product: 1})}
    locked = (
        select(ErpStockRow.product)
        .where(col(ErpStockRow.product).in_(components))
        .order_by(col(ErpStockRow.product), col(ErpStockRow.warehouse))
    )
    session.exec(locked.with_for_update()).all()


def _known_since(session: Session, products: Collection[str]) -> dict[tuple[str, str, str], tuple[int, int]]:
    """Units of open orders that we knew of before the storefront was read, and that we heard of since.

    An order of before that grew since counts as it is now, which is too careful, not too bold.
    """
    later = case((col(StockClaimRow.since) > col(ShownStockRow.seen_at), col(StockClaimRow.open)), else_=0)
    rows = (
        session.connection()
        .execute(
            core_select(
                col(ShownStockRow.channel),
                col(ShownStockRow.sku),
                col(ShownStockRow.location),
                func.sum(col(StockClaimRow.open)),
                func.sum(later),
            )
            .join(
                StockClaimRow,
                (col(StockClaimRow.channel) == ShownStockRow.channel)
                & (col(StockClaimRow.sku) == ShownStockRow.sku)
                & (col(StockClaimRow.location) == ShownStockRow.location),
            )
            .where(col(ShownStockRow.product).in_(products), col(StockClaimRow.live).is_(True))
            .group_by(col(ShownStockRow.channel), col(ShownStockRow.sku), col(ShownStockRow.location))
        )
        .all()
    )
    return {
        (channel, sku, location): (int(units) - int(since), int(since))
        for channel, sku, location, units, since in rows
    }


def _parts(session: Session, kits: Collection[str]) -> dict[str, dict[str, int]]:
    found: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for row in session.exec(select(ErpKitPartRow).where(col(ErpKitPartRow.kit).in_(kits))).all():
        found[row.kit][row.component] = row.units
    return dict(found)


def _stock(session: Session, products: Collection[str]) -> dict[str, dict[str, Any]]:
    query = core_select(*_ERP_STOCK).where(col(ErpStockRow.product).in_(products))
    found: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    for row in session.connection().execute(query):
        found[row.product][row.warehouse] = row
    return dict(found)


def _in_flight(session: Session, components: Collection[str]) -> dict[tuple[str, str], int]:
    """(Product, warehouse) -> units of orders in flight, kits as their components."""
    parts = session.exec(select(ErpKitPartRow).where(col(ErpKitPartRow.component).in_(components))).all()
    kits = {part.kit for part in parts}
    rows = session.exec(
        select(
            StockClaimRow.product,
            StockClaimRow.warehouse,
            func.sum(StockClaimRow.awaiting + StockClaimRow.entering),
        )
        .where(
            or_(col(StockClaimRow.product).in_(components), col(StockClaimRow.product).in_(kits)),
            col(StockClaimRow.live).is_(True),
        )
        .group_by(StockClaimRow.product, StockClaimRow.warehouse)
    ).all()
    units: defaultdict[tuple[str, str], int] = defaultdict(int)
    for product, warehouse, quantity in rows:
        if product not in kits:
            units[product, warehouse] += int(quantity)
            continue
        for part in parts:
            if part.kit == product:
                units[part.component, warehouse] += int(quantity) * part.units
    return units


def _supplies(
    level: Level,
    parts: Mapping[str, int],
    stock: Mapping[str, Mapping[str, Any]],
    flying: Mapping[tuple[str, str], int],
) -> tuple[Supply, ...] | None:
    if any(not stock.get(component) for component in parts):
        return None
    return tuple(
        _supply(stock[component], level.warehouse, component, units, flying)
        for component, units in sorted(parts.items())
    )


def _supply(
    rows: Mapping[str, Any],
    warehouse: str,
    product: str,
    per_unit: int,
    flying: Mapping[tuple[str, str], int],
) -> Supply:
    """A warehouse that never had the product has none of it."""
    row = rows.get(warehouse)
    none = ErpStock(product=product, warehouse=warehouse, on_hand=0)
    return Supply(
        level=none if row is None else level_of(row),
        per_unit=per_unit,
        in_flight=flying.get((product, warehouse), 0),
        read_at=max(each.read_at for each in rows.values()) if row is None else row.read_at,
    )


def _standing_of(channel: str, rules: StockRules) -> Standing:
    return Standing(
        channel=channel,
        share=rules.share,
        priority=rules.priority,
        pooled=rules.pooled,
        last_units=rules.last_units,
    )


def _standing(row: Any, rules: StockRules, known: Mapping[tuple[str, str, str], tuple[int, int]]) -> Standing:
    before, since = known.get((row.channel, row.sku, row.location), (0, 0))
    seen = {"granted": row.granted, "committed": row.committed, "known": before, "sold_since": since}
    return _standing_of(row.channel, rules).model_copy(update=seen)


_ERP_STOCK = tuple(inspect(ErpStockRow).columns)
