"""``orderwright case ...``: what waits for a person, by cause; see it, solve it once for all its orders."""

import asyncio
import getpass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated

import typer

from config.mappings import load_mappings
from domain.case_guides import CaseAct
from domain.cases import CaseState
from domain.money import format_money
from domain.order import CancelKind
from orderwright.terminal import (
    FAILED,
    Actor,
    AsJson,
    CommandFailed,
    complain,
    invocation,
    open_store,
    print_facts,
    print_json,
    print_table,
    short_enough,
)
from store.cases import CaseDetail, Cases, CaseSummary, MoneyAtRisk
from web.desk.cases import MESSAGES, ActDone, Decision, Solver
from web.desk.operations import temporal

cases = typer.Typer(
    no_args_is_help=True, help="See what waits for a person, by cause, and solve it once for all its orders."
)

WINDOW = timedelta(days=30)
"""Over which the list tells how long people took."""
TIME = "%Y-%m-%d %H:%M"
NOTHING = "nothing here; it is closed by itself once it is over (see now: orderwright sync run)"

LARGEST = 2_147_483_647
"""The databases count cases no further."""
Number = Annotated[int, typer.Argument(metavar="CASE", min=1, max=LARGEST, help="The number of the case.")]


class Sorting(StrEnum):
    """What comes first in the list."""

    MONEY = "money"
    DEADLINE = "deadline"


