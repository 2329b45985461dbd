"""What an order was last told of the ERP, so that the change feed signals it only when there is news.

Every change in the ERP comes through the feed, our own writes and each move of a carton among them; an order needs to
hear of what left the house, what was canceled and what its lines are, its returns of what came back.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256

from sqlalchemy import JSON, Executable, String, bindparam
from sqlmodel import Field, Session, col, select

from domain.erp_order import ErpOrder, ErpOrderState, ErpShipmentState
from domain.model import Frozen
from store.columns import Row, UtcTime
from store.database import Database, insert_into


class ErpNewsRow(Row, table=True):
    """Table ``erp_news``: one row an order."""

    __tablename__ = "erp_news"

    order_key: str = Field(primary_key=True, sa_type=String(200))
    digest: str = Field(sa_type=String(64))
    back: dict[str, str] | None = Field(default=None, sa_type=JSON)
    """By return, what its workflow was told last."""
    told_at: datetime = Field(sa_type=UtcTime)


class News(Frozen):
    """An order that the ERP holds otherwise than it was told."""

    erp: ErpOrder
    returns_alone: tuple[str, ...] = ()
    """The returns that differ, where nothing else of the order does; empty where something does."""


def digest(erp: ErpOrder) -> str:
    """Stands for what moves an order on, returns apart: equal parts have equal digests."""
    left = sorted(
        (s.model_dump(mode="json") for s in erp.shipments if s.state is ErpShipmentState.SHIPPED),
        key=lambda s: str(s["shipment_id"]),
    )
    lines = sorted((line.model_dump(mode="json") for line in erp.lines), key=str)
    news: dict[str, object] = {"canceled": erp.state is ErpOrderState.CANCELED, "left": left, "lines": lines}
    if erp.backorders:
        news["backorders"] = sorted((part.model_dump(mode="json") for part in erp.backorders), key=str)
    return _hashed(news)


def _back(erp: ErpOrder) -> dict[str, str]:
    """By return, what stands for the goods that came back."""
    return {
        each.return_id: _hashed(sorted((x.line_id, x.quantity) for x in each.received))[:16]
        for each in erp.returns
    }


def _hashed(news: object) -> str:
    return sha256(json.dumps(news, sort_keys=True).encode()).hexdigest()


def news_among(db: Database, orders: Sequence[ErpOrder]) -> tuple[News, ...]:
    """Those that have not been told this yet.

    An order that nobody has noted is still being submitted: the submission reads the ERP itself, so only what left
    the house or was canceled meanwhile is news.
    """
    if not orders:
        return ()
    with db.read() as session:
        found = session.connection().execute(_TOLD, {"keys": [str(order.key) for order in orders]})
        told = {row.order_key: (row.digest, row.back) for row in found}
    news = (_news(order, *told.get(str(order.key), (None, None))) for order in orders)
    return tuple(each for each in news if each is not None)


def _news(erp: ErpOrder, told: str | None, back: dict[str, str] | None) -> News | None:
    if told is None:
        left = any(s.state is ErpShipmentState.SHIPPED for s in erp.shipments)
        return News(erp=erp) if left or erp.state is ErpOrderState.CANCELED else None
    now, before = _back(erp), back or {}
    if told != digest(erp) or before.keys() - now.keys():
        return News(erp=erp)
    changed = tuple(return_id for return_id, units in now.items() if before.get(return_id) != units)
    return News(erp=erp, returns_alone=changed) if changed else None


def remember(db: Database, orders: Sequence[ErpOrder]) -> None:
    """Note that the orders know the ERP's state."""
    if not orders:
        return
    with db.write() as session:
        for erp in orders:
            note(session, erp)


def note(session: Session, erp: ErpOrder) -> None:
    """``remember`` of one, within a caller's transaction."""
    values = {
        "order_key": str(erp.key),
        "digest": digest(erp),
        "back": _back(erp),
        "told_at": datetime.now(UTC),
    }
    session.connection().execute(_note(session.get_bind().dialect.name), values)


def note_return(session: Session, erp: ErpOrder, return_id: str) -> None:
    """``note`` of one return alone, which its own act told of: what else the ERP has is news to the order still."""
    row = session.get(ErpNewsRow, str(erp.key))
    if row is not None and return_id in (now := _back(erp)):
        row.back = {**(row.back or {}), return_id: now[return_id]}


_TOLD = select(ErpNewsRow.order_key, ErpNewsRow.digest, ErpNewsRow.back).where(
    col(ErpNewsRow.order_key).in_(bindparam("keys", expanding=True))
)


@cache
def _note(dialect: str) -> Executable:
    insert = insert_into(ErpNewsRow, dialect)
    new = {"digest": insert.excluded.digest, "back": insert.excluded.back, "told_at": insert.excluded.told_at}
    return insert.on_conflict_do_update(index_elements=["order_key"], set_=new)
