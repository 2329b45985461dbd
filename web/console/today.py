"""The first page: what waits for a person now, and whether all systems answer."""

from contextlib import nullcontext

from fastapi import APIRouter, Request
from starlette.responses import Response

from domain.order import OrderKey
from store.cases import Cases
from store.database import Database
from store.order_view import OrderSummary, OrderViews
from web.console.pages import page
from web.console.parts import Parts
from web.desk.operations import CannotBeDone, WaitingOrder, waiting_orders
from web.desk.status import Status, look

MOST_CASES = 20
MOST_ORDERS = 50
MOST_LISTED = 1_000


class Today:
    """The page."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def add_to(self, pages: APIRouter) -> None:
        """Serve it."""
        pages.get("/")(self.today)
        pages.get("/waiting")(self.waiting)

    async def today(self, request: Request) -> Response:
        """Asks no order: a list of Temporal's tells who waits, the store's rows why."""
        status = await self._status()
        cases = await self._parts.read(lambda database: Cases(database).list())
        trouble, waiting = await self._waiting(status.temporal)
        rows = await self._parts.read(lambda database: _rows(database, waiting[:MOST_ORDERS]))
        return page(
            self._parts.notes,
            request,
            "today.html",
            status=status,
            trouble=trouble,
            cases=cases[:MOST_CASES],
            more_cases=max(0, len(cases) - MOST_CASES),
            waiting=rows,
            more=len(waiting) - len(rows),
            most=MOST_LISTED,
            away=[each for each in status.systems if each.away or each.polled is False],
        )

    async def waiting(self, request: Request) -> Response:
        """All orders that need attention or are on hold, the oldest first."""
        trouble, waiting = await self._waiting("")
        rows = await self._parts.read(lambda database: _rows(database, waiting))
        return page(
            self._parts.notes, request, "waiting.html", trouble=trouble, waiting=rows, most=MOST_LISTED
        )

    async def _waiting(self, trouble: str) -> tuple[str, tuple[WaitingOrder, ...]]:
        """Those who wait; none, and why not, where Temporal cannot tell."""
        if trouble:
            return trouble, ()
        try:
            return "", await self._parts.look(waiting_orders(self._parts.client, MOST_LISTED))
        except CannotBeDone as error:
            return error.words, ()

    async def _status(self) -> Status:
        client = nullcontext(self._parts.client)
        return await look(
            self._parts.settings, self._parts.database, client, patience=self._parts.look_seconds
        )


def _rows(
    database: Database, waiting: tuple[WaitingOrder, ...]
) -> list[tuple[OrderKey, str, OrderSummary | None]]:
    found: dict[OrderKey, OrderSummary] = {}
    by_channel: dict[str, list[str]] = {}
    for each in waiting:
        by_channel.setdefault(each.key.channel, []).append(each.key.external_id)
    for channel, numbers in by_channel.items():
        rows = OrderViews(database).get_many(channel, numbers)
        found |= {row.key: row for row in rows.values()}
    return [(each.key, each.attention, found.get(each.key)) for each in waiting]
