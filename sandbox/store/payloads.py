"""Bodies of webhooks, in the shape of Shopify's REST resources."""

from domain.model import Frozen
from sandbox.store.money import ZERO, Both
from sandbox.store.money_records import RefundRecord, Restock
from sandbox.store.notation import gid, moment, text
from sandbox.store.payload_parts import (
    Json,
    address_part,
    application_part,
    customer_part,
    fulfillment_part,
    given,
    line_part,
    money_set,
    shipping_part,
    tax_part,
    transaction_part,
    value_type,
)
from sandbox.store.records import OrderRecord
from sandbox.store.return_records import ReturnRecord
from sandbox.store.state import Level
from sandbox.store.status import financial_status, fulfillment_status


class Delta(Frozen):
    """Units of a line that came or went; or, of a charge for delivery or a discount, only which it is."""

    id: int
    delta: int = 1


class EditSummary(Frozen):
    """What an edit did, as ``orders/edited`` tells it."""

    id: int
    added: tuple[Delta, ...] = ()
    removed: tuple[Delta, ...] = ()
    discounted: tuple[Delta, ...] = ()
    shipping_added: tuple[Delta, ...] = ()
    shipping_removed: tuple[Delta, ...] = ()


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
            {"code": a.title, "amount": text(given(order, i).shop, pair.shop), "type": value_type(a)}
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
        "note_attributes": [{"name": name, "value": value} for name, value in order.attributes.items()],
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
        "source_name": order.source_name,
        "source_url": None,
        "tags": "",
        "tax_exempt": False,
        "taxes_included": order.taxes_included,
        "test": order.test,
        "token": f"{order.id:032x}",
        "total_outstanding": text(outstanding.presentment, pair.presentment),
        "total_tip_received": text(
            Both.total(line.gross for line in order.lines if line.tip).shop, pair.shop
        ),
        "total_weight": 0,
        "updated_at": moment(order.updated_at),
        "user_id": None,
        "company": {"id": order.company.id, "location_id": order.company.location_id}
        if order.company
        else None,
        "customer": customer_part(order, order.customer) if order.customer else None,
        "billing_address": address_part(order.billing_address),
        "shipping_address": address_part(order.shipping_address),
        "discount_applications": [application_part(a, pair) for a in order.applications],
        "line_items": [line_part(order, line) for line in order.lines],
        "shipping_lines": [shipping_part(order, charge) for charge in order.shipping],
        "tax_lines": [tax_part(tax, pair) for tax in order.taxes(current=False)],
        "fulfillments": [fulfillment_part(order, f) for f in order.fulfillments],
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
    told |= {f"{name}_set": money_set(amount, pair) for name, amount in amounts.items()}
    told |= {
        "current_shipping_price_set": money_set(order.shipping_price(current=True), pair),
        "total_shipping_price_set": money_set(Both.total(c.price for c in order.shipping), pair),
        "total_cash_rounding_payment_adjustment_set": money_set(ZERO, pair),
        "total_cash_rounding_refund_adjustment_set": money_set(ZERO, pair),
    }
    fees = bool(order.fees)
    duties = any(line.duties for line in order.lines)
    return (
        told
        | {
            f"{age}_total_additional_fees_set": money_set(
                Both.total(fee.price for fee in order.owed_fees(current=age == "current")), pair
            )
            if fees
            else None
            for age in ("current", "original")
        }
        | {
            f"{age}_total_duties_set": money_set(order.duties(current=age == "current"), pair)
            if duties
            else None
            for age in ("current", "original")
        }
    )


def edit_body(order: OrderRecord, edit: EditSummary) -> Json:
    """Body of ``orders/edited``."""
    now = moment(order.updated_at)

    def ids(parts: tuple[Delta, ...]) -> list[Json]:
        return [{"id": part.id} for part in parts]

    return {
        "order_edit": {
            "id": edit.id,
            "app_id": None,
            "order_id": order.id,
            "created_at": now,
            "committed_at": now,
            "notify_customer": False,
            "staff_note": "",
            "user_id": None,
            "line_items": {
                "additions": [part.model_dump() for part in edit.added],
                "removals": [part.model_dump() for part in edit.removed],
            },
            "discounts": {"line_item": {"additions": ids(edit.discounted), "removals": []}},
            "shipping_lines": {
                "additions": ids(edit.shipping_added),
                "removals": ids(edit.shipping_removed),
            },
        }
    }


