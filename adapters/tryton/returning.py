"""Goods that come back to Tryton: expected, received, put on the shelf, written off, or sent to the buyer again.

They are a customer return shipment that no sale asks for (see ``adapters.tryton.returned``). Every step is seen in the
records, so a call that was interrupted anywhere is finished by the next.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from adapters.errors import Conflict, ContractBroken, Rejected
from adapters.spans import looked_up
from adapters.tryton.bundles import Taken, kits_of, take_parts
from adapters.tryton.reading import read_order
from adapters.tryton.records import MOVE, RETURN_SHIPMENT, SaleRecord
from adapters.tryton.references import ReferenceBook
from adapters.tryton.returned import (
    ReturnPaper,
    at_the_buyer,
    binds,
    doubles_of,
    is_settled,
    papers_of,
    reference_of,
    rest_of,
    short_returns,
)
from adapters.tryton.rpc import SYSTEM, TrytonRpc
from adapters.tryton.sales import SALE, Sales
from adapters.tryton.submission import OPEN
from domain.erp_order import ErpOrder
from domain.order import OrderKey
from domain.returns import ReturnAuthorization

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
        """See ``ErpPort.authorize_return``. Raises Rejected, cause ``return_exceeds_shipped``, for what never left."""
        sale = await self.sale_of(request.key, "authorize return")
        papers = papers_of(sale).get(request.return_id, [])
        looked_up(SYSTEM, "return", found=bool(papers))
        if not papers and sale.credit_of(request.return_id) is None:
            await self._expect(sale, request)
            sale = await self._sales.get(sale.id)
            papers = papers_of(sale).get(request.return_id, [])
        # Tryton keeps no return unique: where two processes made one at once, the older one stays.
        if doubles := doubles_of(papers):
            await self.give_up(doubles)
            sale = await self._sales.get(sale.id)
        return read_order(sale)

    async def expect_rest(self, sale: SaleRecord) -> SaleRecord:
        """The sale, with another return shipment where fewer units came in than were announced.

        Tryton makes one for what is left of a shipment to the customer, and none here. What is settled has no rest.
        """
        sale = await self._sales.get(sale.id)
        short = short_returns(sale)
        for papers in short.values():
            taken = take_parts(at_the_buyer(sale), rest_of(papers), papers[0].kits)
            if taken.pieces:
                await self._make(sale, taken, papers[0].reference, await self._place_of(papers[0]))
        return await self._sales.get(sale.id) if short else sale

    async def cancel(self, key: OrderKey, return_id: str, reason: str) -> ErpOrder:
        """See ``ErpPort.cancel_return``."""
        sale = await self.sale_of(key, "cancel return")
        for _ in range(_ROUNDS):
            papers, credit = papers_of(sale).get(return_id, []), sale.credit_of(return_id)
            if binds(credit) or is_settled(papers, credit):
                raise refusal(f"return {return_id} is settled already", "return_settled")
            if arrived := [paper.number for paper in papers if paper.came_in]:
                raise refusal(f"goods have come in on return {', '.join(arrived)}", "return_received")
            expected = [paper for paper in papers if paper.alive]
            if credit is not None and credit.state in OPEN:
                await self.remove(credit)
            elif not expected:
                return read_order(sale)
            else:
                try:
                    await self.give_up(expected, reason)
                except (Conflict, Rejected):
                    # Perhaps the goods came in after it was read: look again whether it may be canceled.
                    before, sale = sale, await self._sales.get(sale.id)
                    if sale == before:
                        raise
                    continue
            sale = await self._sales.get(sale.id)
        raise Conflict(SYSTEM, "cancel return", f"return {return_id} changes all the time")

    async def give_up(self, papers: Sequence[ReturnPaper], reason: str = "") -> None:
        """Cancel return shipments, said why. One that changed since it was read is not canceled: goods may be in.

        Raises Conflict for that.
        """
        ids = [paper.id for paper in papers]
        if reason:
            said = f"canceled: {' '.join(reason.split())}"
            notes: list[Any] = []
            for paper in papers:
                if said not in paper.reference:
                    notes += [[paper.id], {"reference": f"{paper.reference} {said}"}]
            if notes:
                await self._write("note cancel", "write", *notes, seen=await self._timestamps(papers))
        await self._write("cancel return", "cancel", ids, seen=await self._timestamps(papers))

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

    async def _expect(self, sale: SaleRecord, request: ReturnAuthorization) -> None:
        warehouses = await self._references.warehouses([request.warehouse])
        wanted = {line.line_id: line.quantity for line in request.lines}
        taken = take_parts(at_the_buyer(sale), wanted, kits_of(sale.every_line))
        if taken.short:
            missing = ", ".join(f"{number} of line {line}" for line, number in taken.short.items())
            reason = (
                f"more is to come back than is at the buyer: {missing} has not left, or is on another return"
            )
            raise refusal(reason, f"return_exceeds_shipped:{sale.key}")
        place = warehouses[request.warehouse]
        where = {
            "warehouse": place.id,
            "warehouse_input": place.input,
            "warehouse_storage": place.shelf,
        }
        await self._make(sale, taken, reference_of(request), where)

    async def _place_of(self, paper: ReturnPaper) -> dict[str, int]:
        fields = ["warehouse", "warehouse_input", "warehouse_storage"]
        (row,) = await self._rpc.call(
            "read return", f"model.{RETURN_SHIPMENT}.read", [paper.id], fields, writes=False
        )
        return {field: row[field] for field in fields}

    async def _make(self, sale: SaleRecord, taken: Taken, reference: str, where: dict[str, int]) -> None:
        shop = await self._references.shop(sale.key.channel)
        sent = await self._sent_moves(list(taken.pieces))
        moves = [
            sent[move].back(pieces, shop.company, where["warehouse_input"])
            for move, pieces in taken.pieces.items()
        ]
        values = {
            "company": shop.company,
            "customer": sale.party,
            "contact_address": sale.shipment_address,
            "reference": reference,
            "incoming_moves": [["create", moves]],
            **where,
        }
        await self._rpc.call("create return", f"model.{RETURN_SHIPMENT}.create", [values], writes=True)

    async def _sent_moves(self, moves: list[int]) -> dict[int, SentMove]:
        fields = list(SentMove.model_fields)
        rows = await self._rpc.call("read moves", f"model.{MOVE}.read", moves, fields, writes=False)
        try:
            return {move.id: move for move in (SentMove.model_validate(row) for row in rows)}
        except (ValidationError, TypeError) as error:
            raise ContractBroken(
                SYSTEM, "read moves", f"a move cannot be read ({error})", str(rows)
            ) from error

    async def _timestamps(self, papers: Sequence[ReturnPaper]) -> dict[str, str]:
        """For a write that is to be refused where a return changes in between."""
        ids = [paper.id for paper in papers]
        rows = await self._rpc.call(
            "read return", f"model.{RETURN_SHIPMENT}.read", ids, ["state", "_timestamp"], writes=False
        )
        found = {row["id"]: row for row in rows}
        for paper in papers:
            if paper.id not in found or found[paper.id]["state"] != paper.state:
                raise Conflict(SYSTEM, "read return", f"somebody works on return {paper.number}")
        return {f"{RETURN_SHIPMENT},{number}": row["_timestamp"] for number, row in found.items()}

    async def _write(self, operation: str, method: str, *arguments: Any, seen: dict[str, str]) -> None:
        name = f"model.{RETURN_SHIPMENT}.{method}"
        await self._rpc.call(operation, name, *arguments, writes=True, context={"_timestamp": seen})


def refusal(reason: str, cause: str) -> Rejected:
    """What cannot be done with a return, in plain words."""
    return Rejected(SYSTEM, "return goods", reason, cause)
