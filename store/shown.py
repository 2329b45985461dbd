"""What storefronts show, what may be shown, and the grants that keep two channels from promising one unit.

A grant is the most that a channel may show at a moment. A greater number is granted, in a transaction that sees all
channels' grants, before the storefront is told of it; a smaller one frees the difference only once the storefront has
taken it.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Update, bindparam, case, func, insert, inspect, tuple_, update
from sqlalchemy import select as core_select
from sqlmodel import Session, col, or_, select

from domain.claims import NOWHERE
from domain.model import Frozen
from domain.sellable import Standing, Supply
from domain.stock import ErpStock, ShownStock
from domain.stock_decision import Decision, Hindrance, decide
from domain.stock_rules import StockRules
from store.columns import UtcTime
from store.database import Database
from store.stock import level_of
from store.stock_tables import ErpKitPartRow, ErpStockRow, ShownStockRow, StockClaimRow

LONGEST_SETTING = timedelta(minutes=2)
"""After this a call that sets stock, and whose answer never came, has done what it will ever do."""

Place = tuple[str, str]
"""SKU and location."""

KnownOpen = Mapping[tuple[str, str, str], int]
"""Channel, SKU and location -> units of open orders that we know of."""


class Level(Frozen):
    """A level of a storefront in the words of both systems; ``NOWHERE`` where the mapping knows no counterpart."""

    shown: ShownStock
    product: str
    warehouse: str


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


def note_seen(session: Session, channel: str, levels: Sequence[Level], at: datetime) -> None:
    """Write down what a storefront shows; the reading began at ``at``. An older one than is known changes nothing."""
    skus = {level.shown.sku for level in levels}
    known = {
        (row.sku, row.location): row
        for row in session.connection().execute(
            core_select(*_SHOWN).where(
                col(ShownStockRow.channel) == channel, col(ShownStockRow.sku).in_(skus)
            )
        )
    }
    new, others = [], []
    for level in levels:
        row = known.get((level.shown.sku, level.shown.location))
        if row is None:
            new.append(_first_seen(channel, level, at))
        elif row.seen_at <= at and (news := _news(row, level, at)):
            others.append(
                {"of_channel": channel, "of_sku": row.sku, "of_location": row.location, "seen": at} | news
            )
    run = session.connection().execute
    if new:
        run(insert(ShownStockRow), new)
    if others:
        run(_SEEN_ANEW, others)
    # Most show what they showed: one statement says so of all.
    places = {(level.shown.sku, level.shown.location) for level in levels}
    if gone := {sku for sku, location in known if (sku, location) not in places}:
        same = tuple_(col(ShownStockRow.sku), col(ShownStockRow.location)).in_(
            [place for place in places if place[0] in gone]
        )
        run(_seen(channel, at).where(same))
    run(_seen(channel, at).where(col(ShownStockRow.sku).in_(skus - gone)))
    session.expire_all()


def _seen(channel: str, at: datetime) -> Update:
    return (
        update(ShownStockRow)
        .where(col(ShownStockRow.channel) == channel, col(ShownStockRow.seen_at) < at)
        .values(seen_at=at)
    )


def _first_seen(channel: str, level: Level, at: datetime) -> dict[str, object]:
    shown = level.shown
    return {
        "channel": channel,
        "sku": shown.sku,
        "location": shown.location,
        "item_id": shown.item_id,
        "product": level.product,
        "warehouse": level.warehouse,
        "tracked": shown.tracked,
        "available": shown.available,
        "committed": shown.committed,
        "granted": shown.available,
        "seen_at": at,
        "problem": "",
    }


def _news(row: Any, level: Level, at: datetime) -> dict[str, object]:
    """What a reading changes of a row besides when it was seen."""
    shown = level.shown
    # What is shown just as it was granted was done, whether its answer came or not.
    under_way = _under_way(row.setting_since, at) and shown.available != row.granted
    now = {
        "item_id": shown.item_id,
        "product": level.product,
        "warehouse": level.warehouse,
        "tracked": shown.tracked,
        "available": shown.available,
        "committed": shown.committed,
        "granted": max(row.granted, shown.available) if under_way else shown.available,
        "setting_since": row.setting_since if under_way else None,
    }
    same = all(getattr(row, name) == value for name, value in now.items())
    return {} if same else {f"new_{name}": value for name, value in now.items()}


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
    shown = session.connection().execute(core_select(*_SHOWN).where(col(ShownStockRow.product).in_(products)))
    by_place: defaultdict[Place, list[Any]] = defaultdict(list)
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


def doubtful(session: Session, channel: str, skus: Collection[str], at: datetime) -> set[Place]:
    """Levels (SKU, location) that a reading since ``at`` is not to raise, because somebody else is at them.

    An earlier call that has no answer yet may still be done, once buyers have brought the number back to what it
    compares with; and what was read or set later than this reading is known better. All would show again what was sold
    meanwhile.
    """
    since = col(ShownStockRow.setting_since)
    query = core_select(col(ShownStockRow.sku), col(ShownStockRow.location)).where(
        col(ShownStockRow.channel) == channel,
        col(ShownStockRow.sku).in_(skus),
        or_(
            since.is_not(None) & (since > at - LONGEST_SETTING),
            col(ShownStockRow.seen_at) > at,
            col(ShownStockRow.set_at) > at,
        ),
    )
    return {(sku, location) for sku, location in session.connection().execute(query)}


def grant(session: Session, channel: str, units: Mapping[Place, int], at: datetime) -> None:
    """So many units are about to be shown by (SKU, location); what is granted already is not lowered."""
    _at_places(session, (_GRANT,), channel, units, {"at": at, "expired": at - LONGEST_SETTING})


def note_set(
    session: Session, channel: str, units: Mapping[Place, int], since: datetime, at: datetime
) -> None:
    """The storefront shows so many units by (SKU, location) since ``at``; they were granted at ``since``.

    Where another call is under way, or was done since, the answer comes late and frees nothing.
    """
    _at_places(session, (_NOTE_SET_LATE, _NOTE_SET), channel, units, {"since": since, "at": at})


def _at_places(
    session: Session,
    statements: Sequence[Update],
    channel: str,
    units: Mapping[Place, int],
    times: Mapping[str, datetime],
) -> None:
    values = [
        {"of_channel": channel, "of_sku": sku, "of_location": location, "units": quantity, **times}
        for (sku, location), quantity in units.items()
    ]
    if values:
        for statement in statements:
            session.connection().execute(statement, values)
        session.expire_all()


def note_not_set(session: Session, channel: str, problems: Mapping[Place, str], since: datetime) -> None:
    """What was granted at ``since`` was not done, for a reason in words; empty: ask again what is shown."""
    rows = _rows(session, channel, {sku for sku, _ in problems})
    for place, problem in problems.items():
        row = rows[place]
        row.problem = problem
        if row.setting_since != since:
            continue
        row.setting_since = None
        if problem:
            row.granted = row.available
    session.flush()


def _under_way(since: datetime | None, at: datetime) -> bool:
    """Whether a call may still be done that is to set it."""
    return since is not None and at < since + LONGEST_SETTING


class ShownStockBook:
    """Queries of what is shown. Every method may raise DatabaseUnavailable."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def levels(self, channel: str, skus: Collection[str]) -> tuple[Level, ...]:
        """What was shown of these SKUs last."""
        query = (
            select(ShownStockRow)
            .where(ShownStockRow.channel == channel, col(ShownStockRow.sku).in_(skus))
            .order_by(col(ShownStockRow.sku), col(ShownStockRow.location))
        )
        with self._db.read() as session:
            return tuple(level_of_row(row) for row in session.exec(query).all())


