"""An edit that takes off what has left: what of it Tryton can follow all the same. Pure."""

from collections import Counter, defaultdict
from decimal import Decimal
from typing import NamedTuple

from adapters.tryton.cancellation import obstacle_to_cancel
from adapters.tryton.notes import is_rounding
from adapters.tryton.reading import is_in_force, read_order
from adapters.tryton.records import SaleRecord
from adapters.tryton.sums import amounts_of_line
from domain.adding_up import sum_by_code
from domain.erp_order import RefusedChange, SalesLine, SalesLineKind, SalesOrder, TaxAmount
from domain.quantities import shipped_units


class Attainable(NamedTuple):
    """The target with the lines that cannot be followed as they are, and what is refused of it."""

    target: SalesOrder
    refused: tuple[RefusedChange, ...]


def keeping_what_left(order: SaleRecord, target: SalesOrder) -> Attainable | None:
    """The target, but for lines that are to have fewer units and of which all have left: they stay as they are.

    None where there are no such lines.
    """
    sales = [order, *(each for each in order.supplements if is_in_force(each))]
    left, wanted = shipped_units(read_order(order)), _units(target)
    held: defaultdict[str, list[SalesLine]] = defaultdict(list)
    reasons: dict[str, str] = {}
    for sale in sales:
        for line in _lines_of(sale):
            held[line.line_id].append(line)
            reasons[line.line_id] = obstacle_to_cancel(sale)
    units = {line_id: sum(x.quantity for x in lines) for line_id, lines in held.items()}
    stay = [
        line_id for line_id, n in units.items() if left.get(line_id) == n > wanted.get(line_id, 0) >= 0 and n
    ]
    if not stay:
        return None
    off = [line for line in target.lines if line.line_id in stay]
    kept = [line for line_id in stay for line in held[line_id]]
    less = [TaxAmount(code=tax.code, amount=-tax.amount) for line in off for tax in line.taxes]
    update = {
        "lines": (*(line for line in target.lines if line.line_id not in stay), *kept),
        "taxes": sum_by_code((*target.taxes, *less, *(tax for line in kept for tax in line.taxes))),
        "total": target.total + _worth(kept) - _worth(off),
    }
    refused = tuple(
        RefusedChange(
            line_id=line_id,
            change=f"{units[line_id]} -> {wanted.get(line_id, 0)} units",
            reason=reasons[line_id],
        )
        for line_id in stay
    )
    return Attainable(target.model_copy(update=update), refused)


def _lines_of(sale: SaleRecord) -> list[SalesLine]:
    """What a sale charges, line by line as it was entered, at its own amounts."""
    lines = []
    for line in sale.order_lines:
        if is_rounding(line.note) or not line.units:
            continue
        line_id, warehouse = line.origin
        net, taxes = amounts_of_line(sale, line)
        lines.append(
            SalesLine(
                line_id=line_id,
                kind=SalesLineKind.GOODS,
                product=(line.product.code if line.product else None) or "",
                warehouse=warehouse,
                quantity=int(line.units),
                net=net,
                taxes=taxes,
            )
        )
    return lines


def _units(target: SalesOrder) -> Counter[str]:
    units: Counter[str] = Counter()
    for line in target.lines:
        units[line.line_id] += line.quantity
    return units


def _worth(lines: list[SalesLine]) -> Decimal:
    return sum((line.net + sum((t.amount for t in line.taxes), Decimal(0)) for line in lines), Decimal(0))
