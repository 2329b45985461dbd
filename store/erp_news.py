"""What an order was last told of the ERP, so that the change feed signals it only when there is news.

Every change in the ERP comes through the feed, our own writes and each move of a carton among them; an order needs to
hear of what left the house, what was canceled and what its lines are.
"""

import json
from datetime import UTC, datetime
from hashlib import sha256

from sqlalchemy import String
from sqlmodel import Field, Session

from domain.erp_order import ErpOrder, ErpOrderState, ErpShipmentState
from store.columns import Row, UtcTime
from store.database import Database


class ErpNewsRow(Row, table=True):
    """Table ``erp_news``: one row an order."""

    __tablename__ = "erp_news"

    order_key: str = Field(primary_key=True, sa_type=String(200))
    digest: str = Field(sa_type=String(64))
    told_at: datetime = Field(sa_type=UtcTime)


def digest(erp: ErpOrder) -> str:
    """Stands for the part of the ERP's order that moves its workflow on; equal parts have equal digests."""
    left = sorted(
        (s.model_dump(mode="json") for s in erp.shipments if s.state is ErpShipmentState.SHIPPED),
        key=lambda s: str(s["shipment_id"]),
    )
    lines = sorted((line.model_dump(mode="json") for line in erp.lines), key=str)
    news = {"canceled": erp.state is ErpOrderState.CANCELED, "left": left, "lines": lines}
    return sha256(json.dumps(news, sort_keys=True).encode()).hexdigest()


def is_news(db: Database, erp: ErpOrder) -> bool:
    """Whether the order has not been told this yet.

    An order that nobody has noted is still being submitted: the submission reads the ERP itself, so only what left
    the house or was canceled meanwhile is news.
    """
    with db.read() as session:
        row = session.get(ErpNewsRow, str(erp.key))
    if row is None:
        return erp.state is ErpOrderState.CANCELED or any(
            s.state is ErpShipmentState.SHIPPED for s in erp.shipments
        )
    return row.digest != digest(erp)


def remember(db: Database, erp: ErpOrder) -> None:
    """Note that the order knows the ERP's state."""
    with db.write() as session:
        note(session, erp)


def note(session: Session, erp: ErpOrder) -> None:
    """``remember`` within a caller's transaction."""
    row = session.get(ErpNewsRow, str(erp.key))
    if row is None:
        session.add(ErpNewsRow(order_key=str(erp.key), digest=digest(erp), told_at=datetime.now(UTC)))
    else:
        row.digest, row.told_at = digest(erp), datetime.now(UTC)
