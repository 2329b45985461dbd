"""The memory ERP as a server: the port's calls on one side, its own people on the other. Loopback only, no login.

It takes one order at a time, ``seconds_per_order`` each, as a small ERP does: what comes faster waits in line.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field, TypeAdapter
from pydantic_core import to_jsonable_python

from adapters.errors import Rejected
from adapters.registry import build_memory_erp
from domain.erp_order import ErpOrderState, ErpShipmentState, SalesOrder
from domain.listings import OrderName
from domain.model import Frozen, Instant
from domain.order import OrderKey
from domain.returns import ReturnAuthorization, ReturnCredit
from sandbox import catalog
from sandbox.listening import KEEP_ALIVE
from sandbox.memory_erp.books import BookFile, Books, given_back, lines_of, take_in

_OVER = frozenset({ErpShipmentState.SHIPPED, ErpShipmentState.CANCELED})
_DONE = frozenset({ErpOrderState.ACCEPTED, ErpOrderState.DONE, ErpOrderState.CANCELED})


class OrderReading(Frozen):
    """One order as the ERP's people see it."""

    channel: str
    external_id: str
    number: str
    accepted: bool
    canceled: bool
    currency: str
    total: Decimal
    taxes: dict[str, Decimal]
    waiting: int
    """Shipments that the warehouse has to do."""
    tracking_numbers: tuple[str, ...]
    """Of the shipments that left."""
    given_back: Decimal = Decimal(0)
    """What came back is worth, tax included; the fee is not taken off."""
    taxes_given_back: dict[str, Decimal] = Field(default_factory=dict)
    fees: Decimal = Decimal(0)


class TakenIn(Frozen):
    """Units by SKU that came back; all that is expected where None. Unannounced where a warehouse is named."""

    units: dict[str, int] | None = None
    warehouse: str | None = None


class _Call(BaseModel):
    method: str
    arguments: dict[str, Any] = {}


class MemoryErpServer:
    """What a running server consists of."""

    def __init__(self, books: Books, file: BookFile, seconds_per_order: float) -> None:
        self.books, self._file = books, file
        self._seconds_per_order = seconds_per_order
        self._one_at_a_time = asyncio.Lock()
        self._methods: dict[str, Any] = {
            "find_order": lambda key: books.find_order(_key(key)),
            "submit_order": self._submit,
            "amend_order": lambda target: books.amend_order(SalesOrder.model_validate(target)),
            "cancel_order": lambda key, reason: books.cancel_order(_key(key), reason),
            "deliver_order": lambda key, units=None: books.deliver_order(_key(key), units),
            "authorize_return": lambda request: books.authorize_return(
                ReturnAuthorization.model_validate(request)
            ),
            "credit_return": lambda request: books.credit_return(ReturnCredit.model_validate(request)),
            "add_exchange": lambda exchange: books.add_exchange(SalesOrder.model_validate(exchange)),
            "cancel_return": lambda key, return_id, reason: books.cancel_return(_key(key), return_id, reason),
            "list_records": lambda channel, changed_since, cursor: books.list_records(
                channel, _INSTANT.validate_python(changed_since), cursor
            ),
            "find_records": lambda channel, orders: books.find_records(
                channel, _NAMES.validate_python(orders)
            ),
            "changes": books.changes,
            "stock_changes": books.stock_changes,
            "find_stock": books.find_stock,
            "probe": books.probe,
            "ping": books.ping,
        }

    async def answer(self, call: _Call) -> dict[str, Any]:
        """One call of the port. What it changed is kept before it is answered."""
        if call.method not in self._methods:
            raise HTTPException(404, f"there is no method {call.method!r}")
        try:
            result = await self._methods[call.method](**call.arguments)
        except Rejected as refusal:
            return {"refused": {"cause": refusal.cause, "reason": refusal.reason}}
        self._file.keep(self.books)
        return {"result": to_jsonable_python(result)}

    async def _submit(self, order: Any) -> Any:
        wanted = SalesOrder.model_validate(order)
        async with self._one_at_a_time:
            if wanted.key not in self.books.orders:
                await asyncio.sleep(self._seconds_per_order)
            return await self.books.submit_order(wanted)

    def readings(self) -> list[OrderReading]:
        """All orders."""
        return [
            OrderReading(
                channel=key.channel,
                external_id=key.external_id,
                number=order.number,
                accepted=order.state in _DONE,
                canceled=order.state is ErpOrderState.CANCELED,
                currency=order.currency,
                total=order.total,
                taxes={tax.code: tax.amount for tax in order.taxes},
                waiting=sum(shipment.state not in _OVER for shipment in order.shipments),
                tracking_numbers=tuple(
                    shipment.tracking_number or ""
                    for shipment in order.shipments
                    if shipment.state is ErpShipmentState.SHIPPED
                ),
                **given_back(order),
            )
            for key, order in self.books.orders.items()
        ]

    def ship(self, external_ids: set[str], *, part: bool) -> int:
        """The warehouse sends what waits of these orders, or of each line about half; returns how many parcels left."""
        left = 0
        for key in [key for key in self.books.orders if key.external_id in external_ids]:
            for shipment in [s for s in self.books.orders[key].shipments if s.state not in _OVER]:
                units = {
                    line.line_id: (line.quantity + 1) // 2 if part else line.quantity
                    for line in shipment.lines
                }
                tracking = f"UPS-{key.external_id}-{shipment.number}"
                self.books.ship(key, shipment.warehouse, units, tracking=tracking)
                left += 1
        self._file.keep(self.books)
        return left

    def take_in(self, external_id: str, came: TakenIn) -> None:
        """Goods come back. Raises LookupError where nothing is expected, or there is no such order."""
        key = next((key for key in self.books.orders if key.external_id == external_id), None)
        if key is None:
            raise LookupError(f"there is no order {external_id}")
        if came.warehouse is None:
            take_in(self.books, key, came.units)
        else:
            self.books.receive_unannounced(key, came.warehouse, lines_of(self.books, key, came.units or {}))
        self._file.keep(self.books)


