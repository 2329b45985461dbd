"""Hands webhooks from the inbox to their workflows, at least once, and survives Temporal being away.

Two things can go wrong and are treated apart. Temporal is *away*: then all rows fail alike, so one row at a time is
tried, with growing pauses, until one gets through. Or *one row* fails on its own: then it alone waits, longer each
time, and the others pass it. No row is given up.
"""

import asyncio
import logging
import random
import secrets
import socket
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from opentelemetry.trace import Span, SpanKind

from adapters import spans
from adapters.concern import concerning
from store.errors import DatabaseUnavailable
from store.inbox import Inbox, InboxItem, InboxState
from web.counters import Counters

log = logging.getLogger(__name__)

_dice = random.SystemRandom()


class TemporalAway(Exception):
    """The webhook was not handed over for a reason that has nothing to do with this webhook."""


@dataclass(frozen=True)
class Pace:
    """How fast, in seconds. The lease outlasts a try, so that no row is tried twice at once."""

    concurrency: int = 16
    poll: float = 1.0
    """Pause between two looks at an empty inbox; ``wake`` cuts it short."""
    hand_over: float = 20.0
    lease: float = 60.0
    first_pause: float = 0.5
    longest_outage_pause: float = 10.0
    longest_row_pause: float = 600.0
    grace: float = 10.0
    """How long tries under way may finish once a stop was asked for."""

    def __post_init__(self) -> None:
        """Refuse what would hand a row over twice at once."""
        if self.lease <= self.hand_over + self.grace:
            raise ValueError("the lease must be longer than hand_over and grace together")


