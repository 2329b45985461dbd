"""How fast and how cheap an order is, beside a floor measured in the same run.

Usage: ``python -m bench.orders [--orders 200] [--at-once 50] [--rounds 3] [--database memory|file]``

The whole road is real: a signed webhook into the web application, its inbox (SQLite), the dispatcher, a real Temporal
server, the worker, the change feed. Only the two outside systems are in memory: their speed is not ours to measure.
The floors (``bench.floor``) are workflows with the same number of activities, signals and upserts that do nothing else.
They and the orders take turns, so that what else the machine does hits all.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from itertools import count
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from temporalio.client import Client

from bench.floor import ALONE, SHAPED, Floor, Shape
from bench.report import Options, Round, Rounds, print_all
from bench.server import Server, running_server, server_cpu
from bench.world import BenchWorld
from sandbox.billable import Cost, cost_of

WARM_UP = 30
ALONE_ORDERS = 10
SAMPLE = 50
"""Histories read after each round."""


class Bench:
    """Runs rounds on one server."""

    def __init__(self, server: Server, world: BenchWorld, options: Options) -> None:
        self._server = server
        self._world = world
        self._options = options
        self._floor = Floor(server.client)
        self._numbers = count(1)

    async def floor(self, shape: Shape, orders: int) -> Round:
        """A round of floor workflows."""
        async with self._floor.working(shape):
            return await self._round(orders, lambda number: self._floor.one(shape, number))

    async def ours(self, orders: int, at_once: int | None = None) -> Round:
        """A round of orders through the whole house."""
        self._world.webhook_to_erp.clear()
        async with self._world.working() as web:
            return await self._round(orders, lambda number: self._world.one_order(web, number), at_once)

    async def _round(
        self, orders: int, one: Callable[[int], Awaitable[str]], at_once: int | None = None
    ) -> Round:
        actions = await self._server.actions()
        gate = asyncio.Semaphore(at_once or self._options.at_once)

        async def gated(number: int) -> str:
            async with gate:
                return await one(number)

        began, before = time.perf_counter(), self._cpu()
        ids = await asyncio.gather(*(gated(next(self._numbers)) for _ in range(orders)))
        seconds, after = time.perf_counter() - began, self._cpu()
        process, outside, server = ((b - a) / orders * 1000 for a, b in zip(before, after, strict=True))
        return Round(
            per_second=orders / seconds,
            process=process - outside,
            outside=outside,
            server=server,
            counted=await self._server.actions() - actions,
            costs=await _costs(self._server.client, ids[:: max(1, len(ids) // SAMPLE)]),
        )

    def _cpu(self) -> tuple[float, float, float]:
        return time.process_time(), self._world.outside_cpu, server_cpu() or 0.0


async def _costs(client: Client, workflow_ids: Iterable[str]) -> tuple[Cost, ...]:
    return tuple(
        [
            cost_of((await client.get_workflow_handle(workflow_id).fetch_history()).events)
            for workflow_id in workflow_ids
        ]
    )


def _options() -> Options:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--orders", type=int, default=200, help="orders a round")
    parser.add_argument("--at-once", type=int, default=50, help="orders under way at the same time")
    parser.add_argument("--rounds", type=int, default=3, help="rounds; the best of each side is compared")
    parser.add_argument(
        "--database", choices=("memory", "file"), default="memory", help="Temporal's database"
    )
    parser.add_argument("--feed-interval", type=float, default=0.1, help="pause of the ERP's change feed, s")
    given = parser.parse_args()
    if min(given.orders, given.at_once, given.rounds) < 1 or given.feed_interval <= 0:
        parser.error("numbers must be positive")
    return Options(
        given.orders,
        given.at_once,
        given.rounds,
        given.database == "file",
        timedelta(seconds=given.feed_interval),
    )


async def main() -> None:
    """Measure in turns, then print."""
    options = _options()
    console = Console()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        directory = Path(folder)
        async with running_server(directory, on_file=options.on_file) as server:
            world = BenchWorld(server.client, directory, options.feed_interval)
            bench = Bench(server, world, options)
            rounds = Rounds([], [], [])
            latencies: list[list[float]] = []
            with Progress(console=console, transient=True) as progress:
                task = progress.add_task("warm up", total=3 * options.rounds + 4)
                for shape in (ALONE, SHAPED):
                    await bench.floor(shape, WARM_UP)
                    progress.advance(task)
                await bench.ours(WARM_UP)
                progress.advance(task)
                for number in range(1, options.rounds + 1):
                    progress.update(task, description=f"round {number}: floor", advance=1)
                    rounds.alone.append(await bench.floor(ALONE, options.orders))
                    progress.update(task, description=f"round {number}: shaped floor", advance=1)
                    rounds.shaped.append(await bench.floor(SHAPED, options.orders))
                    progress.update(task, description=f"round {number}: orders", advance=1)
                    rounds.ours.append(await bench.ours(options.orders))
                    latencies.append(list(world.webhook_to_erp))
                progress.update(task, description="one at a time", advance=1)
                await bench.ours(ALONE_ORDERS, at_once=1)
                latencies.append(list(world.webhook_to_erp))
            world.close()
    print_all(console, options, rounds, latencies)


if __name__ == "__main__":
    asyncio.run(main())
