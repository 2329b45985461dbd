"""Follows what the ERP has in stock; what changed is marked, and the pushers tell it."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.failures import as_application_error, never_final
from activities.halving import REFUSALS, Halving
from activities.heartbeat import SIGN_OF_LIFE, alive
from activities.stock_cases import FEED_REFUSED, PRODUCT_REFUSED, StockCases
from activities.stock_contracts import FollowStock, StockFollowed, WholeReading
from adapters.errors import AdapterError, Rejected
from adapters.ports import ErpPort
from adapters.stock_ports import MOST_STOCK
from domain.connection import ERP_SYSTEM
from domain.stock import StockReading
from store.database import Database
from store.stock import ErpStockBook
from store.stock_whole import WholeReadings

log = logging.getLogger(__name__)

ROUND = timedelta(minutes=10)
"""How long one attempt polls; below the activity's start-to-close."""
READ_ANEW = timedelta(hours=24)
"""After this all of the ERP's stock is read once more, beside the feed."""
REFUSED_PAUSE = timedelta(minutes=15)
"""After this a product that the ERP refused to tell of is asked for again."""
ANSWERED = "The ERP told of it"
LONGEST_GROWTH = 4
"""Tries over which the pause doubles: 8 seconds are short enough for one caller and an ERP that is away."""


class _Place:
    """Where the feed stands, as its heartbeat tells the next attempt."""

    def __init__(self, followed: StockFollowed) -> None:
        self.cursor = followed.cursor
        self.changed = followed.changed
        self.whole = followed.whole

    def told(self) -> StockFollowed:
        return StockFollowed(cursor=self.cursor, changed=self.changed, whole=self.whole)

    def beat(self) -> None:
        activity.heartbeat(self.told().model_dump(mode="json"))