class Dispatcher:
    """Run ``run()`` as a task; call ``wake()`` after a new row, ``stop()`` to end it.

    ``hand_over`` tells what became of the row: ``DISPATCHED`` or ``ECHO``.
    """

    def __init__(
        self,
        inbox: Inbox,
        hand_over: Callable[[InboxItem], Awaitable[InboxState]],
        *,
        pace: Pace | None = None,
        counters: Counters | None = None,
    ) -> None:
        self._inbox = inbox
        self._hand_over = hand_over
        self._pace = pace or Pace()
        self._counters = counters or Counters()
        # Unique per run: a restarted process must not take its predecessor's claims for its own.
        self._name = f"{socket.gethostname()[:60]}:{secrets.token_hex(4)}"
        self._woken = asyncio.Event()
        self._stop = asyncio.Event()
        self._done: defaultdict[InboxState, list[int]] = defaultdict(list)
        self._marking = asyncio.Lock()
        self._under_way: dict[asyncio.Task[None], int] = {}
        self._away = False
        """Something failed since the last success in a way that concerns all rows."""
        self._outage_tries = 0

    def wake(self) -> None:
        """There is something new. Call it in the dispatcher's event loop."""
        self._woken.set()

    def stop(self) -> None:
        """End ``run()`` soon: tries under way may finish, claims that are left go back."""
        self._stop.set()
        self._woken.set()

    async def run(self) -> None:
        """Hand over until ``stop()``."""
        try:
            while not self._stop.is_set():
                await self._round()
        finally:
            await self._wind_down()

    async def _round(self) -> None:
        if self._away:
            await self._until_under_way(0)
            if self._away:
                await self._sit_out()
                return
        self._woken.clear()
        probing = self._outage_tries > 0
        room = 1 if probing else self._pace.concurrency - len(self._under_way)
        items = await self._claim(room)
        for item in items:
            task = asyncio.create_task(self._deliver_traced(item))
            self._under_way[task] = item.id
            task.add_done_callback(self._under_way.pop)
        if len(items) < room:
            await self._sleep_unless_woken(self._pace.poll)
        else:
            # Claim anew once there is room for several: one claim is one transaction.
            await self._until_under_way(0 if probing else self._pace.concurrency // 2)

    async def _sit_out(self) -> None:
        """One more failed round of an outage: pause, then ``_round`` tries a single row."""
        self._away = False
        self._outage_tries += 1
        await self._sleep_unless_stopped(self._outage_pause())

    async def _claim(self, limit: int) -> tuple[InboxItem, ...]:
        lease = timedelta(seconds=self._pace.lease)
        try:
            return await asyncio.to_thread(self._inbox.claim, limit, lease, self._name)
        except DatabaseUnavailable as error:
            self._away = True
            log.warning("the inbox cannot be read: %s", error)
            return ()

    async def _deliver_traced(self, item: InboxItem) -> None:
        """Go on with the trace that the webhook began, and name its order in every log line."""
        facts: dict[str, str | int] = {
            "orderwright.topic": item.topic,
            "orderwright.attempt": item.attempts + 1,
        }
        with (
            concerning(order=str(item.key), delivery=item.delivery_id),
            spans.span("hand over webhook", SpanKind.CONSUMER, facts, spans.continued(item.trace)) as span,
        ):
            await self._deliver(item, span)

    async def _deliver(self, item: InboxItem, span: Span) -> None:
        try:
            async with asyncio.timeout(self._pace.hand_over):
                state = await self._hand_over(item)
        except (TemporalAway, TimeoutError) as error:
            self._away = True
            span.set_attribute(spans.ERROR, "away")
            words = str(error) or f"no answer within {self._pace.hand_over:g} s"
            log.warning("Temporal is away, webhooks wait in the inbox: %s", words)
            await self._put_back(item, "away", words, self._outage_pause())
        except Exception as error:  # whatever one row provokes must not stop the others
            words = f"{type(error).__name__}: {error}"
            span.set_attribute(spans.ERROR, type(error).__name__)
            log.exception("webhook %s of %s cannot be handed over", item.delivery_id, item.key)
            await self._put_back(item, "row", words, self._row_pause(item.attempts))
        else:
            self._away, self._outage_tries = False, 0
            span.set_attribute("orderwright.became", state.value)
            if state is InboxState.ECHO:
                self._counters.echo(item.key.channel, item.topic)
            else:
                waited = (datetime.now(UTC) - item.received_at).total_seconds()
                self._counters.handed_over(item.key.channel, max(0.0, waited))
            self._done[state].append(item.id)
            await self._mark_done()

    async def _put_back(self, item: InboxItem, kind: str, words: str, pause: float) -> None:
        self._counters.hand_over_failed(kind)
        wait = timedelta(seconds=pause)
        await self._mark(partial(self._inbox.mark_failed, item.id, self._name, words, wait))

    async def _mark_done(self) -> None:
        """Note all that was handed over; what comes meanwhile waits, and is noted together."""
        async with self._marking:
            while self._done:
                state, ids = self._done.popitem()
                echoes = state is InboxState.ECHO
                write = self._inbox.mark_echoes if echoes else self._inbox.mark_dispatched
                await self._mark(partial(write, ids))

    async def _mark(self, write: Callable[[], object]) -> None:
        try:
            await asyncio.to_thread(write)
        except DatabaseUnavailable as error:
            # The claim runs out by itself and the row comes again: at least once, by design.
            log.warning("the inbox cannot be written: %s", error)

    async def _wind_down(self) -> None:
        claims = dict(self._under_way)
        if claims:
            _, late = await asyncio.wait(claims, timeout=self._pace.grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
            await self._mark_done()
            ids = [claims[task] for task in late]
            await self._mark(partial(self._inbox.release, ids, self._name))

    async def _until_under_way(self, at_most: int) -> None:
        while len(self._under_way) > at_most and not self._stop.is_set():
            await asyncio.wait(self._under_way, timeout=1, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.sleep(0)  # lets the callbacks of what is done run

    async def _sleep_unless_woken(self, seconds: float) -> None:
        await _wait(self._woken, seconds)

    async def _sleep_unless_stopped(self, seconds: float) -> None:
        # Deaf to ``wake``: webhooks that come in during an outage must not turn into tries.
        await _wait(self._stop, seconds)

    def _outage_pause(self) -> float:
        return self._jittered(self._outage_tries, self._pace.longest_outage_pause)

    def _row_pause(self, failures: int) -> float:
        return self._jittered(failures, self._pace.longest_row_pause)

    def _jittered(self, doublings: int, longest: float) -> float:
        pause = self._pace.first_pause * 2.0 ** min(max(doublings, 0), 30)
        return min(pause, longest) * _dice.uniform(0.5, 1.0)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
