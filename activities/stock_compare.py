"""Compares all that a storefront shows with what can be sold, page by page, and sets what differs."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.failures import as_application_error, never_final
from activities.halving import REFUSALS
from activities.heartbeat import alive
from activities.stock_cases import LIST_REFUSED, TWICE, StockCases
from activities.stock_contracts import ComparePhase, CompareStock, StockComparison
from activities.stock_push import PushResult, Reading, StockPusher, told_channels
from activities.stock_telling import HELD
from adapters.errors import AdapterError
from adapters.ports import MappingSource, StorefrontPort
from adapters.stock_ports import MOST_STOCK
from domain.stock import SettingState
from domain.stock_decision import Hindrance
from domain.stock_rules import StockRules
from store.database import Database
from store.drift import KEEP, Drift
from store.stock_listing import Listing
from store.stock_marks import hold_back, mark
from store.stock_whole import WholeReadings

log = logging.getLogger(__name__)

BATCH = timedelta(seconds=60)
"""How long one activity goes on; a page more or less does no harm."""
SIGN_OF_LIFE = timedelta(seconds=5)
"""Between two heartbeats: a crash costs the pages of a few of them."""


class StockComparing:
    """Ports injected; one instance serves all channels of a worker."""

    def __init__(
        self,
        storefronts: Mapping[str, StorefrontPort],
        mappings: MappingSource,
        database: Database,
        *,
        batch: timedelta = BATCH,
        sign_of_life: timedelta = SIGN_OF_LIFE,
    ) -> None:
        self._storefronts = storefronts
        self._mappings = mappings
        self._db = database
        self._batch = batch.total_seconds()
        self._sign_of_life = sign_of_life.total_seconds()

    @activity.defn
    async def compare_stock(self, request: CompareStock) -> StockComparison:
        """Compare until the batch is over; its heartbeat carries how far it came over a crash."""
        details = activity.info().heartbeat_details
        progress = StockComparison.model_validate(details[0]) if details else request.progress
        rules = await asyncio.to_thread(told_channels, self._mappings, self._storefronts)
        if progress.channel not in rules:
            raise ApplicationError(
                f"{progress.channel} is not told of stock; set push = true in [stock] of its mapping and restart the "
                "workers",
                type="StockNotTold",
                non_retryable=True,
            )
        await asyncio.to_thread(WholeReadings(self._db).begin, progress.channel)
        storefront = self._storefronts[progress.channel]
        pusher = StockPusher(progress.channel, storefront, self._mappings, self._db)
        run = _Run(progress, rules, storefront, pusher, self._db)
        async with alive(run.beat, self._sign_of_life):
            try:
                await run.go_on(self._batch)
            except AdapterError as error:
                if isinstance(error, REFUSALS):
                    await run.refused(error)
                raise never_final(as_application_error(error, activity.info().attempt)) from error
        return run.progress


class _Run:
    """One batch of a comparison; ``progress`` moves once a page was written down."""

    def __init__(
        self,
        progress: StockComparison,
        rules: Mapping[str, StockRules],
        storefront: StorefrontPort,
        pusher: StockPusher,
        database: Database,
    ) -> None:
        self.progress = progress
        self._channel = progress.channel
        self._rules = rules
        self._storefront = storefront
        self._pusher = pusher
        self._db = database
        self._listing = Listing(database)
        self._cases = StockCases(database)
        self._whole = WholeReadings(database)

    def beat(self) -> None:
        """Tell the next attempt where to go on."""
        activity.heartbeat(self.progress.model_dump(mode="json"))

    async def refused(self, error: AdapterError) -> None:
        """The storefront does not tell a page; that is a case until all was listed."""
        reason = f"{self._channel} refused to {error.operation} while all of it was compared: {error.reason}."
        await asyncio.to_thread(self._cases.refused, self._channel, LIST_REFUSED, "", reason)

    async def go_on(self, seconds: float) -> None:
        """Compare for so long, or until the end."""
        now = asyncio.get_running_loop().time
        end = now() + seconds

        def stops() -> bool:
            return now() > end or activity.is_worker_shutdown()

        if self.progress.phase is ComparePhase.LISTED:
            await self._listed(stops)
        while self.progress.phase is ComparePhase.NOT_SEEN and not stops():
            await self._not_seen()

    async def _listed(self, stops: Callable[[], bool]) -> None:
        """Page by page; the next one is read while the last is written.

        That is safe: each has its own time and its own count of known orders from before it was read, and what buyers
        change between reading and setting makes the number stale.
        """
        coming = asyncio.create_task(self._read(self.progress.cursor))
        try:
            while True:
                reading, next_cursor = await coming
                ends = next_cursor is None or stops()
                if not ends:
                    coming = asyncio.create_task(self._read(next_cursor))
                await self._compare(reading)
                if next_cursor is None:
                    self._move(phase=ComparePhase.NOT_SEEN, cursor=None)
                else:
                    self._move(cursor=next_cursor)
                if ends:
                    return
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)

    async def _not_seen(self) -> None:
        """What was there before and was not listed is asked for by its name; what is gone is forgotten."""
        after = self.progress.cursor or ""
        skus = await asyncio.to_thread(
            self._listing.not_seen, self._channel, self.progress.began, after, MOST_STOCK
        )
        if skus:
            await self._compare_by_name(skus)
            self._move(cursor=skus[-1])
            return
        await asyncio.to_thread(self._whole.end, self._channel)
        await asyncio.to_thread(self._cases.compared, self._channel)
        await asyncio.to_thread(self._listing.purge)
        await asyncio.to_thread(Drift(self._db).purge, datetime.now(UTC) - KEEP)
        only = await asyncio.to_thread(self._listing.only_in_erp, self._channel)
        self._move(phase=ComparePhase.DONE, cursor=None, only_in_erp=only)
        log.info("%s", self.progress.sentence)

    async def _read(self, cursor: str | None) -> tuple[Reading, str | None]:
        known = await asyncio.to_thread(self._listing.known, self._channel)
        at = datetime.now(UTC)
        page = await self._storefront.list_stock(cursor)
        skus = {level.sku for level in page.levels}
        return Reading(shown=page.levels, known=known, at=at, asked=skus), page.next_cursor

    async def _read_again(self, skus: Collection[str]) -> Reading:
        known = await asyncio.to_thread(self._pusher.known, skus)
        at = datetime.now(UTC)
        shown = await self._storefront.read_stock(tuple(skus))
        return Reading(shown=shown, known=known, at=at, asked=skus)

    async def _compare(self, reading: Reading) -> None:
        """Set what differs. A SKU that items of several pages may carry is read by itself, all items at once."""
        doubted = await asyncio.to_thread(self._doubted, reading)
        shown = [level for level in reading.shown if level.sku not in doubted]
        await self._push(reading._replace(shown=shown, asked={*reading.asked} - doubted))
        if doubted:
            await self._compare_by_name(sorted(doubted))

    async def _compare_by_name(self, skus: Collection[str]) -> None:
        try:
            reading = await self._read_again(skus)
        except REFUSALS as error:
            await self._leave_to_the_pusher(skus, error)
        else:
            await self._push(reading)

    async def _push(self, reading: Reading) -> None:
        lacking = await asyncio.to_thread(self._whole.lacking, tuple(self._rules))
        try:
            result = await self._pusher.push_reading(reading, self._rules, {}, raises=not lacking)
        except REFUSALS as error:
            await self._leave_to_the_pusher(reading.asked, error)
            return
        await asyncio.to_thread(self._write_down, result)
        self._count(result)
        if lacking:
            await asyncio.to_thread(self._whole.held_back, tuple(self._rules))

    async def _leave_to_the_pusher(self, skus: Collection[str], error: AdapterError) -> None:
        """One of them makes the storefront refuse all: the pusher finds out which, and that has its case."""
        log.warning("%d SKUs of a page are left to the pusher: %s", len(skus), error)
        await asyncio.to_thread(self._mark, skus)
        self._move(skus=self.progress.skus + len(skus), refused=self.progress.refused + len(skus))

    def _mark(self, skus: Collection[str]) -> None:
        with self._db.write() as session:
            mark(session, [(self._channel, sku) for sku in skus])

    def _doubted(self, reading: Reading) -> set[str]:
        seen = {level.sku for level in reading.shown}
        twice = {sku for family, sku in self._cases.open(self._channel) if family == TWICE}
        return (twice & seen) | self._listing.other_items(self._channel, reading.shown)

    def _write_down(self, result: PushResult) -> None:
        self._cases.note(self._channel, result)
        stale = result.skus(SettingState.STALE)
        if not (stale or result.held):
            return
        with self._db.write() as session:
            mark(session, [(self._channel, sku) for sku in stale])
            hold_back(session, self._channel, result.held, HELD)

    def _count(self, result: PushResult) -> None:
        was = self.progress
        states = Counter(outcome.state for outcome in result.outcomes)
        hindered = [each for each in result.decisions if each.hindrance is not None]
        changes = sum(each.is_change for each in result.decisions)
        unknown = {each.shown.sku for each in hindered if each.hindrance in _UNKNOWN}
        self._move(
            skus=was.skus + len({each.shown.sku for each in result.decisions}) + len(result.twice),
            compared=was.compared + len(result.decisions),
            equal=was.equal + len(result.decisions) - changes - len(hindered),
            changed=was.changed + states[SettingState.DONE],
            stale=was.stale + states[SettingState.STALE],
            refused=was.refused + states[SettingState.REFUSED],
            held=was.held + changes - len(result.outcomes),
            hindered=was.hindered + len(hindered),
            unknown_in_erp=was.unknown_in_erp + len(unknown),
        )

    def _move(self, **news: object) -> None:
        self.progress = self.progress.model_copy(update=news)
        self.beat()


_UNKNOWN = (Hindrance.PRODUCT_UNKNOWN, Hindrance.PRODUCT_UNMAPPED)
