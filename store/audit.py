"""The audit: who did what to which order, when. Rows are added, never changed."""

from datetime import UTC, datetime

from sqlalchemy import BigInteger, Index, Integer, String, Text
from sqlmodel import Field, Session, col, select

from domain.model import Frozen, Instant
from domain.order import OrderKey
from store.columns import Row, UtcTime
from store.database import Database, insert_or_ignore
from store.masking import mask_emails


class AuditRow(Row, table=True):
    """Table ``audit``. ``once`` is unique: an activity that runs again writes no second row."""

    __tablename__ = "audit"
    __table_args__ = (Index("ix_audit_order", "channel", "external_id", "id"),)

    id: int | None = Field(
        default=None, primary_key=True, sa_type=BigInteger().with_variant(Integer, "sqlite")
    )
    once: str = Field(sa_type=String(300), unique=True)
    channel: str = Field(sa_type=String(60))
    external_id: str = Field(sa_type=String(100))
    at: datetime = Field(sa_type=UtcTime)
    actor: str = Field(sa_type=String(100))
    action: str = Field(sa_type=String(60))
    text: str = Field(sa_type=Text)


class AuditEntry(Frozen):
    """One act: ``action`` is the activity's name, ``text`` a sentence."""

    key: OrderKey
    once: str
    actor: str
    action: str
    text: str


class AuditedAct(Frozen):
    """A row of the audit as it is shown."""

    at: Instant
    actor: str
    action: str
    text: str


class Audit:
    """The audit's queries."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def for_order(self, key: OrderKey) -> tuple[AuditedAct, ...]:
        """All acts on an order, oldest first."""
        query = (
            select(AuditRow)
            .where(AuditRow.channel == key.channel, AuditRow.external_id == key.external_id)
            .order_by(col(AuditRow.id))
        )
        with self._db.read() as session:
            return tuple(
                AuditedAct(at=row.at, actor=row.actor, action=row.action, text=row.text)
                for row in session.exec(query).all()
            )


def add_entry(session: Session, entry: AuditEntry) -> bool:
    """Write an act in the caller's transaction. False where it was written before."""
    values = entry.model_dump(exclude={"key"}) | {
        "channel": entry.key.channel,
        "external_id": entry.key.external_id,
        "at": datetime.now(UTC),
        "text": mask_emails(entry.text),
    }
    return insert_or_ignore(session, AuditRow, values)