def level_of_row(row: ShownStockRow) -> Level:
    """A level as it was seen last."""
    shown = ShownStock(
        sku=row.sku,
        item_id=row.item_id,
        location=row.location,
        available=row.available,
        committed=row.committed,
        tracked=row.tracked,
    )
    return Level(shown=shown, product=row.product, warehouse=row.warehouse)


def _rows(session: Session, channel: str, skus: Collection[str]) -> dict[Place, ShownStockRow]:
    query = select(ShownStockRow).where(ShownStockRow.channel == channel, col(ShownStockRow.sku).in_(skus))
    return {(row.sku, row.location): row for row in session.exec(query).all()}


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


# Of a page of a listing some hundreds of rows are read: whole objects of each would take longer than all else.
_SHOWN = tuple(inspect(ShownStockRow).columns)
_ERP_STOCK = tuple(inspect(ErpStockRow).columns)
_CHANGED = (
    "item_id",
    "product",
    "warehouse",
    "tracked",
    "available",
    "committed",
    "granted",
    "setting_since",
)
_HERE = (
    col(ShownStockRow.channel) == bindparam("of_channel"),
    col(ShownStockRow.sku) == bindparam("of_sku"),
    col(ShownStockRow.location) == bindparam("of_location"),
)
_SEEN_ANEW = (
    update(ShownStockRow)
    .where(*_HERE)
    .values(seen_at=bindparam("seen"), **{name: bindparam(f"new_{name}") for name in _CHANGED})
)
_GREATER = case(
    (col(ShownStockRow.granted) < bindparam("units"), bindparam("units")), else_=col(ShownStockRow.granted)
)
_SINCE = col(ShownStockRow.setting_since)
_GRANT = (
    update(ShownStockRow)
    .where(*_HERE)
    .values(
        granted=_GREATER,
        setting_since=case(
            (
                _SINCE.is_(None) | (bindparam("expired", type_=UtcTime()) >= _SINCE),
                bindparam("at", type_=UtcTime()),
            ),
            else_=_SINCE,
        ),
    )
)
_NOTE_SET_LATE = (
    update(ShownStockRow)
    .where(*_HERE, _SINCE.is_(None) | (bindparam("since", type_=UtcTime()) != _SINCE))
    .values(granted=_GREATER, set_at=bindparam("at", type_=UtcTime()), problem="")
)
_NOTE_SET = (
    update(ShownStockRow)
    .where(*_HERE, bindparam("since", type_=UtcTime()) == _SINCE)
    .values(
        available=bindparam("units"),
        granted=bindparam("units"),
        setting_since=None,
        set_at=bindparam("at", type_=UtcTime()),
        problem="",
    )
)
