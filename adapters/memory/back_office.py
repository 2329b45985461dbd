"""The memory ERP as its own staff know it: its books, its warehouses, and what people do there without us."""

from collections import Counter
from collections.abc import Iterator, Mapping

from adapters.errors import Rejected
from adapters.memory import returning
from adapters.memory.book_lines import (
    OVER,
    PICKED,
    UNTOUCHED,
    adjustment_of,
    erp_lines,
    on_shelf_for,
    shipment_lines,
    still_given_up,
    units_to_wait_for,
)
from adapters.memory.dividing import Divided, Units
from adapters.memory.order_books import Books
from adapters.memory.taxing import tax_adjustments
from domain.erp_order import (
    ErpOrder,
    ErpOrderState,
    ErpShipment,
    ErpShipmentState,
    KitPieces,
    SalesLineKind,
    SalesOrder,
)
from domain.kit_returns import product_of
from domain.order import OrderKey
from domain.returns import ReturnAuthorization, ReturnCredit


class BackOffice(Books):
    """The acts of warehouse and back office on the books' orders."""

    def ship(
        self, key: OrderKey, warehouse: str, units: Mapping[str, int], *, tracking: str | None = None
    ) -> ErpShipment:
        """Send units (line id -> quantity) off; what is left of the shipment waits as a new one.

        Raises ValueError where no open shipment of the warehouse holds them, or the order is held back.
        """
        order = self.orders[key]
        self._may_leave(order)
        for shipment in order.shipments:
            held = {line.line_id: line.quantity for line in shipment.lines}
            if shipment.warehouse != warehouse or shipment.state in OVER or not units:
                continue
            if all(0 < quantity <= held.get(line_id, 0) for line_id, quantity in units.items()):
                break
        else:
            raise ValueError(f"{key}: no open shipment at {warehouse} holds {dict(units)}")
        sent = shipment.model_copy(
            update={
                "state": ErpShipmentState.SHIPPED,
                "lines": shipment_lines(units),
                "tracking_number": tracking,
                "shipped_at": self._clock(),
            }
        )
        left = {line: quantity - units.get(line, 0) for line, quantity in held.items()}
        shipments = [sent if s is shipment else s for s in order.shipments]
        if any(left.values()):
            shipments.append(self.new_shipment(warehouse, left, shipment.carrier))
        over = all(s.state in OVER for s in shipments) and not order.backorders
        state = ErpOrderState.DONE if over else order.state
        begun = {line: n for line, kits in order.begun.items() if (n := kits - units.get(line, 0)) > 0}
        update = {"shipments": tuple(shipments), "state": state, "begun": begun}
        self.keep(order.model_copy(update=update))
        return sent

    def ship_pieces(
        self, key: OrderKey, line_id: str, product: str, quantity: int, *, tracking: str | None = None
    ) -> ErpShipment:
        """Send pieces of one kit of a line ahead; the kit is told with the parcel that completes it.

        Raises ValueError where no open shipment holds a kit of the line that is whole still.
        """
        order = self.orders[key]
        self._may_leave(order)
        waiting = [
            (shipment, part)
            for shipment in order.shipments
            for part in (shipment.lines if shipment.state not in OVER else ())
            if part.line_id == line_id
        ]
        begun = order.begun.get(line_id, 0) + 1
        if not waiting or begun > sum(part.quantity for _, part in waiting):
            raise ValueError(f"{key}: no kit of line {line_id} waits whole")
        shipment, _ = waiting[0]
        sent = self.new_shipment(shipment.warehouse, {}, shipment.carrier).model_copy(
            update={
                "state": ErpShipmentState.SHIPPED,
                "pieces": (KitPieces(line_id=line_id, product=product, quantity=quantity),),
                "tracking_number": tracking,
                "shipped_at": self._clock(),
            }
        )
        update = {"shipments": (*order.shipments, sent), "begun": {**order.begun, line_id: begun}}
        self.keep(order.model_copy(update=update))
        return sent

    def ship_all(self, key: OrderKey) -> tuple[ErpShipment, ...]:
        """Send every open shipment off whole."""
        waiting = [s for s in self.orders[key].shipments if s.state not in OVER]
        return tuple(
            self.ship(key, s.warehouse, {line.line_id: line.quantity for line in s.lines}) for s in waiting
        )

    def pick(self, key: OrderKey, warehouse: str | None = None) -> None:
        """Take the goods of untouched shipments off the shelf, at all warehouses unless one is named.

        Raises ValueError where nothing waits, or the order is held back.
        """
        order = self.orders[key]
        self._may_leave(order)
        concerned = [s for s in order.shipments if s.state in UNTOUCHED and warehouse in {None, s.warehouse}]
        if not concerned:
            raise ValueError(f"{key}: nothing waits to be picked")
        picked = {"state": ErpShipmentState.PICKED}
        shipments = tuple(s.model_copy(update=picked) if s in concerned else s for s in order.shipments)
        self.keep(order.model_copy(update={"shipments": shipments}))

    def put_back(self, key: OrderKey, warehouse: str | None = None) -> None:
        """Put picked goods back on the shelf, at all warehouses unless one is named.

        Raises ValueError where nothing is picked.
        """
        order = self.orders[key]
        concerned = [s for s in order.shipments if s.state in PICKED and warehouse in {None, s.warehouse}]
        if not concerned:
            raise ValueError(f"{key}: nothing is picked")
        waiting = {"state": ErpShipmentState.WAITING}
        shipments = tuple(s.model_copy(update=waiting) if s in concerned else s for s in order.shipments)
        self.keep(order.model_copy(update={"shipments": shipments}))

    def receive_return(self, key: OrderKey, return_id: str, units: Mapping[str, int]) -> ErpOrder:
        """Goods come back to the warehouse (line -> units). Raises ValueError where none are expected."""
        return self.keep(returning.received(self.orders[key], return_id, units))

    def receive_unannounced(self, key: OrderKey, warehouse: str, units: Mapping[str, int]) -> str:
        """Goods come back that nobody has announced; returns the id that the warehouse gives the return."""
        order = self.orders[key]
        return_id = f"w{len(order.returns) + 1}"
        request = ReturnAuthorization(
            key=key, return_id=return_id, number=return_id, warehouse=warehouse, lines=shipment_lines(units)
        )
        self.return_places[key, return_id] = warehouse
        self.keep(returning.received(returning.expected(order, request), return_id, units))
        return return_id

    def settle(self, order: ErpOrder, credit: ReturnCredit) -> ErpOrder:
        """Stock what is to be restocked and post the credit note.

        Raises Rejected with cause ``period_closed``, ``product_unknown`` or ``amounts_differ``.
        """
        month = f"{self._clock():%Y-%m}"
        if not self.period_open or month in self.closed_months:
            reason = f"the fiscal period of {month} is closed; open it"
            raise Rejected("erp", "credit return", reason, f"period_closed:erp:{month}")
        for line in credit.lines:
            if not self.knows_product(line.product):
                reason = f"there is no product {line.product!r}; create it or correct the mapping"
                raise Rejected("erp", "credit return", reason, f"product_unknown:erp:{line.product}")
        settled = returning.credited(order, credit)
        warehouse = self.return_places.get((order.key, credit.return_id))
        products = {line.line_id: line.product for line in order.lines}
        back = Counter[tuple[str, str]]()
        for name, units in credit.restocked.items():
            back[warehouse or "", product_of(name) or products.get(name, "")] += units
        for place, units in self.stock_book.exploded(back).items():
            if place in self.stock:
                self.stock[place] += units
        return self.keep(settled)

    def cancel_by_staff(self, key: OrderKey) -> ErpOrder:
        """Cancel in the ERP itself. Raises ValueError where something is picked already."""
        obstacle = self.obstacle_to_cancel(self.orders[key])
        if obstacle:
            raise ValueError(f"{key}: {obstacle}")
        return self.cancel(self.orders[key])

    def obstacle_to_cancel(self, order: ErpOrder) -> str:
        """What stands in the way of canceling, in words; empty where nothing does."""
        touched = [s for s in order.shipments if s.state not in {*UNTOUCHED, ErpShipmentState.CANCELED}]
        if not touched:
            return ""
        shipment = touched[0]
        return f"shipment {shipment.number} at {shipment.warehouse} is {shipment.state} already"

    def cancel(self, order: ErpOrder) -> ErpOrder:
        """Cancel an order that nothing stands in the way of, and give its stock back."""
        for shipment in order.shipments:
            # One that an edit emptied has given its goods back already, and may name lines that are gone.
            if shipment.state is not ErpShipmentState.CANCELED:
                self.move_stock(order, shipment, 1)
        canceled = {"state": ErpShipmentState.CANCELED}
        shipments = tuple(s.model_copy(update=canceled) for s in order.shipments)
        gone = {"shipments": shipments, "backorders": (), "given_up": {}, "state": ErpOrderState.CANCELED}
        kept = self.keep(order.model_copy(update=gone))
        self._release()
        return kept

    def plan_shipments(self, sales: SalesOrder, order: ErpOrder) -> ErpOrder:
        """Accept a draft: one waiting shipment a warehouse with what is there, its stock taken."""
        by_warehouse: dict[str, dict[str, int]] = {}
        for line in sales.lines:
            if line.kind is SalesLineKind.GOODS and line.warehouse and line.quantity:
                units = by_warehouse.setdefault(line.warehouse, {})
                units[line.line_id] = units.get(line.line_id, 0) + line.quantity
        there, short = self._divide(order, by_warehouse)
        shipments = tuple(
            self.new_shipment(code, units, sales.carrier)
            for code, units in there.items()
            if any(units.values())
        )
        for shipment in shipments:
            self.move_stock(order, shipment, -1)
        accepted = {"state": ErpOrderState.ACCEPTED, "shipments": shipments, "backorders": short}
        return self.keep(order.model_copy(update=accepted))

    def rearrange(self, order: ErpOrder, sales: SalesOrder) -> ErpOrder:
        """Bring shipments that nobody has touched, stock and totals to what an amendment says.

        Raises Rejected with cause ``out_of_stock`` before anything is changed.
        """
        if order.state is ErpOrderState.CANCELED:
            return order
        order_now = order.model_copy(update={"lines": erp_lines(sales)})
        order_now = order_now.model_copy(update={"given_up": still_given_up(order, order_now)})
        waiting, short = self._divide(order_now, units_to_wait_for(order_now, sales))
        shipments = tuple(self._arranged(order, waiting, sales.carrier))
        amended = order_now.model_copy(
            update={
                "shipments": shipments,
                "backorders": short,
                "adjustment": adjustment_of(sales),
                "tax_adjustments": tax_adjustments(sales, self.taxes),
                "total": sales.total,
                "taxes": sales.taxes,
            }
        )
        if shipments or short:
            over = all(s.state in OVER for s in shipments) and not short
            state = ErpOrderState.DONE if over else ErpOrderState.ACCEPTED
            amended = amended.model_copy(update={"state": state})
        held_back, self.entered[order.key] = self.is_held_back(order), sales
        if amended == order and held_back is self.is_held_back(order):
            return order
        moved = self.stock_book.exploded(on_shelf_for(amended))
        moved.subtract(self.stock_book.exploded(on_shelf_for(order)))
        for place, units in moved.items():
            if units > self.stock.get(place, units):
                reason = f"{place[0]} holds {self.stock[place]} more of {place[1]}, the edit asks for {units}"
                raise Rejected("erp", "amend order", reason, "out_of_stock")
        for place in moved.keys() & self.stock.keys():
            self.stock[place] -= moved[place]
        kept = self.keep(amended)
        self._release()
        return kept

    def is_held_back(self, order: ErpOrder) -> bool:
        """Whether it is to leave complete and something is not in stock."""
        entered = self.entered.get(order.key)
        return bool(order.backorders) and entered is not None and entered.complete_only

    def _may_leave(self, order: ErpOrder) -> None:
        if self.is_held_back(order):
            raise ValueError(f"{order.key}: is to leave complete, and a part of it is not in stock")

    def _divide(self, order: ErpOrder, wanted: Units) -> Divided:
        """What is there of these units, and what is on backorder. Here all is there; see ``StockRoom``."""
        del order
        return Divided({warehouse: dict(units) for warehouse, units in wanted.items()}, ())

    def _release(self) -> None:
        """Goods may be there that somebody waits for; see ``StockRoom``."""

    def _arranged(
        self, order: ErpOrder, waiting: dict[str, dict[str, int]], carrier: str | None
    ) -> Iterator[ErpShipment]:
        """The shipments with these units in those that nobody has touched; an emptied one is canceled."""
        for shipment in order.shipments:
            if shipment.state not in UNTOUCHED:
                yield shipment
                continue
            lines = shipment_lines(waiting.pop(shipment.warehouse, {}))
            canceled = {"state": ErpShipmentState.CANCELED}
            yield shipment.model_copy(update={"lines": lines, "carrier": carrier} if lines else canceled)
        for warehouse, units in waiting.items():
            if any(units.values()):
                yield self.new_shipment(warehouse, units, carrier)

    def move_stock(self, order: ErpOrder, shipment: ErpShipment, sign: int) -> None:
        """Give what a shipment holds back to the stock, or take it (``sign`` -1)."""
        products = {
            line.line_id: line.product for line in order.lines if line.warehouse == shipment.warehouse
        }
        units: Counter[tuple[str, str]] = Counter()
        for line in shipment.lines:
            units[shipment.warehouse, products[line.line_id]] += line.quantity
        for place, quantity in self.stock_book.exploded(units).items():
            if place in self.stock:
                self.stock[place] += sign * quantity

    def new_shipment(self, warehouse: str, units: Mapping[str, int], carrier: str | None) -> ErpShipment:
        """A shipment that waits, not yet in the books."""
        number = next(self._shipment_ids)
        return ErpShipment(
            shipment_id=str(number),
            number=f"SHIP-{number:05d}",
            warehouse=warehouse,
            state=ErpShipmentState.WAITING,
            lines=shipment_lines(units),
            carrier=carrier,
        )
