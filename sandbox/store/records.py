"""What the store remembers of an order: plain records, kept as JSON in its database.

Amounts of a line are for ``quantity``, units that were removed since included; ``current`` is what is left.
"""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from domain.model import Amount, Instant, Quantity
from sandbox.store.charge_records import DutyRecord, FeeRecord, TaxRecord
from sandbox.store.money import ZERO, Both, CurrencyPair
from sandbox.store.money_records import (
    RefundRecord,
    RefundShippingRecord,
    Restock,
    TransactionKind,
    TransactionRecord,
)
from sandbox.store.parcel_records import FulfillmentOrderRecord, FulfillmentRecord
from sandbox.store.party_records import AddressRecord, CompanyRecord, CustomerRecord
from sandbox.store.record import Record
from sandbox.store.return_records import ReturnRecord

if TYPE_CHECKING:
    from decimal import Decimal


class NotAllowed(Exception):
    """The store does not do what was asked for; the message says why. ``field`` names the part of the
    request.
    """

    def __init__(self, message: str, *field: str) -> None:
        self.field = field
        super().__init__(message)


class SoldOut(NotAllowed):
    """There are fewer units than a buyer wants, and the product is not sold beyond them."""


class ApplicationRecord(Record):
    """A discount as it was given; lines and shipping hold their shares by its place in the list."""

    kind: Literal["manual", "code", "automatic"]
    scope: Literal["line", "order", "shipping"]
    title: str
    percent: Amount | None = None
    amount: Both | None = None


class AllocationRecord(Record):
    """A discount's share."""

    application: int
    amount: Both


class LineRecord(Record):
    """A line of goods."""

    id: int
    product_id: int
    variant_id: int
    sku: str
    title: str
    quantity: Quantity
    current: Quantity
    unit_price: Both
    discounts: list[AllocationRecord] = Field(default_factory=list)
    taxes: list[TaxRecord] = Field(default_factory=list)
    duties: list[DutyRecord] = Field(default_factory=list)
    requires_shipping: bool = True
    attributes: dict[str, str] = Field(default_factory=dict)
    tip: bool = False
    """Money for the shop's people: of no product, and never to be shipped."""

    @property
    def gross(self) -> Both:
        """Before discounts, for ``quantity``."""
        return self.unit_price.times(self.quantity)

    @property
    def taxed_duties(self) -> list[tuple[DutyRecord, TaxRecord]]:
        """Each tax on its duties."""
        return [(duty, tax) for duty in self.duties for tax in duty.taxes]

    @property
    def discount(self) -> Both:
        """All discounts, for ``quantity``."""
        return Both.total(d.amount for d in self.discounts)


class ShippingRecord(Record):
    """What delivery costs."""

    id: int
    code: str
    title: str
    price: Both
    discounts: list[AllocationRecord] = Field(default_factory=list)
    taxes: list[TaxRecord] = Field(default_factory=list)
    removed: bool = False
    """An edit put another one in its place."""

    @property
    def discounted(self) -> Both:
        """After discounts."""
        return self.price - Both.total(d.amount for d in self.discounts)


