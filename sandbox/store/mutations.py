"""The things an app can do to the store through GraphQL. Refusals are ``userErrors``, as at Shopify."""

from decimal import Decimal
from typing import Any

from sandbox.store import exchanging, jobs, payments, refunding
from sandbox.store.catalog_views import Info, View, item_view, lazily, location_view
from sandbox.store.fulfillment import fulfill, open_scheduled
from sandbox.store.inventory import Adjustment, LevelError, WantedLevel, set_levels
from sandbox.store.moving import move
from sandbox.store.notation import gid, number
from sandbox.store.order_views import OrderViews
from sandbox.store.orders import why_not_cancelable
from sandbox.store.outbox import Outbox
from sandbox.store.records import NotAllowed, OrderRecord
from sandbox.store.refund_views import duties_wanted, shipping_wanted, units_wanted
from sandbox.store.state import State

_NO_PLAN = "FULFILLMENT_ORDER_NOT_FOUND"


class Mutations:
    """Resolvers of ``Mutation``. ``job_delay`` is how many seconds a cancel takes."""

    def __init__(self, state: State, outbox: Outbox) -> None:
        self._state = state
        self._outbox = outbox
        self.job_delay = 0.0

    def create_fulfillment(self, _info: Info, *, fulfillment: View, message: str | None = None) -> View:
        """``fulfillmentCreate``; the message to the buyer goes nowhere."""
        del message
        wanted = [
            (
                number(each["fulfillmentOrderId"], "FulfillmentOrder") or 0,
                _units(each.get("fulfillmentOrderLineItems")),
            )
            for each in fulfillment["lineItemsByFulfillmentOrder"]
        ]
        try:
            order, made = fulfill(self._state, self._outbox, wanted, fulfillment.get("trackingInfo") or {})
        except NotAllowed as refusal:
            return {"fulfillment": None, "userErrors": [_user_error(refusal)]}
        return {"fulfillment": OrderViews(self._state, order).parcels.fulfillment(made), "userErrors": []}

    def move_fulfillment_order(
        self,
        _info: Info,
        *,
        id: str,  # noqa: A002  GraphQL's name
        newLocationId: str,  # noqa: N803  GraphQL's name
        fulfillmentOrderLineItems: list[View] | None = None,  # noqa: N803
    ) -> View:
        """``fulfillmentOrderMove``."""
        try:
            order, moved, original = move(
                self._state,
                self._outbox,
                number(id, "FulfillmentOrder") or 0,
                number(newLocationId, "Location") or 0,
                # An empty list is as good as none, in Shopify's words "left blank".
                _units(fulfillmentOrderLineItems or None),
            )
        except NotAllowed as refusal:
            error = {"code": None, **_user_error(refusal)}
            return {"movedFulfillmentOrder": None, "originalFulfillmentOrder": None, "userErrors": [error]}
        parcels = OrderViews(self._state, order).parcels
        return {
            "movedFulfillmentOrder": parcels.plan(moved),
            "originalFulfillmentOrder": parcels.plan(original),
            "userErrors": [],
        }

    def open_fulfillment_order(self, _info: Info, *, id: str) -> View:  # noqa: A002  GraphQL's name
        """``fulfillmentOrderOpen``."""
        try:
            order, opened = open_scheduled(self._state, self._outbox, number(id, "FulfillmentOrder") or 0)
        except NotAllowed as refusal:
            return {"fulfillmentOrder": None, "userErrors": [_user_error(refusal)]}
        return {"fulfillmentOrder": OrderViews(self._state, order).parcels.plan(opened), "userErrors": []}

    def release_hold(self, _info: Info, *, id: str, holdIds: list[str] | None = None) -> View:  # noqa: A002, N803
        """``fulfillmentOrderReleaseHold``: of all its holds; there is one at most."""
        del holdIds
        plan_id = number(id, "FulfillmentOrder") or 0
        order = exchanging.release_hold(self._state, self._outbox, plan_id)
        if order is None:
            error = {"field": ["id"], "message": "Fulfillment order does not exist.", "code": _NO_PLAN}
            return {"fulfillmentOrder": None, "userErrors": [error]}
        parcels = OrderViews(self._state, order).parcels
        return {"fulfillmentOrder": parcels.plan(order.fulfillment_order(plan_id)), "userErrors": []}

    def capture(self, _info: Info, *, input: View) -> View:  # noqa: A002  GraphQL's name
        """``orderCapture``."""
        order = self._state.order(number(input["id"], "Order") or 0)
        if order is None:
            refusal = NotAllowed("Order does not exist", "input", "id")
            return {"transaction": None, "userErrors": [_user_error(refusal)]}
        try:
            made = payments.capture(
                self._state,
                self._outbox,
                order,
                number(input["parentTransactionId"], "OrderTransaction") or 0,
                Decimal(input["amount"]),
                currency=input.get("currency"),
                final=bool(input.get("finalCapture")),
            )
        except NotAllowed as refusal:
            return {"transaction": None, "userErrors": [_user_error(refusal)]}
        return {"transaction": OrderViews(self._state, order).payments.transaction(made), "userErrors": []}

    def cancel(
        self,
        _info: Info,
        *,
        orderId: str,  # noqa: N803  GraphQL's name
        reason: str,
        restock: bool,
        refundMethod: View | None = None,  # noqa: N803
        **unused: Any,
    ) -> View:
        """``orderCancel``; the buyer is not notified and the staff note is not kept."""
        del unused
        order = self._state.order(number(orderId, "Order") or 0)
        refusal = "Order does not exist" if order is None else why_not_cancelable(order)
        if order is None or refusal:
            code = "NOT_FOUND" if order is None else "INVALID"
            error = {"field": ["orderId"], "message": refusal, "code": code}
            return {"job": None, "orderCancelUserErrors": [error]}
        refund = bool((refundMethod or {}).get("originalPaymentMethodsRefund"))
        job_id = jobs.schedule_cancel(
            self._state, order.id, reason, self.job_delay, restock=restock, refund=refund
        )
        self._outbox.wake()
        return {
            "job": {"id": gid("Job", job_id), "done": False, "query": None},
            "orderCancelUserErrors": [],
        }

    def refund(self, _info: Info, *, input: View) -> View:  # noqa: A002  GraphQL's name
        """``refundCreate``, as JSON that can be kept under its idempotency key; the buyer is not notified."""
        order = self._state.order(number(input["orderId"], "Order") or 0)
        try:
            if order is None:
                raise NotAllowed("Order does not exist", "input", "orderId")  # noqa: TRY301  told like the others
            wish = refunding.RefundWish(
                lines=units_wanted(input.get("refundLineItems")),
                shipping=shipping_wanted(input.get("shipping")),
                duties=duties_wanted(input.get("refundDuties")),
                note=input.get("note") or "",
            )
            made = refunding.refund(self._state, self._outbox, order, wish, _money(order, input))
        except NotAllowed as refusal:
            return {"userErrors": [_user_error(refusal)]}
        return {"order": order.id, "refund": made.id, "userErrors": []}

    def refund_view(self, answer: View) -> View:
        """``RefundCreatePayload`` of what ``refund`` answered, now or earlier."""
        order = self._state.order(answer["order"]) if "order" in answer else None
        if order is None:
            return {"order": None, "refund": None, "userErrors": answer["userErrors"]}
        views = OrderViews(self._state, order)
        made = next(each for each in order.refunds if each.id == answer["refund"])
        return {"order": views.view(), "refund": views.refunds.refund(made), "userErrors": []}

    def set_quantities(self, _info: Info, *, input: View) -> View:  # noqa: A002  GraphQL's name
        """``inventorySetQuantities``, as JSON that can be kept under its idempotency key."""
        wanted = [
            WantedLevel(
                inventory_item_id=number(each["inventoryItemId"], "InventoryItem") or 0,
                location_id=number(each["locationId"], "Location") or 0,
                quantity=each["quantity"],
                change_from=each.get("changeFromQuantity"),
            )
            for each in input["quantities"]
        ]
        done = set_levels(
            self._state, input["name"], input["reason"], input.get("referenceDocumentUri"), wanted
        )
        if isinstance(done, Adjustment):
            return {"adjustment": done.model_dump(mode="json"), "userErrors": []}
        return {"userErrors": [_level_error(error) for error in done]}

    def set_quantities_view(self, answer: View) -> View:
        """``InventorySetQuantitiesPayload`` of what ``set_quantities`` answered, now or earlier."""
        made = answer.get("adjustment")
        if made is None:
            return {"inventoryAdjustmentGroup": None, "userErrors": answer["userErrors"]}
        return {
            "inventoryAdjustmentGroup": {
                "id": gid("InventoryAdjustmentGroup", made["id"]),
                "reason": made["reason"],
                "referenceDocumentUri": made["reference"],
                "createdAt": made["created_at"],
                "changes": [self._change(change) for change in made["changes"]],
            },
            "userErrors": [],
        }

    def _change(self, change: View) -> View:
        variant = self._state.variant("inventory_item_id", change["inventory_item_id"])
        assert variant is not None
        return {
            "name": change["name"],
            "delta": change["delta"],
            "quantityAfterChange": change["after"],
            "item": lazily(lambda: item_view(self._state, variant)),
            "location": lazily(lambda: location_view(self._state, change["location_id"])),
        }


