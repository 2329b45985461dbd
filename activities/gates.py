"""The gate before each outside system: while it is away nobody calls it, and one probe asks for all.

One failed call is no outage. It makes this process *ask*: one light call (``ping``) whose answer tells whether the
system is away or only that call went wrong. While a system is away

- no worker polls its task queue (``workers.slots``), so what waits there costs nothing and adds no history,
- calls of activities that are under way end at once as ``Unavailable``,
- one worker at a time, by a claim in the store, asks it again every few seconds, and all others learn from the row.

A system that says how long to wait (429) is left alone for just that long.
"""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from activities.counters import CallCounters
from adapters.errors import AdapterError, OutcomeUnknown, RateLimited, SessionExpired, Unavailable
from domain.connection import Connection, ConnectionState
from store.connections import Connections
from store.errors import DatabaseUnavailable

log = logging.getLogger(__name__)

Ping = Callable[[], Awaitable[None]]

_TROUBLE = (Unavailable, OutcomeUnknown, SessionExpired, RateLimited)
"""What says something about the system. Any other error is an answer, so the system is there."""
_dice = random.SystemRandom()


@dataclass(frozen=True)
class Pace:
    """How often, in seconds."""

    look: float = 1.0
    """Between two looks at the row that the workers share."""
    probe: float = 5.0
    """Between two probes of a system that is away, for the whole deployment; up to a fifth longer, by chance."""
    ping: float = 10.0
    """Longest wait for the answer to a probe."""
    trials: int = 3
    """So many calls failed with none between them that worked: away, even though the ping is answered."""


