"""One bad record holds up no other, and a person mends a cause once: 200 orders with twelve causes of trouble.

Usage: ``python -m bench.causes [--orders 200] [--rate 4] [--rounds 2]``

The road is that of ``bench.orders``: signed webhooks, inbox, dispatcher, a real Temporal server, worker, change feed;
both outside systems in memory. Orders come on the clock. The floor is a run of the healthy orders alone, at the very
moments at which they come in the run with trouble; a third run has as many orders as the one with trouble, all of them
healthy, and so tells what the machine's sharing costs. When the healthy are through, every case is solved by one
``orderwright case resolve``, and both systems' books are compared without the application.

Exit status 1 where anything but the time is not as claimed: another number of cases, a wrong count or sum in one, a
case that one act did not solve, an order that is not balanced or there twice.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table
from typer.testing import CliRunner

from bench.books import compare_books
from bench.sample_order import CURRENCY
from bench.server import running_server
from bench.troubles import TROUBLES, close_books, order_at, places, strict_erp
from bench.world import LONGEST_ORDER, BenchWorld
from domain.order import Order
from orderwright.cli import app
from store.cases import Cases
from store.database import Database

AIM_RATIO = 1.2
FEWEST_ORDERS = 24
WARM_UP, WARM_UP_FROM = 5, 900_000
FEED_INTERVAL = timedelta(seconds=0.1)
CASES_SECONDS = 120
"""How long after the healthy orders all others may take to be in their cases, and the cases to be over."""
LONGEST_TROUBLE = 900
"""Seconds after which an order with trouble counts as stuck."""


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    orders: int
    rate: float
    rounds: int


@dataclass
class Times:
    """Seconds of each healthy order, from the moment its webhook was due."""

    to_erp: list[float] = field(default_factory=list)
    to_closed: list[float] = field(default_factory=list)

    def add(self, other: "Times") -> None:
        """Take over another round's."""
        self.to_erp += other.to_erp
        self.to_closed += other.to_closed


@dataclass
class Solved:
    """What became of the troubled orders."""

    orders: int
    rows: list[tuple[str, str, int, str]] = field(default_factory=list)
    """Trouble, cause, orders, how it was solved; one a case."""
    balanced: int = 0
    fixing_minutes: float = 0.0
    problems: list[str] = field(default_factory=list)


class Operator:
    """A person at the command line."""

    def __init__(self, world: BenchWorld, temporal: str, folder: Path) -> None:
        self._env_file = folder / "env"
        names = {
            "DATABASE_URL": world.database_url,
            "TEMPORAL__ADDRESS": temporal,
            "CHANNELS__SHOP__VENDOR": "memory",
            "CHANNELS__SHOP__URL": "http://bench.memory.test",
            "CHANNELS__SHOP__ACCESS_TOKEN": "unused",
            "CHANNELS__SHOP__WEBHOOK_SECRET": "bench",
        }
        self._env_file.write_text("".join(f"ORDERWRIGHT_{name}={value}\n" for name, value in names.items()))

    async def ask(self, *arguments: str) -> Any:
        """Run a command; its JSON. Raises RuntimeError with its words where it fails."""
        # While it runs, its output takes the place of this process's: nothing else may print then.
        line = ["--env-file", str(self._env_file), *arguments, "--json"]
        result = await asyncio.to_thread(CliRunner().invoke, app, line)
        if result.exit_code:
            raise RuntimeError(f"orderwright {' '.join(arguments)}: {result.output} {result.exception or ''}")
        return json.loads(result.stdout)

    async def cases(self, *, every: bool = False) -> dict[str, dict[str, Any]]:
        """Cases by cause."""
        listed = await self.ask("case", "list", "--limit", "1000", *(["--all"] if every else []))
        return {case["cause"]: case for case in listed}


