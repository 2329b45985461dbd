"""The ERP's own people, whichever ERP it is: the warehouse ships, the back office posts and reads the books."""

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping
from decimal import Decimal
from types import TracebackType
from typing import Any, Protocol, Self

import httpx

from sandbox.addresses import CHANNEL, Addresses
from sandbox.audit import ErpSide, added
from sandbox.catalog import Parcel, pieces, tellable
from sandbox.tryton.reading import ShipmentReading
from sandbox.tryton.staff import Staff

LEFT = frozenset({"shipped", "done"})
_READERS = 4
"""Orders that are read from Tryton's books at the same time."""
_TIMEOUT = httpx.Timeout(60.0, connect=5.0)


class BackOffice(Protocol):
    """Acts and reads in the ERP without the application. An async context manager."""

    async def __aenter__(self) -> Self:
        """Ready to work."""
        ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give connections back."""
        ...

    async def entered(self, external_ids: Collection[str]) -> int:
        """How many of these orders the ERP has taken: entered and confirmed."""
        ...

    async def ship(self, external_ids: Collection[str], *, part: bool = False) -> int:
        """One round through the warehouse; returns how many parcels left. ``part``: with half of each line's units."""
        ...

    async def receive_return(self, external_id: str, units: Mapping[str, int] | None = None) -> None:
        """Take in what is expected back of an order, or so many units by SKU.

        Raises LookupError where nothing is expected.
        """
        ...

    async def enter_return(self, external_id: str, units: Mapping[str, int], warehouse: str) -> None:
        """Take in units by SKU that nobody has announced."""
        ...

    async def settle(self, external_ids: Collection[str]) -> None:
        """Post what is to be invoiced."""
        ...

    async def read(self, numbers: Mapping[str, str]) -> dict[str, ErpSide]:
        """What the books say of orders (external id -> the store's number); what they lack is left out."""
        ...

    async def hide_product(self, code: str) -> None:
        """Take a product out of the catalogue."""
        ...

    async def show_product(self, code: str) -> None:
        """Put it back."""
        ...


