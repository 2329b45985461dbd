"""The demo: 24 orders of every shape through the embedded stack, shipped by a scripted warehouse, audited outside.

Webhooks come twice and shuffled; warehouse and back office act in the ERP as its staff would; at the end both systems
are read back independently of the application.
"""

import asyncio
import time
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from pydantic import BaseModel, ConfigDict
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from sandbox.audit import Audited
from sandbox.house import PLUS_PLAN, House, people_around
from sandbox.scenarios.catalogue import TEST_ORDER, named, shapes
from sandbox.scenarios.vocabulary import Scenario
from sandbox.stack import Say, Stack

DIRECTORY = Path("var/demo")
SEED = 20
DEADLINE_SECONDS = 240.0
TABLE_WIDTH = 140
"""Of the table where nobody looks at a terminal: in a log, in CI."""


class DemoResult(BaseModel):
    """What the demo found; as JSON the answer of ``demo --json``."""

    model_config = ConfigDict(frozen=True)

    held: bool
    """Every order is balanced and there once, and the test order was ignored."""
    balanced: int
    unexplained: int
    duplicates: int
    test_order_ignored: bool
    seconds: int
    orders: tuple[Audited, ...]


async def run_demo(say: Say) -> DemoResult:
    """Run it on a fresh stack. Raises HouseStuck where orders do not come to their end."""
    began = time.monotonic()
    async with Stack(DIRECTORY, fresh=True, say=say) as stack:
        running = asyncio.create_task(_play(stack, say))
        watching = asyncio.create_task(stack.watch())
        await asyncio.wait({running, watching}, return_when=asyncio.FIRST_COMPLETED)
        if watching.done():
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            watching.result()
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        rows, test_order_ignored = running.result()
    return conclude(rows, test_order_ignored=test_order_ignored, seconds=round(time.monotonic() - began))


def conclude(rows: Sequence[Audited], *, test_order_ignored: bool, seconds: int) -> DemoResult:
    """Sum up what was read back."""
    balanced = sum(row.balanced for row in rows)
    duplicates = sum(row.duplicates for row in rows)
    return DemoResult(
        held=balanced == len(rows) and not duplicates and test_order_ignored,
        balanced=balanced,
        unexplained=sum(len(row.differences) for row in rows),
        duplicates=duplicates,
        test_order_ignored=test_order_ignored,
        seconds=seconds,
        orders=tuple(rows),
    )


def print_demo(result: DemoResult) -> None:
    """The table, every difference, and the sum in the last line."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=TABLE_WIDTH)
    _print_table(console, result.orders)
    for row in result.orders:
        for difference in row.differences:
            console.print(f"  {row.store.number} {row.name}: {difference}")
    told = "ignored, as it should be" if result.test_order_ignored else "NOT ignored"
    console.print(f"test order: {told}; took {result.seconds} s")
    console.print(
        f"demo: {len(result.orders)} orders, {result.balanced} balanced, {result.unexplained} unexplained, "
        f"{result.duplicates} duplicates"
    )


async def _play(stack: Stack, say: Say) -> tuple[list[Audited], bool]:
    async with people_around(stack) as house:
        say("customers place 24 orders and one test order; webhooks are held back, doubled and shuffled ...")
        await house.store.set_throttle(PLUS_PLAN)
        await house.store.turn_webhooks(paused=True, duplicate=True, shuffle_seed=SEED)
        names = {await _place(house, scenario): scenario.name for scenario in shapes()}
        test_order = await _place(house, named(TEST_ORDER))
        await house.store.turn_webhooks(paused=False)
        say("webhooks go out; the orders travel into the ERP ...")
        await house.until_entered(
            names, within=DEADLINE_SECONDS, progress=lambda n, of: say(f"  {n} of {of} orders are in the ERP")
        )
        say("the warehouse opens: every shipment leaves in parts where quantities allow ...")
        await house.ship_to_the_end(
            names,
            within=DEADLINE_SECONDS,
            progress=lambda n, of: say(f"  {n} of {of} orders are delivered, paid and closed"),
        )
        say("both systems are read back, independently of the application ...")
        rows = await house.audit(names, with_cost=True)
        ignored = not await house.office.read({test_order: ""}) and await house.is_over(test_order)
    return rows, ignored


async def _place(house: House, scenario: Scenario) -> str:
    (placed,) = await house.place([scenario.order])
    for edit in scenario.edits:
        await house.store.edit_order(placed, edit)
    return placed


def _print_table(console: Console, rows: Sequence[Audited]) -> None:
    table = Table(
        title="Both systems, read back independently (amounts in USD)", box=SIMPLE_HEAD, pad_edge=False
    )
    table.add_column("shape", max_width=44)
    for name in ("store", "ERP"):
        table.add_column(name, no_wrap=True)
    for name in ("store total", "ERP total", "tax", "captured", "shipments", "events", "actions"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("balanced", no_wrap=True)
    for row in rows:
        erp, cost = row.erp, row.cost
        table.add_row(
            row.name,
            row.store.number,
            erp.number if erp else "missing",
            f"{row.store.total}",
            f"{erp.total}" if erp else "-",
            str(sum(row.store.taxes.values(), Decimal(0))),
            f"{row.store.captured}",
            str(erp.shipments if erp else 0),
            str(cost.events if cost else 0),
            str(cost.actions if cost else 0),
            "yes" if row.balanced else "NO",
        )
    console.print(table)