class Gate:
    """One outside system, as this process sees it. Call ``watch()`` in a task for as long as it is used."""

    def __init__(
        self,
        system: str,
        ping: Ping,
        connections: Connections,
        pace: Pace,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        counters: CallCounters | None = None,
    ) -> None:
        self._counters = counters or CallCounters()
        self._ping = ping
        self._connections = connections
        self._pace = pace
        self._clock = clock
        self.connection = Connection(system=system, state=ConnectionState.UP, since=clock())
        self._open = asyncio.Event()
        self._open.set()
        self._failures = 0
        self._answers_pings = True
        self._asking: asyncio.Task[None] | None = None
        self._changing = asyncio.Lock()

    @property
    def system(self) -> str:
        """``erp``, or the name of a channel."""
        return self.connection.system

    async def until_open(self) -> None:
        """Wait until the system may be called."""
        await self._open.wait()

    @asynccontextmanager
    async def passing(self, operation: str) -> AsyncIterator[None]:
        """Wrap one call, as ``_passing`` says, and count how it ends."""
        begun, outcome = time.monotonic(), "done"
        try:
            async with self._passing(operation):
                yield
        except asyncio.CancelledError:
            outcome = "canceled"
            raise
        except Exception as error:
            outcome = type(error).__name__
            raise
        finally:
            self._counters.ended(self.system, operation, outcome, time.monotonic() - begun)

    @asynccontextmanager
    async def _passing(self, operation: str) -> AsyncIterator[None]:
        """Wrap one call. Raises Unavailable at once while the system is away; learns from how the call goes."""
        if self.connection.away:
            words = self.connection.sentence(self._clock())
            raise Unavailable(self.system, operation, f"not asked: {words}")
        try:
            yield
        except RateLimited as error:
            await self._close(error.reason, error.retry_after)
            raise
        except _TROUBLE as error:
            await self._doubt(error.reason)
            error.this_call_alone = self._answers_pings
            raise
        except AdapterError:
            self._failures = 0
            raise
        except asyncio.CancelledError:
            # Given up because no answer came, or because this process ends: who asks finds out.
            self._ask_soon(f"{operation}: no answer")
            raise
        self._failures = 0

    async def watch(self) -> None:
        """Learn from the other workers, and probe when it is this one's turn; for ever."""
        while True:
            try:
                await self._learn()
                if self.connection.away and await self._my_turn():
                    await self._probe()
            except Exception:
                # Whatever it was: without a watch a closed gate would never open again.
                log.exception("the gate of %s goes on watching", self.system)
            await asyncio.sleep(self._pace.look)

    async def close(self) -> None:
        """End what is under way."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    async def _doubt(self, reason: str) -> None:
        """A call failed: one ping, shared by all calls that fail meanwhile, tells whether the system is away."""
        if self._failures + 1 >= self._pace.trials and self._asking is None and not self.connection.away:
            await self._close(reason, self._pause())
            return
        asking = self._ask_soon(reason)
        if asking is not None:
            await asyncio.shield(asking)

    def _ask_soon(self, reason: str) -> asyncio.Task[None] | None:
        self._failures += 1
        if self._asking is None and not self.connection.away:
            self._asking = asyncio.create_task(self._ask(reason))
        return self._asking

    async def _ask(self, reason: str) -> None:
        try:
            trouble = await self._trouble()
            if trouble is not None:
                await self._close(reason, trouble)
        finally:
            self._asking = None

    async def _trouble(self) -> timedelta | None:
        """Ping; how long to leave the system alone, or None where it answers."""
        self._answers_pings = False
        try:
            async with asyncio.timeout(self._pace.ping):
                await self._ping()
        except RateLimited as error:
            return error.retry_after
        except (*_TROUBLE, TimeoutError):
            return self._pause()
        except AdapterError as error:
            log.warning("%s answers a probe with a refusal: %s", self.system, error)
        self._answers_pings = True
        return None

    async def _probe(self) -> None:
        trouble = await self._trouble()
        if trouble is None:
            await self._reopen()
        elif trouble > timedelta(seconds=2 * self._pace.probe):
            await self._close(self.connection.reason, trouble)

    async def _close(self, reason: str, wait: timedelta) -> None:
        """Nobody calls before the next probe, in ``wait``."""
        async with self._changing:
            now = self._clock()
            if not self.connection.away:
                log.warning("%s is away, its calls wait: %s", self.system, reason)
                self._take(
                    Connection(system=self.system, state=ConnectionState.AWAY, since=now, reason=reason)
                )
            try:
                noted = await asyncio.to_thread(
                    self._connections.note_away, self.system, reason, now, now + wait
                )
            except DatabaseUnavailable as error:
                log.warning("the other workers do not learn that %s is away: %s", self.system, error)
                noted = self.connection.model_copy(update={"next_probe_at": now + wait})
            self._take(noted)

    async def _reopen(self) -> None:
        async with self._changing:
            now = self._clock()
            log.warning("%s answers again, away since %s", self.system, self.connection.since)
            # The next call is a trial: where it fails, the system is away again at once.
            self._failures = self._pace.trials - 1
            with suppress(DatabaseUnavailable):
                await asyncio.to_thread(self._connections.note_up, self.system, now)
            self._take(Connection(system=self.system, state=ConnectionState.UP, since=now))

    async def _learn(self) -> None:
        """Take what the workers know together; the first look of a system's first worker enters it."""
        async with self._changing:
            try:
                known = await asyncio.to_thread(self._connections.enter, self.system, self.connection.since)
            except DatabaseUnavailable as error:
                log.warning("what the other workers know of %s cannot be read: %s", self.system, error)
                return
            self._take(known)

    async def _my_turn(self) -> bool:
        due, now = self.connection.next_probe_at, self._clock()
        if due is not None and due > now:
            return False
        try:
            return await asyncio.to_thread(
                self._connections.claim_probe, self.system, now, now + self._pause()
            )
        except DatabaseUnavailable:
            return True  # each worker asks for itself then

    def _take(self, connection: Connection) -> None:
        self.connection = connection
        if connection.away:
            self._open.clear()
        else:
            self._open.set()

    def _pause(self) -> timedelta:
        return timedelta(seconds=self._pace.probe * _dice.uniform(1.0, 1.2))


class Gates:
    """The gates of a worker process, by system. ``pings`` has one light call a system."""

    def __init__(self, pings: Mapping[str, Ping], connections: Connections, pace: Pace | None = None) -> None:
        self._gates = {
            system: Gate(system, ping, connections, pace or Pace()) for system, ping in pings.items()
        }

    def of(self, system: str) -> Gate:
        """The gate of a system. Raises KeyError for one that this worker does not serve."""
        return self._gates[system]

    def away(self, system: str) -> Connection | None:
        """The connection where the system is away; None where it answers, or is not served here."""
        gate = self._gates.get(system)
        return gate.connection if gate is not None and gate.connection.away else None

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Watch all gates while the block runs."""
        watching = [asyncio.create_task(gate.watch()) for gate in self._gates.values()]
        try:
            yield
        finally:
            for task in watching:
                task.cancel()
            await asyncio.gather(*watching, return_exceptions=True)
            await asyncio.gather(*(gate.close() for gate in self._gates.values()))
