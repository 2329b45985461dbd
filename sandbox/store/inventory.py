"""Stock set from outside, with compare-and-set."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from domain.model import Frozen
from sandbox.store.state import Level, State

MAX_QUANTITY: Final = 1_000_000_000

# What of the input is wrong -> code, words, field. No code is published for the last; its words are the REST API's.
_UNSETTABLE: Final[dict[str, tuple[str | None, str, str]]] = {
    "item": ("INVALID_INVENTORY_ITEM", "The specified inventory item could not be found.", "inventoryItemId"),
    "location": ("INVALID_LOCATION", "The specified location could not be found.", "locationId"),
    "stock": (
        "ITEM_NOT_STOCKED_AT_LOCATION",
        "The specified inventory item is not stocked at the location.",
        "locationId",
    ),
    "tracked": (None, "Inventory item does not have inventory tracking enabled.", "inventoryItemId"),
}


class WantedLevel(Frozen):
    """One quantity to set; ``change_from`` None sets in any case."""

    inventory_item_id: int
    location_id: int
    quantity: int
    change_from: int | None = None


class LevelError(Frozen):
    """Why a quantity was not set; ``place`` is its place in the input, None for the input as a whole."""

    code: str | None
    message: str
    place: int | None = None
    field: str | None = None


class LevelChange(Frozen):
    """What was set."""

    inventory_item_id: int
    location_id: int
    name: str
    delta: int
    after: int


class Adjustment(Frozen):
    """A set of changes made together."""

    id: int
    reason: str
    reference: str | None
    created_at: datetime
    changes: tuple[LevelChange, ...]


def set_levels(
    state: State, name: str, reason: str, reference: str | None, wanted: Sequence[WantedLevel]
) -> Adjustment | tuple[LevelError, ...]:
    """Set all quantities or none; ``name`` is available or on_hand."""
    if name not in {"available", "on_hand"}:
        return (
            LevelError(
                code="INVALID_NAME", message="The quantity name must be available or on_hand.", field="name"
            ),
        )
    changes: list[LevelChange] = []
    errors: list[LevelError] = []
    seen: set[tuple[int, int]] = set()
    with state.transaction():
        for place, level in enumerate(wanted):
            found = _current(state, level)
            error = _error(
                name, level, found, place, twice=(level.inventory_item_id, level.location_id) in seen
            )
            seen.add((level.inventory_item_id, level.location_id))
            if error:
                errors.append(error)
                continue
            assert isinstance(found, Level)
            before = _quantity(name, found)
            changes.append(
                LevelChange(
                    inventory_item_id=level.inventory_item_id,
                    location_id=level.location_id,
                    name=name,
                    delta=level.quantity - before,
                    after=level.quantity,
                )
            )
        if errors:
            return tuple(errors)
        for change in changes:
            state.move_stock(change.inventory_item_id, change.location_id, available=change.delta)
        return Adjustment(
            id=state.next_id("adjustment"),
            reason=reason,
            reference=reference,
            created_at=datetime.now(UTC),
            changes=tuple(changes),
        )


def _current(state: State, wanted: WantedLevel) -> Level | str:
    """The level as it is, or which part of the input is unknown."""
    variant = state.variant("inventory_item_id", wanted.inventory_item_id)
    if variant is None:
        return "item"
    if wanted.location_id not in state.locations().keys() - state.closed_locations():
        return "location"
    if not variant.tracked:
        return "tracked"
    return state.level(wanted.inventory_item_id, wanted.location_id) or "stock"


def _error(
    name: str, wanted: WantedLevel, found: Level | str, place: int, *, twice: bool
) -> LevelError | None:
    def error(code: str, message: str, field: str) -> LevelError:
        return LevelError(code=code, message=message, place=place, field=field)

    if isinstance(found, str):
        code, message, field = _UNSETTABLE[found]
        return LevelError(code=code, message=message, place=place, field=field)
    if twice:
        message = "The combination of inventoryItemId and locationId must be unique."
        return error("NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR", message, "locationId")
    if wanted.quantity > MAX_QUANTITY:
        return error("INVALID_QUANTITY_TOO_HIGH", "The quantity is too high.", "quantity")
    if wanted.quantity < -MAX_QUANTITY:
        return error("INVALID_QUANTITY_TOO_LOW", "The quantity is too low.", "quantity")
    if name == "on_hand" and wanted.quantity < 0:
        return error("INVALID_QUANTITY_NEGATIVE", "The quantity can't be negative.", "quantity")
    if wanted.change_from is not None and wanted.change_from != _quantity(name, found):
        message = "The changeFromQuantity value does not match the persisted quantity."
        return error("CHANGE_FROM_QUANTITY_STALE", message, "changeFromQuantity")
    return None


def _quantity(name: str, level: Level) -> int:
    return level.available if name == "available" else level.available + level.committed
