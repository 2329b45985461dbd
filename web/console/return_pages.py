"""Pages of returns: the list, and one return with its story and what can be decided about it."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse
from starlette.responses import Response

from domain.order import OrderKey
from domain.returns import Disposition
from web.console.acts import RETURN_ACTS, Act, possible
from web.console.forms import Form, Sent, act_named
from web.console.names import order_key
from web.console.order_pages import kind_of, not_known
from web.console.pages import answered, page, return_path
from web.console.parts import Parts
from web.console.people import person_of
from web.desk.looking import connections
from web.desk.names import with_outage
from web.desk.operations import NotTaken, query, story, ui_link, update
from web.desk.returns import ReturnName, list_returns
from workflows.messages import OperatorMessage
from workflows.return_messages import Inspection, ReturnView

MOST = 100
"""Returns that the list asks for how they stand: each is asked."""


def return_name(key: Annotated[OrderKey, Depends(order_key)], return_id: str) -> ReturnName:
    """The return that a path names."""
    return ReturnName(key, return_id)


Named = Annotated[ReturnName, Depends(return_name)]


class ReturnPages:
    """The list, and one return."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def add_to(self, pages: APIRouter) -> None:
        """Serve them."""
        pages.get("/returns")(self.returns)
        pages.get("/returns/{channel}/{external_id}/{return_id}")(self.one)
        pages.get("/returns/{channel}/{external_id}/{return_id}/{name}")(self.back)
        pages.post("/returns/{channel}/{external_id}/{return_id}/{name}")(self.decide)

    async def returns(self, request: Request, *, every: bool = False) -> Response:
        """Those on their way, or with ``every`` also those that have ended; the youngest."""
        found = await self._parts.look(list_returns(self._parts.client, only_open=not every, limit=MOST))
        return page(self._parts.notes, request, "returns.html", returns=found, every=every, most=MOST)

    async def one(self, request: Request, back: Named) -> Response:
        """One return."""
        view, told = await self._parts.look(
            asyncio.gather(
                query(self._parts.client, back.carried, "status", ReturnView),
                story(self._parts.client, back.carried),
            )
        )
        known = await self._parts.read(connections)
        waiting = with_outage(view.waiting_for, view.waits_on, known, self._parts.settings)
        return page(
            self._parts.notes,
            request,
            "return.html",
            name=back,
            view=view.model_copy(update={"waiting_for": waiting}),
            story=told,
            acts=possible(RETURN_ACTS, _able(view)),
            verdicts=list(Disposition),
            link=ui_link(self._parts.settings.temporal, back.carried.workflow_id),
        )

    async def back(self, back: Named, name: str) -> Response:  # noqa: ARG002  as it stands in the path
        """A decision's own address is no page: who loads it anew sees the return."""
        return RedirectResponse(return_path(str(back)), 303)

    async def decide(self, request: Request, back: Named, name: str, form: Sent) -> Response:
        """Send the return a message; its page then says what came of it."""
        message = _message(act_named(RETURN_ACTS, name), form, person_of(request))
        await self._parts.connected()
        path = return_path(str(back))
        try:
            answer = await update(
                self._parts.client, back.carried, name, message, patience=self._parts.patience
            )
        except NotTaken as error:
            return answered(self._parts.notes, request, path, "taken", not_known(error))
        answer = await self._parts.told(answer)
        return answered(self._parts.notes, request, path, kind_of(answer), answer.text)


def _able(view: ReturnView) -> set[str]:
    able = set(view.can_do)
    # Where it waits to be agreed to or inspected, to go on is to agree, or to put all back in stock: said by name.
    return able - {"resubmit"} if able & {"approve", "inspect"} else able


def _message(act: Act, form: Form, person: str) -> OperatorMessage:
    """What is sent to the return. Raises Refused."""
    said = {
        "message_id": form.message_id,
        "actor": person,
        "reason": form.reason(needed=act.reason_needed),
    }
    if act.name != "inspect":
        return OperatorMessage(**said)
    verdicts: dict[str, dict[Disposition, int]] = {}
    for verdict in Disposition:
        for line, units in form.units(f"{verdict}.").items():
            verdicts.setdefault(line, {})[verdict] = units
    return Inspection(lines=verdicts, **said)
