"""The demo: 24 orders of every shape through the embedded stack, shipped by a scripted warehouse, audited outside.

Webhooks come twice and shuffled; warehouse and back office act in the ERP as its staff would; at the end both systems
are read back independently of the application.
"""

import asyncio
import time
from collections.abc import Collection, Sequence
from decimal import Decimal
from pathlib import Path

from pydantic import BaseModel, ConfigDict
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError

from adapters.temporal import connect
from config.settings import TemporalSettings
from domain.order import OrderKey
from sandbox.audit import Audited, ErpSide, StoreSide, compare, tax_codes
from sandbox.billable import Cost, cost_of
from sandbox.scenarios import SCENARIOS, TEST_ORDER, Scenario
from sandbox.stack import CHANNEL, Say, Stack
from sandbox.store.client import AsyncStoreControl
from sandbox.store.throttle import ThrottleKnobs
from sandbox.tryton.staff import Staff
from workflows.order import OrderWorkflow

DIRECTORY = Path("var/demo")
SEED = 20
DEADLINE_SECONDS = 240.0
ROUND_SECONDS = 1.0
PLUS_PLAN = ThrottleKnobs(maximum_available=20_000, restore_rate=1_000)
"""What a shop of 10,000 orders a day has; with the smallest plan's 100 points a second the demo would mostly wait."""
TABLE_WIDTH = 140
"""Of the table where nobody looks at a terminal: in a log, in CI."""


class DemoFailed(Exception):
    """The demo did not come to its end; the message says how far it got."""


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
    """Run it on a fresh stack. Raises DemoFailed where orders do not come to their end."""
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
    where = stack.addresses
    client = await connect(TemporalSettings(address=where.temporal))
    async with (
        AsyncStoreControl(where.store) as store,
        Staff(
            where.erp, where.erp_database, where.staff_login, where.staff_password, channel=CHANNEL
        ) as staff,
    ):
        say("customers place 24 orders and one test order; webhooks are held back, doubled and shuffled ...")
        await store.set_throttle(PLUS_PLAN)
        await store.turn_webhooks(paused=True, duplicate=True, shuffle_seed=SEED)
        placed = {await _place(store, scenario): scenario for scenario in SCENARIOS}
        test_order = await _place(store, TEST_ORDER)
        await store.turn_webhooks(paused=False)
        say("webhooks go out; the orders travel into the ERP ...")
        await _until_entered(client, placed, say)
        say("the warehouse opens: every shipment leaves in parts where quantities allow ...")
        await _ship_everything(client, staff, placed, say)
        for external_id in placed:
            await staff.post_invoices(external_id)
        say("both systems are read back, independently of the application ...")
        rows = [await _audit(client, store, staff, external_id, s) for external_id, s in placed.items()]
        ignored = await staff.count_sales(test_order) == 0 and await _is_over(client, test_order)
    return rows, ignored


async def _place(store: AsyncStoreControl, scenario: Scenario) -> str:
    placed = await store.place_order(scenario.order)
    for line, quantity in scenario.edits.items():
        await store.edit_line(placed.id, line, quantity)
    return str(placed.id)


async def _until_entered(client: Client, external_ids: Collection[str], say: Say) -> None:
    """Wait until every order is in the ERP: the warehouse of the demo opens only then."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    told = -1
    while True:
        entered = sum([await _is_entered(client, external_id) for external_id in external_ids])
        if entered != told:
            told = entered
            say(f"  {entered} of {len(external_ids)} orders are in the ERP")
        if entered == len(external_ids):
            return
        if time.monotonic() > deadline:
            raise DemoFailed(f"only {entered} of {len(external_ids)} orders reached the ERP in time")
        await asyncio.sleep(ROUND_SECONDS * 2)


async def _is_entered(client: Client, external_id: str) -> bool:
    handle = client.get_workflow_handle_for(OrderWorkflow.run, _workflow_id(external_id))
    try:
        return (await handle.query(OrderWorkflow.status)).erp_number is not None
    except RPCError:
        return False  # its webhook is still on the way


async def _ship_everything(client: Client, staff: Staff, placed: dict[str, Scenario], say: Say) -> None:
    """Let the warehouse work round by round until every workflow has closed its order."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    told = -1
    while True:
        await staff.ship_in_parts(list(placed))
        over = [external_id for external_id in placed if await _is_over(client, external_id)]
        if len(over) != told:
            told = len(over)
            say(f"  {told} of {len(placed)} orders are delivered, paid and closed")
        if len(over) == len(placed):
            return
        if time.monotonic() > deadline:
            late = ", ".join(f"{placed[x].name} ({x})" for x in placed if x not in over)
            raise DemoFailed(f"still open after {DEADLINE_SECONDS:.0f} s: {late}; see the Temporal UI")
        await asyncio.sleep(ROUND_SECONDS)


async def _is_over(client: Client, external_id: str) -> bool:
    handle = client.get_workflow_handle(_workflow_id(external_id))
    try:
        return (await handle.describe()).status is WorkflowExecutionStatus.COMPLETED
    except RPCError:
        return False


def _workflow_id(external_id: str) -> str:
    return OrderKey(channel=CHANNEL, external_id=external_id).workflow_id


async def _audit(
    client: Client, store: AsyncStoreControl, staff: Staff, external_id: str, scenario: Scenario
) -> Audited:
    told = await store.read_order(external_id)
    sale = await staff.read_sale(external_id)
    sold = StoreSide(
        external_id=external_id,
        number=told.name,
        total=told.total,
        taxes=tax_codes(told.taxes),
        captured=told.captured,
        presentment_total=told.presentment_total,
        presentment_captured=told.presentment_captured,
        units=sum(line.current for line in told.lines),
        fulfilled=sum(line.shipped for line in told.lines),
        fulfillments=told.fulfillments,
        currency=told.currency,
    )
    erp = None
    if sale is not None:
        erp = ErpSide(
            count=await staff.count_sales(external_id, told.name),
            number=sale.number or "",
            total=sale.total,
            taxes={code: amount for code, amount in sale.taxes.items() if amount},
            shipments=sum(s.state in {"shipped", "done"} for s in sale.shipments),
            invoices=len(sale.invoices),
            invoiced=sale.invoiced,
            currency=sale.currency,
        )
    return compare(scenario.name, sold, erp, await _cost(client, external_id))


async def _cost(client: Client, external_id: str) -> Cost:
    handle = client.get_workflow_handle(_workflow_id(external_id))
    return cost_of((await handle.fetch_history()).events)


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
