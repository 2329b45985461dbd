"""Work that the store does a little later: ``orderCancel`` answers with a job, as Shopify's does."""

import json
import time
import uuid
from typing import Any

from sandbox.store import orders
from sandbox.store.outbox import Outbox
from sandbox.store.state import State


def schedule_cancel(
    state: State, order_id: int, reason: str, delay: float, *, restock: bool, refund: bool
) -> str:
    """Cancel an order in ``delay`` seconds; returns the job's id."""
    job_id = str(uuid.uuid4())
    work = {"order_id": order_id, "reason": reason, "restock": restock, "refund": refund}
    with state.transaction():
        state.rows("INSERT INTO job VALUES (?, ?, 0, ?)", (job_id, time.time() + delay, json.dumps(work)))
    return job_id


def run_due(state: State, outbox: Outbox) -> None:
    """Do the jobs whose time has come. One that is no longer possible is done without effect, as at
    Shopify.
    """
    for row in state.rows(
        "SELECT id, work FROM job WHERE done = 0 AND due <= ? ORDER BY due", (time.time(),)
    ):
        work: dict[str, Any] = json.loads(row["work"])
        with state.transaction():
            order = state.order(work["order_id"])
            state.rows("UPDATE job SET done = 1 WHERE id = ?", (row["id"],))
            if order is None or orders.why_not_cancelable(order):
                continue
            orders.cancel(
                state, outbox, order, work["reason"], restock=work["restock"], refund=work["refund"]
            )


def is_done(state: State, job_id: str) -> bool | None:
    """Whether a job is done; None where there is none of that id."""
    found = state.rows("SELECT done FROM job WHERE id = ?", (job_id,))
    return bool(found[0]["done"]) if found else None


def next_due(state: State) -> float | None:
    """When the next job is due, in seconds since the epoch."""
    due: float | None = state.rows("SELECT min(due) AS due FROM job WHERE done = 0")[0]["due"]
    return due
