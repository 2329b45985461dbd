"""Cases: what waits for a person, by cause; their lists, and what an operator does about them."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal

from sqlalchemy import func
from sqlmodel import Session, col, select

from domain.case_guides import CaseAct, CaseGuide
from domain.cases import CaseState, guide
from domain.model import Amount, Currency, Frozen, Instant
from domain.order import OrderKey
from domain.status import OrderStatus
from store.case_tables import (
    CaseActRow,
    CaseOrderRow,
    CaseRow,
    add_act,
    reason_to_wait,
    release_order,
    report_case,
    settle_case,
)
from store.database import Database
from store.order_view import OrderViewRow

__all__ = ["Cases", "add_act", "reason_to_wait", "release_order", "report_case", "settle_case"]

MOST_LOOKED_UP = 1_000
PER = 1000
"""Orders that minutes of fixing are told for."""


class MoneyAtRisk(Frozen):
    """What the waiting orders of one currency are worth."""

    currency: Currency
    amount: Amount


class CaseSummary(Frozen):
    """A case as lists show it."""

    id: int
    cause: str
    title: str
    state: CaseState
    reason: str
    opened_at: Instant
    deadline: Instant
    waiting: int
    """Orders that wait in it now."""
    orders: int
    """All that ever did."""
    money_at_risk: tuple[MoneyAtRisk, ...]
    """Of the orders that wait, by currency, never mixed."""
    assigned_to: str
    resolved_at: Instant | None
    resolved_by: str
    resolution: str

    @property
    def guide(self) -> CaseGuide:
        """What it means and what helps."""
        return guide(self.cause)

    @property
    def minutes_open(self) -> float | None:
        """From open to resolved; None while it is open."""
        return None if self.resolved_at is None else _minutes(self.opened_at, self.resolved_at)


class CaseOrder(Frozen):
    """An order in a case."""

    key: OrderKey
    number: str
    since: Instant
    reason: str
    reports: int
    left_at: Instant | None
    total: Amount | None
    currency: Currency | None
    status: OrderStatus | None = None
    waits_in: int | None = None
    """Another case, that it waits in now."""


class TriedAct(Frozen):
    """What somebody did about a case."""

    at: Instant
    actor: str
    act: str
    reason: str
    text: str


class CaseDetail(Frozen):
    """A case whole: those that wait first, then those that went on."""

    summary: CaseSummary
    orders: tuple[CaseOrder, ...]
    tried: tuple[TriedAct, ...]
    evidence: str
    mark: str
    """Is another one whenever an order comes, goes on, or comes back: a decision is about what was shown."""

    @property
    def waiting(self) -> tuple[CaseOrder, ...]:
        """The orders that wait now."""
        return tuple(order for order in self.orders if order.left_at is None)


class FixingTime(Frozen):
    """How long people took in a window: cases resolved in it, orders placed in it."""

    since: Instant
    until: Instant
    cases: int
    minutes: float
    orders: int

    @property
    def minutes_per_thousand_orders(self) -> float | None:
        """None where no order was placed."""
        return self.minutes * PER / self.orders if self.orders else None


class Cases:
    """The cases' queries and the operator's acts. Every method may raise DatabaseUnavailable."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def list(
        self, state: CaseState | None = CaseState.OPEN, *, limit: int | None = None
    ) -> tuple[CaseSummary, ...]:
        """Cases, most money at risk first, then the nearest deadline; None: also those that are resolved.

        Amounts of different currencies are not converted: a case stands where its largest amount puts it.
        """
        query = select(CaseRow)
        if state is not None:
            query = query.where(CaseRow.state == state)
        with self._db.read() as session:
            found = _summaries(session, session.exec(query).all())
        return tuple(sorted(found, key=_urgency)[:limit])

    def latest(self, limit: int) -> tuple[CaseSummary, ...]:
        """The cases that were opened last, resolved ones included, the youngest first."""
        with self._db.read() as session:
            rows = session.exec(select(CaseRow).order_by(col(CaseRow.id).desc()).limit(limit)).all()
            found = {case.id: case for case in _summaries(session, rows)}
            return tuple(found[row.id] for row in rows if row.id is not None)

    def get(self, case_id: int, *, most: int | None = None) -> CaseDetail | None:
        """One case, with at most so many of its orders."""
        with self._db.read() as session:
            row = session.get(CaseRow, case_id)
            if row is None:
                return None
            acts = session.exec(
                select(CaseActRow).where(CaseActRow.case_id == case_id).order_by(col(CaseActRow.id))
            ).all()
            return CaseDetail(
                summary=_summaries(session, [row])[0],
                orders=_orders(session, case_id, most),
                tried=tuple(
                    TriedAct.model_validate(a.model_dump(include=set(TriedAct.model_fields))) for a in acts
                ),
                evidence=row.evidence,
                mark=_mark(session, case_id),
            )

    def of_order(self, key: OrderKey) -> tuple[CaseSummary, ...]:
        """The open cases that an order waits in, oldest first."""
        query = (
            select(CaseRow)
            .join(CaseOrderRow, col(CaseOrderRow.case_id) == col(CaseRow.id))
            .where(
                CaseOrderRow.channel == key.channel,
                CaseOrderRow.external_id == key.external_id,
                col(CaseOrderRow.left_at).is_(None),
                CaseRow.state == CaseState.OPEN,
            )
            .order_by(col(CaseRow.id))
        )
        with self._db.read() as session:
            return _summaries(session, session.exec(query).all())

    def record(self, case_id: int, act: CaseAct, *, once: str, actor: str, reason: str, text: str) -> bool:
        """Write down what was done about a case. False where it was written before."""
        with self._db.write(lasting=True) as session:
            return add_act(session, case_id, once=once, actor=actor, act=act.value, reason=reason, text=text)

    def assign(self, case_id: int, assignee: str, *, actor: str) -> bool:
        """Say who looks after a case; empty: nobody. False where there is no such open case."""
        with self._db.write(lasting=True) as session:
            row = session.get(CaseRow, case_id, with_for_update=True)
            if row is None or row.state is not CaseState.OPEN:
                return False
            if row.assigned_to != assignee:
                row.assigned_to = assignee
                now = datetime.now(UTC)
                text = f"Assigned to {assignee}" if assignee else "Assigned to nobody"
                once = f"{case_id}/assign/{now.isoformat()}"
                add_act(session, case_id, once=once, actor=actor, act="assign", reason="", text=text)
            return True

    def close_without_orders(self, case_id: int, *, resolution: str) -> bool:
        """Resolve a case that no order waits in, after an act was recorded. False where one does, or it is closed."""
        with self._db.write(lasting=True) as session:
            row = session.get(CaseRow, case_id)
            if row is None or row.state is not CaseState.OPEN:
                return False
            return settle_case(session, row.cause, resolution)

    def fixing_time(self, since: datetime, until: datetime) -> FixingTime:
        """Minutes from open to resolved of the cases resolved in [since, until), and the orders placed in it."""
        resolved = select(CaseRow.opened_at, CaseRow.resolved_at).where(
            CaseRow.state == CaseState.RESOLVED,
            col(CaseRow.resolved_at) >= since,
            col(CaseRow.resolved_at) < until,
        )
        placed = (
            select(func.count())
            .select_from(OrderViewRow)
            .where(col(OrderViewRow.placed_at) >= since, col(OrderViewRow.placed_at) < until)
        )
        with self._db.read() as session:
            spans = session.exec(resolved).all()
            orders = session.exec(placed).one()
        minutes = sum(_minutes(opened, closed) for opened, closed in spans if closed is not None)
        return FixingTime(since=since, until=until, cases=len(spans), minutes=minutes, orders=orders)


