"""The first page: what waits for a person now, and whether all systems answer."""

from contextlib import nullcontext

from fastapi import APIRouter, Request
from starlette.responses import Response

from domain.order import OrderKey
from store.cases import Cases
from store.database import Database
from store.order_view import OrderSummary, OrderViews
from web.console.desk import Desk
from web.console.pages import page
from web.console.people import person_of
from web.desk.operations import CannotBeDone, waiting_for_people
from web.desk.status import look
from workflows.messages import OrderView

MOST_CASES = 20
MOST_ORDERS = 50


def add_today(pages: APIRouter, desk: Desk) -> None:
    """Serve it."""

    @pages.get("/")
    async def today(request: Request) -> Response:
        status = await look(desk.settings, desk.database, nullcontext(desk.client))
        cases = await desk.read(lambda database: Cases(database).list())
        trouble, waiting = status.temporal, {}
        if not trouble:
            try:
                waiting = await waiting_for_people(desk.client, MOST_ORDERS)
            except CannotBeDone as error:
                trouble = str(error)
        rows = await desk.read(lambda database: _rows(database, waiting))
        return page(
            "today.html",
            person_of(request),
            status=status,
            trouble=trouble,
            cases=cases[:MOST_CASES],
            more_cases=max(0, len(cases) - MOST_CASES),
            waiting=rows,
        )


def _rows(
    database: Database, waiting: dict[OrderKey, OrderView | None]
) -> list[tuple[OrderKey, OrderView | None, OrderSummary | None]]:
    views = OrderViews(database)
    return [(key, view, views.get(key)) for key, view in waiting.items()]
