"""Pages of orders: the list, and one order with its story and what can be decided about it."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import RedirectResponse
from starlette.responses import Response

from domain.order import CancelKind, OrderKey
from domain.status import OrderStatus
from store.order_view import PAGE, OrderViews
from web.console.acts import ORDER_ACTS, Act, possible
from web.console.desk import Desk
from web.console.forms import Form, Sent
from web.console.pages import order_path, page
from web.console.people import person_of
from web.desk.looking import SeenOrder, kept_of_order, see_order, why_not_under_way
from web.desk.names import orders_called
from web.desk.operations import CannotBeDone, OrderNotFound, order_carried, ui_link, update
from web.desk.returns import begin_return, units_named
from web.refusals import Refused
from workflows.messages import CancelAsked, OperatorAnswer, OperatorMessage, ReturnAsked

FURTHEST = 1_000_000
"""So many orders can be leafed through; further back they are found by their number."""


def order_key(channel: str, external_id: str) -> OrderKey:
    """The order that a path names. Raises Refused."""
    if not (channel.isprintable() and external_id.isprintable()):
        raise Refused(404, "no_order", "an order's name has no such characters", "find it by its number")
    return OrderKey(channel=channel, external_id=external_id)


Named = Annotated[OrderKey, Depends(order_key)]


class OrderPages:
    """The list, and one order."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def add_to(self, pages: APIRouter) -> None:
        """Serve them."""
        pages.get("/orders")(self.orders)
        pages.get("/orders/{channel}/{external_id}")(self.order)
        pages.post("/orders/{channel}/{external_id}/{name}")(self.decide)

    async def orders(
        self,
        request: Request,
        named: str = "",
        channel: str = "",
        status: OrderStatus | None = None,
        skip: Annotated[int, Query(ge=0, le=FURTHEST)] = 0,
    ) -> Response:
        """Those that people call ``named``, or all, the latest change first."""
        named = named.replace("\0", "").strip()
        if named:
            found = await self._desk.read(lambda database: orders_called(database, named))
            if len(found) == 1:
                return RedirectResponse(order_path(found[0].key), 303)
        else:
            found = await self._desk.read(
                lambda database: OrderViews(database).list(
                    channel=channel or None, status=status, limit=PAGE + 1, offset=skip
                )
            )
        return page(
            "orders.html",
            person_of(request),
            orders=found[:PAGE],
            named=named,
            channel=channel,
            status=status,
            statuses=list(OrderStatus),
            channels=sorted(self._desk.settings.channels),
            skip=skip,
            more=len(found) > PAGE,
            step=PAGE,
        )

    async def order(self, request: Request, key: Named) -> Response:
        """One order."""
        return await self._shown(request, key)

    async def decide(self, request: Request, key: Named, name: str, form: Sent) -> Response:
        """Send the order a message; answers with its page, which says what came of it."""
        message = _message(name, form, person_of(request))
        answer = await self._desk.told(await self._sent(key, name, message))
        return await self._shown(request, key, answer)

    async def _sent(self, key: OrderKey, name: str, message: OperatorMessage) -> OperatorAnswer:
        """Raises OrderNotFound, NoAnswer."""
        known = await self._desk.read(lambda database: OrderViews(database).get(key))
        if isinstance(message, ReturnAsked):
            return await begin_return(
                self._desk.client, key, message, known=known is not None, patience=self._desk.patience
            )
        try:
            return await update(
                self._desk.client, order_carried(key), name, message, patience=self._desk.patience
            )
        except OrderNotFound as error:
            raise error if known is None else CannotBeDone(why_not_under_way(key, known)) from error

    async def _shown(self, request: Request, key: OrderKey, answer: OperatorAnswer | None = None) -> Response:
        seen, trouble = await self._seen_or_kept(key)
        return page(
            "order.html",
            person_of(request),
            seen=seen,
            trouble=trouble,
            answer=answer,
            acts=_acts(seen),
            kinds=list(CancelKind),
            link=ui_link(self._desk.settings.temporal, key.workflow_id),
        )

    async def _seen_or_kept(self, key: OrderKey) -> tuple[SeenOrder, str]:
        """The order, and why its workflow could not be asked, where it could not. Raises OrderNotFound."""
        try:
            return await see_order(self._desk.client, self._desk.database, self._desk.settings, key), ""
        except OrderNotFound:
            raise
        except CannotBeDone as error:
            kept = await self._desk.read(lambda database: kept_of_order(database, key))
            if kept.row is None:
                raise
            return kept, str(error)


def _acts(seen: SeenOrder) -> tuple[Act, ...]:
    able = set(seen.view.can_do) if seen.view else set()
    if seen.row is not None and seen.row.closed_at is not None and seen.row.shipments:
        # It comes back to life for it.
        able.add("return")
    return possible(ORDER_ACTS, able)


def _message(name: str, form: Form, person: str) -> OperatorMessage:
    """What is sent to the order. Raises Refused, CannotBeDone."""
    act = ORDER_ACTS.get(name)
    if act is None:
        raise Refused(
            404, "unknown_act", f"nothing is called {name[:40]!r} here", "decide on the order's page"
        )
    said = {
        "message_id": form.message_id,
        "actor": person,
        "reason": form.reason(needed=act.reason_needed),
    }
    if name == "cancel":
        return CancelAsked(kind=form["kind"], lines=form.units("cancel."), **said)
    if name != "return":
        return OperatorMessage(**said)
    lines = form.units("return.") or units_named(form["lines"].split())
    if not lines:
        raise Refused(422, "no_units", "say what comes back", "write units beside the lines of the order")
    return ReturnAsked(
        lines=lines,
        exchange=units_named(form["exchange"].split()),
        without_goods=form["without_goods"] == "yes",
        **said,
    )
