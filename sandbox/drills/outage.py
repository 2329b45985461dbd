"""What the drills with an outage have in common: a system that answers 503 to everything, and who still calls it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sandbox.drills.drill import Log
from sandbox.faults.client import Faults
from sandbox.faults.rules import Fault, Rule

SECONDS_PER_CALL: Final = 3.0
"""At most one call in so many seconds may reach a system that is away."""

AWAY: Final = Rule(fault=Fault.STATUS, status=503)
"""What answers for a system that is away, as whatever stands before it does."""


@dataclass
class Outage:
    """One outage; ``ended`` and ``calls`` are there when it is over."""

    began: datetime
    ended: datetime
    calls: int = 0

    @property
    def seconds_so_far(self) -> float:
        """How long it has been lasting."""
        return (datetime.now(UTC) - self.began).total_seconds()

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (self.ended - self.began).total_seconds()


@asynccontextmanager
async def away(faults: Faults, proxy: str) -> AsyncIterator[Outage]:
    """While the block lasts, every call to the system behind the proxy is answered 503, and counted."""
    since = (await faults.counts(proxy)).calls
    now = datetime.now(UTC)
    outage = Outage(now, now)
    rule = await faults.set_rule(proxy, AWAY)
    try:
        yield outage
    finally:
        await faults.lift(proxy, rule)
        outage.ended = datetime.now(UTC)
        outage.calls = sum(call.fault is Fault.STATUS for call in await faults.log(proxy, since))


def check_calls(log: Log, outage: Outage, system: str) -> None:
    """The system that is away is left alone."""
    allowed = int(outage.seconds / SECONDS_PER_CALL)
    log.number(f"seconds without {system}", outage.seconds)
    log.number(f"calls that reached {system} meanwhile", outage.calls)
    log.check(
        f"{system} is asked at most once in {SECONDS_PER_CALL:.0f} s while it is away",
        outage.calls <= allowed,
        f"{outage.calls} calls in {outage.seconds:.0f} s, {allowed} allowed",
    )
