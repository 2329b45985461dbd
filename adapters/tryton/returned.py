"""What came back of a sale, from Tryton's records. Pure.

The goods of a return are a customer return shipment, made without a sale: each of its moves has the move that took the
goods to the customer as its origin, and its reference names the return and the units that were announced. Where fewer
came in, another is made for the rest. The money is a sale of its own with quantities below zero, whose origin is the
order's sale (``adapters.tryton.crediting``).
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from adapters.errors import ContractBroken
from adapters.tryton.bundles import Bundle, bundles_of, count_parts, kits_of
from adapters.tryton.records import MoveRecord, OutcomeMove, PaperRecord, SaleRecord
from adapters.tryton.sums import amounts_of_line, net_of_line, tax_amounts
from domain.adding_up import sum_credited
from domain.erp_order import CreditedLine, ErpReturn, ErpReturnState, KeptPieces, ShipmentLine, TaxAmount
from domain.kit_returns import Kits, gross_of, in_pieces, in_units, line_of, product_of
from domain.order import OrderKey
from domain.returns import FEE_LINE, CreditLine, ReturnAuthorization

UNITS_NOTE: Final = "Units given back"
"""Stands on a credit line for units of goods; one for delivery, a fee or a part of a price lacks it."""
_WORTH: Final = "Pieces of a kit, worth "
_MARK: Final = "(return:"
BY_HAND: Final = "erp-"
"""Before the id of a return shipment that people made by themselves."""
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
    kits: Kits
    """Of the whole order."""

    @property
    def units(self) -> dict[str, int]:
        """What it brings: units by line, and pieces of kits."""
        return count_parts(self.bundles, self.kits)

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
    mark = f"{_MARK}{request.key}:{request.return_id}; {units})"
    note = " ".join(request.note.split())[:_LONGEST_NOTE]
    return " ".join(filter(None, [request.number, mark, note]))


def papers_of(sale: SaleRecord) -> dict[str, list[ReturnPaper]]:
    """The sale's return shipments by return, oldest first.

    One that people made by themselves, its moves from those that took the goods to the customer, is a return as well:
    goods that nobody has told us of. Its own id names it.
    """
    moves: dict[int, dict[int, OutcomeMove]] = defaultdict(dict)
    papers: dict[int, PaperRecord] = {}
    for line in sale.every_line:
        for sent in line.all_moves():
            for move in sent.outcome:
                if move.return_id is not None and move.paper is not None:
                    moves[move.return_id][move.id] = move
                    papers[move.return_id] = move.paper
    found: dict[str, list[ReturnPaper]] = defaultdict(list)
    kits = kits_of(sale.every_line)
    for number, paper in sorted(papers.items()):
        inside = moves[number]
        bundles = _bundles(sale, paper, inside)
        named = _read_reference(sale.key, paper.reference or "")
        return_id, announced = named or (f"{BY_HAND}{number}", count_parts(bundles, kits))
        found[return_id].append(
            ReturnPaper(
                id=number,
                number=paper.number or str(number),
                state=paper.state,
                reference=paper.reference or "",
                announced=announced,
                moves=inside,
                bundles=bundles,
                kits=kits,
            )
        )
    return dict(found)


def came_in(papers: Iterable[ReturnPaper]) -> dict[str, int]:
    """Units by line, and pieces of kits, that the warehouse has received."""
    return _sum(paper for paper in papers if paper.came_in)


def rest_of(papers: Sequence[ReturnPaper]) -> dict[str, int]:
    """Units that were announced and are on no return shipment any more: fewer came in than was written on one.

    What people canceled is expected no more, and no part of it.
    """
    if not any(paper.came_in for paper in papers):
        return {}
    kits = papers[0].kits
    rest = in_pieces(papers[0].announced, kits) - in_pieces(_sum(papers), kits)
    return in_units(rest, kits)


def short_returns(sale: SaleRecord) -> dict[str, list[ReturnPaper]]:
    """Returns of which a rest is to be expected yet; nobody waits for the rest of one that is being settled."""
    return {
        return_id: papers
        for return_id, papers in papers_of(sale).items()
        if rest_of(papers) and sale.credit_of(return_id) is None and not is_settled(papers, None)
    }


def doubles_of(papers: Iterable[ReturnPaper]) -> list[ReturnPaper]:
    """Drafts by which more would come in than was announced, as where two processes made one at once."""
    expected: Counter[str] = Counter()
    doubles = []
    for paper in papers:
        if paper.alive:
            pieces = in_pieces(paper.units, paper.kits)
            announced = in_pieces(paper.announced, paper.kits)
            if paper.state == "draft" and any(n + expected[x] > announced[x] for x, n in pieces.items()):
                doubles.append(paper)
            else:
                expected += pieces
    return doubles


def at_the_buyer(sale: SaleRecord) -> tuple[Bundle, ...]:
    """What has left, less what came back or is to come, by move to the customer."""
    ours = {paper.id for papers in papers_of(sale).values() for paper in papers}

    def held(move: MoveRecord) -> dict[int, Decimal]:
        if move.state != "done" or move.shipment_id is None:
            return {}
        returned = [x for x in move.outcome if x.return_id in ours and x.state != "cancelled"]
        return {move.id: move.pieces - sum((x.pieces - sent_again(x) for x in returned), Decimal(0))}

    return bundles_of(sale.every_line, held)


def sent_again(move: OutcomeMove) -> Decimal:
    """Pieces of what came in that go, or went, to the buyer again."""
    onward = (x for x in move.onward if x.state != "cancelled" and x.shipment_id is not None)
    return sum((x.pieces for x in onward), Decimal(0))


def returns_of(sale: SaleRecord) -> tuple[ErpReturn, ...]:
    """The order's returns; one without goods is told once its credit note is posted. Raises ContractBroken."""
    papers = papers_of(sale)
    credited = {credit.return_credited: credit for credit in sale.credits if credit.return_credited}
    found = []
    for return_id in dict.fromkeys((*papers, *credited)):
        goods, credit = papers.get(return_id, []), credited.get(return_id)
        if goods or is_posted(credit):
            found.append(_return(return_id, goods, credit))
    return tuple(found)


