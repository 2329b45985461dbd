"""The real ground: Tryton, the Shopify-compatible store, Temporal, worker and web in processes of their own."""

import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sandbox.addresses import Addresses
from sandbox.back_office import TrytonOffice
from sandbox.faults.client import Faults
from sandbox.faults.messages import WRITES
from sandbox.faults.rules import Fault, Rule
from sandbox.house import PLUS_PLAN, House, people_around
from sandbox.scenarios.mapping import write_mapping
from sandbox.scenarios.vocabulary import WentWrong
from sandbox.stack import Say, Stack

if TYPE_CHECKING:
    from sandbox.scenarios.ground import People, System

DIRECTORY: Final = Path("var/scenarios")
_FAULTS = {
    "answer lost": Fault.DROP_ANSWER, "unavailable": Fault.STATUS, "too many": Fault.RATE_LIMIT,
}  # fmt: skip


class TrytonPeople(TrytonOffice):
    """Implements ``People``."""

    async def ship_one(self, external_id: str, *, part: bool, warehouse: str | None) -> int:
        """See ``People``."""
        left = 0
        for job in await self._staff.shipments_to_do([external_id]):
            if warehouse in {None, job.warehouse}:
                left += await self._staff.ship(job, part=part and not job.begun) is not None
        return left

    async def ship_piece(self, external_id: str, product: str, pieces: int) -> None:
        """See ``People``."""
        await self._staff.ship_piece(external_id, product, pieces)

    async def pick(self, external_id: str) -> None:
        """See ``People``."""
        await self._staff.pick_only(external_id)

    async def put_back(self, external_id: str) -> None:
        """See ``People``."""
        await self._staff.put_back(external_id)

    async def give_up(self, external_id: str, units: Mapping[str, int], *, handled: bool = True) -> None:
        """Take units (by SKU) off an order's shipments for good; ``handled``: and settle it with the ERP."""
        await self._staff.give_up(external_id, units, handled=handled)

    async def send_after_all(self, external_id: str) -> None:
        """Ship what was given up of an order after all. Raises LookupError where nothing was."""
        await self._staff.send_after_all(external_id)

    async def send_picked(self, external_id: str) -> None:
        """See ``People``."""
        await self._staff.send_picked(external_id)

    async def take_stock(self, sku: str, warehouse: str, units: int, external_id: str) -> None:
        """See ``People``."""
        await self._staff.take_stock(sku, warehouse, units)
        await self._staff.reserve_what_came([external_id])


class RealGround:
    """Implements ``Ground``."""

    def __init__(self, house: House, people: TrytonPeople, where: Addresses, faults: Faults) -> None:
        self.store = house.store
        self.people: People = people
        self.client = house.client
        self.database_url = where.database_url
        self._faults = faults

    async def take_down(self, system: "System") -> None:
        """See ``Ground``."""
        await self._faults.set_rule(system, Rule(fault=Fault.REFUSE))

    async def bring_back(self, system: "System") -> None:
        """See ``Ground``."""
        await self._faults.clear(system)

    async def spoil_erp(self, act: WentWrong) -> None:
        """See ``Ground``."""
        calls = WRITES if act.call == "submission" else "model.stock.shipment.out.do"
        rule = Rule(calls=calls, fault=_FAULTS[act.how], times=act.times, retry_after=1.0)
        await self._faults.set_rule("erp", rule)

    async def pass_time(self, external_id: str, days: int) -> None:
        """See ``Ground``: nobody can hurry this one, and nothing here depends on it."""


@asynccontextmanager
async def real_ground(say: Say, house: int = 1) -> AsyncIterator[RealGround]:
    """Everything fresh in ``var/scenarios``; houses of other numbers may stand beside."""
    async with AsyncExitStack() as exits:
        folder = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="orderwright-mapping-")))
        mapping = str(write_mapping(folder))
        stack = await exits.enter_async_context(
            Stack(DIRECTORY / str(house), fresh=True, say=say, faults=True, reserve=True, mapping=mapping)
        )
        around = await exits.enter_async_context(people_around(stack))
        people = await exits.enter_async_context(TrytonPeople(stack.addresses))
        assert around.faults is not None
        await around.store.set_throttle(PLUS_PLAN)
        yield RealGround(around, people, stack.addresses, around.faults)
