"""Two channels, one stock: buyers, late webhooks and an ERP that is away half of the time race against our pushes."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from os import cpu_count
from typing import Final

from sandbox.drills.drill import Ground, Log, Wish
from sandbox.oversell.race import BUYERS, Outcome, run_race

SEEDS, QUICK_SEEDS = 20, 5
QUICK_BUYERS: Final = 200
"""Against as many units fewer."""
QUICK_WITHOUT: Final = 2
"""So many of the quick ones are run again without the rule."""
MOST_AT_ONCE: Final = 2


@dataclass(frozen=True)
class Oversell:
    """Implements ``Simulation``."""

    wish: Wish
    name = "oversell"
    summary = (
        "buyers on two channels race against our pushes, webhooks come late, the ERP is away half of the time"
    )
    ground = Ground.NOWHERE

    async def simulate(self, log: Log) -> None:
        """See ``Simulation``."""
        count = QUICK_SEEDS if self.wish.quick else SEEDS
        seeds = range(self.wish.seed, self.wish.seed + count)
        again = seeds[:QUICK_WITHOUT] if self.wish.quick else seeds
        buyers = self.wish.count(BUYERS, QUICK_BUYERS)
        workers = min(MOST_AT_ONCE, cpu_count() or 1)
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as processes:

            async def race(seed: int, *, rule: bool) -> Outcome:
                one = partial(run_race, seed, rule=rule, buyers=buyers)
                return await asyncio.get_running_loop().run_in_executor(processes, one)

            with_rule, without = await asyncio.gather(
                asyncio.gather(*(race(seed, rule=True) for seed in seeds)),
                asyncio.gather(*(race(seed, rule=False) for seed in again)),
            )
        judge(log, with_rule, without)


def judge(log: Log, with_rule: Sequence[Outcome], without: Sequence[Outcome]) -> None:
    """Say what came of the races, and what must hold."""
    over, lost = sum(each.oversold for each in with_rule), sum(each.oversold for each in without)
    seeds = len(with_rule)
    log.did(
        f"{seeds} races: {sum(each.orders for each in with_rule)} orders of "
        f"{sum(each.promised for each in with_rule)} units, shown by {sum(each.raises for each in with_rule)} raises"
    )
    log.did(f"{len(without)} of them again with nothing in flight and every order known")
    raised = [story for each in with_rule for story in each.stories]
    log.check("no push shows more than there is", not raised, "; ".join(raised[:3]) or "none of them did")
    log.check("no buyer was promised what only a push of ours had shown", over == 0, f"{over} units over")
    log.check("without the rule units are promised that are not there", lost > 0, f"{lost} units over")
    unsold = sum(each.unsold for each in with_rule)
    log.check("what the ERP has for nobody is shown in the end", unsold == 0, f"{unsold} units are not")
    wrong = [words for each in (*with_rule, *without) for words in each.wrong]
    log.check(
        "both systems' books come to what was reckoned apart",
        not wrong,
        "; ".join(wrong[:3]) or "to the unit",
    )
    log.number("races", seeds)
    log.number("units over", over)
    log.number("units over without the rule", lost)
    log.number("units promised that the ERP's own people took", sum(each.missing for each in with_rule))
    waiting = sum(each.waiting for each in with_rule)
    log.number("units that storefronts hold for orders that wait for a person", waiting)
    log.conclude(f"oversell: {over} units over in {seeds} seeds; without the rule: {lost} units over")
