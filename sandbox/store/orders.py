"""How an order comes to be, is paid and is canceled at the storefront."""

from datetime import UTC, datetime

from sandbox.store import payments
from sandbox.store.fulfillment import hand_over
from sandbox.store.money_records import RefundLineRecord, RefundRecord, Restock
from sandbox.store.outbox import Outbox
from sandbox.store.placing import draft
from sandbox.store.plans import move_plans
from sandbox.store.records import NotAllowed, OrderRecord
from sandbox.store.requests import AssessRisk, PlaceOrder, PlacePayment
from sandbox.store.routing import check_stock, routed
from sandbox.store.state import State
from sandbox.store.status import is_paid


def place(state: State, outbox: Outbox, request: PlaceOrder) -> OrderRecord:
    """Place an order: price it, take the payments, commit the stock, announce it.

    Raises NotAllowed, of which SoldOut where there is not enough of something that is not sold beyond its stock.
    """
    with state.transaction():
        order = draft(state, routed(state, request))
        check_stock(state, order)
        payments.take(state, order, request.payments)
        move_plans(state, order, order.fulfillment_orders, available=-1, committed=1)
        state.save_order(order)
        if request.handed_over or request.handed_over_at is not None:
            hand_over(state, order, at=request.handed_over_at)
        topics = ["orders/create"]
        if is_paid(order):
            topics.append("orders/paid")
        outbox.announce(order, *topics)
    return order


def pay(state: State, outbox: Outbox, order: OrderRecord, request: PlacePayment) -> OrderRecord:
    """Pay what an edit made due: another authorization or sale. Raises NotAllowed for more than is due."""
    if order.cancelled_at:
        msg = f"{order.name} is canceled; nothing is due"
        raise NotAllowed(msg)
    was_paid = is_paid(order)
    with state.transaction():
        if not payments.take(state, order, [request]):
            msg = f"nothing is due on {order.name}"
            raise NotAllowed(msg)
        state.save_order(order)
        outbox.announce(order, *(["orders/paid"] if is_paid(order) and not was_paid else []))
    return order


def assess(state: State, outbox: Outbox, order: OrderRecord, request: AssessRisk) -> OrderRecord:
    """Rate the order's risk anew, and announce it."""
    with state.transaction():
        order.risk, order.risk_level = request.risk, request.risk_level
        state.save_order(order)
        outbox.announce_risk(order)
    return order


def cancel(
    state: State, outbox: Outbox, order: OrderRecord, reason: str, *, restock: bool, refund: bool
) -> None:
    """Cancel the whole order: void what is authorized, give back what was taken if asked. Raises
    NotAllowed.
    """
    refusal = why_not_cancelable(order)
    if refusal:
        raise NotAllowed(refusal)
    with state.transaction():
        order.cancelled_at = datetime.now(UTC)
        order.cancel_reason = reason.lower()
        removed = [
            RefundLineRecord(
                id=state.next_id("refund_line"),
                line_id=line.id,
                quantity=line.current,
                subtotal=subtotal,
                tax=tax,
                restock=Restock.CANCEL if restock else Restock.NO_RESTOCK,
            )
            for line in order.lines
            if line.current
            for subtotal, tax in [order.line_worth(line, line.current)]
        ]
        for plan in order.fulfillment_orders:
            move_plans(state, order, [plan], available=1 if restock else 0, committed=-1)
            plan.status = "CANCELLED"
            plan.updated_at = order.cancelled_at
            for part in plan.lines:
                part.remaining = 0
        for line in order.lines:
            line.current = 0
        order.shipping_removed = True
        payments.void_open(state, order)
        given_back = RefundRecord(id=state.next_id("refund"), created_at=order.cancelled_at, lines=removed)
        taken = (order.received - order.refunded).presentment
        if refund and taken:
            parts = payments.in_proportion(order, taken)
            given_back.transaction_ids = payments.give_back(state, order, parts)
            order.refunds.append(given_back)
        state.save_order(order)
        outbox.announce(order, "orders/cancelled")
        if given_back.transaction_ids:
            outbox.announce_refund(order, given_back)


def why_not_cancelable(order: OrderRecord) -> str:
    """Why an order cannot be canceled; empty where it can."""
    if order.cancelled_at:
        return "Order has already been cancelled"
    if order.fulfillments:
        return "Cannot cancel an order that has fulfillments"
    return ""
