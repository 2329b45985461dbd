"""Our own part: the ERP's stock is read in several ways at once, and each channel has a pusher that dies at times."""

import asyncio
from collections import deque
from datetime import UTC, datetime, timedelta
from random import Random

from sqlmodel import col, update

from activities.stock_push import StockPusher
from adapters.errors import AdapterError
from domain.stock import SettingState, StockReading
from sandbox.oversell.world import SKUS, World
from store.errors import DatabaseUnavailable
from store.shown import LONGEST_SETTING
from store.stock import ErpStockBook
from store.stock_marks import Mark, Marks
from store.stock_tables import ShownStockRow

_TROUBLE = (AdapterError, DatabaseUnavailable)


class Ours:
    """What workers do about stock. ``pusher`` is how they push."""

    def __init__(self, world: World, dice: Random, pusher: type[StockPusher]) -> None:
        self._world, self._dice, self._pusher = world, dice, pusher
        self._book, self._marks = ErpStockBook(world.database), Marks(world.database)
        self._stray: set[asyncio.Task[object]] = set()
        """What goes on though nobody waits for it any more."""

    async def follow_stock(self) -> None:
        """The feed of changes, from the beginning."""
        cursor: str | None = None
        erp = self._world.far_erp()
        while True:
            try:
                token, at = await asyncio.to_thread(self._book.begin_reading)
                page = await erp.stock_changes(cursor)
                reading = StockReading(token=token, at=at, levels=page.levels, kits=page.kits)
                await self._keep(reading, erp.moment)
                cursor = page.cursor
            except _TROUBLE:
                pass
            await self._wait(2, 15)

    async def read_again(self) -> None:
        """Products that orders were entered of; now and then all of them, kept long after they were read."""
        while True:
            await self._wait(1, 10)
            products = await asyncio.to_thread(self._book.unread, 3)
            if self._chance(0.15):
                self._leave(self._read(SKUS, longest=60))
            elif products:
                self._leave(self._read(products, longest=15))

    async def _read(self, products: tuple[str, ...], longest: float) -> None:
        erp = self._world.far_erp()
        try:
            token, at = await asyncio.to_thread(self._book.begin_reading)
            await self._wait(0, longest / 4)
            found = await erp.find_stock(products)
            await self._wait(0, longest)
            reading = StockReading(token=token, at=at, levels=found.levels, kits=found.kits)
            await self._keep(reading, erp.moment)
        except _TROUBLE:
            return

    async def _keep(self, reading: StockReading, moment: int) -> None:
        await asyncio.to_thread(self._book.keep_reading, reading)
        self._world.kept_reading({level.product for level in reading.levels}, reading.token, moment)

    async def pass_time(self) -> None:
        """Our tables go by the clock on the wall, which hardly moves here: what is minutes old is made to look so."""
        loop = asyncio.get_running_loop()
        moments: deque[tuple[float, datetime]] = deque()
        while True:
            moments.append((loop.time(), datetime.now(UTC)))
            while moments[0][0] < loop.time() - LONGEST_SETTING.total_seconds():
                _, then = moments.popleft()
                with self._world.database.write() as session:
                    session.exec(
                        update(ShownStockRow)
                        .where(col(ShownStockRow.setting_since) <= then)
                        .values(setting_since=then - LONGEST_SETTING)
                    )
            await asyncio.sleep(10)

    async def push(self, channel: str) -> None:
        """One pusher of a channel after the other. One that is given up may still be at work when the next begins."""
        while True:
            pusher = self._pusher(
                channel, self._world.far_shop(channel), self._world.mappings, self._world.database
            )
            lives_for = self._dice.expovariate(1 / 90)
            loop = asyncio.get_running_loop()
            dies_at = loop.time() + lives_for
            while loop.time() < dies_at:
                await self._wait(0.5, 6)
                await self._push_once(channel, pusher, dies_at)

    async def _push_once(self, channel: str, pusher: StockPusher, dies_at: float) -> None:
        marks = await asyncio.to_thread(self._marks.due, channel, datetime.now(UTC), 50)
        skus = [mark.sku for mark in marks]
        if self._chance(0.08):
            skus = list(SKUS)
        if not skus:
            return
        pushing = asyncio.create_task(self._push_marks(pusher, skus, marks))
        loop = asyncio.get_running_loop()
        await asyncio.wait([pushing], timeout=max(0.0, dies_at - loop.time()))
        if pushing.done():
            pushing.result()
        elif self._chance(0.5):
            pushing.cancel()
        else:
            self._leave(pushing)

    async def _push_marks(self, pusher: StockPusher, skus: list[str], marks: tuple[Mark, ...]) -> None:
        try:
            result = await pusher.push(skus, self._world.rules)
        except _TROUBLE:
            return
        stale = result.skus(SettingState.STALE)
        told = [mark for mark in marks if mark.sku in skus and mark.sku not in stale]
        try:
            await asyncio.to_thread(self._marks.settle, told)
            later = datetime.now(UTC) + timedelta(0)
            await asyncio.to_thread(self._marks.put_off, [m for m in marks if m.sku in stale], later)
        except DatabaseUnavailable:
            return

    def _leave(self, work: "asyncio.Task[None] | object") -> None:
        task: asyncio.Task[object] = work if isinstance(work, asyncio.Task) else asyncio.create_task(work)  # type: ignore[arg-type]
        self._stray.add(task)
        task.add_done_callback(self._stray.discard)

    def _chance(self, part: float) -> bool:
        return self._dice.random() < part

    async def _wait(self, least: float, most: float) -> None:
        await asyncio.sleep(self._dice.uniform(least, most))
