"""``drill``: something goes wrong on purpose, on the embedded stack, and what must hold is looked at."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

import typer

from orderwright.stack_commands import INTERRUPTED, interruptible
from orderwright.terminal import CommandFailed
from sandbox.drills.crash import ANY, PARTS
from sandbox.drills.drill import Drill, Wish
from sandbox.drills.registry import DRILLS, crash, every_drill
from sandbox.drills.run import run_drills

_NAMES = (*DRILLS, *(f"crash {part}" for part in (*PARTS, ANY)), "all")


def drill(
    name: Annotated[list[str], typer.Argument(metavar="NAME", help=f"One of: {', '.join(_NAMES)}.")],
    quick: Annotated[bool, typer.Option("--quick", help="Small, as in CI.")] = False,
    orders: Annotated[int | None, typer.Option(min=1, help="How many orders.")] = None,
    minutes: Annotated[float | None, typer.Option(min=0.1, help="How long an outage lasts.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed goes wrong in the same way.")] = 1,
) -> None:
    """Let something go wrong on a fresh embedded stack, and prove that every order still ends right."""
    wish = Wish(quick=quick, orders=orders, minutes=minutes, seed=seed)
    drills = _asked_for(" ".join(name), wish)
    try:
        status = asyncio.run(interruptible(run_drills(drills, typer.echo)))
    except asyncio.CancelledError:
        raise typer.Exit(INTERRUPTED) from None
    raise typer.Exit(status)


def _asked_for(name: str, wish: Wish) -> Sequence[Drill]:
    if name == "all":
        return every_drill(wish)
    kind, _, part = name.partition(" ")
    if kind == "crash" and part in {*PARTS, ANY}:
        return [crash(part, wish)]
    if name in DRILLS:
        return [DRILLS[name](wish)]
    raise CommandFailed(f"there is no drill {name!r}; there are: {', '.join(_NAMES)}")
