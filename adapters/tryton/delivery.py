"""Writes down in Tryton that the goods of an order left already: its shipments go through all their states at once.

Each step is seen in the shipment's state, so none is done twice and an interrupted run is finished by the next.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

from adapters.errors import Conflict, Rejected
from adapters.ports import Places
from adapters.spans import looked_up
from adapters.tryton.bundles import Bundle, bundles_of, take
from adapters.tryton.reading import read_order
from adapters.tryton.records import MOVE, SHIPMENT, MoveRecord, SaleRecord, ShipmentRecord
from adapters.tryton.rpc import SYSTEM, TrytonRpc
from adapters.tryton.sales import Sales
from adapters.tryton.shipments import Allocation
from domain.counter_sale import still_to_leave
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
_DONE_BY: Final = {"picked": 1, "packed": 2}
"""How many of pick, pack and do are over in a state."""
_NOT_THERE: Final = (
    "what left before the order was entered is on no shipment of the warehouse that it left from; move it there, then "
    "resubmit"
)
_ROUNDS: Final = 8
"""A shipment takes five; more are for what somebody else does to it meanwhile."""


class Delivery:
    """Sends off what has left already."""

    def __init__(self, rpc: TrytonRpc, sales: Sales, allocation: Allocation) -> None:
        self._rpc = rpc
        self._sales = sales
        self._allocation = allocation

    async def deliver(self, key: OrderKey, units: Places | None = None) -> ErpOrder:
        """See ``ErpPort.deliver_order``. Raises Conflict where somebody works on the same shipments meanwhile."""
        if units is not None:
            return await self._deliver_part(key, units)
        sale = await self._of(key)
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

    async def _deliver_part(self, key: OrderKey, units: Places) -> ErpOrder:
        """Send what is missing of these units, a shipment after the other; Tryton lays the rest out anew."""
        sale = await self._of(key)
        for _ in range(_ROUNDS):
            sale = await self._allocation.align(sale)
            held = read_order(sale)
            found = next(
                (
                    (shipment, missing)
                    for shipment in _here(sale)
                    if (missing := still_to_leave(held, units, shipment.warehouse.code or ""))
                    and take(_bundles_in(sale, shipment), missing).pieces
                ),
                None,
            )
            if found is None:
                if any(still_to_leave(held, units, place) for at in units.values() for place in at):
                    raise Rejected(SYSTEM, _OPERATION, _NOT_THERE, "delivered_elsewhere")
                return held
            sale = await self._send(sale, *found)
        raise Conflict(SYSTEM, _OPERATION, f"the shipments of sale {sale.number} change all the time")

    async def _send(
        self, sale: SaleRecord, shipment: ShipmentRecord, missing: Mapping[str, int]
    ) -> SaleRecord:
        """The sale with so much of a shipment gone. One that is picked already goes as it is."""
        if shipment.state in {"draft", "assigned", "waiting"}:
            # Waiting anew lays out the whole quantity again, whatever an earlier try has left of it.
            await self._press_button("wait", shipment)
            taken = take(_bundles_in(sale, shipment), missing).pieces
            domain = [["shipment", "=", f"{SHIPMENT},{shipment.id}"], ["origin", "like", f"{MOVE},%"]]
            rows = await self._rpc.call(
                "read moves", f"model.{MOVE}.search_read", domain, 0, None, None, ["origin"], writes=False
            )
            changes: list[object] = []
            for row in rows:
                pieces = taken.get(int(str(row["origin"]).partition(",")[2]), Decimal(0))
                changes += [[row["id"]], {"quantity": float(pieces)}]
            await self._rpc.call("lay out moves", f"model.{MOVE}.write", *changes, writes=True)
            await self._press_button("assign_try", shipment)
            _require_stock(
                sale.model_copy(update={"shipments": (_waiting(shipment),)}), await self._sales.get(sale.id)
            )
        for button in ("pick", "pack", "do")[_DONE_BY.get(shipment.state, 0) :]:
            await self._press_button(button, shipment)
        return await self._sales.get(sale.id)

    async def _of(self, key: OrderKey) -> SaleRecord:
        sale = await self._sales.find(key)
        if sale is None:
            raise Rejected(SYSTEM, _OPERATION, f"the ERP has no order {key}", "order_unknown")
        return sale

    async def _press_button(self, button: str, shipment: ShipmentRecord) -> None:
        await self._rpc.call(f"{button} shipments", f"model.{SHIPMENT}.{button}", [shipment.id], writes=True)

    async def _press(self, state: str, shipments: Iterable[ShipmentRecord]) -> None:
        button = _BUTTONS[state]
        ids = [shipment.id for shipment in shipments]
        await self._rpc.call(f"{button} shipments", f"model.{SHIPMENT}.{button}", ids, writes=True)


def _here(sale: SaleRecord) -> list[ShipmentRecord]:
    """Shipments that have not left."""
    return [shipment for shipment in sale.shipments if shipment.state in _BUTTONS]


def _bundles_in(sale: SaleRecord, shipment: ShipmentRecord) -> tuple[Bundle, ...]:
    """What a shipment holds, by move."""

    def held(move: MoveRecord) -> dict[int, Decimal]:
        inside = move.shipment_id == shipment.id and move.state != "cancelled"
        return {move.id: move.pieces} if inside else {}

    return bundles_of(sale.order_lines, held)


def _waiting(shipment: ShipmentRecord) -> ShipmentRecord:
    return shipment.model_copy(update={"state": "waiting"})


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
