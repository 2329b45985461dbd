"""The race: who takes part in it, and what came of it."""

import asyncio
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from random import Random
from typing import Any, Final

from activities.stock_push import StockPusher
from domain.model import Frozen
from sandbox.oversell.blind import BlindPusher
from sandbox.oversell.ours import Ours
from sandbox.oversell.people import Crowd
from sandbox.oversell.virtual_time import VirtualTime
from sandbox.oversell.world import CHANNELS, World, rules_of

BUYERS: Final = 500
PACE: Final = 3.0
"""Seconds from one buyer to the next, on average."""
BUYERS_A_UNIT: Final = 500 / 30
"""So many come for each unit of each SKU at each warehouse: 500 for 300 units in all."""
FIRST_PUSHES: Final = 60.0
"""Seconds before the first of them."""
SETTLING: Final = 600.0
"""Seconds after the last, in which what was under way comes to its end."""


class Outcome(Frozen):
    """What came of one race."""

    seed: int
    rule: bool
    oversold: int
    """Units that buyers were promised, that are not there, and that a push of ours had shown."""
    by_push: int
    """Units that pushes showed beyond what is there."""
    missing: int
    """Units promised and not there, whoever is to blame: the ERP's people may take what buyers were promised."""
    orders: int
    promised: int
    raises: int
    unsold: int
    """Units at the end that the ERP has for nobody and no storefront shows."""
    waiting: int
    """The same of orders that wait for a person; see ``World.unsold``."""
    stories: tuple[str, ...]
    wrong: tuple[str, ...]
    """What is wrong with the race itself."""


def run_race(seed: int, *, rule: bool = True, buyers: int = BUYERS) -> Outcome:
    """One race; the same seed goes the same way. Without the ``rule``, units in flight count as nothing."""
    dice = Random(seed)  # noqa: S311  nobody is to be kept from guessing
    loop = VirtualTime(dice)
    with tempfile.TemporaryDirectory(prefix="oversell-") as folder:
        world = World(Path(folder), dice, rules_of(dice), max(1, round(buyers / BUYERS_A_UNIT)))
        try:
            loop.run_until_complete(_race(world, dice, StockPusher if rule else BlindPusher, buyers))
        finally:
            world.close()
            loop.close()
    truth = world.truth
    unsold, waiting = world.unsold()
    return Outcome(
        seed=seed,
        rule=rule,
        oversold=truth.oversold,
        by_push=truth.by_push.total(),
        missing=truth.missing,
        orders=sum(len(shop.orders) for shop in world.shops.values()),
        promised=world.promises,
        raises=world.raises,
        unsold=unsold,
        waiting=waiting,
        stories=tuple(truth.stories),
        wrong=tuple(world.unexplained()),
    )


async def _race(world: World, dice: Random, pusher: type[StockPusher], buyers: int) -> None:
    crowd, ours = Crowd(world, dice), Ours(world, dice, pusher)
    workers = _begin(
        ours.follow_stock(),
        ours.read_again(),
        ours.pass_time(),
        *(ours.push(channel) for channel in CHANNELS),
    )
    await asyncio.sleep(FIRST_PUSHES)
    people = _begin(crowd.outages(), crowd.warehouse(), crowd.back_office())
    await asyncio.gather(*(crowd.buyer(dice.random() * PACE * buyers) for _ in range(buyers)))
    await _end(people)
    crowd.end()
    await asyncio.sleep(SETTLING)
    await _end([*workers, *world.living])
    for stray in asyncio.all_tasks() - {asyncio.current_task()}:
        stray.cancel()


def _begin(*works: Coroutine[Any, Any, None]) -> list[asyncio.Task[None]]:
    return [asyncio.create_task(work) for work in works]


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    """Raises what stopped one of them before."""
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome
