"""The memory ERP as its own staff know it: its books, its warehouses, and what people do there without us."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from itertools import count

from adapters.errors import Rejected
from adapters.memory import returning
from adapters.memory.amending import units_by_place
from adapters.memory.billing import bill
from adapters.memory.dividing import Divided, Units
from adapters.memory.stock_book import StockBook
from adapters.memory.taxing import tax_adjustments
from domain.erp_order import (
    ErpInvoiceState,
    ErpLine,
    ErpOrder,
    ErpOrderState,
    ErpShipment,
    ErpShipmentState,
    KitPieces,
    SalesLineKind,
    SalesOrder,
    ShipmentLine,
)
from domain.listings import ErpRecord
from domain.order import OrderKey
from domain.returns import ReturnAuthorization, ReturnCredit

UNTOUCHED = frozenset({ErpShipmentState.WAITING, ErpShipmentState.RESERVED})
PICKED = frozenset({ErpShipmentState.PICKED, ErpShipmentState.PACKED})
OVER = frozenset({ErpShipmentState.SHIPPED, ErpShipmentState.CANCELED})


class BackOffice:
    """Books of orders, each change numbered, and the acts of warehouse and back office.

    ``products`` is None where every product is known; ``stock`` holds units on hand by (warehouse, product),
    and what is not listed never runs out.
    """

    def __init__(
        self,
        *,
        products: set[str] | None,
        stock: dict[tuple[str, str], int] | None,
        clock: Callable[[], datetime],
    ) -> None:
        self.products = products
        self.taxes: Mapping[str, Decimal] | None = None
        """Tax code -> rate; None where every tax is taken as it is told."""
        self.stock_book = StockBook(stock or {})
        self.stock = self.stock_book.counts
        self.forbidden_products: set[str] = set()
        self.period_open = True
        self.closed_months: set[str] = set()
        self.orders: dict[OrderKey, ErpOrder] = {}
        self.changed_at: dict[OrderKey, int] = {}
        """The number of each order's last change."""
        self.written_at: dict[OrderKey, datetime] = {}
        """When each order was changed last."""
        self.entered: dict[OrderKey, SalesOrder] = {}
        """Lines with their amounts, addresses and notes of each order, as they stand now."""
        self.references: dict[OrderKey, str] = {}
        """The storefront's number of each order."""
        self.by_hand: list[ErpRecord] = []
        """What people entered without us, the latest last."""
        self.return_places: dict[tuple[OrderKey, str], str] = {}
        """Which warehouse takes in the goods of a return."""
        self.last_change = 0
        self._clock = clock
        self._shipment_ids = count(1)

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
        for line_id, units in credit.restocked.items():
            place = (warehouse or "", products.get(line_id, ""))
            if place in self.stock:
                self.stock[place] += units
        return self.keep(settled)

    def cancel_by_staff(self, key: OrderKey) -> ErpOrder:
        """Cancel in the ERP itself. Raises ValueError where something is picked already."""
        obstacle = self.obstacle_to_cancel(self.orders[key])
        if obstacle:
            raise ValueError(f"{key}: {obstacle}")
        return self.cancel(self.orders[key])

    def enter_by_hand(self, reference: str, key: OrderKey | None = None) -> ErpRecord:
        """Somebody enters an order again, or one that is nobody's: nothing here keeps them from it."""
        number = len(self.by_hand) + 1
        self.by_hand.append(
            ErpRecord(
                erp_id=f"hand-{number}",
                number=f"SO-H{number}",
                key=key,
                reference=reference,
                state=ErpOrderState.ACCEPTED,
                changed_at=self._clock(),
            )
        )
        return self.by_hand[-1]

    def cancel_by_hand(self, record: ErpRecord) -> ErpRecord:
        """Cancel what was entered by hand. Raises ValueError where it is none of them."""
        canceled = record.model_copy(update={"state": ErpOrderState.CANCELED, "changed_at": self._clock()})
        self.by_hand[self.by_hand.index(record)] = canceled
        return canceled

    def records(self) -> list[ErpRecord]:
        """Every order in the books, as a list shows it, in the order they were entered."""
        ours = [
            ErpRecord(
                erp_id=order.erp_id,
                number=order.number,
                key=key,
                reference=self.references.get(key, ""),
                state=order.state,
                shipped=sum(
                    line.quantity
                    for shipment in order.shipments
                    if shipment.state is ErpShipmentState.SHIPPED
                    for line in shipment.lines
                ),
                changed_at=self.written_at[key],
            )
            for key, order in self.orders.items()
        ]
        return [*ours, *self.by_hand]

    def close_period(self, month: str | None = None) -> None:
        """Refuse new orders of a month (``2026-03``), of all where none is named: ``period_closed:erp:2026-03``."""
        if month is None:
            self.period_open = False
        else:
            self.closed_months.add(month)

    def open_period(self) -> None:
        """Take new orders of every month again."""
        self.period_open = True
        self.closed_months.clear()

    def forbid_product(self, code: str) -> None:
        """Make a product unknown from now on."""
        self.forbidden_products.add(code)

    def allow_product(self, code: str) -> None:
        """Make a product known."""
        self.forbidden_products.discard(code)
        if self.products is not None:
            self.products.add(code)

    def knows_product(self, code: str) -> bool:
        """Whether an order may hold it."""
        return code not in self.forbidden_products and (self.products is None or code in self.products)

    def keep(self, order: ErpOrder) -> ErpOrder:
        """Write an order into the books and number the change; what its total grew or shrank by is invoiced."""
        self.last_change += 1
        before = self.orders.get(order.key)
        order = bill(order, before)
        self.stock_book.kept(before, order)
        self.orders[order.key] = order
        self.changed_at[order.key] = self.last_change
        self.written_at[order.key] = self._clock()
        return order

    def post_invoices(self, key: OrderKey) -> tuple[str, ...]:
        """Post the drafts among an order's invoices; returns the numbers they got."""
        order, posted = self.orders[key], []
        for invoice in order.invoices:
            if invoice.state is ErpInvoiceState.DRAFT:
                number = f"INV-{order.number}-{invoice.invoice_id}"
                posted.append(invoice.model_copy(update={"state": ErpInvoiceState.POSTED, "number": number}))
        by_id = {invoice.invoice_id: invoice for invoice in posted}
        self.keep(
            order.model_copy(update={"invoices": tuple(by_id.get(x.invoice_id, x) for x in order.invoices)})
        )
        return tuple(invoice.number for invoice in posted)

    def misbill(self, key: OrderKey, more: Decimal) -> None:
        """Somebody in accounting changes the first invoice by hand, the order stays as it is."""
        order = self.orders[key]
        first, *others = order.invoices
        wrong = first.model_copy(update={"net": first.net + more, "total": first.total + more})
        self.keep(order.model_copy(update={"invoices": (wrong, *others)}))

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
        gone = {"shipments": shipments, "backorders": (), "state": ErpOrderState.CANCELED}
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
        waiting, short = self._divide(order_now, _units_to_wait_for(order, sales))
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
        moved = self.stock_book.exploded(_on_shelf_for(amended))
        moved.subtract(self.stock_book.exploded(_on_shelf_for(order)))
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


def _units_to_wait_for(order: ErpOrder, sales: SalesOrder) -> dict[str, dict[str, int]]:
    """Warehouse -> line -> units that are on no shipment which is picked or has left."""
    settled = units_by_place(order.shipments, PICKED | {ErpShipmentState.SHIPPED})
    waiting: dict[str, dict[str, int]] = {}
    for line in sales.lines:
        if line.kind is SalesLineKind.GOODS and line.warehouse:
            units = waiting.setdefault(line.warehouse, {})
            place = (line.line_id, line.warehouse)
            units[line.line_id] = units.get(line.line_id, 0) + line.quantity - settled.pop(place, 0)
    return waiting


def _on_shelf_for(order: ErpOrder) -> Counter[tuple[str, str]]:
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
