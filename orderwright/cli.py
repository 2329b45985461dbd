"""The command line: ``orderwright demo|up|drill|scenarios|faults|worker|web|migrate|order|return|case|sync|...``."""

import asyncio
from functools import cache
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from orderwright.terminal import FAILED, AsJson, Invocation, PlainErrors, invocation, print_json, print_table

COMMANDS = {
    "demo": "orderwright.stack_commands:demo",
    "up": "orderwright.stack_commands:up",
    "drill": "orderwright.drill_commands:drill",
    "scenarios": "orderwright.scenario_commands:scenarios",
    "faults": "sandbox.faults.commands:app",
    "worker": "orderwright.roles:worker",
    "web": "orderwright.roles:web",
    "console": "orderwright.roles:console",
    "migrate": "orderwright.roles:migrate",
    "status": "orderwright.status_command:status",
    "order": "orderwright.backorder_commands:orders",
    "return": "orderwright.return_commands:returns",
    "case": "orderwright.case_commands:cases",
    "mapping": "orderwright.mapping_commands:mappings",
    "sync": "orderwright.sync_commands:sync",
    "stock": "orderwright.stock_commands:stock",
}
"""Where each command is. It is loaded once it is called: who asks how an order stands waits for no sandbox."""


class Commands(PlainErrors):
    """The commands by name."""

    def list_commands(self, ctx: Any) -> list[str]:
        """In the order of the help."""
        return [*COMMANDS, *super().list_commands(ctx)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name, loaded; None where there is none."""
        where = COMMANDS.get(cmd_name)
        return super().get_command(ctx, cmd_name) if where is None else _loaded(cmd_name, where)


@cache
def _loaded(name: str, where: str) -> Any:
    module, _, attribute = where.partition(":")
    found = getattr(import_module(module), attribute)
    if isinstance(found, typer.Typer):
        group = typer.main.get_group(found)
        group.name = name
        return group
    alone = typer.Typer(add_completion=False)
    alone.command(name)(found)
    return typer.main.get_command(alone)


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Keeps a storefront and an ERP telling the same story about every order.",
)


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
    from orderwright.doctor import examine  # noqa: PLC0415  as every other command, once it is called

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
