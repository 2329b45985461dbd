"""ERPs that the contract suite runs against, each with its people and with a line that can be cut.

``Books`` and ``Parcel`` tell what the ERP's own people see, read without the adapter under test.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Literal, Protocol

import httpx

from adapters.memory.erp import MemoryErp
from adapters.ports import ErpPort
from adapters.tryton.erp import TrytonErp
from domain.erp_order import ErpShipmentState
from domain.order import OrderKey
from sandbox.catalog import (
    ADJUSTMENT_PRODUCT,
    CHARGE_PRODUCTS,
    COMPANIES,
    FEE_PRODUCT,
    KIT_COMPONENTS,
    KIT_SKU,
    LOCATIONS,
    PRICES,
    PRODUCTS,
    SHIPPING_PRODUCT,
    TAXES,
    pieces,
)
from sandbox.memory_erp.books import lines_of, take_in
from sandbox.tryton.staff import Job, Staff
from tests.tryton_fixture import TrytonAccess

MEMORY_WRITES = (
    "draft_order|accept_order|amend_order|cancel_order|send_shipment|add_exchange"
    "|authorize_return|credit_return|cancel_return"
)
Cut = Literal["request", "answer"]
_IDS = count(6001)
"""Of all worlds of a run: they share one Tryton."""
_OVER = {ErpShipmentState.SHIPPED, ErpShipmentState.CANCELED}
_READS = {"read", "search_read", "search", "search_count", "fields_get", "login", "logout", "get_preferences"}


@dataclass(frozen=True)
class Parcel:
    """What the warehouse sent off; units by product."""

    shipment_id: str
    warehouse: str
    units: dict[str, int]
    tracking_number: str | None


@dataclass(frozen=True)
class Books:
    """What the ERP holds of one storefront order."""

    orders: int
    """More than one is a duplicate."""
    total: Decimal = Decimal(0)
    taxes: dict[str, Decimal] = field(default_factory=dict)


class ErpWorld(Protocol):
    """An ERP, its people and the line to it."""

    erp: ErpPort

    def new_id(self) -> str:
        """An external id that no order of this world has."""
        ...

    async def books(self, key: OrderKey) -> Books:
        """How the ERP's back office sees an order."""
        ...

    async def ship(self, key: OrderKey, warehouse: str, *, part: bool) -> Parcel:
        """A warehouse sends its open shipment off: all of it, or a part with some units left."""
        ...

    async def ship_piece(self, key: OrderKey, line_id: str, product: str) -> str:
        """A warehouse sends one piece of a kit ahead; returns the parcel's tracking number."""
        ...

    async def pick(self, key: OrderKey) -> str:
        """Take a shipment off the shelf; returns its number."""
        ...

    async def put_back(self, key: OrderKey) -> None:
        """Put what is picked back on the shelf."""
        ...

    async def receive_return(
        self, key: OrderKey, return_id: str, units: dict[str, int] | None = None
    ) -> None:
        """The warehouse takes a return in: all that was announced, or so many units by product."""
        ...

    async def enter_return(self, key: OrderKey, units: dict[str, int], warehouse: str) -> str:
        """The warehouse takes in what nobody has announced (units by product); returns the return's number."""
        ...

    async def stock(self, product: str, warehouse: str) -> int:
        """Units of a product that a warehouse has to sell."""
        ...

    async def enter_again(self, key: OrderKey) -> str:
        """Somebody enters an order that is there already, by hand; returns the number of theirs."""
        ...

    async def post_invoices(self, key: OrderKey) -> tuple[str, ...]:
        """Accounting posts an order's invoices; returns their numbers."""
        ...

    async def now(self) -> datetime:
        """The ERP's clock, past all that was written so far."""
        ...

    async def hide_product(self, code: str) -> None:
        """Take a product out of the catalogue."""
        ...

    async def show_product(self, code: str) -> None:
        """Put it back."""
        ...

    def lose_answer(self) -> None:
        """The next write is done, its answer lost."""
        ...

    def lose_request(self) -> None:
        """The next write does not arrive."""
        ...

    def mend_line(self) -> None:
        """Forget a cut that did not happen yet."""
        ...

    def colleague(self) -> ErpPort:
        """The same ERP as another process would reach it."""
        ...

    def stranger(self) -> ErpPort:
        """The same ERP with a login that it does not know."""
        ...

    async def close(self) -> None:
        """Give connections back."""
        ...

    async def give_up(self, key: OrderKey, units: dict[str, int], *, handled: bool = True) -> None:
        """Take units (by line, kits whole) off shipments that have not left.

        Not ``handled``: the shipment is canceled, and nobody has said yet what shall become of them.
        """
        ...

    async def send_after_all(self, key: OrderKey) -> None:
        """Have all that was given up shipped."""
        ...


