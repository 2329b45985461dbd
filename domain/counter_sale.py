"""What left before the ERP knew of the order: how much of it, and which fulfillments of the storefront tell of it."""

from collections import Counter
from collections.abc import Mapping as Dictionary

from domain.erp_order import ErpOrder, ErpShipmentState
from domain.mapping import Mapping, Unmapped
from domain.order import Fulfillment, Order


def told_already(order: Order, erp: ErpOrder, mapping: Mapping) -> dict[str, str]:
    """ERP shipment id -> the storefront's fulfillment that tells of it: of the same parcel or place, else any.

    Empty where the storefront shows none.
    """
    return {
        shipment.shipment_id: _fitting(
            order.fulfillments, shipment.tracking_number, _location(mapping, shipment.warehouse)
        ).fulfillment_id
        for shipment in erp.shipments
        if shipment.state is ErpShipmentState.SHIPPED and order.fulfillments
    }


def told_of_part(order: Order, erp: ErpOrder, mapping: Mapping) -> dict[str, str]:
    """As ``told_already``, where the storefront knows of a part: only shipments that its fulfillments account for."""
    free = {
        fulfillment.fulfillment_id: Counter({part.line_id: part.quantity for part in fulfillment.lines})
        for fulfillment in order.fulfillments
    }
    told = {}
    left = [s for s in erp.shipments if s.state is ErpShipmentState.SHIPPED and s.lines]
    # Parcels that name themselves first: what is left of the fulfillments is for those without a number.
    for shipment in sorted(left, key=lambda each: each.tracking_number is None):
        units = Counter({line.line_id: line.quantity for line in shipment.lines})
        location = _location(mapping, shipment.warehouse)
        at = [f for f in order.fulfillments if f.location == location and free[f.fulfillment_id].total()]
        same = [f for f in at if f.tracking_number and f.tracking_number == shipment.tracking_number]
        in_all = sum((free[f.fulfillment_id] for f in at), Counter[str]())
        if not same and (shipment.tracking_number is not None or not units <= in_all):
            continue
        told[shipment.shipment_id] = (same or at)[0].fulfillment_id
        for fulfillment in same or at:
            taken = units & free[fulfillment.fulfillment_id]
            free[fulfillment.fulfillment_id] -= taken
            units -= taken
    return told


def left_before(order: Order, mapping: Mapping) -> dict[str, dict[str, int]] | None:
    """Line -> warehouse -> units that left, by the storefront's word; None where that is all. Raises Unmapped."""
    if order.handed_over:
        return None
    current = {line.line_id: line.current for line in order.lines}
    units: dict[str, dict[str, int]] = {}
    for fulfillment in order.fulfillments:
        for part in fulfillment.lines:
            if number := min(part.quantity, current.get(part.line_id, 0)):
                at = units.setdefault(part.line_id, {})
                warehouse = mapping.warehouse(fulfillment.location)
                at[warehouse] = at.get(warehouse, 0) + number
                current[part.line_id] -= number
    return units


def still_to_leave(
    erp: ErpOrder, units: Dictionary[str, Dictionary[str, int]], warehouse: str
) -> Counter[str]:
    """Line -> units that are to have left a warehouse and have not."""
    missing: Counter[str] = Counter({line: at.get(warehouse, 0) for line, at in units.items()})
    for shipment in erp.shipments:
        if shipment.state is ErpShipmentState.SHIPPED and shipment.warehouse == warehouse:
            missing.subtract({line.line_id: line.quantity for line in shipment.lines})
    return +missing


def _fitting(told: tuple[Fulfillment, ...], tracking: str | None, location: str | None) -> Fulfillment:
    same_parcel = [f for f in told if tracking and f.tracking_number == tracking]
    same_place = [f for f in told if f.location == location]
    return (*same_parcel, *same_place, *told)[0]


def _location(mapping: Mapping, warehouse: str) -> str | None:
    try:
        return mapping.location_of(warehouse)
    except Unmapped:
        return None
