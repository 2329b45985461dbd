"""How fast and how cheap an order is, beside a floor measured in the same run.

Usage: ``python -m bench.orders [--orders 200] [--at-once 50] [--database memory|file]``

The whole road is real: a signed webhook into the web application, its inbox (SQLite), the dispatcher, a real Temporal
server, the worker, the change feed. Only the two outside systems are in memory: their speed is not ours to measure.
The floor is a workflow with the same number of activities and signals that does nothing else.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from bench.world import BenchWorld
from sandbox.billable import Cost, cost_of
from sandbox.stack import find_temporal
from workflows.search import ALL as SEARCH_ATTRIBUTES
from workflows.search import ORDER_STATE

FLOOR_QUEUE = "floor"
FLOOR_ACTIVITIES_BEFORE = 2
FLOOR_SHIPMENTS = 2
PAYLOAD = "x" * 500
AIM_RATIO, AIM_ACTIONS, AIM_EVENTS = 0.7, 12, 45


@activity.defn
async def nothing(text: str) -> str:
    """The cheapest activity."""
    return text


@workflow.defn
class FloorWorkflow:
    """As many activities and signals as an order with two shipments, and no more."""

    def __init__(self) -> None:
        self._shipped = 0

    @workflow.run
    async def run(self, text: str) -> str:
        """Two activities, then one for each signal, then one at the end and one upsert."""
        for _ in range(FLOOR_ACTIVITIES_BEFORE):
            await self._one(text)
        for n in range(1, FLOOR_SHIPMENTS + 1):
            await workflow.wait_condition(lambda n=n: self._shipped >= n)  # type: ignore[misc]
            await self._one(text)
        await self._one(text)
        workflow.upsert_search_attributes([ORDER_STATE.value_set("closed")])
        return text

    async def _one(self, text: str) -> None:
        await workflow.execute_activity(nothing, text, start_to_close_timeout=timedelta(seconds=60))

    @workflow.signal
    def begin(self, text: str) -> None:
        """Stands for the webhook."""

    @workflow.signal
    def shipped(self, text: str) -> None:
        """Stands for the ERP's news."""
        self._shipped += 1


@dataclass(frozen=True)
class Measured:
    """One side of the comparison; latencies in seconds."""

    per_second: float
    to_erp: list[float]
    cost: Cost


async def measure_floor(client: Client, orders: int, at_once: int) -> Measured:
    """Run floor workflows, ``at_once`` at a time."""
    last = None

    async def one(number: int) -> None:
        nonlocal last
        handle = await client.start_workflow(
            FloorWorkflow.run, PAYLOAD, id=f"floor-{number}", task_queue=FLOOR_QUEUE,
            start_signal="begin", start_signal_args=[PAYLOAD],
        )  # fmt: skip
        for _ in range(FLOOR_SHIPMENTS):
            await handle.signal(FloorWorkflow.shipped, PAYLOAD)
        await handle.result()
        last = handle

    async with Worker(client, task_queue=FLOOR_QUEUE, workflows=[FloorWorkflow], activities=[nothing]):
        seconds = await _all(one, orders, at_once)
    assert last is not None
    return Measured(orders / seconds, [], cost_of((await last.fetch_history()).events))


async def measure_orders(client: Client, directory: Path, orders: int, at_once: int) -> Measured:
    """Run orders through the whole house, ``at_once`` at a time."""
    async with BenchWorld.running(client, directory) as world:
        seconds = await _all(world.one_order, orders, at_once)
        events = (await client.get_workflow_handle(world.last_workflow_id).fetch_history()).events
        return Measured(orders / seconds, world.webhook_to_erp, cost_of(events))


async def _all(one: Callable[[int], Awaitable[None]], count: int, at_once: int) -> float:
    gate = asyncio.Semaphore(at_once)

    async def gated(number: int) -> None:
        async with gate:
            await one(number)

    began = time.perf_counter()
    await asyncio.gather(*(gated(n) for n in range(count)))
    return time.perf_counter() - began


@asynccontextmanager
async def _server(directory: Path, database: str) -> AsyncIterator[Client]:
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=find_temporal(),
        dev_server_database_filename=str(directory / "temporal.sqlite") if database == "file" else None,
        data_converter=pydantic_data_converter,
        search_attributes=SEARCH_ATTRIBUTES,
    )
    async with environment:
        yield environment.client


async def main() -> None:
    """Measure the floor, then the orders, then print both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--orders", type=int, default=200)
    parser.add_argument("--at-once", type=int, default=50)
    parser.add_argument("--database", choices=("memory", "file"), default="memory")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        async with _server(directory, options.database) as client:
            await measure_floor(client, 20, 20)  # warm up server and worker
            floor = await measure_floor(client, options.orders, options.at_once)
            ours = await measure_orders(client, directory, options.orders, options.at_once)
    _print(floor, ours, options)


def _print(floor: Measured, ours: Measured, options: argparse.Namespace) -> None:
    table = Table(title=f"{options.orders} orders, {options.at_once} at once, Temporal on {options.database}")
    for name in ("", "floor", "order", "ratio", "aim"):
        table.add_column(name, justify="right" if name else "left")
    ratio = ours.per_second / floor.per_second
    table.add_row(
        "orders per second",
        f"{floor.per_second:.1f}",
        f"{ours.per_second:.1f}",
        f"{ratio:.2f}",
        f">= {AIM_RATIO}",
    )
    cuts = statistics.quantiles(ours.to_erp, n=100)
    table.add_row("webhook to ERP, p50 s", "", f"{cuts[49]:.2f}", "", "")
    table.add_row("webhook to ERP, p99 s", "", f"{cuts[98]:.2f}", "", "")
    for name, at_floor, at_ours, aim in (
        ("events", floor.cost.events, ours.cost.events, f"<= {AIM_EVENTS}"),
        ("billable actions", floor.cost.actions, ours.cost.actions, f"<= {AIM_ACTIONS}"),
        ("history bytes", floor.cost.payload_bytes, ours.cost.payload_bytes, ""),
    ):
        table.add_row(name, str(at_floor), str(at_ours), f"{at_ours / at_floor:.2f}", aim)
    Console().print(table)


if __name__ == "__main__":
    asyncio.run(main())
