"""Certificates: what each sweep counted, and up to when every order of a channel was counted."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import JSON, BigInteger, Index, Integer, String, UniqueConstraint, func
from sqlmodel import Field, Session, col, delete, select

from domain.certificate import SweepWindow, Tally, watermark_after
from domain.completeness import Explanation, Flow
from domain.model import Frozen, Instant
from store.columns import Row, UtcTime, words
from store.database import Database, insert_or_ignore
from store.inbox import InboxRow
from store.order_view import OrderViewRow

Also = Callable[[Session, Tally, Tally | None], None]
KEEP = timedelta(days=90)
"""Older certificates go when a new one is written."""


class CertificateRow(Row, table=True):
    """Table ``certificate``: one row a flow of a sweep. ``tally`` is a ``Tally`` without its flow."""

    __tablename__ = "certificate"
    __table_args__ = (
        UniqueConstraint("sweep_id", "flow", name="uq_certificate_sweep_flow"),
        Index("ix_certificate_channel", "channel", "id"),
    )

    id: int | None = Field(
        default=None, primary_key=True, sa_type=BigInteger().with_variant(Integer, "sqlite")
    )
    sweep_id: str = Field(sa_type=String(200))
    channel: str = Field(sa_type=String(60))
    flow: Flow = Field(sa_type=words(Flow))
    since: datetime = Field(sa_type=UtcTime)
    before: datetime = Field(sa_type=UtcTime)
    placed: int
    there: int
    unexplained: int
    tally: dict[str, Any] = Field(sa_type=JSON)
    watermark: datetime = Field(sa_type=UtcTime)
    began: datetime = Field(sa_type=UtcTime)
    at: datetime = Field(sa_type=UtcTime)


class Certificate(Frozen):
    """One flow of one sweep."""

    channel: str
    window: SweepWindow
    tally: Tally
    watermark: Instant
    """Every order placed before it was counted, by this sweep or an earlier one."""
    began: Instant
    """Since when the channel is ours."""
    at: Instant


class Coverage(Frozen):
    """What earlier sweeps of a channel leave to the next."""

    watermark: Instant | None = None
    began: Instant | None = None
    """When Orderwright was put in charge of the channel, as far as anything tells."""
    open: tuple[str, ...] = ()
    """External ids that were not settled."""
    repaired: Mapping[str, tuple[Explanation, ...]] = {}
    """What the last sweep repaired, by external id."""


class Certificates:
    """The certificates' queries."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def coverage(self, channel: str) -> Coverage:
        """What the last sweep left; before the first one, since when the channel is ours."""
        last = self.latest(channel)
        if not last:
            return Coverage(began=self._first_sign(channel))
        repaired: dict[str, set[Explanation]] = {}
        for certificate in last:
            for finding in certificate.tally.findings:
                if finding.repair != "none":
                    repaired.setdefault(finding.key.external_id, set()).add(finding.explanation)
        return Coverage(
            watermark=last[0].watermark,
            began=last[0].began,
            open=tuple(dict.fromkeys(each for certificate in last for each in certificate.tally.open)),
            repaired={each: tuple(sorted(names)) for each, names in repaired.items()},
        )

    def keep(
        self,
        sweep_id: str,
        channel: str,
        window: SweepWindow,
        tallies: Iterable[Tally],
        *,
        began: datetime,
        also: Also = lambda _session, _tally, _before: None,
    ) -> tuple[Certificate, ...]:
        """Keep a sweep's certificates; keeping them again changes nothing.

        ``also`` is called for each tally within the transaction, with what the sweep before counted in its flow. The
        watermark moves on only where no gap is left.
        """
        now = datetime.now(UTC)
        with self._db.write(lasting=True) as session:
            newest = _newest(session, channel, besides=sweep_id)
            watermark = watermark_after(window, newest.watermark if newest else None)
            for tally in tallies:
                values = {
                    "sweep_id": sweep_id,
                    "channel": channel,
                    "flow": tally.flow,
                    "since": window.since,
                    "before": window.before,
                    "placed": tally.placed,
                    "there": tally.there,
                    "unexplained": tally.unexplained,
                    "tally": tally.model_dump(mode="json"),
                    "watermark": watermark,
                    "began": newest.began if newest else began,
                    "at": now,
                }
                if insert_or_ignore(session, CertificateRow, values):
                    also(session, tally, _tally_before(session, newest, tally.flow))
            session.exec(delete(CertificateRow).where(col(CertificateRow.at) < now - KEEP))
        return self.of_sweep(sweep_id)

    def latest(self, channel: str) -> tuple[Certificate, ...]:
        """The last sweep's certificates, one a flow; none before the first sweep."""
        with self._db.read() as session:
            newest = _newest(session, channel)
        if newest is None:
            return ()
        return self.of_sweep(newest.sweep_id)

    def of_sweep(self, sweep_id: str) -> tuple[Certificate, ...]:
        """One sweep's certificates, one a flow."""
        query = select(CertificateRow).where(CertificateRow.sweep_id == sweep_id)
        with self._db.read() as session:
            rows = session.exec(query.order_by(col(CertificateRow.id))).all()
            return tuple(_certificate(row) for row in rows)

    def _first_sign(self, channel: str) -> datetime | None:
        """When the first webhook came, or the first order that we know was placed."""
        webhook = select(func.min(col(InboxRow.received_at))).where(InboxRow.channel == channel)
        order = select(func.min(col(OrderViewRow.placed_at))).where(OrderViewRow.channel == channel)
        with self._db.read() as session:
            signs = [session.exec(webhook).one(), session.exec(order).one()]
        return min((sign for sign in signs if sign is not None), default=None)


def _newest(session: Session, channel: str, besides: str = "") -> CertificateRow | None:
    query = select(CertificateRow).where(
        CertificateRow.channel == channel, CertificateRow.sweep_id != besides
    )
    return session.exec(query.order_by(col(CertificateRow.id).desc()).limit(1)).first()


def _tally_before(session: Session, newest: CertificateRow | None, flow: Flow) -> Tally | None:
    if newest is None:
        return None
    query = select(CertificateRow).where(
        CertificateRow.sweep_id == newest.sweep_id, CertificateRow.flow == flow
    )
    row = session.exec(query).first()
    return Tally.model_validate(row.tally) if row else None


def _certificate(row: CertificateRow) -> Certificate:
    return Certificate(
        channel=row.channel,
        window=SweepWindow(since=row.since, before=row.before),
        tally=Tally.model_validate(row.tally),
        watermark=row.watermark,
        began=row.began,
        at=row.at,
    )
