"""Follows the ERP's change feed and signals the orders concerned."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from temporalio import activity
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.contracts import (
    ERP_CHANGED,
    ERP_UNREADABLE,
    ChangesFollowed,
    FollowChanges,
    UnreadableRecord,
)
from activities.counters import FeedClock
from activities.failures import as_application_error, never_final
from activities.heartbeat import SIGN_OF_LIFE, alive
from adapters.concern import concern, concerning
from adapters.errors import AdapterError, Rejected
from adapters.ports import ErpPort
from adapters.requests import ErpChanges
from domain.erp_order import ErpOrder, ErpReturn
from domain.model import Frozen
from domain.order import OrderKey
from domain.returns import unsettled
from store.database import Database
from store.erp_news import News, news_among, remember

log = logging.getLogger(__name__)

ROUND = timedelta(minutes=10)
"""How long one attempt polls; below the activity's start-to-close."""
SIGNALS_AT_ONCE = 8
"""Orders of one page that are told at the same time."""
LONGEST_GROWTH = 4
"""Tries over which the pause doubles: 8 seconds are short enough for one caller and an ERP that is away."""


class _Place:
    """Where the feed stands, as its heartbeat tells the next attempt."""

    def __init__(self, cursor: str | None, told: int) -> None:
        self.cursor = cursor
        self.told = told

    def beat(self) -> None:
        activity.heartbeat(self.cursor, self.told)


class FeedActivities:
    """Polls the ERP and tells whom it concerns.

    Args:
        bring_back: starts an order anew that had ended.
        tell_return: tells a return what the ERP holds of it; False where nobody carries it.
        interval: the pause between two polls.
    """

    def __init__(
        self,
        erp: ErpPort,
        client: Client,
        database: Database,
        *,
        bring_back: Callable[[ErpOrder], Awaitable[None]],
        tell_return: Callable[[OrderKey, ErpReturn], Awaitable[bool]],
        interval: timedelta,
        round_length: timedelta = ROUND,
        sign_of_life: timedelta = SIGN_OF_LIFE,
        clock: FeedClock | None = None,
    ) -> None:
        self._clock = clock or FeedClock()
        self._erp = erp
        self._client = client
        self._database = database
        self._bring_back_to_life = bring_back
        self._tell_return = tell_return
        self._interval = interval.total_seconds()
        self._round = round_length.total_seconds()
        self._sign_of_life = sign_of_life.total_seconds()

    @activity.defn
    async def follow_erp_changes(self, request: FollowChanges) -> ChangesFollowed:
        """Poll until the round is over. The cursor moves only once every order of a page was told.

        No answer of the ERP ends the feed: all orders depend on it, so a refusal too is tried again.
        """
        details = activity.info().heartbeat_details
        place = _Place(details[0], details[1]) if details else _Place(request.cursor, 0)
        now = asyncio.get_running_loop().time
        end = now() + self._round
        async with alive(place.beat, self._sign_of_life):
            while now() < end and not activity.is_worker_shutdown():
                changes = await self._changes(place.cursor)
                place.told += await self._tell(changes.orders)
                for order in changes.unreadable:
                    with concerning(order=str(order.key)):
                        log.error("unreadable in the ERP: %s", order.reason)
                        place.told += await self._signal(
                            order.key, ERP_UNREADABLE, UnreadableRecord(reason=order.reason)
                        )
                place.cursor = changes.cursor
                place.beat()
                if not changes.more:
                    self._clock.read_to_the_end()
                    await asyncio.sleep(self._interval)
        return ChangesFollowed(cursor=place.cursor, orders_told=place.told)

    async def _changes(self, cursor: str | None) -> ErpChanges:
        try:
            return await self._erp.changes(cursor)
        except AdapterError as error:
            if cursor is not None and isinstance(error, Rejected) and error.cause == "cursor_unknown":
                log.warning("the change feed starts anew: %s", error)
                return await self._changes(None)
            # The attempts of one activity span hours: after the first tries of an outage the pause grows no more.
            tries = min(activity.info().attempt, LONGEST_GROWTH)
            raise never_final(as_application_error(error, tries)) from error

    async def _tell(self, changed: Sequence[ErpOrder]) -> int:
        """Signal the orders that do not know yet, or their returns; returns how many orders were told."""
        news = await asyncio.to_thread(news_among, self._database, changed)
        several = asyncio.Semaphore(SIGNALS_AT_ONCE)

        async def tell(told: News) -> int:
            async with several:
                concern(order=str(told.erp.key))  # each is told in a task of its own
                if await self._told_returns(told):
                    return 1
                sent = await self._signal(told.erp.key, ERP_CHANGED, told.erp)
                return sent or await self._bring_back(told.erp)

        sent = await asyncio.gather(*map(tell, news), return_exceptions=True)
        told = [each.erp for each, signals in zip(news, sent, strict=True) if signals == 1]
        if told:
            await asyncio.to_thread(remember, self._database, told)
        for failure in sent:
            if isinstance(failure, BaseException):
                raise failure
        return len(told)

    async def _told_returns(self, news: News) -> bool:
        """Whether goods that came back are all the news, and each of their returns heard of them by itself.

        Otherwise the order has to hear: of goods that nobody carries a return for, say.
        """
        changed = [each for each in news.erp.returns if each.return_id in news.returns_alone]
        heard = [await self._tell_return(news.erp.key, each) for each in changed]
        return bool(heard) and all(heard)

    async def _bring_back(self, erp_order: ErpOrder) -> int:
        """An order that has ended goes on for goods that came back without anybody having announced them."""
        if not unsettled(erp_order):
            return 0
        await self._bring_back_to_life(erp_order)
        return 1

    async def _signal(self, key: OrderKey, name: str, payload: Frozen) -> int:
        """Send a signal; 0 where no such order is under way, or Temporal takes no more signals for it."""
        handle = self._client.get_workflow_handle(key.workflow_id)
        try:
            await handle.signal(name, payload)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                log.info("no running workflow for a changed ERP order")
                return 0
            if error.status is RPCStatusCode.INVALID_ARGUMENT:
                # About this order alone; it must not hold up the others.
                log.exception("Temporal refused to tell an order of the ERP")
                return 0
            raise
        return 1
