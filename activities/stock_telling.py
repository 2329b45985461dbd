"""Tells one channel what can be sold, all the time: what is scarce or fast at once, the rest gathered in batches."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.counters import StockCounters
from activities.failures import as_application_error, never_final
from activities.halving import REFUSALS, Halving
from activities.heartbeat import SIGN_OF_LIFE, alive
from activities.stock_cases import ALL_REFUSED, ONE_REFUSED, StockCases
from activities.stock_contracts import StockTold, TellStock
from activities.stock_push import PushResult, StockPusher, told_channels
from adapters.errors import AdapterError
from adapters.ports import MappingSource, StorefrontPort
from adapters.stock_ports import MOST_STOCK
from domain.stock import SettingState
from domain.stock_rules import StockRules
from store.database import Database
from store.stock_marks import Mark, Marks
from store.stock_speeds import urgent_skus
from store.stock_tables import SHARDS
from store.stock_whole import WholeReadings

ROUND = timedelta(minutes=10)
"""How long one attempt goes on; below the activity's start-to-close."""
POLL = timedelta(milliseconds=250)
"""Between two looks at the marks."""
AT_ONCE = 3
"""So often what was stale is tried again at once: somebody bought in between."""
LONGEST_PAUSE = timedelta(seconds=60)
HELD = timedelta(minutes=5)
"""What may not be raised yet is looked at again after so long, or once everything was read whole."""
REFUSED_PAUSE = timedelta(minutes=15)
"""After this a SKU that was refused by itself is tried again."""
LONGEST_GROWTH = 4
"""As of the ERP's feed: the attempts of one activity span hours."""


class StockTelling:
    """Ports injected; one instance serves all channels of a worker. ``parts`` of a channel share its SKUs."""

    def __init__(
        self,
        storefronts: Mapping[str, StorefrontPort],
        mappings: MappingSource,
        database: Database,
        *,
        parts: int = 1,
        round_length: timedelta = ROUND,
        poll: timedelta = POLL,
        sign_of_life: timedelta = SIGN_OF_LIFE,
        counters: StockCounters | None = None,
    ) -> None:
        self._storefronts = storefronts
        self._mappings = mappings
        self._db = database
        self._marks = Marks(database)
        self._cases = StockCases(database)
        self._whole = WholeReadings(database)
        self._parts = parts
        self._round = round_length.total_seconds()
        self._poll = poll.total_seconds()
        self._sign_of_life = sign_of_life.total_seconds()
        self._counters = counters or StockCounters()

    @activity.defn
    async def tell_stock(self, request: TellStock) -> StockTold:
        """Tell until the round is over. No answer of the storefront ends it: a refusal too is tried again."""
        channel, told = request.channel, 0
        rules = await asyncio.to_thread(told_channels, self._mappings, self._storefronts)
        if channel not in rules or request.part >= self._parts:
            return StockTold(skus=0, over=True)
        shards = None if self._parts == 1 else range(SHARDS)[request.part :: self._parts]
        now = asyncio.get_running_loop().time
        end = now() + self._round
        async with alive(activity.heartbeat, self._sign_of_life):
            while now() < end and not activity.is_worker_shutdown():
                try:
                    done, more = await self._look(channel, rules, shards)
                except AdapterError as error:
                    raise await self._failure(channel, error) from error
                told += done
                if not more:
                    await asyncio.sleep(self._poll)
        return StockTold(skus=told)

    async def _failure(self, channel: str, error: AdapterError) -> ApplicationError:
        if isinstance(error, REFUSALS):
            reason = f"{channel} refused to {error.operation}, whatever the SKU: {error.reason}."
            await asyncio.to_thread(self._cases.refused, channel, ALL_REFUSED, "", reason)
        tries = min(activity.info().attempt, LONGEST_GROWTH)
        return never_final(as_application_error(error, tries))

    async def _look(
        self, channel: str, rules: Mapping[str, StockRules], shards: Sequence[int] | None
    ) -> tuple[int, bool]:
        """Take up the marks that are due; how many SKUs were told, and whether more are due right now."""
        now = datetime.now(UTC)
        marks = await asyncio.to_thread(self._due, channel, now, shards)
        if not marks:
            return 0, False
        wait = timedelta(seconds=rules[channel].batch_seconds)
        ripe = {sku for sku, mark in marks.items() if mark.attempts or mark.changed_at + wait <= now}
        fresh = marks.keys() - ripe
        urgent = await asyncio.to_thread(urgent_skus, self._db, channel, fresh, rules, now)
        await asyncio.to_thread(self._marks.gather, [marks[sku] for sku in fresh - urgent], wait)
        chosen = [*sorted(urgent), *sorted(ripe, key=lambda sku: marks[sku].changed_at)]
        for start in range(0, len(chosen), MOST_STOCK):
            batch = chosen[start : start + MOST_STOCK]
            await self._tell(channel, rules, {sku: marks[sku] for sku in batch})
        return len(chosen), len(marks) >= MOST_STOCK

    def _due(self, channel: str, now: datetime, shards: Sequence[int] | None) -> dict[str, Mark]:
        """The oldest, and the newest: what has become urgent must not queue behind a backlog."""
        oldest = self._marks.due(channel, now, MOST_STOCK, shards)
        newest: tuple[Mark, ...] = ()
        if len(oldest) == MOST_STOCK:
            newest = self._marks.due(channel, now, MOST_STOCK, shards, newest=True)
        return {mark.sku: mark for mark in (*oldest, *newest)}

    async def _tell(self, channel: str, rules: Mapping[str, StockRules], marks: Mapping[str, Mark]) -> None:
        lacking = await asyncio.to_thread(self._whole.lacking, tuple(rules))
        pusher = StockPusher(channel, self._storefronts[channel], self._mappings, self._db)
        since = {sku: mark.changed_at for sku, mark in marks.items()}
        results = list[PushResult]()

        async def push(skus: Sequence[str]) -> None:
            results.append(await pusher.push(skus, rules, since, raises=not lacking))

        batch = Halving(push)
        try:
            await batch.go(list(marks))
        finally:
            await asyncio.to_thread(self._write_down, channel, marks, results, batch)
        if lacking:
            await asyncio.to_thread(self._whole.held_back, tuple(rules))

    def _write_down(
        self, channel: str, marks: Mapping[str, Mark], results: Sequence[PushResult], batch: Halving
    ) -> None:
        """What was told is settled, what was not is put off; each refusal of a single SKU is its case."""
        now = datetime.now(UTC)
        since = {sku: mark.changed_at for sku, mark in marks.items()}
        stale: set[str] = set()
        held: set[str] = set()
        for result in results:
            self._cases.note(channel, result)
            self._counters.told(channel, result.outcomes, since, now)
            stale |= result.skus(SettingState.STALE)
            held |= {*result.held}
        for sku, error in batch.refused.items():
            reason = f"{channel} refused to {error.operation} of {sku}: {error.reason}."
            self._cases.refused(channel, ONE_REFUSED, sku, reason)
        for sku in stale:
            self._marks.put_off([marks[sku]], now + _pause(marks[sku].attempts), failed=True)
        self._marks.put_off([marks[sku] for sku in batch.refused], now + REFUSED_PAUSE, failed=True)
        self._marks.put_off([marks[sku] for sku in held - stale], now + HELD)
        self._marks.settle([marks[sku] for sku in batch.done - stale - held])


def _pause(attempts: int) -> timedelta:
    if attempts < AT_ONCE:
        return timedelta()
    return min(timedelta(seconds=2.0 ** min(attempts - AT_ONCE, 10)), LONGEST_PAUSE)
