"""Webhook bodies hold buyers' names and addresses: they go once nobody needs them as proof any more."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta

from store.errors import DatabaseUnavailable
from store.inbox import Inbox
from store.own_writes import OwnWrites

log = logging.getLogger(__name__)

PAUSE = timedelta(hours=1)


async def purge_regularly(
    inbox: Inbox, own_writes: OwnWrites, keep: timedelta, stop: asyncio.Event, *, pause: timedelta = PAUSE
) -> None:
    """Delete webhooks that are done with, and what they could be echoes of, older than ``keep``, until ``stop`` is set.

    It looks once a ``pause``.
    """
    while not stop.is_set():
        before = datetime.now(UTC) - keep
        try:
            gone = await asyncio.to_thread(inbox.purge_before, before)
            await asyncio.to_thread(own_writes.purge_before, before)
        except DatabaseUnavailable as error:
            log.warning("old webhooks stay for now: %s", error)
        else:
            if gone:
                log.info("%d webhooks older than %d days were deleted", gone, keep.days)
        try:
            async with asyncio.timeout(pause.total_seconds()):
                await stop.wait()
        except TimeoutError:
            continue
