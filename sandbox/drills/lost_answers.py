"""Both systems do what they are asked and the answers get lost: the first of every kind, then some by chance."""

from dataclasses import dataclass
from typing import Final

from sandbox.drills.carrying import carry, look_at_both, marks, some_orders, spoiled, the_faults
from sandbox.drills.drill import Ground, Log, Wish
from sandbox.faults.messages import WRITES
from sandbox.faults.rules import Fault, Rule
from sandbox.house import House

PROBABILITY: Final = 0.15


@dataclass(frozen=True)
class LostAnswers:
    """Implements ``Drill``."""

    wish: Wish
    name = "lost-answers"
    summary = "both systems do what they are asked, and the answers get lost"
    ground = Ground.TRYTON

    async def run(self, house: House, log: Log) -> None:
        """See ``Drill``."""
        faults = the_faults(house)
        since = await marks(faults)
        for proxy in since:
            for rule in answers_lost(self.wish.seed):
                await faults.set_rule(proxy, rule)
        count = self.wish.count(usual=16, quick=3)
        ids = await house.place(some_orders(count))
        log.did(
            f"{count} orders placed; the first answer to every kind of write is lost, and "
            f"{PROBABILITY:.0%} of the others"
        )
        await carry(house, log, ids)
        for proxy in since:
            await faults.clear(proxy)
        await look_at_both(house, log, ids)
        for proxy, number in since.items():
            lost = [call.operation for call in await faults.log(proxy, number) if call.fault]
            dropped = (await spoiled(faults, proxy, number))[Fault.DROP_ANSWER]
            log.number(f"answers lost by the {proxy}", dropped)
            kinds = sorted(set(lost))
            log.check(
                f"answers of the {proxy} were lost indeed",
                dropped > 0,
                f"{dropped}, to {len(kinds)} kinds of writes: {', '.join(kinds)}",
            )


def answers_lost(seed: int) -> tuple[Rule, ...]:
    """The first answer to every kind of write is lost, and some of the others."""
    return (
        Rule(fault=Fault.DROP_ANSWER, calls=WRITES, nth=1, of_each_operation=True),
        Rule(fault=Fault.DROP_ANSWER, calls=WRITES, probability=PROBABILITY, seed=seed),
    )
