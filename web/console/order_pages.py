"""Pages of orders: the list, and one order with its story and what can be decided about it."""

from collections import Counter
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import RedirectResponse
from starlette.responses import Response

from domain.order import CancelKind, OrderKey
from domain.status import OrderStatus
from store.order_view import PAGE, OrderViews
from web.console.acts import ORDER_ACTS, Act, possible
from web.console.forms import Form, Sent, act_named, digest
from web.console.names import order_key
from web.console.pages import answered, order_path, page
from web.console.parts import Parts
from web.console.people import person_of
from web.desk.looking import SeenOrder, kept_of_order, not_under_way, see_order
from web.desk.names import orders_called
from web.desk.operations import (
    CannotBeDone,
    NotTaken,
    OrderNotFound,
    Taken,
    order_carried,
    query,
    ui_link,
    update,
)
from web.desk.returns import begin_return, units_named
from web.refusals import Refused
from workflows.messages import CancelAsked, OperatorAnswer, OperatorMessage, OrderView, Problem, ReturnAsked

FURTHEST = 1_000_000
"""So many orders can be leafed through; further back they are found by their number."""
_TAKES_WHAT_IS_SHOWN = frozenset({"accept", "approve"})

Named = Annotated[OrderKey, Depends(order_key)]


class OrderPages:
    """The list, and one order."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def add_to(self, pages: APIRouter) -> None:
        """Serve them."""
        pages.get("/orders")(self.orders)
        pages.get("/orders/{channel}/{external_id}")(self.order)
        pages.get("/orders/{channel}/{external_id}/{name}")(self.back)
        pages.post("/orders/{channel}/{external_id}/{name}")(self.decide)

    async def orders(
        self,
        request: Request,
        named: str = "",
        channel: str = "",
        status: str = "",
        skip: Annotated[int, Query(ge=0, le=FURTHEST)] = 0,
    ) -> Response:
        """Those that people call ``named``, or all, the latest change first."""
        named, channel = named.replace("\0", "").strip(), channel.replace("\0", "")
        only = OrderStatus(status) if status in set(OrderStatus) else None
        if named:
            found = await self._parts.read(lambda database: orders_called(database, named))
            if len(found) == 1:
                return RedirectResponse(order_path(found[0].key), 303)
        else:
            found = await self._parts.read(
                lambda database: OrderViews(database).list(
                    channel=channel or None, status=only, limit=PAGE + 1, offset=skip
                )
            )
        return page(
            self._parts.notes,
            request,
            "orders.html",
            orders=found[:PAGE],
            named=named,
            channel=channel,
            status=only,
            statuses=list(OrderStatus),
            channels=sorted(self._parts.settings.channels),
            skip=skip,
            more=len(found) > PAGE,
            step=PAGE,
        )

    async def order(self, request: Request, key: Named) -> Response:
        """One order."""
        seen, trouble = await self._seen_or_kept(key)
        problem = seen.view.problem if seen.view else None
        return page(
            self._parts.notes,
            request,
            "order.html",
            seen=seen,
            trouble=trouble,
            acts=() if trouble else _acts(seen),
            shown=digest(problem),
            returnable=_returnable(seen.view),
            kinds=list(CancelKind),
            link=ui_link(self._parts.settings.temporal, key.workflow_id),
        )

    async def back(self, key: Named, name: str) -> Response:  # noqa: ARG002  as it stands in the path
        """A decision's own address is no page: who loads it anew sees the order."""
        return RedirectResponse(order_path(key), 303)

    async def decide(self, request: Request, key: Named, name: str, form: Sent) -> Response:
        """Send the order a message; its page then says what came of it."""
        message = _message(act_named(ORDER_ACTS, name), form, person_of(request))
        try:
            answer = await self._parts.told(await self._sent(key, name, message, form))
        except NotTaken as error:
            return answered(self._parts.notes, request, order_path(key), "taken", not_known(error))
        return answered(self._parts.notes, request, order_path(key), kind_of(answer), answer.text)

    async def _sent(self, key: OrderKey, name: str, message: OperatorMessage, form: Form) -> OperatorAnswer:
        """Raises OrderNotFound, NoAnswer, CannotBeDone, Refused."""
        known = await self._parts.read(lambda database: OrderViews(database).get(key))
        client, patience = self._parts.client, self._parts.patience
        await self._parts.connected()
        if isinstance(message, ReturnAsked):
            return await begin_return(client, key, message, known=known is not None, patience=patience)
        carried = order_carried(key)
        try:
            if name in _TAKES_WHAT_IS_SHOWN:
                view = await self._parts.look(query(client, carried, "status", OrderView))
                form.of_what_is_shown(digest(view.problem))
            return await update(client, carried, name, message, patience=patience)
        except OrderNotFound as error:
            raise error if known is None else not_under_way(key, known) from error

    async def _seen_or_kept(self, key: OrderKey) -> tuple[SeenOrder, str]:
        """The order, and why its workflow could not be asked, where it could not. Raises OrderNotFound."""
        try:
            looked = see_order(self._parts.client, self._parts.database, self._parts.settings, key)
            return await self._parts.look(looked), ""
        except OrderNotFound:
            raise
        except CannotBeDone as error:
            kept = await self._parts.read(lambda database: kept_of_order(database, key))
            if kept.row is None:
                raise
            return kept, error.words


