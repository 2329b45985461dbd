"""What locations are to ship: units that come onto their plans and off them again, stock with them."""

from collections.abc import Iterable
from datetime import UTC, datetime

from sandbox.store.parcel_records import FulfillmentOrderLineRecord, FulfillmentOrderRecord
from sandbox.store.records import LineRecord, OrderRecord
from sandbox.store.state import State

_AT_WORK = frozenset({"OPEN", "IN_PROGRESS"})


def add_to_plan(
    state: State,
    order: OrderRecord,
    line: LineRecord,
    location_id: int,
    units: int,
    *,
    opens: datetime | None = None,
) -> FulfillmentOrderRecord:
    """Let a location ship so many more units: on its plan that is still at work, or on a new one. Stock stays.

    What ``opens`` later has a plan of its own, which is scheduled.
    """
    now = datetime.now(UTC)
    status = "OPEN" if opens is None or opens <= now else "SCHEDULED"
    plan = next(
        (
            p
            for p in order.fulfillment_orders
            if p.location_id == location_id
            and (p.status in _AT_WORK if status == "OPEN" else p.fulfill_at == opens and p.status == status)
        ),
        None,
    )
    if plan is None:
        plan = FulfillmentOrderRecord(
            id=state.next_id("fulfillment_order"),
            location_id=location_id,
            status=status,
            fulfill_at=opens if status == "SCHEDULED" else None,
            lines=[],
            created_at=now,
            updated_at=now,
        )
        order.fulfillment_orders.append(plan)
    part = next((part for part in plan.lines if part.line_id == line.id), None)
    if part is None:
        part = FulfillmentOrderLineRecord(
            id=state.next_id("fulfillment_order_line"), line_id=line.id, total=0, remaining=0
        )
        plan.lines.append(part)
    part.total += units
    part.remaining += units
    plan.updated_at = now
    return plan


def add_plan(
    state: State, order: OrderRecord, lines: Iterable[LineRecord], location_id: int
) -> FulfillmentOrderRecord | None:
    """A plan of its own for all units of new lines, with their stock; none where nothing of them is shipped."""
    to_ship = [line for line in lines if line.requires_shipping]
    if not to_ship:
        return None
    now = datetime.now(UTC)
    plan = FulfillmentOrderRecord(
        id=state.next_id("fulfillment_order"),
        location_id=location_id,
        lines=[
            FulfillmentOrderLineRecord(
                id=state.next_id("fulfillment_order_line"),
                line_id=line.id,
                total=line.current,
                remaining=line.current,
            )
            for line in to_ship
        ],
        created_at=now,
        updated_at=now,
    )
    order.fulfillment_orders.append(plan)
    move_plans(state, order, [plan], available=-1, committed=1)
    return plan


def take_off_plans(state: State, order: OrderRecord, line: LineRecord, units: int) -> None:
    """Take units off, from the location planned last, so that the first one keeps its work; back into stock."""
    for plan in reversed(order.fulfillment_orders):
        for part in plan.lines:
            if part.line_id != line.id or not units:
                continue
            taken = min(units, part.remaining)
            part.remaining -= taken
            part.total -= taken
            units -= taken
            plan.updated_at = datetime.now(UTC)
            move_units(state, order, line.id, plan.location_id, available=taken, committed=-taken)
        plan.lines = [part for part in plan.lines if part.total]
        if not any(part.remaining for part in plan.lines) and plan.status in _AT_WORK | {"SCHEDULED"}:
            plan.status = "CLOSED"


def open_what_is_due(order: OrderRecord) -> None:
    """What was scheduled, and whose time has come, is open."""
    now = datetime.now(UTC)
    for plan in order.fulfillment_orders:
        if plan.status == "SCHEDULED" and plan.fulfill_at is not None and plan.fulfill_at <= now:
            plan.status = "OPEN"


def location_of(order: OrderRecord, line: LineRecord) -> int | None:
    """The location that was asked for a line first; None for one that is not shipped."""
    for plan in order.fulfillment_orders:
        if any(part.line_id == line.id for part in plan.lines):
            return plan.location_id
    return None


def move_plans(
    state: State,
    order: OrderRecord,
    plans: Iterable[FulfillmentOrderRecord],
    *,
    available: int,
    committed: int,
) -> None:
    """Change stock by so many times what remains on the plans."""
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
