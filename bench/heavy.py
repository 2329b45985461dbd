"""What a heavy order costs in history: events, billable actions and payloads, beside what they may be at most.

Usage: ``python -m bench.heavy [--orders 3]``; exits with 1 where an aim is missed.

The road is that of ``bench.orders``: only the two outside systems are in memory. ``HeavyLife.live`` is the order's
life, step by step; what its workflow started itself (a return, say) is counted with it.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table
from temporalio.client import Client

from adapters.echoes import refund_made, return_stands
from bench.floor import PACKING
from bench.heavy_order import INSTEAD, heavy_order, moved, with_a_line_more
from bench.histories import Run, runs_of
from bench.server import running_server
from bench.world import CHANNEL, CREATED, BenchWorld
from config.mappings import load_mapping
from domain.erp_order import ErpShipmentState
from domain.order import Order, ReturnStatus
from domain.return_rules import ReturnRules
from workflows.messages import Attention
from workflows.order import OrderWorkflow

AIM_EVENTS, AIM_ACTIONS, AIM_PAYLOADS = 200, 45, 100_000
"""Events a run; billable actions, and bytes of payloads, of all runs together."""
FEED_INTERVAL = timedelta(seconds=0.1)
LONGEST_LIFE = 120
"""Seconds after which an order counts as stuck, and the run as failed."""
EDITED, PAID = "orders/edited", "orders/paid"


class HeavyLife:
    """One heavy order and what its customer and the warehouses do; each step waits until the order rests again."""

    def __init__(self, world: BenchWorld, web: httpx.AsyncClient, client: Client, number: int) -> None:
        self._world, self._web = world, web
        self._order = heavy_order(CHANNEL, number)
        self._key = self._order.key
        self._workflow = client.get_workflow_handle(self._key.workflow_id)
        self._edits = self._returns = 0

    async def live(self) -> str:
        """From the webhook to the last return; returns the workflow's id.

        It ends in its return window: what comes after that is a timer. Raises TimeoutError where the order is stuck,
        RuntimeError where it is not paid.
        """
        async with asyncio.timeout(LONGEST_LIFE):
            await self._place()
            await self._edit(lambda order: self._lower(order.lines[0].line_id, 2))
            await self._ship("WH-EAST")
            await self._ship("WH-WEST")
            await self._edit(lambda order: self._world.storefront.replace(moved(order)))
            await self._ship("WH-EAST")
            await self._ship("WH-WEST")
            await self._edit(lambda order: self._world.storefront.replace(with_a_line_more(order)))
            await self._ship("WH-EAST", last=True)
            await self._ship("WH-WEST", last=True)
            await self._send_back(self._order.lines[1].line_id, 2)
            await self._send_back(self._order.lines[2].line_id, 1)
            await self._exchange(self._order.lines[3].line_id)
            await self._until_delivered()
        return self._key.workflow_id

    async def _place(self) -> None:
        self._world.storefront.place(self._order)
        await self._world.deliver(self._web, self._key, CREATED)
        await self._world.erp.until_taken(self._key)
        await self._rest()

    async def _edit(self, change: Callable[[Order], Order]) -> None:
        self._edits += 1
        change(self._world.storefront.orders[self._key.external_id])
        await self._world.deliver(self._web, self._key, EDITED, nth=self._edits)
        await self._world.erp.until_amended(self._key)
        await self._rest()

    def _lower(self, line_id: str, units: int) -> Order:
        return self._world.storefront.edit_quantity(self._key.external_id, line_id, units)

    async def _ship(self, warehouse: str, *, last: bool = False) -> None:
        """A parcel leaves: a unit of each line that waits there, or all that does. It is picked first, as in life."""
        erp = self._world.erp
        erp.pick(self._key, warehouse)
        picked = next(
            shipment
            for shipment in erp.orders[self._key].shipments
            if shipment.warehouse == warehouse and shipment.state is ErpShipmentState.PICKED
        )
        units = {line.line_id: line.quantity if last else 1 for line in picked.lines}
        erp.ship(self._key, warehouse, units, tracking=f"TRACK-{picked.number}")
        await self._world.storefront.until_told(self._key)
        await self._rest()

    async def _exchange(self, line_id: str) -> None:
        """A unit comes back for something else, which leaves in a parcel of its own."""
        await self._send_back(line_id, 1, {INSTEAD: 1})
        erp = self._world.erp
        await self._until(lambda: bool(erp.orders[self._key].exchanges))
        (waiting,) = (
            each for each in erp.orders[self._key].shipments if each.state is ErpShipmentState.WAITING
        )
        await self._ship(waiting.warehouse, last=True)

    async def _send_back(self, line_id: str, units: int, instead: dict[str, int] | None = None) -> None:
        """The buyer asks for a return and sends the goods; the storefront tells of each step, our own ones included."""
        storefront, erp = self._world.storefront, self._world.erp
        asked = storefront.request_return(
            self._key.external_id, {line_id: units}, "too small", instead
        ).returns[-1]
        self._returns += 1
        await self._tell("returns/request")
        await self._until(
            lambda: any(each.return_id == asked.return_id for each in erp.orders[self._key].returns)
        )
        await self._tell("returns/approve", return_stands(asked.return_id, "open", units))
        erp.receive_return(self._key, asked.return_id, {line_id: units})
        await self._until(
            lambda: storefront.orders[self._key.external_id].returns[-1].status is ReturnStatus.CLOSED
        )
        refund = storefront.refunds.get(f"return:{self._key}:{asked.return_id}")
        if refund is not None:
            await self._tell("refunds/create", refund_made(refund.refund_id))
        await self._tell("returns/close", return_stands(asked.return_id, "closed"))
        await self._until(self._world.inbox_is_empty)
        await self._rest()

    async def _tell(self, topic: str, tells: str | None = None) -> None:
        await self._world.deliver(self._web, self._key, topic, nth=self._returns, tells=tells)
        await self._rest()

    async def _until(self, true: Callable[[], bool]) -> None:
        while not true():  # noqa: ASYNC110  what the memory systems hold changes by the workers' hand
            await asyncio.sleep(0.05)

    async def _until_delivered(self) -> None:
        await self._world.deliver(self._web, self._key, PAID)
        view = await self._workflow.query(OrderWorkflow.status)
        while view.attention is not Attention.DELIVERED:
            await asyncio.sleep(0.5)
            view = await self._workflow.query(OrderWorkflow.status)
        told = self._world.storefront.orders[self._key.external_id]
        if told.captured != told.total:
            raise RuntimeError(f"order {self._key} was delivered with {told.captured} kept of {told.total}")

    async def _rest(self) -> None:
        """Long enough that no two messages share a workflow task, as in life, where hours lie between."""
        await asyncio.sleep(PACKING.total_seconds())


async def measure(orders: int) -> list[list[Run]]:
    """Live through so many heavy orders at once; the runs of each."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        directory = Path(folder)
        async with running_server(directory, on_file=False) as server:
            rules = {"returns": ReturnRules(window_days=100)}
            mapping = load_mapping("shopify-tryton").model_copy(update=rules)
            world = BenchWorld(server.client, directory, FEED_INTERVAL, mapping=mapping)
            async with world.working() as web:
                lives = [HeavyLife(world, web, server.client, number) for number in range(1, orders + 1)]
                ids = await asyncio.gather(*(life.live() for life in lives))
            world.close()
            return [await runs_of(server.client, workflow_id) for workflow_id in ids]


