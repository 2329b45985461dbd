"""Brings goods that came in to their places: on the shelf, to what is written off, or to the buyer again.

The first two are moves within the return shipment. What is not taken leaves by a shipment to the customer of its own,
which the warehouse packs as any other: until then it lies where goods come in, and is not for sale.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple, TypeVar

from pydantic import ValidationError

from adapters.errors import Conflict, ContractBroken
from adapters.tryton.bundles import Bundle, Taken, count_parts, take_parts
from adapters.tryton.dock import DOCK_FIELDS, PIECE_FIELDS, Dock, Goods, Pieces, StockRecord
from adapters.tryton.records import MOVE, RETURN_SHIPMENT, SHIPMENT, SaleRecord
from adapters.tryton.returned import ReturnPaper, papers_of
from adapters.tryton.returning import Returning, refusal
from adapters.tryton.rpc import SYSTEM, TrytonRpc
from adapters.tryton.sales import Sales
from domain.returns import ReturnCredit

_DIFFERENT: Final = ".check_quantity_product"
"""Tryton's warning that less is put away than came in; that is so where something goes to the buyer again."""
_OPERATION: Final = "put goods away"
Found = TypeVar("Found", bound=StockRecord)


class Placing(NamedTuple):
    """What is to become of the pieces of each incoming move."""

    shelf: dict[int, Decimal]
    waste: dict[int, Decimal]
    buyer: dict[int, Decimal]


