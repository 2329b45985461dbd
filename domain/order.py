"""The order as the storefront tells it, in the words of this project.

Amounts are in ``Order.currency`` (the shop's accounting currency) unless a name says ``presentment``.
The models hold facts only; the rules that act on them live beside this module.
"""

from decimal import Decimal
from enum import StrEnum

from pydantic import Field

from domain.model import Amount, Currency, Frozen, Instant, Quantity, Rate


class OrderKey(Frozen):
    """Names one order everywhere: workflow id, idempotency key in the ERP, row in the store."""

    channel: str
    external_id: str

    def __str__(self) -> str:
        """``channel:external_id``, as used in logs, tables and the ERP's idempotency key."""
        return f"{self.channel}:{self.external_id}"

    @property
    def workflow_id(self) -> str:
        """The id of the Temporal workflow that carries this order."""
        return f"order:{self.channel}:{self.external_id}"

    @classmethod
    def parse(cls, text: str) -> "OrderKey":
        """Read ``channel:external_id`` or a workflow id. Raises ValueError that names the remedy."""
        parts = text.removeprefix("order:").split(":", 1)
        if len(parts) != 2 or not all(parts):  # noqa: PLR2004  the two parts of the key
            msg = f"order id {text!r} is not of the form channel:external-id, such as shop:5001"
            raise ValueError(msg)
        return cls(channel=parts[0], external_id=parts[1])


class Address(Frozen):
    """A postal address; ``state`` is the ISO 3166-2 subdivision part (``CA``) and may be missing."""

    name: str
    company: str | None = None
    street: tuple[str, ...] = ()
    city: str = ""
    postal_code: str = ""
    state: str | None = None
    country: str
    """ISO 3166-1 alpha-2 code."""
    phone: str | None = None


class Customer(Frozen):
    """Who buys. A guest has no ``external_id``; a B2B buyer carries ``company_id``."""

    external_id: str | None = None
    name: str
    email: str | None = None
    company_id: str | None = None
    company_name: str | None = None

    def same_as(self, other: "Customer") -> bool:
        """Whether both are one customer, whatever they are called by now."""
        return (self.external_id, self.company_id) == (other.external_id, other.company_id)


class TaxLine(Frozen):
    """One tax on one line: ``amount`` is for the line's whole current quantity."""

    title: str
    rate: Rate
    amount: Amount


class DiscountScope(StrEnum):
    """Whether a discount was given to this line or is this line's share of one on the order."""

    LINE = "line"
    ORDER = "order"


class Discount(Frozen):
    """A discount's share on one line, positive, for the line's whole current quantity."""

    title: str
    scope: DiscountScope
    amount: Amount


class ExtraCharge(Frozen):
    """What the buyer pays beside goods and delivery: a duty on a line, a fee on the order. No discount reaches it."""

    charge_id: str
    title: str
    price: Amount
    """With tax when taxes are included; of a duty for its line's whole current quantity."""
    taxes: tuple[TaxLine, ...] = ()

    @property
    def discounts(self) -> tuple[Discount, ...]:
        """None: it is charged as it is."""
        return ()


class LineKind(StrEnum):
    """What a line of the order is."""

    GOODS = "goods"
    TIP = "tip"
    """Money for the shop's people: it has no product, and leaves with the first parcel."""


class OrderLine(Frozen):
    """A line of the order. The same SKU may stand on several lines; ``line_id`` tells them apart.

    ``ordered`` is what was bought first, ``current`` what is left after edits and removals.
    ``unit_price`` is before discounts, and includes tax when ``Order.taxes_included``.
    """

    line_id: str
    sku: str | None
    title: str
    ordered: Quantity
    current: Quantity
    unit_price: Amount
    discounts: tuple[Discount, ...] = ()
    taxes: tuple[TaxLine, ...] = ()
    duties: tuple[ExtraCharge, ...] = ()
    """What customs take for it, where the buyer pays that with the order."""
    requires_shipping: bool = True
    kind: LineKind = LineKind.GOODS
    attributes: dict[str, str] = Field(default_factory=dict)
    """What the shop's own pages ask of the buyer for this line, or say of it, by name."""


class ShippingCharge(Frozen):
    """What the buyer pays for delivery. ``price`` is before discounts, with tax when taxes are included."""

    charge_id: str
    title: str
    code: str
    price: Amount
    discounts: tuple[Discount, ...] = ()
    taxes: tuple[TaxLine, ...] = ()


class PaymentKind(StrEnum):
    """What a payment transaction did."""

    AUTHORIZATION = "authorization"
    CAPTURE = "capture"
    SALE = "sale"
    REFUND = "refund"
    VOID = "void"


class PaymentStatus(StrEnum):
    """How it ended."""

    SUCCESS = "success"
    PENDING = "pending"
    FAILED = "failed"


class Payment(Frozen):
    """One payment transaction. ``parent_id`` links a capture, refund or void to what it acts on."""

    payment_id: str
    kind: PaymentKind
    status: PaymentStatus
    gateway: str
    amount: Amount
    presentment_amount: Amount
    parent_id: str | None = None
    expires_at: Instant | None = None
    """Until when an authorization can be captured, where the storefront says so."""


class LocationLine(Frozen):
    """A part of an order line that one location is to ship.

    ``quantity`` is what the location was asked for in all, ``remaining`` what it has not shipped yet.
    """

    id: str
    line_id: str
    quantity: Quantity
    remaining: Quantity