def is_posted(credit: SaleRecord | None) -> bool:
    """Whether a credit note stands in the books."""
    if credit is None or not binds(credit):
        return False
    living = [invoice for invoice in credit.invoices if invoice.state != "cancelled"]
    return bool(living) and all(invoice.state in _POSTED for invoice in living)


def is_settled(papers: Sequence[ReturnPaper], credit: SaleRecord | None) -> bool:
    """Goods are where they belong, and the credit note is posted; none is due where all of them went back."""
    if any(paper.state == "received" for paper in papers):
        return False
    done = [paper for paper in papers if paper.state == "done"]
    if credit is not None:
        # A rest that is expected still, beside what is done, holds nothing up.
        return is_posted(credit) and (bool(done) or not any(paper.alive for paper in papers))
    return bool(done) and all(
        sent_again(move) == move.pieces
        for paper in done
        for move in paper.moves.values()
        if move.state != "cancelled"
    )


def binds(credit: SaleRecord | None) -> bool:
    """Whether the ERP owes what a credit sale comes to."""
    return credit is not None and credit.state in {"processing", "done"}


def _return(return_id: str, papers: list[ReturnPaper], credit: SaleRecord | None) -> ErpReturn:
    binding = credit if binds(credit) else None
    first = next((paper for paper in papers if paper.alive), papers[0] if papers else None)
    number = first.number if first else (credit.number if credit else None)
    taxes = tax_amounts(binding) if binding else {}
    kept = _kept(binding) if binding else ()
    return ErpReturn(
        return_id=return_id,
        number=number or return_id,
        state=_state(papers, credit),
        expected=_lines(papers[0].announced if papers else {}),
        received=_lines(came_in(papers)),
        credited=_credited(binding) if binding else (),
        total=-binding.total_amount if binding else Decimal(0),
        taxes=tuple(TaxAmount(code=code, amount=-amount) for code, amount in sorted(taxes.items()) if amount),
        fee=net_of_line(binding, FEE_LINE) + gross_of(kept) if binding else Decimal(0),
        kept=kept,
    )


