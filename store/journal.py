"""Side effects record themselves: one call writes an act's order view, audit, crosswalk and ERP news together."""

from domain.erp_order import ErpOrder
from domain.model import Frozen
from domain.order import OrderKey
from store import erp_news
from store.audit import AuditEntry, add_entry
from store.crosswalk import Link, add_link
from store.database import Database
from store.order_view import OrderPatch, apply_patch


class Entry(Frozen):
    """What one act of an order's workflow did. ``erp`` is the ERP's order where this act told the workflow of it."""

    key: OrderKey
    revision: int
    action: str
    actor: str
    text: str
    patch: OrderPatch
    links: tuple[Link, ...] = ()
    erp: ErpOrder | None = None


class Journal:
    """Writes entries; all of one or nothing."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def note(self, entry: Entry) -> None:
        """Write an entry; writing it again changes nothing. Raises DatabaseUnavailable, CrosswalkConflict."""
        once = f"{entry.key}/{entry.revision}/{entry.action}/{entry.text[:80]}"
        with self._db.write() as session:
            apply_patch(session, entry.key, entry.revision, entry.patch)
            add_entry(
                session,
                AuditEntry(key=entry.key, once=once, actor=entry.actor, action=entry.action, text=entry.text),
            )
            for link in entry.links:
                add_link(session, link)
            if entry.erp is not None:
                erp_news.note(session, entry.erp)
