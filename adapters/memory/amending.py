"""What an amendment comes to inside the memory ERP: what it may do, and what it refuses. Pure."""

from collections import defaultdict
from decimal import Decimal
from typing import Any, NamedTuple

from domain.adding_up import sum_by_code
from domain.erp_order import (
    ErpOrder,
    ErpOrderState,
    ErpShipment,
    ErpShipmentState,
    RefusedChange,
    SalesLine,
    SalesOrder,
    TaxAmount,
)
from domain.money import proportion
from domain.tax_allocation import divide_sales_line

_TAKEN = frozenset({ErpShipmentState.PICKED, ErpShipmentState.PACKED})
_OPEN = frozenset({ErpShipmentState.WAITING, ErpShipmentState.RESERVED, *_TAKEN})
_NOTHING = Decimal(0)

Place = str | None
"""A warehouse; None for what is not shipped."""


class Amended(NamedTuple):
    """What the books hold afterwards, and what they refuse to change."""

    sales: SalesOrder
    refused: tuple[RefusedChange, ...]


def amend(held: ErpOrder, entered: SalesOrder, target: SalesOrder) -> Amended:
    """The largest part of the way from what is entered to the target that the shipments allow."""
    if held.state is ErpOrderState.CANCELED:
        return Amended(entered, (_of_order("the edit", f"order {held.number} is canceled"),))
    lines: list[SalesLine] = []
    refused: list[RefusedChange] = []
    for line_id in dict.fromkeys(line.line_id for line in (*target.lines, *entered.lines)):
        kept, said = _amend_line(line_id, held, entered, target)
        lines += kept
        refused += said
    changes: dict[str, Any] = {"lines": tuple(lines), "taxes": sum_by_code(t for x in lines for t in x.taxes)}
    changes["total"] = sum((x.net for x in lines), sum((t.amount for t in changes["taxes"]), _NOTHING))
    if obstacle := _obstacle_to_redirect(held):
        for name, words in (("shipping_address", "the shipping address"), ("carrier", "the carrier")):
            if getattr(entered, name) != getattr(target, name):
                refused.append(_of_order(words, obstacle))
                changes[name] = getattr(entered, name)
    return Amended(target.model_copy(update=changes), tuple(refused))


def units_by_place(
    shipments: tuple[ErpShipment, ...], states: frozenset[ErpShipmentState]
) -> dict[tuple[str, Place], int]:
    """(line, warehouse) -> units on shipments in one of these states."""
    units: defaultdict[tuple[str, Place], int] = defaultdict(int)
    for shipment in shipments:
        for part in shipment.lines if shipment.state in states else ():
            units[part.line_id, shipment.warehouse] += part.quantity
    return dict(units)


def _amend_line(
    line_id: str, held: ErpOrder, entered: SalesOrder, target: SalesOrder
) -> tuple[list[SalesLine], list[RefusedChange]]:
    old, new = (
        {line.warehouse: line for line in order.lines if line.line_id == line_id}
        for order in (entered, target)
    )
    left = units_by_place(held.shipments, frozenset({ErpShipmentState.SHIPPED}))
    taken = units_by_place(held.shipments, _TAKEN)
    asked = {place: new[place].quantity if place in new else 0 for place in {**old, **new}}
    had = {place: old[place].quantity if place in old else 0 for place in asked}
    units = {
        place: max(asked[place], left.get((line_id, place), 0) + taken.get((line_id, place), 0))
        for place in asked
    }
    # What cannot be taken off at one warehouse must not be sent from another one as well.
    excess = sum(units.values()) - sum(asked.values())
    for place in asked:
        cut = min(excess, max(0, units[place] - had[place]))
        units[place] -= cut
        excess -= cut
    refused = []
    for place, wanted in asked.items():
        if units[place] > wanted and (excess or taken.get((line_id, place))):
            where = f" at {place}" if len(asked) > 1 else ""
            change = f"{had[place]} -> {wanted} units{where}"
            reason = _why_kept(held, line_id, place)
            refused.append(RefusedChange(line_id=line_id, change=change, reason=reason))
    return _priced(old, new, units, excess=excess, currency=target.currency), refused


def _priced(
    old: dict[Place, SalesLine],
    new: dict[Place, SalesLine],
    units: dict[Place, int],
    *,
    excess: int,
    currency: str,
) -> list[SalesLine]:
    """The line's parts with these units: at the target's amounts where it has as many, else in proportion."""
    places = [place for place in units if units[place]]
    if excess or not new:
        return [_scaled(new.get(p) or old[p], units[p], currency) for p in places]
    if all(place in new and new[place].quantity == units[place] for place in places):
        return [new[place] for place in places]
    whole = next(iter(new.values())).model_copy(
        update={
            "quantity": sum(units[place] for place in places),
            "net": sum((line.net for line in new.values()), _NOTHING),
            "taxes": sum_by_code(tax for line in new.values() for tax in line.taxes),
        }
    )
    parts = divide_sales_line(whole, [units[place] for place in places], currency)
    return [
        (new.get(place) or old[place]).model_copy(
            update={"quantity": part.quantity, "net": part.net, "taxes": part.taxes}
        )
        for place, part in zip(places, parts, strict=True)
    ]


def _scaled(line: SalesLine, quantity: int, currency: str) -> SalesLine:
    if quantity == line.quantity:
        return line
    if quantity < line.quantity:
        return divide_sales_line(line, (quantity, line.quantity - quantity), currency)[0]
    # More units than the line was priced for cost as much each.
    net, *taxes = (
        (-1 if amount < 0 else 1) * proportion(abs(amount) * quantity, 1, line.quantity, currency)
        for amount in (line.net, *(tax.amount for tax in line.taxes))
    )
    codes = (tax.code for tax in line.taxes)
    return line.model_copy(
        update={
            "quantity": quantity,
            "net": net,
            "taxes": tuple(TaxAmount(code=c, amount=a) for c, a in zip(codes, taxes, strict=True)),
        }
    )


def _why_kept(held: ErpOrder, line_id: str, place: Place) -> str:
    """The shipment that keeps units of a line: what is picked may still be undone, so it is named first."""
    holding = [
        shipment
        for shipment in held.shipments
        if shipment.warehouse == place and any(part.line_id == line_id for part in shipment.lines)
    ]
    for shipment in holding:
        if shipment.state in _TAKEN:
            return f"shipment {shipment.number} from {place} is {shipment.state}"
    gone = next(shipment for shipment in holding if shipment.state is ErpShipmentState.SHIPPED)
    return f"shipment {gone.number} from {place} has left"


def _obstacle_to_redirect(held: ErpOrder) -> str:
    """Why parcels cannot go elsewhere now; empty where those that are still to be made can."""
    for shipment in held.shipments:
        if shipment.state in _TAKEN:
            return f"shipment {shipment.number} from {shipment.warehouse} is {shipment.state}"
    gone = [shipment for shipment in held.shipments if shipment.state is ErpShipmentState.SHIPPED]
    if gone and not any(shipment.state in _OPEN for shipment in held.shipments):
        return f"shipment {gone[-1].number} from {gone[-1].warehouse} has left"
    return ""


def _of_order(change: str, reason: str) -> RefusedChange:
    return RefusedChange(line_id=None, change=change, reason=reason)
