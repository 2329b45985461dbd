"""Parts of webhook bodies: snake case, numeric ids, amounts as strings."""

from typing import Any

from sandbox.store.charge_records import DutyRecord, TaxRecord
from sandbox.store.money import ZERO, Both, CurrencyPair
from sandbox.store.money_records import TransactionRecord
from sandbox.store.notation import gid, moment, text
from sandbox.store.parcel_records import FulfillmentRecord
from sandbox.store.party_records import AddressRecord, CustomerRecord
from sandbox.store.records import AllocationRecord, ApplicationRecord, LineRecord, OrderRecord, ShippingRecord

Json = dict[str, Any]


def money_set(amount: Both, pair: CurrencyPair) -> Json:
    """``*_set``: an amount in both currencies."""
    return {
        "shop_money": {"amount": text(amount.shop, pair.shop), "currency_code": pair.shop},
        "presentment_money": {
            "amount": text(amount.presentment, pair.presentment),
            "currency_code": pair.presentment,
        },
    }


def given(order: OrderRecord, application: int) -> Both:
    """What a discount comes to over all lines and delivery."""
    allocations = [d for line in order.lines for d in line.discounts]
    allocations += [d for charge in order.shipping for d in charge.discounts]
    return Both.total(d.amount for d in allocations if d.application == application)


def value_type(application: ApplicationRecord) -> str:
    """Shopify's word for the kind of a discount's value."""
    return "fixed_amount" if application.percent is None else "percentage"


def application_part(application: ApplicationRecord, pair: CurrencyPair) -> Json:
    """``discount_applications[]``."""
    fixed = application.amount
    value = str(application.percent) if fixed is None else text(fixed.shop, pair.shop)
    named = {"code": application.title} if application.kind == "code" else {"title": application.title}
    return {
        "type": {"code": "discount_code"}.get(application.kind, application.kind),
        "target_type": "shipping_line" if application.scope == "shipping" else "line_item",
        "target_selection": "explicit" if application.scope == "line" else "all",
        "allocation_method": "across" if application.scope == "order" else "one",
        "value": value,
        "value_type": value_type(application),
        **named,
    }


def tax_part(tax: TaxRecord, pair: CurrencyPair) -> Json:
    """``tax_lines[]``."""
    return {
        "title": tax.title,
        "rate": float(tax.rate),  # a number at Shopify too
        "price": text(tax.amount.shop, pair.shop),
        "price_set": money_set(tax.amount, pair),
        "channel_liable": False,
    }


def _allocation(allocation: AllocationRecord, pair: CurrencyPair) -> Json:
    return {
        "amount": text(allocation.amount.shop, pair.shop),
        "amount_set": money_set(allocation.amount, pair),
        "discount_application_index": allocation.application,
    }


def line_part(order: OrderRecord, line: LineRecord) -> Json:
    """``line_items[]``."""
    pair = order.currencies
    shipped = order.shipped(line.id)
    return {
        "id": line.id,
        "admin_graphql_api_id": gid("LineItem", line.id),
        "attributed_staffs": [],
        "current_quantity": line.current,
        "discount_allocations": [_allocation(d, pair) for d in line.discounts],
        "duties": [_duty(duty, pair) for duty in line.duties],
        "fulfillable_quantity": order.open_units(line),
        "fulfillment_service": "manual",
        "fulfillment_status": ("fulfilled" if shipped >= line.current else "partial") if shipped else None,
        "gift_card": False,
        "grams": 0,
        "name": line.title,
        "price": text(line.unit_price.shop, pair.shop),
        "price_set": money_set(line.unit_price, pair),
        "product_exists": not line.tip,
        "product_id": line.product_id or None,
        "properties": [{"name": name, "value": value} for name, value in line.attributes.items()],
        "quantity": line.quantity,
        "requires_shipping": line.requires_shipping,
        "sku": line.sku or None,
        "tax_lines": [tax_part(tax, pair) for tax in line.taxes],
        "taxable": bool(line.taxes),
        "title": line.title,
        "total_discount": text(line.discount.shop, pair.shop),
        "total_discount_set": money_set(line.discount, pair),
        "variant_id": line.variant_id or None,
        "variant_inventory_management": None if line.tip else "shopify",
        "variant_title": None,
        "vendor": None,
    }


def _duty(duty: DutyRecord, pair: CurrencyPair) -> Json:
    return {
        "id": duty.id,
        "admin_graphql_api_id": gid("Duty", duty.id),
        "harmonized_system_code": duty.hs_code,
        "country_code_of_origin": duty.country,
        "shop_money": money_set(duty.price, pair)["shop_money"],
        "presentment_money": money_set(duty.price, pair)["presentment_money"],
        "tax_lines": [tax_part(tax, pair) for tax in duty.taxes],
    }


def shipping_part(order: OrderRecord, charge: ShippingRecord) -> Json:
    """``shipping_lines[]``."""
    pair = order.currencies
    current = order.charge_price(charge, current=True)
    return {
        "id": charge.id,
        "carrier_identifier": None,
        "code": charge.code,
        "current_discounted_price_set": money_set(current, pair),
        "discount_allocations": [_allocation(d, pair) for d in charge.discounts],
        "discounted_price": text(charge.discounted.shop, pair.shop),
        "discounted_price_set": money_set(charge.discounted, pair),
        "is_removed": charge.removed or order.shipping_removed,
        "phone": None,
        "price": text(charge.price.shop, pair.shop),
        "price_set": money_set(charge.price, pair),
        "requested_fulfillment_service_id": None,
        "source": "shopify",
        "tax_lines": [tax_part(tax, pair) for tax in charge.taxes],
        "title": charge.title,
    }


def address_part(address: AddressRecord | None) -> Json | None:
    """``billing_address`` and ``shipping_address``."""
    if address is None:
        return None
    return {**address.model_dump(), "name": address.name, "latitude": None, "longitude": None}


def customer_part(order: OrderRecord, customer: CustomerRecord) -> Json:
    """``customer``."""
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


def fulfillment_part(order: OrderRecord, made: FulfillmentRecord) -> Json:
    """``fulfillments[]``."""
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
            {**line_part(order, order.line(line_id)), "quantity": quantity}
            for line_id, quantity in quantities.items()
        ],
    }


def transaction_part(order: OrderRecord, payment: TransactionRecord) -> Json:
    """``transactions[]``."""
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
        "source_name": order.source_name,
        "status": payment.status.lower(),
        "test": order.test,
        "total_unsettled_set": zero,
        "user_id": None,
    }