class StockFeedActivities:
    """``interval`` is the pause between two polls."""

    def __init__(
        self,
        erp: ErpPort,
        database: Database,
        *,
        interval: timedelta,
        round_length: timedelta = ROUND,
        sign_of_life: timedelta = SIGN_OF_LIFE,
        read_anew: timedelta = READ_ANEW,
    ) -> None:
        self._erp = erp
        self._book = ErpStockBook(database)
        self._whole = WholeReadings(database)
        self._interval = interval.total_seconds()
        self._round = round_length.total_seconds()
        self._sign_of_life = sign_of_life.total_seconds()
        self._read_anew = read_anew
        self._cases = StockCases(database)

    @activity.defn
    async def follow_stock(self, request: FollowStock) -> StockFollowed:
        """Poll until the round is over. The cursor moves only once a page was kept.

        No answer of the ERP ends the feed: a refusal too is tried again, and has its case. A product that the ERP does
        not tell of holds up no other.
        """
        details = activity.info().heartbeat_details
        begun = StockFollowed(cursor=request.cursor, changed=0, whole=request.whole)
        place = _Place(StockFollowed.model_validate(details[0]) if details else begun)
        if await asyncio.to_thread(self._whole.begin, ERP_SYSTEM):
            place.cursor = None  # the database is new, whatever an earlier one had kept
        now = asyncio.get_running_loop().time
        end = now() + self._round
        answered = False
        async with alive(place.beat, self._sign_of_life):
            while now() < end and not activity.is_worker_shutdown():
                try:
                    more = await self._poll(place)
                except AdapterError as error:
                    raise await self._failure(error) from error
                place.beat()
                if not answered:
                    # A refusal ends an attempt, so the first answer of the next one is what it is over by.
                    answered = True
                    await asyncio.to_thread(self._cases.over, ERP_SYSTEM, [(FEED_REFUSED, "")], ANSWERED)
                if not more:
                    await asyncio.to_thread(self._whole.end, ERP_SYSTEM)
                    await asyncio.sleep(self._interval)
        return place.told()

    async def _failure(self, error: AdapterError) -> ApplicationError:
        if isinstance(error, REFUSALS):
            reason = f"The ERP refused to {error.operation}, whatever the product: {error.reason}."
            await asyncio.to_thread(self._cases.refused, ERP_SYSTEM, FEED_REFUSED, "", reason)
        # The attempts of one activity span hours: after the first of them the pause grows no more.
        tries = min(activity.info().attempt, LONGEST_GROWTH)
        return never_final(as_application_error(error, tries))

    async def _poll(self, place: _Place) -> bool:
        """Read what orders changed, then a page of what changed in the ERP; whether another waits."""
        if asked := await asyncio.to_thread(self._book.unread, MOST_STOCK):
            place.changed += await self._read_named(asked)
        token, at = await asyncio.to_thread(self._book.begin_reading)
        try:
            page = await self._erp.stock_changes(place.cursor)
            await self._ask_for(page.untold)
        except Rejected as error:
            if place.cursor is None or error.cause != "cursor_unknown":
                raise
            log.warning("the feed of stock starts anew: %s", error)
            place.cursor = None
            return True
        reading = StockReading(token=token, at=at, levels=page.levels, kits=page.kits)
        place.changed += await self._keep(reading)
        place.cursor = page.cursor
        if not page.more:
            place.whole = await self._read_a_page_anew(place.whole)
        return page.more

    async def _read_a_page_anew(self, whole: WholeReading | None) -> WholeReading | None:
        """What the feed ever missed is found within a day, and what the ERP does not have any more."""
        token, at = await asyncio.to_thread(self._book.begin_reading)
        if whole is None:
            if not await asyncio.to_thread(self._whole.begin_anew, ERP_SYSTEM, at - self._read_anew):
                return None
            whole = WholeReading(token=token)
        try:
            page = await self._erp.stock_changes(whole.cursor)
            await self._ask_for(page.untold)
        except Rejected as error:
            if error.cause != "cursor_unknown":
                raise
            return None
        reading = StockReading(token=token, at=at, levels=page.levels, kits=page.kits)
        differing = await self._keep(reading)
        products = {level.product for level in page.levels} | {kit.product for kit in page.kits}
        whole = WholeReading(
            token=whole.token,
            cursor=page.cursor,
            products=whole.products + len(products),
            differing=whole.differing + differing,
        )
        if page.more:
            return whole
        left = await asyncio.to_thread(self._book.ask_for_older, whole.token)
        await asyncio.to_thread(self._cases.compared, ERP_SYSTEM)
        log.info(
            "all of the ERP's stock was read anew: %d products, %d of them otherwise than the feed had told; %d (kits, "
            "and what it does not list any more) are asked for by name",
            whole.products,
            whole.differing,
            left,
        )
        return None

    async def _keep(self, reading: StockReading) -> int:
        """Keep a page of the feed. What it tells of is asked for by name no more, so its case ends here."""
        changed = await asyncio.to_thread(self._book.keep_reading, reading)
        told = {level.product for level in reading.levels} | {kit.product for kit in reading.kits}
        if told:
            cases = [(PRODUCT_REFUSED, product) for product in told]
            await asyncio.to_thread(self._cases.over, ERP_SYSTEM, cases, ANSWERED)
        return changed

    async def _ask_for(self, untold: Sequence[str]) -> None:
        if untold:
            await asyncio.to_thread(self._book.ask_for, untold)

    async def _read_named(self, products: Sequence[str]) -> int:
        """Ask for single products; one that the ERP refuses to tell of is its case and is put off."""
        changed = 0

        async def read(some: Sequence[str]) -> None:
            nonlocal changed
            changed += await self._read(some)

        asking = Halving(read)
        try:
            await asking.go(products)
        finally:
            await asyncio.to_thread(self._write_down, asking)
        return changed

    async def _read(self, products: Sequence[str]) -> int:
        """Ask for these, with a token of their own."""
        token, at = await asyncio.to_thread(self._book.begin_reading)
        found = await self._erp.find_stock(products)
        told = {level.product for level in found.levels} | {kit.product for kit in found.kits}
        # What is neither told nor called unknown has no stock (a service): it must not be asked for for ever.
        unknown = tuple(product for product in products if product not in told)
        reading = StockReading(token=token, at=at, levels=found.levels, kits=found.kits, unknown=unknown)
        return await asyncio.to_thread(self._book.keep_reading, reading)

    def _write_down(self, asking: Halving) -> None:
        for product, error in asking.refused.items():
            reason = f"The ERP refused to {error.operation} of {product}: {error.reason}."
            self._cases.refused(ERP_SYSTEM, PRODUCT_REFUSED, product, reason)
        self._book.put_off(asking.refused, datetime.now(UTC) + REFUSED_PAUSE)
        self._cases.over(ERP_SYSTEM, [(PRODUCT_REFUSED, product) for product in asking.done], ANSWERED)
