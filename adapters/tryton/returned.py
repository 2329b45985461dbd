"""What came back of a sale, from Tryton's records. Pure.

The goods of a return are a customer return shipment, made without a sale: each of its moves has the move that took the
goods to the customer as its origin, and its reference names the return and the units that were announced. The money is
a sale of its own with quantities below zero, whose origin is the order's sale (``adapters.tryton.crediting``).
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final, NamedTuple

from adapters.errors import ContractBroken
from adapters.tryton.bundles import Bundle, bundles_of, count
from adapters.tryton.records import MoveRecord, OutcomeMove, PaperRecord, SaleRecord
from adapters.tryton.sums import net_of_line, tax_amounts
from domain.erp_order import ErpReturn, ErpReturnState, ShipmentLine, TaxAmount
from domain.order import OrderKey
from domain.returns import FEE_LINE, ReturnAuthorization

UNITS_NOTE: Final = "Units given back"
"""Stands on a credit line for units of goods; one for delivery, a fee or a part of a price lacks it."""
MARK: Final = "(return:"
_MARKED: Final = re.compile(r"\(return:(?P<name>[^;()]+); (?P<lines>[^()]*)\)")
_LONGEST_NOTE: Final = 120
_POSTED: Final = frozenset({"posted", "paid"})


class ReturnPaper(NamedTuple):
    """A customer return shipment of ours. ``bundles`` are what it brings, by incoming move."""

    id: int
    number: str
    state: str
    reference: str
    announced: dict[str, int]
    moves: dict[int, OutcomeMove]
    bundles: tuple[Bundle, ...]

    @property
    def alive(self) -> bool:
        """It was not canceled."""
        return self.state != "cancelled"

    @property
    def came_in(self) -> bool:
        """The warehouse has received it."""
        return self.state in {"received", "done"}


def reference_of(request: ReturnAuthorization) -> str:
    """What stands on the return shipment, for people and for ``papers_of``."""
    units = ", ".join(f"{line.line_id}={line.quantity}" for line in request.lines)
    mark = f"{MARK}{request.key}:{request.return_id}; {units})"
    note = " ".join(request.note.split())[:_LONGEST_NOTE]
    return " ".join(filter(None, [request.number, mark, note]))


def papers_of(sale: SaleRecord) -> dict[str, list[ReturnPaper]]:
    """The sale's return shipments by return, oldest first; those that people made by themselves are none of ours."""
    moves: dict[int, dict[int, OutcomeMove]] = defaultdict(dict)
    papers: dict[int, PaperRecord] = {}
    for line in sale.order_lines:
        for sent in line.all_moves():
            for move in sent.outcome:
                if move.return_id is not None and move.paper is not None:
                    moves[move.return_id][move.id] = move
                    papers[move.return_id] = move.paper
    found: dict[str, list[ReturnPaper]] = defaultdict(list)
    for number, paper in sorted(papers.items()):
        named = _read_reference(sale.key, paper.reference or "")
        if named is not None:
            return_id, announced = named
            inside = moves[number]
            found[return_id].append(
                ReturnPaper(
                    id=number,
                    number=paper.number or str(number),
                    state=paper.state,
                    reference=paper.reference or "",
                    announced=announced,
                    moves=inside,
                    bundles=_bundles(sale, paper, inside),
                )
            )
    return dict(found)


def current(papers: Iterable[ReturnPaper]) -> ReturnPaper | None:
    """The one that counts: the oldest that was not canceled, else the last."""
    listed = list(papers)
    return next((paper for paper in listed if paper.alive), listed[-1] if listed else None)


def at_the_buyer(sale: SaleRecord) -> tuple[Bundle, ...]:
    """What has left, less what came back or is to come, by move to the customer."""
    ours = {paper.id for papers in papers_of(sale).values() for paper in papers}

    def held(move: MoveRecord) -> dict[int, Decimal]:
        if move.state != "done" or move.shipment_id is None:
            return {}
        returned = [x for x in move.outcome if x.return_id in ours and x.state != "cancelled"]
        return {move.id: move.pieces - sum((x.pieces - _sent_again(x) for x in returned), Decimal(0))}

    return bundles_of(sale.order_lines, held)


def put_away(move: OutcomeMove) -> Decimal:
    """Pieces that went on the shelf, or were written off."""
    return _onward(move, inside=True)


