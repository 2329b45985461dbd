"""Sends what an operator wants of an order, and tells what came of it: done, refused, or taken and still to come."""

import asyncio
import getpass

import typer

from orderwright.terminal import FAILED, UNDER_WAY, invocation, open_store, order_named, print_json
from store.order_view import OrderViews
from web.desk.looking import connections, in_words, not_under_way
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
        raise error if known is None else not_under_way(key, known) from error
    tell_answer(ctx, order_carried(key), str(key), answer, as_json=as_json)


def tell_answer(
    ctx: typer.Context, carried: Carried, named: str, answer: OperatorAnswer, *, as_json: bool
) -> None:
    """Tell an answer. Exits with failure where it was refused, and with UNDER_WAY where it is still to be done."""
    if isinstance(answer, Taken):
        settings = invocation(ctx).settings()
        with open_store(ctx) as database:
            answer = in_words(answer, connections(database), settings)
        answer = answer.model_copy(update={"text": f"{answer.text} See: {carried.shown_by}"})
    if as_json:
        print_json(answer)
    else:
        typer.echo(f"{named}: {answer.text}")
    if not answer.done:
        raise typer.Exit(UNDER_WAY if isinstance(answer, Taken) else FAILED)
