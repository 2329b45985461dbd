"""What the store can tell in numbers, for metrics: a few queries together, none of which reads a whole row."""

from datetime import datetime

from sqlalchemy import case, func
from sqlmodel import col, select

from domain.connection import Connection
from domain.model import Frozen, Instant
from domain.status import OrderStatus
from store.connections import Connections
from store.database import Database
from store.inbox import Backlog, Inbox
from store.order_view import OrderViewRow


class OrdersAlike(Frozen):
    """The orders of one channel that stand alike."""

    channel: str
    status: OrderStatus
    orders: int


class OrdersWaiting(Frozen):
    """The orders of one channel whose problem waits for a person."""

    channel: str
    orders: int
    oldest_since: Instant | None


class Figures(Frozen):
    """All of it, as of ``at``."""

    at: Instant
    orders: tuple[OrdersAlike, ...]
    waiting: tuple[OrdersWaiting, ...]
    """One entry for every channel that has orders, also where none waits."""
    inbox: Backlog
    connections: tuple[Connection, ...]


def read_figures(db: Database, at: datetime) -> Figures:
    """Read them. Raises DatabaseUnavailable."""
    return Figures(
        at=at,
        orders=_orders(db),
        waiting=_waiting(db),
        inbox=Inbox(db).backlog(),
        connections=Connections(db).all(),
    )


def _orders(db: Database) -> tuple[OrdersAlike, ...]:
    alike = (col(OrderViewRow.channel), col(OrderViewRow.status))
    with db.read() as session:
        rows = session.exec(select(*alike, func.count()).group_by(*alike).order_by(*alike)).all()
    return tuple(OrdersAlike(channel=channel, status=status, orders=count) for channel, status, count in rows)


def _waiting(db: Database) -> tuple[OrdersWaiting, ...]:
    waits = (col(OrderViewRow.problem) != "") & col(OrderViewRow.closed_at).is_(None)
    channel = col(OrderViewRow.channel)
    count, oldest = func.count(case((waits, 1))), func.min(case((waits, col(OrderViewRow.updated_at))))
    with db.read() as session:
        rows = session.exec(select(channel, count, oldest).group_by(channel).order_by(channel)).all()
    return tuple(
        OrdersWaiting(channel=name, orders=orders, oldest_since=since) for name, orders, since in rows
    )
