"""Tryton's warehouse and what its books say, for the fault matrix on the wire."""

from collections import Counter
from contextlib import suppress

from domain.order import OrderKey
from sandbox.store.control import OrderReading
from sandbox.tryton.staff import Staff
from tests.chaos.lives import Life


class TrytonPeople:
    """Implements ``ErpPeople``."""

    def __init__(self, staff: Staff) -> None:
        self._staff = staff
        self._allocated: set[int] = set()

    async def ship(self, keys: list[OrderKey]) -> None:
        jobs = await self._staff.shipments_to_do([key.external_id for key in keys])
        # For a moment Tryton has both parcels in one shipment; nobody picks within a second of the order.
        sales = Counter(job.sale_id for job in jobs)
        self._allocated |= {sale for sale, shipments in sales.items() if shipments > 1}
        for job in jobs:
            if job.sale_id in self._allocated:
                await self._staff.ship(job, part=False)

    async def waiting(self, key: OrderKey) -> int:
        return len(await self._staff.shipments_to_do([key.external_id]))

    async def take_in(self, key: OrderKey, return_id: str) -> None:
        with suppress(LookupError):
            await self._staff.receive_return(key.external_id, return_id)

    async def assert_booked(self, life: Life, told: OrderReading) -> None:
        external_id = life.key.external_id
        await self._staff.post_invoices(external_id)
        sale = await self._staff.read_sale(external_id)
        assert sale is not None
        assert await self._staff.count_sales(external_id, told.name) == 1
        states = Counter(shipment.state for shipment in sale.shipments)
        if life.canceled:
            assert (set(states), sale.invoiced) == ({"cancelled"}, 0)
            return
        assert states == {"done": 2}
        assert (sale.total, sale.invoiced) == (told.total, told.total)
        left = {each.tracking_number for each in sale.shipments if each.tracking_number}
        assert left == set(told.tracking_numbers)
