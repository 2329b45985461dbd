"""The imaginary wire to a memory system: it logs every call, takes its time, and goes wrong on order."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from adapters.memory.faults import Faults


class Call(NamedTuple):
    """A call as it arrived, whatever became of it.

    ``subject`` is the order it was about (at the ERP its key, at a storefront its external id), or empty.
    """

    operation: str
    subject: str
    reason: str = ""


class Wire:
    """Between the application and one memory system. ``latency`` is in seconds."""

    def __init__(self, system: str, faults: Faults | None, latency: float) -> None:
        self.system = system
        self.faults = faults or Faults()
        self.latency = latency
        self.calls: list[Call] = []

    @asynccontextmanager
    async def call(
        self, operation: str, subject: str = "", reason: str = "", *, writes: bool = False
    ) -> AsyncIterator[None]:
        """Wrap what one call does. Always gives the event loop a turn: concurrent calls interleave."""
        self.calls.append(Call(operation, subject, reason))
        await asyncio.sleep(self.latency)
        with self.faults.during(self.system, operation, writes=writes):
            yield
