"""The crosswalk: which id a thing has in which system. Each id has one counterpart, both ways."""

from datetime import UTC, datetime

from sqlalchemy import String, UniqueConstraint, bindparam
from sqlmodel import Field, Session, col, delete, select

from domain.model import Frozen
from store.columns import Row, UtcTime
from store.database import Database, insert_or_ignore
from store.errors import CrosswalkConflict


class CrosswalkRow(Row, table=True):
    """Table ``crosswalk``."""

    __tablename__ = "crosswalk"
    __table_args__ = (
        UniqueConstraint("kind", "canonical_id", "system", name="uq_crosswalk_canonical"),
        UniqueConstraint("kind", "system", "external_id", name="uq_crosswalk_external"),
    )

    id: int | None = Field(default=None, primary_key=True)
    kind: str = Field(sa_type=String(40))
    canonical_id: str = Field(sa_type=String(200))
    system: str = Field(sa_type=String(60))
    external_id: str = Field(sa_type=String(200))
    linked_at: datetime = Field(sa_type=UtcTime)


class Link(Frozen):
    """``canonical_id`` of a ``kind`` (order, shipment, customer) is ``external_id`` in ``system``."""

    kind: str
    canonical_id: str
    system: str
    external_id: str

    def __str__(self) -> str:
        """The link in words."""
        return f"{self.kind} {self.canonical_id} is {self.external_id} in {self.system}"


class Crosswalk:
    """The crosswalk's queries."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def link(self, link: Link) -> bool:
        """Remember a link. False where it was known already. Raises CrosswalkConflict."""
        with self._db.write() as session:
            return add_link(session, link)

    def forget(self, link: Link) -> None:
        """Take a link back: its thing is gone from the other system."""
        with self._db.write() as session:
            session.exec(
                delete(CrosswalkRow).where(
                    col(CrosswalkRow.kind) == link.kind,
                    col(CrosswalkRow.canonical_id) == link.canonical_id,
                    col(CrosswalkRow.system) == link.system,
                    col(CrosswalkRow.external_id) == link.external_id,
                )
            )

    def external_id(self, kind: str, canonical_id: str, system: str) -> str | None:
        """The id of a thing of ours in another system."""
        of = {"kind": kind, "canonical_id": canonical_id, "system": system}
        with self._db.read() as session:
            return session.connection().execute(_EXTERNAL_ID, of).scalar()

    def canonical_id(self, kind: str, system: str, external_id: str) -> str | None:
        """Our id of another system's thing."""
        query = select(CrosswalkRow.canonical_id).where(
            CrosswalkRow.kind == kind,
            CrosswalkRow.system == system,
            CrosswalkRow.external_id == external_id,
        )
        with self._db.read() as session:
            return session.exec(query).first()

    def links(self, kind: str, canonical_id: str) -> tuple[Link, ...]:
        """All counterparts of a thing of ours, by system."""
        query = (
            select(CrosswalkRow)
            .where(CrosswalkRow.kind == kind, CrosswalkRow.canonical_id == canonical_id)
            .order_by(col(CrosswalkRow.system))
        )
        with self._db.read() as session:
            return tuple(_link(row) for row in session.exec(query).all())


_EXTERNAL_ID = select(CrosswalkRow.external_id).where(
    col(CrosswalkRow.kind) == bindparam("kind"),
    col(CrosswalkRow.canonical_id) == bindparam("canonical_id"),
    col(CrosswalkRow.system) == bindparam("system"),
)


def add_link(session: Session, link: Link) -> bool:
    """``Crosswalk.link`` within a caller's transaction."""
    values = link.model_dump() | {"linked_at": datetime.now(UTC)}
    if insert_or_ignore(session, CrosswalkRow, values):
        return True
    in_the_way = session.exec(
        select(CrosswalkRow).where(
            CrosswalkRow.kind == link.kind,
            CrosswalkRow.system == link.system,
            (col(CrosswalkRow.canonical_id) == link.canonical_id)
            | (col(CrosswalkRow.external_id) == link.external_id),
        )
    ).all()
    others = [known for known in map(_link, in_the_way) if known != link]
    if others:
        raise CrosswalkConflict(
            f"cannot note that {link}: already noted is that {' and '.join(map(str, others))}; "
            f"find out which is right and remove the other"
        )
    return False


def move_link(session: Session, link: Link) -> None:
    """A thing of ours has another counterpart from now on; the one before is forgotten. Raises CrosswalkConflict."""
    session.exec(
        delete(CrosswalkRow).where(
            col(CrosswalkRow.kind) == link.kind,
            col(CrosswalkRow.canonical_id) == link.canonical_id,
            col(CrosswalkRow.system) == link.system,
            col(CrosswalkRow.external_id) != link.external_id,
        )
    )
    add_link(session, link)


def _link(row: CrosswalkRow) -> Link:
    return Link(kind=row.kind, canonical_id=row.canonical_id, system=row.system, external_id=row.external_id)
