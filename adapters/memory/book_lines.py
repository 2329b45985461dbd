"""Units and lines as the memory ERP's books hold them: by line, warehouse and product. Pure."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from decimal import Decimal

from adapters.memory.amending import units_by_place
from domain.erp_order import (
    ErpLine,
    ErpOrder,
    ErpShipmentState,
    SalesLineKind,
    SalesOrder,
    ShipmentLine,
)

UNTOUCHED = frozenset({ErpShipmentState.WAITING, ErpShipmentState.RESERVED})
PICKED = frozenset({ErpShipmentState.PICKED, ErpShipmentState.PACKED})
OVER = frozenset({ErpShipmentState.SHIPPED, ErpShipmentState.CANCELED})


def erp_lines(sales: SalesOrder) -> tuple[ErpLine, ...]:
    """What the books show of an order's lines."""
    units: Counter[tuple[str, str, str | None]] = Counter()
    for line in sales.lines:
        units[line.line_id, line.product, line.warehouse] += line.quantity
    return tuple(
        ErpLine(line_id=line_id, product=product, warehouse=warehouse, quantity=quantity)
        for (line_id, product, warehouse), quantity in units.items()
    )


def adjustment_of(sales: SalesOrder) -> Decimal:
    """What the adjustment lines come to; zero where there is none."""
    return sum((line.net for line in sales.lines if line.kind is SalesLineKind.ADJUSTMENT), Decimal(0))


def units_to_wait_for(order: ErpOrder, sales: SalesOrder) -> dict[str, dict[str, int]]:
    """Warehouse -> line -> units that are on no shipment which is picked or has left."""
    settled = units_by_place(order.shipments, PICKED | {ErpShipmentState.SHIPPED})
    waiting: dict[str, dict[str, int]] = {}
    for line in sales.lines:
        if line.kind is SalesLineKind.GOODS and line.warehouse:
            units = waiting.setdefault(line.warehouse, {})
            place = (line.line_id, line.warehouse)
            units[line.line_id] = units.get(line.line_id, 0) + line.quantity - settled.pop(place, 0)
    _leave_out_given_up(order, waiting)
    return waiting


def still_given_up(before: ErpOrder, after: ErpOrder) -> dict[str, int]:
    """What stays given up of an order whose lines were amended: units that are taken off a line are those first."""
    units: defaultdict[str, int] = defaultdict(int)
    for order, sign in ((before, -1), (after, 1)):
        for line in order.lines:
            units[line.line_id] += sign * line.quantity
    left = {line: gone + min(0, units[line]) for line, gone in before.given_up.items()}
    return {line: gone for line, gone in left.items() if gone > 0}


def _leave_out_given_up(order: ErpOrder, waiting: dict[str, dict[str, int]]) -> None:
    """Of what waits, where it is missing."""
    held = units_by_place(order.shipments, UNTOUCHED)
    for part in order.backorders:
        place = (part.line_id, part.warehouse)
        held[place] = held.get(place, 0) + part.quantity
    for line, gone in order.given_up.items():
        missing = gone
        at = [warehouse for warehouse, units in waiting.items() if units.get(line)]
        for warehouse in sorted(at, key=lambda w: held.get((line, w), 0) - waiting[w][line]):
            taken = min(missing, waiting[warehouse][line])
            waiting[warehouse][line] -= taken
            missing -= taken


def on_shelf_for(order: ErpOrder) -> Counter[tuple[str, str]]:
    """(warehouse, product) -> units taken from the stock for the order."""
    products = {(line.line_id, line.warehouse): line.product for line in order.lines}
    units: Counter[tuple[str, str]] = Counter()
    for shipment in order.shipments:
        for part in shipment.lines if shipment.state is not ErpShipmentState.CANCELED else ():
            product = products.get((part.line_id, shipment.warehouse))
            if product is not None:
                units[shipment.warehouse, product] += part.quantity
    return units


def shipment_lines(units: Mapping[str, int]) -> tuple[ShipmentLine, ...]:
    """Units by line as a shipment holds them; none of a line that has none."""
    return tuple(
        ShipmentLine(line_id=line, quantity=quantity) for line, quantity in units.items() if quantity
    )
