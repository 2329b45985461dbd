"""What the tests of Tryton's own ways share: orders to enter, lines that fail, logins, and the server itself."""

import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from uuid import uuid4

import httpx
import pytest

from adapters.tryton.erp import TrytonErp
from domain.erp_order import (
    ErpOrder,
    ErpOrderState,
    ErpShipment,
    SalesLine,
    SalesLineKind,
    SalesOrder,
    SalesParty,
    SalesPayment,
    TaxAmount,
)
from domain.order import Address, OrderKey
from sandbox.tryton.rpc import Rpc
from sandbox.tryton.staff import Staff
from tests.tryton_fixture import TrytonAccess
from tests.tryton_fixture import tryton_server as tryton_server  # noqa: PLC0414  pytest finds the fixture here

CENT = Decimal("0.01")
RATES = {"STATE-6.25": Decimal("0.0625"), "CITY-1.5": Decimal("0.015"), "VAT-20": Decimal("0.20")}
EAST, WEST = "WH-EAST", "WH-WEST"


def goods(  # noqa: PLR0917  a table row
    line_id: str,
    product: str,
    warehouse: str,
    quantity: int,
    net: str | Decimal,
    taxes: dict[str, Decimal] | tuple[str, ...] = (),
) -> SalesLine:
    """A line; taxes named by code alone get the store's own rounding."""
    amount = Decimal(net)
    if not isinstance(taxes, dict):
        taxes = {code: half_up(amount * RATES[code]) for code in taxes}
    return SalesLine(
        line_id=line_id,
        kind=SalesLineKind.GOODS,
        product=product,
        warehouse=warehouse,
        quantity=quantity,
        net=amount,
        taxes=tuple(TaxAmount(code=code, amount=tax) for code, tax in taxes.items()),
    )


def delivery(net: str, *codes: str) -> SalesLine:
    line = goods("delivery", "SHIPPING", EAST, 1, net, codes)
    return line.model_copy(update={"kind": SalesLineKind.SHIPPING, "warehouse": None})


def half_up(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, rounding=ROUND_HALF_UP)


NEW_YORK = Address(
    name="Ada Byron",
    street=("1 Main St", "Flat 2"),
    city="New York",
    postal_code="10001",
    state="NY",
    country="US",
)


def order_of(*lines: SalesLine, **changes: Any) -> SalesOrder:
    taxes: dict[str, Decimal] = defaultdict(Decimal)
    for line in lines:
        for tax in line.taxes:
            taxes[tax.code] += tax.amount
    total = sum((line.net for line in lines), Decimal(0)) + sum(taxes.values(), Decimal(0))
    number = uuid4().hex[:10]
    values: dict[str, Any] = {
        "key": OrderKey(channel="shop", external_id=number),
        "number": f"#{number}",
        "mapping_version": "abc",
        "placed_at": datetime(2026, 3, 2, 9, 30, tzinfo=UTC),
        "currency": "USD",
        "party": SalesParty(reference=f"customer-{number}", name="Ada Byron", email="ada@example.com"),
        "billing_address": None,
        "shipping_address": NEW_YORK,
        "carrier": "UPS",
        "lines": lines,
        "payments": (SalesPayment(method="Card", amount=total),),
        "total": total,
        "taxes": tuple(TaxAmount(code=code, amount=amount) for code, amount in taxes.items()),
    }
    return SalesOrder(**{**values, **changes})


def two_warehouses() -> SalesOrder:
    """One storefront line from two warehouses, a kit, two taxes and delivery."""
    return order_of(
        goods("1", "TEE-BLK-S", EAST, 3, "59.70", ("STATE-6.25", "CITY-1.5")),
        goods("1", "TEE-BLK-S", WEST, 2, "39.80", ("STATE-6.25", "CITY-1.5")),
        goods("2", "KIT-STARTER", WEST, 2, "59.81", ("VAT-20",)),
        delivery("5.05", "STATE-6.25"),
    )


def contents(shipments: tuple[ErpShipment, ...]) -> Counter[tuple[str, str, int]]:
    return Counter((s.warehouse, line.line_id, line.quantity) for s in shipments for line in s.lines)


TWO_WAREHOUSES = Counter({(EAST, "1", 3): 1, (WEST, "1", 2): 1, (WEST, "2", 2): 1})


class LosesAnswers(httpx.AsyncBaseTransport):
    """Makes every call, and loses the answer of the first call of each method (and wizard step)."""

    def __init__(self) -> None:
        self._inner = httpx.AsyncHTTPTransport()
        self._lost: set[str] = set()
        self.lost: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        response = await self._inner.handle_async_request(request)
        method = body["method"]
        if method not in self._lost and not method.startswith(("common.", "model.res.user.")):
            await response.aread()
            self._lost.add(method)
            self.lost.append(method)
            raise httpx.ReadTimeout("the answer was lost", request=request)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


class ActsBefore(httpx.AsyncBaseTransport):
    """Lets somebody act at the ERP right before the first call of ``method`` arrives there."""

    def __init__(self, method: str, act: Callable[[], Awaitable[object]]) -> None:
        self._inner = httpx.AsyncHTTPTransport()
        self._method = method
        self._act: Callable[[], Awaitable[object]] | None = act

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self._act is not None and json.loads(request.content)["method"] == self._method:
            act, self._act = self._act, None
            await act()
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


@asynccontextmanager
async def connect(access: TrytonAccess, **options: Any) -> AsyncIterator[TrytonErp]:
    erp = TrytonErp(
        access.url, access.database, access.login, access.password, **{"channels": ("shop",), **options}
    )
    try:
        yield erp
    finally:
        await erp.close()


@pytest.fixture
async def erp(tryton_server: TrytonAccess) -> AsyncIterator[TrytonErp]:
    async with connect(tryton_server) as connected:
        yield connected


@pytest.fixture
async def staff(tryton_server: TrytonAccess) -> AsyncIterator[Staff]:
    access = tryton_server
    async with Staff(access.url, access.database, access.staff_login, access.staff_password) as person:
        yield person


@pytest.fixture
async def administrator(tryton_server: TrytonAccess) -> AsyncIterator[Rpc]:
    access = tryton_server
    login = (access.administrator_login, access.administrator_password)
    async with Rpc(access.url, access.database, *login) as rpc:
        yield rpc


def assert_entered(order: SalesOrder, entered: ErpOrder) -> None:
    assert entered.key == order.key
    assert entered.state is ErpOrderState.ACCEPTED
    assert entered.total == order.total
    assert {tax.code: tax.amount for tax in entered.taxes} == {tax.code: tax.amount for tax in order.taxes}


async def copy_as_draft(administrator: Rpc, sale: int) -> str:
    """A sale as an interrupted submission leaves it: created, web id set, not confirmed."""
    (shop,) = await administrator.find("web.shop", [["name", "=", "shop"]], ["name"])
    web_id = uuid4().hex[:10]
    await administrator.call("sale.sale", "copy", [sale], {"web_shop": shop["id"], "web_id": web_id})
    return web_id