def heaviest(orders: list[list[Run]]) -> dict[str, tuple[int, int]]:
    """What the heaviest order came to in each respect, and what it may at most."""
    return {
        "events, the longest run": (max(run.cost.events for runs in orders for run in runs), AIM_EVENTS),
        "billable actions": (max(sum(run.cost.actions for run in runs) for runs in orders), AIM_ACTIONS),
        "bytes of payloads": (max(sum(run.payload_bytes for run in runs) for runs in orders), AIM_PAYLOADS),
    }


_OF_A_RUN: tuple[Callable[[Run], int], ...] = (
    lambda run: run.cost.events,
    lambda run: run.cost.actions,
    lambda run: run.payload_bytes,
)


def print_all(console: Console, orders: list[list[Run]]) -> bool:
    """Print the tables; whether every aim is reached."""
    found = heaviest(orders)
    table = Table(
        title=f"the heaviest of {len(orders)} heavy orders: 20 lines, 6 shipments, 3 edits, 2 returns, 1 exchange"
    )
    for column in ("", "found", "aim", ""):
        table.add_column(column, justify="right" if column else "left")
    for name, (value, aim) in found.items():
        table.add_row(name, f"{value:,}", f"at most {aim:,}", "" if value <= aim else "MISSED")
    summed = max(sum(run.cost.events for run in runs) for runs in orders)
    table.add_row("events, all runs together", f"{summed:,}", "", "")
    stored = max(sum(run.cost.payload_bytes for run in runs) for runs in orders)
    table.add_row("bytes of history, payloads and all", f"{stored:,}", "", "")
    console.print(table)
    runs = max(orders, key=lambda runs: sum(run.payload_bytes for run in runs))
    each = Table(title="run by run: an order is one run, and each of its returns another")
    for column in ("run", "events", "actions", "bytes of payloads"):
        each.add_column(column, justify="left" if column == "run" else "right")
    for run in runs:
        each.add_row(run.workflow_id, *(f"{of(run):,}" for of in _OF_A_RUN))
    totals = (sum(getter(run) for run in runs) for getter in _OF_A_RUN)
    each.add_row("in all", *(f"{total:,}" for total in totals))
    console.print(each)
    where = Table(title="what the actions and payloads of that one belong to")
    for column in ("run", "of", "actions", "bytes"):
        where.add_column(column, justify="left" if column in {"run", "of"} else "right")
    for run in runs:
        for name in dict.fromkeys((*run.actions, *run.payloads)):
            where.add_row(
                run.workflow_id, name, f"{run.actions.get(name, 0):,}", f"{run.payloads.get(name, 0):,}"
            )
    console.print(where)
    return all(value <= aim for value, aim in found.values())


def main() -> int:
    """Measure and print; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--orders", type=int, default=3, help="heavy orders at once")
    given = parser.parse_args()
    if given.orders < 1:
        parser.error("--orders must be positive")
    return 0 if print_all(Console(), asyncio.run(measure(given.orders))) else 1


if __name__ == "__main__":
    sys.exit(main())
