"""Tables of stock: what the ERP told, what orders claim, what each storefront shows, and what is to be told it."""

from datetime import datetime
from typing import Any
from zlib import crc32

from sqlalchemy import JSON, BigInteger, Index, Integer, String, Text
from sqlmodel import Field, Session, col, update

from store.columns import Row, UtcTime
from store.database import insert_or_ignore

SHARDS = 64
"""Into so many parts SKUs are divided; each pusher of a channel takes the same number of them."""


class StockClockRow(Row, table=True):
    """Table ``stock_clock``: one row with a number that only grows; see ``draw_token``."""

    __tablename__ = "stock_clock"

    id: int = Field(primary_key=True, sa_type=Integer)
    token: int = Field(sa_type=BigInteger)


class ErpStockRow(Row, table=True):
    """Table ``erp_stock``: the ERP's last word on a product at a warehouse; ``token`` is of the reading's beginning."""

    __tablename__ = "erp_stock"

    product: str = Field(primary_key=True, sa_type=String(100))
    warehouse: str = Field(primary_key=True, sa_type=String(60))
    on_hand: int = Field(sa_type=BigInteger)
    allocated: int = Field(sa_type=BigInteger)
    reserved: int = Field(sa_type=BigInteger)
    incoming: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSON)
    token: int = Field(sa_type=BigInteger)
    read_at: datetime = Field(sa_type=UtcTime)


class ErpKitPartRow(Row, table=True):
    """Table ``erp_kit_part``: a component of a kit."""

    __tablename__ = "erp_kit_part"
    __table_args__ = (Index("ix_erp_kit_part_component", "component"),)

    kit: str = Field(primary_key=True, sa_type=String(100))
    component: str = Field(primary_key=True, sa_type=String(100))
    units: int = Field(sa_type=Integer)


class ErpUnreadRow(Row, table=True):
    """Table ``erp_unread``: a product whose stock orders changed; a reading that began before ``token`` does not do."""

    __tablename__ = "erp_unread"

    product: str = Field(primary_key=True, sa_type=String(100))
    token: int = Field(sa_type=BigInteger)
    due_at: datetime | None = Field(default=None, sa_type=UtcTime)
    """Not before this: the ERP refused to tell of it. None: at once."""


class StockClaimRow(Row, table=True):
    """Table ``stock_claim``: what an order claims of a SKU at a location; see ``store.claims``."""

    __tablename__ = "stock_claim"
    __table_args__ = (
        Index("ix_stock_claim_product", "product", "live"),
        Index("ix_stock_claim_sku", "channel", "sku", "live"),
    )

    channel: str = Field(primary_key=True, sa_type=String(60))
    external_id: str = Field(primary_key=True, sa_type=String(100))
    sku: str = Field(primary_key=True, sa_type=String(100))
    location: str = Field(primary_key=True, sa_type=String(100))
    product: str = Field(sa_type=String(100))
    warehouse: str = Field(sa_type=String(60))
    due: int = Field(sa_type=Integer)
    open: int = Field(sa_type=Integer)
    awaiting: int = Field(sa_type=Integer)
    """Units that are due and not in the ERP."""
    entering: int = Field(sa_type=Integer)
    """Units that came into the ERP at ``entered_token``: a reading that began before does not hold them."""
    entered_token: int = Field(sa_type=BigInteger)
    live: bool = Field()
    """Whether it counts for anything: something of it is open, awaited or entering."""
    since: datetime = Field(sa_type=UtcTime)


class StockHeldRow(Row, table=True):
    """Table ``stock_held``: what the ERP has of an order, of a SKU at a warehouse."""

    __tablename__ = "stock_held"

    channel: str = Field(primary_key=True, sa_type=String(60))
    external_id: str = Field(primary_key=True, sa_type=String(100))
    sku: str = Field(primary_key=True, sa_type=String(100))
    warehouse: str = Field(primary_key=True, sa_type=String(60))
    quantity: int = Field(sa_type=Integer)


