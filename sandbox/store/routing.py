"""Where an order's units come from, and whether there are enough of them."""

from collections import Counter

from sandbox.store.records import OrderRecord, SoldOut
from sandbox.store.requests import PlaceLine, PlaceOrder, PlaceSplit
from sandbox.store.state import State


def routed(state: State, request: PlaceOrder) -> PlaceOrder:
    """The same order with locations for the lines that may come from anywhere."""
    if not any(line.anywhere for line in request.lines):
        return request
    taken: Counter[tuple[int, int]] = Counter()
    lines = [_routed(state, line, taken) if line.anywhere else line for line in request.lines]
    return request.model_copy(update={"lines": tuple(lines)})


def _routed(state: State, line: PlaceLine, taken: Counter[tuple[int, int]]) -> PlaceLine:
    """From the first location that has all of it, else from the fullest ones; what nobody has, from the first."""
    variant = state.variant("sku", line.sku)
    closed = state.closed_locations()
    free = {
        level.location_id: max(0, level.available - taken[level.inventory_item_id, level.location_id])
        for level in (state.levels(variant.inventory_item_id) if variant else ())
        if level.location_id not in closed
    }
    if variant is None or not free:
        return line
    whole = next((location for location, units in free.items() if units >= line.quantity), None)
    missing, parts = line.quantity, dict[int, int]()
    for location in [whole] if whole else sorted(free, key=lambda each: -free[each]):
        parts[location] = min(missing, free[location])
        missing -= parts[location]
    first = next(iter(parts))
    parts[first] += missing
    for location, units in parts.items():
        taken[variant.inventory_item_id, location] += units
    split = tuple(PlaceSplit(location=each, quantity=units) for each, units in parts.items() if units)
    return line.model_copy(update={"split": split})


def check_stock(state: State, order: OrderRecord) -> None:
    """Raises SoldOut where a location has fewer units than are to come from it and no more may be sold."""
    wanted: Counter[tuple[int, int]] = Counter()
    for plan in order.fulfillment_orders:
        for part in plan.lines:
            wanted[order.line(part.line_id).variant_id, plan.location_id] += part.remaining
    for (variant_id, location_id), units in wanted.items():
        variant = state.variant("id", variant_id)
        assert variant is not None
        if variant.policy == "CONTINUE" or not variant.tracked:
            continue
        level = state.level(variant.inventory_item_id, location_id)
        available = level.available if level else 0
        if available < units:
            place = state.locations()[location_id]
            raise SoldOut(
                f"{variant.sku} is sold out: {units} are wanted from {place}, {available} are available"
            )