class MemoryErpWorld:
    """The memory ERP as the sandbox would seed it."""

    def __init__(self) -> None:
        self.erp = self._memory = MemoryErp(
            products={product["sku"] for product in PRODUCTS}
            | {KIT_SKU, SHIPPING_PRODUCT, ADJUSTMENT_PRODUCT, FEE_PRODUCT, *CHARGE_PRODUCTS.values()},
            stock={
                (warehouse, product["sku"]): on_hand
                for warehouse, _, on_hand in LOCATIONS.values()
                for product in PRODUCTS
            },
            warehouses={warehouse for warehouse, *_ in LOCATIONS.values()},
            taxes={code: Decimal(rate) for code, (_, rate) in TAXES.items()},
            parties={party for party, *_ in COMPANIES.values()},
            page_size=3,
        )
        self._memory.stock_book.make_kit(KIT_SKU, dict(KIT_COMPONENTS), PRICES)

    def new_id(self) -> str:
        return str(next(_IDS))

    async def books(self, key: OrderKey) -> Books:
        order = self._memory.orders.get(key)
        if order is None:
            return Books(orders=0)
        return Books(orders=1, total=order.total, taxes={tax.code: tax.amount for tax in order.taxes})

    async def ship(self, key: OrderKey, warehouse: str, *, part: bool) -> Parcel:
        order = self._memory.orders[key]
        (shipment,) = (s for s in order.shipments if s.warehouse == warehouse and s.state not in _OVER)
        units = {line.line_id: line.quantity for line in shipment.lines}
        if part:
            units = {line_id: quantity // 2 for line_id, quantity in units.items() if quantity // 2}
        sent = self._memory.ship(key, warehouse, units, tracking=f"UPS-{shipment.number}")
        product = {line.line_id: line.product for line in order.lines}
        left = {product[line_id]: quantity for line_id, quantity in units.items()}
        return Parcel(sent.shipment_id, warehouse, left, sent.tracking_number)

    async def ship_piece(self, key: OrderKey, line_id: str, product: str) -> str:
        tracking = f"UPS-{key.external_id}-{product}"
        self._memory.ship_pieces(key, line_id, product, 1, tracking=tracking)
        return tracking

    async def pick(self, key: OrderKey) -> str:
        shipment = self._memory.orders[key].shipments[0]
        self._memory.pick(key, shipment.warehouse)
        return shipment.number

    async def put_back(self, key: OrderKey) -> None:
        self._memory.put_back(key)

    async def receive_return(
        self, key: OrderKey, return_id: str, units: dict[str, int] | None = None
    ) -> None:
        take_in(self._memory, key, units, return_id=return_id)

    async def enter_return(self, key: OrderKey, units: dict[str, int], warehouse: str) -> str:
        made = self._memory.receive_unannounced(key, warehouse, lines_of(self._memory, key, units))
        return next(each.number for each in self._memory.orders[key].returns if each.return_id == made)

    async def stock(self, product: str, warehouse: str) -> int:
        return self._memory.stock[warehouse, product]

    async def enter_again(self, key: OrderKey) -> str:
        return self._memory.enter_by_hand(self._memory.references[key]).number

    async def post_invoices(self, key: OrderKey) -> tuple[str, ...]:
        return self._memory.post_invoices(key)

    async def now(self) -> datetime:
        return datetime.now(UTC)

    async def hide_product(self, code: str) -> None:
        self._memory.forbid_product(code)

    async def show_product(self, code: str) -> None:
        self._memory.allow_product(code)

    def lose_answer(self) -> None:
        self._memory.faults.lose_answer(MEMORY_WRITES, nth=1)

    def lose_request(self) -> None:
        self._memory.faults.unavailable(MEMORY_WRITES, nth=1)

    def mend_line(self) -> None:
        self._memory.faults.lift()

    def colleague(self) -> ErpPort:
        return self.erp

    def stranger(self) -> ErpPort:
        stranger = MemoryErp()
        stranger.credentials_valid = False
        return stranger

    async def close(self) -> None:
        await self.erp.close()

    async def give_up(self, key: OrderKey, units: dict[str, int], *, handled: bool = True) -> None:
        """See ``ErpWorld``. These books ask about nothing."""
        del handled
        self._memory.give_up(key, units)

    async def send_after_all(self, key: OrderKey) -> None:
        """See ``ErpWorld``."""
        self._memory.send_after_all(key)


class CuttableLine(httpx.AsyncBaseTransport):
    """A real connection that loses a write on order. ``is_write`` tells one from a read."""

    def __init__(self, is_write: Callable[[httpx.Request], bool]) -> None:
        self._line = httpx.AsyncHTTPTransport()
        self._is_write = is_write
        self._cut: Cut | None = None

    def cut(self, where: Cut | None) -> None:
        """Lose the next write: the request itself, or its answer; None loses nothing."""
        self._cut = where

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        cut = self._cut if self._is_write(request) else None
        if cut is not None:
            self._cut = None
        if cut == "request":
            raise httpx.ConnectError("cut before sending", request=request)
        response = await self._line.handle_async_request(request)
        if cut == "answer":
            await response.aread()
            await response.aclose()
            raise httpx.ReadError("cut before the answer came", request=request)
        return response

    async def aclose(self) -> None:
        await self._line.aclose()


class TrytonErpWorld:
    """The sandbox's Tryton and its staff."""

    def __init__(self, server: TrytonAccess) -> None:
        self._server = server
        self._line = CuttableLine(_writes_to_tryton)
        self.erp: ErpPort = TrytonErp(
            server.url,
            server.database,
            server.login,
            server.password,
            page_size=3,
            stock_page_size=10,
            transport=self._line,
        )
        self._staff = Staff(server.url, server.database, server.staff_login, server.staff_password)

    def new_id(self) -> str:
        return str(next(_IDS))

    async def books(self, key: OrderKey) -> Books:
        orders = await self._staff.count_sales(key.external_id, f"#{key.external_id}")
        sale = await self._staff.read_sale(key.external_id)
        if sale is None:
            return Books(orders)
        together = (sale, *sale.beside)
        taxes = sum((Counter(each.taxes) for each in together), Counter[str]())
        return Books(orders, sum((each.total for each in together), Decimal(0)), dict(taxes))

    async def ship(self, key: OrderKey, warehouse: str, *, part: bool) -> Parcel:
        # What an edit added is a shipment of its own.
        job = next(job for job in await self._jobs(key) if job.warehouse == warehouse)
        parcel = await self._staff.ship(job, part=part)
        assert parcel is not None, f"stock is missing for {job}"
        return Parcel(str(parcel.shipment_id), parcel.warehouse, parcel.quantities, parcel.tracking_number)

    async def ship_piece(self, key: OrderKey, line_id: str, product: str) -> str:
        parcel = await self._staff.ship_piece(key.external_id, product, 1)
        assert parcel.tracking_number is not None
        return parcel.tracking_number

    async def pick(self, key: OrderKey) -> str:
        return (await self._staff.pick_only(key.external_id)).number

    async def put_back(self, key: OrderKey) -> None:
        await self._staff.put_back(key.external_id)

    async def give_up(self, key: OrderKey, units: dict[str, int], *, handled: bool = True) -> None:
        order = await self.erp.find_order(key)
        assert order is not None
        product = {line.line_id: line.product for line in order.lines}
        sold = {product[line_id]: number for line_id, number in units.items()}
        await self._staff.give_up(key.external_id, sold, handled=handled)

    async def send_after_all(self, key: OrderKey) -> None:
        await self._staff.send_after_all(key.external_id)

    async def receive_return(
        self, key: OrderKey, return_id: str, units: dict[str, int] | None = None
    ) -> None:
        await self._staff.receive_return(key.external_id, return_id, None if units is None else pieces(units))

    async def enter_return(self, key: OrderKey, units: dict[str, int], warehouse: str) -> str:
        return await self._staff.enter_return(key.external_id, pieces(units), warehouse)

    async def stock(self, product: str, warehouse: str) -> int:
        return await self._staff.count_stock(product, warehouse)

    async def _jobs(self, key: OrderKey) -> tuple[Job, ...]:
        return await self._staff.shipments_to_do([key.external_id])

    async def enter_again(self, key: OrderKey) -> str:
        return await self._staff.copy_sale(key.external_id)

    async def post_invoices(self, key: OrderKey) -> tuple[str, ...]:
        return await self._staff.post_invoices(key.external_id)

    async def now(self) -> datetime:
        # Its times may be whole seconds: what is written from now on is later.
        await asyncio.sleep(1.1)
        return datetime.now(UTC).replace(microsecond=0)

    async def hide_product(self, code: str) -> None:
        await self._staff.archive_product(code)

    async def show_product(self, code: str) -> None:
        await self._staff.restore_product(code)

    def lose_answer(self) -> None:
        self._line.cut("answer")

    def lose_request(self) -> None:
        self._line.cut("request")

    def mend_line(self) -> None:
        self._line.cut(None)

    def colleague(self) -> ErpPort:
        server = self._server
        return TrytonErp(server.url, server.database, server.login, server.password)

    def stranger(self) -> ErpPort:
        # Another login: failed ones of our own would lock it.
        return TrytonErp(self._server.url, self._server.database, "stranger", "guess")

    async def close(self) -> None:
        await self.erp.close()
        await self._staff.close()


def _writes_to_tryton(request: httpx.Request) -> bool:
    return str(json.loads(request.content)["method"]).rpartition(".")[2] not in _READS
