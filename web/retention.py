"""Webhook bodies hold buyers' names and addresses: they go once nobody needs them as proof any more."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta

from store.errors import DatabaseUnavailable
from store.inbox import Inbox

log = logging.getLogger(__name__)

PAUSE = timedelta(hours=1)


async def purge_regularly(
    inbox: Inbox, keep: timedelta, stop: asyncio.Event, *, pause: timedelta = PAUSE
) -> None:
    """Delete handed-over webhooks older than ``keep``, once a ``pause``, until ``stop`` is set."""
    while not stop.is_set():
        try:
            gone = await asyncio.to_thread(inbox.purge_before, datetime.now(UTC) - keep)
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
