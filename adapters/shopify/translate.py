"""From Shopify's words to this project's: pure, no I/O.

What Shopify says differently: ids carry a prefix; taxes and discounts count units that were removed since; an order
without an account has no customer; a state code may repeat its country (``JP-13``).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal

from pydantic import ValidationError

from adapters.errors import ContractBroken
from adapters.shopify import answers, return_answers
from adapters.shopify.answers import (
    SYSTEM,
    FulfillmentOrderStatus,
    FulfillmentStatus,
    RiskLevel,
    RiskRecommendation,
    TransactionKind,
    TransactionStatus,
)
from adapters.shopify.remaining import Part, shares_left
from adapters.shopify.return_answers import Return
from domain.money import minor_digits
from domain.order import (
    Address,
    CancelKind,
    Customer,
    Discount,
    DiscountScope,
    ExchangeLine,
    Fulfillment,
    FulfillmentLine,
    LocationLine,
    LocationPlan,
    Order,
    OrderKey,
    OrderLine,
    Payment,
    PaymentKind,
    PaymentStatus,
    ReturnLine,
    ReturnStatus,
    Risk,
    ShippingCharge,
    StorefrontReturn,
    TaxLine,
)
from domain.tax_allocation import settle_taxes

READ_ORDER = "read order"
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

_TaxKey = tuple[str, Decimal]


def to_order(answer: answers.Order, channel: str, returns: Iterable[StorefrontReturn] = ()) -> Order:
    """The order of a whole answer. Raises ContractBroken that names the field that does not fit."""
    try:
        return settle_taxes(_to_order(answer, channel, returns))
    except ValidationError as error:
        raise answers.contract_broken(error, READ_ORDER, "order", answer.model_dump_json()) from error


def _to_order(answer: answers.Order, channel: str, returns: Iterable[StorefrontReturn]) -> Order:
    customer = to_customer(answer)
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
        lines=to_lines(answer),
        shipping=to_shipping(answer),
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


def to_lines(answer: answers.Order) -> tuple[OrderLine, ...]:
    """Order lines with the taxes and discounts of the units that are left."""
    taxes = _taxes_left(answer)
    discounts = _discounts_left(answer)
    return tuple(
        OrderLine(
            line_id=line.id,
            sku=line.sku or None,
            title=line.name,
            ordered=line.quantity,
            current=line.current_quantity,
            unit_price=line.original_unit_price_set.shop_money.amount,
            discounts=discounts[line.id],
            taxes=taxes[f"lineItems.{line.id}"],
            requires_shipping=line.requires_shipping,
        )
        for line in answer.line_items.nodes
    )


def _taxes_left(answer: answers.Order) -> dict[str, tuple[TaxLine, ...]]:
    """Taxes on the units that are left of each line, and on what is left of each charge; by their path."""
    left: dict[_TaxKey, Decimal] = defaultdict(Decimal)
    for tax in answer.current_tax_lines:
        left[_tax_key(tax, "order.currentTaxLines")] += tax.price_set.shop_money.amount
    cents = 10 ** minor_digits(answer.currency_code)
    taxed = [
        (f"lineItems.{line.id}", line.tax_lines, line.quantity, line.current_quantity)
        for line in answer.line_items.nodes
    ]
    taxed += [
        (
            f"shippingLines.{charge_id}",
            charge.tax_lines,
            int(_discounted(charge) * cents),
            int(_current_price(charge) * cents),
        )
        for charge_id, charge in _charges(answer)
    ]
    cut: dict[_TaxKey, list[tuple[str, int, Part]]] = defaultdict(list)
    amounts: dict[tuple[str, int], Decimal] = {}
    for path, taxes, whole, current in taxed:
        for index, tax in enumerate(taxes):
            key = _tax_key(tax, f"order.{path}.taxLines")
            amount = tax.price_set.shop_money.amount
            if current == whole:
                amounts[path, index] = amount
                left[key] -= amount
            elif current:
                cut[key].append((path, index, Part(amount, whole, current)))
    for key, places in cut.items():
        shares = shares_left([part for _, _, part in places], [left[key]], answer.currency_code)
        amounts.update({(path, index): share for (path, index, _), share in zip(places, shares, strict=True)})
    return {
        path: tuple(
            TaxLine(title=tax.title, rate=rate_of(tax, f"order.{path}"), amount=amounts[path, index])
            for index, tax in enumerate(taxes)
            if (path, index) in amounts
        )
        for path, taxes, _, _ in taxed
    }


def _discounts_left(answer: answers.Order) -> dict[str, tuple[Discount, ...]]:
    on_goods = answer.current_total_discounts_set.shop_money.amount
    on_delivery = sum(
        (
            d.allocated_amount_set.shop_money.amount
            for _, c in _charges(answer)
            for d in c.discount_allocations
        ),
        Decimal(0),
    )
    cut: list[tuple[str, int, Part]] = []
    amounts: dict[tuple[str, int], Decimal] = {}
    for line in answer.line_items.nodes:
        for index, allocation in enumerate(line.discount_allocations):
            amount = allocation.allocated_amount_set.shop_money.amount
            if line.current_quantity == line.quantity:
                amounts[line.id, index] = amount
                on_goods -= amount
            elif line.current_quantity:
                cut.append((line.id, index, Part(amount, line.quantity, line.current_quantity)))
    # whether the order's total of discounts counts those on delivery is told both ways
    totals = [on_goods - on_delivery, on_goods]
    shares = shares_left([part for _, _, part in cut], totals, answer.currency_code)
    amounts.update({(line_id, index): share for (line_id, index, _), share in zip(cut, shares, strict=True)})
    return {
        line.id: tuple(
            _discount(allocation, amounts[line.id, index])
            for index, allocation in enumerate(line.discount_allocations)
            if amounts.get((line.id, index))
        )
        for line in answer.line_items.nodes
    }


def _discount(allocation: answers.DiscountAllocation, amount: Decimal) -> Discount:
    application = allocation.discount_application
    on_order = (
        application.target_type is answers.TargetType.LINE_ITEM
        and application.target_selection is answers.TargetSelection.ALL
        and application.allocation_method is answers.AllocationMethod.ACROSS
    )
    scope = DiscountScope.ORDER if on_order else DiscountScope.LINE
    return Discount(title=application.title, scope=scope, amount=amount)


def to_shipping(answer: answers.Order) -> tuple[ShippingCharge, ...]:
    """Charges for delivery that were not taken off the order again, less what was refunded of them."""
    taxes = _taxes_left(answer)
    return tuple(
        ShippingCharge(
            charge_id=charge_id,
            title=charge.title,
            code=charge.code or charge.title,
            price=charge.original_price_set.shop_money.amount - _discounted(charge) + _current_price(charge),
            discounts=tuple(
                _discount(allocation, allocation.allocated_amount_set.shop_money.amount)
                for allocation in charge.discount_allocations
                if allocation.allocated_amount_set.shop_money.amount
            ),
            taxes=taxes[f"shippingLines.{charge_id}"],
        )
        for charge_id, charge in _charges(answer)
    )


def _charges(answer: answers.Order) -> tuple[tuple[str, answers.ShippingLine], ...]:
    there = [charge for charge in answer.shipping_lines.nodes if not charge.is_removed]
    return tuple((charge.id or f"{answer.id}-{index}", charge) for index, charge in enumerate(there))


def _discounted(charge: answers.ShippingLine) -> Decimal:
    """As it was bought, after discounts."""
    return charge.original_price_set.shop_money.amount - sum(
        (d.allocated_amount_set.shop_money.amount for d in charge.discount_allocations), Decimal(0)
    )


def _current_price(charge: answers.ShippingLine) -> Decimal:
    """After discounts and refunds."""
    return charge.current_discounted_price_set.shop_money.amount


def rate_of(tax: answers.TaxLine, at: str) -> Decimal:
    """The rate of a tax as a fraction. Raises ContractBroken where it has none."""
    if tax.rate is not None:
        return tax.rate
    if tax.rate_percentage is not None:
        return tax.rate_percentage / 100
    reason = f"{at}: the tax {tax.title!r} has no rate; set one in the store's tax settings"
    raise ContractBroken(SYSTEM, READ_ORDER, reason, tax.model_dump_json())


def _tax_key(tax: answers.TaxLine, at: str) -> _TaxKey:
    return tax.title, rate_of(tax, at)


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


def to_location_plan(answer: answers.FulfillmentOrder) -> LocationPlan:
    """What one location is to ship. On hold or scheduled for later still counts as open: it is to be shipped."""
    return LocationPlan(
        id=answer.id,
        location=location_of(answer),
        open=answer.status not in _OVER,
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


def location_of(answer: answers.FulfillmentOrder) -> str:
    """The location a fulfillment order is assigned to."""
    location = answer.assigned_location.location
    return location.id if location else NO_LOCATION


def to_fulfillments(fulfillments: Iterable[answers.Fulfillment]) -> tuple[Fulfillment, ...]:
    """What left; canceled and failed ones are left out."""
    return tuple(to_fulfillment(answer) for answer in fulfillments if answer.status in SHIPPED)


def to_fulfillment(answer: answers.Fulfillment) -> Fulfillment:
    """One fulfillment; units of a line that it took from several fulfillment orders are added up."""
    units: dict[str, int] = defaultdict(int)
    for line in answer.fulfillment_line_items.nodes:
        units[line.line_item.id] += line.quantity
    tracking = next((info for info in answer.tracking_info if info.number), None)
    return Fulfillment(
        fulfillment_id=answer.id,
        location=answer.location.id if answer.location else NO_LOCATION,
        lines=tuple(
            FulfillmentLine(line_id=line_id, quantity=quantity) for line_id, quantity in units.items()
        ),
        carrier=tracking.company if tracking else None,
        tracking_number=tracking.number if tracking else None,
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