def _money(order: OrderRecord, wanted: View) -> list[payments.Part]:
    """``transactions`` of a refund. Raises NotAllowed."""
    pair, currency = order.currencies, wanted.get("currency")
    if currency is None and pair.shop != pair.presentment:
        raise NotAllowed("Currency is required for orders in several currencies", "input", "currency")
    if currency not in {None, pair.presentment}:
        message = f"Currency must be the presentment currency of the order, {pair.presentment}"
        raise NotAllowed(message, "input", "currency")
    known = {payment.id: payment for payment in order.transactions}
    parts = []
    for each in wanted.get("transactions") or []:
        parent = known.get(number(each.get("parentId") or "", "OrderTransaction") or 0)
        if parent is None or each["kind"] != "REFUND":
            raise NotAllowed("Transactions must be refunds of a sale or capture", "input", "transactions")
        parts.append((parent, Decimal(each["amount"])))
    return parts


def _units(lines: list[View] | None) -> dict[int, int] | None:
    if lines is None:
        return None
    units: dict[int, int] = {}
    for line in lines:
        part = number(line["id"], "FulfillmentOrderLineItem") or 0
        units[part] = units.get(part, 0) + line["quantity"]
    return units


def _user_error(refusal: NotAllowed) -> View:
    return {"field": list(refusal.field) or None, "message": str(refusal)}


def _level_error(error: LevelError) -> View:
    place = ["input"] if error.place is None else ["input", "quantities", str(error.place)]
    return {"field": [*place, error.field], "code": error.code, "message": error.message}
