"""Taking units that have not left off an order of a shop, and giving back what was taken for them.

What is still to be done is read before each step, and each step's idempotency key follows from what was read: the same
step asked for twice, also by two callers at once, is done once; the same units taken off again later are another step.
"""

import json
from hashlib import sha256
from typing import Any, Final

from adapters.echoes import refund_made
from adapters.requests import CancelUnitsRequest, UnitsCanceled
from adapters.shopify import refund_answers
from adapters.shopify.answer import SYSTEM, fit
from adapters.shopify.client import AdminApi
from adapters.shopify.global_ids import gid
from adapters.shopify.pricing import DUTY
from adapters.shopify.reading import OrderReader
from adapters.shopify.translate import to_order
from adapters.spans import looked_up
from domain.order import Order
from domain.overpayment import overpaid
from domain.returns import RefundPart

OPERATION: Final = "cancel units"
_NOTE_LIMIT: Final = 255


class Removal:
    """Takes units off the orders of one channel; ``notify_customers``: the shop tells buyers by e-mail."""

    def __init__(self, api: AdminApi, reader: OrderReader, channel: str, *, notify_customers: bool) -> None:
        self._api = api
        self._reader = reader
        self._channel = channel
        self._notify_customers = notify_customers

    async def remove(self, request: CancelUnitsRequest) -> UnitsCanceled:
        """See ``StorefrontPort.cancel_units``."""
        order = await self._read(request)
        surplus = {
            line.line_id: line.current - request.units[line.line_id]
            for line in order.lines
            if line.current > request.units.get(line.line_id, line.current)
        }
        echoes: list[str] = []
        looked_up(SYSTEM, "removal of units", found=not surplus)
        if surplus:
            lines = [
                {"lineItemId": gid("LineItem", line), "quantity": units, "restockType": "CANCEL"}
                for line, units in surplus.items()
            ]
            duties = [
                {"dutyId": gid("Duty", duty.charge_id.removeprefix(DUTY)), "refundType": "PROPORTIONAL"}
                for line in order.lines
                if line.line_id in surplus
                for duty in line.duties
            ]
            what = {"refundLineItems": lines, **({"refundDuties": duties} if duties else {})}
            echoes += await self._refund(order, request, what)
            order = await self._read(request)
        back = overpaid(order, request.total_before - order.presentment_total, request.fees)
        if back:
            transactions = [_transaction(order, part) for part in back]
            echoes += await self._refund(order, request, {"transactions": transactions})
            order = await self._read(request)
        return UnitsCanceled(order=order, echoes=tuple(echoes))

    async def _read(self, request: CancelUnitsRequest) -> Order:
        return to_order(await self._reader.order(request.key.external_id), self._channel)

    async def _refund(self, order: Order, request: CancelUnitsRequest, what: dict[str, Any]) -> list[str]:
        """Make a refund; returns what its webhook is going to tell."""
        foreign = order.presentment_currency != order.currency
        values = {
            "orderId": gid("Order", order.key.external_id),
            "note": request.reason[:_NOTE_LIMIT],
            "notify": self._notify_customers,
            **({"currency": order.presentment_currency} if foreign else {}),
            **what,
        }
        payload = await self._api.write(
            OPERATION, "refund_order", {"input": values, "key": _key(order, values)}
        )
        made = payload.get("refund")
        return [] if made is None else [refund_made(fit(refund_answers.Refund, made, OPERATION, "refund").id)]


def _transaction(order: Order, part: RefundPart) -> dict[str, Any]:
    return {
        "orderId": gid("Order", order.key.external_id),
        "parentId": gid("OrderTransaction", part.payment_id),
        "gateway": part.gateway,
        "kind": "REFUND",
        "amount": format(part.amount, "f"),
    }


def _key(order: Order, values: dict[str, Any]) -> str:
    known: list[object] = [[line.line_id, line.ordered, line.current] for line in order.lines]
    known += [[payment.payment_id, payment.status] for payment in order.payments]
    text = json.dumps([values, known])
    return sha256(text.encode()).hexdigest()[:40]