class LocationPlan(Frozen):
    """What the storefront wants shipped from one location (Shopify: a fulfillment order)."""

    id: str
    location: str
    open: bool
    lines: tuple[LocationLine, ...]
    not_before: Instant | None = None
    """When it may leave, where the storefront has scheduled it for later."""


class FulfillmentLine(Frozen):
    """Units of an order line in a fulfillment."""

    line_id: str
    quantity: Quantity


class Fulfillment(Frozen):
    """What the storefront already shows as shipped."""

    fulfillment_id: str
    location: str
    lines: tuple[FulfillmentLine, ...]
    carrier: str | None = None
    tracking_number: str | None = None
    more_tracking: tuple[str, ...] = ()
    """Of other parcels that hold pieces of the same kits."""


class CancelKind(StrEnum):
    """Why an order is canceled, in one word, as storefronts count it."""

    CUSTOMER = "customer"
    """The buyer changed their mind."""
    DECLINED = "declined"
    """The payment was declined."""
    FRAUD = "fraud"
    INVENTORY = "inventory"
    """There is no stock."""
    STAFF = "staff"
    """Somebody of the shop made a mistake."""
    OTHER = "other"


class Risk(StrEnum):
    """How the storefront rates the risk that an order is fraud."""

    NONE = "none"
    """It rates none, or sees no risk."""
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    PENDING = "pending"
    """It is still at it."""


class ReturnStatus(StrEnum):
    """Where a return stands in the storefront."""

    REQUESTED = "requested"
    """The buyer asks for it; nobody has agreed yet."""
    OPEN = "open"
    """Agreed to; the goods may come."""
    CLOSED = "closed"
    DECLINED = "declined"
    CANCELED = "canceled"


class ReturnLine(Frozen):
    """Units of an order line in a return. ``id`` is the return's own."""

    id: str
    line_id: str
    quantity: Quantity
    reason: str = ""
    """In plain words."""
    processed: Quantity = 0
    """Units of it that the storefront has settled: refunded or exchanged."""


class ExchangeLine(Frozen):
    """What the buyer gets for what comes back. ``id`` is the return's own."""

    id: str
    name: str
    """What people call it: its SKU, where the storefront says it."""
    quantity: Quantity
    processed: Quantity = 0
    """Units of it that are on the order."""
    line_ids: tuple[str, ...] = ()
    """The order lines that it has become; none before it is on the order."""


class StorefrontReturn(Frozen):
    """A return as the storefront tells it. One with ``exchange`` is an exchange."""

    return_id: str
    number: str
    """What people call it, such as ``#1001-R1``."""
    status: ReturnStatus
    lines: tuple[ReturnLine, ...]
    exchange: tuple[ExchangeLine, ...] = ()


class Order(Frozen):
    """A storefront's order, read whole."""

    key: OrderKey
    number: str
    """What people call it, such as ``#1001``."""
    placed_at: Instant
    test: bool = False
    canceled_at: Instant | None = None
    cancel_kind: CancelKind | None = None
    """Why it was canceled; None where it is not, or nobody said."""
    currency: Currency
    presentment_currency: Currency
    taxes_included: bool
    customer: Customer
    billing_address: Address | None = None
    shipping_address: Address | None = None
    lines: tuple[OrderLine, ...]
    shipping: tuple[ShippingCharge, ...] = ()
    fees: tuple[ExtraCharge, ...] = ()
    """What the shop charges besides, for the order as a whole."""
    payments: tuple[Payment, ...] = ()
    location_plans: tuple[LocationPlan, ...] = ()
    fulfillments: tuple[Fulfillment, ...] = ()
    returns: tuple[StorefrontReturn, ...] = ()
    total: Amount
    """What the buyer owes now, all in; what came back and was refunded is not in it."""
    presentment_total: Amount
    total_tax: Amount
    note: str = ""
    attributes: dict[str, str] = Field(default_factory=dict)
    """What the shop's own pages ask of the buyer, by name: the words for a gift's card, say."""
    risk: Risk = Risk.NONE

    @property
    def charges(self) -> tuple[ShippingCharge | ExtraCharge, ...]:
        """All that is paid beside the lines' own prices: delivery, fees, duties."""
        return (*self.shipping, *self.fees, *self.duties)

    @property
    def duties(self) -> tuple[ExtraCharge, ...]:
        """Those of all its lines; a line without units has them at no price."""
        return tuple(duty for line in self.lines for duty in line.duties)

    @property
    def captured(self) -> Decimal:
        """Money taken so far, refunds deducted, in ``currency``."""
        signs = {PaymentKind.CAPTURE: 1, PaymentKind.SALE: 1, PaymentKind.REFUND: -1}
        return sum(
            (p.amount * signs.get(p.kind, 0) for p in self.payments if p.status is PaymentStatus.SUCCESS),
            Decimal(0),
        )

    @property
    def handed_over(self) -> bool:
        """Whether every unit that is to be shipped has left, by the storefront's own word."""
        left: dict[str, int] = {}
        for fulfillment in self.fulfillments:
            for part in fulfillment.lines:
                left[part.line_id] = left.get(part.line_id, 0) + part.quantity
        to_ship = [line for line in self.lines if line.requires_shipping and line.current]
        return bool(to_ship) and all(left.get(line.line_id, 0) >= line.current for line in to_ship)
