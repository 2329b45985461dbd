"""The store sells what the ERP does not know: those orders wait with one cause, all others go on."""

from dataclasses import dataclass
from typing import Final

from sandbox.catalog import US_TAX
from sandbox.drills.carrying import carry, longest, look_at_both, small_orders
from sandbox.drills.drill import Ground, Log, Wish
from sandbox.drills.stopped import check_resolved, open_cases, solve_once, until_stopped
from sandbox.house import House
from sandbox.store.requests import PlaceOrder

SKU: Final = "SCARF-WOOL"


@dataclass(frozen=True)
class UnknownSku:
    """Implements ``Drill``."""

    wish: Wish
    name = "unknown-sku"
    summary = "the store sells a product that the ERP does not know"
    ground = Ground.MEMORY

    async def run(self, house: House, log: Log) -> None:
        """See ``Drill``."""
        count = self.wish.count(usual=80, quick=10)
        affected = PlaceOrder.model_validate({"lines": [{"sku": SKU, "quantity": 1}], "taxes": US_TAX})
        before = await open_cases(house)
        await house.office.hide_product(SKU)
        concerned, healthy = [], []
        for order in small_orders(count // 2):
            concerned += await house.place([affected])
            healthy += await house.place([order])
        log.did(f"{len(concerned)} orders for {SKU}, which the ERP does not know, and {len(healthy)} others")
        took = await house.until_entered(healthy, within=longest(len(healthy)))
        log.check("the other orders go on", True, f"all {len(healthy)} in the ERP {took:.0f} s later")
        problems = await until_stopped(house, concerned)
        named = sum(SKU in problem for problem in problems.values())
        log.check(
            "each order concerned names the product",
            named == len(concerned),
            f"{named} of {len(concerned)}, such as: {next(iter(problems.values()))}",
        )
        entered = await house.office.entered(concerned)
        log.check("none of them is in the ERP", entered == 0, f"{entered} are")
        await house.office.show_product(SKU)
        case = await solve_once(house, log, before, concerned)
        log.did(f"the ERP gets {SKU}, the case is solved")
        await carry(house, log, [*concerned, *healthy])
        await check_resolved(house, log, case)
        await look_at_both(house, log, [*concerned, *healthy])
