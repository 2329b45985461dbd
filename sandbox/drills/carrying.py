"""What drills have in common: orders to place, carrying them to their end, and the look at both systems afterwards."""

from collections import Counter
from collections.abc import Collection, Mapping

from sandbox.catalog import US_TAX
from sandbox.drills.drill import Log
from sandbox.faults.client import Faults
from sandbox.faults.rules import Fault
from sandbox.house import House
from sandbox.scenarios.catalogue import shapes
from sandbox.store.requests import PlaceOrder

LONGEST = 150.0
"""Seconds that a handful of orders may take to get anywhere, on a busy machine and after an outage."""
LATE = 10
"""Seconds that one order of many may take on top, in the worst case."""

_SMALL = PlaceOrder.model_validate(
    {
        "lines": [{"sku": "TEE-BLK-M", "quantity": 2}, {"sku": "MUG-LOGO", "quantity": 3, "location": 102}],
        "taxes": US_TAX,
        "shipping": {"code": "standard", "price": "7.50"},
    }
)


def longest(orders: int) -> float:
    """Seconds after which so many orders count as stuck."""
    return LONGEST + LATE * orders


def some_orders(count: int) -> list[PlaceOrder]:
    """Orders of different shapes: several lines, discounts, kits, splits, currencies."""
    plain = [scenario.order for scenario in shapes() if not scenario.edits]
    return [plain[number % len(plain)] for number in range(count)]


def small_orders(count: int) -> list[PlaceOrder]:
    """Orders of one small shape from two warehouses, for drills that need many."""
    return [_SMALL] * count


async def carry(house: House, log: Log, ids: Collection[str]) -> None:
    """Bring orders from wherever they are to their end. Raises HouseStuck."""
    within = longest(len(ids))
    await house.until_entered(ids, within=within, progress=log.progress("orders are in the ERP"))
    await house.ship_to_the_end(
        ids, within=within, progress=log.progress("orders are delivered, paid and closed")
    )


async def look_at_both(house: House, log: Log, ids: Collection[str]) -> None:
    """The three promises, read from both systems without the application."""
    rows = await house.audit(dict.fromkeys(ids, ""))
    lost = [row.store.number for row in rows if row.erp is None]
    twice = sum(row.duplicates for row in rows)
    listed = await house.listed()
    named = {row.store.external_id for row in rows if listed[row.store.external_id].problem}
    differing = [row for row in rows if not row.balanced and row.store.external_id not in named]
    log.number("orders", len(rows))
    log.check("no order is lost", not lost and len(rows) == len(ids), _so_many(lost, "missing in the ERP"))
    log.check("nothing is there twice", twice == 0, f"{twice} orders or fulfillments too many")
    log.check(
        "every order is balanced to the cent, or says by itself what is wrong",
        not differing,
        f"{sum(row.balanced for row in rows)} of {len(rows)} balanced"
        + "".join(f"; {row.store.number}: {', '.join(row.differences)}" for row in differing[:3]),
    )


async def spoiled(faults: Faults, proxy: str, since: int) -> Counter[Fault]:
    """Calls that went wrong at a proxy after the call of that number, by fault."""
    return Counter(call.fault for call in await faults.log(proxy, since) if call.fault)


async def marks(faults: Faults) -> Mapping[str, int]:
    """The number of the last call at each proxy: where a drill begins to count."""
    return {proxy.name: (await faults.counts(proxy.name)).calls for proxy in await faults.proxies()}


def the_faults(house: House) -> Faults:
    """The proxies. Raises RuntimeError on a stack without them."""
    if house.faults is None:
        raise RuntimeError("this drill needs a stack with proxies")
    return house.faults


def _so_many(which: Collection[str], words: str) -> str:
    return f"{len(which)} {words}" + (f" ({', '.join(sorted(which)[:5])})" if which else "")
