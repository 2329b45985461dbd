"""What storefronts show, what may be shown, and the grants that keep two channels from promising one unit.

A grant is the most that a channel may show at a moment. A greater number is granted, in a transaction that sees all
channels' grants, before the storefront is told of it; a smaller one frees the difference only once the storefront has
taken it.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Update, bindparam, case, insert, inspect, tuple_, update
from sqlalchemy import select as core_select
from sqlmodel import Session, col, or_, select

from domain.model import Frozen
from domain.stock import ShownStock
from store.columns import UtcTime
from store.stock_tables import ShownStockRow

LONGEST_SETTING = timedelta(minutes=2)
"""After this a call that sets stock, and whose answer never came, has done what it will ever do."""

Place = tuple[str, str]
"""SKU and location."""

SHOWN_COLUMNS = tuple(inspect(ShownStockRow).columns)
"""Of a page of a listing some hundreds of rows are read: whole objects of each would take longer than all else."""


class Level(Frozen):
    """A level of a storefront in the words of both systems; ``NOWHERE`` where the mapping knows no counterpart."""

    shown: ShownStock
    product: str
    warehouse: str


def note_seen(session: Session, channel: str, levels: Sequence[Level], at: datetime) -> None:
    """Write down what a storefront shows; the reading began at ``at``. An older one than is known changes nothing."""
    skus = {level.shown.sku for level in levels}
    known = {
        (row.sku, row.location): row
        for row in session.connection().execute(
            core_select(*SHOWN_COLUMNS).where(
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
