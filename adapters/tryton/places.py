"""Warehouses of Tryton, and which of their places hold what can be sold.

On the shelf is what lies beneath a warehouse's storage zone or its output zone, where picked goods wait to leave. What
has come in and is not put away yet, and what lies anywhere else, cannot be sold.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from domain.model import Frozen

LOCATION: Final = "stock.location"
PLACE_FIELDS: Final = (
    *("code", "type", "parent", "active"),
    *("storage_location", "output_location", "input_location"),
)


class PlaceRecord(BaseModel):
    """A location; the zones are those of a warehouse."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: int
    code: str | None = None
    type: str
    parent: int | None = None
    active: bool = True
    storage_location: int | None = None
    output_location: int | None = None
    input_location: int | None = None


class Places(Frozen):
    """What a location means for what can be sold. Warehouses that share a code count as one."""

    warehouses: tuple[str, ...]
    """By code, or by id where they have none; closed ones too, which have nothing."""
    warehouse_by_id: Mapping[int, str]
    shelf_of: Mapping[int, str]
    """Location -> the warehouse on whose shelf it is."""
    arrival_of: Mapping[int, str]
    """Location -> the warehouse into which goods come there."""
    customers: frozenset[int]

    def shelves(self) -> dict[str, list[int]]:
        """Warehouse -> all of its shelves."""
        found: dict[str, list[int]] = defaultdict(list)
        for place, warehouse in sorted(self.shelf_of.items()):
            found[warehouse].append(place)
        return dict(found)


def places_of(records: Iterable[PlaceRecord]) -> Places:
    """Sort all locations of a Tryton."""
    known = {record.id: record for record in records}
    children: dict[int, list[int]] = defaultdict(list)
    for record in known.values():
        if record.parent is not None and record.active:
            children[record.parent].append(record.id)
    warehouses = [record for _, record in sorted(known.items()) if record.type == "warehouse"]
    codes = {record.id: record.code or str(record.id) for record in warehouses}
    shelf_of: dict[int, str] = {}
    arrival_of: dict[int, str] = {}
    for record in warehouses:
        if not record.active:
            continue
        code = codes[record.id]
        zones = {record.storage_location, record.output_location}
        arriving = set() if record.input_location in zones else _beneath(record.input_location, children)
        for place in _beneath(record.storage_location, children) | _beneath(record.output_location, children):
            # A zone that two warehouses share is counted once.
            if place not in arriving:
                shelf_of.setdefault(place, code)
        arrival_of |= dict.fromkeys(arriving, code)
    return Places(
        warehouses=tuple(sorted(set(codes.values()))),
        warehouse_by_id=codes,
        shelf_of=shelf_of,
        arrival_of=arrival_of,
        customers=frozenset(record.id for record in known.values() if record.type == "customer"),
    )


def _beneath(place: int | None, children: Mapping[int, list[int]]) -> set[int]:
    """A location and all within it."""
    found: set[int] = set()
    left: list[Any] = [] if place is None else [place]
    while left:
        here = left.pop()
        if here not in found:
            found.add(here)
            left += children.get(here, ())
    return found
