"""Sees an order whole: what its workflow tells, and what the store keeps of it."""

import asyncio

from temporalio.client import Client, WorkflowExecutionStatus

from config.settings import Settings
from domain.connection import Connection
from domain.model import Frozen
from domain.order import OrderKey
from store.audit import Audit, AuditedAct
from store.cases import Cases, CaseSummary
from store.connections import Connections
from store.database import Database
from store.order_view import OrderSummary, OrderViews
from web.desk.names import with_outage
from web.desk.operations import CannotBeDone, OrderNotFound, Taken, answered, ask, order_carried
from web.desk.returns import ListedReturn, returns_of
from web.desk.stories import with_earlier
from workflows.messages import OrderView, TimelineEntry

_WELL = frozenset(
    {
        WorkflowExecutionStatus.RUNNING,
        WorkflowExecutionStatus.COMPLETED,
        WorkflowExecutionStatus.CONTINUED_AS_NEW,
    }
)


class SeenOrder(Frozen):
    """All that is known of an order."""

    key: OrderKey
    view: OrderView | None
    """As its workflow tells; None where Temporal has no history of it any more, or does not answer."""
    dropped: str = ""
    """How its workflow ended although the order is not over: nobody carries it. Empty where all is well."""
    story: tuple[TimelineEntry, ...] = ()
    """Of all its runs, oldest first."""
    returns: tuple[ListedReturn, ...] = ()
    row: OrderSummary | None
    audit: tuple[AuditedAct, ...] = ()
    cases: tuple[CaseSummary, ...] = ()
    """The open ones that it waits in."""


async def see_order(client: Client, database: Database, settings: Settings, key: OrderKey) -> SeenOrder:
    """Ask the workflow; where its history is gone, the store's rows have to do.

    Raises OrderNotFound where neither knows it, NoAnswer, CannotBeDone, DatabaseUnavailable.
    """
    # The order first: what it knows to be done is in the tables by then.
    view, story, back = await _told(client, database, key)
    dropped = "" if view is None else await _dropped(client, key)
    seen = await asyncio.to_thread(kept_of_order, database, key)
    if view is not None:
        known = await asyncio.to_thread(connections, database)
        waiting = with_outage(view.waiting_for, view.waits_on, known, settings)
        view = view.model_copy(update={"waiting_for": waiting})
    return seen.model_copy(update={"view": view, "dropped": dropped, "story": story, "returns": back})


async def _dropped(client: Client, key: OrderKey) -> str:
    """How the workflow was ended by somebody else than itself, in a word; empty where it runs, or came to its end."""
    carried = order_carried(key)
    status = (await answered(carried, client.get_workflow_handle(carried.workflow_id).describe())).status
    return "" if status is None or status in _WELL else status.name.lower().replace("_", " ")


def kept_of_order(database: Database, key: OrderKey) -> SeenOrder:
    """What the store keeps of an order, without its workflow. Raises DatabaseUnavailable."""
    return SeenOrder(
        key=key,
        view=None,
        row=OrderViews(database).get(key),
        audit=Audit(database).for_order(key),
        cases=Cases(database).of_order(key),
    )


def connections(database: Database) -> dict[str, Connection]:
    """How each outside system is, by its name. Raises DatabaseUnavailable."""
    return {connection.system: connection for connection in Connections(database).all()}


def not_under_way(key: OrderKey, known: OrderSummary) -> OrderNotFound:
    """What is said of an order that no workflow carries, though its row tells of it."""
    status = known.status.value.replace("_", " ")
    if known.closed_at is None:
        return OrderNotFound(
            f"order {key} is {status} in the list, and nobody carries it; the sweep starts it again",
            "now: orderwright sync run --hours 24, or more where it is older",
        )
    over = f"order {key} is {status} since {known.closed_at:%Y-%m-%d %H:%M} UTC"
    if not known.shipments:
        return OrderNotFound(f"{over}; nothing of it is left to do")
    at_shell = f"with: orderwright order return {key} SKU=UNITS --reason WHY"
    return OrderNotFound(f"{over}; goods of it can be taken back", at_shell)


def in_words(taken: Taken, known: dict[str, Connection], settings: Settings) -> Taken:
    """The same, saying what it waits for, and that nobody has to send it again."""
    waits = with_outage(taken.waits_for, taken.waits_on, known, settings)
    words = f"Taken; waits for: {waits}." if waits else "Taken."
    return taken.model_copy(update={"text": f"{words} It is done by itself.", "waits_for": waits})


async def _told(
    client: Client, database: Database, key: OrderKey
) -> tuple[OrderView | None, tuple[TimelineEntry, ...], tuple[ListedReturn, ...]]:
    try:
        view, last = await ask(client, key)
    except OrderNotFound:
        if await asyncio.to_thread(OrderViews(database).get, key) is None:
            raise
        return None, (), await _returns(client, key)
    story, back = await asyncio.gather(with_earlier(client, key, last), _returns(client, key))
    return view, story, back


async def _returns(client: Client, key: OrderKey) -> tuple[ListedReturn, ...]:
    """None where Temporal's list is away: the order itself answers, and that is what people need."""
    try:
        return await returns_of(client, key)
    except CannotBeDone:
        return ()
