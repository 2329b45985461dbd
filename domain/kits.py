"""Kits that leave in more than one parcel: told to the storefront, and charged, with the one that completes them. Pure.

A storefront knows whole units only. So a parcel with some pieces of a kit is nobody's fulfillment by itself; its
tracking number goes along with the parcel after it that completes a kit of that line.
"""

from collections.abc import Iterable

from domain.erp_order import ErpOrder, ErpShipment, ErpShipmentState, KitPieces


def parcels_of_pieces(erp: ErpOrder) -> tuple[ErpShipment, ...]:
    """Parcels that left and hold nothing but pieces of kits that they do not complete."""
    return tuple(
        shipment
        for shipment in erp.shipments
        if shipment.state is ErpShipmentState.SHIPPED and shipment.pieces and not shipment.lines
    )


def tracking_of_pieces(erp: ErpOrder, shipment: ErpShipment) -> tuple[str, ...]:
    """Tracking numbers of the parcels whose kits a shipment completes, as the first one to complete any of them."""
    numbers = [
        parcel.tracking_number
        for parcel in parcels_of_pieces(erp)
        if parcel.tracking_number and _completing(erp, parcel) == shipment.shipment_id
    ]
    return tuple(dict.fromkeys(numbers))


def pieces_words(pieces: Iterable[KitPieces]) -> str:
    """``2 SOCK-GRY and 1 TEE-BLK-M``."""
    counted: dict[str, int] = {}
    for piece in pieces:
        counted[piece.product] = counted.get(piece.product, 0) + piece.quantity
    return " and ".join(f"{number} {product}" for product, number in sorted(counted.items()))


def _completing(erp: ErpOrder, parcel: ErpShipment) -> str | None:
    lines = {piece.line_id for piece in parcel.pieces}
    later = [
        shipment
        for shipment in erp.shipments
        if shipment.state is ErpShipmentState.SHIPPED
        and any(part.line_id in lines for part in shipment.lines)
        and (None in {shipment.shipped_at, parcel.shipped_at} or shipment.shipped_at >= parcel.shipped_at)  # type: ignore[operator]
    ]
    first = min(
        later, key=lambda each: (each.shipped_at is None, each.shipped_at, each.shipment_id), default=None
    )
    return first.shipment_id if first else None
