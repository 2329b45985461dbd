"""``scenarios``: whole lives of orders, written down as data, lived through and read back from both systems."""

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from orderwright.stack_commands import INTERRUPTED, interruptible
from orderwright.terminal import FAILED, AsJson, CommandFailed, print_json
from sandbox.scenarios.catalogue import CatalogueBroken, catalogue, named
from sandbox.scenarios.memory import memory_ground
from sandbox.scenarios.play import Player
from sandbox.scenarios.proof import Row, print_rows
from sandbox.scenarios.real import real_ground
from sandbox.scenarios.vocabulary import Scenario

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from sandbox.scenarios.ground import Ground

PATIENCE_IN_MEMORY = 30.0
PATIENCE = 240.0
"""Seconds that one wait may take on Tryton."""
AT_ONCE_IN_MEMORY = 32
AT_ONCE = 12
"""So many orders keep Tryton busy; more of them only wait for each other."""


def scenarios(
    name: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="As in docs/scenarios.md; all without.")
    ] = None,
    *,
    memory: Annotated[
        bool,
        typer.Option(
            "--memory/--real", help="The ERP in memory and time skipped, or Tryton; seconds or minutes."
        ),
    ] = False,
    at_once: Annotated[
        int | None,
        typer.Option(
            min=1, help=f"Scenarios that live side by side; {AT_ONCE}, in memory {AT_ONCE_IN_MEMORY}."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Let orders live through the scenario catalogue, and prove both systems balanced, read back independently."""
    try:
        chosen = [named(each) for each in name] if name else list(catalogue())
    except CatalogueBroken as error:
        raise CommandFailed(str(error)) from error
    began = time.monotonic()
    try:
        rows = asyncio.run(interruptible(_play(chosen, memory=memory, at_once=at_once)))
    except asyncio.CancelledError:
        raise typer.Exit(INTERRUPTED) from None
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, round(time.monotonic() - began))
    raise typer.Exit(0 if all(row.balanced for row in rows) else FAILED)


async def _play(chosen: Sequence[Scenario], *, memory: bool, at_once: int | None) -> list[Row]:
    ground: AbstractAsyncContextManager[Ground] = memory_ground() if memory else real_ground(_say)
    async with ground as where:
        player = Player(
            where,
            patience=PATIENCE_IN_MEMORY if memory else PATIENCE,
            at_once=at_once or (AT_ONCE_IN_MEMORY if memory else AT_ONCE),
            say=_say,
        )
        try:
            return await player.play(chosen)
        finally:
            player.close()


def _say(text: str) -> None:
    typer.echo(text, err=True)
