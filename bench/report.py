"""What a run of the benchmark found, as tables."""

import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from rich.console import Console
from rich.table import Table

from sandbox.billable import Cost

AIM_RATIO, AIM_ACTIONS, AIM_EVENTS = 0.7, 12, 45


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    orders: int
    at_once: int
    rounds: int
    on_file: bool
    feed_interval: timedelta


@dataclass(frozen=True)
class Round:
    """One side of one round; CPU times in milliseconds an order."""

    per_second: float
    process: float
    """CPU of this process: web, dispatcher, workers and feed."""
    outside: float
    """CPU of what is not ours, though in this process: both memory systems, their staff, the sender of webhooks."""
    server: float
    """CPU of the Temporal server; 0 where the system does not tell."""
    costs: tuple[Cost, ...]
    counted: Counter[str]
    """Actions by type as the server itself counted them, for all orders of the round."""


@dataclass(frozen=True)
class Rounds:
    """All rounds of each side, in turn."""

    alone: list[Round]
    shaped: list[Round]
    ours: list[Round]

    def sides(self) -> tuple[list[Round], list[Round], list[Round]]:
        """In the order of the columns."""
        return self.alone, self.shaped, self.ours


def print_all(
    console: Console, options: Options, rounds: Rounds, latencies: Sequence[Sequence[float]]
) -> None:
    """Print every table; ``latencies`` in seconds by round, the last of orders one at a time."""
    _print_comparison(console, options, rounds)
    _print_latency(console, latencies)
    _print_counts(console, rounds, options.orders)


def print_aims(console: Console, title: str, aims: Mapping[str, tuple[float, float]]) -> bool:
    """A table of what was found beside what it may be at most; whether everything is within."""
    table = Table(title=title)
    for column in ("", "found", "at most", ""):
        table.add_column(column, justify="right" if column else "left")
    for name, (value, aim) in aims.items():
        table.add_row(name, f"{value:,}", f"{aim:,}", "" if value <= aim else "MISSED")
    console.print(table)
    return all(value <= aim for value, aim in aims.values())


def _print_comparison(console: Console, options: Options, rounds: Rounds) -> None:
    where = "a SQLite file" if options.on_file else "memory"
    size = f"best of {options.rounds} rounds of {options.orders} orders, {options.at_once} at once"
    table = _table(
        f"{size}, Temporal on {where}", "eager floor", "shaped floor", "order", "order / shaped", "aim"
    )

    def row(name: str, best: Callable[[list[Round]], float], aim: str = "") -> None:
        alone, shaped, ours = (best(side) for side in rounds.sides())
        ratio = f"{ours / shaped:.2f}" if shaped else ""
        table.add_row(name, f"{alone:.1f}", f"{shaped:.1f}", f"{ours:.1f}", ratio, aim)

    row("orders per second", lambda side: max(r.per_second for r in side), f">= {AIM_RATIO}")
    every = [" ".join(f"{r.per_second:.1f}" for r in side) for side in rounds.sides()]
    pairs = zip(rounds.ours, rounds.shaped, strict=True)
    table.add_row("  every round", *every, " ".join(f"{o.per_second / f.per_second:.2f}" for o, f in pairs))
    row("CPU ms an order: server", lambda side: min(r.server for r in side))
    row("  web and worker", lambda side: min(r.process for r in side))
    row("  both outside systems, sender", lambda side: min(r.outside for r in side))
    row("  server, web and worker", lambda side: min(r.server + r.process for r in side))
    for name, field, aim in (
        ("billable actions", "actions", f"<= {AIM_ACTIONS}"),
        ("events", "events", f"<= {AIM_EVENTS}"),
        ("bytes of history", "payload_bytes", ""),
    ):
        alone, shaped, ours = (
            [int(getattr(cost, field)) for r in side for cost in r.costs] for side in rounds.sides()
        )
        ratio = f"{statistics.mean(ours) / statistics.mean(shaped):.2f}"
        table.add_row(f"{name}, mean (max)", *map(_mean_and_max, (alone, shaped, ours)), ratio, aim)
    console.print(table)
    eager, order = (max(r.per_second for r in side) for side in (rounds.alone, rounds.ours))
    console.print(f"Orders per second beside the eager floor: {order / eager:.2f}.")


def _mean_and_max(values: Sequence[int]) -> str:
    return f"{statistics.mean(values):.1f} ({max(values)})"


def _print_latency(console: Console, latencies: Sequence[Sequence[float]]) -> None:
    table = _table(
        "from the webhook's first byte to the order in the ERP, in seconds", "p50", "p99", "longest"
    )
    *rounds, alone = latencies
    rows = [(f"round {n}", values) for n, values in enumerate(rounds, start=1)]
    for name, values in (*rows, ("one at a time", alone)):
        cuts = statistics.quantiles(values, n=100, method="inclusive")
        table.add_row(name, f"{cuts[49]:.2f}", f"{cuts[98]:.2f}", f"{max(values):.2f}")
    console.print(table)


def _print_counts(console: Console, rounds: Rounds, orders: int) -> None:
    last = [side[-1].counted for side in rounds.sides()]
    table = _table(
        "actions an order, as the server itself counted them in the last round",
        "eager floor",
        "shaped floor",
        "order",
    )
    for kind in sorted({kind for counted in last for kind in counted}):
        table.add_row(kind, *(f"{counted[kind] / orders:.2f}" for counted in last))
    table.add_row("all", *(f"{counted.total() / orders:.2f}" for counted in last))
    console.print(table)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title)
    table.add_column("")
    for column in columns:
        table.add_column(column, justify="right")
    return table