def create_app(state: Path, seconds_per_order: float) -> FastAPI:
    """The ASGI application; the books are those of the file ``state``."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        books: Books = build_memory_erp(
            products={product["sku"] for product in catalog.PRODUCTS}
            | {catalog.KIT_SKU, catalog.SHIPPING_PRODUCT, catalog.FEE_PRODUCT}
            | set(catalog.CHARGE_PRODUCTS.values()),
            warehouses={code for code, *_ in catalog.LOCATIONS.values()},
            kits={catalog.KIT_SKU: dict(catalog.KIT_COMPONENTS)},
            prices=catalog.PRICES,
        )
        file = BookFile(state)
        file.load(books)
        app.state.erp = MemoryErpServer(books, file, seconds_per_order)
        yield
        file.close()

    app = FastAPI(title="Orderwright sandbox memory ERP", lifespan=lifespan)

    @app.post("/rpc")
    async def rpc(call: _Call) -> dict[str, Any]:
        server: MemoryErpServer = app.state.erp
        return await server.answer(call)

    @app.get("/healthz")
    async def healthy() -> dict[str, bool]:
        return {"ok": True}

    @app.get("/control/orders")
    async def orders() -> list[OrderReading]:
        server: MemoryErpServer = app.state.erp
        return server.readings()

    @app.post("/control/ship")
    async def ship(external_ids: list[str], *, part: bool = False) -> int:
        server: MemoryErpServer = app.state.erp
        return server.ship(set(external_ids), part=part)

    @app.post("/control/returns/{external_id}")
    async def take_in(external_id: str, came: TakenIn) -> None:
        server: MemoryErpServer = app.state.erp
        try:
            server.take_in(external_id, came)
        except LookupError as error:
            raise HTTPException(404, str(error)) from error

    @app.delete("/control/products/{code}")
    async def forbid(code: str) -> None:
        server: MemoryErpServer = app.state.erp
        server.books.forbid_product(code)

    @app.put("/control/products/{code}")
    async def allow(code: str) -> None:
        server: MemoryErpServer = app.state.erp
        server.books.allow_product(code)

    return app


def serve(state: Path, port: int, seconds_per_order: float) -> None:
    """Run on the loopback interface until SIGINT or SIGTERM."""
    app = create_app(state, seconds_per_order)
    uvicorn.run(
        app, host="127.0.0.1", port=port, log_level="warning", access_log=False, timeout_keep_alive=KEEP_ALIVE
    )


_KEY = TypeAdapter(OrderKey)
_INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)
_NAMES = TypeAdapter(tuple[OrderName, ...])


def _key(value: Any) -> OrderKey:
    return _KEY.validate_python(value)
