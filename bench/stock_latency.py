"""How soon a change of stock in the ERP shows in the store, and an order counts as in flight: on the embedded stack.

Usage: ``python -m bench.stock_latency [--changes 60] [--orders 60]``; exits with 1 where an aim is missed.

Tryton, the sandbox's store, Temporal, worker and web are processes of their own. The floor is what the bare calls take
that a change cannot do without, made by the same adapters between the changes. In the end the ERP is killed: what
buyers take while it is away has to count as soon.
"""

import argparse
import asyncio
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table
from sqlmodel import col, select

from adapters.shopify.storefront import ShopifyStorefront
from adapters.tryton.erp import TrytonErp
from bench.report import print_aims
from domain.stock import StockSetting
from sandbox.addresses import CHANNEL, Addresses
from sandbox.catalog import LOCATIONS, PRODUCTS
from sandbox.house import PLUS_PLAN, House, people_around
from sandbox.stack import Stack
from sandbox.store.requests import PlaceLine, PlaceOrder
from sandbox.tryton.staff import Staff
from store.database import Database
from store.stock_tables import StockClaimRow

AIM_SHOWN, AIM_IN_FLIGHT = 5.0, 1.0
"""Seconds, 95 of 100."""
LOOK_SECONDS = 0.02
LONGEST = 60.0
"""Seconds after which a change counts as lost, and the run as failed."""
MOST_PAUSE = 1.5
"""Seconds between two changes: longer than any poll, so that they come at any moment of one."""
FLOOR_CALLS = 20
PLACE = "101"
# Every SKU is scarce: it is told at once. What is gathered in batches waits for its batch by intent.
RULES = "push = true\nscarce_below = 1000000\n"


@dataclass
class Found:
    """Seconds, one each."""

    shown: list[float] = field(default_factory=list)
    in_flight: list[float] = field(default_factory=list)
    away: list[float] = field(default_factory=list)
    """In flight, while the ERP is away."""
    floor_shown: list[float] = field(default_factory=list)
    floor_in_flight: list[float] = field(default_factory=list)


class Latency:
    """Changes stock, buys, and looks how soon that is seen."""

    def __init__(self, house: House, staff: Staff, erp: TrytonErp, storefront: ShopifyStorefront) -> None:
        self._house, self._staff, self._erp, self._storefront = house, staff, erp, storefront
        self._draw = random.Random(5)
        self._skus = [product["sku"] for product in PRODUCTS]
        self._database = Database(house.stack.addresses.database_url)
        self._warehouse, _, self._units = LOCATIONS[PLACE]
        self.found = Found()

    async def until_told(self) -> None:
        """Wait until the store shows what the ERP has of everything: only then numbers are raised."""
        for sku in self._skus:
            await self._until(self._shows(sku, self._units), f"the store shows {self._units} of {sku}")

    async def change(self) -> None:
        """Somebody takes stock in the ERP; counted from the moment in which its call has returned."""
        sku = self._skus[len(self.found.shown) % len(self._skus)]
        units = self._draw.randrange(1, self._units)
        await asyncio.sleep(self._draw.uniform(0, MOST_PAUSE))
        await self._staff.take_stock(sku, self._warehouse, units)
        self.found.shown.append(await self._until(self._shows(sku, units), f"{units} of {sku} are shown"))

    async def buy(self, seconds: list[float]) -> None:
        """Somebody buys; counted from the moment in which the store has taken the order, before its webhook is sent."""
        await asyncio.sleep(self._draw.uniform(0, MOST_PAUSE))
        (order,) = await self._house.place(
            [PlaceOrder(lines=(PlaceLine(sku=self._draw.choice(self._skus)),))]
        )
        seconds.append(await self._until(self._claimed(order), f"order {order} counts as in flight"))

    async def measure_floor(self) -> None:
        """The calls that a change, or an order, needs at least, one after the other with nothing between them."""
        sku = self._skus[0]
        for number in range(FLOOR_CALLS):
            began = time.monotonic()
            await self._erp.find_stock([sku])
            levels = await self._storefront.read_stock([sku])
            shown = next(level for level in levels if level.location == PLACE)
            setting = StockSetting(
                sku=sku,
                item_id=shown.item_id,
                location=PLACE,
                available=shown.available,
                change_from=shown.available,
            )
            await self._storefront.set_stock([setting], f"floor-{number}")
            self.found.floor_shown.append(time.monotonic() - began)

    async def measure_order_floor(self, external_id: str) -> None:
        """Reading the order is what its claim cannot do without."""
        for _ in range(FLOOR_CALLS):
            began = time.monotonic()
            await self._storefront.read_order(external_id)
            self.found.floor_in_flight.append(time.monotonic() - began)

    def close(self) -> None:
        """Give the database back."""
        self._database.close()

    def _shows(self, sku: str, units: int) -> Callable[[], Awaitable[bool]]:
        async def look() -> bool:
            levels = await self._house.store.read_stock(sku)
            return any(str(each.location) == PLACE and each.available == units for each in levels)

        return look

    def _claimed(self, external_id: str) -> Callable[[], Awaitable[bool]]:
        def read() -> bool:
            with self._database.read() as session:
                claims = select(StockClaimRow).where(col(StockClaimRow.external_id) == external_id)
                return any(row.awaiting or row.entering for row in session.exec(claims))

        async def look() -> bool:
            return await asyncio.to_thread(read)

        return look

    async def _until(self, true: Callable[[], Awaitable[bool]], words: str) -> float:
        """Seconds until it was seen. Raises TimeoutError where that takes too long."""
        began = time.monotonic()
        while not await true():
            if time.monotonic() - began > LONGEST:
                raise TimeoutError(f"after {LONGEST:.0f} s still not: {words}")
            await asyncio.sleep(LOOK_SECONDS)
        return time.monotonic() - began


