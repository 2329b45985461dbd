"""Writes down in Tryton that the goods of an order left already: its shipments go through all their states at once.

Each step is seen in the shipment's state, so none is done twice and an interrupted run is finished by the next.
"""

from collections.abc import Iterable
from typing import Final

from adapters.errors import Conflict, Rejected
from adapters.spans import looked_up
from adapters.tryton.reading import read_order
from adapters.tryton.records import SHIPMENT, SaleRecord, ShipmentRecord
from adapters.tryton.rpc import SYSTEM, TrytonRpc
from adapters.tryton.sales import Sales
from adapters.tryton.shipments import Allocation
from domain.erp_order import ErpOrder
from domain.order import OrderKey

_OPERATION: Final = "deliver order"
_BUTTONS: Final = {
    "draft": "wait",
    "waiting": "assign_try",
    "assigned": "pick",
    "picked": "pack",
    "packed": "do",
}
"""State of a shipment -> the button that brings it on."""
_ROUNDS: Final = 8
"""A shipment takes five; more are for what somebody else does to it meanwhile."""


class Delivery:
    """Sends off what has left already."""

    def __init__(self, rpc: TrytonRpc, sales: Sales, allocation: Allocation) -> None:
        self._rpc = rpc
        self._sales = sales
        self._allocation = allocation

    async def deliver(self, key: OrderKey) -> ErpOrder:
        """See ``ErpPort.deliver_order``. Raises Conflict where somebody works on the same shipments meanwhile."""
        sale = await self._sales.find(key)
        if sale is None:
            raise Rejected(SYSTEM, _OPERATION, f"the ERP has no order {key}", "order_unknown")
        looked_up(SYSTEM, "delivery", found=not _here(sale))
        sale = await self._allocation.align(sale)
        for _ in range(_ROUNDS):
            waiting = _here(sale)
            if not waiting:
                return read_order(sale)
            try:
                for state in {shipment.state for shipment in waiting}:
                    await self._press(state, [s for s in waiting if s.state == state])
            except Rejected:
                # A button that does not fit the state any more is refused: somebody was quicker. Look again.
                before, sale = sale, await self._sales.get(sale.id)
                if sale == before:
                    raise
                continue
            before, sale = sale, await self._sales.get(sale.id)
            _require_stock(before, sale)
        raise Conflict(SYSTEM, _OPERATION, f"the shipments of sale {sale.number} change all the time")

    async def _press(self, state: str, shipments: Iterable[ShipmentRecord]) -> None:
        button = _BUTTONS[state]
        ids = [shipment.id for shipment in shipments]
        await self._rpc.call(f"{button} shipments", f"model.{SHIPMENT}.{button}", ids, writes=True)


def _here(sale: SaleRecord) -> list[ShipmentRecord]:
    """Shipments that have not left."""
    return [shipment for shipment in sale.shipments if shipment.state in _BUTTONS]


def _require_stock(before: SaleRecord, after: SaleRecord) -> None:
    """Raises Rejected where a shipment still waits for stock after Tryton tried to reserve it."""
    tried = {shipment.id for shipment in before.shipments if shipment.state == "waiting"}
    for shipment in after.shipments:
        if shipment.id in tried and shipment.state == "waiting":
            warehouse = shipment.warehouse.code
            reason = (
                f"shipment {shipment.number} cannot be reserved: the books at {warehouse} hold less than was handed "
                "over; correct the stock there"
            )
            raise Rejected(SYSTEM, _OPERATION, reason, f"stock_missing:tryton:{warehouse}")
