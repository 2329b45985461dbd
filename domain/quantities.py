"""What became of every unit of an order. Quantities are the state; all that is said of an order follows.

All rules are pure and idempotent: taking in the same reading of the ERP again changes nothing, and an
older one that arrives late takes nothing back.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import date

from pydantic import Field

from domain.erp_order import ErpOrder, ErpOrderState, ErpShipment, ErpShipmentState
from domain.exchanges import exchanged_lines
from domain.model import Frozen, Quantity
from domain.order import Fulfillment, FulfillmentLine, LineKind, LocationPlan, Order

_AT_WAREHOUSE = frozenset(
    {ErpShipmentState.WAITING, ErpShipmentState.RESERVED, ErpShipmentState.PICKED, ErpShipmentState.PACKED}
)
_IN_FORCE = frozenset({ErpOrderState.ACCEPTED, ErpOrderState.DONE})


class QuantitiesBroken(Exception):
    """Units of a line do not add up. ``line_id`` names the line, the message the numbers."""

    def __init__(self, line_id: str, problem: str) -> None:
        self.line_id = line_id
        super().__init__(f"line {line_id}: {problem}")


class LineState(Frozen):
    """Where the units of one order line are. Kits are counted in whole kits.

    ``ordered = canceled + shipped + open`` and ``open = allocated + backordered + given_up + unallocated``.
    """

    line_id: str
    sku: str | None
    title: str
    ordered: Quantity
    canceled: Quantity = 0
    allocated: dict[str, Quantity] = Field(default_factory=dict)
    """Warehouse -> units it is to ship and has not shipped yet."""
    backordered: Quantity = 0
    """Open units that the ERP took on without a shipment for them."""
    expected: date | None = None
    """The day on which the ERP expects to send the last of those."""
    given_up: Quantity = 0
    """Open units that the ERP sends no more."""
    shipped: Quantity = 0
    """Units that left. What needs no parcel leaves with the first one."""
    returned: Quantity = 0
    refunded: Quantity = 0
    requires_shipping: bool = True
    exchange: bool = False
    """It came onto the order in exchange for something else."""

    @property
    def due(self) -> int:
        """Units to deliver in all: ordered and not canceled."""
        return self.ordered - self.canceled

    @property
    def open(self) -> int:
        """Units still to deliver."""
        return self.due - self.shipped

    @property
    def unallocated(self) -> int:
        """Open units of which the ERP has not said anything yet."""
        return self.open - sum(self.allocated.values()) - self.backordered - self.given_up

    def conserved(self) -> "LineState":
        """The line itself where its units add up. Raises QuantitiesBroken with the numbers otherwise."""
        numbers = {"canceled": self.canceled, "backordered": self.backordered, "shipped": self.shipped}
        numbers |= {"given up": self.given_up, "returned": self.returned, "refunded": self.refunded}
        numbers |= {f"allocated at {warehouse}": units for warehouse, units in self.allocated.items()}
        for name, units in numbers.items():
            if units < 0:
                raise QuantitiesBroken(self.line_id, f"{name} is {units}, below zero")
        if self.open < 0:
            raise QuantitiesBroken(
                self.line_id,
                f"{self.shipped} shipped and {self.canceled} canceled are more than {self.ordered} ordered",
            )
        if self.unallocated < 0:
            held = f"{sum(self.allocated.values())} allocated, {self.backordered} backordered"
            raise QuantitiesBroken(
                self.line_id, f"{held} and {self.given_up} given up are more than the {self.open} open"
            )
        if self.returned > self.shipped:
            raise QuantitiesBroken(
                self.line_id, f"{self.returned} returned are more than the {self.shipped} shipped"
            )
        if self.refunded > self.ordered:
            raise QuantitiesBroken(
                self.line_id, f"{self.refunded} refunded are more than the {self.ordered} ordered"
            )
        return self


def units_returned(order: Order) -> dict[str, int]:
    """Line -> units that left, came back and were refunded in the storefront; lines without any are left out.

    The storefront counts them off the line, but neither off its parcels nor as something that is still to leave. A tip
    goes with the first parcel, and nobody edits it: what is missing of it was given back.
    """
    left: defaultdict[str, int] = defaultdict(int)
    for fulfillment in order.fulfillments:
        for part in fulfillment.lines:
            left[part.line_id] += part.quantity
    to_leave: defaultdict[str, int] = defaultdict(int)
    for plan in order.location_plans:
        for planned in plan.lines if plan.open else ():
            to_leave[planned.line_id] += planned.remaining
    back = {
        line.line_id: min(left[line.line_id], left[line.line_id] + to_leave[line.line_id] - line.current)
        for line in order.lines
    }
    if any(left.values()):
        tips = (line for line in order.lines if line.kind is LineKind.TIP)
        back |= {tip.line_id: tip.ordered - tip.current for tip in tips}
    return {line: units for line, units in back.items() if units > 0}


def page_after_returns(order: Order, lines: Iterable[LineState]) -> Order:
    """The order without units that came back and that it counts still, as it was read before their refund.

    Parcels that the units left in are on it as well: ``units_returned`` tells of it what came back.
    """
    states, back = {line.line_id: line for line in lines}, units_returned(order)
    unseen = {line: state.returned - back.get(line, 0) for line, state in states.items()}
    unseen = {line: units for line, units in unseen.items() if units > 0}
    if not unseen:
        return order
    after = (
        line.model_copy(update={"current": max(0, line.current - unseen.get(line.line_id, 0))})
        for line in order.lines
    )
    shown = Counter[str]()
    for fulfillment in order.fulfillments:
        shown.update({part.line_id: part.quantity for part in fulfillment.lines})
    left = Counter({line: max(0, states[line].shipped - shown[line]) for line in unseen})
    parts = tuple(FulfillmentLine(line_id=line, quantity=units) for line, units in left.items() if units)
    not_shown = (Fulfillment(fulfillment_id="", location="", lines=parts),) if parts else ()
    update = {
        "lines": tuple(after),
        "fulfillments": (*order.fulfillments, *not_shown),
        "location_plans": _plans_without(order.location_plans, left),
    }
    return order.model_copy(update=update)


def _plans_without(plans: Iterable[LocationPlan], left: Counter[str]) -> tuple[LocationPlan, ...]:
    """What is still to leave once these units have."""
    rest, found = Counter(left), []
    for plan in plans:
        parts = []
        for part in plan.lines:
            gone = min(part.remaining, rest[part.line_id]) if plan.open else 0
            rest[part.line_id] -= gone
            parts.append(part.model_copy(update={"remaining": part.remaining - gone}))
        found.append(plan.model_copy(update={"lines": tuple(parts)}))
    return tuple(found)


def lines_from_order(order: Order) -> tuple[LineState, ...]:
    """The state before the ERP knows the order: what edits took away is canceled, the rest is open.

    An edit that raised a line above what was bought first has ordered the rest as well. What came back is not canceled.
    """
    back, new = units_returned(order), exchanged_lines(order)
    states = []
    for line in order.lines:
        returned = back.get(line.line_id, 0)
        due = line.current + returned
        states.append(
            LineState(
                line_id=line.line_id,
                sku=line.sku,
                title=line.title,
                ordered=max(line.ordered, due),
                canceled=max(line.ordered - due, 0),
                requires_shipping=line.requires_shipping,
                exchange=line.line_id in new,
            )
        )
    return tuple(states)


def take_returns(lines: Iterable[LineState], back: Mapping[str, int]) -> tuple[LineState, ...]:
    """Note units (line -> units) that came back and were refunded; told twice, they count once.

    Raises QuantitiesBroken where more came back than left.
    """
    result = []
    for line in lines:
        units = max(line.returned, back.get(line.line_id, 0))
        update = {"returned": units, "refunded": max(line.refunded, units)}
        result.append(line.model_copy(update=update).conserved())
    return tuple(result)


def take_exchanges(lines: Iterable[LineState], order: Order, erp: ErpOrder) -> tuple[LineState, ...]:
    """Take in what the buyer gets in exchange, as long as the ERP does not have it. Raises QuantitiesBroken."""
    entered = {line.line_id for line in erp.lines}
    before = {line.line_id: line for line in lines}
    for fresh in lines_from_order(order):
        if fresh.exchange and fresh.line_id not in entered:
            was = before.get(fresh.line_id, fresh)
            before[fresh.line_id] = _with_due(was, fresh.due, at_least=fresh.ordered)
    return tuple(line.conserved() for line in before.values())


def take_edit(
    lines: Iterable[LineState], order: Order, held: Mapping[str, int] | None = None
) -> tuple[LineState, ...]:
    """Take in what the storefront holds now: units that came are ordered, units that went are canceled.

    ``held`` names the lines of which the ERP keeps another number of units. What has left stays due.
    """
    before = {line.line_id: line for line in lines}
    kept = held or {}
    result = []
    for fresh in lines_from_order(order):
        was = before.pop(fresh.line_id, fresh)
        result.append(_with_due(was, kept.get(fresh.line_id, fresh.due), at_least=fresh.ordered))
    # A storefront that forgets a line altogether has taken it off.
    result += [_with_due(gone, kept.get(gone.line_id, 0)) for gone in before.values()]
    return tuple(line.conserved() for line in result)


def held_units(erp: ErpOrder) -> Counter[str]:
    """Line -> units that the ERP has sold, at all warehouses together."""
    units = Counter[str]()
    for line in erp.lines:
        units[line.line_id] += line.quantity
    return units


def is_partly_shipped(erp: ErpOrder) -> bool:
    """Whether something left the house, and something else is still to."""
    over = {ErpShipmentState.SHIPPED, ErpShipmentState.CANCELED}
    open_still = any(s.state not in over and s.lines for s in erp.shipments) or bool(erp.backorders)
    return open_still and any(s.state is ErpShipmentState.SHIPPED and s.lines for s in erp.shipments)


def shipped_units(erp: ErpOrder) -> dict[str, int]:
    """Line -> units that left in parcels, by what the ERP says."""
    return _sum_units(s for s in erp.shipments if s.state is ErpShipmentState.SHIPPED)


def delivered_units(order: Order, erp: ErpOrder) -> dict[str, int]:
    """Line -> units delivered: what left in parcels, and with the first one what needs no parcel."""
    units = shipped_units(erp)
    goods = [(line.current, units.get(line.line_id, 0)) for line in order.lines if line.requires_shipping]
    if _handed_over(erp, goods):
        units |= {x.line_id: x.current for x in order.lines if x.current and not x.requires_shipping}
    return units


def apply_erp(lines: Iterable[LineState], erp: ErpOrder) -> tuple[LineState, ...]:
    """Take in a reading of the ERP's order.

    A reading that shows fewer units shipped than are known was taken earlier: its allocations are not
    believed. Raises QuantitiesBroken where more was shipped than is due, or a line is unknown.
    """
    before = tuple(lines)
    shipped = shipped_units(erp)
    allocated: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
    for shipment in erp.shipments:
        for part in shipment.lines if shipment.state in _AT_WAREHOUSE else ():
            allocated[part.line_id][shipment.warehouse] += part.quantity
    for unknown in sorted({*shipped, *allocated} - {line.line_id for line in before}):
        raise QuantitiesBroken(unknown, f"stands on a shipment of {erp.number} but not on order {erp.key}")

    promised = _promised(erp)
    later = {line.line_id for line in before if line.exchange} - {line.line_id for line in erp.lines}
    outdated = any(shipped.get(x.line_id, 0) < x.shipped for x in before if x.requires_shipping)
    after = [
        line.model_copy(update={"shipped": max(line.shipped, shipped.get(line.line_id, 0))})
        for line in before
    ]
    handed_over = _handed_over(erp, [(line.due, line.shipped) for line in after if line.requires_shipping])
    result = []
    for line in after:
        if not line.requires_shipping:
            result.append(line.model_copy(update={"shipped": line.due}) if handed_over else line)
            continue
        if line.open < 0:
            raise QuantitiesBroken(
                line.line_id,
                f"the ERP shipped {line.shipped} units but only {line.due} of {line.ordered} were due",
            )
        at = line.allocated if outdated else allocated[line.line_id]
        held = _capped(at, line.open)
        covered = sum(held.values())
        # What the ERP has not taken on yet (an exchange that is to be entered) is on no list of its either.
        taken_on = erp.state is ErpOrderState.ACCEPTED and line.line_id not in later
        given_up = min(line.given_up if outdated else erp.given_up.get(line.line_id, 0), line.open - covered)
        backordered = line.open - covered - given_up if taken_on else 0
        if outdated:
            backordered = min(line.backordered, line.open - covered - given_up)
        expected = promised.get(line.line_id) if backordered else None
        update = {
            "allocated": held,
            "backordered": backordered,
            "expected": expected,
            "given_up": given_up,
        }
        result.append(line.model_copy(update=update))
    return tuple(line.conserved() for line in result)


def cancel_open(lines: Iterable[LineState]) -> tuple[LineState, ...]:
    """Cancel every unit that has not left."""
    return tuple(
        line.model_copy(
            update={
                "canceled": line.canceled + line.open,
                "allocated": {},
                "backordered": 0,
                "expected": None,
                "given_up": 0,
            }
        ).conserved()
        for line in lines
    )


def _with_due(line: LineState, due: int, *, at_least: int = 0) -> LineState:
    """The line with so many units to deliver, and at least so many ordered."""
    shipped = line.shipped
    if line.requires_shipping:
        due = max(due, shipped)
    else:
        shipped = min(shipped, due)
    ordered = max(line.ordered, at_least, due)
    allocated = _capped(line.allocated, due - shipped)
    rest = due - shipped - sum(allocated.values())
    backordered = min(line.backordered, rest)
    return line.model_copy(
        update={
            "ordered": ordered,
            "canceled": ordered - due,
            "shipped": shipped,
            "allocated": allocated,
            "backordered": backordered,
            "given_up": min(line.given_up, rest - backordered),
        }
    )


def _sum_units(shipments: Iterable[ErpShipment]) -> dict[str, int]:
    units: defaultdict[str, int] = defaultdict(int)
    for shipment in shipments:
        for part in shipment.lines:
            units[part.line_id] += part.quantity
    return dict(units)


def _promised(erp: ErpOrder) -> dict[str, date]:
    """Line -> the last day on which the ERP expects to send backordered units of it."""
    days: dict[str, date] = {}
    for part in erp.backorders:
        if part.expected is not None and part.quantity:
            days[part.line_id] = max(part.expected, days.get(part.line_id, part.expected))
    return days


def _handed_over(erp: ErpOrder, goods: list[tuple[int, int]]) -> bool:
    """Whether what needs no parcel (a download, say) counts as delivered; ``goods`` are (due, shipped).

    It goes with the first parcel, so that an order can be canceled whole until then; where there is
    nothing to ship it is delivered once the ERP has accepted the order.
    """
    if any(shipped for _, shipped in goods):
        return True
    return erp.state in _IN_FORCE and not any(due for due, _ in goods)


def _capped(allocated: dict[str, int], open_units: int) -> dict[str, int]:
    """At most the open units: a shipment prepared before units were canceled still shows them."""
    held = {}
    for warehouse, units in sorted(allocated.items()):
        taken = min(units, open_units)
        open_units -= taken
        if taken:
            held[warehouse] = taken
    return held
