"""The rows of the fault matrix: every call of the two ports, found by looking at the ports themselves."""

import inspect
from dataclasses import dataclass
from typing import Any

from adapters.ports import ErpPort, StorefrontPort
from adapters.requests import (
    CancelUnitsRequest,
    CaptureRequest,
    ExchangeRequest,
    FulfillmentRequest,
    RefundRequest,
)
from adapters.stock_ports import ErpStockPort, StorefrontStockPort
from domain.erp_order import SalesOrder
from domain.order import OrderKey
from domain.returns import ReturnAuthorization, ReturnCredit
from domain.stock import StockSetting

STOREFRONT, ERP = "storefront", "erp"
PORTS: dict[str, type[Any]] = {STOREFRONT: StorefrontPort, ERP: ErpPort}
STOCK_PORTS: dict[str, type[Any]] = {STOREFRONT: StorefrontStockPort, ERP: ErpStockPort}
"""The parts of the ports whose calls are about no order; their rows are tables of their own."""
NO_CALLS = {"close"}
"""Asynchronous, but nothing goes over the wire."""
RETURNING = {
    "quote_refund",
    "refund_order",
    "approve_return",
    "end_return",
    "authorize_return",
    "credit_return",
    "cancel_return",
}
"""Calls of orders of which something comes back."""
EXCHANGING = {"open_exchange", "release_exchange", "add_exchange"}
"""Calls of orders of which something comes back for something else."""
OF_SKUS = {"read_stock", "set_stock", "find_stock"}
"""Calls of stock that name the SKUs (or products) that they are about."""
OF_ALL_STOCK = {"list_stock", "stock_changes"}
"""Calls of stock that name none."""
WRITES = {
    "set_stock",
    "create_fulfillment",
    "capture_payment",
    "cancel_order",
    "cancel_units",
    "submit_order",
    "amend_order",
    "deliver_order",
    *(RETURNING - {"quote_refund"}),
    *EXCHANGING,
}
WITHDRAWN = {"end_return", "cancel_return"}
"""Calls of returns that nothing comes of."""
ASKED = {"list_orders", "list_changed", "find_orders", "list_records", "find_records", "probe"}
"""What the sweep, the doctor and the like ask. A new call that is in no set here is taken for one about an order."""
OF_NO_ORDER = {*ASKED, *OF_ALL_STOCK, "changes", "ping"}
"""Calls that are about no single order, or about all."""
TELLING_AMOUNTS = {
    "read_order",
    "capture_payment",
    "cancel_order",
    "cancel_units",
    "find_order",
    "submit_order",
    "amend_order",
    "deliver_order",
    "release_exchange",
    "add_exchange",
    "changes",
    *RETURNING,
    *OF_SKUS,
    *OF_ALL_STOCK,
}
"""Amounts of money, or of units."""
WITHOUT_CURRENCY = {"capture_payment", "quote_refund", "refund_order", *OF_SKUS, *OF_ALL_STOCK}
"""Calls whose answers tell amounts and no currency."""


@dataclass(frozen=True, order=True)
class Call:
    """One call of one port."""

    system: str
    operation: str

    def __str__(self) -> str:
        return f"{self.system}.{self.operation}"

    @property
    def writes(self) -> bool:
        return self.operation in WRITES


def calls_of(system: str, port: type[Any]) -> tuple[Call, ...]:
    """The calls of a port and of the ports that it is made of, in the order in which they are declared."""
    found = {
        name: None
        for each in port.__mro__
        for name, member in vars(each).items()
        if inspect.iscoroutinefunction(member)
    }
    return tuple(Call(system, name) for name in found if name not in NO_CALLS)


STOCK_CALLS = tuple(call for system, port in STOCK_PORTS.items() for call in calls_of(system, port))
CALLS = tuple(
    call for system, port in PORTS.items() for call in calls_of(system, port) if call not in STOCK_CALLS
)
"""All others: a call that is declared anywhere else is a row of the orders' table."""


def wire_calls(system: str) -> tuple[Call, ...]:
    """The rows of a system's table of faults on the wire."""
    return tuple(call for call in CALLS if call.system == system)


def skus_concerned(arguments: tuple[Any, ...]) -> tuple[str, ...]:
    """SKUs, or products, that a call of stock names."""
    return tuple(each.sku if isinstance(each, StockSetting) else each for each in arguments[0])


def order_concerned(arguments: tuple[Any, ...]) -> str | None:
    """External id of the order that a call is about; None for a call that is about no single one."""
    match arguments[0] if arguments else None:
        case str(external_id):
            return external_id
        case OrderKey() as key:
            return key.external_id
        case (
            FulfillmentRequest()
            | CaptureRequest()
            | CancelUnitsRequest()
            | ExchangeRequest()
            | SalesOrder()
            | RefundRequest()
            | ReturnAuthorization()
            | ReturnCredit() as request
        ):
            return request.key.external_id
    return None
