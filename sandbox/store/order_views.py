"""How orders look through GraphQL: dicts of answers, or functions of the field's arguments.

Functions are called only where a document asks for the field, so that a view costs what is selected.
"""

from collections.abc import Sequence
from typing import Any

from sandbox.store.catalog_views import (
    View,
    first_of,
    lazily,
    location_view,
    money,
    money_bag,
    product_view,
    variant_view,
)
from sandbox.store.charge_records import DutyRecord, FeeRecord, TaxRecord
from sandbox.store.money import ZERO, Both
from sandbox.store.notation import gid, moment
from sandbox.store.parcel_views import ParcelViews
from sandbox.store.party_records import AddressRecord, CustomerRecord
from sandbox.store.payment_views import PaymentViews
from sandbox.store.records import (
    AllocationRecord,
    LineRecord,
    OrderRecord,
    ShippingRecord,
)
from sandbox.store.refund_views import RefundViews
from sandbox.store.return_views import ReturnViews
from sandbox.store.search import connection
from sandbox.store.state import State
from sandbox.store.status import financial_status, fulfillment_status, is_paid


class OrderViews:
    """Views of one order and its parts."""

    def __init__(self, state: State, order: OrderRecord) -> None:
        self.state = state
        self.order = order
        self.parcels = ParcelViews(self)
        self.payments = PaymentViews(self)
        self.refunds = RefundViews(self)
        self.returns = ReturnViews(self)

    def view(self) -> View:
        """Order."""
        order = self.order
        return {
            **self._facts(),
            **self._amounts(),
            **self._parties(),
            "lineItems": connection(lambda: [self.line(line) for line in order.lines]),
            "shippingLine": lazily(
                lambda: next((self.shipping(c) for c in order.charges(current=False)), None)
            ),
            "shippingLines": connection(lambda: [self.shipping(c) for c in order.charges(current=True)]),
            "discountApplications": connection(
                lambda: [self.application(i) for i, _ in enumerate(order.applications)]
            ),
            "taxLines": lazily(lambda: self._taxes(order.taxes(current=False))),
            "currentTaxLines": lazily(lambda: self._taxes(order.taxes(current=True))),
            "additionalFees": lazily(lambda: [self._fee(fee) for fee in order.fees]),
            "fulfillmentOrders": lambda info, displayable=None, **page: connection(  # noqa: ARG005  all are shown
                lambda: [self.parcels.plan(plan) for plan in order.fulfillment_orders]
            )(info, **page),
            "fulfillments": first_of(lambda: [self.parcels.fulfillment(each) for each in order.fulfillments]),
            "fulfillmentsCount": {"count": len(order.fulfillments), "precision": "EXACT"},
            "transactions": self.payments.transactions,
            "transactionsCount": {"count": len(order.transactions), "precision": "EXACT"},
            "refunds": first_of(lambda: [self.refunds.refund(each) for each in order.refunds]),
            "suggestedRefund": self.refunds.suggested,
            "returns": self.returns.all,
            "returnStatus": lazily(self.returns.status),
        }

    def bag(self, amount: Both) -> View:
        """MoneyBag in the order's currencies."""
        return money_bag(amount, self.order.currencies)

    def _facts(self) -> View:
        order = self.order
        return {
            "id": gid("Order", order.id),
            "legacyResourceId": str(order.id),
            "name": order.name,
            "number": order.number,
            "createdAt": moment(order.created_at),
            "processedAt": moment(order.created_at),
            "updatedAt": moment(order.updated_at),
            "cancelledAt": moment(order.cancelled_at),
            "cancelReason": order.cancel_reason.upper() if order.cancel_reason else None,
            "closed": False,
            "closedAt": None,
            "confirmed": True,
            "currencyCode": order.currencies.shop,
            "presentmentCurrencyCode": order.currencies.presentment,
            "customAttributes": [{"key": key, "value": value} for key, value in order.attributes.items()],
            "discountCodes": [a.title for a in order.applications if a.kind == "code"],
            "displayFinancialStatus": financial_status(order),
            "displayFulfillmentStatus": fulfillment_status(order),
            "edited": order.edited,
            "email": order.email,
            "phone": order.phone,
            "note": order.note,
            "poNumber": order.po_number,
            "requiresShipping": any(line.requires_shipping for line in order.lines),
            "fulfillable": any(part.remaining for plan in order.fulfillment_orders for part in plan.lines),
            "capturable": any(order.capturable(a) != ZERO for a in order.authorizations()),
            "fullyPaid": is_paid(order),
            "unpaid": not order.received.presentment,
            "paymentGatewayNames": list(dict.fromkeys(t.gateway for t in order.transactions)),
            "sourceName": order.source_name,
            "dutiesIncluded": False,
            "currentTotalDutiesSet": None,
            "originalTotalDutiesSet": None,
            "currentTotalAdditionalFeesSet": None,
            "risk": {
                "recommendation": order.risk,
                "assessments": [{"riskLevel": order.risk_level}] if order.risk_level else [],
            },
            "tags": [],
            "taxesIncluded": order.taxes_included,
            "test": order.test,
            "currentSubtotalLineItemsQuantity": sum(line.current for line in order.lines),
        }

    def _amounts(self) -> View:
        order = self.order
        amounts = {
            "currentShippingPriceSet": lambda: order.shipping_price(current=True),
            "currentSubtotalPriceSet": lambda: order.subtotal(current=True),
            "currentTotalDiscountsSet": lambda: order.discounts(current=True),
            "currentTotalPriceSet": lambda: order.total(current=True),
            "currentTotalTaxSet": lambda: order.total_tax(current=True),
            "netPaymentSet": lambda: order.received - order.refunded,
            "originalTotalPriceSet": lambda: order.original_total,
            "subtotalPriceSet": lambda: order.subtotal(current=False),
            "totalCapturableSet": lambda: Both.total(map(order.capturable, order.authorizations())),
            "totalDiscountsSet": lambda: order.discounts(current=False),
            "refundDiscrepancySet": lambda: Both.total(map(order.refund_adjustment, order.refunds)),
            "totalOutstandingSet": lambda: order.total(current=True) - (order.received - order.refunded),
            "totalPriceSet": lambda: order.total(current=False),
            "totalReceivedSet": lambda: order.received,
            "totalRefundedSet": lambda: order.refunded,
            "totalShippingPriceSet": lambda: Both.total(c.price for c in order.charges(current=False)),
            "totalTaxSet": lambda: order.total_tax(current=False),
            "totalTipReceivedSet": lambda: Both.total(line.gross for line in order.lines if line.tip),
        }
        if any(line.duties for line in order.lines):
            amounts["currentTotalDutiesSet"] = lambda: order.duties(current=True)
            amounts["originalTotalDutiesSet"] = lambda: order.duties(current=False)
        if order.fees:
            amounts["currentTotalAdditionalFeesSet"] = lambda: Both.total(
                fee.price for fee in order.owed_fees(current=True)
            )
        return {name: lambda _info, amount=amount: self.bag(amount()) for name, amount in amounts.items()}

    def _parties(self) -> View:
        order = self.order
        customer = self._customer(order.customer) if order.customer else None
        entity = customer
        if order.company:
            entity = {
                "__typename": "PurchasingCompany",
                "company": {
                    "id": gid("Company", order.company.id),
                    "name": order.company.name,
                    "externalId": None,
                },
                "contact": {
                    "id": gid("CompanyContact", order.customer.id),
                    "title": None,
                    "customer": customer,
                }
                if order.customer
                else None,
                "location": {
                    "id": gid("CompanyLocation", order.company.location_id),
                    "name": order.company.name,
                    "externalId": None,
                },
            }
        return {
            "customer": customer,
            "purchasingEntity": entity,
            "billingAddress": self._address(order.billing_address, "billing"),
            "shippingAddress": self._address(order.shipping_address, "shipping"),
        }

    def _customer(self, customer: CustomerRecord) -> View:
        return {
            "__typename": "Customer",
            "id": gid("Customer", customer.id),
            "legacyResourceId": str(customer.id),
            "firstName": customer.first_name,
            "lastName": customer.last_name,
            "displayName": customer.name,
            "defaultEmailAddress": {"emailAddress": customer.email} if customer.email else None,
            "taxExempt": False,
        }

    def _address(self, address: AddressRecord | None, use: str) -> View | None:
        if address is None:
            return None
        return {
            "id": f"{gid('MailingAddress', self.order.id)}?model_name=Address&use={use}",
            "name": address.name,
            "firstName": address.first_name,
            "lastName": address.last_name,
            "company": address.company,
            "address1": address.address1,
            "address2": address.address2,
            "city": address.city,
            "zip": address.zip,
            "province": address.province,
            "provinceCode": address.province_code,
            "country": address.country,
            "countryCodeV2": address.country_code,
            "phone": address.phone,
        }

    def line(self, line: LineRecord) -> View:
        """LineItem."""
        variant = self.state.variant("id", line.variant_id)
        assert (variant is None) == line.tip
        own = Both.total(
            d.amount for d in line.discounts if self.order.applications[d.application].scope == "line"
        )
        units = self.order.currencies
        return {
            "id": gid("LineItem", line.id),
            "sku": line.sku or None,
            "name": line.title,
            "title": line.title,
            "variantTitle": None,
            "quantity": line.quantity,
            "currentQuantity": line.current,
            "unfulfilledQuantity": self.order.open_units(line),
            "nonFulfillableQuantity": line.quantity if line.tip else 0,
            "refundableQuantity": line.current,
            "requiresShipping": line.requires_shipping,
            "taxable": bool(line.taxes),
            "isGiftCard": False,
            "customAttributes": [{"key": key, "value": value} for key, value in line.attributes.items()],
            "originalUnitPriceSet": self.bag(line.unit_price),
            "originalTotalSet": self.bag(line.gross),
            "totalDiscountSet": self.bag(line.discount),
            "discountedTotalSet": self.bag(line.gross - own),
            "discountedUnitPriceSet": self.bag(units.share(line.gross - own, 1, line.quantity)),
            "discountedUnitPriceAfterAllDiscountsSet": self.bag(
                units.share(line.gross - line.discount, 1, line.quantity)
            ),
            "discountAllocations": lazily(lambda: self._allocations(line.discounts)),
            "taxLines": first_of(lambda: self._taxes(line.taxes)),
            "duties": lazily(lambda: [self.duty(duty) for duty in line.duties]),
            "product": lazily(lambda: product_view(variant) if variant else None),
            "variant": lazily(lambda: variant_view(self.state, variant) if variant else None),
        }

    def duty(self, duty: DutyRecord) -> View:
        """Duty."""
        return {
            "id": gid("Duty", duty.id),
            "countryCodeOfOrigin": duty.country,
            "harmonizedSystemCode": duty.hs_code,
            "price": self.bag(duty.price),
            "taxLines": lazily(lambda: self._taxes(duty.taxes)),
        }

    def _fee(self, fee: FeeRecord) -> View:
        return {
            "id": gid("AdditionalFee", fee.id),
            "name": fee.name,
            "price": self.bag(fee.price),
            "taxLines": lazily(lambda: self._taxes(fee.taxes)),
        }

    def shipping(self, charge: ShippingRecord) -> View:
        """ShippingLine."""
        return {
            "id": gid("ShippingLine", charge.id),
            "code": charge.code,
            "title": charge.title,
            "carrierIdentifier": None,
            "custom": False,
            "isRemoved": charge.removed or self.order.shipping_removed,
            "source": "shopify",
            "originalPriceSet": self.bag(charge.price),
            "discountedPriceSet": self.bag(charge.discounted),
            "currentDiscountedPriceSet": self.bag(self.order.charge_price(charge, current=True)),
            "discountAllocations": lazily(lambda: self._allocations(charge.discounts)),
            "taxLines": lazily(lambda: self._taxes(charge.taxes)),
        }

    def application(self, place: int) -> View:
        """DiscountApplication."""
        given = self.order.applications[place]
        if given.amount is not None:
            pair = self.order.currencies
            value = money(given.amount.presentment, pair.presentment)
        else:
            assert given.percent is not None
            value = {"__typename": "PricingPercentageValue", "percentage": float(given.percent)}
        kinds = {"manual": "Manual", "code": "DiscountCode", "automatic": "Automatic"}
        return {
            "__typename": f"{kinds[given.kind]}{'' if given.kind == 'code' else 'Discount'}Application",
            "index": place,
            "allocationMethod": "ACROSS" if given.scope == "order" else "EACH",
            "targetSelection": "EXPLICIT" if given.scope == "line" else "ALL",
            "targetType": "SHIPPING_LINE" if given.scope == "shipping" else "LINE_ITEM",
            "title": given.title,
            "code": given.title,
            "description": None,
            "value": value,
        }

    def _allocations(self, allocations: Sequence[AllocationRecord]) -> list[View]:
        return [
            {
                "allocatedAmountSet": self.bag(each.amount),
                "discountApplication": self.application(each.application),
            }
            for each in allocations
        ]

    def _taxes(self, taxes: Sequence[TaxRecord]) -> list[View]:
        return [
            {
                "title": tax.title,
                "rate": float(tax.rate),
                "ratePercentage": float(tax.rate * 100),
                "priceSet": self.bag(tax.amount),
                "channelLiable": False,
                "source": "Shopify",
            }
            for tax in taxes
        ]

    def location(self, location_id: int) -> Any:
        """Location."""
        return lazily(lambda: location_view(self.state, location_id))
