"""Bodies of webhooks, in the shape of Shopify's REST resources: snake case, numeric ids, amounts as
strings.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sandbox.store.money import ZERO, Both, CurrencyPair, minor_unit
from sandbox.store.records import (
    AddressRecord,
    AllocationRecord,
    ApplicationRecord,
    CustomerRecord,
    FulfillmentRecord,
    LineRecord,
    OrderRecord,
    RefundRecord,
    ShippingRecord,
    TaxRecord,
    TransactionRecord,
)
from sandbox.store.status import financial_status, fulfillment_status

Json = dict[str, Any]


def gid(kind: str, number: int | str) -> str:
    """Shopify's global id."""
    return f"gid://shopify/{kind}/{number}"


def moment(value: datetime | None) -> str | None:
    """A time as Shopify writes it, whole seconds in UTC."""
    return value.strftime("%Y-%m-%dT%H:%M:%SZ") if value else None


def text(amount: Decimal, currency: str) -> str:
    """An amount with all digits of its currency."""
    return str(amount.quantize(minor_unit(currency)))


def order_body(order: OrderRecord, shop_domain: str) -> Json:
    """Body of every ``orders/*`` topic but ``orders/edited``."""
    pair = order.currencies
    gateways = list(dict.fromkeys(t.gateway for t in order.transactions))
    outstanding = order.total(current=True) - (order.received - order.refunded)
    body: Json = {
        "id": order.id,
        "admin_graphql_api_id": gid("Order", order.id),
        "app_id": None,
        "browser_ip": None,
        "buyer_accepts_marketing": False,
        "cancel_reason": order.cancel_reason,
        "cancelled_at": moment(order.cancelled_at),
        "cart_token": None,
        "checkout_token": None,
        "client_details": None,
        "closed_at": None,
        "confirmation_number": None,
        "confirmed": True,
        "contact_email": order.email,
        "created_at": moment(order.created_at),
        "currency": pair.shop,
        "customer_locale": "en",
        "device_id": None,
        "discount_codes": [
            {"code": a.title, "amount": text(_given(order, i).shop, pair.shop), "type": _code_type(a)}
            for i, a in enumerate(order.applications)
            if a.kind == "code"
        ],
        "duties_included": False,
        "email": order.email,
        "estimated_taxes": False,
        "financial_status": financial_status(order).lower(),
        "fulfillment_status": {"FULFILLED": "fulfilled", "PARTIALLY_FULFILLED": "partial"}.get(
            fulfillment_status(order)
        ),
        "landing_site": None,
        "landing_site_ref": None,
        "line_item_groups": [],
        "location_id": None,
        "merchant_business_entity_id": "1",
        "merchant_of_record_app_id": None,
        "name": order.name,
        "note": order.note,
        "note_attributes": [],
        "number": order.number - 1000,
        "order_number": order.number,
        "order_status_url": f"https://{shop_domain}/orders/{order.id}",
        "payment_gateway_names": gateways,
        "payment_terms": None,
        "phone": order.phone,
        "po_number": order.po_number,
        "presentment_currency": pair.presentment,
        "processed_at": moment(order.created_at),
        "reference": None,
        "referring_site": None,
        "source_identifier": None,
        "source_name": "web",
        "source_url": None,
        "tags": "",
        "tax_exempt": False,
        "taxes_included": order.taxes_included,
        "test": order.test,
        "token": f"{order.id:032x}",
        "total_outstanding": text(outstanding.presentment, pair.presentment),
        "total_tip_received": "0.00",
        "total_weight": 0,
        "updated_at": moment(order.updated_at),
        "user_id": None,
        "company": {"id": order.company.id, "location_id": order.company.location_id}
        if order.company
        else None,
        "customer": _customer(order, order.customer) if order.customer else None,
        "billing_address": _address(order.billing_address),
        "shipping_address": _address(order.shipping_address),
        "discount_applications": [_application(a, pair) for a in order.applications],
        "line_items": [_line(order, line) for line in order.lines],
        "shipping_lines": [_shipping(order, charge) for charge in order.shipping],
        "tax_lines": [_tax(tax, pair) for tax in order.taxes(current=False)],
        "fulfillments": [_fulfillment(order, f) for f in order.fulfillments],
        "refunds": [refund_body(order, refund) for refund in order.refunds],
        "returns": [],
    }
    return {**body, **_totals(order)}


def _totals(order: OrderRecord) -> Json:
    pair = order.currencies
    amounts = {
        "current_subtotal_price": order.subtotal(current=True),
        "current_total_discounts": order.discounts(current=True),
        "current_total_price": order.total(current=True),
        "current_total_tax": order.total_tax(current=True),
        "subtotal_price": order.subtotal(current=False),
        "total_discounts": order.discounts(current=False),
        "total_line_items_price": Both.total(line.gross for line in order.lines),
        "total_price": order.total(current=False),
        "total_tax": order.total_tax(current=False),
    }
    told: Json = {name: text(amount.shop, pair.shop) for name, amount in amounts.items()}
    told |= {f"{name}_set": _set(amount, pair) for name, amount in amounts.items()}
    told |= {
        "current_shipping_price_set": _set(order.shipping_price(current=True), pair),
        "total_shipping_price_set": _set(Both.total(c.price for c in order.shipping), pair),
        "total_cash_rounding_payment_adjustment_set": _set(ZERO, pair),
        "total_cash_rounding_refund_adjustment_set": _set(ZERO, pair),
    }
    absent = (
        "current_total_additional_fees_set",
        "current_total_duties_set",
        "original_total_additional_fees_set",
        "original_total_duties_set",
    )
    return told | dict.fromkeys(absent)