class TrytonOffice:
    """The people of the sandbox's Tryton. Parcels leave in parts where quantities allow."""

    def __init__(self, where: Addresses) -> None:
        self._staff = Staff(
            where.erp, where.erp_database, where.staff_login, where.staff_password, channel=CHANNEL
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._staff.close()

    async def entered(self, external_ids: Collection[str]) -> int:
        """See ``BackOffice``."""
        return await self._staff.count_confirmed(external_ids)

    async def ship(self, external_ids: Collection[str], *, part: bool = False) -> int:
        """See ``BackOffice``. What nothing has left of goes in parts in any case."""
        del part
        return len(await self._staff.ship_in_parts(external_ids))

    async def receive_return(self, external_id: str, units: Mapping[str, int] | None = None) -> None:
        """See ``BackOffice``."""
        await self._staff.receive_return(external_id, units=pieces(units) if units else None)

    async def enter_return(self, external_id: str, units: Mapping[str, int], warehouse: str) -> None:
        """See ``BackOffice``."""
        await self._staff.enter_return(external_id, pieces(units), warehouse)

    async def settle(self, external_ids: Collection[str]) -> None:
        """See ``BackOffice``."""
        for external_id in external_ids:
            await self._staff.post_invoices(external_id)

    async def read(self, numbers: Mapping[str, str]) -> dict[str, ErpSide]:
        """See ``BackOffice``."""
        in_turn = asyncio.Semaphore(_READERS)

        async def read(external_id: str, number: str) -> ErpSide | None:
            async with in_turn:
                return await read_books(self._staff, external_id, number)

        sides = await asyncio.gather(*(read(*each) for each in numbers.items()))
        return {
            external_id: side for external_id, side in zip(numbers, sides, strict=True) if side is not None
        }

    async def hide_product(self, code: str) -> None:
        """See ``BackOffice``."""
        await self._staff.archive_product(code)

    async def show_product(self, code: str) -> None:
        """See ``BackOffice``."""
        await self._staff.restore_product(code)


class MemoryOffice:
    """The people of the served memory ERP. It keeps one order a key and no invoices."""

    def __init__(self, where: Addresses) -> None:
        self._client = httpx.AsyncClient(base_url=f"{where.erp}/control", timeout=_TIMEOUT, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def entered(self, external_ids: Collection[str]) -> int:
        """See ``BackOffice``."""
        return sum(order["accepted"] for order in (await self._orders(external_ids)).values())

    async def ship(self, external_ids: Collection[str], *, part: bool = False) -> int:
        """See ``BackOffice``."""
        answer = await self._client.post("/ship", params={"part": part}, json=list(external_ids))
        answer.raise_for_status()
        return int(answer.json())

    async def receive_return(self, external_id: str, units: Mapping[str, int] | None = None) -> None:
        """See ``BackOffice``."""
        await self._take_in(external_id, units, None)

    async def enter_return(self, external_id: str, units: Mapping[str, int], warehouse: str) -> None:
        """See ``BackOffice``."""
        await self._take_in(external_id, units, warehouse)

    async def _take_in(
        self, external_id: str, units: Mapping[str, int] | None, warehouse: str | None
    ) -> None:
        asked = {"units": None if units is None else dict(units), "warehouse": warehouse}
        answer = await self._client.post(f"/returns/{external_id}", json=asked)
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise LookupError(answer.json()["detail"])
        answer.raise_for_status()

    async def settle(self, external_ids: Collection[str]) -> None:
        """See ``BackOffice``: there are no invoices."""

    async def read(self, numbers: Mapping[str, str]) -> dict[str, ErpSide]:
        """See ``BackOffice``."""
        return {
            external_id: ErpSide(
                count=1,
                number=order["number"],
                total=order["total"],
                taxes=order["taxes"],
                shipments=len(order["tracking_numbers"]),
                invoices=0,
                invoiced=None,
                currency=order["currency"],
                canceled=order["canceled"],
                given_back=order["given_back"],
                taxes_given_back=order["taxes_given_back"],
                fees=order["fees"],
            )
            for external_id, order in (await self._orders(numbers)).items()
        }

    async def hide_product(self, code: str) -> None:
        """See ``BackOffice``."""
        (await self._client.delete(f"/products/{code}")).raise_for_status()

    async def show_product(self, code: str) -> None:
        """See ``BackOffice``."""
        (await self._client.put(f"/products/{code}")).raise_for_status()

    async def _orders(self, external_ids: Collection[str]) -> dict[str, dict[str, Any]]:
        answer = await self._client.get("/orders")
        answer.raise_for_status()
        wanted = set(external_ids)
        return {
            order["external_id"]: order
            for order in answer.json()
            if order["channel"] == CHANNEL and order["external_id"] in wanted
        }


async def read_books(staff: Staff, external_id: str, number: str) -> ErpSide | None:
    """What Tryton's books say of an order with the store's number, or None."""
    sale = await staff.read_sale(external_id)
    if sale is None:
        return None
    together = (sale, *sale.beside)
    taxes = added(each.taxes for each in together)
    return ErpSide(
        count=await staff.count_sales(external_id, number),
        number=sale.number or "",
        total=sum((each.total for each in together), Decimal(0)),
        taxes={code: amount for code, amount in taxes.items() if amount},
        shipments=sum(
            tellable([parcel_of(x) for x in each.shipments if x.state in LEFT]) for each in together
        ),
        invoices=sum(len(each.invoices) for each in together),
        invoiced=sale.invoiced,
        currency=sale.currency,
        adjusted=sale.adjusted,
        canceled=sale.canceled,
        given_back=sum((each.given_back for each in sale.credits), Decimal(0)),
        taxes_given_back=added(each.taxes for each in sale.credits),
        fees=sum((each.fee for each in sale.credits), Decimal(0)),
    )


def parcel_of(shipment: ShipmentReading) -> Parcel:
    """What left with a shipment: pieces of kits, and what is sold by itself."""
    return Parcel(shipment.of_kits, Counter(shipment.quantities) - Counter(shipment.of_kits))


def back_office_of(where: Addresses) -> BackOffice:
    """The people of the stack's ERP."""
    return TrytonOffice(where) if where.erp_vendor == "tryton" else MemoryOffice(where)
