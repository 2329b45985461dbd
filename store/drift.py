"""Drift: what storefronts showed against what could be sold, and for how long somebody could buy what was not there."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import insert
from sqlmodel import Session, col, delete, or_, select

from domain.model import Frozen, Instant, Quantity
from domain.stock_decision import Decision
from store.database import Database
from store.stock_tables import ShownStockRow, StockGapRow, StockHistoryRow

KEEP = timedelta(days=30)


class DriftLine(Frozen):
    """How one SKU at one location of a channel was."""

    channel: str
    sku: str
    location: str
    oversellable: timedelta
    """How long it showed more than could be sold."""
    most: Quantity
    """The most units shown beyond that."""
    times: Quantity
    lasts: bool
    """It does now."""


class Moment(Frozen):
    """What was shown and what could be sold from then on."""

    at: Instant
    shown: int
    sellable: int


def note_drift(
    session: Session,
    channel: str,
    decisions: Sequence[Decision],
    since: Mapping[str, datetime],
    at: datetime,
    *,
    asked: Collection[str] = (),
) -> None:
    """Write down where another number is shown than was decided at ``at``.

    ``since`` tells, by SKU, when the change came that made it so; where it does not, it is so since ``at``. ``asked``
    names SKUs that the storefront was asked for, shown or not: what it shows nowhere nobody can buy there.
    """
    lasting = _lasting(session, channel, {each.shown.sku for each in decisions}.union(asked))
    shown = {(each.shown.sku, each.shown.location) for each in decisions}
    for place in lasting.keys() - shown:
        lasting[place].until = at
    moments = []
    for each in decisions:
        if each.available is None:
            continue
        sku, location = place = each.shown.sku, each.shown.location
        if each.is_change:
            moments.append(_moment(channel, place, at, shown=each.shown.available, sellable=each.available))
        gap = lasting.get(place)
        if not each.excess:
            if gap is not None:
                gap.until = at
        elif gap is None:
            session.add(
                StockGapRow(
                    channel=channel,
                    sku=sku,
                    location=location,
                    since=min(at, since.get(sku, at)),
                    most=each.excess,
                )
            )
        else:
            gap.most = max(gap.most, each.excess)
    session.flush()
    if moments:
        session.connection().execute(insert(StockHistoryRow), moments)


def note_closed(session: Session, channel: str, shown: Mapping[tuple[str, str], int], at: datetime) -> None:
    """The storefront shows what was decided, by (SKU, location), since ``at``."""
    for place, gap in _lasting(session, channel, {sku for sku, _ in shown}).items():
        if place in shown:
            gap.until = at
    session.flush()
    moments = [_moment(channel, place, at, shown=units, sellable=units) for place, units in shown.items()]
    if moments:
        session.connection().execute(insert(StockHistoryRow), moments)


def _moment(
    channel: str, place: tuple[str, str], at: datetime, *, shown: int, sellable: int
) -> dict[str, object]:
    sku, location = place
    return {
        "channel": channel,
        "sku": sku,
        "location": location,
        "at": at,
        "shown": shown,
        "sellable": sellable,
    }


class Drift:
    """The report's queries. Every method may raise DatabaseUnavailable."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def lines(self, since: datetime, now: datetime, channel: str | None = None) -> tuple[DriftLine, ...]:
        """Where more was shown than could be sold since then, the longest first."""
        query = select(StockGapRow).where(
            or_(col(StockGapRow.until).is_(None), col(StockGapRow.until) > since)
        )
        if channel is not None:
            query = query.where(StockGapRow.channel == channel)
        gaps: defaultdict[tuple[str, str, str], list[StockGapRow]] = defaultdict(list)
        with self._db.read() as session:
            for gap in session.exec(query).all():
                gaps[gap.channel, gap.sku, gap.location].append(gap)
        lines = [_line(place, of_place, since, now) for place, of_place in gaps.items()]
        return tuple(
            sorted(lines, key=lambda line: (-line.oversellable, line.channel, line.sku, line.location))
        )

    def moments(
        self, channel: str, sku: str, location: str, since: datetime, now: datetime
    ) -> tuple[Moment, ...]:
        """What was shown of a SKU and what could be sold, from ``since`` (or the first that is known) until ``now``."""
        its = (
            StockHistoryRow.channel == channel,
            StockHistoryRow.sku == sku,
            StockHistoryRow.location == location,
        )
        order = (col(StockHistoryRow.at), col(StockHistoryRow.id))
        with self._db.read() as session:
            rows = session.exec(
                select(StockHistoryRow).where(*its, StockHistoryRow.at > since).order_by(*order)
            ).all()
            before = session.exec(
                select(StockHistoryRow)
                .where(*its, StockHistoryRow.at <= since)
                .order_by(*(each.desc() for each in order))
                .limit(1)
            ).first()
            held = session.get(ShownStockRow, (channel, sku, location))
        moments = [Moment(at=row.at, shown=row.shown, sellable=row.sellable) for row in rows]
        if before is not None:
            moments.insert(0, Moment(at=since, shown=before.shown, sellable=before.sellable))
        elif held is not None and not moments:
            moments.append(Moment(at=since, shown=held.available, sellable=held.available))
        if moments:
            moments.append(moments[-1].model_copy(update={"at": now}))
        return tuple(moments)

    def purge(self, before: datetime) -> int:
        """Forget what is older; returns the number of rows. A gap that lasts stays."""
        with self._db.write() as session:
            moments = session.exec(delete(StockHistoryRow).where(col(StockHistoryRow.at) < before))
            gaps = session.exec(delete(StockGapRow).where(col(StockGapRow.until) < before))
            return moments.rowcount + gaps.rowcount


def _lasting(session: Session, channel: str, skus: Iterable[str]) -> dict[tuple[str, str], StockGapRow]:
    query = select(StockGapRow).where(
        StockGapRow.channel == channel, col(StockGapRow.sku).in_(set(skus)), col(StockGapRow.until).is_(None)
    )
    return {(gap.sku, gap.location): gap for gap in session.exec(query).all()}


def _line(
    place: tuple[str, str, str], gaps: Sequence[StockGapRow], since: datetime, now: datetime
) -> DriftLine:
    channel, sku, location = place
    return DriftLine(
        channel=channel,
        sku=sku,
        location=location,
        oversellable=sum(((gap.until or now) - max(gap.since, since) for gap in gaps), timedelta()),
        most=max(gap.most for gap in gaps),
        times=len(gaps),
        lasts=any(gap.until is None for gap in gaps),
    )
