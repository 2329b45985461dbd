"""How an order comes to be, is edited and is canceled at the storefront."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sandbox.store import payments
from sandbox.store.money import Both
from sandbox.store.outbox import Outbox
from sandbox.store.placing import draft
from sandbox.store.records import (
    FulfillmentOrderRecord,
    LineRecord,
    NotAllowed,
    OrderRecord,
    RefundLineRecord,
)
from sandbox.store.requests import EditLine, PlaceOrder
from sandbox.store.state import State
from sandbox.store.status import is_paid


def place(state: State, outbox: Outbox, request: PlaceOrder) -> OrderRecord:
    """Place an order: price it, take the payments, commit the stock, announce it. Raises NotAllowed."""
    with state.transaction():
        order = draft(state, request)
        payments.take(state, order, request.payments)
        _move(state, order, order.fulfillment_orders, available=-1, committed=1)
        state.save_order(order)
        topics = ["orders/create"]
        if is_paid(order):
            topics.append("orders/paid")
        outbox.announce(order, *topics)
    return order


def edit(state: State, outbox: Outbox, order: OrderRecord, request: EditLine) -> OrderRecord:
    """Take units off a line that did not leave yet. Raises NotAllowed."""
    line = _pick_line(order, request.line)
    wanted = max(0, request.quantity)
    if order.cancelled_at:
        msg = f"{order.name} is canceled and cannot be edited"
        raise NotAllowed(msg)
    if wanted > line.current:
        msg = f"line {line.id} has {line.current} units; this store only lowers quantities"
        raise NotAllowed(msg)
    removed = line.current - wanted
    open_units = line.current - order.shipped(line.id)
    if removed > open_units:
        msg = (
            f"{order.shipped(line.id)} units of line {line.id} have left; at most {open_units} can be removed"
        )
        raise NotAllowed(msg)
    if not removed:
        return order
    was_paid = is_paid(order)
    with state.transaction():
        line.current = wanted
        order.edited = True
        _shrink_plans(state, order, line, removed)
        state.save_order(order)
        outbox.announce_edit(order, line.id, removed, edit_id=state.next_id("edit"))
        if is_paid(order) and not was_paid:
            outbox.announce(order, "orders/paid")
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
                subtotal=line.unit_price.times(line.current) - order.line_discount(line, current=True),
                tax=Both.total(order.line_tax(tax, line, current=True) for tax in line.taxes),
                restocked=restock,
            )
            for line in order.lines
            if line.current
        ]
        for plan in order.fulfillment_orders:
            _move(state, order, [plan], available=1 if restock else 0, committed=-1)
            plan.status = "CANCELLED"
            plan.updated_at = order.cancelled_at
            for part in plan.lines:
                part.remaining = 0
        for line in order.lines:
            line.current = 0
        order.shipping_removed = True
        payments.void_open(state, order)
        given_back = payments.give_back_all(state, order, removed) if refund else None
        state.save_order(order)
        outbox.announce(order, "orders/cancelled")
        if given_back:
            outbox.announce_refund(order, given_back)


def why_not_cancelable(order: OrderRecord) -> str:
    """Why an order cannot be canceled; empty where it can."""
    if order.cancelled_at:
        return "Order has already been cancelled"
    if order.fulfillments:
        return "Cannot cancel an order that has fulfillments"
    return ""


def _move(
    state: State,
    order: OrderRecord,
    plans: Sequence[FulfillmentOrderRecord],
    *,
    available: int,
    committed: int,
) -> None:
    for plan in plans:
        for part in plan.lines:
            move_units(
                state,
                order,
                part.line_id,
                plan.location_id,
                available=available * part.remaining,
                committed=committed * part.remaining,
            )


def move_units(
    state: State,
    order: OrderRecord,
    line_id: int,
    location_id: int,
    *,
    available: int = 0,
    committed: int = 0,
) -> None:
    """Change the stock of what a line sells."""
    variant = state.variant("id", order.line(line_id).variant_id)
    assert variant is not None
    state.move_stock(variant.inventory_item_id, location_id, available=available, committed=committed)


def _shrink_plans(state: State, order: OrderRecord, line: LineRecord, removed: int) -> None:
    """Take units from the locations planned last, so that the first location keeps its work."""
    for plan in reversed(order.fulfillment_orders):
        for part in plan.lines:
            if part.line_id != line.id or not removed:
                continue
            taken = min(removed, part.remaining)
            part.remaining -= taken
            part.total -= taken
            removed -= taken
            plan.updated_at = datetime.now(UTC)
            move_units(state, order, line.id, plan.location_id, available=taken, committed=-taken)
        plan.lines = [part for part in plan.lines if part.total]
        if not any(part.remaining for part in plan.lines) and plan.status in {"OPEN", "IN_PROGRESS"}:
            plan.status = "CLOSED"


def _pick_line(order: OrderRecord, line: int) -> LineRecord:
    by_id = {each.id: each for each in order.lines}
    if line in by_id:
        return by_id[line]
    if 1 <= line <= len(order.lines):
        return order.lines[line - 1]
    msg = f"{order.name} has no line {line}; its lines are {', '.join(map(str, by_id))}"
    raise NotAllowed(msg)
