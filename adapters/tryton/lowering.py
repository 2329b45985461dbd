"""Takes units off a sale of which a part is picked or has left, by Tryton's own amendment.

An amendment knows quantities of lines that are there, at their prices; so it does where the order as it is to be has
the sale's own lines with fewer units, and nothing else. All else is refused as before.
"""

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from adapters.errors import Conflict, ContractBroken, Rejected
from adapters.tryton.records import SHIPMENT, LineRecord, SaleRecord
from adapters.tryton.rpc import SYSTEM, TrytonRpc
from adapters.tryton.sales import Sales
from adapters.tryton.sums import amounts_of
from adapters.tryton.translate import PlannedLine, is_rounding, real_tax
from domain.erp_order import SalesOrder

AMENDMENT: Final = "sale.amendment"
_OPERATION: Final = "amend sale"
_RESERVED_OR_NOT: Final = frozenset({"waiting", "assigned"})
_IN_HAND: Final = frozenset({"picked", "packed", "shipped", "done"})


class Lowered(NamedTuple):
    """A line of the sale and the units it is to have."""

    line: LineRecord
    quantity: Decimal


def lowered_lines(sale: SaleRecord, wanted: Sequence[PlannedLine]) -> tuple[Lowered, ...] | None:
    """The lines to lower; None where the sale cannot come to what is wanted in this way."""
    return _lowered(sale, list(sale.order_lines), wanted)


def lowered_parts(
    sale: SaleRecord, wanted: Sequence[PlannedLine], target: SalesOrder
) -> tuple[Lowered, ...] | None:
    """The same where ``wanted`` are some lines of the sale, and all else of it stays but for cents of rounding.

    None also where a tax needs such a cent for the first time: an amendment knows no new lines.
    """
    parts = [line for line in sale.order_lines if line.origin[0] in target.only]
    lowered = _lowered(sale, parts, wanted)
    if lowered is None:
        return None
    lowered += _rounding(_with_units(sale, lowered), target)
    total, taxes = amounts_of(_with_units(sale, lowered))
    expected = {tax.code: tax.amount for tax in target.taxes}
    return lowered if total == target.total and taxes == expected else None


def _with_units(sale: SaleRecord, lowered: Sequence[Lowered]) -> SaleRecord:
    units = {line.id: float(quantity) for line, quantity in lowered}
    lines = (
        line.model_copy(update={"quantity": units[line.id]}) if line.id in units else line
        for line in sale.lines
    )
    return sale.model_copy(update={"lines": tuple(lines)})


def _rounding(sale: SaleRecord, target: SalesOrder) -> tuple[Lowered, ...]:
    """Lines that bring taxes to the cent, with the cents that are missing of the target's, as far as there are any."""
    _, taxes = amounts_of(sale)
    missing = Counter({tax.code: tax.amount for tax in target.taxes})
    missing.subtract(taxes)
    rounded = []
    for line in sale.order_lines if any(missing.values()) else ():
        tax = line.taxes[0].line_tax() if is_rounding(line.note) and len(line.taxes) == 1 else None
        if tax is None or not tax.amount or not (cents := missing.pop(real_tax(tax.code), Decimal(0))):
            continue
        rounded.append(Lowered(line, line.units + cents / tax.amount))
    return tuple(rounded)


def _lowered(
    sale: SaleRecord, left: list[LineRecord], wanted: Sequence[PlannedLine]
) -> tuple[Lowered, ...] | None:
    lowered = []
    for plan in wanted:
        line = next((line for line in left if _same_but_for_units(line, plan)), None)
        if line is None:
            return None
        left.remove(line)
        if line.units != plan.quantity:
            lowered.append(Lowered(line, plan.quantity))
    lowered += [Lowered(line, Decimal(0)) for line in left if line.units]
    taken = _units_in_hand(sale)
    possible = all(
        not line.components and taken[line.id] <= quantity < line.units for line, quantity in lowered
    )
    return tuple(lowered) if possible else None


class Lowering:
    """Lowers lines of sales."""

    def __init__(self, rpc: TrytonRpc, sales: Sales) -> None:
        self._rpc = rpc
        self._sales = sales

    async def lower(self, sale: SaleRecord, lines: Sequence[Lowered], reason: str) -> SaleRecord:
        """The sale with these lines lowered. Done again it finds nothing to lower: quantities are absolute."""
        rows = await self._rpc.call(
            "read sale lines",
            "model.sale.line.read",
            [lowered.line.id for lowered in lines],
            ["unit", "description"],
            writes=False,
        )
        try:
            form = {row["id"]: (row["unit"], row["description"]) for row in rows}
            changes = [
                {
                    "action": "line",
                    "line": line.id,
                    "product": line.product.id if line.product else None,
                    "quantity": float(quantity),
                    "unit": form[line.id][0],
                    "unit_price": line.unit_price,
                    "description": form[line.id][1],
                }
                for line, quantity in lines
            ]
        except (KeyError, TypeError) as error:
            raise ContractBroken(SYSTEM, _OPERATION, f"a line lacks {error}", str(rows)) from error
        # What is reserved, be it in part, keeps an amendment from laying its moves out anew: it is given back first.
        waiting = [shipment.id for shipment in sale.shipments if shipment.state in _RESERVED_OR_NOT]
        if waiting:
            await self._release(sale, waiting)
        values = {"sale": sale.id, "description": reason, "lines": [["create", changes]]}
        made = await self._rpc.call(_OPERATION, f"model.{AMENDMENT}.create", [values], writes=True)
        if not isinstance(made, list) or len(made) != 1:
            raise ContractBroken(SYSTEM, _OPERATION, "the answer is not one id", str(made))
        await self._rpc.call(_OPERATION, f"model.{AMENDMENT}.validate_amendment", made, writes=True)
        return await self._sales.get(sale.id)

    async def _release(self, sale: SaleRecord, waiting: list[int]) -> None:
        """Raises Conflict where somebody took a shipment up after the sale was read."""
        try:
            await self._rpc.call("release shipments", f"model.{SHIPMENT}.wait", waiting, writes=True)
        except Rejected as error:
            if (await self._sales.get(sale.id)).shipments == sale.shipments:
                raise
            raise Conflict(
                SYSTEM, _OPERATION, f"a shipment was taken up meanwhile: {error.reason}"
            ) from error


def _same_but_for_units(line: LineRecord, plan: PlannedLine) -> bool:
    held = line.planned()
    return held._replace(quantity=plan.quantity) == plan and line.units >= plan.quantity


def _units_in_hand(sale: SaleRecord) -> Counter[int]:
    """Line -> units on shipments that are picked or have left."""
    taken = {shipment.id for shipment in sale.shipments if shipment.state in _IN_HAND}
    units: Counter[int] = Counter()
    for line in sale.order_lines:
        units[line.id] = sum(
            int(move.quantity)
            for move in line.moves
            if move.shipment_id in taken and move.state != "cancelled"
        )
    return units
