"""``orderwright order ...``: see orders, and do what an operator can do."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated

import typer

from adapters.errors import ContractBroken, Rejected
from config.settings import Settings
from domain.money import format_money
from domain.order import CancelKind, OrderKey
from domain.quantities import LineState, QuantitiesBroken
from domain.status import OrderStatus, count_units
from orderwright.order_messages import send, who
from orderwright.place_command import place
from orderwright.rebuild import Rebuilder, Rebuilt
from orderwright.return_commands import begin
from orderwright.terminal import (
    FAILED,
    Actor,
    AsJson,
    Reason,
    complain,
    invocation,
    open_store,
    order_named,
    print_facts,
    print_json,
    print_table,
    short_enough,
)
from store.database import Database
from store.order_view import OrderSummary, OrderViews
from web.desk.looking import SeenOrder, see_order
from web.desk.operations import temporal, ui_link, waiting_for_people
from web.desk.returns import ListedReturn, units_named
from workflows.messages import CancelAsked, OrderView

orders = typer.Typer(
    no_args_is_help=True,
    help="See and prove orders, and approve, cancel, hold, release, resubmit, accept, take back or rebuild them.",
)

orders.command("place")(place)
orders.command("return")(begin)

Named = Annotated[
    str, typer.Argument(metavar="ORDER", help="shop:5001, or its number in the store or the ERP.")
]
NoWait = Annotated[
    bool, typer.Option("--no-wait", help="Send it as a signal and do not wait for the answer.")
]


@orders.command("list")
def list_orders(
    ctx: typer.Context,
    *,
    channel: Annotated[str | None, typer.Option(help="Only this channel.")] = None,
    status: Annotated[OrderStatus | None, typer.Option(help="Only this status.")] = None,
    attention: Annotated[
        bool, typer.Option("--attention", help="Only orders that wait for a person.")
    ] = False,
    limit: Annotated[
        int, typer.Option(min=1, max=1000, help="At most so many, the latest change first.")
    ] = 50,
    as_json: AsJson = False,
) -> None:
    """List orders."""
    if channel is not None:
        invocation(ctx).settings().channel(channel)
    with open_store(ctx) as database:
        views = OrderViews(database)
        if attention:
            # Temporal is asked: a hold, and what the workflow itself found wrong, are no step that writes the row.
            waiting = asyncio.run(_waiting_for_people(invocation(ctx).settings(), limit))
            found = tuple(
                row.model_copy(update=_wants(view))
                for key, view in waiting.items()
                if (row := views.get(key)) is not None
                and channel in {None, key.channel}
                and status in {None, row.status}
            )
        else:
            found = views.list(channel=channel, status=status, limit=limit)
    if as_json:
        print_json(found)
        return
    heads = ("Order", "Store", "ERP", "Status", "Total", "Captured", "Shipments", "Waits for")
    print_table("Orders", heads, (_row(order) for order in found), wide={"Waits for"}, empty="no orders")


async def _waiting_for_people(settings: Settings, limit: int) -> dict[OrderKey, OrderView | None]:
    async with temporal(settings.temporal) as client:
        return await waiting_for_people(client, limit)


@orders.command("show")
def show(ctx: typer.Context, order: Named, as_json: AsJson = False) -> None:
    """Tell where an order stands, what it waits for, what can be done, and its story."""
    settings = invocation(ctx).settings()
    key = order_named(ctx, order)
    with open_store(ctx) as database:
        seen = asyncio.run(_look(settings, database, key))
    if as_json:
        print_json(
            {
                "order": str(key),
                "view": seen.view,
                "timeline": seen.story,
                "row": seen.row,
                "audit": seen.audit,
                "cases": seen.cases,
                "returns": seen.returns,
            }
        )
        return
    link = ui_link(settings.temporal, key.workflow_id)
    facts = [("case", f"{case.id}: {case.title} (orderwright case show {case.id})") for case in seen.cases]
    facts += [("return", _told_of_return(each)) for each in seen.returns]
    if seen.dropped:
        remedy = "the sweep starts it again, now: orderwright sync run --hours 24, or more where it is older"
        facts.insert(0, ("carried by", f"nobody: its workflow was {seen.dropped} in Temporal; {remedy}"))
    if link:
        facts.append(("Temporal UI", link))
    _print_order(key, seen.row, seen.view, facts)
    if seen.view is not None:
        rows = [(e.at.strftime("%Y-%m-%d %H:%M:%S"), e.actor, e.text) for e in seen.story]
    else:
        rows = [(a.at.strftime("%Y-%m-%d %H:%M:%S"), a.actor, a.text) for a in seen.audit]
    print_table("Story (UTC)", ("When", "Who", "What"), rows, wide={"What"}, empty="no story yet")


@orders.command("prove")
def prove(ctx: typer.Context, order: Named, as_json: AsJson = False) -> None:
    """Prove an order balanced from what both systems recorded, read afresh; exit status 1 where it is not."""
    from orderwright.proof import as_plain, print_proof, read_proof  # noqa: PLC0415  all adapters, for two commands

    key = order_named(ctx, order)
    found, proof = asyncio.run(read_proof(invocation(ctx).settings(), key))
    balanced = proof.report.balanced
    if as_json:
        print_json(as_plain(found, proof))
    else:
        print_proof(found, proof)
        typer.echo(f"{key}: {'balanced' if balanced else 'NOT balanced'}")
    if not balanced:
        raise typer.Exit(FAILED)


@orders.command("cancel")
def cancel(
    ctx: typer.Context,
    order: Named,
    units: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SKU=UNITS]...", help="By SKU or line id, such as TEE-BLK-M=1; without any, all of it."
        ),
    ] = None,
    *,
    reason: Reason = "",
    kind: Annotated[
        CancelKind, typer.Option("--as", help="As what the storefront counts it; nobody is told of fraud.")
    ] = CancelKind.OTHER,
    actor: Actor = "",
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Cancel what has not left of an order, or some units of it, in both systems; what is picked, if it is put back."""
    asked = CancelAsked(actor=who(actor), reason=reason, kind=kind, lines=units_named(units or ()))
    send(ctx, order, "cancel", reason, actor, asked=asked, wait=not no_wait, as_json=as_json)


