"""From Tryton's records to ``ErpOrder``. Pure."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from itertools import chain
from typing import Final

from adapters.errors import ContractBroken
from adapters.tryton.bundles import kits_of
from adapters.tryton.given_up import given_up_of
from adapters.tryton.kits import units_by_shipment, walk_kits
from adapters.tryton.notes import is_rounding
from adapters.tryton.records import BilledRecord, SaleBody, SaleRecord, ShipmentRecord
from adapters.tryton.returned import returns_of
from adapters.tryton.stock import in_hand, promised, tells_stock
from adapters.tryton.sums import net_of_line, tax_adjustments, tax_amounts
from domain.erp_order import (
    ADJUSTMENT_LINES,
    Backorder,
    ErpExchange,
    ErpInvoice,
    ErpInvoiceState,
    ErpLine,
    ErpOrder,
    ErpOrderState,
    ErpShipment,
    ErpShipmentState,
    KitPieces,
    ShipmentLine,
    TaxAmount,
)

SHIPMENT_STATES: Final = {
    "draft": ErpShipmentState.WAITING,
    "waiting": ErpShipmentState.WAITING,
    "assigned": ErpShipmentState.RESERVED,
    "picked": ErpShipmentState.PICKED,
    "packed": ErpShipmentState.PACKED,
    "shipped": ErpShipmentState.SHIPPED,
    "done": ErpShipmentState.SHIPPED,
    "cancelled": ErpShipmentState.CANCELED,
}
_LEFT: Final = frozenset({"shipped", "done"})
_IN_FORCE: Final = frozenset({ErpOrderState.ACCEPTED, ErpOrderState.DONE})
INVOICE_STATES: Final = {
    "draft": ErpInvoiceState.DRAFT,
    "validated": ErpInvoiceState.DRAFT,
    "posted": ErpInvoiceState.POSTED,
    "paid": ErpInvoiceState.PAID,
    "cancelled": ErpInvoiceState.CANCELED,
}


def read_order(sale: SaleRecord) -> ErpOrder:
    """The sale in the words of this project; what binds of those beside it is counted in."""
    beside = sorted((x for x in sale.beside if is_in_force(x)), key=lambda x: x.id)
    together = (sale, *beside)
    shipments, backorders = zip(*(_to_ship(each) for each in together), strict=True)
    taxes: dict[str, Decimal] = defaultdict(Decimal)
    for each in together:
        for code, amount in tax_amounts(each).items():
            taxes[code] += amount
    return ErpOrder(
        key=sale.key,
        erp_id=str(sale.id),
        number=sale.number or str(sale.id),
        state=_state_together(sale, beside),
        currency=sale.currency.code,
        total=sum((each.total_amount for each in together), Decimal(0)),
        taxes=tuple(TaxAmount(code=code, amount=amount) for code, amount in sorted(taxes.items())),
        lines=_lines(*together),
        shipments=tuple(chain(*shipments)),
        backorders=tuple(chain(*backorders)),
        given_up=_given_up(together),
        begun=_begun(together),
        kits=kits_of(sale.every_line),
        invoices=tuple(_invoice(bill) for each in (*together, *sale.credits) for bill in each.invoices),
        adjustment=sum((net_of_line(each, x) for each in together for x in ADJUSTMENT_LINES), Decimal(0)),
        tax_adjustments=tuple(x for each in together for x in tax_adjustments(each)),
        returns=returns_of(sale),
        supplements=tuple(x.number or str(x.id) for x in beside if not x.exchanged_return),
        exchanges=tuple(_exchange(each) for each in beside if each.exchanged_return),
    )


def _exchange(sale: SaleRecord) -> ErpExchange:
    taxes = sorted(tax_amounts(sale).items())
    return ErpExchange(
        return_id=sale.exchanged_return,
        erp_id=str(sale.id),
        number=sale.number or str(sale.id),
        lines=tuple(dict.fromkeys(line.line_id for line in _lines(sale))),
        total=sale.total_amount,
        taxes=tuple(TaxAmount(code=code, amount=amount) for code, amount in taxes),
    )


def _state_together(sale: SaleRecord, beside: Iterable[SaleRecord]) -> ErpOrderState:
    """An order is done once what ships beside it is."""
    state = state_of(sale)
    open_still = any(state_of(each) is ErpOrderState.ACCEPTED for each in beside)
    return ErpOrderState.ACCEPTED if state is ErpOrderState.DONE and open_still else state


def _to_ship(sale: SaleRecord) -> tuple[tuple[ErpShipment, ...], tuple[Backorder, ...]]:
    """Shipments with what is there for them, and what is not in stock, where Tryton is asked for that."""
    planned = shipments_of(sale)
    if not tells_stock(sale):
        return planned, ()
    there = shipments_of(in_hand(sale))
    return there, _backorders(sale, planned, there)


def _backorders(
    sale: SaleRecord, planned: tuple[ErpShipment, ...], there: tuple[ErpShipment, ...]
) -> tuple[Backorder, ...]:
    """What shipments are to hold and is not reserved for them."""
    held = {(s.shipment_id, line.line_id): line.quantity for s in there for line in s.lines}
    return tuple(
        Backorder(
            line_id=line.line_id,
            warehouse=shipment.warehouse,
            quantity=missing,
            expected=promised(sale, shipment.shipment_id),
        )
        for shipment in planned
        for line in shipment.lines
        if (missing := line.quantity - held.get((shipment.shipment_id, line.line_id), 0))
    )


def _invoice(invoice: BilledRecord) -> ErpInvoice:
    """Tryton has no type for a customer's credit note made from a sale: it is an invoice below zero."""
    state = INVOICE_STATES.get(invoice.state)
    if state is None:
        raise ContractBroken(
            "tryton", "read sale", f"invoice {invoice.id} is in an unknown state {invoice.state!r}"
        )
    return ErpInvoice(
        invoice_id=str(invoice.id),
        number=invoice.number or "",
        state=state,
        is_credit=invoice.total_amount < 0,
        net=abs(invoice.untaxed_amount),
        tax=abs(invoice.tax_amount),
        total=abs(invoice.total_amount),
    )


