"""Webhooks get lost on their way and nobody sends them again: the sweep has to find their orders."""

from contextlib import closing
from dataclasses import dataclass

from domain.certificate import Tally
from domain.completeness import Flow
from sandbox.addresses import CHANNEL
from sandbox.drills.carrying import carry, longest, look_at_both, small_orders
from sandbox.drills.drill import Ground, Log, Wish
from sandbox.drills.sweeping import sweep
from sandbox.house import House
from store.database import Database

HOURS = 1.0
"""How far the sweep looks back."""


@dataclass(frozen=True)
class MissedWebhooks:
    """Implements ``Drill``."""

    wish: Wish
    name = "missed-webhooks"
    summary = "webhooks get lost on their way, and the sweep has to find their orders"
    ground = Ground.MEMORY

    async def run(self, house: House, log: Log) -> None:
        """See ``Drill``."""
        count = self.wish.count(usual=100, quick=12)
        told = await house.place(small_orders(count // 2))
        await house.store.turn_webhooks(drop=True)
        missed = await house.place(small_orders(count - len(told)))
        await house.store.turn_webhooks(drop=False)
        log.did(f"{count} orders placed; the webhooks of {len(missed)} were lost for good")
        await house.until_entered(told, within=longest(count))
        known = [each for each in missed if each in await house.listed()]
        log.check("nobody knows of them before the sweep", not known, f"{len(known)} are known")
        found = await _sweep(house)
        log.check(
            "the sweep finds each of them and starts it",
            sum(found.repaired.values()) == len(missed),
            found.sentence,
        )
        await carry(house, log, [*told, *missed])
        await look_at_both(house, log, [*told, *missed])
        last = await _sweep(house)
        log.number("orders counted by the last sweep", last.placed)
        log.check(
            "the next certificate says that all is there and nothing is unexplained",
            last.placed == last.there and last.unexplained == 0,
            last.sentence,
        )


async def _sweep(house: House) -> Tally:
    """How a sweep counts the orders of the last hour."""
    with closing(Database(house.stack.addresses.database_url)) as database:
        certificates = await sweep(house.client, database, CHANNEL, HOURS)
    (tally,) = (each.tally for each in certificates if each.tally.flow is Flow.ORDERS)
    return tally
