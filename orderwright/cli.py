"""The command line: ``orderwright demo|up|drill|scenarios|faults|worker|web|migrate|order|return|case|sync|...``."""

import asyncio
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from orderwright import roles, stack_commands
from orderwright.backorder_commands import orders
from orderwright.case_commands import cases
from orderwright.doctor import examine
from orderwright.drill_commands import drill
from orderwright.mapping_commands import mappings
from orderwright.return_commands import returns
from orderwright.scenario_commands import scenarios
from orderwright.status_command import status
from orderwright.stock_commands import stock
from orderwright.sync_commands import sync
from orderwright.terminal import FAILED, AsJson, Invocation, PlainErrors, invocation, print_json, print_table
from sandbox.faults.commands import app as faults

app = typer.Typer(
    cls=PlainErrors,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Keeps a storefront and an ERP telling the same story about every order.",
)
app.command()(stack_commands.demo)
app.command()(stack_commands.up)
app.command()(drill)
app.command()(scenarios)
app.add_typer(faults, name="faults")
app.command()(roles.worker)
app.command()(roles.web)
app.command()(roles.console)
app.command()(roles.migrate)
app.command()(status)
app.add_typer(orders, name="order")
app.add_typer(returns, name="return")
app.add_typer(cases, name="case")
app.add_typer(mappings, name="mapping")
app.add_typer(sync, name="sync")
app.add_typer(stock, name="stock")


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"orderwright {version('orderwright')}")
        raise typer.Exit


@app.callback()
def common(
    ctx: typer.Context,
    env_file: Annotated[
        Path | None,
        typer.Option(
            help="File with settings. Without it: .env, else the settings of the running embedded stack."
        ),
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """What all commands share."""
    ctx.obj = Invocation(env_file)


@app.command()
def doctor(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Check versions, settings, mapping, ports and every system that is named; tell the remedy for each problem."""
    findings = asyncio.run(examine(invocation(ctx).settings))
    problems = [finding for finding in findings if not finding.ok]
    if as_json:
        print_json(findings)
    else:
        rows = [
            (f.subject, "ok" if f.ok else "PROBLEM", f.detail, "" if f.ok else f.remedy) for f in findings
        ]
        print_table("Doctor", ("What", "", "Found", "Remedy"), rows, wide={"Found", "Remedy"})
        typer.echo(_count(len(problems)) if problems else "all is well")
    if problems:
        raise typer.Exit(FAILED)


def _count(problems: int) -> str:
    return "1 problem" if problems == 1 else f"{problems} problems"