def state_of(sale: SaleBody) -> ErpOrderState:
    """Raises ContractBroken for a state that nobody knows."""
    match sale.state:
        case "draft" | "quotation" | "confirmed":
            return ErpOrderState.DRAFT
        case "cancelled":
            return ErpOrderState.CANCELED
        case "processing" | "done":
            if is_canceled(sale):
                return ErpOrderState.CANCELED
            return ErpOrderState.DONE if sale.state == "done" else ErpOrderState.ACCEPTED
        case unknown:
            raise ContractBroken("tryton", "read sale", f"sale {sale.id} is in an unknown state {unknown!r}")


def is_in_force(sale: SaleBody) -> bool:
    """Whether it binds, or did."""
    return state_of(sale) in _IN_FORCE


def is_canceled(sale: SaleBody) -> bool:
    """Whether nothing is left to ship or to invoice because all of it was canceled.

    Tryton has no state for that: a sale whose canceled shipments and invoices were all ignored ends as *done*.
    """
    if sale.state == "cancelled":
        return True
    moves = [move for line in sale.order_lines for move in line.all_moves()]
    return (
        bool(moves or sale.invoices)
        and all(move.state == "cancelled" for move in moves)
        and all(invoice.state == "cancelled" for invoice in sale.invoices)
        and sale.shipment_state == "none"
        and sale.invoice_state == "none"
    )


def _lines(*sales: SaleRecord) -> tuple[ErpLine, ...]:
    units: dict[tuple[str, str, str | None], Decimal] = defaultdict(Decimal)
    for line in (line for sale in sales for line in sale.order_lines):
        if line.product is not None and not is_rounding(line.note):
            line_id, warehouse = line.origin
            units[line_id, line.product.code or str(line.product.id), warehouse] += line.units
    return tuple(
        ErpLine(line_id=line_id, product=product, warehouse=warehouse, quantity=max(0, int(quantity)))
        for (line_id, product, warehouse), quantity in units.items()
    )


def shipments_of(sale: SaleBody) -> tuple[ErpShipment, ...]:
    """Its shipments, in units of the storefront's lines. Raises ContractBroken."""
    content: dict[int, dict[str, int]] = {shipment.id: {} for shipment in sale.shipments}
    pieces: dict[int, list[KitPieces]] = {shipment.id: [] for shipment in sale.shipments}
    # Whole kits are counted as their last component comes along, so shipments are walked in the order they left.
    order = sorted(sale.shipments, key=lambda s: (s.state != "done", s.effective_date or date.max, s.id))
    for line in sale.order_lines:
        counted = units_by_shipment(line.moves, sale.shipments)
        if line.components:
            walked = walk_kits(line, order)
            counted = walked.whole
            for shipment, parts in walked.pieces.items():
                pieces[shipment] += parts
        for shipment, quantity in counted.items():
            if quantity:
                lines = content[shipment]
                lines[line.origin[0]] = lines.get(line.origin[0], 0) + quantity
    return tuple(
        _shipment(shipment, content[shipment.id], pieces[shipment.id]) for shipment in sale.shipments
    )


def _begun(sales: Iterable[SaleRecord]) -> dict[str, int]:
    """Line -> kits of which some pieces have left and others have not."""
    begun: dict[str, int] = defaultdict(int)
    for sale in sales:
        left = [shipment for shipment in sale.shipments if shipment.state in _LEFT]
        for line in sale.order_lines:
            if line.components:
                begun[line.origin[0]] += walk_kits(line, left).begun
    return {line: kits for line, kits in begun.items() if kits}


def _given_up(sales: Iterable[SaleRecord]) -> dict[str, int]:
    """Line -> units that nothing is to be sent of any more. What is canceled as a whole, or binds nobody, has none."""
    units: dict[str, int] = defaultdict(int)
    for sale in sales:
        for line, number in given_up_of(sale).items() if is_in_force(sale) else ():
            units[line] += number
    return dict(units)


def _shipment(shipment: ShipmentRecord, lines: dict[str, int], pieces: list[KitPieces]) -> ErpShipment:
    state = SHIPMENT_STATES.get(shipment.state)
    if state is None:
        raise ContractBroken(
            "tryton", "read sale", f"shipment {shipment.number} is in an unknown state {shipment.state!r}"
        )
    left = shipment.effective_date if state is ErpShipmentState.SHIPPED else None
    carrier = shipment.carrier.party.code if shipment.carrier and shipment.carrier.party else None
    return ErpShipment(
        shipment_id=str(shipment.id),
        number=shipment.number or str(shipment.id),
        warehouse=shipment.warehouse.code or str(shipment.warehouse.id),
        state=state,
        lines=tuple(
            ShipmentLine(line_id=line_id, quantity=quantity) for line_id, quantity in sorted(lines.items())
        ),
        pieces=tuple(pieces),
        carrier=carrier,
        tracking_number=shipment.reference or None,
        # Tryton keeps the day only.
        shipped_at=datetime.combine(left, time(), UTC) if left else None,
    )
