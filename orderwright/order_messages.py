"""Sends what an operator wants of an order, and tells what came of it: done, refused, or taken and still to come."""

import asyncio
import getpass

import typer

from domain.order import OrderKey
from orderwright.order_names import order_named, with_outage
from orderwright.terminal import FAILED, UNDER_WAY, invocation, open_store, print_json
from store.connections import Connections
from store.order_view import OrderSummary, OrderViews
from web.desk.operations import Carried, OrderNotFound, Taken, order_carried, tell, temporal
from workflows.messages import OperatorAnswer, OperatorMessage


def who(actor: str) -> str:
    """Whom a story names: the one who was named, or the user of this machine."""
    return actor or getpass.getuser()


def send(
    ctx: typer.Context,
    order: str,
    name: str,
    reason: str,
    actor: str,
    *,
    asked: OperatorMessage | None = None,
    wait: bool,
    as_json: bool,
) -> None:
    """Send an order an operator's message and tell the answer; see ``tell_answer`` for the exit status."""
    settings, key = invocation(ctx).settings(), order_named(ctx, order)
    message = asked or OperatorMessage(actor=who(actor), reason=reason)

    async def sent() -> OperatorAnswer:
        async with temporal(settings.temporal) as client:
            return await tell(client, key, name, message, wait=wait)

    try:
        answer = asyncio.run(sent())
    except OrderNotFound as error:
        with open_store(ctx) as database:
            known = OrderViews(database).get(key)
        raise error if known is None else OrderNotFound(not_under_way(key, known)) from error
    tell_answer(ctx, order_carried(key), str(key), answer, as_json=as_json)


def not_under_way(key: OrderKey, known: OrderSummary) -> str:
    """What is said of an order that no workflow carries, though its row tells of it."""
    status = known.status.value.replace("_", " ")
    if known.closed_at is None:
        return (
            f"order {key} is {status} in the list, and nobody carries it; the sweep starts it again "
            "(orderwright sync run --hours 24, or more where it is older)"
        )
    over = f"order {key} is {status} since {known.closed_at:%Y-%m-%d %H:%M} UTC"
    if not known.shipments:
        return f"{over}; nothing of it is left to do"
    return f"{over}; goods of it can be taken back: orderwright order return {key} SKU=UNITS --reason WHY"


def tell_answer(
    ctx: typer.Context, carried: Carried, named: str, answer: OperatorAnswer, *, as_json: bool
) -> None:
    """Tell an answer. Exits with failure where it was refused, and with UNDER_WAY where it is still to be done."""
    if isinstance(answer, Taken):
        answer = _in_words(ctx, carried, answer)
    if as_json:
        print_json(answer)
    else:
        typer.echo(f"{named}: {answer.text}")
    if not answer.done:
        raise typer.Exit(UNDER_WAY if isinstance(answer, Taken) else FAILED)


def _in_words(ctx: typer.Context, carried: Carried, taken: Taken) -> Taken:
    settings = invocation(ctx).settings()
    with open_store(ctx) as database:
        connections = {connection.system: connection for connection in Connections(database).all()}
    waits = with_outage(taken.waits_for, taken.waits_on, connections, settings)
    words = f"Taken; waits for: {waits}." if waits else "Taken."
    return taken.model_copy(
        update={"text": f"{words} It is done by itself. See: {carried.shown_by}", "waits_for": waits}
    )
