"""The ledger of one order: what both systems recorded of it, entry by entry, each with its source.

Entries are facts as the systems tell them; ``domain.balance`` holds them against each other. What comes later is
another kind of entry here, and another equation there.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from enum import StrEnum

from domain.erp_order import (
    ErpExchange,
    ErpInvoiceState,
    ErpOrder,
    ErpOrderState,
    ErpReturnState,
    ErpShipmentState,
    ShipmentLine,
    TaxAdjustmentCause,
)
from domain.exchanges import exchanged_lines
from domain.mapping import Mapping
from domain.model import Amount, Currency, Frozen, Quantity
from domain.money import format_money
from domain.order import ExtraCharge, Order, OrderLine, PaymentKind, PaymentStatus, ShippingCharge

_NOTHING = Decimal(0)


class EntryKind(StrEnum):
    """What an entry records."""

    ORDERED = "ordered"
    CANCELED = "canceled"
    """Ordered once, and taken off since."""
    DISCOUNTED = "discounted"
    TAXED = "taxed"
    ADJUSTED = "adjusted"
    """A difference that a person accepted or the mapping tolerates, on a line of its own."""
    TAX_ADJUSTED = "tax adjusted"
    """What of ``taxed`` the ERP did not reckon itself, and why: rounding, or within the tolerance."""
    TOTAL = "total"
    SHIPPED = "shipped"
    """By the storefront: what it was told of; by the ERP: what left."""
    AUTHORIZED = "authorized"
    CAPTURED = "captured"
    VOIDED = "voided"
    REFUNDED = "refunded"
    INVOICED = "invoiced"
    CREDITED = "credited"
    RETURNED = "returned"
    """Came back to the warehouse."""
    GIVEN_BACK = "given back"
    """Units that a return credits and, for the return as a whole, what they are worth: the fee is not taken off."""
    TAX_GIVEN_BACK = "tax given back"
    FEE = "fee"
    """What a return's credit note holds back."""


class Side(StrEnum):
    """Whose record it is."""

    STORE = "store"
    ERP = "ERP"


class Entry(Frozen):
    """One recorded fact."""

    kind: EntryKind
    side: Side
    document: str
    """Where it stands there, as people find it: ``shipment S1``."""
    subject: str = ""
    """The line, charge or tax code that it is about; empty for the whole order."""
    units: Quantity | None = None
    amount: Amount | None = None
    currency: Currency | None = None
    """Of ``amount``."""

    @property
    def words(self) -> str:
        """Its number: ``2 units``, ``USD 3.33``, or both."""
        units = "" if self.units is None else f"{self.units} unit{'' if self.units == 1 else 's'}"
        if self.amount is None or self.currency is None:
            return units
        return ", ".join(filter(None, (units, format_money(self.amount, self.currency))))


class Ledger(Frozen):
    """Everything that both systems recorded of an order."""

    entries: tuple[Entry, ...]

    def amount(self, side: Side, *kinds: EntryKind, subject: str | None = None) -> Decimal:
        """Sum of the amounts of these kinds; of one subject, or of all."""
        return sum((e.amount for e in self._of(side, kinds, subject) if e.amount is not None), _NOTHING)

    def units(self, side: Side, *kinds: EntryKind) -> dict[str, int]:
        """Subject -> sum of the units of these kinds."""
        units: dict[str, int] = {}
        for entry in self._of(side, kinds, None):
            if entry.units is not None:
                units[entry.subject] = units.get(entry.subject, 0) + entry.units
        return units

    def subjects(self, *kinds: EntryKind) -> list[str]:
        """What entries of these kinds are about on either side, sorted."""
        return sorted({entry.subject for entry in self.entries if entry.kind in kinds})

    def _of(self, side: Side, kinds: tuple[EntryKind, ...], subject: str | None) -> Iterator[Entry]:
        return (
            entry
            for entry in self.entries
            if entry.side is side and entry.kind in kinds and subject in {None, entry.subject}
        )


def write_ledger(order: Order, erp: ErpOrder | None, mapping: Mapping | None) -> Ledger:
    """The ledger of an order, storefront first.

    With a mapping, the storefront's taxes stand under the ERP's codes (raises Unmapped); without, under their titles.
    """
    return Ledger(
        entries=(
            *_ordered(order, mapping),
            *_told(order),
            *_paid(order),
            *(_held(erp) if erp else ()),
            *(_invoiced(erp) if erp else ()),
            *(_returned(erp) if erp else ()),
        )
    )


