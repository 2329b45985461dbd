"""The memory systems' own books beside each other, order by order, without the application."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from adapters.memory.erp import MemoryErp
from adapters.memory.storefront import MemoryStorefront
from bench.troubles import TAX_CODES
from domain.erp_order import ErpOrder, ErpShipmentState
from domain.order import Order, OrderKey, PaymentKind, PaymentStatus
from sandbox.audit import ErpSide, StoreSide, compare

if TYPE_CHECKING:
    from domain.order import OrderLine, ShippingCharge

_SIGNS = {PaymentKind.CAPTURE: 1, PaymentKind.SALE: 1, PaymentKind.REFUND: -1}


def compare_books(
    storefront: MemoryStorefront, books: MemoryErp, keys: Iterable[OrderKey]
) -> dict[OrderKey, tuple[str, ...]]:
    """What does not agree, in words, for each order where anything does not; orders there twice included."""
    entries: defaultdict[OrderKey | None, list[str]] = defaultdict(list)
    for record in books.records():
        entries[record.key].append(record.erp_id)
    found: dict[OrderKey, tuple[str, ...]] = {}
    for key in keys:
        order, held = storefront.orders[key.external_id], books.orders.get(key)
        erp = _erp_side(held, len(entries[key])) if held else None
        words = list(compare(order.number, _store_side(order), erp, None).differences)
        if held:
            words += _units(order, held)
        if words:
            found[key] = tuple(words)
    return found


def _store_side(order: Order) -> StoreSide:
    taxes: defaultdict[str, Decimal] = defaultdict(Decimal)
    parts: tuple[OrderLine | ShippingCharge, ...] = (*order.lines, *order.shipping)
    for part in parts:
        for tax in part.taxes:
            taxes[TAX_CODES[tax.title]] += tax.amount
    paid = [p for p in order.payments if p.status is PaymentStatus.SUCCESS]
    captured = sum((_SIGNS.get(p.kind, 0) * p.amount for p in paid), Decimal(0))
    presented = sum((_SIGNS.get(p.kind, 0) * p.presentment_amount for p in paid), Decimal(0))
    return StoreSide(
        external_id=order.key.external_id,
        number=order.number,
        total=order.total,
        taxes=taxes,
        captured=captured,
        presentment_total=order.presentment_total,
        presentment_captured=presented,
        units=sum(line.current for line in order.lines),
        fulfilled=sum(line.quantity for each in order.fulfillments for line in each.lines),
        fulfillments=len(order.fulfillments),
        currency=order.currency,
    )


def _erp_side(held: ErpOrder, count: int) -> ErpSide:
    return ErpSide(
        count=count,
        number=held.number,
        total=held.total,
        taxes={tax.code: tax.amount for tax in held.taxes},
        shipments=sum(s.state is ErpShipmentState.SHIPPED for s in held.shipments),
        invoices=0,
        invoiced=None,
        currency=held.currency,
    )


def _units(order: Order, held: ErpOrder) -> Sequence[str]:
    """Line by line: what was ordered, what the ERP shipped, what the storefront was told of."""
    ordered = Counter({line.line_id: line.current for line in order.lines})
    shipped, told = Counter[str](), Counter[str]()
    for shipment in held.shipments:
        if shipment.state is ErpShipmentState.SHIPPED:
            for line in shipment.lines:
                shipped[line.line_id] += line.quantity
    for fulfillment in order.fulfillments:
        for part in fulfillment.lines:
            told[part.line_id] += part.quantity
    return [
        f"line {line}: {ordered[line]} ordered, {shipped[line]} shipped, {told[line]} told"
        for line in sorted(ordered.keys() | shipped.keys() | told.keys())
        if not ordered[line] == shipped[line] == told[line]
    ]
