"""What the ERP is to hold of an order that is edited after goods of it came back. Pure.

What was sold for is known to the ERP alone by then: it holds the goods as they were sold, and credits them apart. So
nothing but the edited lines is planned, and only lines of which nothing came back; all else stays as the ERP has it.
"""

from collections import Counter, defaultdict
from decimal import Decimal

from domain.adding_up import sum_by_code
from domain.amendment import EditParts
from domain.differences import PlanRefused
from domain.erp_order import ErpOrder, SalesOrder, TaxAmount
from domain.exchanges import as_sold, exchanged_lines
from domain.mapping import Mapping
from domain.order import Order
from domain.planning import map_taxes, plan_lines
from domain.quantities import units_returned
from domain.status import count_units
from domain.tax_allocation import charged_in


def plan_after_return(order: Order, erp: ErpOrder, edit: EditParts, mapping: Mapping) -> SalesOrder:
    """The edited lines of what was sold, and what all of it is to come to beside the credits of its returns.

    Raises PlanRefused where the edit is of more than lines of which nothing came back, Unmapped.
    """
    sold, back = as_sold(order), units_returned(order)
    if edit.terms:
        raise _refused(
            order, "goods of it came back, so an address, delivery, a fee or the note cannot be changed"
        )
    for line in edit.lines:
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
    planned = plan_lines(sold, edit.lines, mapping)
    given_back = sum((each.total + each.fee for each in erp.returns), Decimal(0))
    update = {"only": edit.lines, "total": sold.total + given_back, "taxes": sum_by_code(returned)}
    return planned.model_copy(update=update)


def _refused(order: Order, why: str) -> PlanRefused:
    return PlanRefused(
        f"edit_after_return:{order.key}",
        f"{why} in the ERP any more; undo the edit in the store, then resubmit",
    )