def kind_of(answer: OperatorAnswer) -> str:
    """How an answer is marked: ``done``, ``taken`` or ``refused``."""
    if answer.done:
        return "done"
    return "taken" if isinstance(answer, Taken) else "refused"


def not_known(error: NotTaken) -> str:
    """What is said where nobody can tell yet whether a decision is carried out."""
    return f"Not known yet: {error.words}. Look again before you decide again."


def _acts(seen: SeenOrder) -> tuple[Act, ...]:
    able = set(seen.view.can_do) if seen.view and not seen.dropped else set()
    if seen.view is not None and seen.view.problem in _problems_of_returns(seen.view):
        # To go on with a return may be to agree to it: its own page says what there is to decide.
        able.discard("resubmit")
    if seen.row is not None and seen.row.closed_at is not None and seen.row.shipments:
        # It comes back to life for it.
        able.add("return")
    return possible(ORDER_ACTS, able)


def _problems_of_returns(view: OrderView) -> list[Problem]:
    return [brief.problem for brief in view.returns.values() if brief.problem is not None]


def _returnable(view: OrderView | None) -> dict[str, int]:
    """Line -> units that left and are in no return yet."""
    if view is None:
        return {}
    coming: Counter[str] = Counter()
    for brief in view.returns.values():
        if not brief.ended:
            coming.update(brief.lines)
    return {line.line_id: line.shipped - line.returned - coming[line.line_id] for line in view.lines}


def _message(act: Act, form: Form, person: str) -> OperatorMessage:
    """What is sent to the order. Raises Refused, CannotBeDone."""
    said = {
        "message_id": form.message_id,
        "actor": person,
        "reason": form.reason(needed=act.reason_needed),
    }
    if act.name == "cancel":
        return CancelAsked(kind=form["kind"], lines=_to_cancel(form), **said)
    if act.name != "return":
        return OperatorMessage(**said)
    lines = _some(form.units("return.")) or units_named(form["lines"].split())
    if not lines:
        raise Refused(422, "no_units", "say what comes back", "write units beside the lines of the order")
    return ReturnAsked(
        lines=lines,
        exchange=units_named(form["exchange"].split()),
        without_goods=form["without_goods"] == "yes",
        **said,
    )


def _to_cancel(form: Form) -> dict[str, int]:
    """Units by line; empty for all of it, which somebody has to say. Raises Refused."""
    units, everything = _some(form.units("cancel.")), form["all"] == "yes"
    if everything is bool(units):
        error = "all of it, or the units that are named?" if everything else "say what is canceled"
        raise Refused(
            422, "what_to_cancel", error, "write units beside the lines, or mark all of it; not both"
        )
    return units


def _some(units: dict[str, int]) -> dict[str, int]:
    return {line: count for line, count in units.items() if count}
