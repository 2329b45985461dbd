"""``up`` and ``demo``: the embedded stack on this machine."""

import asyncio
import signal
from collections.abc import Awaitable
from typing import Annotated, TypeVar

import typer

from orderwright.terminal import FAILED, STACK_ENVIRONMENT, AsJson, print_facts, print_json
from sandbox.addresses import OPERATOR, Addresses
from sandbox.demo import print_demo, run_demo
from sandbox.stack import Stack

STACK = STACK_ENVIRONMENT.parent
INTERRUPTED = 130
RULES_OF_STOCK = "push = true\nbatch_seconds = 5\n"
"""The store of ``up`` shows what the ERP has; on a laptop nobody waits a minute for a batch."""
Result = TypeVar("Result")


def demo(as_json: AsJson = False) -> None:
    """Carry 24 orders of every shape from storefront to ERP and back, and prove both sides equal to the cent."""
    try:
        result = asyncio.run(interruptible(run_demo(_say)))
    except asyncio.CancelledError:
        raise typer.Exit(INTERRUPTED) from None
    if as_json:
        print_json(result)
    else:
        print_demo(result)
    raise typer.Exit(0 if result.held else FAILED)


def up(
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Forget what an earlier run left: orders, ERP, store.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run the whole stack on this machine until Ctrl-C, and print where everything is."""
    try:
        asyncio.run(interruptible(_keep_up(fresh=fresh, as_json=as_json)))
    except asyncio.CancelledError:
        typer.echo("stopped", err=True)


async def _keep_up(*, fresh: bool, as_json: bool) -> None:
    async with Stack(STACK, fresh=fresh, say=_say, rules_of_stock=RULES_OF_STOCK, console=True) as stack:
        where = stack.addresses
        if as_json:
            print_json(vars(where))
        else:
            _print_addresses(where)
        await stack.watch()


def _print_addresses(where: Addresses) -> None:
    typer.echo("\nThe stack is up; Ctrl-C ends it.\n")
    print_facts(
        [
            ("console", f"{where.console}  {OPERATOR} / {where.console_password}"),
            ("Temporal UI", where.temporal_ui),
            ("webhook endpoint", where.webhooks),
            ("store", where.store),
            ("ERP (Tryton)", f"{where.erp}  database {where.erp_database}"),
            ("ERP's warehouse staff", f"{where.staff_login} / {where.staff_password}"),
            ("Temporal", where.temporal),
            ("mapping", where.mapping),
            ("settings", f"{STACK_ENVIRONMENT}  (every orderwright command in this folder takes them)"),
        ]
    )
    typer.echo(
        "\nIn another terminal: orderwright order place TEE-BLK-S:2 MUG-LOGO, then orderwright order list "
        "and orderwright stock why MUG-LOGO; python -m sandbox.warehouse ship shop:5001 sends it "
        "(docs/one-order.md)\n"
    )


async def interruptible(work: Awaitable[Result]) -> Result:
    """Cancel the work, so that it cleans up, when SIGINT or SIGTERM asks for it."""
    task = asyncio.ensure_future(work)
    for asked in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(asked, task.cancel)
    return await task


def _say(text: str) -> None:
    typer.echo(text, err=True)
