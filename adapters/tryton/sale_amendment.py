"""Tryton's own amendment of a sale in process: of units and prices of its lines, or of where its goods go.

It deletes all moves that are drafts, and makes anew what a line lacks of its units, on shipments to the sale's address.
What is reserved, be it in part, keeps it from that, and so it is given back first.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from adapters.errors import Conflict, ContractBroken, Rejected
from adapters.tryton.records import SHIPMENT, SaleRecord
from adapters.tryton.rpc import SYSTEM, TrytonRpc
from adapters.tryton.sales import Sales
from adapters.tryton.translate import PartyReference

AMENDMENT: Final = "sale.amendment"
OPERATION: Final = "amend sale"
_RESERVED_OR_NOT: Final = frozenset({"waiting", "assigned"})
_TO_LEAVE: Final = _RESERVED_OR_NOT | {"draft"}
_IN_HAND: Final = frozenset({"picked", "packed"})


def is_still_to_leave(sale: SaleRecord) -> bool:
    """Whether any shipment of it is."""
    return any(shipment.state in _TO_LEAVE | _IN_HAND for shipment in sale.shipments)


def obstacle_to_redirect(sale: SaleRecord) -> str:
    """Why what has not left cannot go elsewhere now, in plain words; empty where it can."""
    in_hand = (
        f"shipment {shipment.number} from {shipment.warehouse.code} is {shipment.state}"
        for shipment in sale.shipments
        if shipment.state in _IN_HAND
    )
    return next(in_hand, "")


class SaleAmendments:
    """Amends sales."""

    def __init__(self, rpc: TrytonRpc, sales: Sales) -> None:
        self._rpc = rpc
        self._sales = sales

    async def redirect(self, sale: SaleRecord, party: PartyReference, reason: str) -> SaleRecord:
        """The sale, what has not left of it sent and billed to these addresses.

        Raises Conflict where somebody took a shipment up after the sale was read.
        """
        change = {
            "action": "party",
            "party": party.id,
            "invoice_address": party.invoice_address,
            "shipment_address": party.shipment_address,
        }
        await self.release(sale)
        await self.carry_out(sale, [change], reason)
        return await self._sales.get(sale.id)

    async def carry_out(self, sale: SaleRecord, changes: Sequence[Mapping[str, Any]], reason: str) -> None:
        """Make an amendment of these lines, and validate it."""
        values = {"sale": sale.id, "description": reason, "lines": [["create", list(changes)]]}
        made = await self._rpc.call(OPERATION, f"model.{AMENDMENT}.create", [values], writes=True)
        if not isinstance(made, list) or len(made) != 1:
            raise ContractBroken(SYSTEM, OPERATION, "the answer is not one id", str(made))
        await self._rpc.call(OPERATION, f"model.{AMENDMENT}.validate_amendment", made, writes=True)

    async def release(self, sale: SaleRecord) -> None:
        """Give back what is reserved. Raises Conflict where somebody took a shipment up after the sale was read."""
        waiting = [shipment.id for shipment in sale.shipments if shipment.state in _RESERVED_OR_NOT]
        if not waiting:
            return
        try:
            await self._rpc.call("release shipments", f"model.{SHIPMENT}.wait", waiting, writes=True)
        except Rejected as error:
            if (await self._sales.get(sale.id)).shipments == sale.shipments:
                raise
            raise Conflict(SYSTEM, OPERATION, f"a shipment was taken up meanwhile: {error.reason}") from error
