"""What an order was last told of the ERP, so that the change feed signals it only when there is news.

Every change in the ERP comes through the feed, our own writes and each move of a carton among them; an order needs to
hear of what left the house, what was canceled and what its lines are, its returns of what came back. One that waits for
the warehouse to put goods back hears of what is picked, too.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from typing import Any

from sqlalchemy import JSON, Executable, String, bindparam, case
from sqlmodel import Field, Session, col, select, update

from domain.erp_order import ErpOrder, ErpOrderState, ErpShipmentState
from domain.model import Frozen
from domain.order import OrderKey
from domain.unit_cancels import hands_on
from store.columns import Row, UtcTime
from store.database import Database, insert_into


class ErpNewsRow(Row, table=True):
    """Table ``erp_news``: one row an order."""

    __tablename__ = "erp_news"

    order_key: str = Field(primary_key=True, sa_type=String(200))
    digest: str = Field(sa_type=String(64))
    back: dict[str, str] | None = Field(default=None, sa_type=JSON)
    """By return, what its workflow was told last."""
    hands: str | None = Field(default=None, sa_type=String(16))
    """What it was told last of what warehouses have in hand; None while it need not hear of that."""
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
    if erp.given_up:
        news["given_up"] = erp.given_up
    return _hashed(news)


def _back(erp: ErpOrder) -> dict[str, str]:
    """By return, what stands for the goods that came back."""
    return {
        each.return_id: _hashed(sorted((x.line_id, x.quantity) for x in each.received))[:16]
        for each in erp.returns
    }


def _hands(erp: ErpOrder) -> str:
    """Stands for what warehouses have in hand."""
    return _hashed(sorted((shipment, str(state)) for shipment, state in hands_on(erp).items()))[:16]


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
        told = {row.order_key: (row.digest, row.back, row.hands) for row in found}
    news = (_news(order, *told.get(str(order.key), (None, None, None))) for order in orders)
    return tuple(each for each in news if each is not None)


def _news(erp: ErpOrder, told: str | None, back: dict[str, str] | None, hands: str | None) -> News | None:
    if told is None:
        left = any(s.state is ErpShipmentState.SHIPPED for s in erp.shipments)
        return News(erp=erp) if left or erp.state is ErpOrderState.CANCELED else None
    now, before = _back(erp), back or {}
    in_hand = hands is not None and hands != _hands(erp)
    if told != digest(erp) or before.keys() - now.keys() or in_hand:
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
        "for_order": str(erp.key),
        "now": digest(erp),
        "now_back": _back(erp),
        "now_told_at": datetime.now(UTC),
        "now_hands": _hands(erp),
    }
    session.connection().execute(_note(session.get_bind().dialect.name), values)


def listen_to_hands(db: Database, key: OrderKey, erp: ErpOrder | None = None) -> None:
    """From now on the order hears of what warehouses pick and put back; of what they have in ``erp`` it knows."""
    known = "" if erp is None else _hands(erp)
    with db.write() as session:
        session.exec(update(ErpNewsRow).where(col(ErpNewsRow.order_key) == str(key)).values(hands=known))


def note_return(session: Session, erp: ErpOrder, return_id: str) -> None:
    """``note`` of one return alone, which its own act told of: what else the ERP has is news to the order still."""
    row = session.get(ErpNewsRow, str(erp.key))
    if row is not None and return_id in (now := _back(erp)):
        row.back = {**(row.back or {}), return_id: now[return_id]}


_TOLD = select(ErpNewsRow.order_key, ErpNewsRow.digest, ErpNewsRow.back, ErpNewsRow.hands).where(
    col(ErpNewsRow.order_key).in_(bindparam("keys", expanding=True))
)


@cache
def _note(dialect: str) -> Executable:
    new: dict[str, Any] = {
        "digest": bindparam("now"),
        "back": bindparam("now_back"),
        "told_at": bindparam("now_told_at"),
    }
    insert = insert_into(ErpNewsRow, dialect).values(order_key=bindparam("for_order"), **new)
    excluded = insert.excluded
    known = {"digest": excluded.digest, "back": excluded.back, "told_at": excluded.told_at}
    hands = case((col(ErpNewsRow.hands).is_not(None), bindparam("now_hands")))
    return insert.on_conflict_do_update(index_elements=["order_key"], set_={**known, "hands": hands})