def _minutes(start: datetime, end: datetime) -> float:
    return (end - start).total_seconds() / 60


def _urgency(case: CaseSummary) -> tuple[Decimal, datetime, int]:
    most = max((risk.amount for risk in case.money_at_risk), default=Decimal(0))
    return -most, case.deadline, case.id


def _summaries(session: Session, rows: Iterable[CaseRow]) -> tuple[CaseSummary, ...]:
    cases = {row.id: row for row in rows if row.id is not None}
    counts = (
        select(CaseOrderRow.case_id, func.count(), func.count(col(CaseOrderRow.left_at)))
        .where(col(CaseOrderRow.case_id).in_(cases))
        .group_by(col(CaseOrderRow.case_id))
    )
    orders: dict[int, int] = {}
    waiting: dict[int, int] = {}
    for case_id, all_of_them, left in session.connection().execute(counts):
        orders[case_id], waiting[case_id] = all_of_them, all_of_them - left
    # Money is text in the tables, so that it stays exact; it is summed here, of those alone that wait.
    totals = (
        select(col(CaseOrderRow.case_id), col(OrderViewRow.currency), col(OrderViewRow.total))
        .join(OrderViewRow, _SAME_ORDER)
        .where(col(CaseOrderRow.case_id).in_(cases), col(CaseOrderRow.left_at).is_(None))
    )
    money: defaultdict[int, defaultdict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for case_id, currency, total in session.connection().execute(totals):
        if currency is not None and total is not None:
            money[case_id][currency] += total
    return tuple(
        CaseSummary(
            **row.model_dump(exclude={"evidence"}),
            waiting=waiting.get(case_id, 0),
            orders=orders.get(case_id, 0),
            money_at_risk=tuple(
                MoneyAtRisk(currency=currency, amount=amount)
                for currency, amount in sorted(money[case_id].items())
            ),
        )
        for case_id, row in cases.items()
    )


def _mark(session: Session, case_id: int) -> str:
    query = select(func.count(), func.sum(CaseOrderRow.reports), func.max(CaseOrderRow.since)).where(
        CaseOrderRow.case_id == case_id, col(CaseOrderRow.left_at).is_(None)
    )
    return "/".join(map(str, session.connection().execute(query).one()))


def _orders(session: Session, case_id: int, most: int | None) -> tuple[CaseOrder, ...]:
    query = (
        select(CaseOrderRow, OrderViewRow)
        .join(OrderViewRow, _SAME_ORDER, isouter=True)
        .where(CaseOrderRow.case_id == case_id)
        .order_by(col(CaseOrderRow.left_at).is_not(None), col(CaseOrderRow.since))
        .limit(most)
    )
    found = session.exec(query).all()
    elsewhere = _waits_elsewhere(session, case_id, [row.external_id for row, _ in found if row.left_at])
    return tuple(
        CaseOrder(
            key=OrderKey(channel=row.channel, external_id=row.external_id),
            status=view.status if view else None,
            waits_in=elsewhere.get((row.channel, row.external_id)),
            number=view.number if view else row.external_id,
            total=view.total if view else None,
            currency=view.currency if view else None,
            **row.model_dump(include={"since", "reason", "reports", "left_at"}),
        )
        for row, view in found
    )


def _waits_elsewhere(session: Session, case_id: int, external_ids: list[str]) -> dict[tuple[str, str], int]:
    """Of these orders, which case each waits in now, where it is another one."""
    query = (
        select(col(CaseOrderRow.channel), col(CaseOrderRow.external_id), col(CaseOrderRow.case_id))
        .join(CaseRow, col(CaseRow.id) == col(CaseOrderRow.case_id))
        .where(
            col(CaseOrderRow.external_id).in_(external_ids[:MOST_LOOKED_UP]),
            col(CaseOrderRow.left_at).is_(None),
            CaseRow.state == CaseState.OPEN,
            CaseOrderRow.case_id != case_id,
        )
    )
    return {(channel, number): other for channel, number, other in session.exec(query)}


_SAME_ORDER = (col(OrderViewRow.channel) == col(CaseOrderRow.channel)) & (
    col(OrderViewRow.external_id) == col(CaseOrderRow.external_id)
)
