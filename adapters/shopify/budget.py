"""Paces requests below the shop's cost bucket, so that work is not thrown away half-way.

Shopify refuses a request whose cost is not in the bucket. An activity that is refused at its third request starts again
with the first, and many of them together would spend the bucket on beginnings: so each request waits here, in order of
arrival, until the bucket is believed to hold its cost. What a document costs and what the bucket holds is told by every
answer (``extensions.cost``).
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from adapters.errors import RateLimited
from adapters.shopify.answers import SYSTEM
from domain.model import Frozen

LONGEST_WAIT = timedelta(seconds=10)
"""What is sat out here; an order that has to wait longer is better off waiting in Temporal."""


class Throttle(Frozen):
    """The bucket as an answer tells it, in points and points a second."""

    requested: float
    available: float
    restore_rate: float


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
        self._costs: dict[str, float] = {}
        self._available = float("inf")
        self._restore_rate = 0.0
        self._told_at = 0.0
        self._in_flight = 0.0

    @asynccontextmanager
    async def spend(self, document: str, operation: str) -> AsyncIterator[None]:
        """Wait for the document's turn and cost, then hold its points while the block sends it.

        Raises RateLimited where that would take longer than ``LONGEST_WAIT``.
        """
        async with self._turn:
            cost = self._costs.get(document, 0.0)
            wait = self._missing_seconds(cost)
            if wait > LONGEST_WAIT.total_seconds():
                raise RateLimited(SYSTEM, operation, "the shop's points are spent", timedelta(seconds=wait))
            if wait > 0:
                await self._sleep(wait)
            self._in_flight += cost
        try:
            yield
        finally:
            self._in_flight -= cost

    def learn(self, document: str, throttle: Throttle) -> None:
        """Take in what an answer tells."""
        self._costs[document] = throttle.requested
        self._available, self._restore_rate = throttle.available, throttle.restore_rate
        self._told_at = self._now()

    def _missing_seconds(self, cost: float) -> float:
        if not self._restore_rate:
            return 0.0
        believed = self._available + (self._now() - self._told_at) * self._restore_rate - self._in_flight
        return max(0.0, (cost - believed) / self._restore_rate)


def read_throttle(answer: dict[str, Any]) -> Throttle | None:
    """The bucket in an answer; None where it tells none."""
    try:
        cost = answer["extensions"]["cost"]
        status = cost["throttleStatus"]
        return Throttle(
            requested=float(cost["requestedQueryCost"]),
            available=float(status["currentlyAvailable"]),
            restore_rate=float(status["restoreRate"]),
        )
    except (KeyError, TypeError, ValueError):
        return None