def _ordered(order: Order, mapping: Mapping | None) -> Iterator[Entry]:
    names = {each.return_id: f"order {order.number}, exchange of {each.number}" for each in order.returns}
    exchanged = {line: names[return_id] for line, return_id in exchanged_lines(order).items()}
    for line in order.lines:
        gone = line.ordered - line.current
        price, document = line.unit_price, exchanged.get(line.line_id)
        yield _priced(order, EntryKind.ORDERED, line.line_id, line.ordered * price, line.ordered, document)
        if gone:
            yield _priced(order, EntryKind.CANCELED, line.line_id, gone * price, gone, document)
        if line.current:
            yield from _changed_by(order, line.line_id, line, mapping)
    for charge in order.charges:
        yield _priced(order, EntryKind.ORDERED, charge.charge_id, charge.price)
        yield from _changed_by(order, charge.charge_id, charge, mapping)
    yield _priced(order, EntryKind.TOTAL, "", order.total)
    if order.canceled_at is not None:
        yield _priced(order, EntryKind.CANCELED, "", order.total)


def _changed_by(
    order: Order, subject: str, part: OrderLine | ShippingCharge | ExtraCharge, mapping: Mapping | None
) -> Iterator[Entry]:
    """Discounts and taxes of a line or charge; a tax of rate and amount zero is none."""
    for discount in part.discounts:
        yield _priced(order, EntryKind.DISCOUNTED, subject, discount.amount)
    for tax in part.taxes:
        if tax.rate or tax.amount:
            code = mapping.tax_code(tax.title, tax.rate) if mapping else tax.title
            yield _priced(order, EntryKind.TAXED, code, tax.amount)


def _priced(  # noqa: PLR0917  the columns of an entry
    order: Order,
    kind: EntryKind,
    subject: str,
    amount: Decimal,
    units: int | None = None,
    document: str | None = None,
) -> Entry:
    return Entry(
        kind=kind,
        side=Side.STORE,
        document=document or f"order {order.number}",
        subject=subject,
        units=units,
        amount=amount,
        currency=order.currency,
    )


def _told(order: Order) -> Iterator[Entry]:
    for fulfillment in order.fulfillments:
        for part in fulfillment.lines:
            yield Entry(
                kind=EntryKind.SHIPPED,
                side=Side.STORE,
                document=f"fulfillment {fulfillment.fulfillment_id}",
                subject=part.line_id,
                units=part.quantity,
            )


_PAYMENTS = {
    PaymentKind.AUTHORIZATION: EntryKind.AUTHORIZED,
    PaymentKind.CAPTURE: EntryKind.CAPTURED,
    PaymentKind.SALE: EntryKind.CAPTURED,
    PaymentKind.REFUND: EntryKind.REFUNDED,
    PaymentKind.VOID: EntryKind.VOIDED,
}


def _paid(order: Order) -> Iterator[Entry]:
    """Transactions that went through, in the currency the buyer paid in: no exchange rate rounds there."""
    for payment in order.payments:
        if payment.status is PaymentStatus.SUCCESS:
            yield Entry(
                kind=_PAYMENTS[payment.kind],
                side=Side.STORE,
                document=f"{payment.kind} {payment.payment_id} ({payment.gateway})",
                amount=payment.presentment_amount,
                currency=order.presentment_currency,
            )


