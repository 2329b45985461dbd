"""A storefront in memory with a bucket of points before it, as Shopify's.

What a call costs is reckoned as the sandbox's store reckons the adapter's own documents.
"""

import asyncio
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final

from graphql import parse

from adapters.memory.storefront import MemoryStorefront
from adapters.shopify.documents import document
from adapters.shopify.stock import PAGE_POINTS
from adapters.stock_ports import ShownStockPage
from domain.stock import SettingOutcome, ShownStock, StockSetting
from sandbox.store.schema import store_schema
from sandbox.store.throttle import Bucket, ThrottleKnobs, requested_cost

RATE: Final = 1_000.0
"""Points a second, as a shop of the larger plan has them."""
LOCATIONS: Final = ("101", "102", "103")
LARGEST_PAGE: Final = 250


def sku_of(number: int) -> str:
    """The SKU of that number; in their order."""
    return f"SKU-{number:06d}"


@cache
def page_size() -> int:
    """Items on a page that the adapter pays ``PAGE_POINTS`` for."""
    return max(size for size in range(1, LARGEST_PAGE + 1) if page_points(size) <= PAGE_POINTS)


@cache
def page_points(items: int) -> int:
    """What a page of so many items costs."""
    return _points("list_stock", {"first": items, "levels": len(LOCATIONS)})


@cache
def set_points() -> int:
    """What a call costs that sets stock, however much."""
    return _points("set_stock", {"input": {}, "key": ""})


def _points(name: str, variables: dict[str, Any]) -> int:
    return requested_cost(store_schema(), parse(document(name)), variables)


class ThrottledShop(MemoryStorefront):
    """Holds ``skus`` SKUs at every location, none shown. ``told`` hears of each call that was paid for, and its points.

    Its bucket is empty at first: what flows into it is all there is to spend.
    """

    def __init__(self, channel: str, skus: int, told: Callable[[str, int], None]) -> None:
        super().__init__(channel)
        self._told = told
        self._bucket = Bucket(ThrottleKnobs(maximum_available=20 * RATE, restore_rate=RATE))
        self._bucket.take(20 * RATE)
        self._turn = asyncio.Lock()
        self._skus = [sku_of(number) for number in range(skus)]
        for sku in self._skus:
            for location in LOCATIONS:
                self.shelf.stock(sku, location, 0)

    async def list_stock(self, cursor: str | None = None) -> ShownStockPage:
        """See ``StorefrontStockPort``."""
        await self._pay("page", page_points(page_size()))
        start = bisect_right(self._skus, cursor or "")
        page = self._skus[start : start + page_size()]
        more = start + len(page) < len(self._skus)
        return ShownStockPage(levels=self.shelf.levels(page), next_cursor=page[-1] if more else None)

    async def read_stock(self, skus: Sequence[str]) -> tuple[ShownStock, ...]:
        """See ``StorefrontStockPort``."""
        for start in range(0, len(skus), page_size()):
            await self._pay("read", page_points(len(skus[start : start + page_size()])))
        return await super().read_stock(skus)

    async def set_stock(
        self, settings: Sequence[StockSetting], idempotency_key: str
    ) -> tuple[SettingOutcome, ...]:
        """See ``StorefrontStockPort``."""
        await self._pay("set", set_points())
        return await super().set_stock(settings, idempotency_key)

    async def _pay(self, call: str, points: int) -> None:
        async with self._turn:
            while not self._bucket.take(points):  # noqa: ASYNC110  points come with time
                await asyncio.sleep((points - self._bucket.status()["currentlyAvailable"]) / RATE)
        self._told(call, points)


def bare_seconds(calls: Sequence[int]) -> float:
    """Seconds that calls of these points take with nothing done between them, on a bucket that is empty at first."""
    bucket = Bucket(ThrottleKnobs(maximum_available=20 * RATE, restore_rate=RATE))
    bucket.take(20 * RATE)
    began = time.monotonic()
    for points in calls:
        while not bucket.take(points):
            time.sleep((points - bucket.status()["currentlyAvailable"]) / RATE)
    return time.monotonic() - began
