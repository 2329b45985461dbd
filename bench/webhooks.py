"""What the webhook endpoint takes: deliveries at a fixed rate, many twice, Temporal away for a while in the middle.

Usage: ``python -m bench.webhooks [--deliveries 10000] [--rate 100] [--duplicates 0.2] [--away 20]``

The web process is the real one (``orderwright web``) with its store on a SQLite file, Temporal the real dev server on
a file, killed in the middle and started again. Deliveries leave on the clock whether earlier ones were answered or not,
so a slow answer cannot slow the senders down and hide itself. The floor is the same process asked for ``/healthz`` at
the same rate: the same machine, the same sockets, no work. At the end the inbox and Temporal are counted.

Exit status 1 where a delivery that was answered 2xx is missing, or anything is there twice.
"""

import argparse
import asyncio
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from adapters.memory.webhooks import MemoryWebhooks
from adapters.temporal import connect
from config.setting_groups import TemporalSettings
from domain.order import OrderKey
from sandbox.processes import Part, free_port
from sandbox.stack import temporal_part
from store.database import Database
from store.inbox import Inbox, InboxState

CHANNEL, SECRET, TOPIC = "shop", "bench", "orders/create"
AIM_P99_MS = 250
FLOOR_REQUESTS = 1_000
DRAIN_SECONDS = 600
SEED = 20


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    deliveries: int
    rate: float
    duplicates: float
    away: float


@dataclass
class Answers:
    """Seconds from the moment a request was due to its answer, and the statuses that were not 2xx."""

    seconds: list[float] = field(default_factory=list)
    others: dict[str, int] = field(default_factory=dict)

    def other(self, name: str) -> None:
        """Count what was no 2xx."""
        self.others[name] = self.others.get(name, 0) + 1


async def on_the_clock(
    count: int, rate: float, send: Callable[[int], Awaitable[httpx.Response]], answers: Answers
) -> None:
    """Start request by request, ``rate`` a second, and note how each went."""
    began = time.perf_counter()

    async def one(number: int, due: float) -> None:
        try:
            response = await send(number)
        except httpx.HTTPError as error:
            answers.other(type(error).__name__)
            return
        answers.seconds.append(time.perf_counter() - due)
        if not response.is_success:
            answers.other(str(response.status_code))

    async with asyncio.TaskGroup() as tasks:
        for number in range(count):
            due = began + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.create_task(one(number, due))


