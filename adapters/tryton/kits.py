"""Kits in Tryton's shipments: sold as one, sent as components, whichever parcel each component is in. Pure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from math import ceil
from typing import Final, NamedTuple

from adapters.tryton.records import LineRecord, MoveRecord, ShipmentRecord
from domain.erp_order import KitPieces

_LEFT: Final = frozenset({"shipped", "done"})


class Walked(NamedTuple):
    """What of a kit line is in each shipment."""

    whole: dict[int, int]
    """Shipment -> kits that are complete with it, less those complete before."""
    pieces: dict[int, list[KitPieces]]
    """Shipment that left -> what it holds of kits that are not complete with it."""
    begun: int
    """Kits of which some pieces are in these shipments and others are not."""


def units_by_shipment(moves: tuple[MoveRecord, ...], shipments: Sequence[ShipmentRecord]) -> dict[int, int]:
    """Units by shipment. A canceled move counts only in a canceled shipment, as what it would have held."""
    canceled = {shipment.id: shipment.state == "cancelled" for shipment in shipments}
    units: dict[int, int] = defaultdict(int)
    for move in moves:
        shipment = move.shipment_id
        if shipment in canceled and (canceled[shipment] or move.state != "cancelled"):
            units[shipment] += int(move.quantity)
    return units


def walk_kits(line: LineRecord, shipments: Sequence[ShipmentRecord]) -> Walked:
    """Go through shipments in the order in which they left, and count whole kits and the pieces over."""
    per_kit = {
        component.id: Decimal(str(component.quantity or 0)) / line.units
        for component in line.components
        if component.quantity and line.units
    }
    whole: dict[int, int] = {}
    pieces: dict[int, list[KitPieces]] = {}
    if not per_kit:
        return Walked(whole, pieces, 0)
    codes = {component.id: component.code for component in line.components}
    held = {c.id: units_by_shipment(c.moves, shipments) for c in line.components if c.id in per_kit}
    gone: dict[int, int] = defaultdict(int)
    for shipment in shipments:
        base = defaultdict(int) if shipment.state == "cancelled" else gone
        after = {each: base[each] + held[each].get(shipment.id, 0) for each in per_kit}
        complete = _complete(after, per_kit)
        whole[shipment.id] = complete - _complete(base, per_kit)
        if shipment.state == "cancelled":
            continue
        if shipment.state in _LEFT:
            over = {each: int(after[each] - complete * per_kit[each]) for each in per_kit}
            pieces[shipment.id] = [
                KitPieces(line_id=line.origin[0], product=codes[each], quantity=number)
                for each in per_kit
                if (number := min(over[each], held[each].get(shipment.id, 0)))
            ]
        gone.update(after)
    complete = _complete(gone, per_kit)
    begun = max(ceil((gone[each] - complete * per_kit[each]) / per_kit[each]) for each in per_kit)
    return Walked(whole, pieces, begun)


def _complete(pieces: Mapping[int, int], per_kit: Mapping[int, Decimal]) -> int:
    return min(int(pieces[each] / per_kit[each]) for each in per_kit)
