"""The warehouse of the memory ERP and what its books say, for the fault matrix on the wire."""

from collections import Counter
from decimal import Decimal

from adapters.memory.erp import MemoryErp
from domain.erp_order import ErpReturnState, ErpShipmentState
from domain.order import OrderKey
from sandbox.store.control import OrderReading
from tests.chaos.lives import Life
from tests.chaos.wire_acts import SHIPMENTS, Back


class MemoryPeople:
    """Implements ``ErpPeople``."""

    def __init__(self, erp: MemoryErp) -> None:
        self._erp = erp

    async def ship(self, keys: list[OrderKey]) -> None:
        for key in keys:
            held = self._erp.orders.get(key)
            waiting = [x for x in held.shipments if x.state is ErpShipmentState.WAITING] if held else []
            if waiting:
                units = {line.line_id: line.quantity for line in waiting[0].lines}
                self._erp.ship(key, waiting[0].warehouse, units, tracking=waiting[0].number)

    async def assert_booked(self, life: Life, told: OrderReading, back: Back | None) -> None:
        held = self._erp.orders[life.key]
        credited = sum((each.total for each in held.returns), Decimal(0))
        states = Counter(shipment.state for shipment in held.shipments)
        exchanges = int(back is Back.EXCHANGED)
        assert len(held.exchanges) == exchanges
        left = SHIPMENTS + exchanges
        assert states == {ErpShipmentState.CANCELED if life.canceled else ErpShipmentState.SHIPPED: left}
        assert held.total - credited == (told.original_total if life.canceled else told.total)
        assert len(held.returns) == len(told.returns)

    async def waiting(self, key: OrderKey) -> int:
        held = self._erp.orders.get(key)
        return sum(x.state is ErpShipmentState.WAITING for x in held.shipments) if held else 0

    async def take_in(self, key: OrderKey, return_id: str) -> None:
        held = self._erp.orders.get(key)
        for each in held.returns if held else ():
            if each.return_id == return_id and each.state is ErpReturnState.EXPECTED:
                units = {line.line_id: line.quantity for line in each.expected}
                self._erp.receive_return(key, each.return_id, units)
