"""The shape of an order in Shopify's answers, and of what belongs to it, as far as this adapter reads them."""

from decimal import Decimal
from enum import StrEnum

from pydantic import AliasChoices, Field

from adapters.shopify.answer import Answer, Count, Identified, Page
from adapters.shopify.fulfillment_answers import Fulfillment, FulfillmentOrder
from adapters.shopify.global_ids import GidTail
from domain.model import Amount, Currency, Instant, Quantity


class Money(Answer):
    """An amount in major units."""

    amount: Amount


class ShopMoney(Answer):
    """Money in the shop's currency."""

    shop_money: Money


class BothMoney(ShopMoney):
    """The same money in the shop's and in the buyer's currency."""

    presentment_money: Money


class TaxLine(Answer):
    """One tax. Shopify gives the rate as a fraction, in per cent, or not at all."""

    title: str
    rate: Decimal | None = None
    rate_percentage: Decimal | None = None
    price_set: ShopMoney


class AllocationMethod(StrEnum):
    """How a discount spreads over what it applies to."""

    ACROSS = "ACROSS"
    EACH = "EACH"
    ONE = "ONE"


class TargetSelection(StrEnum):
    """What a discount applies to: everything, what is entitled to it, or what somebody picked."""

    ALL = "ALL"
    ENTITLED = "ENTITLED"
    EXPLICIT = "EXPLICIT"


class TargetType(StrEnum):
    """Whether a discount is on goods or on delivery."""

    LINE_ITEM = "LINE_ITEM"
    SHIPPING_LINE = "SHIPPING_LINE"


class DiscountApplication(Answer):
    """The discount behind an allocation; a discount code has its code for a title."""

    allocation_method: AllocationMethod
    target_selection: TargetSelection
    target_type: TargetType
    title: str = Field(validation_alias=AliasChoices("title", "code"), default="Discount")


class DiscountAllocation(Answer):
    """A discount's share on one line."""

    allocated_amount_set: ShopMoney
    discount_application: DiscountApplication


class DutyTax(TaxLine):
    """A tax on a duty."""

    price_set: BothMoney


class Duty(Answer):
    """A duty on a line; price and taxes also count units that were removed since."""

    id: GidTail
    harmonized_system_code: str | None = None
    price: BothMoney
    tax_lines: tuple[DutyTax, ...]


class LineDuties(Answer):
    """The duties on a line."""

    id: GidTail
    duties: tuple[Duty, ...]


class AdditionalFee(Answer):
    """A fee on the order."""

    id: GidTail
    name: str
    price: ShopMoney
    tax_lines: tuple[TaxLine, ...]


class Attribute(Answer):
    """Something that the shop's own pages asked of the buyer."""

    key: str
    value: str | None = None


class LineItem(Answer):
    """A line of the order; its taxes and discounts also count units that were removed since."""

    id: GidTail
    sku: str | None = None
    name: str
    quantity: Quantity
    current_quantity: Quantity
    non_fulfillable_quantity: Quantity
    """Units that nobody is ever to ship: a tip has some, and so has what was removed."""
    requires_shipping: bool
    original_unit_price_set: ShopMoney
    discount_allocations: tuple[DiscountAllocation, ...]
    tax_lines: tuple[TaxLine, ...]
    custom_attributes: tuple[Attribute, ...]
    duties: tuple[Duty, ...] = ()
    """Read apart, where the order has any."""


class ShippingLine(Answer):
    """A charge for delivery; its taxes and discounts also count what was refunded of it since."""

    id: GidTail | None = None
    title: str
    code: str | None = None
    is_removed: bool
    original_price_set: ShopMoney
    current_discounted_price_set: ShopMoney
    discount_allocations: tuple[DiscountAllocation, ...]
    tax_lines: tuple[TaxLine, ...]


class TransactionKind(StrEnum):
    """What a transaction did."""

    AUTHORIZATION = "AUTHORIZATION"
    EMV_AUTHORIZATION = "EMV_AUTHORIZATION"
    CAPTURE = "CAPTURE"
    SALE = "SALE"
    CHANGE = "CHANGE"
    REFUND = "REFUND"
    VOID = "VOID"
    SUGGESTED_REFUND = "SUGGESTED_REFUND"


AUTHORIZATIONS = frozenset({TransactionKind.AUTHORIZATION, TransactionKind.EMV_AUTHORIZATION})


class TransactionStatus(StrEnum):
    """How it ended."""

    SUCCESS = "SUCCESS"
    PENDING = "PENDING"
    AWAITING_RESPONSE = "AWAITING_RESPONSE"
    UNKNOWN = "UNKNOWN"
    FAILURE = "FAILURE"
    ERROR = "ERROR"


