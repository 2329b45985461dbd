"""How returns look through GraphQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.store.catalog_views import lazily
from sandbox.store.notation import gid, moment
from sandbox.store.return_records import REASONS
from sandbox.store.search import connection

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.store.catalog_views import View
    from sandbox.store.order_views import OrderViews
    from sandbox.store.return_records import (
        DispositionRecord,
        ExchangeLineRecord,
        Reason,
        ReturnLineRecord,
        ReturnRecord,
    )


def reason_view(handle: Reason) -> View:
    """ReturnReasonDefinition."""
    number = list(REASONS).index(handle) + 1
    return {
        "id": gid("ReturnReasonDefinition", number),
        "handle": handle,
        "name": REASONS[handle],
        "deleted": False,
    }


def reason_of(number: int | None) -> Reason | None:
    """The reason that a definition's number stands for."""
    handles = list(REASONS)
    return handles[number - 1] if number is not None and 1 <= number <= len(handles) else None


class ReturnViews:
    """Views of the returns of one order."""

    def __init__(self, views: OrderViews) -> None:
        self._views = views

    def all(self, _info: Any, *, query: str | None = None, **page: Any) -> View:
        """Order.returns; ``query`` is not understood."""
        del query
        listed = self._views.order.returns
        return connection(lambda: [self.view(each) for each in listed])(_info, **page)

    def status(self) -> str:
        """Order.returnStatus: the furthest that a return of the order is from its end."""
        states = {each.status for each in self._views.order.returns}
        for status, word in (
            ("REQUESTED", "RETURN_REQUESTED"),
            ("OPEN", "IN_PROGRESS"),
            ("CLOSED", "RETURNED"),
        ):
            if status in states:
                return word
        return "NO_RETURN"

    def view(self, record: ReturnRecord) -> View:
        """Return."""
        order = self._views.order
        refunds = [each for each in order.refunds if each.return_id == record.id]
        payments = [order.transaction(each) for refund in refunds for each in refund.transaction_ids]
        declined = {"reason": record.decline_reason, "note": record.decline_note or None}
        return {
            "id": gid("Return", record.id),
            "name": record.name,
            "status": record.status,
            "createdAt": moment(record.created_at),
            "requestApprovedAt": moment(record.approved_at),
            "closedAt": moment(record.closed_at),
            "decline": declined if record.decline_reason else None,
            "order": lazily(self._views.view),
            "totalQuantity": sum(line.quantity for line in record.lines),
            "returnLineItems": connection(lambda: [self._line(line, record) for line in record.lines]),
            "exchangeLineItems": lambda info, includeRemovedItems=False, **page: connection(  # noqa: N803
                lambda: [
                    self._exchange(part, record) for part in self._parts(record, removed=includeRemovedItems)
                ]
            )(info, **page),
            "refunds": connection(lambda: [self._views.refunds.refund(each) for each in refunds]),
            "transactions": connection(lambda: [self._views.payments.transaction(p) for p in payments]),
            "reverseFulfillmentOrders": connection(
                lambda: [self.reverse_order(record)] if record.reverse_order_id else []
            ),
        }

    def _parts(self, record: ReturnRecord, *, removed: bool) -> list[ExchangeLineRecord]:
        order = self._views.order
        return [
            part
            for part in record.exchange
            if removed or not part.line_ids or any(order.line(each).current for each in part.line_ids)
        ]

    def _exchange(self, part: ExchangeLineRecord, record: ReturnRecord) -> View:
        order = self._views.order
        return {
            "id": gid("ExchangeLineItem", part.id),
            "variantId": gid("ProductVariant", part.variant_id),
            "quantity": part.quantity,
            "processableQuantity": part.unprocessed if record.status == "OPEN" else 0,
            "processedQuantity": part.processed,
            "unprocessedQuantity": part.unprocessed,
            "lineItems": lazily(lambda: [self._views.line(order.line(each)) for each in part.line_ids]),
        }

    def _line(self, line: ReturnLineRecord, record: ReturnRecord) -> View:
        worth, _ = self._views.order.line_worth(self._views.order.line(line.line_id), line.quantity)
        open_units = line.unprocessed if record.status == "OPEN" else 0
        return {
            "__typename": "ReturnLineItem",
            "id": gid("ReturnLineItem", line.id),
            "quantity": line.quantity,
            "processableQuantity": open_units,
            "processedQuantity": line.processed,
            "unprocessedQuantity": line.unprocessed,
            "refundableQuantity": open_units,
            "refundedQuantity": line.processed,
            "customerNote": line.customer_note,
            "returnReasonNote": line.note,
            "returnReasonDefinition": reason_view(line.reason),
            "fulfillmentLineItem": lazily(self._parcel_line(line)),
            "withCodeDiscountedTotalPriceSet": self._views.bag(worth),
        }

    def _parcel_line(self, line: ReturnLineRecord) -> Callable[[], View]:
        parcels = [part for parcel in self._views.order.fulfillments for part in parcel.lines]
        part = next(part for part in parcels if part.id == line.fulfillment_line_id)
        return lambda: self._views.parcels.fulfillment_line(part)

    def reverse_order(self, record: ReturnRecord) -> View:
        """ReverseFulfillmentOrder."""
        over = {"CLOSED": "CLOSED", "CANCELED": "CANCELED"}
        return {
            "id": gid("ReverseFulfillmentOrder", record.reverse_order_id or 0),
            "status": over.get(record.status, "OPEN"),
            "order": lazily(self._views.view),
            "lineItems": connection(lambda: [self._reverse_line(line) for line in record.lines]),
        }

    def _reverse_line(self, line: ReturnLineRecord) -> View:
        return {
            "id": gid("ReverseFulfillmentOrderLineItem", line.reverse_line_id),
            "totalQuantity": line.quantity,
            "fulfillmentLineItem": lazily(self._parcel_line(line)),
            "dispositions": [self._disposition(each) for each in line.dispositions],
        }

    def _disposition(self, each: DispositionRecord) -> View:
        return {
            "id": gid("ReverseFulfillmentOrderDisposition", each.id),
            "type": each.kind,
            "quantity": each.quantity,
            "location": self._views.location(each.location_id) if each.location_id else None,
            "createdAt": moment(each.created_at),
        }
