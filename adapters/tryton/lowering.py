"""Takes units off a sale of which a part is picked or has left, by Tryton's own amendment.

An amendment knows quantities and prices of lines that are there; so it does where the order as it is to be has the
sale's own lines with fewer units, and nothing else. All else is refused as before. Cents of rounding follow: taxes by
the rounding lines that a sale has to spare, and a line's net, where its price does not divide, by its unit price.

Two things have to be seen to before: what is picked is a draft too, and would be deleted, and a canceled move counts as
sent as long as nobody has said *recreate*.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from math import ceil
from typing import Any, Final, NamedTuple

from adapters.errors import ContractBroken
from adapters.tryton.amounts import EndlessRounding, net_of
from adapters.tryton.notes import is_rounding
from adapters.tryton.records import (
    SHIPMENT,
    ComponentRecord,
    LineRecord,
    Movable,
    MoveRecord,
    SaleRecord,
)
from adapters.tryton.rpc import SYSTEM, TrytonRpc
from adapters.tryton.sale_amendment import OPERATION, SaleAmendments
from adapters.tryton.sales import Sales
from adapters.tryton.sums import amounts_of
from adapters.tryton.translate import PlannedLine, real_tax
from domain.erp_order import SalesOrder

_PICKED: Final = "picked"
_IN_HAND: Final = frozenset({_PICKED, "packed", "shipped", "done"})
_LINE: Final = "sale.line"
_COMPONENT: Final = "sale.line.component"


class Lowered(NamedTuple):
    """A line of the sale, the units it is to have, and their price: its own but for rounding."""

    line: LineRecord
    quantity: Decimal
    unit_price: Decimal

    @property
    def changed(self) -> LineRecord:
        """The line as it is to be."""
        return self.line.model_copy(update={"quantity": float(self.quantity), "unit_price": self.unit_price})


def lowered_lines(
    sale: SaleRecord, wanted: Sequence[PlannedLine], target: SalesOrder
) -> tuple[Lowered, ...] | None:
    """The lines to lower, and those to bring its taxes to the cent with.

    None where the sale cannot come to what is wanted in this way, as where a tax needs such a cent and the sale,
    entered by an older version, has no line for it: an amendment knows no new lines.
    """
    goods = [plan for plan in wanted if not is_rounding(plan.note)]
    return _to_the_cent(
        sale, [line for line in sale.order_lines if not is_rounding(line.note)], goods, target
    )


def lowered_parts(
    sale: SaleRecord, wanted: Sequence[PlannedLine], target: SalesOrder
) -> tuple[Lowered, ...] | None:
    """The same where ``wanted`` are some lines of the sale, and all else of it stays but for cents of rounding."""
    parts = [line for line in sale.order_lines if line.origin[0] in (target.only or ())]
    return _to_the_cent(sale, parts, wanted, target)


def _to_the_cent(
    sale: SaleRecord, parts: list[LineRecord], wanted: Sequence[PlannedLine], target: SalesOrder
) -> tuple[Lowered, ...] | None:
    lowered = _lowered(sale, parts, wanted)
    if lowered is None:
        return None
    expected = {tax.code: tax.amount for tax in target.taxes if tax.amount}
    try:
        lowered += _rounding(_changed(sale, lowered), target)
        comes_to = amounts_of(_changed(sale, lowered))
        if _is_billed(sale) and _credit_total(sale, lowered) != amounts_of(sale)[0] - target.total:
            return None
    except EndlessRounding:
        return None
    return lowered if comes_to == (target.total, expected) else None


def _credit_total(sale: SaleRecord, lowered: Sequence[Lowered]) -> Decimal:
    """What Tryton's credit note comes to: it rounds its own lines, not the sale's, and so may be a cent off.

    One in all, or between two taxes; the latter is the credit note's alone, the order's taxes are the sale's.
    """
    credited = [
        each.line.model_copy(update={"quantity": float(each.line.units - each.quantity)}) for each in lowered
    ]
    total, _ = amounts_of(sale.model_copy(update={"lines": tuple(credited)}))
    return total


def _changed(sale: SaleRecord, lowered: Sequence[Lowered]) -> SaleRecord:
    changed = {each.line.id: each.changed for each in lowered}
    return sale.model_copy(update={"lines": tuple(changed.get(line.id, line) for line in sale.lines)})


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
        rounded.append(Lowered(line, line.units + cents / tax.amount, Decimal(0)))
    return tuple(rounded)


def _lowered(
    sale: SaleRecord, left: list[LineRecord], wanted: Sequence[PlannedLine]
) -> tuple[Lowered, ...] | None:
    lowered = []
    for plan in wanted:
        found = next((found for line in left if (found := _as_planned(sale, line, plan)) is not None), None)
        if found is None:
            return None
        left.remove(found.line)
        if found.changed != found.line:
            lowered.append(found)
    lowered += [Lowered(line, Decimal(0), line.planned().unit_price) for line in left if line.units]
    taken = _units_in_hand(sale)
    possible = all(
        taken[line.id] <= quantity <= line.units and _let_go(line, quantity) is not None
        for line, quantity, _ in lowered
    )
    return tuple(lowered) if possible else None


class _LetGo(NamedTuple):
    """Canceled moves that are to count no more, as what they were for is not sold any more."""

    of: Movable
    moves: tuple[MoveRecord, ...]


def _let_go(line: LineRecord, quantity: Decimal) -> tuple[_LetGo, ...] | None:
    """The moves of a line, or of its components, with which it comes to ``quantity`` units.

    None where no canceled moves have just the units that are taken off, or a component's pieces do not follow the kits.
    """
    if any(component.fixed for component in line.components):
        return None
    found = []
    for each in line.components or (line,):
        moves = _outdated(each, each.ordered * quantity / line.units if line.components else quantity)
        if moves is None:
            return None
        if moves:
            found.append(_LetGo(each, moves))
    return tuple(found)


def _outdated(movable: Movable, ordered: Decimal) -> tuple[MoveRecord, ...] | None:
    dropped = movable.dropped()
    if ordered <= movable.alive:
        return dropped
    # Some of what people gave up is still sold, and is to stay given up.
    too_many = movable.alive + sum((move.pieces for move in dropped), Decimal(0)) - ordered
    if too_many <= 0 or all(move.state in {"done", "cancelled"} for move in movable.moves):
        return ()
    sums: dict[Decimal, tuple[MoveRecord, ...]] = {Decimal(0): ()}
    for move in dropped:
        for pieces, some in tuple(sums.items()):
            sums.setdefault(pieces + move.pieces, (*some, move))
    return sums.get(too_many)


class Lowering:
    """Lowers lines of sales."""

    def __init__(self, rpc: TrytonRpc, sales: Sales, amendments: SaleAmendments) -> None:
        self._rpc = rpc
        self._sales = sales
        self._amendments = amendments

    async def lower(self, sale: SaleRecord, lines: Sequence[Lowered], reason: str) -> SaleRecord:
        """The sale with these lines lowered. Done again it finds nothing to lower: quantities are absolute.

        Raises Conflict where somebody took a shipment up after the sale was read.
        """
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
                    "unit_price": price,
                    "description": form[line.id][1],
                }
                for line, quantity, price in lines
            ]
        except (KeyError, TypeError) as error:
            raise ContractBroken(SYSTEM, OPERATION, f"a line lacks {error}", str(rows)) from error
        await self._amendments.release(sale)
        # Only once it is packed is what is picked no draft; a try that is cut off leaves it packed, and nothing worse.
        picked = [shipment.id for shipment in sale.shipments if shipment.state == _PICKED]
        await self._press("pack", picked)
        await self._let_go(lines)
        await self._amendments.carry_out(sale, changes, reason)
        await self._press("pick", picked)
        return await self._sales.get(sale.id)

    async def _press(self, button: str, shipments: list[int]) -> None:
        if shipments:
            await self._rpc.call(f"{button} shipments", f"model.{SHIPMENT}.{button}", shipments, writes=True)

    async def _let_go(self, lines: Sequence[Lowered]) -> None:
        """Have canceled moves of what is not sold any more counted no longer.

        Tryton calls them recreated. Done before the units are taken off: then a try that is cut off here leaves units
        that are to be sent again, which the next takes off; the other way round it would leave some as given up.
        """
        every = [each for line, quantity, _ in lines for each in _let_go(line, quantity) or ()]
        for model, kind in ((_COMPONENT, ComponentRecord), (_LINE, LineRecord)):
            writes = list(_writes([each for each in every if isinstance(each.of, kind)]))
            if writes:
                await self._rpc.call("let moves go", f"model.{model}.write", *writes, writes=True)


def _as_planned(sale: SaleRecord, line: LineRecord, plan: PlannedLine) -> Lowered | None:
    """The line with the plan's units and net; None where it is another, has fewer units or another price.

    A discount, or a tax within the price, rarely divides evenly: the net of some of its units may be a cent off itself,
    and another for each tax. Then the units get the plan's price. Not once an invoice is posted: what Tryton credits is
    units at the price of now, and would not come to the difference.
    """
    held, step = line.planned(), sale.currency.rounding
    if (
        held._replace(quantity=plan.quantity, unit_price=plan.unit_price) != plan
        or line.units < plan.quantity
    ):
        return None
    off = net_of(plan.quantity, held.unit_price, step) - net_of(plan.quantity, plan.unit_price, step)
    if not off:
        return Lowered(line, plan.quantity, held.unit_price)
    if abs(off) > step * (1 + len(plan.taxes)) or _is_billed(sale):
        return None
    return Lowered(line, plan.quantity, plan.unit_price)


def _is_billed(sale: SaleRecord) -> bool:
    return any(invoice.state not in {"draft", "cancelled"} for invoice in sale.invoices)


def _writes(every: Sequence[_LetGo]) -> Iterator[Any]:
    for movable, moves in every:
        numbers = [move.id for move in moves]
        ignored = [number for number in numbers if number in movable.moves_ignored]
        yield [movable.id]
        yield {"moves_ignored": [["remove", ignored]], "moves_recreated": [["add", numbers]]}


def _units_in_hand(sale: SaleRecord) -> Counter[int]:
    """Line -> units on shipments that are picked or have left; of a kit all of which a piece has."""
    taken = {shipment.id for shipment in sale.shipments if shipment.state in _IN_HAND}
    units: Counter[int] = Counter()
    for line in sale.order_lines:
        units[line.id] = max(
            ceil(_pieces_in(each, taken) * line.units / each.ordered) if each.ordered else 0
            for each in line.components or (line,)
        )
    return units


def _pieces_in(movable: Movable, shipments: set[int]) -> Decimal:
    held = (m.pieces for m in movable.moves if m.shipment_id in shipments and m.state != "cancelled")
    return sum(held, Decimal(0))
