"""What the store can tell in numbers, for metrics: a few queries together."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import func
from sqlmodel import col, select

from domain.cases import CaseState, family
from domain.completeness import Flow
from domain.connection import Connection
from domain.model import Amount, Currency, Frozen, Instant
from domain.status import OrderStatus
from store.case_tables import CaseOrderRow, CaseRow
from store.cases import Cases
from store.certificates import CertificateRow
from store.connections import Connections
from store.database import Database
from store.inbox import Backlog, Inbox
from store.order_view import OrderViewRow
from store.rhythms import SilenceRow
from store.stock_marks import Marks

FIXING_WINDOW = timedelta(days=30)


class OrdersAlike(Frozen):
    """The orders of one channel that stand alike."""

    channel: str
    status: OrderStatus
    orders: int


class OrdersWaiting(Frozen):
    """The orders of one channel that wait for a person."""

    channel: str
    orders: int = 0
    oldest_since: Instant | None = None


class CasesAlike(Frozen):
    """The open cases of one family of causes."""

    family: str
    cases: int
    overdue: int
    oldest_at: Instant
    money_at_risk: Mapping[Currency, Amount]


class Certified(Frozen):
    """What the newest certificate of a channel says of one flow."""

    channel: str
    flow: Flow
    placed: int
    unexplained: int
    at: Instant


class StockWaiting(Frozen):
    """SKUs of one channel whose number changed and that it was not told of yet."""

    channel: str
    skus: int
    oldest_since: Instant


class Figures(Frozen):
    """All of it, as of ``at``."""

    at: Instant
    orders: tuple[OrdersAlike, ...]
    waiting: tuple[OrdersWaiting, ...]
    """One entry for every channel that has orders, also where none waits."""
    inbox: Backlog
    connections: tuple[Connection, ...]
    cases: tuple[CasesAlike, ...]
    fixing_minutes: float | None
    """For each 1,000 orders; None where no order was placed."""
    certificates: tuple[Certified, ...]
    silent: Mapping[str, bool]
    """By channel."""
    stock: tuple[StockWaiting, ...] = ()
    """Of the channels where some wait."""


def read_figures(db: Database, at: datetime) -> Figures:
    """Read them. Raises DatabaseUnavailable."""
    orders = _orders(db)
    return Figures(
        at=at,
        orders=orders,
        waiting=_waiting(db, {each.channel for each in orders}),
        inbox=Inbox(db).backlog(),
        connections=Connections(db).all(),
        cases=_cases(db, at),
        fixing_minutes=Cases(db).fixing_time(at - FIXING_WINDOW, at).minutes_per_thousand_orders,
        certificates=_certificates(db),
        silent=_silent(db),
        stock=tuple(
            StockWaiting(channel=channel, skus=skus, oldest_since=oldest)
            for channel, (skus, oldest) in sorted(Marks(db).waiting().items())
        ),
    )


def _orders(db: Database) -> tuple[OrdersAlike, ...]:
    alike = (col(OrderViewRow.channel), col(OrderViewRow.status))
    with db.read() as session:
        rows = session.exec(select(*alike, func.count()).group_by(*alike).order_by(*alike)).all()
    return tuple(OrdersAlike(channel=channel, status=status, orders=count) for channel, status, count in rows)


def _waiting(db: Database, channels: set[str]) -> tuple[OrdersWaiting, ...]:
    count = func.count(func.distinct(col(CaseOrderRow.external_id)))
    query = (
        select(CaseOrderRow.channel, count, func.min(col(CaseOrderRow.since)))
        .where(col(CaseOrderRow.left_at).is_(None))
        .group_by(col(CaseOrderRow.channel))
    )
    with db.read() as session:
        found = {
            channel: OrdersWaiting(channel=channel, orders=orders, oldest_since=since)
            for channel, orders, since in session.exec(query)
        }
    return tuple(found.get(name, OrdersWaiting(channel=name)) for name in sorted(channels | set(found)))


def _cases(db: Database, at: datetime) -> tuple[CasesAlike, ...]:
    opened = select(CaseRow.cause, CaseRow.opened_at, CaseRow.deadline).where(CaseRow.state == CaseState.OPEN)
    at_risk = (
        select(CaseRow.cause, col(OrderViewRow.currency), col(OrderViewRow.total))
        .join(CaseOrderRow, col(CaseOrderRow.case_id) == col(CaseRow.id))
        .join(
            OrderViewRow,
            (col(OrderViewRow.channel) == col(CaseOrderRow.channel))
            & (col(OrderViewRow.external_id) == col(CaseOrderRow.external_id)),
        )
        .where(CaseRow.state == CaseState.OPEN, col(CaseOrderRow.left_at).is_(None))
    )
    dates: defaultdict[str, list[tuple[datetime, datetime]]] = defaultdict(list)
    money: defaultdict[str, defaultdict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    with db.read() as session:
        for cause, opened_at, deadline in session.exec(opened):
            dates[family(cause)].append((opened_at, deadline))
        for cause, currency, total in session.exec(at_risk):
            if currency is not None and total is not None:
                money[family(cause)][currency] += total
    return tuple(
        CasesAlike(
            family=name,
            cases=len(each),
            overdue=sum(deadline < at for _, deadline in each),
            oldest_at=min(opened_at for opened_at, _ in each),
            money_at_risk=dict(money[name]),
        )
        for name, each in sorted(dates.items())
    )


def _certificates(db: Database) -> tuple[Certified, ...]:
    newest = select(func.max(col(CertificateRow.id))).group_by(col(CertificateRow.channel))
    sweeps = select(CertificateRow.sweep_id).where(col(CertificateRow.id).in_(newest))
    query = (
        select(CertificateRow)
        .where(col(CertificateRow.sweep_id).in_(sweeps))
        .order_by(col(CertificateRow.channel), col(CertificateRow.id))
    )
    with db.read() as session:
        return tuple(
            Certified(
                channel=row.channel, flow=row.flow, placed=row.placed, unexplained=row.unexplained, at=row.at
            )
            for row in session.exec(query)
        )


def _silent(db: Database) -> dict[str, bool]:
    with db.read() as session:
        rows = session.exec(select(SilenceRow.channel, SilenceRow.alarm_since)).all()
    return {channel: alarm_since is not None for channel, alarm_since in rows}