def edit_body(order: OrderRecord, line_id: int, removed: int, edit_id: int) -> Json:
    """Body of ``orders/edited``."""
    now = moment(order.updated_at)
    return {
        "order_edit": {
            "id": edit_id,
            "app_id": None,
            "order_id": order.id,
            "created_at": now,
            "committed_at": now,
            "notify_customer": False,
            "staff_note": "",
            "user_id": None,
            "line_items": {"additions": [], "removals": [{"id": line_id, "delta": removed}]},
            "discounts": {"line_item": {"additions": [], "removals": []}},
            "shipping_lines": {"additions": [], "removals": []},
        }
    }


def refund_body(order: OrderRecord, refund: RefundRecord) -> Json:
    """Body of ``refunds/create``."""
    pair = order.currencies
    return {
        "id": refund.id,
        "admin_graphql_api_id": gid("Refund", refund.id),
        "order_id": order.id,
        "created_at": moment(refund.created_at),
        "processed_at": moment(refund.created_at),
        "note": refund.note,
        "user_id": 1,
        "restock": any(line.restocked for line in refund.lines),
        "duties": [],
        "order_adjustments": [],
        "refund_shipping_lines": [],
        "return": None,
        "total_duties_set": _set(ZERO, pair),
        "refund_line_items": [
            {
                "id": line.id,
                "line_item_id": line.line_id,
                "location_id": line.location_id,
                "quantity": line.quantity,
                "restock_type": "cancel" if line.restocked else "no_restock",
                "subtotal": float(line.subtotal.shop),  # a number at Shopify too
                "subtotal_set": _set(line.subtotal, pair),
                "total_tax": float(line.tax.shop),
                "total_tax_set": _set(line.tax, pair),
                "line_item": _line(order, order.line(line.line_id)),
            }
            for line in refund.lines
        ],
        "transactions": [_transaction(order, order.transaction(each)) for each in refund.transaction_ids],
    }


def _set(amount: Both, pair: CurrencyPair) -> Json:
    return {
        "shop_money": {"amount": text(amount.shop, pair.shop), "currency_code": pair.shop},
        "presentment_money": {
            "amount": text(amount.presentment, pair.presentment),
            "currency_code": pair.presentment,
        },
    }


def _given(order: OrderRecord, application: int) -> Both:
    allocations = [d for line in order.lines for d in line.discounts]
    allocations += [d for charge in order.shipping for d in charge.discounts]
    return Both.total(d.amount for d in allocations if d.application == application)


def _code_type(application: ApplicationRecord) -> str:
    return "fixed_amount" if application.percent is None else "percentage"


def _application(application: ApplicationRecord, pair: CurrencyPair) -> Json:
    fixed = application.amount
    value = str(application.percent) if fixed is None else text(fixed.shop, pair.shop)
    named = {"code": application.title} if application.kind == "code" else {"title": application.title}
    return {
        "type": {"code": "discount_code"}.get(application.kind, application.kind),
        "target_type": "shipping_line" if application.scope == "shipping" else "line_item",
        "target_selection": "explicit" if application.scope == "line" else "all",
        "allocation_method": "across" if application.scope == "order" else "one",
        "value": value,
        "value_type": _code_type(application),
        **named,
    }


def _tax(tax: TaxRecord, pair: CurrencyPair) -> Json:
    return {
        "title": tax.title,
        "rate": float(tax.rate),  # a number at Shopify too
        "price": text(tax.amount.shop, pair.shop),
        "price_set": _set(tax.amount, pair),
        "channel_liable": False,
    }


def _allocation(allocation: AllocationRecord, pair: CurrencyPair) -> Json:
    return {
        "amount": text(allocation.amount.shop, pair.shop),
        "amount_set": _set(allocation.amount, pair),
        "discount_application_index": allocation.application,
    }


