"""``orderwright return ...`` and ``order return``: see what comes back, and decide about it."""

import asyncio
from typing import Annotated

import typer

from orderwright.order_messages import tell_answer, who
from orderwright.terminal import (
    AsJson,
    CommandFailed,
    Reason,
    invocation,
    open_store,
    order_named,
    print_facts,
    print_json,
    print_table,
    short_enough,
)
from store.order_view import OrderViews
from web.desk.looking import connections
from web.desk.names import with_outage
from web.desk.operations import order_carried, query, story, temporal, ui_link, update
from web.desk.returns import (
    ListedReturn,
    ReturnName,
    begin_return,
    find_return,
    list_returns,
    units_named,
    verdicts_named,
)
from workflows.messages import OperatorAnswer, OperatorMessage, ReturnAsked, TimelineEntry
from workflows.return_messages import Inspection, ReturnLine, ReturnView

returns = typer.Typer(
    no_args_is_help=True, help="See returns, and approve, inspect, settle, end or resubmit them."
)

Named = Annotated[str, typer.Argument(metavar="RETURN", help="shop:5001:90005, or its number, as #5001-R1.")]
Actor = Annotated[str, typer.Option("--actor", help="Who; default: the user of this machine.")]
Why = Annotated[str, typer.Option(help="Why; kept in the story.", callback=short_enough)]


