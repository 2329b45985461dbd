"""The ERP reckons a cent more tax than the buyer paid: no such order may be confirmed, each has to say so."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from sandbox.drills.carrying import carry, look_at_both, small_orders, the_faults
from sandbox.drills.drill import Ground, Log, Wish
from sandbox.drills.stopped import check_resolved, open_cases, solve_once, until_stopped
from sandbox.faults.messages import READS
from sandbox.faults.rules import Fault, Rule
from sandbox.house import House

CENT: Final = Decimal("0.01")


@dataclass(frozen=True)
class OneCentTax:
    """Implements ``Drill``."""

    wish: Wish
    name = "one-cent-tax"
    summary = "the ERP reckons a cent more than the buyer paid"
    ground = Ground.TRYTON

    async def run(self, house: House, log: Log) -> None:
        """See ``Drill``."""
        faults = the_faults(house)
        count = self.wish.count(usual=10, quick=2)
        # Read by the adapter after the ERP has reckoned, before anything binds.
        wrong = await faults.set_rule(
            "erp", Rule(fault=Fault.REWRITE, calls=READS, field="total_amount", add=CENT)
        )
        before = await open_cases(house)
        ids = await house.place(small_orders(count))
        log.did(f"{count} orders placed; the ERP reckons a cent more than the store for each")
        problems = await until_stopped(house, ids)
        entered = await house.office.entered(ids)
        log.check("nothing is confirmed in the ERP", entered == 0, f"{entered} orders confirmed")
        named = sum("0.01" in problem for problem in problems.values())
        log.check(
            "each order names the difference",
            named == count,
            f"{named} of {count}, such as: {next(iter(problems.values()))}",
        )
        await faults.lift("erp", wrong)
        case = await solve_once(house, log, before, ids)
        log.did("the ERP is corrected, the case is solved")
        await carry(house, log, ids)
        await check_resolved(house, log, case)
        await look_at_both(house, log, ids)
