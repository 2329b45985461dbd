"""What an order tells of kits that leave in more than one parcel, in plain words. Pure, as ``narrative``."""

from collections.abc import Iterable

from domain.erp_order import ErpShipment
from domain.kits import pieces_words
from domain.quantities import LineState
from domain.status import count_units
from workflows.order_state import OrderState


def pieces_left(parcel: ErpShipment, lines: Iterable[LineState]) -> str:
    """Sentence for a parcel with pieces of kits alone."""
    names = {line.line_id: line.sku or line.title for line in lines}
    kits = " and ".join(sorted({names.get(piece.line_id, piece.line_id) for piece in parcel.pieces}))
    return (
        f"{pieces_words(parcel.pieces)} of {kits} left {parcel.warehouse} as {parcel.number}; "
        "the storefront is told, and money taken, with the parcel that completes the kit."
    )


def waits(state: OrderState) -> str:
    """What an order with kits that have left in part waits for; empty for one without."""
    if state.erp is None or not state.erp.begun:
        return ""
    names = {line.line_id: line.sku or line.title for line in state.lines}
    kits = " and ".join(
        f"{count_units(number)} of {names.get(line, line)}" for line, number in state.erp.begun.items()
    )
    return f"the warehouse to send what is missing of {kits}, of which a part has left"
