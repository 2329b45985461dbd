"""From Shopify's words to this project's: pure, no I/O.

What Shopify says differently: ids carry a prefix; taxes and discounts count units that were removed since; an order
without an account has no customer; a state code may repeat its country (``JP-13``).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from pydantic import ValidationError

from adapters.errors import ContractBroken
from adapters.shopify import answers, fulfillment_answers, return_answers
from adapters.shopify.answer import SYSTEM, contract_broken
from adapters.shopify.answers import RiskLevel, RiskRecommendation, TransactionKind, TransactionStatus
from adapters.shopify.fulfillment_answers import FulfillmentOrderStatus, FulfillmentStatus
from adapters.shopify.pricing import READ_ORDER, fees_of, lines_of, shipping_of, taxes_left
from adapters.shopify.return_answers import Return
from domain.order import (
    Address,
    CancelKind,
    Customer,
    ExchangeLine,
    Fulfillment,
    FulfillmentLine,
    LocationLine,
    LocationPlan,
    Order,
    OrderKey,
    Payment,
    PaymentKind,
    PaymentStatus,
    ReturnLine,
    ReturnStatus,
    Risk,
    StorefrontReturn,
)
from domain.tax_allocation import settle_taxes

NO_LOCATION = "unknown"
"""Stands for a location that was deleted in the store."""

# CHANGE is cash handed back at a till, so it lowers what was taken. A suggested refund moved no money.
_KINDS = {
    TransactionKind.AUTHORIZATION: PaymentKind.AUTHORIZATION,
    TransactionKind.EMV_AUTHORIZATION: PaymentKind.AUTHORIZATION,
    TransactionKind.CAPTURE: PaymentKind.CAPTURE,
    TransactionKind.SALE: PaymentKind.SALE,
    TransactionKind.CHANGE: PaymentKind.REFUND,
    TransactionKind.REFUND: PaymentKind.REFUND,
    TransactionKind.VOID: PaymentKind.VOID,
}
_STATUSES = {
    TransactionStatus.SUCCESS: PaymentStatus.SUCCESS,
    TransactionStatus.PENDING: PaymentStatus.PENDING,
    TransactionStatus.AWAITING_RESPONSE: PaymentStatus.PENDING,
    TransactionStatus.UNKNOWN: PaymentStatus.PENDING,
    TransactionStatus.FAILURE: PaymentStatus.FAILED,
    TransactionStatus.ERROR: PaymentStatus.FAILED,
}
_LEVELS = {
    RiskLevel.HIGH: Risk.HIGH,
    RiskLevel.MEDIUM: Risk.MEDIUM,
    RiskLevel.LOW: Risk.LOW,
    RiskLevel.NONE: Risk.NONE,
    RiskLevel.PENDING: Risk.PENDING,
}
_ADVICE = {
    RiskRecommendation.CANCEL: Risk.HIGH,
    RiskRecommendation.INVESTIGATE: Risk.MEDIUM,
    RiskRecommendation.ACCEPT: Risk.NONE,
    RiskRecommendation.NONE: Risk.NONE,
}
_BY_RISK = (Risk.NONE, Risk.PENDING, Risk.LOW, Risk.MEDIUM, Risk.HIGH)
_OVER = frozenset({FulfillmentOrderStatus.CLOSED, FulfillmentOrderStatus.CANCELLED})
SHIPPED = frozenset({FulfillmentStatus.SUCCESS, FulfillmentStatus.OPEN, FulfillmentStatus.PENDING})


def to_order(answer: answers.Order, channel: str, returns: Iterable[StorefrontReturn] = ()) -> Order:
    """The order of a whole answer. Raises ContractBroken that names the field that does not fit."""
    try:
        return settle_taxes(_to_order(answer, channel, returns))
    except ValidationError as error:
        raise contract_broken(error, READ_ORDER, "order", answer.model_dump_json()) from error


def _to_order(answer: answers.Order, channel: str, returns: Iterable[StorefrontReturn]) -> Order:
    customer, taxes = to_customer(answer), taxes_left(answer)
    return Order(
        key=OrderKey(channel=channel, external_id=answer.id),
        number=answer.name,
        placed_at=answer.created_at,
        test=answer.test,
        canceled_at=answer.cancelled_at,
        cancel_kind=CancelKind(answer.cancel_reason.value.lower()) if answer.cancel_reason else None,
        currency=answer.currency_code,
        presentment_currency=answer.presentment_currency_code,
        taxes_included=answer.taxes_included,
        customer=customer,
        billing_address=to_address(answer.billing_address, "billingAddress", customer.name),
        shipping_address=to_address(answer.shipping_address, "shippingAddress", customer.name),
        lines=lines_of(answer, taxes),
        shipping=shipping_of(answer, taxes),
        fees=fees_of(answer, taxes),
        payments=to_payments(answer.transactions),
        location_plans=tuple(to_location_plan(plan) for plan in answer.fulfillment_orders.nodes),
        fulfillments=to_fulfillments(answer.fulfillments),
        returns=tuple(returns),
        total=answer.current_total_price_set.shop_money.amount,
        presentment_total=answer.current_total_price_set.presentment_money.amount,
        total_tax=answer.current_total_tax_set.shop_money.amount,
        note=answer.note or "",
        attributes={each.key: each.value or "" for each in answer.custom_attributes},
        risk=to_risk(answer.risk),
    )


def to_risk(summary: answers.RiskSummary) -> Risk:
    """The highest that anybody rates it or advises by; ``PENDING`` where nobody has come to a high one yet."""
    rated = [_LEVELS[each.risk_level] for each in summary.assessments]
    highest = max((*rated, _ADVICE[summary.recommendation]), key=_BY_RISK.index)
    return Risk.PENDING if Risk.PENDING in rated and highest is not Risk.HIGH else highest


def to_customer(answer: answers.Order) -> Customer:
    """Who buys. A guest is named from the address, else from what they left to be reached by."""
    company = answer.purchasing_entity.company if answer.purchasing_entity else None
    account = answer.customer
    email = answer.email or (
        account.default_email_address.email_address if account and account.default_email_address else None
    )
    names = (
        account.display_name if account else None,
        _person(answer.shipping_address),
        _person(answer.billing_address),
        company.name if company else None,
        email,
        answer.phone,
    )
    return Customer(
        external_id=account.id if account else None,
        name=next((name for name in names if name), "Guest"),
        email=email,
        company_id=company.id if company else None,
        company_name=company.name if company else None,
    )


def to_address(answer: answers.MailingAddress | None, at: str, fallback_name: str) -> Address | None:
    """A postal address. Raises ContractBroken where its country is missing: nothing can be shipped there."""
    if answer is None:
        return None
    country = answer.country_code
    if not country:
        raise ContractBroken(
            SYSTEM,
            READ_ORDER,
            f"order.{at}.countryCodeV2 is missing; choose the address's country in the store",
            answer.model_dump_json(),
        )
    return Address(
        name=_person(answer) or answer.company or fallback_name,
        company=answer.company or None,
        street=tuple(street for street in (answer.address1, answer.address2) if street),
        city=answer.city or "",
        postal_code=answer.zip or "",
        state=(answer.province_code or "").removeprefix(f"{country}-") or None,
        country=country,
        phone=answer.phone or None,
    )


def _person(address: answers.MailingAddress | None) -> str | None:
    if address is None:
        return None
    return address.name or " ".join(part for part in (address.first_name, address.last_name) if part) or None


def to_payments(transactions: Iterable[answers.Transaction]) -> tuple[Payment, ...]:
    """Payments in the order Shopify tells them; mere suggestions are left out."""
    return tuple(to_payment(transaction) for transaction in transactions if transaction.kind in _KINDS)


def to_payment(transaction: answers.Transaction) -> Payment:
    """One payment."""
    return Payment(
        payment_id=transaction.id,
        kind=_KINDS[transaction.kind],
        status=_STATUSES[transaction.status],
        gateway=transaction.gateway or "unknown",
        amount=transaction.amount_set.shop_money.amount,
        presentment_amount=transaction.amount_set.presentment_money.amount,
        parent_id=transaction.parent_transaction.id if transaction.parent_transaction else None,
        expires_at=transaction.authorization_expires_at,
    )


def to_location_plan(answer: fulfillment_answers.FulfillmentOrder) -> LocationPlan:
    """What one location is to ship. On hold or scheduled for later still counts as open: it is to be shipped."""
    return LocationPlan(
        id=answer.id,
        location=location_of(answer),
        open=answer.status not in _OVER,
        not_before=answer.fulfill_at if answer.status is FulfillmentOrderStatus.SCHEDULED else None,
        lines=tuple(
            LocationLine(
                id=line.id,
                line_id=line.line_item.id,
                quantity=line.total_quantity,
                remaining=line.remaining_quantity,
            )
            for line in answer.line_items.nodes
            if line.total_quantity
        ),
    )


def location_of(answer: fulfillment_answers.FulfillmentOrder) -> str:
    """The location a fulfillment order is assigned to."""
    location = answer.assigned_location.location
    return location.id if location else NO_LOCATION


def to_fulfillments(fulfillments: Iterable[fulfillment_answers.Fulfillment]) -> tuple[Fulfillment, ...]:
    """What left; canceled and failed ones are left out."""
    return tuple(to_fulfillment(answer) for answer in fulfillments if answer.status in SHIPPED)


def to_fulfillment(answer: fulfillment_answers.Fulfillment) -> Fulfillment:
    """One fulfillment; units of a line that it took from several fulfillment orders are added up."""
    units: dict[str, int] = defaultdict(int)
    for line in answer.fulfillment_line_items.nodes:
        units[line.line_item.id] += line.quantity
    numbered = [info for info in answer.tracking_info if info.number]
    tracking = numbered[0] if numbered else None
    return Fulfillment(
        fulfillment_id=answer.id,
        location=answer.location.id if answer.location else NO_LOCATION,
        lines=tuple(
            FulfillmentLine(line_id=line_id, quantity=quantity) for line_id, quantity in units.items()
        ),
        carrier=tracking.company if tracking else None,
        tracking_number=tracking.number if tracking else None,
        more_tracking=tuple(info.number for info in numbered[1:] if info.number),
    )


def to_return(answer: Return, variants: Mapping[str, str]) -> StorefrontReturn:
    """One return; units that nobody found in a parcel belong to no line, and are left out.

    ``variants`` are the names of what is not on the order yet, by variant id.
    """
    return StorefrontReturn(
        return_id=answer.id,
        number=answer.name,
        status=ReturnStatus(answer.status.lower()),
        lines=tuple(
            ReturnLine(
                id=line.id,
                line_id=line.fulfillment_line_item.line_item.id,
                quantity=line.quantity,
                reason=_reason(line),
                processed=line.processed_quantity,
            )
            for line in answer.return_line_items.nodes
            if line.fulfillment_line_item is not None
        ),
        exchange=tuple(_exchange_line(line, variants) for line in answer.exchange_line_items.nodes),
    )


def _exchange_line(line: return_answers.ExchangeLine, variants: Mapping[str, str]) -> ExchangeLine:
    made = line.line_items or ()
    named = made[0].sku or made[0].title if made else variants.get(line.variant_id or "", "")
    return ExchangeLine(
        id=line.id,
        name=named or "something",
        quantity=line.quantity,
        processed=line.processed_quantity,
        line_ids=tuple(each.id for each in made),
    )


def _reason(line: return_answers.ReturnLine) -> str:
    """The shop's word for it, and what buyer and staff wrote."""
    named = line.return_reason_definition.name if line.return_reason_definition else ""
    return ": ".join(words for words in (named, line.customer_note, line.return_reason_note) if words)
