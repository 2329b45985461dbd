"""What the ERP is to hold of an order that is edited after goods of it came back. Pure.

What was sold for is known to the ERP alone by then: it holds the goods as they were sold, and credits them apart. So
nothing but the edited lines is planned, those of which goods came back with what was credited of them; all else stays
as the ERP has it.
"""

from collections import defaultdict
from collections.abc import Iterable
from collections.abc import Mapping as Units
from decimal import Decimal
from itertools import groupby

from domain.adding_up import sum_by_code, sum_credited
from domain.amendment import EditParts
from domain.backorders import Places, placed
from domain.differences import PlanRefused
from domain.erp_order import CreditedLine, ErpOrder, SalesLine, SalesOrder, TaxAmount
from domain.exchanges import as_sold, exchanged_lines
from domain.mapping import Mapping
from domain.order import Order
from domain.planning import map_taxes, plan_lines
from domain.quantities import held_units, shipped_units, units_returned
from domain.status import count_units
from domain.tax_allocation import charged_in, divide_sales_line, whole_of


def plan_after_return(
    order: Order, erp: ErpOrder, edit: EditParts, mapping: Mapping, places: Places | None = None
) -> SalesOrder:
    """The edited lines of what was sold, and what all of it is to come to beside the credits of its returns.

    A line of which the ERP has other units is edited too, noted or not: the total is of all of them. ``places``: line
    -> warehouse -> units that stay or came back, where a storefront may have planned otherwise. Raises PlanRefused
    where the edit is of delivery or a fee, of units that have left, or of kits that came back in part; or Unmapped.
    """
    sold, back = as_sold(order), units_returned(order)
    _refuse_what_left(order, sold, erp, back)
    if edit.terms:
        raise _refused(order, "goods of it came back, so delivery or a fee cannot be changed")
    credited = {part.line_id: part for part in sum_credited(x for each in erp.returns for x in each.credited)}
    same = {line: part.quantity for line, part in credited.items()} == back
    if not same or credited.keys() & exchanged_lines(order).keys():
        raise _refused(
            order, "what came back is not the same in both systems, or was sent in exchange before"
        )
    lines = tuple(dict.fromkeys((*edit.lines, *_held_otherwise(sold, erp, back))))
    _refuse_odd_returns(order, lines, erp, back)
    taxes: defaultdict[str, Decimal] = defaultdict(Decimal)
    for part in charged_in(sold):
        for code, amount in map_taxes(part.taxes, mapping).items():
            taxes[code] += amount
    returned = [TaxAmount(code=code, amount=amount) for code, amount in taxes.items()]
    for each in erp.returns:
        returned += [*each.taxes, *(tax for pieces in each.kept for tax in pieces.taxes)]
    planned = plan_lines(placed(_in_units_sold(sold, back), places or {}, mapping), lines, mapping)
    given_back = sum((each.total + each.fee for each in erp.returns), Decimal(0))
    update = {
        "only": (*lines, *(duty.charge_id for x in sold.lines if x.line_id in lines for duty in x.duties)),
        "instructions": order.note.strip(),
        "lines": _at_prices_sold(planned.lines, sold, credited, mapping),
        "total": sold.total + given_back,
        "taxes": sum_by_code(returned),
    }
    return planned.model_copy(update=update)


def _refuse_odd_returns(order: Order, lines: Iterable[str], erp: ErpOrder, back: Units[str, int]) -> None:
    """Raises PlanRefused where more than goods and their price came back of a line, or less."""
    in_part = {pieces.line_id for each in erp.returns for pieces in each.kept}
    dutiable = {line.line_id for line in order.lines if line.duties}
    for line in lines:
        if back.get(line) and line in in_part | dutiable:
            what = "a part of a kit" if line in in_part else "a part of its duties"
            raise _refused(order, f"{what} came back with units of line {line}, so it cannot be changed")


def _in_units_sold(sold: Order, back: Units[str, int]) -> Order:
    """The order with the units of its lines that came back."""
    lines = (
        line.model_copy(update={"current": line.current + back.get(line.line_id, 0)}) for line in sold.lines
    )
    return sold.model_copy(update={"lines": tuple(lines)})


def _at_prices_sold(
    planned: Iterable[SalesLine], sold: Order, credited: Units[str, CreditedLine], mapping: Mapping
) -> tuple[SalesLine, ...]:
    """Planned lines, those of which goods came back at what is left of them in the storefront and what was credited."""
    lines: list[SalesLine] = []
    for line_id, parts in groupby(planned, key=lambda part: part.line_id):
        same = list(parts)
        if line_id in credited:
            left = whole_of(sold, next(line for line in sold.lines if line.line_id == line_id))
            taxes = [TaxAmount(code=x, amount=tax) for x, tax in map_taxes(left.taxes, mapping).items()]
            update = {
                "quantity": sum(part.quantity for part in same),
                "net": left.net + credited[line_id].net,
                "taxes": sum_by_code((*taxes, *credited[line_id].taxes)),
            }
            whole = same[0].model_copy(update=update)
            divided = divide_sales_line(whole, [part.quantity for part in same], sold.currency)
            same = [
                part.model_copy(update={"net": priced.net, "taxes": priced.taxes})
                for part, priced in zip(same, divided, strict=True)
            ]
        lines += same
    return tuple(lines)


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
        f"{why} in the ERP any more; undo the edit in the store, and it goes on by itself",
    )