@orders.command("resubmit")
def resubmit(
    ctx: typer.Context,
    order: Named,
    *,
    reason: Reason = "",
    actor: Actor = "",
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Let an order go on after the cause of its problem was mended."""
    send(ctx, order, "resubmit", reason, actor, wait=not no_wait, as_json=as_json)


@orders.command("accept")
def accept(
    ctx: typer.Context,
    order: Named,
    *,
    reason: Annotated[str, typer.Option(help="Why; kept in the order's story.", callback=short_enough)],
    actor: Actor = "",
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Take what differs between the systems as the order shows it, and nothing else."""
    send(ctx, order, "accept", reason, actor, wait=not no_wait, as_json=as_json)


@orders.command("approve")
def approve(
    ctx: typer.Context,
    order: Named,
    *,
    reason: Annotated[str, typer.Option(help="Why; kept in the order's story.", callback=short_enough)],
    actor: Actor = "",
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Let an order of high value or risk go to the ERP, as it stands now."""
    send(ctx, order, "approve", reason, actor, wait=not no_wait, as_json=as_json)


@orders.command("hold")
def hold(
    ctx: typer.Context,
    order: Named,
    *,
    reason: Reason = "",
    actor: Actor = "",
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Stop an order before its next step. What the warehouse has of it can still leave: cancel what must not."""
    send(ctx, order, "hold", reason, actor, wait=not no_wait, as_json=as_json)


@orders.command("release")
def release(
    ctx: typer.Context,
    order: Named,
    *,
    reason: Reason = "",
    actor: Actor = "",
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Let a held order go on."""
    send(ctx, order, "release", reason, actor, wait=not no_wait, as_json=as_json)


@orders.command("rebuild")
def rebuild(
    ctx: typer.Context,
    order: Annotated[
        str | None, typer.Argument(metavar="[ORDER]", help="Without it: all of the last --days.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=36_500, help="How far back to look for orders.")] = 90,
    as_json: AsJson = False,
) -> None:
    """Write the order list anew from both systems. Changes nothing in them."""
    settings = invocation(ctx).settings()
    key = order_named(ctx, order) if order else None
    since = datetime.now(UTC) - timedelta(days=days)
    done, failed = asyncio.run(_rebuild(settings, key, since))
    if as_json:
        print_json({"rebuilt": done, "failed": [{"order": str(k), "reason": r} for k, r in failed.items()]})
    else:
        changed = [r for r in done if r.before is None or _told(r.before) != _told(r.after)]
        rows = [
            (
                str(r.after.key),
                r.after.number,
                r.before.status.value if r.before else "-",
                r.after.status.value,
            )
            for r in changed
        ]
        print_table("Changed", ("Order", "Store", "Before", "Now"), rows, empty="nothing had to change")
        typer.echo(f"{len(done)} orders read, {len(changed)} changed, {len(failed)} could not be read")
        complain(f"{k}: {reason}" for k, reason in failed.items())
    if failed:
        raise typer.Exit(FAILED)


async def _look(settings: Settings, database: Database, key: OrderKey) -> SeenOrder:
    async with temporal(settings.temporal) as client:
        return await see_order(client, database, settings, key)


async def _rebuild(
    settings: Settings, key: OrderKey | None, since: datetime
) -> tuple[list[Rebuilt], dict[OrderKey, str]]:
    done: list[Rebuilt] = []
    failed: dict[OrderKey, str] = {}
    from workers.composition import compose  # noqa: PLC0415  as above

    async with compose(settings) as parts, temporal(settings.temporal) as client:
        rebuilder = Rebuilder(parts.storefronts, parts.erp, parts.mappings, parts.database, client)
        if key is not None:
            settings.channel(key.channel)
            return [await rebuilder.rebuild(key)], {}
        async for found in rebuilder.all_keys(since):
            # One bad record blocks nothing else; what is down blocks all, and goes up.
            try:
                done.append(await rebuilder.rebuild(found))
            except (QuantitiesBroken, Rejected, ContractBroken) as error:
                failed[found] = str(error)
    return done, failed


def _row(order: OrderSummary) -> tuple[str, ...]:
    return (
        str(order.key),
        order.number,
        order.erp_number or "-",
        order.status.value.replace("_", " "),
        _money(order.total, order),
        _money(order.captured, order),
        str(order.shipments),
        f"a person: {order.problem}" if order.problem else order.waiting_for,
    )


def _wants(view: OrderView | None) -> dict[str, str]:
    if view is None:
        return {"waiting_for": "a worker to answer for it"}
    return {"waiting_for": view.waiting_for, "problem": view.problem.reason if view.problem else ""}


def _told(order: OrderSummary) -> dict[str, object]:
    return order.model_dump(exclude={"updated_at"})


def _money(amount: Decimal | None, order: OrderSummary) -> str:
    return "-" if amount is None or order.currency is None else format_money(amount, order.currency)


def _backordered(line: LineState) -> str:
    units = f"{count_units(line.backordered)} of {line.sku or line.title}"
    return f"{units}, expected {line.expected}" if line.expected else f"{units}, no day is promised"


def _told_of_return(listed: ListedReturn) -> str:
    told = f"{listed.view.number}, {listed.state}: {listed.view.sentence}" if listed.view else listed.state
    return f"{told} (orderwright return show {listed.id})"


def _print_order(
    key: OrderKey,
    summary: OrderSummary | None,
    view: OrderView | None,
    more: list[tuple[str, str]],
) -> None:
    facts: list[tuple[str, str]] = [("order", str(key))]
    if view is not None:
        facts += [
            ("store, ERP", f"{view.number}, {view.erp_number or 'not in the ERP yet'}"),
            ("status", f"{view.status.value.replace('_', ' ')} ({view.attention.value})"),
            ("stands", view.sentence),
            ("waits for", view.waiting_for),
            ("can be done", ", ".join(view.can_do) or "nothing"),
        ]
        facts += [("on backorder", _backordered(line)) for line in view.lines if line.backordered]
        facts += [
            ("given up by the ERP", f"{count_units(line.given_up)} of {line.sku or line.title}")
            for line in view.lines
            if line.given_up
        ]
    elif summary is not None:
        facts += [
            ("store, ERP", f"{summary.number}, {summary.erp_number or 'not in the ERP'}"),
            ("status", f"{summary.status.value.replace('_', ' ')}; Temporal has no history of it any more"),
        ]
    if summary is not None:
        facts.append(
            ("total, captured", f"{_money(summary.total, summary)}, {_money(summary.captured, summary)}")
        )
    print_facts([*facts, *more])
