"""What the store remembers of an order: plain records, kept as JSON in its database.

Amounts of a line are for ``quantity``, units that were removed since included; ``current`` is what is left.
"""

from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from domain.model import Amount, Instant, Quantity, Rate
from sandbox.store.money import ZERO, Both, CurrencyPair

if TYPE_CHECKING:
    from decimal import Decimal


class NotAllowed(Exception):
    """The store does not do what was asked for; the message says why. ``field`` names the part of the
    request.
    """

    def __init__(self, message: str, *field: str) -> None:
        self.field = field
        super().__init__(message)


class Record(BaseModel):
    """Changed by ``orders``, ``payments`` and ``fulfillment`` alone; unknown fields are an error."""

    model_config = ConfigDict(extra="forbid")


class AddressRecord(Record):
    """A postal address in the storefront's form; ``province`` and ``zip`` may be missing."""

    first_name: str = ""
    last_name: str = ""
    company: str | None = None
    address1: str = ""
    address2: str | None = None
    city: str = ""
    province: str | None = None
    province_code: str | None = None
    zip: str = ""
    country: str = ""
    country_code: str
    phone: str | None = None

    @property
    def name(self) -> str:
        """First and last name."""
        return f"{self.first_name} {self.last_name}".strip()


class CustomerRecord(Record):
    """Who has an account."""

    id: int
    first_name: str
    last_name: str
    email: str | None = None

    @property
    def name(self) -> str:
        """First and last name."""
        return f"{self.first_name} {self.last_name}".strip()


class CompanyRecord(Record):
    """A B2B buyer."""

    id: int
    location_id: int
    name: str


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


class TaxRecord(Record):
    """A tax on a line or on delivery."""

    title: str
    rate: Rate
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
    discounts: list[AllocationRecord] = []
    taxes: list[TaxRecord] = []
    requires_shipping: bool = True

    @property
    def gross(self) -> Both:
        """Before discounts, for ``quantity``."""
        return self.unit_price.times(self.quantity)

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
    discounts: list[AllocationRecord] = []
    taxes: list[TaxRecord] = []

    @property
    def discounted(self) -> Both:
        """After discounts."""
        return self.price - Both.total(d.amount for d in self.discounts)


class TransactionKind(StrEnum):
    """What a payment did."""

    AUTHORIZATION = "AUTHORIZATION"
    CAPTURE = "CAPTURE"
    SALE = "SALE"
    REFUND = "REFUND"
    VOID = "VOID"


class TransactionRecord(Record):
    """A payment."""

    id: int
    kind: TransactionKind
    status: Literal["SUCCESS", "PENDING", "FAILURE"] = "SUCCESS"
    gateway: str
    amount: Both
    parent_id: int | None = None
    created_at: Instant


class FulfillmentOrderLineRecord(Record):
    """Units of a line that a location is to ship."""

    id: int
    line_id: int
    total: Quantity
    remaining: Quantity


class FulfillmentOrderRecord(Record):
    """What one location is to ship."""

    id: int
    location_id: int
    status: Literal["OPEN", "IN_PROGRESS", "CLOSED", "CANCELLED"] = "OPEN"
    lines: list[FulfillmentOrderLineRecord]
    created_at: Instant
    updated_at: Instant


class TrackingRecord(Record):
    """A parcel's number."""

    company: str | None = None
    number: str | None = None
    url: str | None = None


class FulfillmentLineRecord(Record):
    """Units of a line that left."""

    id: int
    line_id: int
    quantity: Quantity


class FulfillmentRecord(Record):
    """A shipment that left one location."""

    id: int
    name: str
    location_id: int
    fulfillment_order_ids: list[int]
    lines: list[FulfillmentLineRecord]
    tracking: list[TrackingRecord] = []
    created_at: Instant


class RefundLineRecord(Record):
    """Units given back or removed, and what they were worth."""

    id: int
    line_id: int
    quantity: Quantity
    subtotal: Both
    tax: Both
    restocked: bool
    location_id: int | None = None


class RefundRecord(Record):
    """A refund: units, money or both."""

    id: int
    note: str = ""
    created_at: Instant
    lines: list[RefundLineRecord] = []
    transaction_ids: list[int] = []


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
    cancelled_at: Instant | None = None
    cancel_reason: str | None = None
    currencies: CurrencyPair
    taxes_included: bool
    customer: CustomerRecord | None = None
    company: CompanyRecord | None = None
    billing_address: AddressRecord | None = None
    shipping_address: AddressRecord | None = None
    applications: list[ApplicationRecord] = []
    lines: list[LineRecord]
    shipping: list[ShippingRecord] = []
    transactions: list[TransactionRecord] = []
    fulfillment_orders: list[FulfillmentOrderRecord] = []
    fulfillments: list[FulfillmentRecord] = []
    refunds: list[RefundRecord] = []
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

    def capturable(self, authorization: TransactionRecord) -> Both:
        """What can still be captured on an authorization: nothing once it is voided."""
        followers = [
            t for t in self.transactions if t.parent_id == authorization.id and t.status == "SUCCESS"
        ]
        if any(t.kind is TransactionKind.VOID for t in followers) or authorization.status != "SUCCESS":
            return ZERO
        return authorization.amount - Both.total(t.amount for t in followers)

    def authorizations(self) -> list[TransactionRecord]:
        """All authorizations, voided ones included."""
        return [t for t in self.transactions if t.kind is TransactionKind.AUTHORIZATION]

    def shipped(self, line_id: int) -> int:
        """Units of a line that left."""
        return sum(part.quantity for f in self.fulfillments for part in f.lines if part.line_id == line_id)

    # What the order comes to

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
        """Delivery that is (still) owed."""
        return [] if current and self.shipping_removed else self.shipping

    def shipping_price(self, *, current: bool) -> Both:
        """Delivery after discounts."""
        return Both.total(charge.discounted for charge in self.charges(current=current))

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
        for charge in self.charges(current=current):
            for tax in charge.taxes:
                summed[tax.title, tax.rate] = summed.get((tax.title, tax.rate), ZERO) + tax.amount
        return [TaxRecord(title=title, rate=rate, amount=amount) for (title, rate), amount in summed.items()]

    def total_tax(self, *, current: bool) -> Both:
        """All taxes."""
        return Both.total(tax.amount for tax in self.taxes(current=current))

    def total(self, *, current: bool) -> Both:
        """What the buyer pays: for what is left (``current``), or for all that was ordered."""
        net = self.subtotal(current=current) + self.shipping_price(current=current)
        return net if self.taxes_included else net + self.total_tax(current=current)
