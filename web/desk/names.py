"""Which order people mean, and what they are told where the system it waits for is away."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from config.settings import Settings, variable
from domain.connection import ERP_SYSTEM, Connection
from domain.order import OrderKey
from store.database import Database
from store.order_view import OrderSummary, OrderViews
from web.desk.operations import CannotBeDone

_OF_A_RETURN = re.compile(r"-RO?\d+$")
"""What the number of a return adds to its order's."""
_RETURN_ID = re.compile(r"^([^:]+:[^:]+):[^:]+$")


def orders_called(database: Database, text: str) -> tuple[OrderSummary, ...]:
    """Orders that people call so: channel and id, store or ERP number, id alone, or the number of a return."""
    text = _OF_A_RETURN.sub("", text.strip())
    views = OrderViews(database)
    if ":" not in text:
        bare = text.removeprefix("#")
        return views.find(bare) or views.find(bare.upper())
    try:
        found = views.get(OrderKey.parse(_RETURN_ID.sub(r"\1", text.removeprefix("return:"))))
    except ValueError:
        return ()
    return () if found is None else (found,)


def order_called(database: Database, text: str) -> OrderKey:
    """The order that people call ``text``; whether there is one of that channel and id is not looked at.

    Raises CannotBeDone where it is none, or several.
    """
    text = text.strip()
    if ":" in text:
        try:
            return OrderKey.parse(text)
        except ValueError as error:
            raise CannotBeDone(str(error)) from error
    match orders_called(database, text):
        case [one]:
            return one.key
        case []:
            raise CannotBeDone(f"no order is called {text!r}; see: orderwright order list")
        case found:
            several = ", ".join(str(order.key) for order in found)
            raise CannotBeDone(f"several orders are called {text!r}: {several}; name one of them")


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
