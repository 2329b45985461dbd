"""What orders cost that wait in their return window: events, and memory of a worker beyond those it caches.

Usage: ``python -m bench.waiting [--orders 1000] [--cached 100] [--seconds 10]``; exits with 1 where an aim is missed.

All orders are delivered first, so that each waits for its window of 100 days to end. Then a worker process,
caching ``--cached`` orders, is asked for the state of that many, then of all, then of all again: each is replayed, and
another one leaves the cache. What an order left behind would show in the process. Beside it stands a worker that may
cache them all.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table
from temporalio.client import Client

from bench.report import print_aims
from bench.sample_order import sample_order
from bench.server import running_server
from bench.world import CHANNEL, BenchWorld
from config.mappings import load_mapping
from domain.order import OrderKey
from domain.return_rules import ReturnRules
from sandbox.processes import free_port
from workflows.messages import Attention
from workflows.order import OrderWorkflow
from workflows.standing import ERP_FEED_ID

WINDOW_DAYS = 100
AIM_MEMORY = 10.0
"""MB that a worker may grow by from the first time that it is asked for all orders to the second. By the first time it
has grown by what it holds at once, and by what waits to be collected; what orders leave behind would grow again."""
FEED_INTERVAL = timedelta(seconds=0.1)
AT_ONCE = 50
ASKED_AT_ONCE = 10
LONGEST = 600
"""Seconds until all orders wait."""


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    orders: int
    cached: int
    seconds: float


@dataclass(frozen=True)
class Held:
    """A worker after it was asked for so many orders: memory in MB, and orders in its cache."""

    asked: int
    memory: float
    cached: int


@dataclass(frozen=True)
class Found:
    """What the run has shown: of the worker with the limit, after each time that it was asked, and of the other one."""

    limited: tuple[Held, Held, Held]
    unlimited: tuple[Held, Held]
    events_added: int

    @property
    def grown(self) -> float:
        """MB from the first time that it was asked for all orders to the second."""
        return round(self.limited[2].memory - self.limited[1].memory, 1)


class Inquirer:
    """A worker process, and what it says when it is asked."""

    def __init__(self, client: Client, process: asyncio.subprocess.Process, metrics: str) -> None:
        self._client, self._process, self._metrics = client, process, metrics

    async def ask(self, keys: Sequence[OrderKey]) -> Held:
        """Ask for the state of each order; queries leave no event."""
        several = asyncio.Semaphore(ASKED_AT_ONCE)

        async def one(key: OrderKey) -> None:
            async with several:
                view = await self._client.get_workflow_handle(key.workflow_id).query(OrderWorkflow.status)
            if view.attention is not Attention.DELIVERED:
                raise RuntimeError(f"order {key} does not wait in its return window: {view.sentence}")

        await asyncio.gather(*map(one, keys))
        async with httpx.AsyncClient() as http:
            text = (await http.get(self._metrics)).raise_for_status().text
        sizes = [
            line.split()[-1] for line in text.splitlines() if line.startswith("temporal_sticky_cache_size{")
        ]
        return Held(len(keys), self._memory(), sum(int(float(size)) for size in sizes))

    def _memory(self) -> float:
        status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="utf-8")
        resident = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(resident.split()[1]) / 1024


@asynccontextmanager
async def inquirer(client: Client, database_url: str, cached: int) -> AsyncIterator[Inquirer]:
    """Run a worker that caches so many orders as long as the block lasts."""
    port = free_port()
    arguments = [client.service_client.config.target_host, database_url, str(cached), str(port)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.waiting_worker", *arguments, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        if not await process.stdout.readline():
            raise RuntimeError("the worker did not start")
        yield Inquirer(client, process, f"http://127.0.0.1:{port}/metrics")
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def measure(options: Options) -> Found:
    """Let all orders wait, then ask for them. Raises TimeoutError, RuntimeError where they do not come to wait."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        directory = Path(folder)
        async with running_server(directory, on_file=False) as server:
            client = server.client
            mapping = load_mapping("shopify-tryton").model_copy(
                update={"returns": ReturnRules(window_days=WINDOW_DAYS)}
            )
            world = BenchWorld(client, directory, FEED_INTERVAL, mapping=mapping)
            orders = [sample_order(CHANNEL, number) for number in range(1, options.orders + 1)]
            several = asyncio.Semaphore(AT_ONCE)
            async with asyncio.timeout(LONGEST), world.working() as web:

                async def deliver(number: int) -> None:
                    async with several:
                        await world.deliver_goods(web, orders[number])

                await asyncio.gather(*map(deliver, range(options.orders)))
                await _until_all_wait(client, options.orders)
                await client.get_workflow_handle(ERP_FEED_ID).terminate("nothing happens any more")
            world.close()
            keys = [order.key for order in orders]
            before = await _events(client, keys)
            async with inquirer(client, world.database_url, options.cached) as worker:
                limited = (
                    await worker.ask(keys[: options.cached]),
                    await worker.ask(keys),
                    await worker.ask(keys),
                )
                await asyncio.sleep(options.seconds)
            async with inquirer(client, world.database_url, options.orders) as worker:
                unlimited = await worker.ask(keys[: options.cached]), await worker.ask(keys)
            return Found(limited, unlimited, await _events(client, keys) - before)


async def _until_all_wait(client: Client, orders: int) -> None:
    query = f"OrderState = '{Attention.DELIVERED.value}'"
    while (await client.count_workflows(query)).count < orders:  # noqa: ASYNC110  lists follow histories by a moment
        await asyncio.sleep(0.5)


async def _events(client: Client, keys: Sequence[OrderKey]) -> int:
    """Of all histories together."""
    described = [await client.get_workflow_handle(key.workflow_id).describe() for key in keys]
    return sum(each.history_length for each in described)


def print_all(console: Console, options: Options, found: Found) -> bool:
    """Print the tables; whether every aim is reached."""
    held = Table(title=f"a worker that is asked for orders in their return window of {WINDOW_DAYS} days")
    for column in ("cache limit", "orders asked for", "in the cache", "MB resident"):
        held.add_column(column, justify="right")
    rows = [(options.cached, each) for each in found.limited]
    rows += [(options.orders, each) for each in found.unlimited]
    for limit, each in rows:
        held.add_row(f"{limit:,}", f"{each.asked:,}", f"{each.cached:,}", f"{each.memory:.1f}")
    console.print(held)
    aims = {
        f"events added to {options.orders:,} histories": (found.events_added, 0),
        "orders in the cache": (found.limited[2].cached, options.cached),
        "MB more when asked for all of them again": (found.grown, AIM_MEMORY),
    }
    return print_aims(console, "what waiting costs", aims)


def main() -> int:
    """Measure and print; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--orders", type=int, default=1_000, help="orders that wait")
    parser.add_argument("--cached", type=int, default=100, help="orders that the worker may cache")
    parser.add_argument("--seconds", type=float, default=10, help="how long nothing happens")
    given = parser.parse_args()
    if not 0 < given.cached < given.orders or given.seconds < 0:
        parser.error("--cached must be below --orders, and both positive")
    options = Options(given.orders, given.cached, given.seconds)
    return 0 if print_all(Console(), options, asyncio.run(measure(options))) else 1


if __name__ == "__main__":
    sys.exit(main())
