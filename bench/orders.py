"""How fast and how cheap an order is, beside a floor measured in the same run.

Usage: ``python -m bench.orders [--orders 200] [--at-once 50] [--rounds 3] [--database memory|file]``

The whole road is real: a signed webhook into the web application, its inbox (SQLite), the dispatcher, a real Temporal
server, the worker, the change feed. Only the two outside systems are in memory: their speed is not ours to measure.
The floor is a workflow with the same number of activities, signals and upserts that does nothing else. Floor and
orders take turns, so that what else the machine does hits both.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from temporalio.client import Client
from temporalio.worker import Worker

from bench.floor import FLOOR_QUEUE, FloorWorkflow, nothing, one_floor
from bench.server import Server, running_server
from bench.world import BenchWorld
from sandbox.billable import Cost, cost_of

AIM_RATIO, AIM_ACTIONS, AIM_EVENTS = 0.7, 12, 45
WARM_UP = 30
ALONE = 10
SAMPLE = 50
"""Histories read after each round."""


@dataclass(frozen=True)
class Round:
    """One side of one round; ``cpu`` is this process's time an order, in seconds."""

    per_second: float
    cpu: float
    costs: tuple[Cost, ...]
    counted: Counter[str]
    """Actions by type as the server itself counted them, for all orders of the round."""


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    orders: int
    at_once: int
    rounds: int
    on_file: bool
    feed_interval: timedelta


class Bench:
    """Runs rounds on one server."""

    def __init__(self, server: Server, world: BenchWorld, options: Options) -> None:
        self._server = server
        self._world = world
        self._options = options
        self._numbers = count(1)

    async def floor(self, orders: int) -> Round:
        """A round of floor workflows."""
        client = self._server.client
        async with Worker(client, task_queue=FLOOR_QUEUE, workflows=[FloorWorkflow], activities=[nothing]):
            return await self._round(orders, lambda number: one_floor(client, number))

    async def ours(self, orders: int, at_once: int | None = None) -> Round:
        """A round of orders through the whole house."""
        self._world.webhook_to_erp.clear()
        async with self._world.working() as web:
            return await self._round(orders, lambda number: self._world.one_order(web, number), at_once)

    async def _round(
        self, orders: int, one: Callable[[int], Awaitable[str]], at_once: int | None = None
    ) -> Round:
        before = await self._server.actions()
        gate = asyncio.Semaphore(at_once or self._options.at_once)

        async def gated(number: int) -> str:
            async with gate:
                return await one(number)

        began, cpu = time.perf_counter(), time.process_time()
        ids = await asyncio.gather(*(gated(next(self._numbers)) for _ in range(orders)))
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        counted = await self._server.actions() - before
        costs = await _costs(self._server.client, ids[:: max(1, len(ids) // SAMPLE)])
        return Round(orders / seconds, cpu / orders, costs, counted)


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
            floors: list[Round] = []
            ours: list[Round] = []
            latencies: list[list[float]] = []
            with Progress(console=console, transient=True) as progress:
                task = progress.add_task("warm up", total=2 * options.rounds + 3)
                await bench.floor(WARM_UP)
                progress.advance(task)
                await bench.ours(WARM_UP)
                progress.advance(task)
                for number in range(1, options.rounds + 1):
                    progress.update(task, description=f"round {number}: floor", advance=1)
                    floors.append(await bench.floor(options.orders))
                    progress.update(task, description=f"round {number}: orders", advance=1)
                    ours.append(await bench.ours(options.orders))
                    latencies.append(list(world.webhook_to_erp))
                progress.update(task, description="one at a time", advance=1)
                await bench.ours(ALONE, at_once=1)
                alone = list(world.webhook_to_erp)
            world.close()
    _print(console, options, floors, ours)
    _print_latency(console, latencies, alone)
    _print_counts(console, floors[-1], ours[-1], options.orders)


def _print(console: Console, options: Options, floors: Sequence[Round], ours: Sequence[Round]) -> None:
    where = "a SQLite file" if options.on_file else "memory"
    size = f"best of {options.rounds} rounds of {options.orders} orders, {options.at_once} at once"
    table = Table(title=f"{size}, Temporal on {where}")
    for name in ("", "floor", "order", "order / floor", "aim"):
        table.add_column(name, justify="right" if name else "left")
    floor, order = (max(rounds, key=lambda r: r.per_second) for rounds in (floors, ours))
    table.add_row(
        "orders per second",
        f"{floor.per_second:.1f}",
        f"{order.per_second:.1f}",
        f"{order.per_second / floor.per_second:.2f}",
        f">= {AIM_RATIO}",
    )
    table.add_row(
        "  every round",
        " ".join(f"{r.per_second:.1f}" for r in floors),
        " ".join(f"{r.per_second:.1f}" for r in ours),
        " ".join(f"{o.per_second / f.per_second:.2f}" for f, o in zip(floors, ours, strict=True)),
    )
    cpu = [min(r.cpu for r in rounds) * 1000 for rounds in (floors, ours)]
    table.add_row(
        "CPU of this process, ms an order", f"{cpu[0]:.1f}", f"{cpu[1]:.1f}", f"{cpu[1] / cpu[0]:.2f}"
    )
    costs = [[cost for r in rounds for cost in r.costs] for rounds in (floors, ours)]
    for name, field, aim in (
        ("billable actions", "actions", f"<= {AIM_ACTIONS}"),
        ("events", "events", f"<= {AIM_EVENTS}"),
        ("bytes of history", "payload_bytes", ""),
    ):
        of_floor, of_order = ([int(getattr(cost, field)) for cost in side] for side in costs)
        table.add_row(
            f"{name}, mean (max)",
            _mean_and_max(of_floor),
            _mean_and_max(of_order),
            f"{statistics.mean(of_order) / statistics.mean(of_floor):.2f}",
            aim,
        )
    console.print(table)
    console.print(f"Costs are read off {len(costs[1])} histories of orders and {len(costs[0])} of the floor.")


def _mean_and_max(values: Sequence[int]) -> str:
    return f"{statistics.mean(values):.1f} ({max(values)})"


def _print_latency(console: Console, latencies: Sequence[Sequence[float]], alone: Sequence[float]) -> None:
    table = Table(title="from the webhook's first byte to the order in the ERP, in seconds")
    for name in ("", "p50", "p99", "longest"):
        table.add_column(name, justify="right" if name else "left")
    rows = [(f"round {n}", values) for n, values in enumerate(latencies, start=1)]
    for name, values in (*rows, ("one at a time", alone)):
        cuts = statistics.quantiles(values, n=100, method="inclusive")
        table.add_row(name, f"{cuts[49]:.2f}", f"{cuts[98]:.2f}", f"{max(values):.2f}")
    console.print(table)


def _print_counts(console: Console, floor: Round, order: Round, orders: int) -> None:
    table = Table(title="actions an order, as the server itself counted them in the last round")
    for name in ("", "floor", "order"):
        table.add_column(name, justify="right" if name else "left")
    for kind in sorted(floor.counted | order.counted):
        table.add_row(kind, f"{floor.counted[kind] / orders:.2f}", f"{order.counted[kind] / orders:.2f}")
    table.add_row("all", f"{floor.counted.total() / orders:.2f}", f"{order.counted.total() / orders:.2f}")
    console.print(table)


if __name__ == "__main__":
    asyncio.run(main())