def _held(erp: ErpOrder) -> Iterator[Entry]:
    document = f"order {erp.number}"
    exchanged = {line: f"exchange {each.number}" for each in erp.exchanges for line in each.lines}

    def entry(kind: EntryKind, subject: str, amount: Decimal, document: str = document) -> Entry:
        return Entry(
            kind=kind, side=Side.ERP, document=document, subject=subject, amount=amount, currency=erp.currency
        )

    for line in erp.lines:
        yield Entry(
            kind=EntryKind.ORDERED,
            side=Side.ERP,
            document=exchanged.get(line.line_id, document),
            subject=line.line_id,
            units=line.quantity,
        )
    apart = _taxes_of(erp.exchanges)
    for tax in erp.taxes:
        yield entry(EntryKind.TAXED, tax.code, tax.amount - apart.get(tax.code, _NOTHING))
    for each in erp.exchanges:
        yield from (entry(EntryKind.TAXED, t.code, t.amount, f"exchange {each.number}") for t in each.taxes)
        yield entry(EntryKind.TOTAL, "", each.total, f"exchange {each.number}")
    for kind, subject, amount in _adjusted(erp):
        if amount:
            yield entry(kind, subject, amount)
    in_exchanges = sum((each.total for each in erp.exchanges), _NOTHING)
    yield entry(EntryKind.TOTAL, "", erp.total - in_exchanges)
    if erp.state is ErpOrderState.CANCELED:
        yield entry(EntryKind.CANCELED, "", erp.total)
    for shipment in erp.shipments:
        for part in shipment.lines if shipment.state is ErpShipmentState.SHIPPED else ():
            yield Entry(
                kind=EntryKind.SHIPPED,
                side=Side.ERP,
                document=f"shipment {shipment.number}",
                subject=part.line_id,
                units=part.quantity,
            )


def _taxes_of(exchanges: Iterable[ErpExchange]) -> dict[str, Decimal]:
    """Tax code -> what exchanges are taxed in all."""
    taxes: dict[str, Decimal] = {}
    for each in exchanges:
        for tax in each.taxes:
            taxes[tax.code] = taxes.get(tax.code, _NOTHING) + tax.amount
    return taxes


def _returned(erp: ErpOrder) -> Iterator[Entry]:
    """What came back to the warehouse, and what the ERP credits for it."""
    for each in erp.returns:
        document = f"return {each.number}, {each.state}"

        def units(kind: EntryKind, part: ShipmentLine, document: str = document) -> Entry:
            return Entry(
                kind=kind, side=Side.ERP, document=document, subject=part.line_id, units=part.quantity
            )

        def money(kind: EntryKind, amount: Decimal, subject: str = "", document: str = document) -> Entry:
            return Entry(
                kind=kind,
                side=Side.ERP,
                document=document,
                subject=subject,
                amount=amount,
                currency=erp.currency,
            )

        yield from (units(EntryKind.RETURNED, part) for part in each.received)
        if each.state is not ErpReturnState.SETTLED:
            continue
        yield from (units(EntryKind.GIVEN_BACK, part) for part in each.credited)
        yield money(EntryKind.GIVEN_BACK, each.total + each.fee)
        yield from (money(EntryKind.TAX_GIVEN_BACK, tax.amount, tax.code) for tax in each.taxes)
        # As if all of a kit came back, as the storefront counts it; what it lacks is kept back like a fee.
        kept = (tax for pieces in each.kept for tax in pieces.taxes)
        yield from (money(EntryKind.TAX_GIVEN_BACK, tax.amount, tax.code) for tax in kept)
        if each.fee:
            yield money(EntryKind.FEE, each.fee)


def _adjusted(erp: ErpOrder) -> Iterator[tuple[EntryKind, str, Decimal]]:
    """What was adjusted, each by its cause."""
    tolerated = sum((each.amount for each in erp.tax_adjustments if not each.code), _NOTHING)
    yield EntryKind.ADJUSTED, "difference accepted", erp.adjustment - tolerated
    yield EntryKind.ADJUSTED, f"tax, {TaxAdjustmentCause.TOLERANCE}", tolerated
    for each in erp.tax_adjustments:
        if each.code:
            yield EntryKind.TAX_ADJUSTED, f"{each.code}, {each.cause}", each.amount


def _invoiced(erp: ErpOrder) -> Iterator[Entry]:
    """Drafts too: they are what the buyer will be asked for. Canceled ones ask for nothing."""
    for invoice in erp.invoices:
        if invoice.state is not ErpInvoiceState.CANCELED:
            what = "credit note" if invoice.is_credit else "invoice"
            name = f"{what} {invoice.number}" if invoice.number else f"{what} of id {invoice.invoice_id}"
            yield Entry(
                kind=EntryKind.CREDITED if invoice.is_credit else EntryKind.INVOICED,
                side=Side.ERP,
                document=f"{name}, {invoice.state}",
                amount=invoice.total,
                currency=erp.currency,
            )
