"""``python -m tests.chaos.stock_at_tryton``: stock is read from a real Tryton while it is written to all the time.

Afterwards every level that the feed has told is held against the ERP's own tables. Exit status 1 where they differ.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx
from pydantic import SecretStr

from adapters.stock_ports import MOST_STOCK
from adapters.tryton.erp import OVERLAP, TrytonErp
from adapters.tryton.rpc import TrytonRpc
from adapters.tryton.stock_feed import REREAD, StockFeed
from adapters.tryton.stock_levels import StockLevels
from domain.stock import ErpStock
from sandbox.tryton.rpc import Refused, Rpc
from sandbox.tryton.server import DEFAULT_STATE_DIR, TrytonServer
from sandbox.tryton.staff import Staff
from sandbox.tryton.template import ADMINISTRATOR_PASSWORD
from tests.chaos.stock_books import Place, read_books
from tests.chaos.stock_writers import Writers, make_products

PEOPLE = 2
QUIET_POLLS = 2
MOST_POLLS = 200
Told = dict[Place, ErpStock]


class Counting(httpx.AsyncBaseTransport):
    """A real connection that counts its calls."""

    def __init__(self) -> None:
        self._line = httpx.AsyncHTTPTransport()
        self.calls = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.calls += 1
        return await self._line.handle_async_request(request)

    async def aclose(self) -> None:
        await self._line.aclose()


@dataclass
class Findings:
    """What came of a run."""

    skus: int
    acts: dict[str, int]
    full_seconds: float = 0.0
    full_calls: int = 0
    pages: int = 0
    longest_cursor: int = 0
    explained: int = 0
    unexplained: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"stock at Tryton: {len(self.unexplained)} differences unexplained over {self.skus} SKUs and "
            f"{sum(self.acts.values())} writes, {self.explained} explained by deleted claims until all was read again; "
            f"a full reading took {self.full_seconds:.1f} s in {self.full_calls} calls"
        )


class Reader:
    """Follows the feed and remembers what it was told last of each place."""

    def __init__(self, feed: StockFeed) -> None:
        self._feed = feed
        self.cursor: str | None = None
        self.told: Told = {}
        self.pages = self.longest = 0
        self.waiting = True

    async def poll(self) -> bool:
        """One page; whether it told nothing and nothing waits."""
        page = await self._feed.read(self.cursor)
        self.cursor, self.waiting = page.cursor, page.more
        self.pages, self.longest = self.pages + 1, max(self.longest, len(page.cursor))
        self.told.update({(level.product, level.warehouse): level for level in page.levels})
        return not page.levels and not page.more

    async def drain(self) -> None:
        """Until nothing is told any more; raises AssertionError where that does not come."""
        quiet = 0
        for _ in range(MOST_POLLS):
            quiet = quiet + 1 if await self.poll() else 0
            if quiet == QUIET_POLLS:
                return
        raise AssertionError(f"the feed still tells something after {MOST_POLLS} polls")

    async def follow(self, over: asyncio.Event) -> None:
        """Poll all the time."""
        while not over.is_set():
            await self.poll()


async def run(skus: int, seconds: float, seed: int, state_dir: Path, folder: Path) -> Findings:
    """One run on a Tryton of its own."""
    codes = [f"DRILL-{number:05}" for number in range(skus)]
    server = TrytonServer(state_dir, data_dir=folder, say=lambda _: None)
    async with server:
        where = (server.url, server.database)
        line = Counting()
        reading = TrytonRpc(*where, server.login, SecretStr(server.password), transport=line)
        erp = TrytonErp(*where, server.login, server.password)
        try:
            async with (
                Rpc(*where, "admin", ADMINISTRATOR_PASSWORD) as rpc,
                Staff(*where, server.staff_login, server.staff_password) as staff,
            ):
                await make_products(rpc, codes)
                database = folder / f"{server.database}.sqlite"
                writers = Writers(rpc, staff, erp, database, codes, random.Random(seed))
                return await _watched(writers, reading, line, seconds)
        finally:
            await erp.close()
            await reading.close()


async def _watched(writers: Writers, rpc: TrytonRpc, line: Counting, seconds: float) -> Findings:
    now = [datetime.now(UTC)]
    levels = StockLevels(rpc, overlap=OVERLAP)
    feed = StockFeed(rpc, levels, overlap=OVERLAP, page_size=MOST_STOCK, clock=lambda: now[0])
    found, reader, over = Findings(len(writers.skus), writers.did), Reader(feed), asyncio.Event()
    # The very first reading goes on while they write.
    async with asyncio.TaskGroup() as group:
        group.create_task(reader.follow(over))
        writing = [group.create_task(_write(writers, seconds)) for _ in range(PEOPLE)]
        await asyncio.gather(*writing)
        over.set()
    await reader.drain()
    differing = _differences(writers, reader)
    found.explained = sum(place[0] in writers.deleted for place in differing)
    found.unexplained = [words for place, words in differing.items() if place[0] not in writers.deleted]
    now[0] += REREAD
    await reader.drain()
    found.unexplained += _differences(writers, reader).values()
    began, calls = time.monotonic(), line.calls
    again = Reader(StockFeed(rpc, levels, overlap=OVERLAP, page_size=MOST_STOCK, clock=lambda: now[0]))
    while again.waiting:
        await again.poll()
    found.full_seconds, found.full_calls = time.monotonic() - began, line.calls - calls
    found.unexplained += _differences(writers, again).values()
    found.pages, found.longest_cursor = reader.pages, reader.longest
    return found


async def _write(writers: Writers, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            await writers.act()
        except Refused:
            # Two of them had the same shipment in hand.
            writers.did["refused"] = writers.did.get("refused", 0) + 1


def _differences(writers: Writers, reader: Reader) -> dict[Place, str]:
    books = read_books(writers.database, set(writers.skus))
    differing = {}
    for sku in writers.skus:
        for warehouse in ("WH-EAST", "WH-WEST"):
            level = reader.told.get((sku, warehouse))
            there = (books.on_hand[sku, warehouse], books.claimed[sku, warehouse])
            coming = {
                day: n
                for (code, place, day), n in books.incoming.items()
                if (code, place) == (sku, warehouse)
            }
            seen = level and (level.on_hand, level.allocated + level.reserved)
            expected = level and {str(each.expected): each.quantity for each in level.incoming}
            if seen != there or expected != coming:
                differing[sku, warehouse] = (
                    f"{sku} at {warehouse}: told {seen} {expected}, is {there} {coming}"
                )
    return differing


def main() -> int:
    """Read the options, run, tell."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.stock_at_tryton", description=__doc__)
    parser.add_argument("--skus", type=int, default=2_000, help="how many products (2000)")
    parser.add_argument("--seconds", type=float, default=120.0, help="how long stock is written to (120)")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(run(asked.skus, asked.seconds, asked.seed, DEFAULT_STATE_DIR, Path(folder)))
    for words in found.unexplained[:20]:
        print(words)
    print(
        json.dumps({**found.acts, "pages": found.pages, "longest cursor, characters": found.longest_cursor})
    )
    print(found)
    return int(bool(found.unexplained))


if __name__ == "__main__":
    sys.exit(main())
