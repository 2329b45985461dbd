"""A channel whose SKUs several workflows share: each SKU is told by one of them, whatever their number."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

import pytest
from temporalio.testing import ActivityEnvironment

from activities.stock_contracts import TellStock
from activities.stock_push import StockPusher, told_channels
from activities.stock_telling import StockTelling
from adapters.memory.erp import MemoryErp
from adapters.memory.storefront import MemoryStorefront
from domain.stock import SettingOutcome, StockReading, StockSetting
from store.database import Database
from store.stock import ErpStockBook
from store.stock_whole import WholeReadings
from tests.unit.test_stock_push import HERE, Channels, told

SKUS = tuple(f"SKU-{number:02}" for number in range(40))
ROUND = timedelta(milliseconds=1500)


class CountedShop(MemoryStorefront):
    """Counts how often each SKU is set."""

    def __init__(self) -> None:
        super().__init__("shop")
        self.times = Counter[str]()

    async def set_stock(
        self, settings: Sequence[StockSetting], idempotency_key: str
    ) -> tuple[SettingOutcome, ...]:
        self.times.update(each.sku for each in settings)
        return await super().set_stock(settings, idempotency_key)


class Channel:
    """A shop that shows 20 of each SKU, of which the ERP has ``units``."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.shop = CountedShop()
        self.channels = Channels(shop=told(scarce_below=1000))
        for sku in SKUS:
            self.shop.shelf.stock(sku, HERE, 20)

    async def learn(self, units: int) -> None:
        """What the ERP has is read, and marked."""
        erp = MemoryErp(stock={("WH-EAST", sku): units for sku in SKUS})
        token, at = ErpStockBook(self.db).begin_reading()
        page = await erp.stock_changes(None)
        ErpStockBook(self.db).keep_reading(StockReading(token=token, at=at, levels=page.levels))

    async def begin(self) -> None:
        """All of it was told once, and another number is to be told now."""
        await self.learn(5)
        pusher = StockPusher("shop", self.shop, self.channels, self.db)
        await pusher.push(SKUS, told_channels(self.channels, ["shop"]))
        self.shop.times.clear()
        await self.learn(4)

    async def tell(self, *parts: int, of: int) -> int:
        """Some parts tell for a round; how many SKUs they told."""
        telling = StockTelling(
            {"shop": self.shop},
            self.channels,
            self.db,
            parts=of,
            poll=timedelta(milliseconds=20),
            round_length=ROUND,
        )
        asked = [
            ActivityEnvironment().run(telling.tell_stock, TellStock(channel="shop", part=part))
            for part in parts
        ]
        return sum(told.skus for told in await asyncio.gather(*asked))

    def wrong(self, units: int) -> list[str]:
        return [sku for sku in SKUS if self.shop.shelf.available[sku, HERE] != units]


@pytest.fixture
def channel(db: Database) -> Channel:
    whole = WholeReadings(db)
    for system in ("erp", "shop"):
        whole.begin(system)
        whole.end(system)
    return Channel(db)


async def test_two_parts_tell_each_sku_once(channel: Channel) -> None:
    await channel.begin()
    assert await channel.tell(0, 1, of=2) == len(SKUS)
    assert channel.wrong(4) == []
    assert channel.shop.times == Counter(SKUS)


async def test_one_of_two_parts_leaves_the_other_its_own(channel: Channel) -> None:
    await channel.begin()
    first = await channel.tell(0, of=2)
    assert 0 < first < len(SKUS)
    assert len(channel.wrong(4)) == len(SKUS) - first


async def test_what_a_part_left_is_told_by_whoever_shares_the_skus_later(channel: Channel) -> None:
    await channel.begin()
    await channel.tell(1, of=2)
    await channel.tell(0, 1, 2, of=3)
    assert channel.wrong(4) == []
    assert channel.shop.times == Counter(SKUS)
