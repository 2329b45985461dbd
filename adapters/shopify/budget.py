"""Paces requests below the shop's cost bucket, so that work is not thrown away half-way.

Shopify refuses a request whose cost is not in the bucket. An activity that is refused at its third request starts again
with the first, and many of them together would spend the bucket on beginnings: so each request waits here, in order of
arrival, until the bucket is believed to hold its cost. What a document costs and what the bucket holds is told by every
answer (``extensions.cost``).

Requests that can wait leave a share of the bucket to the others. They queue apart and go only while none of the others
waits: an order never stands behind them.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from adapters.errors import RateLimited
from adapters.shopify.answer import SYSTEM
from domain.model import Frozen

LONGEST_WAIT = timedelta(seconds=10)
"""What is sat out here; an order that has to wait longer is better off waiting in Temporal."""

_LOOK_AGAIN = timedelta(milliseconds=100)
"""How long a request that can wait waits at least for those before it."""


class Throttle(Frozen):
    """The bucket as an answer tells it, in points and points a second."""

    requested: float
    available: float
    restore_rate: float
    maximum: float = 0.0
    """What the bucket holds when it is full; 0: not told."""


class CostBudget:
    """What one app may spend at one shop. ``now`` is a monotonic clock in seconds."""

    def __init__(
        self,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._now = now
        self._sleep = sleep
        self._turn = asyncio.Lock()
        self._turn_of_those_that_can_wait = asyncio.Lock()
        self._first = 0
        """Requests that leave nothing, and wait for their turn or their points."""
        self._costs: dict[str, float] = {}
        self._available = float("inf")
        self._restore_rate = 0.0
        self._maximum = 0.0
        self._told_at = 0.0
        self._in_flight = 0.0

    @asynccontextmanager
    async def spend(self, document: str, operation: str, *, leave: float = 0.0) -> AsyncIterator[None]:
        """Wait for the document's turn and cost, then hold its points while the block sends it.

        ``leave`` is the share of the bucket that is to be there besides, for all others. Raises RateLimited where that
        would take longer than ``LONGEST_WAIT``.
        """
        wait = self._wait_first(document, operation) if not leave else self._wait(document, operation, leave)
        cost = await wait
        try:
            yield
        finally:
            self._in_flight -= cost

    async def _wait_first(self, document: str, operation: str) -> float:
        """Wait, and take the cost that is returned."""
        self._first += 1
        try:
            async with self._turn:
                cost = self._costs.get(document, 0.0)
                wait = self._missing_seconds(cost)
                if wait > LONGEST_WAIT.total_seconds():
                    raise self._spent(operation, wait)
                if wait > 0:
                    await self._sleep(wait)
                self._in_flight += cost
                return cost
        finally:
            self._first -= 1

    async def _wait(self, document: str, operation: str, leave: float) -> float:
        """As ``_wait_first``, behind all who wait there: what others spend meanwhile is waited for again."""
        async with self._turn_of_those_that_can_wait:
            waited = 0.0
            while True:
                cost = self._costs.get(document, 0.0)
                wait = self._missing_seconds(cost, leave)
                if wait <= 0 and not self._first:
                    self._in_flight += cost
                    return cost
                wait = max(wait, _LOOK_AGAIN.total_seconds())
                waited += wait
                if waited > LONGEST_WAIT.total_seconds():
                    raise self._spent(operation, wait)
                await self._sleep(wait)

    def learn(self, document: str, throttle: Throttle) -> None:
        """Take in what an answer tells."""
        self._costs[document] = throttle.requested
        self._available, self._restore_rate = throttle.available, throttle.restore_rate
        self._maximum = throttle.maximum
        self._told_at = self._now()

    def _missing_seconds(self, cost: float, leave: float = 0.0) -> float:
        if not self._restore_rate:
            return 0.0
        held = self._available + (self._now() - self._told_at) * self._restore_rate
        needed = cost
        if self._maximum:
            held = min(held, self._maximum)
            # A full bucket is as much as there ever is.
            needed = max(cost, min(cost + leave * self._maximum, self._maximum))
        return max(0.0, (needed - held + self._in_flight) / self._restore_rate)

    @staticmethod
    def _spent(operation: str, wait: float) -> RateLimited:
        return RateLimited(SYSTEM, operation, "the shop's points are spent", timedelta(seconds=wait))


def read_throttle(answer: dict[str, Any]) -> Throttle | None:
    """The bucket in an answer; None where it tells none."""
    try:
        cost = answer["extensions"]["cost"]
        status = cost["throttleStatus"]
        return Throttle(
            requested=float(cost["requestedQueryCost"]),
            available=float(status["currentlyAvailable"]),
            restore_rate=float(status["restoreRate"]),
            maximum=float(status.get("maximumAvailable") or 0.0),
        )
    except (KeyError, TypeError, ValueError):
        return None
