"""What an app does to returns through GraphQL. Refusals are ``userErrors``, as at Shopify."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Literal

from sandbox.store import payments, returning
from sandbox.store.catalog_views import Info, View
from sandbox.store.exchanging import ExchangeUnits
from sandbox.store.notation import number
from sandbox.store.order_views import OrderViews
from sandbox.store.outbox import Outbox
from sandbox.store.records import NotAllowed, OrderRecord
from sandbox.store.refund_views import duties_wanted
from sandbox.store.refunding import RefundWish
from sandbox.store.return_records import Reason, ReturnRecord
from sandbox.store.return_views import reason_of
from sandbox.store.returning import ReturnUnits, Settled
from sandbox.store.state import State


class ReturnMutations:
    """Resolvers of the mutations of returns."""

    def __init__(self, state: State, outbox: Outbox) -> None:
        self._state = state
        self._outbox = outbox

    def resolvers(self) -> dict[str, Callable[..., Any]]:
        """By the name of the mutation."""
        return {
            "returnRequest": lambda _info, input: self._make(input, "REQUESTED"),  # noqa: A006  GraphQL's name
            "returnCreate": lambda _info, returnInput: self._make(returnInput, "OPEN"),  # noqa: N803
            "returnApproveRequest": self.approve,
            "returnDeclineRequest": self.decline,
            "returnCancel": self.cancel,
            "returnClose": self.close,
            "returnProcess": self.process,
        }

    def _make(self, wanted: View, status: Literal["REQUESTED", "OPEN"]) -> View:
        def act() -> tuple[OrderRecord, ReturnRecord]:
            order = self._state.order(number(wanted["orderId"], "Order") or 0)
            if order is None:
                raise Unknown("Order does not exist", "orderId")
            units = [
                ReturnUnits(
                    fulfillment_line_id=number(each["fulfillmentLineItemId"], "FulfillmentLineItem") or 0,
                    quantity=each["quantity"],
                    reason=_reason(each.get("returnReasonDefinitionId")),
                    note=each.get("returnReasonNote") or "",
                    customer_note=each.get("customerNote"),
                )
                for each in wanted["returnLineItems"]
            ]
            exchange = [
                ExchangeUnits(
                    variant_id=number(each.get("variantId") or "", "ProductVariant") or 0,
                    quantity=each["quantity"],
                )
                for each in wanted.get("exchangeLineItems") or []
            ]
            return order, returning.make(self._state, self._outbox, order, units, status, exchange=exchange)

        return self._payload(act)

    def approve(self, _info: Info, *, input: View) -> View:  # noqa: A002  GraphQL's name
        """``returnApproveRequest``; the buyer is not notified."""
        return self._change(input["id"], lambda *held: returning.approve(self._state, self._outbox, *held))

    def decline(self, _info: Info, *, input: View) -> View:  # noqa: A002  GraphQL's name
        """``returnDeclineRequest``; the buyer is not notified."""
        reason, note = input["declineReason"], input.get("declineNote") or ""
        return self._change(
            input["id"],
            lambda *held: returning.decline(self._state, self._outbox, *held, reason=reason, note=note),
        )

    def cancel(self, _info: Info, *, id: str, notifyCustomer: bool | None = None) -> View:  # noqa: A002, N803
        """``returnCancel``; the buyer is not notified."""
        del notifyCustomer
        return self._change(id, lambda *held: returning.cancel(self._state, self._outbox, *held))

    def close(self, _info: Info, *, id: str) -> View:  # noqa: A002  GraphQL's name
        """``returnClose``."""
        return self._change(id, lambda *held: returning.close(self._state, self._outbox, *held))

    def process(self, _info: Info, *, input: View) -> View:  # noqa: A002  GraphQL's name
        """``returnProcess``; the buyer is not notified."""

        def act(order: OrderRecord, wanted: ReturnRecord) -> None:
            refund = (input.get("financialTransfer") or {}).get("issueRefund") or {}
            returning.process(
                self._state,
                self._outbox,
                order,
                wanted,
                units=[_settled(each) for each in input.get("returnLineItems") or []],
                wish=RefundWish(
                    shipping=_shipping(order, input.get("refundShipping") or {}),
                    duties=duties_wanted(input.get("refundDuties")),
                    note=input.get("note") or "",
                ),
                money=_money(order, refund.get("orderTransactions") or []),
                exchange=[
                    (number(each["id"], "ExchangeLineItem") or 0, each["quantity"])
                    for each in input.get("exchangeLineItems") or []
                ],
            )

        return self._change(input["returnId"], act)

    def _change(self, return_id: str, act: Callable[[OrderRecord, ReturnRecord], None]) -> View:
        def find_and_act() -> tuple[OrderRecord, ReturnRecord]:
            held = returning.find(self._state, number(return_id, "Return") or 0)
            if held is None:
                raise Unknown("Return does not exist", "id")
            act(*held)
            return held

        return self._payload(find_and_act)

    def _payload(self, act: Callable[[], tuple[OrderRecord, ReturnRecord]]) -> View:
        try:
            order, changed = act()
        except NotAllowed as refusal:
            error = {"field": list(refusal.field) or None, "message": str(refusal), "code": _code(refusal)}
            return {"return": None, "userErrors": [error]}
        return {"return": OrderViews(self._state, order).returns.view(changed), "userErrors": []}


class Unknown(NotAllowed):
    """There is none of that id."""


def _code(refusal: NotAllowed) -> str:
    if isinstance(refusal, Unknown):
        return "NOT_FOUND"
    return "INVALID_STATE" if isinstance(refusal, returning.WrongState) else "INVALID"


def _reason(definition_id: str | None) -> Reason:
    if definition_id is None:
        return "other"
    reason = reason_of(number(definition_id, "ReturnReasonDefinition"))
    if reason is None:
        raise Unknown(
            "Return reason definition does not exist", "returnLineItems", "returnReasonDefinitionId"
        )
    return reason


def _settled(each: View) -> Settled:
    return Settled(
        return_line_id=number(each["id"], "ReturnLineItem") or 0,
        quantity=each["quantity"],
        dispositions=tuple(
            (
                number(d["reverseFulfillmentOrderLineItemId"], "ReverseFulfillmentOrderLineItem") or 0,
                d["dispositionType"],
                max(0, d["quantity"]),
                number(d["locationId"], "Location") if d.get("locationId") else None,
            )
            for d in each.get("dispositions") or []
        ),
    )


def _shipping(order: OrderRecord, wanted: View) -> Decimal | Literal["all"]:
    given = wanted.get("shippingRefundAmount")
    if given is not None:
        return _amount(order, given, "refundShipping")
    return "all" if wanted.get("fullRefund") else Decimal(0)


def _amount(order: OrderRecord, given: View, field: str) -> Decimal:
    """``MoneyInput``. Raises NotAllowed for another currency than the buyer's."""
    if given["currencyCode"] != order.currencies.presentment:
        message = f"Currency must be the presentment currency of the order, {order.currencies.presentment}"
        raise NotAllowed(message, "input", field)
    return Decimal(given["amount"])


def _money(order: OrderRecord, wanted: Sequence[View]) -> list[payments.Part]:
    known = {payment.id: payment for payment in order.transactions}
    parts = []
    for each in wanted:
        parent = known.get(number(each["parentId"], "OrderTransaction") or 0)
        if parent is None:
            raise Unknown("Transaction does not exist", "input", "financialTransfer")
        parts.append((parent, _amount(order, each["transactionAmount"], "financialTransfer")))
    return parts
