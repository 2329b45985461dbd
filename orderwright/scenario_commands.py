"""``scenarios``: whole lives of orders, written down as data, lived through and read back from both systems."""

import asyncio
import re
import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from orderwright.random_lives import run_random_lives
from orderwright.stack_commands import INTERRUPTED, interruptible
from orderwright.terminal import FAILED, AsJson, CommandFailed, print_json
from sandbox.scenarios.catalogue import CatalogueBroken, catalogue, named
from sandbox.scenarios.memory import memory_ground
from sandbox.scenarios.play import Player, shared
from sandbox.scenarios.proof import Row, print_rows
from sandbox.scenarios.real import real_ground
from sandbox.scenarios.vocabulary import Scenario
from sandbox.stack import Say

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from sandbox.scenarios.ground import Ground

PATIENCE_IN_MEMORY = 120.0
PATIENCE = 240.0
"""Seconds that one wait may take on Tryton."""
AT_ONCE_IN_MEMORY = 32
AT_ONCE = 8
"""So many orders keep a Tryton busy; more of them only wait for each other."""
HOUSES = 2
"""Tryton uses one processor; on a machine of two a second one, with a store and workers of its own, uses the other."""


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
            min=1,
            help=f"Scenarios that live side by side in a house; {AT_ONCE}, in memory {AT_ONCE_IN_MEMORY}.",
        ),
    ] = None,
    houses: Annotated[
        int, typer.Option(min=1, help="Trytons, each with a store and workers, that share the scenarios.")
    ] = HOUSES,
    random: Annotated[
        int | None,
        typer.Option(
            min=1, help="Instead of the catalogue so many lives that nobody wrote down; --seed begins them."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The first random life; the next ones follow.")] = 1,
    share: Annotated[
        str | None,
        typer.Option(metavar="K/N", help="Only one of N shares of them, about equally long; CI takes turns."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Let orders live through the scenario catalogue, and prove both systems balanced, read back independently."""
    try:
        chosen = [named(each) for each in name] if name else list(catalogue())
        chosen = chosen if share is None else share_of(chosen, share)
    except CatalogueBroken as error:
        raise CommandFailed(str(error)) from error
    began = time.monotonic()
    most = at_once or (AT_ONCE_IN_MEMORY if memory else AT_ONCE)
    if random is not None:
        if name or share:
            raise CommandFailed("--random draws orders and acts itself; leave names and --share out")
        raise typer.Exit(run_random_lives(range(seed, seed + random), most, memory=memory, as_json=as_json))
    try:
        rows = asyncio.run(interruptible(_play(chosen, memory=memory, at_once=at_once, houses=houses)))
    except asyncio.CancelledError:
        raise typer.Exit(INTERRUPTED) from None
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, round(time.monotonic() - began))
    raise typer.Exit(0 if all(row.balanced for row in rows) else FAILED)


def share_of(chosen: Sequence[Scenario], share: str) -> list[Scenario]:
    """The ``K``-th of ``N`` shares, in the order given. Raises CommandFailed where ``K/N`` is none."""
    found = re.fullmatch(r"(\d+)/([1-9]\d*)", share)
    shares = shared(chosen, int(found[2])) if found else []
    if found is None or not 1 <= int(found[1]) <= len(shares):
        raise CommandFailed(
            f"--share {share}: there is no such share of {len(chosen)} scenarios; give one such as 1/2"
        )
    mine = {each.name for each in shares[int(found[1]) - 1]}
    return [each for each in chosen if each.name in mine]


async def _play(chosen: Sequence[Scenario], *, memory: bool, at_once: int | None, houses: int) -> list[Row]:
    """All of them, each house its share; rows come in the order given."""
    if memory:
        most = at_once or AT_ONCE_IN_MEMORY
        return await _in_a_house(memory_ground(), chosen, PATIENCE_IN_MEMORY, most, _say)
    shares = shared(chosen, houses)
    told = await asyncio.gather(
        *(
            _in_a_house(real_ground(say, number), share, PATIENCE, at_once or AT_ONCE, say)
            for number, share in enumerate(shares, 1)
            for say in [_say if len(shares) == 1 else partial(_say_of, number)]
        )
    )
    rows = {row.name: row for each in told for row in each}
    return [rows[each.name] for each in chosen]


async def _in_a_house(
    ground: "AbstractAsyncContextManager[Ground]",
    share: Sequence[Scenario],
    patience: float,
    at_once: int,
    say: Say,
) -> list[Row]:
    async with ground as where:
        player = Player(where, patience=patience, at_once=at_once, say=say)
        try:
            return await player.play(share)
        finally:
            player.close()


def _say_of(house: int, text: str) -> None:
    _say(f"{house}| {text}")


def _say(text: str) -> None:
    typer.echo(text, err=True)
