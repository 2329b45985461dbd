"""People of the memory ERP give up units of an order, and send them after all."""

from collections import Counter
from collections.abc import Mapping

from adapters.memory.back_office import BackOffice
from adapters.memory.book_lines import OVER, on_shelf_for, shipment_lines
from domain.erp_order import ErpOrder, ErpOrderState, ErpShipment, ErpShipmentState
from domain.order import OrderKey


class GivingUp(BackOffice):
    """A back office whose people may decide that units are not sent."""

    def give_up(self, key: OrderKey, units: Mapping[str, int]) -> ErpOrder:
        """Take so many units (line id -> quantity) off the open shipments; nothing is sent in their place.

        Their goods go back on the shelf, and what was picked with them waits to be picked anew; they stay sold. Raises
        ValueError where no open shipment holds them.
        """
        order, missing = self.orders[key], Counter(units)
        shipments = tuple(_without(shipment, missing) for shipment in order.shipments)
        if any(missing.values()):
            raise ValueError(f"{key}: no open shipment holds {dict(+missing)} more")
        gone = Counter(order.given_up) + Counter(units)
        over = all(s.state in OVER for s in shipments) and not order.backorders
        over = over and any(s.state is ErpShipmentState.SHIPPED for s in shipments)
        update = {
            "shipments": shipments,
            "given_up": dict(gone),
            "state": ErpOrderState.DONE if over else order.state,
        }
        after = order.model_copy(update=update)
        back = self.stock_book.exploded(on_shelf_for(order))
        back.subtract(self.stock_book.exploded(on_shelf_for(after)))
        for place in back.keys() & self.stock.keys():
            self.stock[place] += back[place]
        kept = self.keep(after)
        self._release()
        return kept

    def send_after_all(self, key: OrderKey) -> ErpOrder:
        """Make shipments anew for all units that were given up. Raises ValueError where none were."""
        order = self.orders[key]
        if not order.given_up:
            raise ValueError(f"{key}: nothing was given up")
        return self.rearrange(order.model_copy(update={"given_up": {}}), self.entered[key])


def _without(shipment: ErpShipment, missing: Counter[str]) -> ErpShipment:
    """The shipment without units that are missing still; an emptied one is canceled."""
    if shipment.state in OVER:
        return shipment
    held = {line.line_id: line.quantity for line in shipment.lines}
    if not any(missing[line] for line in held):
        return shipment
    for line, quantity in held.items():
        taken = min(quantity, missing[line])
        held[line] -= taken
        missing[line] -= taken
    lines = shipment_lines(held)
    if not lines:
        return shipment.model_copy(update={"state": ErpShipmentState.CANCELED})
    return shipment.model_copy(update={"lines": lines, "state": ErpShipmentState.WAITING})
