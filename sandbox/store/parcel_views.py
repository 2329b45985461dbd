"""How fulfillment orders and fulfillments look through GraphQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.store.catalog_views import first_of, lazily, variant_view
from sandbox.store.notation import gid, moment
from sandbox.store.plans import open_what_is_due
from sandbox.store.search import connection

if TYPE_CHECKING:
    from sandbox.store.catalog_views import View
    from sandbox.store.order_views import OrderViews
    from sandbox.store.parcel_records import (
        FulfillmentLineRecord,
        FulfillmentOrderLineRecord,
        FulfillmentOrderRecord,
        FulfillmentRecord,
    )


def _hold(hold_id: int) -> View:
    return {
        "id": gid("FulfillmentHold", hold_id),
        "reason": "AWAITING_PAYMENT",
        "displayReason": "Awaiting payment",
        "reasonNotes": None,
        "heldByRequestingApp": False,
    }


class ParcelViews:
    """Views of what is to ship and what has shipped of one order."""

    def __init__(self, views: OrderViews) -> None:
        self._views = views

    def plan(self, plan: FulfillmentOrderRecord) -> View:
        """FulfillmentOrder."""
        order = self._views.order
        open_what_is_due(order)
        made = [f for f in order.fulfillments if plan.id in f.fulfillment_order_ids]
        return {
            "id": gid("FulfillmentOrder", plan.id),
            "status": plan.status,
            "requestStatus": "UNSUBMITTED",
            "fulfillmentHolds": [_hold(plan.hold_id)] if plan.hold_id else [],
            "createdAt": moment(plan.created_at),
            "updatedAt": moment(plan.updated_at),
            "fulfillAt": moment(plan.fulfill_at or plan.created_at),
            "order": lazily(self._views.view),
            "orderId": gid("Order", order.id),
            "orderName": order.name,
            "assignedLocation": {
                "name": self._views.state.locations()[plan.location_id],
                "countryCode": "US",
                "location": self._views.location(plan.location_id),
            },
            "destination": lazily(lambda: self._destination(plan)),
            "lineItems": connection(lambda: [self._plan_line(part) for part in plan.lines]),
            "fulfillments": connection(lambda: [self.fulfillment(each) for each in made]),
        }

    def _destination(self, plan: FulfillmentOrderRecord) -> View | None:
        order = self._views.order
        address = order.shipping_address
        if address is None:
            return None
        return {
            "id": gid("FulfillmentOrderDestination", plan.id),
            "firstName": address.first_name,
            "lastName": address.last_name,
            "company": address.company,
            "address1": address.address1,
            "address2": address.address2,
            "city": address.city,
            "zip": address.zip,
            "province": address.province,
            "countryCode": address.country_code,
            "email": order.email,
            "phone": address.phone,
        }

    def _plan_line(self, part: FulfillmentOrderLineRecord) -> View:
        line = self._views.order.line(part.line_id)
        variant = self._views.state.variant("id", line.variant_id)
        assert variant is not None
        return {
            "id": gid("FulfillmentOrderLineItem", part.id),
            "lineItem": lazily(lambda: self._views.line(line)),
            "totalQuantity": part.total,
            "remainingQuantity": part.remaining,
            "inventoryItemId": gid("InventoryItem", variant.inventory_item_id),
            "productTitle": line.title,
            "requiresShipping": line.requires_shipping,
            "sku": line.sku,
            "variant": lazily(lambda: variant_view(self._views.state, variant)),
        }

    def fulfillment(self, made: FulfillmentRecord) -> View:
        """Fulfillment."""
        order = self._views.order
        return {
            "id": gid("Fulfillment", made.id),
            "legacyResourceId": str(made.id),
            "name": made.name,
            "status": "SUCCESS",
            "displayStatus": "FULFILLED",
            "createdAt": moment(made.created_at),
            "updatedAt": moment(made.created_at),
            "totalQuantity": sum(part.quantity for part in made.lines),
            "location": self._views.location(made.location_id),
            "order": lazily(self._views.view),
            "trackingInfo": first_of(lambda: [each.model_dump() for each in made.tracking]),
            "fulfillmentLineItems": connection(lambda: [self.fulfillment_line(part) for part in made.lines]),
            "fulfillmentOrders": connection(
                lambda: [self.plan(order.fulfillment_order(each)) for each in made.fulfillment_order_ids]
            ),
        }

    def fulfillment_line(self, part: FulfillmentLineRecord) -> View:
        """FulfillmentLineItem."""
        order = self._views.order
        line = order.line(part.line_id)
        discounted = order.currencies.share(line.gross - line.discount, part.quantity, line.quantity)
        return {
            "id": gid("FulfillmentLineItem", part.id),
            "quantity": part.quantity,
            "lineItem": lazily(lambda: self._views.line(line)),
            "originalTotalSet": self._views.bag(line.unit_price.times(part.quantity)),
            "discountedTotalSet": self._views.bag(discounted),
        }
