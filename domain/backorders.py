"""What follows from units that are not in stock, by the rules of ``domain.backorder_rules``. Pure.

Only what the ERP itself calls a backorder counts (``ErpOrder.backorders``): units that stand on no shipment for another
reason, because one is being made this moment, are nobody's shortage.
"""

from collections import defaultdict
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from enum import StrEnum

from domain.backorder_rules import BackorderRules, OnShortage
from domain.erp_order import ErpOrder, ErpOrderState, ErpShipmentState
from domain.exchanges import exchanged_lines
from domain.mapping import Mapping as FieldMapping
from domain.model import Frozen, Instant
from domain.order import LocationLine, LocationPlan, Order
from domain.quantities import held_units, shipped_units, units_returned
from domain.status import count_units

LineId = str
Warehouse = str
Units = Mapping[LineId, int]
Places = Mapping[LineId, Mapping[Warehouse, int]]


class ShortageAct(StrEnum):
    """What an order does about a shortage."""

    WAIT = "wait"
    ASK = "ask a person"
    CANCEL_REST = "cancel the rest"


class ShortageVerdict(Frozen):
    """What is to be done, now or at ``at``; None for nothing but waiting."""

    act: ShortageAct = ShortageAct.WAIT
    at: Instant | None = None


def short_units(erp: ErpOrder | None) -> dict[LineId, int]:
    """Line -> units that the ERP says are not in stock."""
    units: defaultdict[LineId, int] = defaultdict(int)
    if erp is not None and erp.state is ErpOrderState.ACCEPTED:
        for part in erp.backorders:
            units[part.line_id] += part.quantity
    return {line: count for line, count in units.items() if count}


def grown(before: Units, now: Units) -> bool:
    """Whether more is short of any line than before."""
    return any(units > before.get(line, 0) for line, units in now.items())


def judge_shortage(
    rules: BackorderRules, short: Units, since: datetime | None, now: datetime, settled: Units
) -> ShortageVerdict:
    """What the rules say about units that are short ``since`` then; about ``settled`` ones all is done that can be."""
    if not grown(settled, short):
        return ShortageVerdict()
    if rules.on_shortage is OnShortage.ASK:
        return ShortageVerdict(act=ShortageAct.ASK, at=now)
    if rules.cancel_rest_after_days is None or since is None:
        return ShortageVerdict()
    return ShortageVerdict(
        act=ShortageAct.CANCEL_REST, at=since + timedelta(days=rules.cancel_rest_after_days)
    )


def without_rest(order: Order, erp: ErpOrder) -> dict[LineId, int]:
    """Line -> units that it comes down to once its backordered ones are canceled; lines that stay are left out.

    Absolute, and never below what the ERP has in hand, or has begun to send: asked again after the storefront was
    told, it names no line. What the buyer gets in exchange waits: it is paid for by what came back.
    """
    stay, shipped, back = exchanged_lines(order).keys(), shipped_units(erp), units_returned(order)
    short = {line: units for line, units in short_units(erp).items() if line not in stay}
    held = held_units(erp)
    at_least = {line: shipped.get(line, 0) + kits for line, kits in erp.begun.items()}
    wanted = {
        line: max(0, max(at_least.get(line, 0), held[line] - units) - back.get(line, 0))
        for line, units in short.items()
    }
    return {
        line.line_id: wanted[line.line_id]
        for line in order.lines
        if line.current > wanted.get(line.line_id, line.current)
    }


def places_in_hand(erp: ErpOrder, lines: Mapping[LineId, int]) -> dict[LineId, dict[Warehouse, int]]:
    """Line -> warehouse -> units that have left from there or are to leave, for these lines."""
    places: dict[LineId, dict[Warehouse, int]] = {line: {} for line in lines}
    for shipment in erp.shipments:
        for part in shipment.lines if shipment.state is not ErpShipmentState.CANCELED else ():
            if part.line_id in places:
                at = places[part.line_id]
                at[shipment.warehouse] = at.get(shipment.warehouse, 0) + part.quantity
    return places


def placed(order: Order, places: Places, mapping: FieldMapping) -> Order:
    """The order with these lines planned where the ERP has them in hand, whatever plan a storefront shortened.

    A line of which another number of units is planned by now is left alone. Raises Unmapped.
    """
    current = {line.line_id: line.current for line in order.lines}
    moved = {line: at for line, at in places.items() if at and sum(at.values()) == current.get(line, 0)}
    if not moved:
        return order
    plans = [
        plan.model_copy(update={"lines": tuple(part for part in plan.lines if part.line_id not in moved)})
        for plan in order.location_plans
    ]
    for line, at in moved.items():
        for warehouse, units in at.items():
            # What has left from there is told by parcels: as something that is still to leave it would count twice.
            part = LocationLine(id=f"{line}@{warehouse}", line_id=line, quantity=units, remaining=0)
            location = mapping.location_of(warehouse)
            plans.append(LocationPlan(id=part.id, location=location, open=False, lines=(part,)))
    return order.model_copy(update={"location_plans": tuple(plans)})


def shortage_words(erp: ErpOrder, names: Mapping[LineId, str]) -> str:
    """``2 units of CAP-NAVY at WH-WEST, expected 2026-12-01; 1 unit of ...``, by line and warehouse."""
    return "; ".join(
        f"{count_units(part.quantity)} of {names.get(part.line_id, part.line_id)}"
        + (f" at {part.warehouse}" if part.warehouse else "")
        + expected_words(part.expected)
        for part in sorted(erp.backorders, key=lambda part: (part.line_id, part.warehouse or ""))
        if part.quantity
    )


def expected_words(expected: date | None) -> str:
    """``, expected 2026-12-01``; empty where the ERP promises no day."""
    return f", expected {expected}" if expected else ""


def refuse_rules(rules: BackorderRules, *, told: bool, held_back: bool) -> str:
    """Why an ERP cannot do what the rules ask for, in words with the remedy; empty where it can.

    ``told``: it tells of units that are not in stock. ``held_back``: it can keep an order until all of it is there.
    """
    if rules.on_shortage is OnShortage.WAIT_FOR_ALL and not held_back:
        return (
            'on_shortage = "wait_for_all" cannot be kept: this ERP ships what is in stock as it comes; '
            'choose "ship_what_is_there", or "ask"'
        )
    if rules.needs_telling and not told:
        return (
            "this ERP does not tell which units are not in stock; set ORDERWRIGHT_ERP__RESERVE=true where it can, "
            "or remove the table"
        )
    return ""
