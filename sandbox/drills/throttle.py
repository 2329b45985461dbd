"""Both systems say that they are asked too often: the store in Shopify's own way, the ERP by 429."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sandbox.drills.carrying import carry, look_at_both, marks, small_orders, spoiled, the_faults
from sandbox.drills.drill import Ground, Log, Wish
from sandbox.faults.call_log import Call
from sandbox.faults.rules import Fault, Rule
from sandbox.house import PLUS_PLAN, House
from sandbox.store.throttle import ThrottleKnobs

RETRY_AFTER: Final = 4.0
TOLERANCE: Final = timedelta(seconds=0.5)
"""A call that was on its way when another was told to wait; and the clock's grain."""


@dataclass(frozen=True)
class Throttle:
    """Implements ``Drill``."""

    wish: Wish
    name = "throttle"
    summary = "both systems say that they are asked too often"
    ground = Ground.MEMORY

    async def run(self, house: House, log: Log) -> None:
        """See ``Drill``."""
        faults = the_faults(house)
        since = await marks(faults)
        await house.store.set_throttle(ThrottleKnobs())
        await faults.set_rule("store", throttled_by_chance(self.wish.seed))
        for nth in (2, 7):
            limit = Rule(fault=Fault.RATE_LIMIT, calls="submit_order", nth=nth, retry_after=RETRY_AFTER)
            await faults.set_rule("erp", limit)
        count = self.wish.count(usual=60, quick=6)
        ids = await house.place(small_orders(count))
        log.did(
            f"{count} orders placed in a shop of the smallest plan; the store throttles by chance, the ERP twice"
        )
        await carry(house, log, ids)
        for proxy in since:
            await faults.clear(proxy)
        await house.store.set_throttle(PLUS_PLAN)
        await look_at_both(house, log, ids)
        throttled = (await spoiled(faults, "store", since["store"]))[Fault.THROTTLE]
        calls = await faults.log("erp", since["erp"])
        limited = [call for call in calls if call.fault is Fault.RATE_LIMIT]
        log.number("calls throttled by the store", throttled)
        log.number("calls limited by the ERP", len(limited))
        log.check(
            "both refused calls indeed", bool(throttled and limited), f"store {throttled}, ERP {len(limited)}"
        )
        check_left_alone(log, "the ERP", calls)


def throttled_by_chance(seed: int) -> Rule:
    """Some calls are too many, in the vendor's own words."""
    return Rule(fault=Fault.THROTTLE, probability=0.15, retry_after=1.0, seed=seed)


def limited_by_chance(seed: int) -> Rule:
    """Some calls are too many, by 429 and a pause."""
    return Rule(fault=Fault.RATE_LIMIT, probability=0.05, retry_after=RETRY_AFTER, seed=seed)


def check_left_alone(log: Log, system: str, calls: Sequence[Call]) -> None:
    """Nobody asks a system that has asked for a pause."""
    early = too_early(calls, timedelta(seconds=RETRY_AFTER))
    log.check(
        f"{system} is left alone for the {RETRY_AFTER:.0f} s that it asks for",
        not early,
        f"{len(early)} calls came too early" + (f": {early[0].operation}" if early else ""),
    )


def too_early(calls: Sequence[Call], pause: timedelta) -> list[Call]:
    """Calls that came while the system had asked to be left alone."""
    told = [call.at for call in calls if call.fault is Fault.RATE_LIMIT]
    return [call for call in calls if any(at + TOLERANCE < call.at < at + pause - TOLERANCE for at in told)]
