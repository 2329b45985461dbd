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
from domain.erp_order import SalesOrder
from domain.order import OrderKey
from domain.returns import ReturnAuthorization, ReturnCredit

STOREFRONT, ERP = "storefront", "erp"
PORTS: dict[str, type[Any]] = {STOREFRONT: StorefrontPort, ERP: ErpPort}
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
WRITES = {
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
OF_NO_ORDER = {*ASKED, "changes", "ping"}
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
}
WITHOUT_CURRENCY = {"capture_payment", "quote_refund", "refund_order"}
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
    """The calls of a port in the order in which it declares them."""
    found = [name for name, member in vars(port).items() if inspect.iscoroutinefunction(member)]
    return tuple(Call(system, name) for name in found if name not in NO_CALLS)


CALLS = tuple(call for system, port in PORTS.items() for call in calls_of(system, port))
OFF_THE_WIRE = {Call(ERP, name) for name in ("authorize_return", "credit_return", "cancel_return")} | {
    Call(STOREFRONT, "open_exchange"),
    Call(STOREFRONT, "release_exchange"),
    Call(ERP, "add_exchange"),
}
"""Calls whose faults no order has lived through on the wire; the contract suites repeat and interrupt them."""


def wire_calls(system: str) -> tuple[Call, ...]:
    """The rows of a system's table of faults on the wire."""
    return tuple(call for call in CALLS if call.system == system and call not in OFF_THE_WIRE)


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