def risk_body(order: OrderRecord) -> Json:
    """Body of ``orders/risk_assessment_changed``; the assessment is the store's own."""
    return {
        "order_id": str(order.id),
        "admin_graphql_api_order_id": gid("Order", order.id),
        "provider_id": None,
        "provider_title": None,
        "risk_level": (order.risk_level or "NONE").lower(),
        "created_at": moment(order.updated_at),
    }


def refund_body(order: OrderRecord, refund: RefundRecord) -> Json:
    """Body of ``refunds/create``."""
    pair = order.currencies
    charges = {charge.id: charge for charge in order.shipping}
    return {
        "id": refund.id,
        "admin_graphql_api_id": gid("Refund", refund.id),
        "order_id": order.id,
        "created_at": moment(refund.created_at),
        "processed_at": moment(refund.created_at),
        "note": refund.note,
        "user_id": 1,
        "restock": any(line.restock is not Restock.NO_RESTOCK for line in refund.lines),
        "duties": [
            {
                "duty_id": part.duty_id,
                "amount_set": money_set(part.subtotal, pair),
            }
            for part in refund.duties
        ],
        "order_adjustments": _adjustments(order, refund),
        "refund_shipping_lines": [
            {
                "id": part.id,
                "shipping_line_id": part.charge_id,
                "subtotal_amount_set": money_set(part.subtotal, pair),
                "tax_amount_set": money_set(part.tax, pair),
                "shipping_line": shipping_part(order, charges[part.charge_id]),
            }
            for part in refund.shipping
        ],
        "return": _named("Return", refund.return_id) if refund.return_id else None,
        "total_duties_set": money_set(Both.total(part.subtotal for part in refund.duties), pair),
        "refund_line_items": [
            {
                "id": line.id,
                "line_item_id": line.line_id,
                "location_id": line.location_id,
                "quantity": line.quantity,
                "restock_type": line.restock.value.lower(),
                "subtotal": float(line.subtotal.shop),  # a number at Shopify too
                "subtotal_set": money_set(line.subtotal, pair),
                "total_tax": float(line.tax.shop),
                "total_tax_set": money_set(line.tax, pair),
                "line_item": line_part(order, order.line(line.line_id)),
            }
            for line in refund.lines
        ],
        "transactions": [transaction_part(order, order.transaction(each)) for each in refund.transaction_ids],
    }


def return_body(order: OrderRecord, wanted: ReturnRecord, topic: str) -> Json:
    """Body of ``returns/*``."""
    body: Json = {**_named("Return", wanted.id), "status": wanted.status.lower()}
    if topic in {"returns/close", "returns/cancel"}:
        return {**body, "order_id": order.id}
    body["order"] = _named("Order", order.id)
    if topic == "returns/decline":
        return {
            **body,
            "decline": {"reason": (wanted.decline_reason or "OTHER").lower(), "note": wanted.decline_note},
        }
    return {
        **body,
        # In Shopify's example it has none.
        "name": None,
        "return_line_items": [
            {
                **_named("ReturnLineItem", line.id),
                "quantity": line.quantity,
                "customer_note": line.customer_note,
                "fulfillment_line_item": _named("FulfillmentLineItem", line.fulfillment_line_id),
            }
            for line in wanted.lines
        ],
        "total_return_line_items": len(wanted.lines),
        "return_shipping_fees": [],
        "exchange_line_items": [
            {**_named("ExchangeLineItem", part.id), "line_item": None} for part in wanted.exchange
        ],
        "total_exchange_line_items": len(wanted.exchange),
    }


def _named(kind: str, number: int) -> Json:
    return {"id": number, "admin_graphql_api_id": gid(kind, number)}


def _adjustments(order: OrderRecord, refund: RefundRecord) -> list[Json]:
    """By how much the money differs from what units and delivery were worth."""
    amount = order.refund_adjustment(refund)
    if not amount.presentment:
        return []
    pair = order.currencies
    return [
        {
            "id": refund.id,
            "order_id": order.id,
            "refund_id": refund.id,
            "kind": "refund_discrepancy",
            "reason": "Refund discrepancy",
            "amount": text(amount.shop, pair.shop),
            "amount_set": money_set(amount, pair),
            "tax_amount": text(ZERO.shop, pair.shop),
            "tax_amount_set": money_set(ZERO, pair),
        }
    ]


def level_body(level: Level) -> Json:
    """``inventory_levels/update``."""
    level_id = f"{level.location_id}?inventory_item_id={level.inventory_item_id}"
    return {
        "inventory_item_id": level.inventory_item_id,
        "location_id": level.location_id,
        "available": level.available,
        "updated_at": moment(level.updated_at),
        "admin_graphql_api_id": gid("InventoryLevel", level_id),
    }
