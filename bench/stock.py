"""A full comparison and push of stock: 100,000 SKUs at 3 locations, with a throttle as Shopify's before the storefront.

Usage: ``python -m bench.stock [--skus 100000]``; exits with 1 where an aim is missed.

The worker is a process of its own and is killed after a third of the pages; another one goes on. The floor is what all
calls that were paid for cost at 1,000 points a second, which a bare run of some of them confirms.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from temporalio.client import Client, WorkflowHandle

from activities.stock_contracts import StockComparison
from bench.report import print_aims
from bench.server import running_server
from bench.stock_shop import LOCATIONS, RATE, bare_seconds, page_points, page_size, set_points
from bench.stock_tables import DIFFERS, fill
from bench.world import CHANNEL
from store.database import Database
from workflows.messages import ORDERS_QUEUE
from workflows.standing import (
    StockComparisonStart,
    stock_comparison_id,
)
from workflows.stock_comparison import StockComparisonWorkflow

AIM_RATIO, AIM_MEMORY, AIM_EVENTS, AIM_REPEATED = 1.2, 400.0, 2_000, 50
BARE_SECONDS = 10
MB = 1024


@dataclass
class Calls:
    """What was paid for, by all workers."""

    count: Counter[str] = field(default_factory=Counter)
    points: int = 0
    memory: float = 0.0
    """The most that a worker had resident, in MB."""


@dataclass(frozen=True)
class Found:
    """What the run has shown."""

    skus: int
    seconds: float
    calls: Calls
    bare: float
    """What a bare run of some calls took, against what their points come to."""
    comparison: StockComparison
    runs: tuple[int, ...]
    """Events of each run."""

    @property
    def floor(self) -> float:
        """Seconds that the throttle alone takes."""
        return self.calls.points / RATE

    @property
    def repeated(self) -> int:
        """Pages that were listed twice."""
        return self.calls.count["page"] - -(-self.skus // page_size())


class Worker:
    """A worker process."""

    def __init__(self, process: asyncio.subprocess.Process, calls: Calls) -> None:
        self._process, self._calls = process, calls
        self._listening = asyncio.create_task(self._listen())

    def look_at_memory(self) -> None:
        """Note the most that it had resident so far."""
        status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="utf-8")
        most = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
        self._calls.memory = max(self._calls.memory, int(most.split()[1]) / MB)

    async def kill(self) -> None:
        """End it at once."""
        if self._process.returncode is None:
            self.look_at_memory()
            self._process.kill()
        await self._process.wait()
        await self._listening

    async def _listen(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            call, points = line.split()
            self._calls.count[call.decode()] += 1
            self._calls.points += int(points)


@asynccontextmanager
async def worker(client: Client, database_url: str, skus: int, calls: Calls) -> AsyncIterator[Worker]:
    """Run one as long as the block lasts."""
    arguments = [client.service_client.config.target_host, database_url, str(skus)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.stock_worker", *arguments, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    if (await process.stdout.readline()).strip() != b"ready":
        raise RuntimeError("the worker did not start")
    running = Worker(process, calls)
    try:
        yield running
    finally:
        await running.kill()


async def measure(skus: int, console: Console) -> Found:
    """Compare everything once."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        url = f"sqlite:///{folder}/stock.db"
        database = Database(url)
        database.migrate()
        began = time.monotonic()
        await asyncio.to_thread(fill, database, skus)
        database.close()
        console.print(f"the tables hold {skus:,} products after {time.monotonic() - began:.0f} s")
        calls = Calls()
        async with running_server(Path(folder), on_file=False) as server:
            async with worker(server.client, url, skus, calls) as first:
                start = time.monotonic()
                handle = await server.client.start_workflow(
                    StockComparisonWorkflow.run,
                    StockComparisonStart(channel=CHANNEL),
                    id=stock_comparison_id(CHANNEL),
                    task_queue=ORDERS_QUEUE,
                )
                third = skus // page_size() // 3
                while calls.count["page"] <= third:
                    await asyncio.sleep(0.2)
                    first.look_at_memory()
            console.print(f"the worker was killed after {calls.count['page']:,} pages")
            async with worker(server.client, url, skus, calls) as second:
                outcome = asyncio.create_task(handle.result())
                while not outcome.done():
                    await asyncio.wait([outcome], timeout=0.5)
                    second.look_at_memory()
                seconds = time.monotonic() - start
            runs = await _events(server.client, handle)
        some = [page_points(page_size()), set_points()] * int(BARE_SECONDS * RATE / page_points(page_size()))
        bare = await asyncio.to_thread(bare_seconds, some) / (sum(some) / RATE)
        return Found(skus, seconds, calls, bare, outcome.result(), runs)


async def _events(
    client: Client, handle: WorkflowHandle[StockComparisonWorkflow, StockComparison]
) -> tuple[int, ...]:
    """Of each run of the comparison."""
    runs = client.list_workflows(f"WorkflowId = '{handle.id}'")
    return tuple([each.history_length async for each in runs])


def print_all(console: Console, found: Found) -> bool:
    """Print the tables; whether every aim is reached."""
    console.print(found.comparison.sentence)
    console.print(
        f"{found.skus:,} SKUs at {len(LOCATIONS)} locations, one of {DIFFERS} to be set: "
        f"{found.calls.count['page']:,} pages of {page_size()} at {page_points(page_size())} points, "
        f"{found.calls.count['set']:,} settings at {set_points()}, {found.calls.count['read']:,} readings by name; "
        f"{found.calls.points:,} points in {found.seconds:.0f} s, of which the throttle alone takes "
        f"{found.floor:.0f} s (a bare run took {found.bare:.3f} x what its points come to)"
    )
    aims = {
        "time against what the throttle alone takes": (round(found.seconds / found.floor, 3), AIM_RATIO),
        "MB resident, the most of a worker": (round(found.calls.memory, 1), AIM_MEMORY),
        "events of a run": (max(found.runs), AIM_EVENTS),
        "pages listed again after the kill": (found.repeated, AIM_REPEATED),
        "SKUs not compared": (found.skus - found.comparison.skus, 0),
    }
    return print_aims(console, "a full comparison of stock", aims)


def main() -> int:
    """Measure and print; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--skus", type=int, default=100_000, help="how many SKUs")
    given = parser.parse_args()
    if given.skus < page_size() * 10:
        parser.error(f"--skus must be {page_size() * 10} or more")
    console = Console()
    console.print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, load {os.getloadavg()[0]:.1f}")
    return 0 if print_all(console, asyncio.run(measure(given.skus, console))) else 1


if __name__ == "__main__":
    sys.exit(main())
