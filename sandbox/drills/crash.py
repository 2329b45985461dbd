"""Processes die by SIGKILL while orders travel, and come back, as a supervisor would bring them."""

import asyncio
import random
from dataclasses import dataclass
from typing import Final

from sandbox.drills.carrying import carry, look_at_both, some_orders
from sandbox.drills.drill import Ground, Log, Wish
from sandbox.house import House

PARTS: Final = ("worker", "web", "temporal", "erp")
ANY: Final = "all"
"""Another part each time."""
DOWN: Final = (0.2, 2.0)
"""Seconds until a part is started again."""


@dataclass(frozen=True)
class Crash:
    """Implements ``Drill``. ``part`` is one of ``PARTS``, or ``ANY``."""

    wish: Wish
    part: str
    ground: Ground = Ground.MEMORY

    @property
    def name(self) -> str:
        """See ``Drill``."""
        return f"crash {self.part}"

    @property
    def summary(self) -> str:
        """See ``Drill``."""
        return f"{_WORDS[self.part]} is killed again and again while orders travel"

    async def run(self, house: House, log: Log) -> None:
        """See ``Drill``."""
        quick = 4 if self.ground is Ground.TRYTON else 15
        usual, rounds = (500, 50) if self.part == ANY else (100, 10)
        count = self.wish.count(usual, quick)
        rounds = 3 if self.wish.quick else rounds
        dice = random.Random(self.wish.seed)  # noqa: S311  a drill, not a secret
        orders = some_orders(count)
        ids: list[str] = []
        for number in range(rounds):
            ids += await house.place(orders[number * count // rounds : (number + 1) * count // rounds])
            await asyncio.sleep(dice.uniform(0.0, 1.5))
            await house.stack.crash(dice.choice(PARTS) if self.part == ANY else self.part)
            # Buyers order and webhooks are sent meanwhile as well.
            await asyncio.sleep(dice.uniform(*DOWN))
            await house.stack.revive()
            await house.office.ship(ids)
        log.did(f"{count} orders placed while {_WORDS[self.part]} was killed {rounds} times by SIGKILL")
        await carry(house, log, ids)
        log.number("kills", rounds)
        await look_at_both(house, log, ids)
        stuck = [each for each in ids if not await house.is_over(each)]
        log.check("no order is stuck", not stuck, f"{len(stuck)} of {len(ids)} orders do not end")


_WORDS: Final = {
    ANY: "one part after the other (worker, web, Temporal, ERP)",
    "worker": "the worker",
    "web": "web (webhooks and dispatcher)",
    "temporal": "the Temporal server",
    "erp": "the ERP",
}
