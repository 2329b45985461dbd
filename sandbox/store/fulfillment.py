"""Parcels: which fulfillment orders they close, and what the buyer sees of them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.store.outbox import Outbox
from sandbox.store.parcel_records import (
    FulfillmentLineRecord,
    FulfillmentOrderLineRecord,
    FulfillmentOrderRecord,
    FulfillmentRecord,
    TrackingRecord,
)
from sandbox.store.plans import move_units, open_what_is_due
from sandbox.store.records import NotAllowed, OrderRecord
from sandbox.store.state import State

Parts = Sequence[tuple[FulfillmentOrderRecord, FulfillmentOrderLineRecord, int]]


def fulfill(
    state: State,
    outbox: Outbox,
    wanted: Sequence[tuple[int, Mapping[int, int] | None]],
    tracking: Mapping[str, Any],
) -> tuple[OrderRecord, FulfillmentRecord]:
    """Ship units of one or more fulfillment orders of one order and location.

    ``wanted`` pairs a fulfillment order id with units by fulfillment order line id; None means all that
    remains. Raises NotAllowed.
    """
    with state.transaction():
        order, plans = _look_up(state, [plan_id for plan_id, _ in wanted])
        parts = _choose(plans, [lines for _, lines in wanted])
        made = _send(state, order, plans, parts, tracking)
        state.save_order(order)
        outbox.announce(order)
    return order, made


def open_scheduled(state: State, outbox: Outbox, plan_id: int) -> tuple[OrderRecord, FulfillmentOrderRecord]:
    """Let a scheduled fulfillment order be shipped before its time. Raises NotAllowed."""
    with state.transaction():
        order = state.order_of("fulfillment_order", plan_id)
        if order is None:
            raise NotAllowed("Fulfillment order does not exist.", "id")
        open_what_is_due(order)
        plan = order.fulfillment_order(plan_id)
        if plan.status not in {"SCHEDULED", "IN_PROGRESS"}:
            raise NotAllowed(f"Cannot open a fulfillment order that is {plan.status.lower()}.", "id")
        plan.status, plan.updated_at = "OPEN", datetime.now(UTC)
        state.save_order(order)
        outbox.announce(order)
    return order, plan


def reschedule(state: State, outbox: Outbox, order: OrderRecord, days: float) -> OrderRecord:
    """The shop's staff moves all that is scheduled of an order. Raises NotAllowed where nothing is."""
    open_what_is_due(order)
    scheduled = [plan for plan in order.fulfillment_orders if plan.status == "SCHEDULED"]
    if not scheduled:
        msg = f"nothing of {order.name} is scheduled"
        raise NotAllowed(msg)
    with state.transaction():
        for plan in scheduled:
            plan.fulfill_at = plan.updated_at = datetime.now(UTC)
            plan.fulfill_at += timedelta(days=days)
        open_what_is_due(order)
        state.save_order(order)
        outbox.announce(order)
    return order


def hand_over(state: State, order: OrderRecord, *, at: int | None = None) -> None:
    """Fulfill a new order where it is planned, ``at`` one location or all, as a till does: without a number."""
    for plan in [plan for plan in order.fulfillment_orders if at in {None, plan.location_id}]:
        parts = [(plan, part, part.remaining) for part in plan.lines]
        _send(state, order, [plan], parts, {})
    state.save_order(order)


def _send(
    state: State,
    order: OrderRecord,
    plans: Sequence[FulfillmentOrderRecord],
    parts: Parts,
    tracking: Mapping[str, Any],
) -> FulfillmentRecord:
    """Take units off their plans and out of the stock; the order is not saved."""
    now = datetime.now(UTC)
    units: dict[int, int] = {}
    for plan, part, quantity in parts:
        part.remaining -= quantity
        plan.updated_at = now
        units[part.line_id] = units.get(part.line_id, 0) + quantity
        move_units(state, order, part.line_id, plan.location_id, committed=-quantity)
    for plan in plans:
        plan.status = "IN_PROGRESS" if any(part.remaining for part in plan.lines) else "CLOSED"
    made = FulfillmentRecord(
        id=state.next_id("fulfillment"),
        name=f"{order.name}-F{len(order.fulfillments) + 1}",
        location_id=plans[0].location_id,
        fulfillment_order_ids=[plan.id for plan in plans],
        lines=[
            FulfillmentLineRecord(id=state.next_id("fulfillment_line"), line_id=line_id, quantity=quantity)
            for line_id, quantity in units.items()
        ],
        tracking=_tracking(tracking),
        created_at=now,
    )
    order.fulfillments.append(made)
    return made


def _look_up(state: State, plan_ids: Sequence[int]) -> tuple[OrderRecord, list[FulfillmentOrderRecord]]:
    if not plan_ids:
        raise NotAllowed("At least one fulfillment order is required", "fulfillment")
    if len(set(plan_ids)) != len(plan_ids):
        raise NotAllowed("Fulfillment orders must be unique", "fulfillment")
    orders = [state.order_of("fulfillment_order", plan_id) for plan_id in plan_ids]
    first = orders[0]
    if first is None or None in orders:
        raise NotAllowed("Fulfillment order does not exist.", "fulfillment")
    if {each.id for each in orders if each} != {first.id}:
        raise NotAllowed("All fulfillment orders must belong to the same order", "fulfillment")
    open_what_is_due(first)
    plans = [first.fulfillment_order(plan_id) for plan_id in plan_ids]
    if len({plan.location_id for plan in plans}) != 1:
        raise NotAllowed("All fulfillment orders must be assigned to the same location", "fulfillment")
    for plan in plans:
        if plan.status not in {"OPEN", "IN_PROGRESS"}:
            message = f"Fulfillment order {plan.id} has an unfulfillable status= {plan.status.lower()}."
            raise NotAllowed(message, "fulfillment")
    return first, plans


def _choose(plans: Sequence[FulfillmentOrderRecord], wanted: Sequence[Mapping[int, int] | None]) -> Parts:
    parts: list[tuple[FulfillmentOrderRecord, FulfillmentOrderLineRecord, int]] = []
    for plan, lines in zip(plans, wanted, strict=True):
        known = {part.id: part for part in plan.lines}
        asked = {part.id: part.remaining for part in plan.lines if part.remaining} if lines is None else lines
        for part_id, quantity in asked.items():
            if part_id not in known:
                raise NotAllowed("Fulfillment order line item does not exist.", "fulfillment")
            if not 0 < quantity <= known[part_id].remaining:
                raise NotAllowed("Invalid fulfillment order line item quantity requested.", "fulfillment")
            parts.append((plan, known[part_id], quantity))
    if not parts:
        raise NotAllowed("At least one line item is required", "fulfillment")
    return parts


def _tracking(wanted: Mapping[str, Any]) -> list[TrackingRecord]:
    numbers = [wanted["number"]] if wanted.get("number") else list(wanted.get("numbers") or [])
    urls = [wanted["url"]] if wanted.get("url") else list(wanted.get("urls") or [])
    rows = max(len(numbers), len(urls), 1 if wanted.get("company") else 0)
    return [
        TrackingRecord(
            company=wanted.get("company"),
            number=numbers[i] if i < len(numbers) else None,
            url=urls[i] if i < len(urls) else None,
        )
        for i in range(rows)
    ]
