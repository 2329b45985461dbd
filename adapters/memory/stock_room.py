"""The memory ERP's stock: orders that wait for goods, and what happens when they come in or are not found."""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import date, datetime

from adapters.memory.amending import units_by_place
from adapters.memory.book_lines import OVER, UNTOUCHED, shipment_lines
from adapters.memory.dividing import Divided, Units, divide, oldest_first, release
from adapters.memory.giving_up import GivingUp
from domain.erp_order import Backorder, ErpOrder, ErpShipment, ErpShipmentState
from domain.order import OrderKey


class StockRoom(GivingUp):
    """A back office whose goods may run out. ``backorder``: orders that stock does not cover are taken all the same."""

    def __init__(
        self,
        *,
        products: set[str] | None,
        stock: dict[tuple[str, str], int] | None,
        clock: Callable[[], datetime],
        backorder: bool,
    ) -> None:
        super().__init__(products=products, stock=stock, clock=clock)
        self.backorder = backorder
        self.promised: dict[tuple[str, str], date] = {}
        """The day on which more of a product is expected at a warehouse."""

    def receive(self, warehouse: str, product: str, units: int) -> None:
        """Goods come in; orders that wait for them get theirs, the one that was placed first before all others."""
        place = (warehouse, product)
        self.stock[place] = self.stock.get(place, 0) + units
        self._release()

    def count(self, warehouse: str, product: str, units: int) -> None:
        """So many units are on the shelf, whatever the books said: who waits gets what is left over, oldest first.

        Where there are fewer than are to leave, those who were placed last go without.
        """
        place = (warehouse, product)
        orders = sorted(self.orders.values(), key=lambda o: (self.entered[o.key].placed_at, int(o.erp_id)))
        reserved = [(order.key, line, n) for order in orders for line, n in self._on_shelf(order, place)]
        missing = sum(n for *_, n in reserved) - units
        self.stock[place] = max(0, -missing)
        for key, line_id, held in reversed(reserved):
            gone = min(held, missing)
            if gone > 0:
                self.find_short(key, warehouse, {line_id: gone})
                missing -= gone
        self._release()

    def promise(self, warehouse: str, product: str, day: date) -> None:
        """Goods are expected on a day: whoever waits for them is told so, now and later."""
        self.promised[warehouse, product] = day
        for order in list(self.orders.values()):
            waiting = Counter({(b.line_id, b.warehouse or ""): b.quantity for b in order.backorders})
            backorders = self._backorders(order, waiting)
            if backorders != order.backorders:
                self.keep(order.model_copy(update={"backorders": backorders}))

    def find_short(self, key: OrderKey, warehouse: str, units: Mapping[str, int]) -> ErpOrder:
        """While picking, so many units (line id -> quantity) are not on the shelf, whatever was booked.

        They go on backorder, the rest of the shipment stays to be sent. Raises ValueError where no open shipment of the
        warehouse holds them.
        """
        order = self.orders[key]
        for shipment in order.shipments:
            held = _content(shipment)
            if shipment.warehouse != warehouse or shipment.state in OVER or not units:
                continue
            if all(0 < quantity <= held.get(line_id, 0) for line_id, quantity in units.items()):
                break
        else:
            raise ValueError(f"{key}: no open shipment at {warehouse} holds {dict(units)}")
        lines = shipment_lines({line_id: held[line_id] - units.get(line_id, 0) for line_id in held})
        gone = {"state": ErpShipmentState.CANCELED}
        found = shipment.model_copy(update={"lines": lines} if lines else gone)
        products = _products(order)
        waiting = Counter({(b.line_id, b.warehouse or ""): b.quantity for b in order.backorders})
        for line_id, quantity in units.items():
            waiting[line_id, warehouse] += quantity
            self.stock[warehouse, products[line_id, warehouse]] = 0
        shipments = tuple(found if s is shipment else s for s in order.shipments)
        update = {"shipments": shipments, "backorders": self._backorders(order, waiting)}
        return self.keep(order.model_copy(update=update))

    @staticmethod
    def _on_shelf(order: ErpOrder, place: tuple[str, str]) -> list[tuple[str, int]]:
        """Line and units of a product that wait on untouched shipments of a warehouse, one entry a shipment."""
        warehouse, product = place
        lines = {x.line_id for x in order.lines if (x.product, x.warehouse) == (product, warehouse)}
        return [
            (part.line_id, part.quantity)
            for shipment in order.shipments
            if shipment.warehouse == warehouse and shipment.state in UNTOUCHED
            for part in shipment.lines
            if part.line_id in lines
        ]

    def _divide(self, order: ErpOrder, wanted: Units) -> Divided:
        if not self.backorder and not order.backorders:
            return super()._divide(order, wanted)
        held: dict[str, dict[str, int]] = {}
        for (line_id, warehouse), quantity in units_by_place(order.shipments, UNTOUCHED).items():
            held.setdefault(warehouse or "", {})[line_id] = quantity
        return divide(order, wanted, held, self.stock, self.promised)

    def _release(self) -> None:
        for order in oldest_first(self.orders.values(), self.entered):
            released = release(order, self.stock)
            if not released.taken:
                continue
            shipments = list(order.shipments)
            for warehouse, units in released.taken.items():
                come = self.new_shipment(warehouse, units, self.entered[order.key].carrier)
                self.move_stock(order, come, -1)
                # What nobody has touched yet leaves together with what has come.
                at = next(
                    (n for n, s in enumerate(shipments) if s.warehouse == warehouse and s.state in UNTOUCHED),
                    None,
                )
                if at is None:
                    shipments.append(come)
                else:
                    together = Counter(_content(shipments[at])) + Counter(units)
                    shipments[at] = shipments[at].model_copy(update={"lines": shipment_lines(together)})
            update = {"shipments": tuple(shipments), "backorders": released.left}
            self.keep(order.model_copy(update=update))

    def _backorders(self, order: ErpOrder, waiting: Mapping[tuple[str, str], int]) -> tuple[Backorder, ...]:
        """(Line, warehouse) -> units, each with the day that is promised."""
        products = _products(order)
        return tuple(
            Backorder(
                line_id=line_id,
                warehouse=warehouse,
                quantity=quantity,
                expected=self.promised.get((warehouse, products[line_id, warehouse])),
            )
            for (line_id, warehouse), quantity in waiting.items()
        )


def _products(order: ErpOrder) -> dict[tuple[str, str | None], str]:
    return {(line.line_id, line.warehouse): line.product for line in order.lines}


def _content(shipment: ErpShipment) -> dict[str, int]:
    return {line.line_id: line.quantity for line in shipment.lines}