class OrderRecord(Record):
    """An order, whole."""

    id: int
    number: int
    created_at: Instant
    updated_at: Instant
    test: bool = False
    edited: bool = False
    note: str | None = None
    email: str | None = None
    phone: str | None = None
    po_number: str | None = None
    source_name: str = "web"
    risk: Literal["ACCEPT", "CANCEL", "INVESTIGATE", "NONE"] = "NONE"
    attributes: dict[str, str] = Field(default_factory=dict)
    risk_level: Literal["HIGH", "MEDIUM", "LOW", "PENDING"] | None = None
    cancelled_at: Instant | None = None
    cancel_reason: str | None = None
    currencies: CurrencyPair
    taxes_included: bool
    tax_off: Both = ZERO
    """What its first tax is more than its lines say, as long as it has any units."""
    customer: CustomerRecord | None = None
    company: CompanyRecord | None = None
    billing_address: AddressRecord | None = None
    shipping_address: AddressRecord | None = None
    applications: list[ApplicationRecord] = Field(default_factory=list)
    lines: list[LineRecord]
    shipping: list[ShippingRecord] = Field(default_factory=list)
    fees: list[FeeRecord] = Field(default_factory=list)
    transactions: list[TransactionRecord] = Field(default_factory=list)
    fulfillment_orders: list[FulfillmentOrderRecord] = Field(default_factory=list)
    fulfillments: list[FulfillmentRecord] = Field(default_factory=list)
    refunds: list[RefundRecord] = Field(default_factory=list)
    returns: list[ReturnRecord] = Field(default_factory=list)
    shipping_removed: bool = False
    """A canceled order owes no delivery."""
    original_total: Both

    @property
    def name(self) -> str:
        """What people call it."""
        return f"#{self.number}"

    def line(self, line_id: int) -> LineRecord:
        """A line by id. Raises KeyError."""
        return {line.id: line for line in self.lines}[line_id]

    def transaction(self, transaction_id: int) -> TransactionRecord:
        """A transaction by id. Raises KeyError."""
        return {each.id: each for each in self.transactions}[transaction_id]

    def fulfillment_order(self, fulfillment_order_id: int) -> FulfillmentOrderRecord:
        """A fulfillment order by id. Raises KeyError."""
        return {each.id: each for each in self.fulfillment_orders}[fulfillment_order_id]

    def returned(self, return_id: int) -> ReturnRecord:
        """A return by id. Raises KeyError."""
        return {each.id: each for each in self.returns}[return_id]

    @property
    def received(self) -> Both:
        """Sales and captures."""
        return self._moved(TransactionKind.SALE, TransactionKind.CAPTURE)

    @property
    def refunded(self) -> Both:
        """Money given back."""
        return self._moved(TransactionKind.REFUND)

    def _moved(self, *kinds: TransactionKind) -> Both:
        return Both.total(t.amount for t in self.transactions if t.kind in kinds and t.status == "SUCCESS")

    def refund_adjustment(self, refund: RefundRecord) -> Both:
        """What units and delivery were worth, less the money given back: negative for goodwill, else a fee kept."""
        money = Both.total(self.transaction(each).amount for each in refund.transaction_ids)
        return refund.worth(taxes_included=self.taxes_included) - money

    def capturable(self, authorization: TransactionRecord) -> Both:
        """What can still be captured on an authorization: nothing once it is voided."""
        followers = [
            t for t in self.transactions if t.parent_id == authorization.id and t.status == "SUCCESS"
        ]
        if any(t.kind is TransactionKind.VOID for t in followers) or authorization.status != "SUCCESS":
            return ZERO
        left = authorization.amount - Both.total(t.amount for t in followers)
        # The shop's amounts follow the buyer's and may be a cent off in between.
        return left if left.presentment else ZERO

    def authorizations(self) -> list[TransactionRecord]:
        """All authorizations, voided ones included."""
        return [t for t in self.transactions if t.kind is TransactionKind.AUTHORIZATION]

    def shipped(self, line_id: int) -> int:
        """Units of a line that left."""
        return sum(part.quantity for f in self.fulfillments for part in f.lines if part.line_id == line_id)

    def open_units(self, line: LineRecord) -> int:
        """Units of a line that are still to leave."""
        if line.tip:
            return 0
        came_back = sum(
            part.quantity
            for refund in self.refunds
            for part in refund.lines
            if part.line_id == line.id and part.restock is not Restock.CANCEL
        )
        return max(0, line.current - max(0, self.shipped(line.id) - came_back))

    def shipping_refunded(self, charge: ShippingRecord) -> list[RefundShippingRecord]:
        """What was given back of a charge so far."""
        return [part for refund in self.refunds for part in refund.shipping if part.charge_id == charge.id]

    # What the order comes to

    def line_worth(self, line: LineRecord, units: int) -> tuple[Both, Both]:
        """What so many units of a line cost after discounts, and the tax on them."""
        pair = self.currencies
        subtotal = line.unit_price.times(units) - Both.total(
            pair.share(d.amount, units, line.quantity) for d in line.discounts
        )
        return subtotal, Both.total(pair.share(tax.amount, units, line.quantity) for tax in line.taxes)

    def line_discount(self, line: LineRecord, *, current: bool) -> Both:
        """Discounts on a line, each share rounded by itself."""
        return Both.total(self._part(d.amount, line, current=current) for d in line.discounts)

    def line_tax(self, tax: TaxRecord, line: LineRecord, *, current: bool) -> Both:
        """A tax on a line."""
        return self._part(tax.amount, line, current=current)

    def _part(self, amount: Both, line: LineRecord, *, current: bool) -> Both:
        return self.currencies.share(amount, line.current, line.quantity) if current else amount

    def subtotal(self, *, current: bool) -> Both:
        """Lines after discounts; with tax where taxes are included."""
        return Both.total(
            line.unit_price.times(line.current if current else line.quantity)
            - self.line_discount(line, current=current)
            for line in self.lines
        )

    def charges(self, *, current: bool) -> list[ShippingRecord]:
        """Delivery that is (still) owed, whole or in part."""
        return [] if current and self.shipping_removed else [c for c in self.shipping if not c.removed]

    def charge_price(self, charge: ShippingRecord, *, current: bool) -> Both:
        """One charge after discounts, and ``current`` after refunds; nothing where it was taken off."""
        if current and (charge.removed or self.shipping_removed):
            return ZERO
        refunded = self.shipping_refunded(charge) if current else []
        return charge.discounted - Both.total(part.subtotal for part in refunded)

    def charge_taxes(self, charge: ShippingRecord, *, current: bool) -> list[TaxRecord]:
        """Its taxes, and ``current`` after refunds."""
        refunded = self.shipping_refunded(charge) if current else []
        return [
            tax.model_copy(
                update={"amount": tax.amount - Both.total(part.taxes[i].amount for part in refunded)}
            )
            for i, tax in enumerate(charge.taxes)
        ]

    def duty_price(self, line: LineRecord, duty: DutyRecord, *, current: bool) -> Both:
        """A duty, and ``current`` on the units that it is still owed for."""
        return self._owed(duty.price, line, duty) if current else duty.price

    def _owed(self, amount: Both, line: LineRecord, duty: DutyRecord) -> Both:
        return self.currencies.share(amount, line.current + duty.kept, line.quantity)

    def duties(self, *, current: bool) -> Both:
        """All duties."""
        return Both.total(
            self.duty_price(line, duty, current=current) for line in self.lines for duty in line.duties
        )

    def owed_fees(self, *, current: bool) -> list[FeeRecord]:
        """Fees that are (still) owed."""
        return [] if current and self.shipping_removed else self.fees

    def shipping_price(self, *, current: bool) -> Both:
        """Delivery after discounts."""
        return Both.total(
            self.charge_price(charge, current=current) for charge in self.charges(current=current)
        )

    def discounts(self, *, current: bool) -> Both:
        """All discounts, delivery's too."""
        on_lines = Both.total(self.line_discount(line, current=current) for line in self.lines)
        return on_lines + Both.total(d.amount for c in self.charges(current=current) for d in c.discounts)

    def taxes(self, *, current: bool) -> list[TaxRecord]:
        """One entry a title and rate, in the order in which they first appear."""
        summed: dict[tuple[str, Decimal], Both] = {}
        for line in self.lines:
            for tax in line.taxes:
                amount = self.line_tax(tax, line, current=current)
                summed[tax.title, tax.rate] = summed.get((tax.title, tax.rate), ZERO) + amount
            for duty, tax in line.taxed_duties:
                amount = self._owed(tax.amount, line, duty) if current else tax.amount
                summed[tax.title, tax.rate] = summed.get((tax.title, tax.rate), ZERO) + amount
        for tax in (tax for fee in self.owed_fees(current=current) for tax in fee.taxes):
            summed[tax.title, tax.rate] = summed.get((tax.title, tax.rate), ZERO) + tax.amount
        for charge in self.charges(current=current):
            for tax in self.charge_taxes(charge, current=current):
                summed[tax.title, tax.rate] = summed.get((tax.title, tax.rate), ZERO) + tax.amount
        if summed and (not current or any(line.current for line in self.lines if not line.tip)):
            first = next(iter(summed))
            summed[first] += self.tax_off
        return [TaxRecord(title=title, rate=rate, amount=amount) for (title, rate), amount in summed.items()]

    def total_tax(self, *, current: bool) -> Both:
        """All taxes."""
        return Both.total(tax.amount for tax in self.taxes(current=current))

    def total(self, *, current: bool) -> Both:
        """What the buyer pays: for what is left (``current``), or for all that was ordered."""
        net = self.subtotal(current=current) + self.shipping_price(current=current)
        net += self.duties(current=current)
        net += Both.total(fee.price for fee in self.owed_fees(current=current))
        return net if self.taxes_included else net + self.total_tax(current=current)