def returns_of(sale: SaleRecord) -> tuple[ErpReturn, ...]:
    """The order's returns; one without goods is told once its credit note is posted. Raises ContractBroken."""
    papers = papers_of(sale)
    credited = {credit.return_credited: credit for credit in sale.credits if credit.return_credited}
    found = []
    for return_id in dict.fromkeys((*papers, *credited)):
        paper, credit = current(papers.get(return_id, ())), credited.get(return_id)
        if paper is not None or is_posted(credit):
            found.append(_return(return_id, paper, credit))
    return tuple(found)


def is_posted(credit: SaleRecord | None) -> bool:
    """Whether a credit note stands in the books."""
    if credit is None or credit.state not in {"processing", "done"}:
        return False
    living = [invoice for invoice in credit.invoices if invoice.state != "cancelled"]
    return bool(living) and all(invoice.state in _POSTED for invoice in living)


def is_settled(paper: ReturnPaper | None, credit: SaleRecord | None) -> bool:
    """Goods are where they belong, and the credit note is posted; none is due where all of them went back."""
    if is_posted(credit):
        return paper is None or paper.state in {"done", "cancelled"}
    return credit is None and paper is not None and paper.state == "done" and _all_sent_again(paper)


def _return(return_id: str, paper: ReturnPaper | None, credit: SaleRecord | None) -> ErpReturn:
    binding = credit if credit is not None and credit.state in {"processing", "done"} else None
    number = paper.number if paper else (credit.number if credit else None)
    return ErpReturn(
        return_id=return_id,
        number=number or return_id,
        state=_state(paper, credit),
        expected=_lines(paper.announced if paper else {}),
        received=_lines(count(paper.bundles) if paper and paper.came_in else {}),
        credited=_lines(_credited(binding) if binding else {}),
        total=-binding.total_amount if binding else Decimal(0),
        taxes=tuple(
            TaxAmount(code=code, amount=-amount)
            for code, amount in sorted((tax_amounts(binding) if binding else {}).items())
            if amount
        ),
        fee=net_of_line(binding, FEE_LINE) if binding else Decimal(0),
    )


def _state(paper: ReturnPaper | None, credit: SaleRecord | None) -> ErpReturnState:
    if is_settled(paper, credit):
        return ErpReturnState.SETTLED
    match paper.state if paper else "":
        case "draft":
            return ErpReturnState.EXPECTED
        case "received" | "done":
            return ErpReturnState.RECEIVED
        case "cancelled":
            return ErpReturnState.CANCELED
        case unknown:
            reason = f"return {paper.number if paper else ''} is in an unknown state {unknown!r}"
            raise ContractBroken("tryton", "read sale", reason)


def _bundles(sale: SaleRecord, paper: PaperRecord, inside: Mapping[int, OutcomeMove]) -> tuple[Bundle, ...]:
    """A canceled move counts only in a canceled shipment, as what it would have held."""

    def held(move: MoveRecord) -> dict[int, Decimal]:
        return {
            x.id: x.pieces
            for x in move.outcome
            if x.id in inside and (x.state != "cancelled" or paper.state == "cancelled")
        }

    return bundles_of(sale.order_lines, held)


def _read_reference(key: OrderKey, reference: str) -> tuple[str, dict[str, int]] | None:
    """Return and announced units; None where the reference names no return of this order."""
    found = _MARKED.search(reference)
    if found is None or not found["name"].startswith(f"{key}:"):
        return None
    announced = {}
    for entry in found["lines"].split(", "):
        line, _, number = entry.rpartition("=")
        if line and number.isdecimal():
            announced[line] = int(number)
    return found["name"].removeprefix(f"{key}:"), announced


def _credited(credit: SaleRecord) -> dict[str, int]:
    units: dict[str, int] = defaultdict(int)
    for line in credit.order_lines:
        if UNITS_NOTE in (line.note or ""):
            units[line.origin[0]] -= int(line.units)
    return dict(units)


def _lines(units: Mapping[str, int]) -> tuple[ShipmentLine, ...]:
    return tuple(
        ShipmentLine(line_id=line, quantity=number) for line, number in sorted(units.items()) if number > 0
    )


def _all_sent_again(paper: ReturnPaper) -> bool:
    return all(_sent_again(move) == move.pieces for move in paper.moves.values() if move.state != "cancelled")


def _sent_again(move: OutcomeMove) -> Decimal:
    return _onward(move, inside=False)


def _onward(move: OutcomeMove, *, inside: bool) -> Decimal:
    """What of it was moved on: within the return shipment, or by a shipment to the customer."""
    moved = (x for x in move.onward if x.state != "cancelled" and (x.shipment_id is None) is inside)
    return sum((x.pieces for x in moved), Decimal(0))