class Endpoint:
    """The web process and Temporal, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        self.web = f"http://127.0.0.1:{free_port()}"
        self.database_url = f"sqlite:///{folder / 'orderwright.db'}"
        self.temporal = temporal_part(self.address, free_port(), folder)
        self.web_part = Part(
            "web",
            [sys.executable, "-m", "orderwright", "web"],
            folder / "log" / "web.log",
            ready=self._ready,
            environment=self._environment(),
        )

    def _environment(self) -> dict[str, str]:
        channel = f"ORDERWRIGHT_CHANNELS__{CHANNEL.upper()}__"
        return {
            "ORDERWRIGHT_DATABASE_URL": self.database_url,
            "ORDERWRIGHT_TEMPORAL__ADDRESS": self.address,
            "ORDERWRIGHT_WEB__PORT": self.web.rsplit(":", 1)[1],
            f"{channel}VENDOR": "memory",
            f"{channel}URL": "http://bench.memory.test",
            f"{channel}ACCESS_TOKEN": "unused",
            f"{channel}WEBHOOK_SECRET": SECRET,
        }

    async def _ready(self) -> bool:
        async with httpx.AsyncClient(timeout=2) as client:
            try:
                return (await client.get(f"{self.web}/readyz")).is_success
            except httpx.HTTPError:
                return False


async def outage(endpoint: Endpoint, after: float, seconds: float) -> None:
    """Kill Temporal as a power cut would, and start it again on the same file."""
    await asyncio.sleep(after)
    endpoint.temporal.kill()
    await asyncio.sleep(seconds)
    await endpoint.temporal.stop()
    await endpoint.temporal.start()


def deliveries(options: Options) -> list[tuple[str, bytes, dict[str, str]]]:
    """Order id, body and headers of each delivery; a duplicate is an earlier one, to the letter."""
    dice, storefront = random.Random(SEED), MemoryWebhooks(SECRET)
    made: list[tuple[str, bytes, dict[str, str]]] = []
    for number in range(options.deliveries):
        if made and dice.random() < options.duplicates:
            made.append(dice.choice(made))
            continue
        order = str(100_000 + number)
        made.append((order, *storefront.write(f"d{order}", TOPIC, order, occurred_at=datetime.now(UTC))))
    return made


async def run(options: Options, console: Console) -> bool:
    """Measure, count, print; False where something is lost or twice."""
    sent = deliveries(options)
    orders = {order for order, _, _ in sent}
    floor, answers = Answers(), Answers()
    with tempfile.TemporaryDirectory() as name:
        endpoint = Endpoint(Path(name))
        await endpoint.temporal.start()
        await endpoint.web_part.start()
        try:
            limits = httpx.Limits(max_connections=90)
            async with httpx.AsyncClient(base_url=endpoint.web, timeout=30, limits=limits) as client:
                await on_the_clock(FLOOR_REQUESTS, options.rate, lambda _: client.get("/healthz"), floor)

                async def deliver(number: int) -> httpx.Response:
                    _, raw, headers = sent[number]
                    return await client.post(f"/webhooks/{CHANNEL}", content=raw, headers=headers)

                half = options.deliveries / options.rate / 2
                away = asyncio.create_task(outage(endpoint, half, options.away))
                began = time.perf_counter()
                await on_the_clock(options.deliveries, options.rate, deliver, answers)
                took = time.perf_counter() - began
                await away
            client_of = await connect(TemporalSettings(address=endpoint.address))
            rows, workflows, drained = await settled(endpoint, client_of, orders)
        finally:
            await endpoint.web_part.stop()
            await endpoint.temporal.stop()
    report(console, options, floor, answers, took)
    well = not answers.others and rows == workflows == len(orders)
    console.print(
        f"all handed over {drained:.0f} s after the last one; not 2xx: {answers.others or 'none'}\n"
        f"webhooks: {len(sent)} sent, {len(orders)} different, {rows} in the inbox, {workflows} orders in Temporal"
    )
    return well


async def settled(endpoint: Endpoint, client: Client, orders: Collection[str]) -> tuple[int, int, float]:
    """Wait until nothing waits in the inbox; rows, orders with a workflow, and how many seconds it took."""
    began = time.perf_counter()
    database = Database(endpoint.database_url)
    inbox = Inbox(database)
    try:
        while time.perf_counter() - began < DRAIN_SECONDS:
            counts = await asyncio.to_thread(inbox.counts)
            if not counts[InboxState.PENDING]:
                break
            await asyncio.sleep(0.5)
        drained = time.perf_counter() - began
        rows = sum((await asyncio.to_thread(inbox.counts)).values())
    finally:
        database.close()
    return rows, await carried(client, orders), drained


async def carried(client: Client, orders: Collection[str]) -> int:
    """How many orders have a workflow; asked one by one, as a list query may be late."""
    at_once = asyncio.Semaphore(50)

    async def known(order: str) -> bool:
        async with at_once:
            handle = client.get_workflow_handle(OrderKey(channel=CHANNEL, external_id=order).workflow_id)
            try:
                await handle.describe()
            except RPCError as error:
                if error.status is RPCStatusCode.NOT_FOUND:
                    return False
                raise
            return True

    return sum(await asyncio.gather(*map(known, orders)))


def report(console: Console, options: Options, floor: Answers, answers: Answers, took: float) -> None:
    """One row a measure, floor beside it."""
    table = Table(
        title=f"{options.deliveries} deliveries at {options.rate:g} a second, {options.duplicates:.0%} twice, "
        f"Temporal away for {options.away:g} s"
    )
    for head in ("answer, ms", "/healthz (floor)", "webhook", "webhook / floor", "aim"):
        table.add_column(head, justify="left" if head.startswith("answer") else "right")
    for name, share, aim in (("p50", 0.50, ""), ("p95", 0.95, ""), ("p99", 0.99, f"<= {AIM_P99_MS}")):
        low, high = (_quantile(side.seconds, share) * 1000 for side in (floor, answers))
        table.add_row(name, f"{low:.1f}", f"{high:.1f}", f"{high / low:.1f}", aim)
    console.print(table)
    console.print(f"sent in {took:.0f} s: {options.deliveries / took:.1f} a second")


def _quantile(values: Sequence[float], share: float) -> float:
    return statistics.quantiles(values, n=1000, method="inclusive")[int(share * 1000) - 1]


def main() -> None:
    """Run with the options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--deliveries", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=100.0, help="deliveries a second")
    parser.add_argument("--duplicates", type=float, default=0.2, help="share that was delivered before")
    parser.add_argument("--away", type=float, default=20.0, help="seconds that Temporal is away")
    options = Options(**vars(parser.parse_args()))
    well = asyncio.run(run(options, Console(width=110)))
    sys.stdout.flush()
    os._exit(0 if well else 1)  # as orderwright.__main__ explains


if __name__ == "__main__":
    main()
