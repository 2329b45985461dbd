"""Which fulfillments of the storefront tell of shipments that left before the ERP knew of the order."""

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


def _fitting(told: tuple[Fulfillment, ...], tracking: str | None, location: str | None) -> Fulfillment:
    same_parcel = [f for f in told if tracking and f.tracking_number == tracking]
    same_place = [f for f in told if f.location == location]
    return (*same_parcel, *same_place, *told)[0]


def _location(mapping: Mapping, warehouse: str) -> str | None:
    try:
        return mapping.location_of(warehouse)
    except Unmapped:
        return None