class ShownStockRow(Row, table=True):
    """Table ``shown_stock``: what a storefront showed of a SKU at a location when it was read or set last."""

    __tablename__ = "shown_stock"
    __table_args__ = (Index("ix_shown_stock_product", "product"),)

    channel: str = Field(primary_key=True, sa_type=String(60))
    sku: str = Field(primary_key=True, sa_type=String(100))
    location: str = Field(primary_key=True, sa_type=String(100))
    item_id: str = Field(sa_type=String(100))
    product: str = Field(sa_type=String(100))
    warehouse: str = Field(sa_type=String(60))
    tracked: bool = Field()
    available: int = Field(sa_type=BigInteger)
    committed: int = Field(sa_type=BigInteger)
    granted: int = Field(sa_type=BigInteger)
    """The most that it may show: ``available``, or more while a greater number is being set."""
    setting_since: datetime | None = Field(default=None, sa_type=UtcTime)
    """Since when a call is under way that sets it."""
    seen_at: datetime = Field(sa_type=UtcTime)
    set_at: datetime | None = Field(default=None, sa_type=UtcTime)
    """When we set it last."""
    problem: str = Field(default="", sa_type=Text)
    """Why it cannot be set, in words; empty where it can."""


class StockMarkRow(Row, table=True):
    """Table ``stock_mark``: a SKU of a channel whose number may have changed. However often: one row."""

    __tablename__ = "stock_mark"
    __table_args__ = (Index("ix_stock_mark_due", "channel", "due_at"),)

    channel: str = Field(primary_key=True, sa_type=String(60))
    sku: str = Field(primary_key=True, sa_type=String(100))
    shard: int = Field(sa_type=Integer)
    changes: int = Field(sa_type=BigInteger)
    """Grows with every change, so that one that comes while an earlier is told is not lost."""
    changed_at: datetime = Field(sa_type=UtcTime)
    """When the oldest change came that nobody was told of."""
    due_at: datetime = Field(sa_type=UtcTime)
    attempts: int = Field(default=0, sa_type=Integer)


class StockWholeRow(Row, table=True):
    """Table ``stock_whole``: a system whose stock was read from end to end since this database was new."""

    __tablename__ = "stock_whole"

    system: str = Field(primary_key=True, sa_type=String(60))
    """``erp``, or a channel."""
    began_at: datetime = Field(sa_type=UtcTime)
    whole_at: datetime | None = Field(default=None, sa_type=UtcTime)
    """When its end was reached for the first time; None while that has not happened."""


class StockGapRow(Row, table=True):
    """Table ``stock_gap``: a time in which a storefront showed more than could be sold."""

    __tablename__ = "stock_gap"
    __table_args__ = (
        Index("ix_stock_gap_sku", "channel", "sku", "location"),
        Index("ix_stock_gap_since", "since"),
    )

    id: int | None = Field(
        default=None, primary_key=True, sa_type=BigInteger().with_variant(Integer, "sqlite")
    )
    channel: str = Field(sa_type=String(60))
    sku: str = Field(sa_type=String(100))
    location: str = Field(sa_type=String(100))
    since: datetime = Field(sa_type=UtcTime)
    until: datetime | None = Field(default=None, sa_type=UtcTime)
    """None while it lasts."""
    most: int = Field(sa_type=BigInteger)
    """The most units that were shown beyond what could be sold."""


class StockHistoryRow(Row, table=True):
    """Table ``stock_history``: what was shown and what could be sold at a moment, where the two were not the same."""

    __tablename__ = "stock_history"
    __table_args__ = (Index("ix_stock_history_place", "channel", "sku", "location", "at"),)

    id: int | None = Field(
        default=None, primary_key=True, sa_type=BigInteger().with_variant(Integer, "sqlite")
    )
    channel: str = Field(sa_type=String(60))
    sku: str = Field(sa_type=String(100))
    location: str = Field(sa_type=String(100))
    at: datetime = Field(sa_type=UtcTime, index=True)
    shown: int = Field(sa_type=BigInteger)
    sellable: int = Field(sa_type=BigInteger)


def shard_of(sku: str) -> int:
    """The shard of a SKU; the same on every machine."""
    return crc32(sku.encode()) % SHARDS


def draw_token(session: Session) -> int:
    """The next number of the clock. Whoever draws later, in another transaction too, gets a greater one."""
    insert_or_ignore(session, StockClockRow, {"id": 1, "token": 0})
    drawn = session.connection().execute(_DRAW).scalar_one()
    assert isinstance(drawn, int)
    return drawn


_DRAW = update(StockClockRow).values(token=col(StockClockRow.token) + 1).returning(col(StockClockRow.token))
