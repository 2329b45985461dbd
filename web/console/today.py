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


class Today:
    """The page."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def add_to(self, pages: APIRouter) -> None:
        """Serve it."""
        pages.get("/")(self.today)

    async def today(self, request: Request) -> Response:
        """Asks no order: a list of Temporal's tells who waits, the store's rows why."""
        status = await self._status()
        cases = await self._parts.read(lambda database: Cases(database).list())
        trouble, waiting = await self._waiting(status.temporal)
        rows = await self._parts.read(lambda database: _rows(database, waiting))
        return page(
            self._parts.notes,
            request,
            "today.html",
            status=status,
            trouble=trouble,
            cases=cases[:MOST_CASES],
            more_cases=max(0, len(cases) - MOST_CASES),
            waiting=rows,
            most=MOST_ORDERS,
        )

    async def _waiting(self, trouble: str) -> tuple[str, tuple[WaitingOrder, ...]]:
        """Those who wait; none, and why not, where Temporal cannot tell."""
        if trouble:
            return trouble, ()
        try:
            return "", await self._parts.look(waiting_orders(self._parts.client, MOST_ORDERS))
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
    views = OrderViews(database)
    return [(each.key, each.attention, views.get(each.key)) for each in waiting]
