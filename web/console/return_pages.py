"""Pages of returns: the list, and one return with its story and what can be decided about it."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from domain.order import OrderKey
from domain.returns import Disposition
from web.console.acts import RETURN_ACTS, possible
from web.console.desk import Desk
from web.console.forms import Form, Sent
from web.console.order_pages import order_key
from web.console.pages import page
from web.console.people import person_of
from web.desk.looking import connections
from web.desk.names import with_outage
from web.desk.operations import query, story, ui_link, update
from web.desk.returns import ReturnName, list_returns
from web.refusals import Refused
from workflows.messages import OperatorAnswer, OperatorMessage
from workflows.return_messages import Inspection, ReturnView


def return_name(key: Annotated[OrderKey, Depends(order_key)], return_id: str) -> ReturnName:
    """The return that a path names."""
    return ReturnName(key, return_id)


Named = Annotated[ReturnName, Depends(return_name)]


class ReturnPages:
    """The list, and one return."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def add_to(self, pages: APIRouter) -> None:
        """Serve them."""
        pages.get("/returns")(self.returns)
        pages.get("/returns/{channel}/{external_id}/{return_id}")(self.one)
        pages.post("/returns/{channel}/{external_id}/{return_id}/{name}")(self.decide)

    async def returns(self, request: Request, *, every: bool = False) -> Response:
        """Those on their way, or with ``every`` also those that have ended."""
        found = await list_returns(self._desk.client, only_open=not every)
        return page("returns.html", person_of(request), returns=found, every=every)

    async def one(self, request: Request, back: Named) -> Response:
        """One return."""
        return await self._shown(request, back)

    async def decide(self, request: Request, back: Named, name: str, form: Sent) -> Response:
        """Send the return a message; answers with its page, which says what came of it."""
        message = _message(name, form, person_of(request))
        answer = await update(self._desk.client, back.carried, name, message, patience=self._desk.patience)
        return await self._shown(request, back, await self._desk.told(answer))

    async def _shown(
        self, request: Request, name: ReturnName, answer: OperatorAnswer | None = None
    ) -> Response:
        view, told, known = await asyncio.gather(
            query(self._desk.client, name.carried, "status", ReturnView),
            story(self._desk.client, name.carried),
            self._desk.read(connections),
        )
        waiting = with_outage(view.waiting_for, view.waits_on, known, self._desk.settings)
        return page(
            "return.html",
            person_of(request),
            name=name,
            view=view.model_copy(update={"waiting_for": waiting}),
            story=told,
            answer=answer,
            acts=possible(RETURN_ACTS, view.can_do),
            verdicts=list(Disposition),
            link=ui_link(self._desk.settings.temporal, name.carried.workflow_id),
        )


def _message(name: str, form: Form, person: str) -> OperatorMessage:
    """What is sent to the return. Raises Refused."""
    act = RETURN_ACTS.get(name)
    if act is None:
        raise Refused(
            404, "unknown_act", f"nothing is called {name[:40]!r} here", "decide on the return's page"
        )
    said = {
        "message_id": form.message_id,
        "actor": person,
        "reason": form.reason(needed=act.reason_needed),
    }
    if name != "inspect":
        return OperatorMessage(**said)
    verdicts: dict[str, dict[Disposition, int]] = {}
    for verdict in Disposition:
        for line, units in form.units(f"{verdict}.").items():
            verdicts.setdefault(line, {})[verdict] = units
    return Inspection(lines=verdicts, **said)
