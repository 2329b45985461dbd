"""Keeps the cases of what an order's workflow itself finds wrong. Asks no outside system, so it waits for none."""

import asyncio

from temporalio import activity

from activities.contracts import LeaveCases, ReportProblem
from domain.cases import CaseReport
from store.database import Database
from store.journal import Entry, Journal
from store.order_view import OrderPatch


class CaseActivities:
    """Rare: what an activity refuses is in its case already, written by that activity."""

    def __init__(self, database: Database) -> None:
        self._journal = Journal(database)

    @activity.defn
    async def report_problem(self, request: ReportProblem) -> None:
        """Put a problem into its case."""
        entry = Entry(
            key=request.key,
            revision=request.revision,
            action="report_problem",
            actor="Orderwright",
            text=f"{'Reminder' if request.reminder else 'Stopped'}: {request.reason}",
            patch=OrderPatch(problem=request.reason, waiting_for=request.waiting_for),
            report=CaseReport(cause=request.cause, reason=request.reason, key=request.key),
        )
        await asyncio.to_thread(self._journal.note, entry)

    @activity.defn
    async def leave_cases(self, request: LeaveCases) -> None:
        """The problem is over: the order leaves its cases."""
        entry = Entry(
            key=request.key,
            revision=request.revision,
            action="leave_cases",
            actor=request.actor or "Orderwright",
            text=request.text or "The problem is over; the order goes on",
            patch=OrderPatch(problem="", waiting_for=request.waiting_for),
        )
        await asyncio.to_thread(self._journal.note, entry)
