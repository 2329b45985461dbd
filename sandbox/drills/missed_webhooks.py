"""Webhooks get lost on their way and nobody sends them again: the sweep has to find their orders."""

import asyncio
from dataclasses import dataclass
from uuid import uuid4

from domain.certificate import Tally
from domain.completeness import Flow
from sandbox.drills.carrying import carry, longest, look_at_both, small_orders
from sandbox.drills.drill import Ground, Log, Wish
from sandbox.house import House
from sandbox.stack import CHANNEL
from store.certificates import Certificates
from store.database import Database
from workflows.messages import ORDERS_QUEUE, SweepStart, sweep_id
from workflows.sweep import SweepWorkflow

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
    """Sweep the channel now, as ``orderwright sync run --hours`` does; how its orders were counted."""
    handle = await house.client.start_workflow(
        SweepWorkflow.run,
        SweepStart(channel=CHANNEL, hours=HOURS),
        id=f"{sweep_id(CHANNEL)}/drill-{uuid4().hex[:8]}",
        task_queue=ORDERS_QUEUE,
    )
    await handle.result()
    run = f"{handle.id}/{handle.first_execution_run_id}"
    return await asyncio.to_thread(_counted, house.stack.addresses.database_url, run)


def _counted(database_url: str, run: str) -> Tally:
    database = Database(database_url)
    try:
        (tally,) = (
            each.tally for each in Certificates(database).of_sweep(run) if each.tally.flow is Flow.ORDERS
        )
    finally:
        database.close()
    return tally
