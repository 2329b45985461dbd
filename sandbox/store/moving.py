"""Units that another location is to ship than the one first planned: their stock is committed there instead."""

from collections.abc import Mapping
from datetime import UTC, datetime

from sandbox.store.outbox import Outbox
from sandbox.store.parcel_records import FulfillmentOrderLineRecord, FulfillmentOrderRecord
from sandbox.store.plans import move_units
from sandbox.store.records import NotAllowed, OrderRecord
from sandbox.store.state import State

_AT_WORK = frozenset({"OPEN", "IN_PROGRESS"})


def move(
    state: State, outbox: Outbox, plan_id: int, location_id: int, wanted: Mapping[int, int] | None
) -> tuple[OrderRecord, FulfillmentOrderRecord, FulfillmentOrderRecord]:
    """Move units by fulfillment order line id, None all that remain; what left stays with who shipped it.

    Returns the order, the fulfillment order that now holds them and the original: the same where it moved whole. Else
    there is a new one, which also takes what the location had to ship before. Raises NotAllowed.
    """
    with state.transaction():
        order = state.order_of("fulfillment_order", plan_id)
        if order is None:
            raise NotAllowed("Fulfillment order does not exist.", "id")
        plan = order.fulfillment_order(plan_id)
        parts = _choose(state, order, plan, location_id, wanted)
        for part, units in parts:
            move_units(state, order, part.line_id, plan.location_id, available=units, committed=-units)
            move_units(state, order, part.line_id, location_id, available=-units, committed=units)
        moved = _move(state, order, plan, location_id, parts)
        state.save_order(order)
        outbox.announce(order)
    return order, moved, plan


def _choose(
    state: State,
    order: OrderRecord,
    plan: FulfillmentOrderRecord,
    location_id: int,
    wanted: Mapping[int, int] | None,
) -> list[tuple[FulfillmentOrderLineRecord, int]]:
    """What is to move. Raises NotAllowed as Shopify refuses."""
    if plan.status not in _AT_WORK:
        raise NotAllowed(f"Cannot move a fulfillment order that is {plan.status.lower()}.", "id")
    if location_id not in state.locations():
        raise NotAllowed("Location does not exist.", "newLocationId")
    if location_id == plan.location_id:
        raise NotAllowed("The fulfillment order is assigned to this location already.", "newLocationId")
    known = {part.id: part for part in plan.lines}
    asked = {part.id: part.remaining for part in plan.lines if part.remaining} if wanted is None else wanted
    parts: list[tuple[FulfillmentOrderLineRecord, int]] = []
    for part_id, units in asked.items():
        if part_id not in known:
            raise NotAllowed("Fulfillment order line item does not exist.", "fulfillmentOrderLineItems")
        part = known[part_id]
        if not 0 < units <= part.remaining:
            raise NotAllowed("Invalid fulfillment order line item quantity.", "fulfillmentOrderLineItems")
        variant = state.variant("id", order.line(part.line_id).variant_id)
        assert variant is not None
        if location_id not in {level.location_id for level in state.levels(variant.inventory_item_id)}:
            place = state.locations()[location_id]
            raise NotAllowed(f"{place} does not stock the item {variant.sku}.", "newLocationId")
        parts.append((part, units))
    return parts


def _move(
    state: State,
    order: OrderRecord,
    plan: FulfillmentOrderRecord,
    location_id: int,
    parts: list[tuple[FulfillmentOrderLineRecord, int]],
) -> FulfillmentOrderRecord:
    now = datetime.now(UTC)
    standing = [
        each
        for each in order.fulfillment_orders
        if each.location_id == location_id and each.status in _AT_WORK
    ]
    moving = {part.id: units for part, units in parts}
    if not standing and all(moving.get(part.id) == part.total for part in plan.lines):
        plan.location_id = location_id
        plan.updated_at = now
        return plan
    made = FulfillmentOrderRecord(
        id=state.next_id("fulfillment_order"),
        location_id=location_id,
        lines=[],
        created_at=now,
        updated_at=now,
    )
    _hand_over(state, plan, made, parts, now)
    for each in standing:
        _hand_over(state, each, made, [(part, part.remaining) for part in each.lines], now)
    order.fulfillment_orders.append(made)
    return made


def _hand_over(
    state: State,
    plan: FulfillmentOrderRecord,
    to: FulfillmentOrderRecord,
    parts: list[tuple[FulfillmentOrderLineRecord, int]],
    now: datetime,
) -> None:
    """Units go from one fulfillment order to another; one with nothing left to ship is closed."""
    for part, units in parts:
        if not units:
            continue
        part.total -= units
        part.remaining -= units
        target = next((each for each in to.lines if each.line_id == part.line_id), None)
        if target is None:
            target = FulfillmentOrderLineRecord(
                id=state.next_id("fulfillment_order_line"), line_id=part.line_id, total=0, remaining=0
            )
            to.lines.append(target)
        target.total += units
        target.remaining += units
    plan.lines = [part for part in plan.lines if part.total]
    plan.updated_at = now
    if not any(part.remaining for part in plan.lines):
        plan.status = "CLOSED"
