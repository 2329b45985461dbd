"""Follows the ERP's change feed and signals the orders concerned."""

import asyncio
import logging
from datetime import timedelta

from temporalio import activity
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.contracts import ERP_CHANGED, ChangesFollowed, FollowChanges
from activities.failures import failures_explained
from adapters.ports import ErpPort
from domain.erp_order import ErpOrder
from store.database import Database
from store.erp_news import is_news, remember

log = logging.getLogger(__name__)

ROUND = timedelta(minutes=10)
"""How long one attempt polls; below the activity's start-to-close."""


class FeedActivities:
    """``interval`` is the pause between two polls."""

    def __init__(
        self,
        erp: ErpPort,
        client: Client,
        database: Database,
        *,
        interval: timedelta,
        round_length: timedelta = ROUND,
    ) -> None:
        self._erp = erp
        self._client = client
        self._database = database
        self._interval = interval.total_seconds()
        self._round = round_length.total_seconds()

    @activity.defn
    async def follow_erp_changes(self, request: FollowChanges) -> ChangesFollowed:
        """Poll until the round is over. The cursor moves only once every order of a page was told."""
        details = activity.info().heartbeat_details
        cursor: str | None = details[0] if details else request.cursor
        told: int = details[1] if details else 0
        now = asyncio.get_running_loop().time
        end = now() + self._round
        while now() < end and not activity.is_worker_shutdown():
            async with failures_explained():
                changes = await self._erp.changes(cursor)
            for erp_order in changes.orders:
                told += await self._tell(erp_order)
            cursor = changes.cursor
            activity.heartbeat(cursor, told)
            if not changes.more:
                await asyncio.sleep(self._interval)
        return ChangesFollowed(cursor=cursor, orders_told=told)

    async def _tell(self, erp_order: ErpOrder) -> int:
        """Signal one order, unless it knows already; 1 where a signal was sent."""
        if not await asyncio.to_thread(is_news, self._database, erp_order):
            return 0
        handle = self._client.get_workflow_handle(erp_order.key.workflow_id)
        try:
            await handle.signal(ERP_CHANGED, erp_order)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            log.info("no running workflow for a changed ERP order", extra={"order": str(erp_order.key)})
            return 0
        await asyncio.to_thread(remember, self._database, erp_order)
        return 1