@returns.command("list")
def list_all(
    ctx: typer.Context,
    *,
    only_open: Annotated[bool, typer.Option("--open", help="Only those that have not ended.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many, the youngest first.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List returns, as Temporal keeps them."""
    found = asyncio.run(_list(ctx, limit, only_open=only_open))
    if as_json:
        print_json([{**each.model_dump(mode="json"), "state": each.state} for each in found])
        return
    heads = ("Return", "Number", "State", "Stands", "Waits for")
    print_table("Returns", heads, map(_row, found), wide={"Stands", "Waits for"}, empty="no returns")


@returns.command("show")
def show(ctx: typer.Context, named: Named, as_json: AsJson = False) -> None:
    """Tell where a return stands, what it waits for, what can be done, and its story."""
    settings = invocation(ctx).settings()
    name, view, told, link = asyncio.run(_look(ctx, named))
    with open_store(ctx) as database:
        known = connections(database)
    waiting = with_outage(view.waiting_for, view.waits_on, known, settings)
    view = view.model_copy(update={"waiting_for": waiting})
    if as_json:
        print_json({"return": name, "view": view, "timeline": told})
        return
    facts = [
        ("return", f"{name} ({view.number})"),
        ("order", str(view.key)),
        ("stands", view.sentence),
        ("waits for", "nothing: it has ended" if view.ended else view.waiting_for),
        ("can be done", ", ".join(view.can_do) or "nothing"),
    ]
    if link:
        facts.append(("Temporal UI", link))
    print_facts(facts)
    heads = ("Line", "Item", "Wanted", "Back", "Inspected")
    print_table("Units", heads, map(_units, view.lines), empty="no units")
    rows = [(e.at.strftime("%Y-%m-%d %H:%M:%S"), e.actor, e.text) for e in told]
    print_table("Story (UTC)", ("When", "Who", "What"), rows, wide={"What"}, empty="no story yet")


@returns.command("approve")
def approve(
    ctx: typer.Context, named: Named, *, reason: Reason = "", actor: Actor = "", as_json: AsJson = False
) -> None:
    """Agree to what a buyer asks for; the warehouse is told to expect the goods."""
    _send(ctx, named, "approve", reason, actor, as_json=as_json)


@returns.command("settle")
def settle(
    ctx: typer.Context, named: Named, *, reason: Reason = "", actor: Actor = "", as_json: AsJson = False
) -> None:
    """Wait for missing goods no more, and settle what is back."""
    _send(ctx, named, "settle", reason, actor, as_json=as_json)


@returns.command("end")
def end(ctx: typer.Context, named: Named, *, reason: Why, actor: Actor = "", as_json: AsJson = False) -> None:
    """Decline a return, or end it without goods, in both systems."""
    _send(ctx, named, "end", reason, actor, as_json=as_json)


@returns.command("resubmit")
def resubmit(
    ctx: typer.Context, named: Named, *, reason: Reason = "", actor: Actor = "", as_json: AsJson = False
) -> None:
    """Let a return go on after the cause of its problem was mended."""
    _send(ctx, named, "resubmit", reason, actor, as_json=as_json)


@returns.command("inspect")
def inspect(
    ctx: typer.Context,
    named: Named,
    verdicts: Annotated[
        list[str],
        typer.Argument(
            metavar="LINE=VERDICT:UNITS,...",
            help="Of each line (its id or its SKU), what becomes of every unit that is back: restock, scrap (credited, "
            "never sold again) or reject (sent back, not credited). Such as TEE-BLK-M=restock:1,scrap:1.",
        ),
    ],
    *,
    reason: Reason = "",
    actor: Actor = "",
    as_json: AsJson = False,
) -> None:
    """Say what becomes of every unit that came back; it is then credited and refunded."""
    name, answer = asyncio.run(_inspect(ctx, named, verdicts, reason, actor))
    tell_answer(ctx, name.carried, str(name), answer, as_json=as_json)


def begin(
    ctx: typer.Context,
    order: Annotated[
        str, typer.Argument(metavar="ORDER", help="shop:5001, or its number in the store or the ERP.")
    ],
    units: Annotated[
        list[str],
        typer.Argument(
            metavar="SKU=UNITS...", help="What comes back, by SKU or line id, such as TEE-BLK-M=1."
        ),
    ],
    *,
    reason: Why,
    without_goods: Annotated[
        bool,
        typer.Option("--without-goods", help="The buyer keeps the goods, or they are lost: refund at once."),
    ] = False,
    exchange: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SKU=UNITS", help="What the buyer gets for it, such as TEE-BLK-L=1; may be said again."
        ),
    ] = None,
    actor: Actor = "",
    as_json: AsJson = False,
) -> None:
    """Begin a return, or an exchange; an order that has ended comes back to life for it."""
    key = order_named(ctx, order)
    asked = ReturnAsked(
        actor=who(actor),
        reason=_said(reason),
        lines=units_named(units),
        without_goods=without_goods,
        exchange=units_named(exchange or ()),
    )
    with open_store(ctx) as database:
        known = OrderViews(database).get(key) is not None

    async def sent() -> OperatorAnswer:
        async with temporal(invocation(ctx).settings().temporal) as client:
            return await begin_return(client, key, asked, known=known)

    answer = asyncio.run(sent())
    see = f" See: orderwright order show {key}" if answer.done and not as_json else ""
    answer = answer.model_copy(update={"text": answer.text + see})
    tell_answer(ctx, order_carried(key), str(key), answer, as_json=as_json)


async def _list(ctx: typer.Context, limit: int, *, only_open: bool) -> tuple[ListedReturn, ...]:
    async with temporal(invocation(ctx).settings().temporal) as client:
        return await list_returns(client, only_open=only_open, limit=limit)


async def _look(
    ctx: typer.Context, named: str
) -> tuple[str, ReturnView, tuple[TimelineEntry, ...], str | None]:
    settings = invocation(ctx).settings().temporal
    async with temporal(settings) as client:
        name = await find_return(client, named)
        view = await query(client, name.carried, "status", ReturnView)
        told = await story(client, name.carried)
    link = ui_link(settings, name.carried.workflow_id)
    return str(name), view, told, link


async def _inspect(
    ctx: typer.Context, named: str, verdicts: list[str], reason: str, actor: str
) -> tuple[ReturnName, OperatorAnswer]:
    async with temporal(invocation(ctx).settings().temporal) as client:
        name = await find_return(client, named)
        view = await query(client, name.carried, "status", ReturnView)
        inspection = Inspection(actor=who(actor), reason=reason, lines=verdicts_named(view, verdicts))
        return name, await update(client, name.carried, "inspect", inspection)


def _send(
    ctx: typer.Context, named: str, update_name: str, reason: str, actor: str, *, as_json: bool
) -> None:
    message = OperatorMessage(actor=who(actor), reason=reason)

    async def sent() -> tuple[ReturnName, OperatorAnswer]:
        async with temporal(invocation(ctx).settings().temporal) as client:
            name = await find_return(client, named)
            return name, await update(client, name.carried, update_name, message)

    name, answer = asyncio.run(sent())
    tell_answer(ctx, name.carried, str(name), answer, as_json=as_json)


def _said(reason: str) -> str:
    if not reason.strip():
        raise CommandFailed("say why: --reason is empty")
    return reason


def _row(listed: ListedReturn) -> tuple[str, ...]:
    view = listed.view
    if view is None:
        return (listed.id, "-", listed.state, "-", "a worker to answer for it")
    return (listed.id, view.number, listed.state, view.sentence, view.waiting_for if listed.running else "-")


def _units(line: ReturnLine) -> tuple[str, ...]:
    told = ", ".join(f"{units} {verdict}" for verdict, units in line.verdicts.items() if units)
    return (line.line_id, line.name, str(line.wanted), str(line.received), told or "-")
