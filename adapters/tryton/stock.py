"""What of a sale is reserved, and what is not in stock. Pure.

Where stock is reserved as soon as an order is entered, units of a shipment that waits without being reserved are those
that are not there.
"""

from collections import Counter
from datetime import date

from adapters.tryton.records import LineRecord, MoveRecord, SaleRecord, ShipmentRecord

_RESERVED = frozenset({"assigned", "done"})


def tells_stock(sale: SaleRecord) -> bool:
    """Whether the sale was read with what is reserved for it."""
    return any(shipment.inventory_moves is not None for shipment in sale.shipments)


def unreserved(sale: SaleRecord) -> list[int]:
    """Shipments that wait, and of which not everything is reserved."""
    return [shipment.id for shipment in sale.shipments if shipment.state == "waiting"]


def in_hand(sale: SaleRecord) -> SaleRecord:
    """The sale with only those units on its waiting shipments that are reserved."""
    waiting = {shipment.id: _reserved(shipment) for shipment in sale.shipments if shipment.state == "waiting"}
    return sale.model_copy(update={"lines": tuple(_with(line, waiting) for line in sale.lines)})


def promised(sale: SaleRecord, shipment: str) -> date | None:
    """The day that people planned a shipment for, where it is later than that of the sale: else it is no promise."""
    day = next((each.planned_date for each in sale.shipments if str(each.id) == shipment), None)
    return day if day is not None and sale.sale_date is not None and day > sale.sale_date else None


def _with(line: LineRecord, waiting: dict[int, Counter[int]]) -> LineRecord:
    components = tuple(
        component.model_copy(update={"moves": _held(component.moves, waiting)})
        for component in line.components
    )
    return line.model_copy(update={"moves": _held(line.moves, waiting), "components": components})


def _held(moves: tuple[MoveRecord, ...], waiting: dict[int, Counter[int]]) -> tuple[MoveRecord, ...]:
    return tuple(
        move.model_copy(update={"quantity": waiting[shipment][move.id]})
        if (shipment := move.shipment_id) in waiting and move.state != "cancelled"
        else move
        for move in moves
    )


def _reserved(shipment: ShipmentRecord) -> Counter[int]:
    """Move -> units that are reserved for it."""
    units: Counter[int] = Counter()
    for move in shipment.inventory_moves or ():
        model, _, number = (move.origin or "").partition(",")
        if model == "stock.move" and move.state in _RESERVED:
            units[int(number)] += int(move.quantity)
    return units