@asynccontextmanager
async def house(problems: list[str]) -> AsyncIterator[tuple[BenchWorld, httpx.AsyncClient, Operator]]:
    """Fresh books, a fresh server and a house that has carried a few orders already."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        async with running_server(folder, on_file=False) as server:
            world = BenchWorld(server.client, folder, FEED_INTERVAL, strict_erp())
            operator = Operator(world, server.client.service_client.config.target_host, folder)
            try:
                async with world.working() as web:
                    first = (order_at(WARM_UP_FROM + number, None) for number in range(WARM_UP))
                    done = await asyncio.gather(
                        *(world.carry(web, order) for order in first), return_exceptions=True
                    )
                    problems += [f"warm-up: {each!r}" for each in done if isinstance(each, BaseException)]
                    yield world, web, operator
            finally:
                world.close()


class Run:
    """Orders that come in on the clock; ``mixed`` names the trouble at each place, None for a healthy order."""

    def __init__(self, world: BenchWorld, web: httpx.AsyncClient, rate: float) -> None:
        self.times = Times()
        self.problems: list[str] = []
        self._world, self._web, self._rate = world, web, rate
        self._healthy: list[asyncio.Task[None]] = []
        self._troubled: list[asyncio.Task[None]] = []

    async def healthy_closed(self, orders: Sequence[tuple[int, Order, bool, bool]]) -> None:
        """Send orders (place, order, whether it has trouble, whether it is timed); wait for those without trouble."""
        began = time.perf_counter()
        for place, order, trouble, timed in orders:
            due = began + place / self._rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            longest = LONGEST_TROUBLE if trouble else LONGEST_ORDER
            tasks = self._troubled if trouble else self._healthy
            tasks.append(asyncio.create_task(self._one(order, due, longest, timed=timed)))
        await asyncio.gather(*self._healthy)

    async def troubled_closed(self) -> None:
        """Wait for the others."""
        await asyncio.gather(*self._troubled)

    def give_up(self) -> None:
        """Wait for no order any more."""
        for task in self._troubled:
            task.cancel()

    async def _one(self, order: Order, due: float, longest: float, *, timed: bool) -> None:
        try:
            await self._world.carry(self._web, order, longest)
        except (TimeoutError, RuntimeError, httpx.HTTPError) as error:
            self.problems.append(f"{order.key}: {str(error) or 'did not close in time'}")
            return
        if timed:
            self.times.to_closed.append(time.perf_counter() - due)
            self.times.to_erp.append(self._world.erp.taken_at[order.key] - due)


async def healthy_run(options: Options, problems: list[str], *, alone: bool) -> Times:
    """The healthy orders alone, or with healthy ones in place of the troubled; timed are the same ones."""
    async with house(problems) as (world, web, _):
        run = Run(world, web, options.rate)
        mixed = list(enumerate(places(options.orders)))
        await run.healthy_closed(
            [
                (place, order_at(place, None), False, trouble is None)
                for place, trouble in mixed
                if trouble is None or not alone
            ]
        )
        problems += run.problems
        return run.times


async def troubled_run(options: Options) -> tuple[Times, Solved]:
    """All orders, then all cases."""
    solved = Solved(options.orders)
    async with house(solved.problems) as (world, web, operator):
        mixed = places(options.orders)
        orders = [order_at(place, trouble) for place, trouble in enumerate(mixed)]
        close_books(world, orders)
        run = Run(world, web, options.rate)
        await run.healthy_closed(
            [(place, orders[place], name is not None, name is None) for place, name in enumerate(mixed)]
        )
        by_trouble: defaultdict[str, list[Order]] = defaultdict(list)
        for order, name in zip(orders, mixed, strict=True):
            if name is not None:
                by_trouble[name].append(order)
        try:
            await solve_all(world, operator, by_trouble, solved)
            async with asyncio.timeout(CASES_SECONDS + options.orders / options.rate):
                await run.troubled_closed()
            await check_cases(operator, by_trouble, solved)
        except (TimeoutError, RuntimeError) as error:
            solved.problems.append(str(error) or "orders are stuck after their cases were solved")
            run.give_up()
        solved.problems += run.problems
        differences = compare_books(world.storefront, world.erp, [order.key for order in orders])
        solved.balanced = options.orders - len(differences)
        solved.problems += [f"{key}: {'; '.join(found)}" for key, found in differences.items()]
        solved.fixing_minutes = fixing_minutes(world.database_url)
        return run.times, solved


async def solve_all(
    world: BenchWorld, operator: Operator, by_trouble: dict[str, list[Order]], solved: Solved
) -> None:
    """See every order in its case, each case as it must be; then solve each once. Raises RuntimeError."""
    expected = {TROUBLES[name].cause(orders[0]): len(orders) for name, orders in by_trouble.items()}
    found: dict[str, dict[str, Any]] = {}
    deadline = time.perf_counter() + CASES_SECONDS
    while time.perf_counter() < deadline:
        found = await operator.cases()
        if {cause: case["waiting"] for cause, case in found.items()} == expected:
            break
        await asyncio.sleep(0.5)
    else:
        waiting = {cause: case["waiting"] for cause, case in found.items()}
        raise RuntimeError(f"the cases are {waiting}, expected {expected}")
    for name, orders in by_trouble.items():
        trouble = TROUBLES[name]
        case = found[trouble.cause(orders[0])]
        at_risk = [(risk["currency"], risk["amount"]) for risk in case["money_at_risk"]]
        total = str(sum(order.total for order in orders))
        if at_risk != [(CURRENCY, total)]:
            solved.problems.append(f"case {case['cause']}: at risk {at_risk}, not {total}")
        trouble.mend(world, orders)
        done = await operator.ask(
            "case", "resolve", str(case["id"]), *trouble.how, "--reason", name, "--actor", "Ada"
        )
        if len(done["told"]) != len(orders):
            solved.problems.append(f"case {case['cause']}: {len(done['told'])} told of {len(orders)}")
        how = " ".join(trouble.how)
        solved.rows.append((name, case["cause"], case["waiting"], how))


async def check_cases(operator: Operator, by_trouble: dict[str, list[Order]], solved: Solved) -> None:
    """No case may be open, none new, and one act may be noted in each. Raises RuntimeError."""
    deadline = time.perf_counter() + CASES_SECONDS
    while left := await operator.cases():
        if time.perf_counter() > deadline:
            raise RuntimeError(f"open still: {', '.join(left)}")
        await asyncio.sleep(0.5)
    every = await operator.cases(every=True)
    if len(every) != len(by_trouble):
        solved.problems.append(f"{len(every)} cases, expected {len(by_trouble)}: {', '.join(every)}")
    for case in every.values():
        acts = (await operator.ask("case", "show", str(case["id"])))["case"]["tried"]
        if len(acts) != 1:
            solved.problems.append(f"case {case['cause']}: {len(acts)} acts, expected 1")


def fixing_minutes(database_url: str) -> float:
    """Minutes from open to resolved, of all cases."""
    database = Database(database_url)
    try:
        return sum(case.minutes_open or 0.0 for case in Cases(database).list(None))
    finally:
        database.close()


def report(console: Console, alone: Times, shared: Times, troubled: Times) -> None:
    """One row a measure, the floor beside it."""
    size = f"{len(troubled.to_closed)} healthy orders, from webhook, in seconds"
    table = Table(title=size)
    heads = ("", "alone (floor)", "all healthy", "among trouble", "/ alone", "/ all healthy", "aim")
    for head in heads:
        table.add_column(head, justify="right" if head else "left")
    for what, pick in (("closed", "to_closed"), ("in the ERP", "to_erp")):
        for name, cut in (("p50", 49), ("p99", 98)):
            sides = [getattr(times, pick) for times in (alone, shared, troubled)]
            low, same, high = (statistics.quantiles(s, n=100, method="inclusive")[cut] for s in sides)
            aim = f"<= {AIM_RATIO}" if (pick, name) == ("to_closed", "p99") else ""
            ratios = (f"{high / low:.2f}", f"{high / same:.2f}")
            table.add_row(f"{what}, {name}", *(f"{x:.2f}" for x in (low, same, high)), *ratios, aim)
    console.print(table)


def report_cases(console: Console, solved: Solved) -> bool:
    """The cases of a round, what is not as claimed, and the verdict; whether all is well."""
    table = Table(title="cases")
    for head in ("trouble", "cause", "orders", "solved by"):
        table.add_column(head, justify="right" if head == "orders" else "left")
    for name, cause, orders, how in solved.rows:
        table.add_row(name, cause, str(orders), how)
    console.print(table)
    per_thousand = solved.fixing_minutes * 1000 / solved.orders
    console.print(f"minutes of fixing per 1,000 orders, by an operator who never sleeps: {per_thousand:.1f}")
    for problem in solved.problems:
        console.print(f"not as claimed: {problem}", markup=False)
    well = not solved.problems and solved.balanced == solved.orders
    once = "each solved once" if well else "NOT as claimed"
    console.print(
        f"causes: {solved.orders} orders, {len(solved.rows)} cases, {once}, {solved.balanced} balanced"
    )
    return well


async def run(options: Options, console: Console) -> bool:
    """Measure in turns, solve, check, print; False where something is not as claimed."""
    alone, shared, troubled = Times(), Times(), Times()
    rounds: list[Solved] = []
    for number in range(1, options.rounds + 1):
        problems: list[str] = []
        console.print(f"round {number}: the healthy orders alone")
        floor = await healthy_run(options, problems, alone=True)
        console.print(f"round {number}: as many orders, all healthy")
        same = await healthy_run(options, problems, alone=False)
        console.print(f"round {number}: healthy orders among troubled ones")
        times, solved = await troubled_run(options)
        sides = ((alone, floor), (shared, same), (troubled, times))
        for all_rounds, this in sides:
            all_rounds.add(this)
        longest = ", ".join(f"{max(this.to_closed, default=0):.2f}" for _, this in sides)
        console.print(f"round {number}: the slowest healthy order of each took {longest} s")
        solved.problems += problems
        rounds.append(solved)
    if all(len(times.to_closed) > 1 for times in (alone, shared, troubled)):
        report(console, alone, shared, troubled)
    verdicts = [report_cases(console, solved) for solved in rounds]
    return all(verdicts)


def main() -> None:
    """Run with the options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orders", type=int, default=200, help="healthy and troubled together")
    parser.add_argument("--rate", type=float, default=4.0, help="orders a second, both kinds together")
    parser.add_argument(
        "--rounds", type=int, default=2, help="rounds; their healthy orders are taken together"
    )
    options = Options(**vars(parser.parse_args()))
    if options.orders < FEWEST_ORDERS or options.rate <= 0 or options.rounds < 1:
        parser.error(f"at least {FEWEST_ORDERS} orders, one round, and a rate above 0")
    well = asyncio.run(run(options, Console(width=120)))
    sys.stdout.flush()
    os._exit(0 if well else 1)  # as orderwright.__main__ explains


if __name__ == "__main__":
    main()
