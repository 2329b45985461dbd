"""What a cancel of units comes to, by where they are: what can be canceled at once, what the warehouse has to put back
first, and what has left. Pure.

Wishes are absolute (line -> units that it is to come down to), so that one that is looked at again asks for no more.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping

from domain.erp_order import ErpOrder, ErpShipmentState
from domain.exchanges import exchanged_lines
from domain.model import Frozen, Quantity
from domain.order import LineKind, Order
from domain.quantities import LineState, held_units, shipped_units, units_returned

LineId = str
Warehouse = str

_IN_HAND = frozenset({ErpShipmentState.PICKED, ErpShipmentState.PACKED})


class CancelPlan(Frozen):
    """What becomes of a wish now."""

    now: dict[LineId, Quantity]
    """Line -> units that it can come down to at once; lines that cannot come down at all are left out."""
    in_hand: dict[LineId, Quantity]
    """Line -> units beyond the wish that the warehouse has picked and not sent."""
    left: dict[LineId, Quantity]
    """Line -> units beyond the wish that have left, or whose kit has begun to."""


def plan_cancel(order: Order, erp: ErpOrder | None, down_to: Mapping[LineId, int]) -> CancelPlan:
    """Compare a wish with where the units are. ``erp`` is None while the ERP does not have the order."""
    gone, held = _kept_by_the_buyer(order, erp), _in_hand(erp)
    now, in_hand, left = dict[str, int](), dict[str, int](), dict[str, int]()
    for line in order.lines:
        wanted = down_to.get(line.line_id, line.current)
        floor = max(wanted, min(gone[line.line_id], line.current))
        firm = max(floor, min(gone[line.line_id] + held[line.line_id], line.current))
        if firm < line.current:
            now[line.line_id] = firm
        if firm > floor:
            in_hand[line.line_id] = firm - floor
        if floor > wanted:
            left[line.line_id] = floor - wanted
    return CancelPlan(now=now, in_hand=in_hand, left=left)


def all_that_has_not_left(
    order: Order, erp: ErpOrder | None, lines: tuple[LineState, ...]
) -> dict[LineId, int]:
    """The wish that nothing more leaves: line -> units that it comes down to.

    What is exchanged is ended with its return, and a tip stays where goods have left.
    """
    gone, exchanged = _kept_by_the_buyer(order, erp), {line.line_id for line in lines if line.exchange}
    delivered = {line.line_id: line.shipped - line.returned for line in lines}
    anything = any(_gone(erp).values())
    return {
        line.line_id: min(line.current, max(gone[line.line_id], delivered.get(line.line_id, 0)))
        for line in order.lines
        if line.line_id not in exchanged and not (anything and line.kind is LineKind.TIP)
    }


def given_up_still_sold(order: Order, erp: ErpOrder) -> dict[LineId, int]:
    """Line -> units that the storefront would have without what the ERP's people gave up; lines that do not differ are
    left out. Absolute, and never below what has left or has begun to, less what came back.
    """
    gone, back, held = _kept_by_the_buyer(order, erp), units_returned(order), held_units(erp)
    wanted = {
        line: max(gone[line], held[line] - units - back.get(line, 0)) for line, units in erp.given_up.items()
    }
    return {
        line.line_id: wanted[line.line_id]
        for line in order.lines
        if line.current > wanted.get(line.line_id, line.current)
    }


def without_given_up(order: Order, erp: ErpOrder) -> dict[LineId, int]:
    """The wish that goes with what was given up: once the storefront was told, it names no line.

    What is exchanged is ended with its return.
    """
    kept = exchanged_lines(order).keys()
    return {line: units for line, units in given_up_still_sold(order, erp).items() if line not in kept}


def is_whole(order: Order, down_to: Mapping[LineId, int]) -> bool:
    """Whether nothing of the order is left after that. Of one whose goods came back its parcels and refunds are."""
    return not units_returned(order) and all(
        down_to.get(line.line_id, line.current) == 0 for line in order.lines
    )


def hands_on(erp: ErpOrder | None) -> dict[str, ErpShipmentState]:
    """Shipment -> its state, of those that the warehouse has in hand or that have left."""
    states = {*_IN_HAND, ErpShipmentState.SHIPPED}
    return {s.shipment_id: s.state for s in erp.shipments if s.state in states} if erp is not None else {}


def places_kept(
    order: Order, erp: ErpOrder | None, down_to: Mapping[LineId, int]
) -> dict[LineId, dict[Warehouse, int]]:
    """Line -> warehouse -> units that stay, or came back, so that none that a warehouse has in hand is canceled.

    Units on backorder go first, then those that wait, the most at one warehouse first. Lines of which some stay on
    backorder are left out: nobody knows where those will be.
    """
    places: dict[LineId, dict[Warehouse, int]] = {}
    back = units_returned(order)
    for line_id, units in down_to.items():
        firm, waiting = _by_warehouse(erp, line_id)
        missing = sum(firm.values()) + sum(waiting.values()) - units - back.get(line_id, 0)
        if missing < 0:
            continue
        for warehouse, there in sorted(waiting.items(), key=lambda item: (-item[1], item[0])):
            taken = min(missing, there)
            waiting[warehouse] -= taken
            missing -= taken
        if not missing:
            kept = firm + waiting
            places[line_id] = {warehouse: count for warehouse, count in sorted(kept.items()) if count}
    current = {line.line_id for line in order.lines}
    return {line: at for line, at in places.items() if line in current}


def _by_warehouse(erp: ErpOrder | None, line_id: LineId) -> tuple[Counter[Warehouse], Counter[Warehouse]]:
    """Units on shipments that are in hand or have left, and on those that wait."""
    firm, waiting = Counter[str](), Counter[str]()
    for shipment in erp.shipments if erp is not None else ():
        if shipment.state is ErpShipmentState.CANCELED:
            continue
        counts = firm if shipment.state in {*_IN_HAND, ErpShipmentState.SHIPPED} else waiting
        for part in shipment.lines:
            if part.line_id == line_id:
                counts[shipment.warehouse] += part.quantity
    return firm, waiting


def _kept_by_the_buyer(order: Order, erp: ErpOrder | None) -> defaultdict[LineId, int]:
    """Line -> units that have left, or have begun to, and did not come back."""
    units, back = _gone(erp), units_returned(order)
    for line, count in units.items():
        units[line] = max(0, count - back.get(line, 0))
    return units


def _gone(erp: ErpOrder | None) -> defaultdict[LineId, int]:
    units: defaultdict[str, int] = defaultdict(int)
    if erp is not None:
        for line, count in shipped_units(erp).items():
            units[line] += count
        for line, kits in erp.begun.items():
            units[line] += kits
    return units


def _in_hand(erp: ErpOrder | None) -> defaultdict[LineId, int]:
    units: defaultdict[str, int] = defaultdict(int)
    for shipment in erp.shipments if erp is not None else ():
        for part in shipment.lines if shipment.state in _IN_HAND else ():
            units[part.line_id] += part.quantity
    return units