class PuttingAway:
    """Settles the goods of returns."""

    def __init__(self, rpc: TrytonRpc, sales: Sales, returning: Returning) -> None:
        self._rpc = rpc
        self._sales = sales
        self._returning = returning

    async def check(self, sale: SaleRecord, request: ReturnCredit) -> None:
        """Raise Rejected where the goods cannot be settled as asked for; changes nothing.

        Causes: ``return_short``, ``return_stocked_otherwise``, ``waste_location_missing``.
        """
        papers = [paper for paper in papers_of(sale).get(request.return_id, []) if paper.alive]
        if arrived := tuple(paper for paper in papers if paper.came_in):
            _place(await self._goods(arrived), request)
        elif papers:
            _units_of(papers[0], request)

    async def settle(self, sale: SaleRecord, request: ReturnCredit) -> SaleRecord:
        """Bring every unit to its place; the sale as it is afterwards."""
        papers = papers_of(sale).get(request.return_id, [])
        drafts = [paper for paper in papers if paper.state == "draft"]
        if drafts and _wanted(request) and not any(paper.came_in for paper in papers):
            await self._receive(drafts.pop(0), request)
        if drafts:
            # Nobody waits for what has not come any more.
            await self._returning.give_up(drafts, "settled without")
        sale = await self._sales.get(sale.id)
        arrived = tuple(
            paper for paper in papers_of(sale).get(request.return_id, []) if paper.came_in and paper.alive
        )
        if not arrived:
            return sale
        goods = await self._goods(arrived)
        placing = _place(goods, request)
        for paper in arrived:
            if paper.state == "received":
                await self._put_away(paper, goods, placing)
        await self._send_again(goods, placing)
        return await self._sales.get(sale.id)

    async def _goods(self, papers: tuple[ReturnPaper, ...]) -> Goods:
        docks = await self._read(RETURN_SHIPMENT, [paper.id for paper in papers], DOCK_FIELDS, Dock)
        moves = [
            number for paper in papers for number, move in paper.moves.items() if move.state != "cancelled"
        ]
        pieces = await self._read(MOVE, moves, PIECE_FIELDS, Pieces)
        for paper in papers:
            if docks[paper.id].state != paper.state:
                raise Conflict(SYSTEM, _OPERATION, f"somebody works on return {paper.number}")
        return Goods(papers, docks, pieces)

    async def _receive(self, paper: ReturnPaper, request: ReturnCredit) -> None:
        """The goods are in, as who settles the return says, and nobody has told the ERP so."""
        taken = _units_of(paper, request)
        docks = await self._read(RETURN_SHIPMENT, [paper.id], DOCK_FIELDS, Dock)
        writes = [
            ["write", [number], {"quantity": float(taken.pieces.get(number, Decimal(0)))}]
            for number, move in paper.moves.items()
            if move.pieces != taken.pieces.get(number, Decimal(0))
        ]
        if writes:
            await self._write("count goods in", "write", docks[paper.id], {"incoming_moves": writes})
        await self._press("receive", paper)

    async def _put_away(self, paper: ReturnPaper, goods: Goods, placing: Placing) -> None:
        dock = goods.docks[paper.id]
        commands: list[Any] = []
        for number, move in paper.moves.items():
            if move.state != "cancelled":
                pieces, shelf, waste = goods.pieces[number], placing.shelf, placing.waste
                start = dock.warehouse_input
                commands += _brought_to(pieces, "storage", shelf.get(number), start, dock.warehouse_storage)
                if waste.get(number) or pieces.inside("lost_found"):
                    end = dock.warehouse.waste_locations[0]
                    commands += _brought_to(pieces, "lost_found", waste.get(number), start, end)
        if commands:
            await self._write(_OPERATION, "write", dock, {"inventory_moves": commands})
        await self._press("do", paper)

    async def _send_again(self, goods: Goods, placing: Placing) -> None:
        """What is not taken is packed for the buyer; the warehouse sends it as any other parcel."""
        waiting: set[int] = {shipment for pieces in goods.pieces.values() for shipment in pieces.unready}
        for paper in goods.papers:
            dock = goods.docks[paper.id]
            place = dock.warehouse.output_location
            again = {number: placing.buyer[number] for number in paper.moves if placing.buyer.get(number)}
            if not again or place is None:
                continue
            moves = [
                {
                    **goods.pieces[number].onto(units, place, goods.pieces[number].from_location),
                    "unit_price": goods.pieces[number].unit_price or Decimal(0),
                    "currency": goods.pieces[number].currency,
                }
                for number, units in again.items()
            ]
            values = {
                "company": moves[0]["company"],
                "customer": dock.customer,
                "delivery_address": dock.contact_address,
                "warehouse": dock.warehouse.id,
                # Picked where it came in: it was never on a shelf.
                "warehouse_storage": dock.warehouse_input,
                "warehouse_output": place,
                "outgoing_moves": [["create", moves]],
            }
            made = await self._rpc.call(
                "create shipment back", f"model.{SHIPMENT}.create", [values], writes=True
            )
            waiting.update(made)
        if waiting:
            await self._rpc.call("wait shipment back", f"model.{SHIPMENT}.wait", sorted(waiting), writes=True)

    async def _press(self, button: str, paper: ReturnPaper) -> None:
        await self._rpc.call(
            f"{button} return",
            f"model.{RETURN_SHIPMENT}.{button}",
            [paper.id],
            writes=True,
            acknowledge=lambda warning, _: warning.endswith(_DIFFERENT),
        )

    async def _write(self, operation: str, method: str, dock: Dock, values: dict[str, Any]) -> None:
        seen = {f"{RETURN_SHIPMENT},{dock.id}": dock.timestamp}
        name = f"model.{RETURN_SHIPMENT}.{method}"
        await self._rpc.call(operation, name, [dock.id], values, writes=True, context={"_timestamp": seen})

    async def _read(
        self, model: str, ids: list[int], fields: Sequence[str], kind: type[Found]
    ) -> dict[int, Found]:
        rows = await self._rpc.call(_OPERATION, f"model.{model}.read", ids, list(fields), writes=False)
        try:
            return {record.id: record for record in (kind.model_validate(row) for row in rows)}
        except (ValidationError, TypeError) as error:
            raise ContractBroken(
                SYSTEM, _OPERATION, f"{model} cannot be read ({error})", str(rows)
            ) from error


