"""Brings every open shipment of a sale to the warehouse that its lines are to leave from.

A sale of Tryton has one warehouse and puts all its shipments there, also the rest of a partial shipment and what is
shipped anew after a cancellation. Lines for elsewhere are split off and moved. Each step looks at what is there, so a
run that was interrupted anywhere is finished by the next.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from adapters.errors import Conflict, Rejected
from adapters.tryton.records import SHIPMENT, SaleRecord, ShipmentRecord
from adapters.tryton.references import ReferenceBook
from adapters.tryton.rpc import SYSTEM, TrytonRpc
from adapters.tryton.sales import Sales
from adapters.tryton.stock import unreserved

_OPEN: Final = frozenset({"draft", "waiting", "assigned"})
_ROUNDS: Final = 4
"""One round sorts a sale out; that more are needed means that somebody interferes."""


class _Stray(NamedTuple):
    """Moves of a shipment that belong to another warehouse."""

    shipment: ShipmentRecord
    warehouse: str
    moves: tuple[int, ...]
    to_split: bool
    """Has to leave the shipment; otherwise the shipment itself moves."""


class Allocation:
    """Splits and moves shipments; ``reserve``: and reserves their stock."""

    def __init__(
        self, rpc: TrytonRpc, sales: Sales, references: ReferenceBook, *, reserve: bool = False
    ) -> None:
        self._reserve = reserve
        self._rpc = rpc
        self._sales = sales
        self._references = references

    async def align(self, sale: SaleRecord) -> SaleRecord:
        """The sale with its open shipments where they belong and waiting to be picked.

        What is picked or further stays where people took it. Raises Conflict where somebody works on the same
        shipments at the same time.
        """
        for _ in range(_ROUNDS):
            try:
                settled = await self._round(sale)
            except Rejected:
                # A button that does not fit the state any more is refused: somebody was quicker. Look again.
                before, sale = sale, await self._sales.get(sale.id)
                if sale == before:
                    raise
                continue
            if settled:
                return await self.reserved(sale)
            sale = await self._sales.get(sale.id)
        raise Conflict(
            SYSTEM, "allocate shipments", f"the shipments of sale {sale.number} change all the time"
        )

    def wants_reserving(self, sale: SaleRecord) -> bool:
        """Whether stock is to be reserved, and something of the sale is not."""
        return self._reserve and sale.state == "processing" and bool(unreserved(sale))

    async def reserved(self, sale: SaleRecord) -> SaleRecord:
        """The sale with whatever is in stock reserved for its waiting shipments; the rest is on backorder."""
        if not self.wants_reserving(sale):
            return sale
        await self._press("assign_try", unreserved(sale))
        return await self._sales.get(sale.id)

    async def _round(self, sale: SaleRecord) -> bool:
        """Split and move what strays and have all wait; returns whether there was nothing to do."""
        strays = _strays(sale)
        if strays:
            await self._to_draft({stray.shipment.id: stray.shipment for stray in strays}.values())
            for stray in strays:
                if stray.to_split:
                    await self._split(stray)
            sale = await self._sales.get(sale.id)
            await self._move([stray for stray in _strays(sale) if _is_movable(stray)])
        drafts = [shipment.id for shipment in sale.shipments if shipment.state == "draft"]
        if drafts:
            await self._press("wait", drafts)
        return not drafts and not strays

    async def _to_draft(self, shipments: Iterable[ShipmentRecord]) -> None:
        """Only a draft can be split: give reservations back and delete the picking list."""
        listed = list(shipments)
        reserved = [shipment.id for shipment in listed if shipment.state == "assigned"]
        closed = [shipment.id for shipment in listed if shipment.state != "draft"]
        if reserved:
            await self._press("wait", reserved)
        if not closed:
            return
        await self._press("draft", closed)
        rows = await self._rpc.call(
            "read shipments", f"model.{SHIPMENT}.read", closed, ["state", "number"], writes=False
        )
        # A server may pass over what is not in a fitting state instead of refusing, so the state is looked at.
        taken = [str(row["number"]) for row in rows if row["state"] != "draft"]
        if taken:
            raise Conflict(
                SYSTEM, "allocate shipments", f"somebody took up shipment {', '.join(taken)} meanwhile"
            )

    async def _split(self, stray: _Stray) -> None:
        moves = list(stray.moves)
        await self._sales.run_wizard(
            "stock.shipment.split",
            (SHIPMENT, stray.shipment.id),
            "start",
            {"moves": moves, "domain_moves": moves},
            "split",
        )

    async def _move(self, strays: list[_Stray]) -> None:
        """Give whole shipments to their warehouse: its places and the moves' source change in one call."""
        warehouses = await self._references.warehouses(stray.warehouse for stray in strays)
        writes: list[Any] = []
        for stray in strays:
            place = warehouses[stray.warehouse]
            values = {
                "warehouse": place.id,
                "warehouse_storage": place.storage,
                "warehouse_output": place.output,
                "moves": [["write", list(stray.moves), {"from_location": place.output}]],
            }
            writes += [[stray.shipment.id], values]
        if writes:
            await self._rpc.call("move shipments", f"model.{SHIPMENT}.write", *writes, writes=True)

    async def _press(self, button: str, shipments: list[int]) -> None:
        await self._rpc.call(f"{button} shipments", f"model.{SHIPMENT}.{button}", shipments, writes=True)


def _is_movable(stray: _Stray) -> bool:
    return not stray.to_split and stray.shipment.state == "draft"


def has_drifted(sale: SaleRecord) -> bool:
    """Whether Tryton itself put open shipments where they do not belong.

    It ships anew what is left of a shipment that went off or was canceled. That always lands at the sale's warehouse
    and waits; a shipment that people moved or reserved elsewhere is theirs, and before any went off the submission is
    still at work. A draft at another warehouse is a move of ours that was interrupted.
    """
    home = sale.warehouse.code if sale.warehouse else None
    begun = any(shipment.state in {"shipped", "done", "cancelled"} for shipment in sale.shipments)
    if not begun or sale.state not in {"processing", "done"}:
        return False
    if any(s.state == "draft" and s.warehouse.code != home for s in sale.shipments):
        return True
    return any(s.shipment.warehouse.code == home and s.shipment.state != "assigned" for s in _strays(sale))


def _strays(sale: SaleRecord) -> list[_Stray]:
    shipments = {shipment.id: shipment for shipment in sale.shipments if shipment.state in _OPEN}
    wanted: dict[int, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for line in sale.order_lines:
        target = line.origin[1]
        for move in line.all_moves():
            shipment = shipments.get(move.shipment_id or 0)
            if shipment is not None and move.state not in {"done", "cancelled"}:
                wanted[shipment.id][target or shipment.warehouse.code or ""].append(move.id)
    strays = []
    for number, by_warehouse in wanted.items():
        here = shipments[number].warehouse.code or ""
        # Where nothing is to stay, the shipment itself goes with the first group.
        staying = here if here in by_warehouse else min(by_warehouse)
        strays += [
            _Stray(shipments[number], warehouse, tuple(moves), warehouse != staying)
            for warehouse, moves in by_warehouse.items()
            if warehouse != here
        ]
    return strays
