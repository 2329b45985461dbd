"""What the store shows of a SKU while a scenario is played, by the store's own word."""

import asyncio
import time
from typing import Final

from sandbox.scenarios.ground import Late
from sandbox.scenarios.vocabulary import StoreHides, StoreShows
from sandbox.store.client import AsyncStoreControl

LOOK_SECONDS: Final = 0.1


async def until_shown(store: AsyncStoreControl, wanted: StoreShows, patience: float) -> None:
    """Wait until the store shows it. Raises Late after ``patience`` seconds."""
    deadline = time.monotonic() + patience
    while (shown := await _shown(store, wanted)) != wanted.units:
        if time.monotonic() > deadline:
            raise Late(
                f"the store shows {shown} of {wanted.sku} at {wanted.location}, and was to show {wanted.units}"
            )
        await asyncio.sleep(LOOK_SECONDS)


async def watch_shown(store: AsyncStoreControl, most: StoreHides) -> None:
    """Look all the time. Raises Late where the store shows more once."""
    deadline = time.monotonic() + most.seconds
    while time.monotonic() < deadline:
        shown = await _shown(store, most)
        if shown > most.units:
            raise Late(
                f"the store shows {shown} of {most.sku} at {most.location}, and was to show {most.units} at most"
            )
        await asyncio.sleep(LOOK_SECONDS)


async def _shown(store: AsyncStoreControl, about: StoreShows | StoreHides) -> int:
    levels = await store.read_stock(about.sku)
    return sum(level.available for level in levels if str(level.location) == about.location)
