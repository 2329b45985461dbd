"""The console's application: who may in, its pages, and how it says what went wrong."""

import logging
from urllib.parse import quote

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from starlette.exceptions import HTTPException
from starlette.responses import Response

from store.errors import DatabaseUnavailable
from web.console.case_pages import CasePages
from web.console.count_pages import CountPages
from web.console.order_pages import OrderPages
from web.console.pages import HEADERS, HERE, wrong
from web.console.parts import Parts
from web.console.people import admission, person_of
from web.console.return_pages import ReturnPages
from web.console.today import Today
from web.desk.operations import CannotBeDone, OrderNotFound
from web.refusals import OUR_OWN_TELEMETRY, Refused

log = logging.getLogger(__name__)


def create_console(parts: Parts) -> FastAPI:
    """The application. Only those named in the settings see more of it than ``/healthz`` and its style."""
    app = FastAPI(
        title="Orderwright", docs_url=None, redoc_url=None, openapi_url=None, telemetry=OUR_OWN_TELEMETRY
    )
    pages = APIRouter(dependencies=[Depends(admission(parts.settings.console.users))])
    for each in (Today(parts), OrderPages(parts), ReturnPages(parts), CasePages(parts), CountPages(parts)):
        each.add_to(pages)
    app.include_router(pages)

    @app.head("/healthz")
    @app.get("/healthz")
    async def alive() -> JSONResponse:
        """The process runs."""
        return JSONResponse({"status": "alive"})

    @app.get("/style.css")
    async def style() -> FileResponse:
        return FileResponse(HERE / "style.css", media_type="text/css", headers=HEADERS)

    _answer_errors(app)
    return app


def _answer_errors(app: FastAPI) -> None:
    """Whatever goes wrong is a page that says what, and what helps."""

    def said(request: Request, status: int, error: str, remedy: str = "") -> Response:
        path = request.scope["path"]
        back = path.rpartition("/")[0] if request.method == "POST" and path.count("/") > 1 else ""
        return wrong(person_of(request), status, error, remedy, quote(back))

    @app.exception_handler(Refused)
    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)
        answer = said(request, error.status, error.error, error.remedy)
        if error.status == 401:  # noqa: PLR2004  the browser asks for a name then
            answer.headers["WWW-Authenticate"] = 'Basic realm="Orderwright", charset="UTF-8"'
        return answer

    @app.exception_handler(OrderNotFound)
    async def nothing_there(request: Request, error: Exception) -> Response:
        assert isinstance(error, OrderNotFound)
        return said(request, 404, error.words)

    @app.exception_handler(CannotBeDone)
    async def cannot_be_done(request: Request, error: Exception) -> Response:
        assert isinstance(error, CannotBeDone)
        return said(request, 409, error.words)

    @app.exception_handler(DatabaseUnavailable)
    async def database_away(request: Request, error: Exception) -> Response:
        log.error("the console cannot read the store: %s", error)
        remedy = "look again in a moment, before you decide again; orders go on without this page"
        return said(request, 503, "the database does not answer", remedy)

    @app.exception_handler(HTTPException)
    async def no_such_page(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        answer = said(request, error.status_code, "there is no such page", "begin with Today, the first page")
        answer.headers.update(error.headers or {})
        return answer

    @app.exception_handler(RequestValidationError)
    async def misspelled(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        names = ", ".join(sorted({str(each["loc"][-1]) for each in error.errors()}))
        return said(request, 422, f"{names} cannot be read", "follow the links of the pages, from / on")

    @app.exception_handler(Exception)
    async def our_mistake(request: Request, _error: Exception) -> Response:
        # Starlette logs the exception itself; its words may hold data, so they stay inside.
        return said(request, 500, "something went wrong here", "the reason is in the console's log")
