"""Signs of life of activities that take long."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

SIGN_OF_LIFE = timedelta(seconds=10)
"""Between two heartbeats; several fit in the activity's heartbeat time-out."""


@asynccontextmanager
async def alive(beat: Callable[[], None], every: float) -> AsyncIterator[None]:
    """Call ``beat`` every so many seconds while the block works: one call of a system may take minutes."""

    async def keep_beating() -> None:
        while True:
            beat()
            await asyncio.sleep(every)

    beating = asyncio.create_task(keep_beating())
    try:
        yield
    finally:
        beating.cancel()
