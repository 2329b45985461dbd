"""Side effects record themselves: one call writes an act's order view, audit, crosswalk, ERP news and case together."""

from sqlmodel import Session

from domain.cases import CaseReport
from domain.claims import OrderClaims
from domain.erp_order import ErpOrder
from domain.model import Frozen
from domain.order import OrderKey
from domain.status import OrderStatus
from store import erp_news
from store.audit import AuditEntry, add_entry
from store.case_tables import RETURN, SWEEP
from store.cases import reason_to_wait, release_order, report_case
from store.claims import forget_claims, note_claims
from store.crosswalk import Link, add_link, move_link
from store.database import Database
from store.order_view import OrderPatch, apply_beside, apply_patch

READ = "read_order"


class Entry(Frozen):
    """What one act of an order's workflow did.

    ``erp`` is the ERP's order where this act told the workflow of it; ``report`` the case of an act that stopped. An
    act without one worked: the order leaves the cases of that step, and all where ``patch`` clears the problem.
    """

    key: OrderKey
    revision: int
    action: str
    actor: str
    text: str
    patch: OrderPatch
    links: tuple[Link, ...] = ()
    moved: tuple[Link, ...] = ()
    """Links of things that have another counterpart from now on."""
    erp: ErpOrder | None = None
    return_id: str = ""
    """Where a return did it: it told of that return in ``erp``, and of nothing else."""
    report: CaseReport | None = None
    claims: OrderClaims | None = None
    """What became known of the stock that the order claims."""

    @property
    def of_return(self) -> bool:
        """Whether a return did it, which is carried beside its order: ``revision`` is then the return's own."""
        return self.action.startswith(RETURN)


class Journal:
    """Writes entries; all of one or nothing."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def note(self, entry: Entry) -> None:
        """Write an entry; writing it again changes nothing. Raises DatabaseUnavailable, CrosswalkConflict."""
        once = f"{entry.key}/{entry.revision}/{entry.action}/{entry.text[:80]}"
        with self._db.write() as session:
            timely = True
            if entry.of_return:
                apply_beside(session, entry.key, entry.patch)
            else:
                timely = apply_patch(session, entry.key, entry.revision, entry.patch)
            add_entry(
                session,
                AuditEntry(key=entry.key, once=once, actor=entry.actor, action=entry.action, text=entry.text),
            )
            for link in entry.links:
                add_link(session, link)
            for link in entry.moved:
                move_link(session, link)
            if entry.erp is not None and entry.return_id:
                erp_news.note_return(session, entry.erp, entry.return_id)
            elif entry.erp is not None:
                erp_news.note(session, entry.erp)
            if timely:
                _keep_cases(session, entry)
                _keep_claims(session, entry)


def _keep_claims(session: Session, entry: Entry) -> None:
    if entry.claims is not None:
        note_claims(session, entry.key, entry.claims)
    if entry.patch.closed_at is not None:
        forget_claims(session, entry.key)


def _keep_cases(session: Session, entry: Entry) -> None:
    """An attempt that was given up, but is still running somewhere, does not come here."""
    if entry.report is not None:
        report_case(session, entry.report, step=entry.action)
        return
    # Reading alone overcomes nothing: the step that stopped is still to come.
    only_read = entry.action == READ and entry.patch.status is not OrderStatus.IGNORED
    # What a return achieves is nothing to the cases that its order waits in otherwise.
    goes_on = entry.patch.problem == "" and not only_read and not entry.of_return
    waits = release_order(session, entry.key, step=None if goes_on else entry.action)
    if entry.patch.problem == "":
        _show_what_waits(session, entry, waits)


def _show_what_waits(session: Session, entry: Entry, waits: set[tuple[int, str]]) -> None:
    """An order and its returns stop each by itself: what one overcomes does not hide what the other waits for."""
    for case_id, step in sorted(waits):
        beside = step.startswith(RETURN) or (entry.of_return and not step.startswith(SWEEP))
        if beside and step != entry.action:
            reason = reason_to_wait(session, entry.key, case_id)
            patch = OrderPatch(problem=reason, waiting_for="a person: see its case")
            apply_beside(session, entry.key, patch)
            return