@cases.command("list")
def list_cases(
    ctx: typer.Context,
    *,
    every: Annotated[bool, typer.Option("--all", help="Also those that are resolved.")] = False,
    sort: Annotated[Sorting, typer.Option(help="What comes first.")] = Sorting.MONEY,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List cases: most money at risk first, then the nearest deadline."""
    now = datetime.now(UTC)
    with open_store(ctx) as database:
        found = Cases(database).list(None if every else CaseState.OPEN)
        fixing = Cases(database).fixing_time(now - WINDOW, now)
    if sort is Sorting.DEADLINE:
        found = tuple(sorted(found, key=lambda case: (case.deadline, case.id)))
    if as_json:
        print_json(found[:limit])
        return
    heads = ("Case", "What", "Orders", "At risk", "Open since", "Deadline", "Who")
    rows = (_row(case, now) for case in found[:limit])
    print_table("Cases (UTC)", heads, rows, wide={"What"}, empty="no cases: nothing waits for a person")
    per_thousand = fixing.minutes_per_thousand_orders
    if per_thousand is not None:
        resolved = "1 case" if fixing.cases == 1 else f"{fixing.cases} cases"
        typer.echo(
            f"last {WINDOW.days} days: {resolved} resolved, {per_thousand:.1f} minutes of fixing per "
            "1,000 orders"
        )


@cases.command("show")
def show(ctx: typer.Context, case: Number, as_json: AsJson = False) -> None:
    """Tell what a case is about, who waits, what helps, and what was tried."""
    with open_store(ctx) as database:
        found = Cases(database).get(case)
    if found is None:
        raise CommandFailed(f"there is no case {case}; see: orderwright case list --all")
    if as_json:
        guide = found.summary.guide
        print_json({"case": found, "fix": guide.fix, "acts": guide.acts})
        return
    _print_case(found)


@cases.command("resolve")
def resolve(
    ctx: typer.Context,
    case: Number,
    *,
    reason: Annotated[
        str, typer.Option(help="Why; kept with the case and in the orders' stories.", callback=short_enough)
    ],
    retry: Annotated[bool, typer.Option("--retry", help="The cause is mended: its orders go on.")] = False,
    mapped: Annotated[
        str | None,
        typer.Option(
            "--map", metavar="VALUE", help="Add the missing entry to the mapping; its orders go on."
        ),
    ] = None,
    accept: Annotated[
        bool, typer.Option("--accept", help="Take the differences as each order shows them.")
    ] = False,
    approve: Annotated[
        bool, typer.Option("--approve", help="Let its orders go to the ERP as they stand.")
    ] = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="Cancel its orders in both systems.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Its orders wait until all is in stock.")] = False,
    ship: Annotated[
        bool, typer.Option("--ship", help="What is in stock leaves, the rest as it comes.")
    ] = False,
    cancel_rest: Annotated[
        bool, typer.Option("--cancel-rest", help="Cancel in both systems what is not in stock, or given up.")
    ] = False,
    kind: Annotated[
        CancelKind,
        typer.Option("--as", help="With --cancel: as what it counts in the storefront, such as fraud."),
    ] = CancelKind.OTHER,
    actor: Actor = "",
    as_json: AsJson = False,
) -> None:
    """Solve a case once: the decision goes to every order that waits in it."""
    asked = {
        CaseAct.RETRY: retry,
        CaseAct.MAP: mapped is not None,
        CaseAct.ACCEPT: accept,
        CaseAct.APPROVE: approve,
        CaseAct.CANCEL: cancel,
        CaseAct.WAIT: wait,
        CaseAct.SHIP: ship,
        CaseAct.CANCEL_REST: cancel_rest,
    }
    chosen = [act for act, wanted in asked.items() if wanted]
    if len(chosen) != 1:
        ways = ", ".join(f"--{act}" + (" VALUE" if act is CaseAct.MAP else "") for act in asked)
        raise CommandFailed(f"say what is to be done: exactly one of {ways}")
    if not reason.strip():
        raise CommandFailed("say why: --reason is empty")
    decision = Decision(
        act=chosen[0], actor=actor or getpass.getuser(), reason=reason, value=mapped or "", kind=kind
    )
    done = asyncio.run(_resolve(ctx, case, decision))
    if as_json:
        print_json(done)
    else:
        _print_done(done)
    if done.not_told:
        raise typer.Exit(FAILED)


@cases.command("assign")
def assign(
    ctx: typer.Context,
    case: Number,
    to: Annotated[str, typer.Argument(metavar="WHO", help="Who looks after it; '' for nobody.")],
    *,
    actor: Actor = "",
    as_json: AsJson = False,
) -> None:
    """Say who looks after a case."""
    with open_store(ctx) as database:
        done = Cases(database).assign(case, to.strip(), actor=actor or getpass.getuser())
        found = Cases(database).get(case)
    if not done or found is None:
        raise CommandFailed(f"there is no open case {case}; see: orderwright case list")
    if as_json:
        print_json(found.summary)
    else:
        typer.echo(f"case {case}: {found.summary.assigned_to or 'nobody'} looks after it")


async def _resolve(ctx: typer.Context, case: int, decision: Decision) -> ActDone:
    settings = invocation(ctx).settings()
    with open_store(ctx) as database:
        solver = Solver(database, load_mappings(settings))
        found = solver.open_case(case)
        async with temporal(settings.temporal) as client:
            return await solver.resolve(client, found, decision)


def _row(case: CaseSummary, now: datetime) -> tuple[str, ...]:
    if case.state is CaseState.RESOLVED:
        when = f"resolved {case.resolved_at:{TIME}}" if case.resolved_at else "resolved"
    else:
        when = f"{case.deadline:{TIME}}" + (" (over)" if case.deadline < now else "")
    return (
        str(case.id),
        case.title,
        str(case.waiting),
        _money(case.money_at_risk),
        f"{case.opened_at:{TIME}}",
        when,
        case.assigned_to or "-",
    )


def _money(risks: tuple[MoneyAtRisk, ...]) -> str:
    return ", ".join(format_money(risk.amount, risk.currency) for risk in risks) or "-"


def _print_case(case: CaseDetail) -> None:
    summary, guide = case.summary, case.summary.guide
    state = summary.state.value
    if summary.resolved_at is not None:
        state += f" {summary.resolved_at:{TIME}} UTC by {summary.resolved_by}: {summary.resolution}"
    facts = [
        ("case", f"{summary.id}: {summary.title}"),
        ("state", state),
        ("cause", summary.cause),
        ("reason", summary.reason),
        ("orders", f"{summary.waiting} wait, {summary.orders - summary.waiting} went on"),
        ("at risk", _money(summary.money_at_risk)),
        ("open since", f"{summary.opened_at:{TIME}} UTC, deadline {summary.deadline:{TIME}} UTC"),
        ("looks after it", summary.assigned_to or "nobody"),
        ("what helps", guide.fix),
        (
            "can be done",
            ", ".join(f"--{act}" + (" VALUE" if act is CaseAct.MAP else "") for act in guide.acts) or NOTHING,
        ),
    ]
    print_facts(facts)
    rows = (
        (
            str(order.key),
            order.number,
            "-"
            if order.total is None or order.currency is None
            else format_money(order.total, order.currency),
            f"{order.since:{TIME}}",
            order.reason if order.left_at is None else f"went on {order.left_at:{TIME}}",
        )
        for order in case.orders
    )
    heads = ("Order", "Store", "Total", "Since", "Waits for")
    print_table("Orders (UTC)", heads, rows, wide={"Waits for"}, empty="no order is concerned")
    tried = (
        (f"{act.at:{TIME}}", act.actor, act.act, act.text + (f" ({act.reason})" if act.reason else ""))
        for act in case.tried
    )
    print_table(
        "Tried (UTC)", ("When", "Who", "What", "How"), tried, wide={"How"}, empty="nothing was tried yet"
    )
    if case.evidence:
        typer.echo(f"evidence, masked:\n{case.evidence}")


def _print_done(done: ActDone) -> None:
    for rule in done.rules:
        typer.echo(f"mapping: {rule}")
    told = len(done.told)
    if done.resolved:
        typer.echo(f"case {done.case_id}: resolved; no order waited in it")
    elif told:
        orders = "1 order" if told == 1 else f"{told} orders"
        typer.echo(
            f"case {done.case_id}: {MESSAGES[done.act]} sent to {orders}; it is resolved once none waits any more: "
            f"orderwright case show {done.case_id}"
        )
    complain(f"{failed.key} was not told: {failed.reason}" for failed in done.not_told)