def _line(order: OrderRecord, line: LineRecord) -> Json:
    pair = order.currencies
    shipped = order.shipped(line.id)
    return {
        "id": line.id,
        "admin_graphql_api_id": gid("LineItem", line.id),
        "attributed_staffs": [],
        "current_quantity": line.current,
        "discount_allocations": [_allocation(d, pair) for d in line.discounts],
        "duties": [],
        "fulfillable_quantity": line.current - shipped,
        "fulfillment_service": "manual",
        "fulfillment_status": ("fulfilled" if shipped >= line.current else "partial") if shipped else None,
        "gift_card": False,
        "grams": 0,
        "name": line.title,
        "price": text(line.unit_price.shop, pair.shop),
        "price_set": _set(line.unit_price, pair),
        "product_exists": True,
        "product_id": line.product_id,
        "properties": [],
        "quantity": line.quantity,
        "requires_shipping": line.requires_shipping,
        "sku": line.sku,
        "tax_lines": [_tax(tax, pair) for tax in line.taxes],
        "taxable": bool(line.taxes),
        "title": line.title,
        "total_discount": text(line.discount.shop, pair.shop),
        "total_discount_set": _set(line.discount, pair),
        "variant_id": line.variant_id,
        "variant_inventory_management": "shopify",
        "variant_title": None,
        "vendor": None,
    }


def _shipping(order: OrderRecord, charge: ShippingRecord) -> Json:
    pair = order.currencies
    current = ZERO if order.shipping_removed else charge.discounted
    return {
        "id": charge.id,
        "carrier_identifier": None,
        "code": charge.code,
        "current_discounted_price_set": _set(current, pair),
        "discount_allocations": [_allocation(d, pair) for d in charge.discounts],
        "discounted_price": text(charge.discounted.shop, pair.shop),
        "discounted_price_set": _set(charge.discounted, pair),
        "is_removed": order.shipping_removed,
        "phone": None,
        "price": text(charge.price.shop, pair.shop),
        "price_set": _set(charge.price, pair),
        "requested_fulfillment_service_id": None,
        "source": "shopify",
        "tax_lines": [_tax(tax, pair) for tax in charge.taxes],
        "title": charge.title,
    }


def _address(address: AddressRecord | None) -> Json | None:
    if address is None:
        return None
    return {**address.model_dump(), "name": address.name, "latitude": None, "longitude": None}


def _customer(order: OrderRecord, customer: CustomerRecord) -> Json:
    created = moment(order.created_at)
    return {
        "id": customer.id,
        "admin_graphql_api_id": gid("Customer", customer.id),
        "created_at": created,
        "updated_at": created,
        "currency": order.currencies.shop,
        "email": customer.email,
        "first_name": customer.first_name,
        "last_name": customer.last_name,
        "multipass_identifier": None,
        "note": None,
        "phone": None,
        "state": "enabled",
        "tags": "",
        "tax_exempt": False,
        "tax_exemptions": [],
        "verified_email": True,
        "default_address": _default_address(customer, order.shipping_address),
    }


def _default_address(customer: CustomerRecord, address: AddressRecord | None) -> Json | None:
    if address is None:
        return None
    return {
        **address.model_dump(),
        "id": customer.id,
        "customer_id": customer.id,
        "name": address.name,
        "country_name": address.country,
        "default": True,
    }


def _fulfillment(order: OrderRecord, made: FulfillmentRecord) -> Json:
    numbers = [t.number for t in made.tracking if t.number]
    urls = [t.url for t in made.tracking if t.url]
    quantities = {part.line_id: part.quantity for part in made.lines}
    return {
        "id": made.id,
        "admin_graphql_api_id": gid("Fulfillment", made.id),
        "created_at": moment(made.created_at),
        "updated_at": moment(made.created_at),
        "location_id": made.location_id,
        "name": f"{order.name}.{order.fulfillments.index(made) + 1}",
        "order_id": order.id,
        "origin_address": {},
        "receipt": {},
        "service": "manual",
        "shipment_status": None,
        "status": "success",
        "tracking_company": made.tracking[0].company if made.tracking else None,
        "tracking_number": numbers[0] if numbers else None,
        "tracking_numbers": numbers,
        "tracking_url": urls[0] if urls else None,
        "tracking_urls": urls,
        "line_items": [
            {**_line(order, order.line(line_id)), "quantity": quantity}
            for line_id, quantity in quantities.items()
        ],
    }


def _transaction(order: OrderRecord, payment: TransactionRecord) -> Json:
    pair = order.currencies
    zero = {
        "presentment_money": {
            "amount": text(ZERO.presentment, pair.presentment),
            "currency": pair.presentment,
        },
        "shop_money": {"amount": text(ZERO.shop, pair.shop), "currency": pair.shop},
    }
    return {
        "id": payment.id,
        "admin_graphql_api_id": gid("OrderTransaction", payment.id),
        "amount": text(payment.amount.presentment, pair.presentment),
        "amount_rounding": None,
        "authorization": None,
        "created_at": moment(payment.created_at),
        "currency": pair.presentment,
        "device_id": None,
        "error_code": None,
        "gateway": payment.gateway,
        "kind": payment.kind.value.lower(),
        "location_id": None,
        "manual_payment_gateway": payment.gateway == "manual",
        "message": None,
        "order_id": order.id,
        "parent_id": payment.parent_id,
        "payment_id": f"{order.name}.{payment.id}",
        "processed_at": moment(payment.created_at),
        "receipt": {},
        "source_name": "web",
        "status": payment.status.lower(),
        "test": order.test,
        "total_unsettled_set": zero,
        "user_id": None,
    }
