"""Goods that come back to Tryton: expected, received, put on the shelf, written off, or sent to the buyer again.

They are a customer return shipment that no sale asks for (see ``adapters.tryton.returned``). Every step is seen in the
records, so a call that was interrupted anywhere is finished by the next.
"""

from decimal import Decimal
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from adapters.errors import Conflict, ContractBroken, Rejected
from adapters.spans import looked_up
from adapters.tryton.bundles import Taken, take
from adapters.tryton.reading import read_order
from adapters.tryton.records import RETURN_SHIPMENT, SaleRecord
from adapters.tryton.references import ReferenceBook
from adapters.tryton.returned import (
    ReturnPaper,
    at_the_buyer,
    current,
    is_posted,
    papers_of,
    reference_of,
)
from adapters.tryton.rpc import SYSTEM, TrytonRpc
from adapters.tryton.sales import SALE, Sales
from adapters.tryton.submission import OPEN
from domain.erp_order import ErpOrder
from domain.order import OrderKey
from domain.returns import ReturnAuthorization

MOVE: Final = "stock.move"
_ROUNDS: Final = 4


class SentMove(BaseModel):
    """A move to the customer, as the move that brings its goods back needs it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: int
    product: int
    unit: int
    unit_price: Decimal | None = None
    currency: int | None = None
    to_location: int

    def back(self, pieces: Decimal, company: int, place: int) -> dict[str, Any]:
        """Values of the move that brings so many of its pieces back."""
        return {
            "product": self.product,
            "unit": self.unit,
            "quantity": float(pieces),
            "from_location": self.to_location,
            "to_location": place,
            "company": company,
            # Tryton wants a value of what crosses the door. The credit note does not follow from it.
            "unit_price": self.unit_price or Decimal(0),
            "currency": self.currency,
            "origin": f"{MOVE},{self.id}",
        }


class Returning:
    """Has goods expected, and gives that up."""

    def __init__(self, rpc: TrytonRpc, sales: Sales, references: ReferenceBook) -> None:
        self._rpc = rpc
        self._sales = sales
        self._references = references

    async def authorize(self, request: ReturnAuthorization) -> ErpOrder:
        """See ``ErpPort.authorize_return``. Raises Rejected with cause ``not_returnable`` for what never left."""
        sale = await self.sale_of(request.key, "authorize return")
        papers = papers_of(sale).get(request.return_id, [])
        looked_up(SYSTEM, "return", found=bool(papers))
        if not papers and sale.credit_of(request.return_id) is None:
            await self._expect(sale, request)
            sale = await self._sales.get(sale.id)
            papers = papers_of(sale).get(request.return_id, [])
        return read_order(await self._without_doubles(sale, papers))

    async def cancel(self, key: OrderKey, return_id: str, reason: str) -> ErpOrder:
        """See ``ErpPort.cancel_return``."""
        sale = await self.sale_of(key, "cancel return")
        for _ in range(_ROUNDS):
            paper, credit = current(papers_of(sale).get(return_id, ())), sale.credit_of(return_id)
            if is_posted(credit) or (credit is not None and credit.state in {"processing", "done"}):
                raise _refuse(f"return {return_id} is settled already", "return_settled")
            if paper is not None and paper.came_in:
                raise _refuse(f"goods have come in on return {paper.number}", "return_received")
            if credit is not None and credit.state in OPEN:
                await self.remove(credit)
            if paper is None or not paper.alive:
                return read_order(await self._sales.get(sale.id) if credit else sale)
            try:
                await self._give_up(paper, reason)
            except (Conflict, Rejected):
                # Perhaps the goods came in after it was read: look again whether it may be canceled.
                before, sale = sale, await self._sales.get(sale.id)
                if sale == before:
                    raise
            else:
                sale = await self._sales.get(sale.id)
        raise Conflict(SYSTEM, "cancel return", f"return {return_id} changes all the time")

    async def sale_of(self, key: OrderKey, operation: str) -> SaleRecord:
        """The order's sale. Raises Rejected with cause ``order_unknown``."""
        sale = await self._sales.find(key)
        if sale is None:
            raise Rejected(SYSTEM, operation, f"the ERP has no order {key}", "order_unknown")
        return sale

    async def remove(self, credit: SaleRecord) -> None:
        """Delete a sale that binds nobody yet."""
        if credit.state != "draft":
            await self._sales.press(credit.id, "draft")
        await self._rpc.call("delete draft sale", f"model.{SALE}.delete", [credit.id], writes=True)

    async def sent_moves(self, moves: list[int]) -> dict[int, SentMove]:
        """Moves to the customer by id."""
        fields = list(SentMove.model_fields)
        rows = await self._rpc.call("read moves", f"model.{MOVE}.read", moves, fields, writes=False)
        try:
            return {move.id: move for move in (SentMove.model_validate(row) for row in rows)}
        except (ValidationError, TypeError) as error:
            raise ContractBroken(
                SYSTEM, "read moves", f"a move cannot be read ({error})", str(rows)
            ) from error

    async def _expect(self, sale: SaleRecord, request: ReturnAuthorization) -> None:
        warehouses = await self._references.warehouses([request.warehouse])
        shop = await self._references.shop(request.key.channel)
        place = warehouses[request.warehouse]
        taken = take(at_the_buyer(sale), {line.line_id: line.quantity for line in request.lines})
        if taken.short:
            raise _refuse(_short(taken), "not_returnable")
        sent = await self.sent_moves(list(taken.pieces))
        values = {
            "company": shop.company,
            "customer": sale.party,
            "contact_address": sale.shipment_address,
            "warehouse": place.id,
            "warehouse_input": place.input,
            "warehouse_storage": place.shelf,
            "reference": reference_of(request),
            "incoming_moves": [
                [
                    "create",
                    [
                        sent[move].back(pieces, shop.company, place.input)
                        for move, pieces in taken.pieces.items()
                    ],
                ]
            ],
        }
        await self._rpc.call("create return", f"model.{RETURN_SHIPMENT}.create", [values], writes=True)

    async def _without_doubles(self, sale: SaleRecord, papers: list[ReturnPaper]) -> SaleRecord:
        """Tryton keeps no return unique: where two processes made one at once, the older one stays."""
        kept = current(papers)
        doubles = [paper.id for paper in papers if paper != kept and paper.state == "draft"]
        if not doubles:
            return sale
        await self._rpc.call("cancel doubled return", f"model.{RETURN_SHIPMENT}.cancel", doubles, writes=True)
        return await self._sales.get(sale.id)

    async def _give_up(self, paper: ReturnPaper, reason: str) -> None:
        """One step: say why, then cancel. One that changed since it was read is not canceled: goods may be in."""
        said = f"canceled: {' '.join(reason.split())}"
        seen = await self.timestamp(paper)
        if said not in paper.reference:
            values = {"reference": f"{paper.reference} {said}"}
            await self._write_return("note cancel", "write", [paper.id], values, seen=seen)
            return
        await self._write_return("cancel return", "cancel", [paper.id], seen=seen)

    async def timestamp(self, paper: ReturnPaper) -> dict[str, str]:
        """For a write that is to be refused where the return changes in between.

        Raises Conflict where it is not as ``paper`` has it any more.
        """
        rows = await self._rpc.call(
            "read return", f"model.{RETURN_SHIPMENT}.read", [paper.id], ["state", "_timestamp"], writes=False
        )
        if not rows or rows[0]["state"] != paper.state:
            raise Conflict(SYSTEM, "read return", f"somebody works on return {paper.number}")
        return {f"{RETURN_SHIPMENT},{paper.id}": rows[0]["_timestamp"]}

    async def _write_return(self, operation: str, method: str, *arguments: Any, seen: dict[str, str]) -> None:
        await self._rpc.call(
            operation,
            f"model.{RETURN_SHIPMENT}.{method}",
            *arguments,
            writes=True,
            context={"_timestamp": seen},
        )


def _refuse(reason: str, cause: str) -> Rejected:
    return Rejected(SYSTEM, "return goods", reason, cause)


def _short(taken: Taken) -> str:
    missing = ", ".join(f"{number} of line {line}" for line, number in taken.short.items())
    return f"more is to come back than is at the buyer: {missing} has not left, or is on another return"