def _place(goods: Goods, request: ReturnCredit) -> Placing:
    """Spread the asked units over what came in; what people put away already stays where it is."""
    done = [paper for paper in goods.papers if paper.state == "done"]
    kits = goods.papers[0].kits
    shelf = take_parts(_held(done, goods.on_the_shelf), request.restocked, kits)
    waste = take_parts(_held(done, lambda _, move: goods.written_off(move)), request.scrapped, kits)
    if otherwise := [name for taken in (shelf, waste) for name in count_parts(taken.left, kits)]:
        raise refusal(
            f"the warehouse has put goods of line {', '.join(otherwise)} away otherwise than they are settled here: "
            f"{_words(goods, done)}. Settle them the same way; or cancel the return shipment there, reset it to draft "
            "and receive it again, and leave the rest to this",
            f"return_stocked_otherwise:{request.key}",
        )
    opened = _held([p for p in goods.papers if p.state == "received"], lambda _, m: goods.pieces[m].all)
    restocked = take_parts(opened, shelf.short, kits)
    scrapped = take_parts(restocked.left, waste.short, kits)
    if short := restocked.short | scrapped.short:
        missing = ", ".join(f"{number} of line {line}" for line, number in short.items())
        raise refusal(
            f"more is to be settled than came in: {missing} is not there", f"return_short:{request.key}"
        )
    _check_waste(goods, scrapped)
    placed = {
        number: restocked.pieces.get(number, Decimal(0)) + scrapped.pieces.get(number, Decimal(0))
        if paper.state == "received"
        else goods.on_the_shelf(paper, number) + goods.written_off(number)
        for paper in goods.papers
        for number in paper.moves
        if number in goods.pieces
    }
    buyer = {
        number: goods.pieces[number].all - pieces - goods.pieces[number].sent_again
        for number, pieces in placed.items()
    }
    return Placing(
        restocked.pieces, scrapped.pieces, {n: pieces for n, pieces in buyer.items() if pieces > 0}
    )


def _check_waste(goods: Goods, scrapped: Taken) -> None:
    for paper in goods.papers:
        warehouse = goods.docks[paper.id].warehouse
        if scrapped.pieces.keys() & paper.moves.keys() and not warehouse.waste_locations:
            raise refusal(
                f"warehouse {warehouse.code} has no place for what is written off; give it a waste location, then "
                "resubmit",
                f"waste_location_missing:{SYSTEM}:{warehouse.code}",
            )


def _held(papers: Sequence[ReturnPaper], pieces: Callable[[ReturnPaper, int], Decimal]) -> tuple[Bundle, ...]:
    """The papers' bundles with other pieces."""
    return tuple(
        bundle._replace(
            parts=tuple(
                part._replace(held={move: pieces(paper, move) for move in part.held}) for part in bundle.parts
            )
        )
        for paper in papers
        for bundle in paper.bundles
    )


def _brought_to(pieces: Pieces, kind: str, wanted: Decimal | None, start: int, end: int) -> list[Any]:
    """Commands by which so many pieces, no more and no less, go to a place."""
    there = pieces.inside(kind)
    wanted = wanted or Decimal(0)
    if sum(there.values(), Decimal(0)) == wanted:
        return []
    kept = min(there) if there and wanted else None
    commands: list[Any] = [["delete", sorted(there.keys() - {kept})]] if there.keys() - {kept} else []
    if kept is not None:
        return [*commands, ["write", [kept], {"quantity": float(wanted)}]]
    return [*commands, ["create", [pieces.onto(wanted, start, end)]]] if wanted else commands


def _wanted(request: ReturnCredit) -> dict[str, int]:
    units = dict(request.restocked)
    for line, number in request.scrapped.items():
        units[line] = units.get(line, 0) + number
    return {line: number for line, number in units.items() if number}


def _units_of(paper: ReturnPaper, request: ReturnCredit) -> Taken:
    """What is settled of an expected return. Raises Rejected with cause ``return_short``."""
    taken = take_parts(paper.bundles, _wanted(request), paper.kits)
    if taken.short:
        missing = ", ".join(f"{number} of line {line}" for line, number in taken.short.items())
        raise refusal(f"more is to be settled than was announced: {missing}", f"return_short:{request.key}")
    return taken


def _words(goods: Goods, done: Sequence[ReturnPaper]) -> str:
    """Where people have put what came in."""
    kits = goods.papers[0].kits
    shelf = count_parts(_held(done, goods.on_the_shelf), kits)
    waste = count_parts(_held(done, lambda _, move: goods.written_off(move)), kits)
    return "; ".join(
        f"line {line}: {shelf.get(line, 0)} on the shelf, {waste.get(line, 0)} written off"
        for line in dict.fromkeys((*shelf, *waste))
    )
