"""What the ERP is to hold of an order that is edited after goods of it came back. Pure.

What was sold for is known to the ERP alone by then: it holds the goods as they were sold, and credits them apart. So
nothing but the edited lines is planned, and only lines of which nothing came back; all else stays as the ERP has it.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping as Units
from decimal import Decimal

from domain.adding_up import sum_by_code
from domain.amendment import EditParts
from domain.differences import PlanRefused
from domain.erp_order import ErpOrder, SalesOrder, TaxAmount
from domain.exchanges import as_sold, exchanged_lines
from domain.mapping import Mapping
from domain.order import Order
from domain.planning import map_taxes, plan_lines
from domain.quantities import held_units, shipped_units, units_returned
from domain.status import count_units
from domain.tax_allocation import charged_in


def plan_after_return(order: Order, erp: ErpOrder, edit: EditParts, mapping: Mapping) -> SalesOrder:
    """The edited lines of what was sold, and what all of it is to come to beside the credits of its returns.

    A line of which the ERP has other units is edited too, noted or not: the total is of all of them. Raises PlanRefused
    where the edit is of more than lines of which nothing came back, or of units that have left, Unmapped.
    """
    sold, back = as_sold(order), units_returned(order)
    _refuse_what_left(order, sold, erp, back)
    if edit.terms:
        raise _refused(
            order, "goods of it came back, so an address, delivery, a fee or the note cannot be changed"
        )
    lines = tuple(dict.fromkeys((*edit.lines, *_held_otherwise(sold, erp, back))))
    for line in lines:
        if back.get(line):
            raise _refused(
                order,
                f"{count_units(back[line])} of line {line} came back and got refunded, so it cannot be changed",
            )
    credited = Counter[str]()
    for each in erp.returns:
        credited.update({part.line_id: part.quantity for part in each.credited if part.quantity})
    if dict(credited) != back or credited.keys() & exchanged_lines(order).keys():
        raise _refused(
            order, "what came back is not the same in both systems, or was sent in exchange before"
        )
    taxes: defaultdict[str, Decimal] = defaultdict(Decimal)
    for part in charged_in(sold):
        for code, amount in map_taxes(part.taxes, mapping).items():
            taxes[code] += amount
    returned = [TaxAmount(code=code, amount=amount) for code, amount in taxes.items()]
    for each in erp.returns:
        returned += [*each.taxes, *(tax for pieces in each.kept for tax in pieces.taxes)]
    planned = plan_lines(sold, lines, mapping)
    given_back = sum((each.total + each.fee for each in erp.returns), Decimal(0))
    update = {"only": lines, "total": sold.total + given_back, "taxes": sum_by_code(returned)}
    return planned.model_copy(update=update)


def _refuse_what_left(order: Order, sold: Order, erp: ErpOrder, back: Units[str, int]) -> None:
    """Raises PlanRefused where units left that the storefront had taken off."""
    left = shipped_units(erp)
    for line in sold.lines:
        beyond = left.get(line.line_id, 0) - back.get(line.line_id, 0) - line.current
        if line.requires_shipping and beyond > 0:
            raise _refused(
                order,
                f"{count_units(beyond)} of line {line.line_id} had been taken off in the store and left all the "
                "same, and as goods of the order came back, the line cannot be changed",
            )


def _held_otherwise(sold: Order, erp: ErpOrder, back: Units[str, int]) -> list[str]:
    """Lines of which the ERP has another number of units than the order had before its returns."""
    held = held_units(erp)
    return [x.line_id for x in sold.lines if held[x.line_id] != x.current + back.get(x.line_id, 0)]


def _refused(order: Order, why: str) -> PlanRefused:
    return PlanRefused(
        f"edit_after_return:{order.key}",
        f"{why} in the ERP any more; undo the edit in the store, then resubmit",
    )
