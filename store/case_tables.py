"""The tables of cases, and what writers of order steps do with them in their own transaction.

A case row is locked before anybody looks at who waits in it, always in the order of the ids: of two orders that leave
at the same moment the second one sees that nobody is left, and a case that closes is never joined.
"""

from datetime import UTC, datetime, timedelta

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, Text, bindparam, func, text
from sqlmodel import Field, Session, col, select

from domain.cases import LONGEST_CAUSE, CaseReport, CaseState, case_key, guide
from domain.order import OrderKey
from store.columns import Row, UtcTime, words
from store.database import insert_or_ignore
from store.masking import mask_emails, mask_evidence

OURSELVES = "Orderwright"
WENT_ON = "all its orders went on"
_OPEN = text("state = 'open'")
_BigId = BigInteger().with_variant(Integer, "sqlite")


SWEEP = "sweep:"
"""Begins the step of what the sweep found."""
RETURN = "return "
"""Begins the step of everything that a return does."""
_AND = "|"
"""Between the steps of an order, and of its returns, that stopped for the same cause."""
LONGEST_STEP = 1000


class CaseRow(Row, table=True):
    """Table ``cases``: at most one open case a cause."""

    __tablename__ = "cases"
    __table_args__ = (
        Index("uq_cases_open_cause", "cause", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index("ix_cases_state", "state", "resolved_at"),
    )

    id: int | None = Field(default=None, primary_key=True)
    cause: str = Field(sa_type=String(LONGEST_CAUSE))
    title: str = Field(sa_type=Text)
    state: CaseState = Field(sa_type=words(CaseState))
    opened_at: datetime = Field(sa_type=UtcTime)
    deadline: datetime = Field(sa_type=UtcTime)
    reason: str = Field(sa_type=Text)
    """The words of the first report."""
    evidence: str = Field(default="", sa_type=Text)
    assigned_to: str = Field(default="", sa_type=String(100))
    resolved_at: datetime | None = Field(default=None, sa_type=UtcTime)
    resolved_by: str = Field(default="", sa_type=String(100))
    resolution: str = Field(default="", sa_type=Text)


class CaseOrderRow(Row, table=True):
    """Table ``case_order``: an order that waits, or waited, in a case."""

    __tablename__ = "case_order"
    __table_args__ = (Index("ix_case_order_waiting", "channel", "external_id", "left_at"),)

    case_id: int = Field(sa_column_args=[ForeignKey("cases.id")], primary_key=True, sa_type=Integer)
    channel: str = Field(primary_key=True, sa_type=String(60))
    external_id: str = Field(primary_key=True, sa_type=String(100))
    step: str = Field(sa_type=String(LONGEST_STEP))
    """The activity that stopped; empty where no step of the order is concerned."""
    reason: str = Field(sa_type=Text)
    since: datetime = Field(sa_type=UtcTime)
    reports: int = Field(default=1, sa_type=Integer)
    """How often it was reported: grows where a retry did not help."""
    left_at: datetime | None = Field(default=None, sa_type=UtcTime)


class CaseActRow(Row, table=True):
    """Table ``case_act``: what was tried, by whom. ``once`` is unique: a repeated click is one act."""

    __tablename__ = "case_act"
    __table_args__ = (Index("ix_case_act_case", "case_id", "id"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=_BigId)
    case_id: int = Field(sa_column_args=[ForeignKey("cases.id")], sa_type=Integer)
    once: str = Field(sa_type=String(200), unique=True)
    at: datetime = Field(sa_type=UtcTime)
    actor: str = Field(sa_type=String(100))
    act: str = Field(sa_type=String(20))
    reason: str = Field(sa_type=Text)
    text: str = Field(sa_type=Text)


def report_case(session: Session, report: CaseReport, *, step: str = "") -> int:
    """Open the case of a cause, or join the one that is open, in the caller's transaction; returns its id.

    ``step`` is the activity that stopped: the order leaves the cases that it waited in for the same step (an unknown
    SKU was mapped, now another is in the way). Reporting again changes nothing but the words and the count.
    """
    cause, now = case_key(report.cause), datetime.now(UTC)
    stays: dict[int, str] = {}
    if report.key is not None and step:
        found = _waits_in(session, report.key)
        stays = {case_id: _left_of(at, step) for case_id, at in found if step in at.split(_AND)}
    while True:
        told = guide(report.cause)
        opened = {
            "cause": cause,
            "title": mask_emails(told.title),
            "state": CaseState.OPEN,
            "opened_at": now,
            "deadline": now + timedelta(hours=told.hours),
            "reason": mask_emails(report.reason),
            "evidence": mask_evidence(report.evidence),
            "assigned_to": "",
            "resolved_by": "",
            "resolution": "",
        }
        insert_or_ignore(session, CaseRow, opened)
        held = _locked(session, (col(CaseRow.cause) == cause) | col(CaseRow.id).in_(stays))
        case = next((row for row in held if row.cause == cause), None)
        # Resolved by another writer between the insert that was ignored and the lock: then a new one is opened.
        if case is not None:
            break
    assert case.id is not None
    if not case.evidence:
        case.evidence = mask_evidence(report.evidence)
    if report.key is not None:
        _join(session, case.id, report.key, step, report.reason)
        for other in held:
            if other is not case and other.id is not None:
                _leave(session, other, report.key, stays[other.id])
    session.flush()
    return case.id


def release_order(session: Session, key: OrderKey, *, step: str | None = None) -> set[tuple[int, str]]:
    """The order goes on: it leaves its cases (the sweep's excepted), those of one ``step`` alone where it is given.

    A case that nobody waits in any more is resolved. In the caller's transaction; harmless where the order is in none.
    Returns the cases that it still waits in, each with its step.
    """
    found = _waits_in(session, key)
    stays = {case_id: _left_of(at, step) for case_id, at in found}
    changed = {case_id for case_id, at in found if stays[case_id] != at}
    for case in _locked(session, col(CaseRow.id).in_(changed)) if changed else ():
        assert case.id is not None
        _leave(session, case, key, stays[case.id])
    if changed:
        session.flush()
    return {(case_id, each) for case_id, at in stays.items() if at for each in at.split(_AND)}


def reason_to_wait(session: Session, key: OrderKey, case_id: int) -> str:
    """Why the order waits in a case."""
    return session.get_one(CaseOrderRow, (case_id, key.channel, key.external_id)).reason


def settle_case(session: Session, cause: str, resolution: str) -> bool:
    """What a case without orders was about is over (the channel speaks again); whether that resolved it.

    False also where there is no such open case. Orders that wait keep theirs open.
    """
    settled = [
        _resolve_if_empty(session, case, resolution)
        for case in _locked(session, col(CaseRow.cause) == case_key(cause))
    ]
    session.flush()
    return any(settled)


def add_act(
    session: Session, case_id: int, *, once: str, actor: str, act: str, reason: str, text: str
) -> bool:
    """Write down what somebody did about a case. False where it was written before."""
    values = {
        "case_id": case_id,
        "once": once,
        "at": datetime.now(UTC),
        "actor": actor,
        "act": act,
        "reason": mask_emails(reason),
        "text": mask_emails(text),
    }
    return insert_or_ignore(session, CaseActRow, values)


def _locked(session: Session, which: object) -> list[CaseRow]:
    query = (
        select(CaseRow)
        .where(which, col(CaseRow.state) == CaseState.OPEN)  # type: ignore[arg-type]  # an SQL condition
        .order_by(col(CaseRow.id))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return list(session.exec(query).all())


def _waits_in(session: Session, key: OrderKey) -> list[tuple[int, str]]:
    """The open cases that the order waits in, and the step of each."""
    return [(case_id, at) for case_id, at in session.connection().execute(_WAITS_IN, key.model_dump()).all()]


def _left_of(at: str, step: str | None) -> str:
    """What of the steps that a case holds of an order is left once it goes on with one; None: with its own work.

    What the sweep found stays until the sweep finds it mended, and a return's problem until that return goes on: no
    step of the order's workflow mends either.
    """
    steps = at.split(_AND)
    return _AND.join(x for x in steps if (x.startswith((SWEEP, RETURN)) if step is None else x != step))


def _together(at: str, step: str) -> str:
    """An order waits in a case at one step of its own, and each of its returns at one of that."""
    steps = [x for x in at.split(_AND) if x != step and (x.startswith(RETURN) or step.startswith(RETURN))]
    both = _AND.join([*steps, step])
    return both if len(both) <= LONGEST_STEP else step


# Asked with every step of every order, so it is made once.
_WAITS_IN = select(CaseOrderRow.case_id, CaseOrderRow.step).where(
    col(CaseOrderRow.channel) == bindparam("channel"),
    col(CaseOrderRow.external_id) == bindparam("external_id"),
    col(CaseOrderRow.left_at).is_(None),
)


def _join(session: Session, case_id: int, key: OrderKey, step: str, reason: str) -> None:
    now, reason = datetime.now(UTC), mask_emails(reason)
    values = {
        "case_id": case_id,
        "channel": key.channel,
        "external_id": key.external_id,
        "step": step,
        "reason": reason,
        "since": now,
        "reports": 1,
    }
    if insert_or_ignore(session, CaseOrderRow, values):
        return
    row = session.get_one(CaseOrderRow, (case_id, key.channel, key.external_id))
    if row.left_at is not None:
        row.left_at, row.since = None, now
    else:
        step = _together(row.step, step)
    row.step, row.reason, row.reports = step, reason, row.reports + 1


def _leave(session: Session, case: CaseRow, key: OrderKey, stays: str = "") -> None:
    """``stays``: other steps at which it waits in the case still."""
    row = session.get(CaseOrderRow, (case.id, key.channel, key.external_id))
    if row is not None and stays:
        row.step = stays
        return
    if row is not None and row.left_at is None:
        row.left_at = datetime.now(UTC)
        session.flush()
    _resolve_if_empty(session, case, WENT_ON)


def _resolve_if_empty(session: Session, case: CaseRow, resolution: str) -> bool:
    waiting = (
        select(func.count())
        .select_from(CaseOrderRow)
        .where(CaseOrderRow.case_id == case.id, col(CaseOrderRow.left_at).is_(None))
    )
    if session.exec(waiting).one():
        return False
    last = session.exec(
        select(CaseActRow)
        .where(CaseActRow.case_id == case.id, CaseActRow.act != "assign")
        .order_by(col(CaseActRow.id).desc())
    ).first()
    case.state, case.resolved_at = CaseState.RESOLVED, datetime.now(UTC)
    case.resolved_by = last.actor if last else OURSELVES
    case.resolution = f"{resolution} after {last.act}: {last.reason}" if last else resolution
    return True
