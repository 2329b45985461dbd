"""``scenarios --random``: lives that nobody wrote down, and what came of them."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

import typer

from domain.cases import family
from orderwright.stack_commands import INTERRUPTED, interruptible
from orderwright.terminal import FAILED, print_json, print_table
from sandbox.scenarios.memory import memory_ground
from sandbox.scenarios.random_lives import NEVER, Life, RandomLives
from sandbox.scenarios.real import real_ground

PATIENCE_IN_MEMORY: Final = 60.0
PATIENCE: Final = 240.0
"""Seconds in which an order has to come to its end, once everybody works on that."""


def run_random_lives(seeds: Sequence[int], at_once: int, *, memory: bool, as_json: bool) -> int:
    """Live them through and tell of them; returns the exit status."""
    try:
        lives = asyncio.run(interruptible(_live(seeds, at_once, memory=memory)))
    except asyncio.CancelledError:
        return INTERRUPTED
    if as_json:
        print_json([asdict(life) | {"held": life.held} for life in lives])
    else:
        _print(lives)
    return 0 if all(life.held for life in lives) else FAILED


async def _live(seeds: Sequence[int], at_once: int, *, memory: bool) -> list[Life]:
    async with memory_ground() if memory else real_ground(_say) as ground:
        lives = RandomLives(ground, patience=PATIENCE_IN_MEMORY if memory else PATIENCE, say=_say)
        try:
            return await lives.live(seeds, at_once)
        finally:
            lives.close()


def _print(lives: Sequence[Life]) -> None:
    asked = Counter(family(cause) for life in lives for cause in life.causes)
    rows = [(cause, str(times), "NEVER" if cause in NEVER else "") for cause, times in asked.most_common()]
    print_table("What people were asked", ("Cause", "Lives", ""), rows, empty="nobody was asked anything")
    for life in lives:
        if not life.held:
            _print_finding(life)
    accepted = sum(life.accepted for life in lives)
    typer.echo(
        f"random lives: {sum(life.held for life in lives)} of {len(lives)} held, "
        f"{accepted} of them with a difference that a person accepted"
    )


def _print_finding(life: Life) -> None:
    """All that is known of it: the next one who looks has nothing else."""
    typer.echo(f"FINDING {life.name} (order {life.external_id})")
    for what in (*life.failures, *life.deeds, *(f"{cause}: {why}" for cause, why in life.causes.items())):
        typer.echo(f"  - {what}")
    typer.echo("".join(f"    {line}\n" for line in life.story.splitlines()))


def _say(text: str) -> None:
    typer.echo(text, err=True)