async def measure(changes: int, orders: int, console: Console) -> Found:
    """One run on a stack of its own."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        stack = Stack(Path(folder), fresh=False, say=console.print, known_ports=False, rules_of_stock=RULES)
        async with stack, people_around(stack) as house, AsyncExitStack() as exits:
            await house.store.set_throttle(PLUS_PLAN)
            where = stack.addresses
            staff = await exits.enter_async_context(
                Staff(where.erp, where.erp_database, where.staff_login, where.staff_password)
            )
            erp, storefront = _adapters(where)
            exits.push_async_callback(erp.close)
            exits.push_async_callback(storefront.close)
            latency = Latency(house, staff, erp, storefront)
            exits.callback(latency.close)
            console.print("the store is told everything once ...")
            await latency.until_told()
            await latency.measure_floor()
            console.print(f"{changes} changes in the ERP, one after the other ...")
            for _ in range(changes):
                await latency.change()
            console.print(f"{orders} orders, one after the other ...")
            for _ in range(orders):
                await latency.buy(latency.found.in_flight)
            (last, *_) = await house.place([PlaceOrder(lines=(PlaceLine(sku=PRODUCTS[0]["sku"]),))])
            await latency.measure_order_floor(last)
            console.print(f"the ERP is killed; {orders} orders more ...")
            await stack.crash("erp")
            for _ in range(orders):
                await latency.buy(latency.found.away)
            return latency.found


def _adapters(where: Addresses) -> tuple[TrytonErp, ShopifyStorefront]:
    """Of our own, beside those of the worker."""
    erp = TrytonErp(where.erp, where.erp_database, where.erp_login, where.erp_password)
    return erp, ShopifyStorefront(CHANNEL, where.store, where.store_token)


def print_all(console: Console, found: Found) -> bool:
    """Print the tables; whether every aim is reached."""
    table = Table(title="seconds until it was seen, beside the bare calls")
    for column in ("", "p50", "p95", "longest", "bare calls, p50", "p95 / bare"):
        table.add_column(column, justify="right" if column else "left")
    rows = {
        f"{len(found.shown)} changes in the ERP, until the store shows them": (
            found.shown,
            found.floor_shown,
        ),
        f"{len(found.in_flight)} orders, until they are in flight": (
            found.in_flight,
            found.floor_in_flight,
        ),
        f"{len(found.away)} orders while the ERP is away": (found.away, found.floor_in_flight),
    }
    for name, (seconds, floor) in rows.items():
        bare = statistics.median(floor)
        values = (statistics.median(seconds), _p95(seconds), max(seconds))
        table.add_row(
            name,
            *(f"{value:.2f}" for value in values),
            f"{bare:.3f}",
            f"{_p95(seconds) / bare:.1f}",
        )
    console.print(table)
    aims = {
        "seconds from a change in the ERP to the store, 95 of 100": (round(_p95(found.shown), 2), AIM_SHOWN),
        "seconds from an order to in flight, 95 of 100": (round(_p95(found.in_flight), 2), AIM_IN_FLIGHT),
        "the same while the ERP is away": (round(_p95(found.away), 2), AIM_IN_FLIGHT),
    }
    return print_aims(console, "how soon stock is right", aims)


def _p95(seconds: Sequence[float]) -> float:
    return statistics.quantiles(seconds, n=20, method="inclusive")[-1]


def main() -> int:
    """Measure and print; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--changes", type=int, default=60, help="changes of stock in the ERP")
    parser.add_argument("--orders", type=int, default=60, help="orders, and as many with the ERP away")
    given = parser.parse_args()
    if min(given.changes, given.orders) <= 1:
        parser.error("--changes and --orders must be 2 or more")
    console = Console()
    console.print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, load {os.getloadavg()[0]:.1f}")
    return 0 if print_all(console, asyncio.run(measure(given.changes, given.orders, console))) else 1


if __name__ == "__main__":
    sys.exit(main())
