"""Which order people mean, and what they are told where the system it waits for is away."""

from collections.abc import Mapping
from datetime import UTC, datetime

import typer

from config.settings import Settings, variable
from domain.connection import ERP_SYSTEM, Connection
from domain.order import OrderKey
from orderwright.terminal import CommandFailed, open_store
from store.order_view import OrderViews


def order_named(ctx: typer.Context, text: str) -> OrderKey:
    """The order that people call ``text``. Raises CommandFailed where it is none, or several."""
    text = text.strip()
    if ":" in text:
        try:
            return OrderKey.parse(text)
        except ValueError as error:
            raise CommandFailed(str(error)) from error
    with open_store(ctx) as database:
        found = OrderViews(database).find(text.removeprefix("#"))
    match found:
        case [one]:
            return one.key
        case []:
            raise CommandFailed(f"no order is called {text!r}; see: orderwright order list")
        case _:
            several = ", ".join(str(order.key) for order in found)
            raise CommandFailed(f"several orders are called {text!r}: {several}; name one of them")


def with_outage(
    waiting_for: str, system: str | None, connections: Mapping[str, Connection], settings: Settings
) -> str:
    """What is waited for, with what a workflow itself cannot know: that the system is away, or nobody's."""
    if system is None:
        return waiting_for
    known = connections.get(system)
    if system not in {ERP_SYSTEM, *settings.channels}:
        name = variable("channels", system, "vendor")
        told = f"channel {system} is not set up here; set {name} and its neighbours, and restart the worker"
    elif known is not None and known.away:
        told = known.sentence(datetime.now(UTC))
    else:
        return waiting_for
    return f"{waiting_for}; {told}"