def _state(papers: list[ReturnPaper], credit: SaleRecord | None) -> ErpReturnState:
    if is_settled(papers, credit):
        return ErpReturnState.SETTLED
    if any(paper.came_in for paper in papers):
        return ErpReturnState.RECEIVED
    states = {paper.state for paper in papers}
    if "draft" in states:
        return ErpReturnState.EXPECTED
    if states == {"cancelled"}:
        return ErpReturnState.CANCELED
    named = ", ".join(f"{paper.number} {paper.state!r}" for paper in papers)
    raise ContractBroken("tryton", "read sale", f"a return shipment is in an unknown state: {named}")


def _bundles(sale: SaleRecord, paper: PaperRecord, inside: Mapping[int, OutcomeMove]) -> tuple[Bundle, ...]:
    """A canceled move counts only in a canceled shipment, as what it would have held."""

    def held(move: MoveRecord) -> dict[int, Decimal]:
        return {
            x.id: x.pieces
            for x in move.outcome
            if x.id in inside and (x.state != "cancelled" or paper.state == "cancelled")
        }

    return bundles_of(sale.every_line, held)


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


def _credited(credit: SaleRecord) -> tuple[CreditedLine, ...]:
    """The credit's lines are below zero."""
    parts = []
    for line in credit.order_lines:
        if UNITS_NOTE in (line.note or ""):
            net, taxes = amounts_of_line(credit, line)
            back = tuple(TaxAmount(code=tax.code, amount=-tax.amount) for tax in taxes)
            parts.append(
                CreditedLine(line_id=line.origin[0], quantity=-int(line.units), net=-net, taxes=back)
            )
    return sum_credited(parts)


def worth_note(line: CreditLine) -> str:
    """Stands on a line for pieces of a kit: what they are worth to the cent, tax by tax."""
    return "; ".join([f"{_WORTH}{line.net}", *(f"{tax.code}={tax.amount}" for tax in line.taxes)])


def _kept(credit: SaleRecord) -> tuple[KeptPieces, ...]:
    """Lines for pieces of kits: above zero what is held back for them, below zero what is given back."""
    units: Counter[str] = Counter()
    worth: dict[str, str] = {}
    for line in credit.order_lines:
        marks = [part for part in (line.note or "").splitlines() if part.startswith(_WORTH)]
        if marks and product_of(line.origin[0]):
            units[line.origin[0]] += int(line.units)
            worth[line.origin[0]] = marks[0].removeprefix(_WORTH)
    return tuple(_pieces(name, number, worth[name]) for name, number in units.items())


def _pieces(name: str, number: int, worth: str) -> KeptPieces:
    sign = 1 if number > 0 else -1
    try:
        net, *taxes = worth.split("; ")
        by_code = [tax.rpartition("=")[::2] for tax in taxes]
        return KeptPieces(
            line_id=line_of(name),
            product=product_of(name),
            quantity=number,
            net=sign * Decimal(net),
            taxes=tuple(TaxAmount(code=code, amount=sign * Decimal(amount)) for code, amount in by_code),
        )
    except (ArithmeticError, ValueError) as error:
        reason = f"the worth of {name} cannot be read from its note: {worth!r}; put the note back as it was"
        raise ContractBroken("tryton", "read credit", reason) from error


def _lines(units: Mapping[str, int]) -> tuple[ShipmentLine, ...]:
    return tuple(
        ShipmentLine(line_id=line, quantity=number) for line, number in sorted(units.items()) if number > 0
    )


def _sum(papers: Iterable[ReturnPaper]) -> dict[str, int]:
    pieces: Counter[str] = Counter()
    kits: Kits = {}
    for paper in papers:
        kits = paper.kits
        pieces += in_pieces(paper.units, kits)
    return in_units(pieces, kits)
