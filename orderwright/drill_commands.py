"""``drill``: something goes wrong on purpose, on the embedded stack or a staging, and what must hold is looked at."""

import asyncio
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from orderwright.stack_commands import INTERRUPTED, interruptible
from orderwright.terminal import CommandFailed, invocation
from sandbox.drills.crash import ANY, PARTS
from sandbox.drills.drill import Wish
from sandbox.drills.registry import DRILLS, crash, every_drill
from sandbox.drills.run import AnyDrill, run_drills
from sandbox.drills.staging_drills import STAGING_DRILLS, StagingDrill, run_on_staging

_NAMES = (*DRILLS, *(f"crash {part}" for part in (*PARTS, ANY)), "all")
_NEEDS = {
    "crash": "kills processes, which are yours there",
    "duplicates": "makes the sandbox's store send its webhooks twice",
    "shuffle": "makes the sandbox's store send its webhooks in disorder",
    "missed-webhooks": "makes the sandbox's store lose its webhooks",
    "one-cent-tax": "changes amounts in answers and reads the books of both systems",
    "unknown-sku": "sells a product that the ERP does not know",
    "oversell": "lets nobody but its own buyers race, in memory",
    "upgrade": "starts and ends workers, which are yours there",
}
"""Why a drill runs on the embedded stack alone."""


def drill(
    ctx: typer.Context,
    name: Annotated[list[str], typer.Argument(metavar="NAME", help=f"One of: {', '.join(_NAMES)}.")],
    *,
    quick: Annotated[bool, typer.Option("--quick", help="Small, as in CI.")] = False,
    orders: Annotated[int | None, typer.Option(min=1, help="How many orders.")] = None,
    minutes: Annotated[float | None, typer.Option(min=0.1, help="How long an outage lasts.")] = None,
    old_code: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            file_okay=False,
            resolve_path=True,
            help="Checkout of an earlier release, for 'upgrade'.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed goes wrong in the same way.")] = 1,
    staging: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Run on the deployment of the settings, with its own orders: the control address of the proxies "
            f"before its systems (orderwright faults). For {', '.join(STAGING_DRILLS)}.",
        ),
    ] = None,
) -> None:
    """Let something go wrong, on a fresh embedded stack or on your staging, and prove that all orders end right."""
    asked = " ".join(name)
    wish = Wish(quick=quick, orders=orders, minutes=minutes, seed=seed, old_code=old_code)
    if staging is None:
        _end(run_drills(_asked_for(asked, wish), typer.echo))
    if orders is not None:
        raise CommandFailed("on a staging the orders are your own; leave --orders out")
    drills = _asked_for_staging(asked)
    _end(run_on_staging(drills, wish, invocation(ctx).settings(), staging, say=typer.echo))


def _end(work: Coroutine[Any, Any, int]) -> NoReturn:
    """Do it until its end or Ctrl-C, and leave with its status."""
    try:
        status = asyncio.run(interruptible(work))
    except asyncio.CancelledError:
        raise typer.Exit(INTERRUPTED) from None
    raise typer.Exit(status)


def _asked_for(name: str, wish: Wish) -> Sequence[AnyDrill]:
    if name == "all":
        return every_drill(wish)
    kind, _, part = name.partition(" ")
    if kind == "crash" and part in {*PARTS, ANY}:
        return [crash(part, wish)]
    if name in DRILLS:
        return [DRILLS[name](wish)]
    raise CommandFailed(f"there is no drill {name!r}; there are: {', '.join(_NAMES)}")


def _asked_for_staging(name: str) -> Sequence[StagingDrill]:
    if name == "all":
        return list(STAGING_DRILLS.values())
    if name in STAGING_DRILLS:
        return [STAGING_DRILLS[name]]
    if name not in _NAMES:
        raise CommandFailed(f"there is no drill {name!r}; there are: {', '.join(_NAMES)}")
    raise CommandFailed(
        f"{name} runs on the embedded stack alone: it {_NEEDS[name.partition(' ')[0]]};"
        f" on a staging there are: {', '.join(STAGING_DRILLS)}, all"
    )