class Transaction(Answer):
    """A payment transaction."""

    id: GidTail
    kind: TransactionKind
    status: TransactionStatus
    gateway: str | None = None
    multi_capturable: bool
    error_code: str | None = None
    authorization_expires_at: Instant | None = None
    amount_set: BothMoney
    parent_transaction: Identified | None = None


class MailingAddress(Answer):
    """A postal address; every part may be missing."""

    name: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    company: str | None = None
    address1: str | None = None
    address2: str | None = None
    city: str | None = None
    zip: str | None = None
    province_code: str | None = None
    country_code: str | None = Field(default=None, validation_alias="countryCodeV2")
    phone: str | None = None


class EmailAddress(Answer):
    """A customer's e-mail address."""

    email_address: str


class Customer(Answer):
    """A buyer with an account."""

    id: GidTail
    display_name: str
    default_email_address: EmailAddress | None = None


class Company(Answer):
    """A B2B buyer's company."""

    id: GidTail
    name: str


class PurchasingEntity(Answer):
    """Who buys: a company, or (then ``company`` is None) a person."""

    company: Company | None = None


class CancelReason(StrEnum):
    """Why an order was canceled."""

    CUSTOMER = "CUSTOMER"
    DECLINED = "DECLINED"
    FRAUD = "FRAUD"
    INVENTORY = "INVENTORY"
    OTHER = "OTHER"
    STAFF = "STAFF"


class RiskRecommendation(StrEnum):
    """What Shopify advises about an order."""

    ACCEPT = "ACCEPT"
    CANCEL = "CANCEL"
    INVESTIGATE = "INVESTIGATE"
    NONE = "NONE"


class RiskLevel(StrEnum):
    """How one assessment rates an order."""

    HIGH = "HIGH"
    LOW = "LOW"
    MEDIUM = "MEDIUM"
    NONE = "NONE"
    PENDING = "PENDING"


class RiskAssessment(Answer):
    """One assessment, by Shopify or by an app."""

    risk_level: RiskLevel


class RiskSummary(Answer):
    """All that is said of an order's risk."""

    recommendation: RiskRecommendation
    assessments: tuple[RiskAssessment, ...]


class FirstReturn(Answer):
    """Whether there is a return."""

    nodes: tuple[Identified, ...]


class Order(Answer):
    """An order with the first page of each of its lists, or, after ``reading.py``, with all of them."""

    id: GidTail
    name: str
    created_at: Instant
    cancelled_at: Instant | None = None
    cancel_reason: CancelReason | None = None
    test: bool
    note: str | None = None
    custom_attributes: tuple[Attribute, ...]
    email: str | None = None
    phone: str | None = None
    currency_code: Currency
    presentment_currency_code: Currency
    taxes_included: bool
    risk: RiskSummary
    current_total_price_set: BothMoney
    current_total_tax_set: ShopMoney
    current_total_discounts_set: ShopMoney
    current_total_duties_set: ShopMoney | None = None
    original_total_duties_set: ShopMoney | None = None
    """None where there never was any."""
    duties_included: bool
    """They are in the lines' prices: nothing is charged for them."""
    additional_fees: tuple[AdditionalFee, ...]
    total_tip_received_set: ShopMoney
    current_tax_lines: tuple[TaxLine, ...]
    customer: Customer | None = None
    purchasing_entity: PurchasingEntity | None = None
    billing_address: MailingAddress | None = None
    shipping_address: MailingAddress | None = None
    line_items: Page[LineItem]
    shipping_lines: Page[ShippingLine]
    transactions_count: Count | None = None
    transactions: tuple[Transaction, ...]
    fulfillment_orders: Page[FulfillmentOrder]
    fulfillments_count: Count | None = None
    fulfillments: tuple[Fulfillment, ...]
    returns: FirstReturn


class DutiesOfOrder(Answer):
    """A page of an order's lines with their duties."""

    line_items: Page[LineDuties]


class ShippingState(Answer):
    """What left and what is still open, and where."""

    fulfillment_orders: Page[FulfillmentOrder]
    fulfillments_count: Count | None = None
    fulfillments: tuple[Fulfillment, ...]


class PaymentState(Answer):
    """What was paid, and in which currencies."""

    currency_code: Currency
    presentment_currency_code: Currency
    transactions_count: Count | None = None
    transactions: tuple[Transaction, ...]


class ShopInfo(Answer):
    """Which shop answers."""

    name: str
    myshopify_domain: str
    currency_code: Currency


class AccessScope(Answer):
    """Something an app is allowed."""

    handle: str


class AppInstallation(Answer):
    """What this app is allowed."""

    access_scopes: tuple[AccessScope, ...]
