"""Tryton's warehouse and what its books say, for the fault matrix on the wire."""

from collections import Counter
from contextlib import suppress

from domain.order import OrderKey
from sandbox.audit import compare
from sandbox.back_office import read_books
from sandbox.house import store_side
from sandbox.store.control import OrderReading
from sandbox.tryton.staff import Staff
from tests.chaos.lives import Life
from tests.chaos.wire_acts import SHIPMENTS, Back


class TrytonPeople:
    """Implements ``ErpPeople``."""

    def __init__(self, staff: Staff) -> None:
        self._staff = staff
        self._allocated: set[str] = set()

    async def ship(self, keys: list[OrderKey]) -> None:
        jobs = await self._staff.shipments_to_do([key.external_id for key in keys])
        # For a moment Tryton has both parcels in one shipment; nobody picks within a second of the order.
        orders = Counter(job.web_id for job in jobs)
        self._allocated |= {order for order, shipments in orders.items() if shipments > 1}
        first = {job.web_id: job for job in reversed(jobs) if job.web_id in self._allocated}
        for job in first.values():
            await self._staff.ship(job, part=False)

    async def waiting(self, key: OrderKey) -> int:
        return len(await self._staff.shipments_to_do([key.external_id]))

    async def take_in(self, key: OrderKey, return_id: str) -> None:
        with suppress(LookupError):
            await self._staff.receive_return(key.external_id, return_id)

    async def assert_booked(self, life: Life, told: OrderReading, back: Back | None) -> None:
        external_id = life.key.external_id
        await self._staff.post_invoices(external_id)
        sale = await self._staff.read_sale(external_id)
        assert sale is not None
        assert await self._staff.count_sales(external_id, told.name) == 1
        states = Counter(shipment.state for shipment in sale.shipments)
        if life.canceled:
            assert (set(states), sale.invoiced) == ({"cancelled"}, 0)
            return
        assert states == {"done": SHIPMENTS}
        books = await read_books(self._staff, external_id, told.name)
        assert compare("", store_side(told), books, None).differences == ()
        both = [sale, *sale.beside]
        left = {each.tracking_number for of in both for each in of.shipments if each.tracking_number}
        assert left == set(told.tracking_numbers)
        parcels = [[x.state for x in each.shipments] for each in sale.beside]
        assert parcels == [["done"]] * (back is Back.EXCHANGED), sale.beside
        credit_notes = [[invoice.state for invoice in each.invoices] for each in sale.credits]
        assert credit_notes == [["posted"]] * (back in {Back.SENT, Back.EXCHANGED}), sale.credits
        ended = {None: (), Back.WITHDRAWN: ("cancelled",)}.get(back, ("done",))
        assert await self._staff.return_states(external_id) == ended
