"""The ERP's people, scripted: the warehouse ships in parts; the back office is ``clerk``.

They act in the ERP as its own users would, with a login of their own, and know nothing of the application. A
shipment's tracking number goes into its ``reference`` ("the external identifier for the shipment"): the core modules
have no better place.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

from sandbox.tryton.clerk import Clerk, of_orders
from sandbox.tryton.giving_up import GivingUp
from sandbox.tryton.reading import Reader, SaleReading, ShipmentReading
from sandbox.tryton.returns_desk import ReturnsDesk
from sandbox.tryton.rpc import Refused, Rpc
from sandbox.tryton.template import CHANNEL, TAX_ROUNDING_PRODUCT

SHIPMENT: Final = "stock.shipment.out"
TO_DO: Final = ("waiting", "assigned")
DEFAULT_CARRIER: Final = "UPS"
TRIES: Final = 5
"""So often a shipment is laid out anew where somebody else reserved it meanwhile."""


@dataclass(frozen=True)
class Piece:
    """What one line wants shipped: ``units`` whole units, each made of ``per_unit`` by inventory move id.

    Goods have one move of one a unit; a kit has a move for each component.
    """

    units: int
    per_unit: dict[int, int]


@dataclass(frozen=True)
class Job:
    """A shipment that waits for the warehouse. ``begun``: a part of it has left already."""

    shipment_id: int
    number: str
    sale_id: int
    web_id: str
    warehouse: str
    begun: bool


def _order_of(sale: Mapping[str, Any]) -> str:
    return str(sale["web_id"]).partition("/")[0]


class Staff(Clerk):
    """One person with a login at the ERP, who also does the back office's work.

    Use as an async context manager, or call ``close``.
    """

    def __init__(self, url: str, database: str, login: str, password: str, *, channel: str = CHANNEL) -> None:
        super().__init__(Rpc(url, database, login, password), channel)
        self._reader = Reader(self._rpc, channel, TAX_ROUNDING_PRODUCT)
        self._returns = ReturnsDesk(self._rpc)
        self._giving_up = GivingUp(self._rpc, channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Give connections back."""
        await self._rpc.close()

    # --- reading, for the audit

    async def read_sale(self, web_id: str) -> SaleReading | None:
        """The sale of one order as the ERP holds it, or None."""
        return await self._reader.read_sale(web_id)

    async def count_sales(self, web_id: str, reference: str | None = None) -> int:
        """How many sales there are of one order; see ``Reader.count_sales``."""
        return await self._reader.count_sales(web_id, reference)

    async def count_confirmed(self, web_ids: Collection[str]) -> int:
        """How many of these orders the ERP has taken: the sale is confirmed and processed, or further."""
        domain = [
            ["web_shop.name", "=", self._channel],
            ["web_id", "in", sorted(web_ids)],
            ["state", "in", ["processing", "done", "cancelled"]],
        ]
        return int(await self._rpc.call("sale.sale", "search_count", domain))

    # --- the warehouse

    async def shipments_to_do(self, web_ids: Collection[str] | None = None) -> tuple[Job, ...]:
        """Shipments of the shop's sales that wait for the warehouse, oldest first; ``web_ids`` narrows them."""
        domain: list[Any] = [["web_shop.name", "=", self._channel], ["state", "=", "processing"]]
        if web_ids is not None:
            domain.append(of_orders(web_ids))
        sales = await self._rpc.find("sale.sale", domain, ["web_id", "shipments"])
        sale_of = {shipment: sale for sale in sales for shipment in sale["shipments"]}
        if not sale_of:
            return ()
        # Looked for, not read: one that an edit has replaced in this moment is no mistake.
        there = [["id", "in", sorted(sale_of)]]
        shipments = await self._rpc.find(SHIPMENT, there, ["number", "state", "warehouse.code"])
        left = {
            (sale_of[each["id"]]["id"], each["warehouse."]["code"])
            for each in shipments
            if each["state"] in {"shipped", "done"}
        }
        jobs = []
        for each in shipments:
            if each["state"] in TO_DO:
                sale, warehouse = sale_of[each["id"]], each["warehouse."]["code"]
                begun = (sale["id"], warehouse) in left
                jobs.append(
                    Job(each["id"], each["number"] or "", sale["id"], _order_of(sale), warehouse, begun)
                )
        return tuple(jobs)

    async def ship_in_parts(self, web_ids: Collection[str] | None = None) -> tuple[ShipmentReading, ...]:
        """One round through the warehouse; returns what left.

        Of a shipment that nothing has left of, about half of the units go (kits whole); what remains of it becomes a
        new shipment, which the next round ships. One single unit goes at once.
        """
        return tuple(
            [parcel for job in await self.shipments_to_do(web_ids) if (parcel := await self.ship(job))]
        )

    async def ship(self, job: Job, *, part: bool | None = None) -> ShipmentReading | None:
        """Ship one job: a part where ``part``, or where it is None and nothing has left yet; else all of it.

        Returns None where stock is missing (the shipment stays as it was), and where somebody else took, canceled or
        redrafted the shipment in the meantime; who only reserved it is waited for. Raises Refused for anything else the
        ERP says no to.
        """
        if await self._state(job) not in TO_DO:
            return None
        try:
            if not await self._assign_at_last(job, part=not job.begun if part is None else part):
                return None
            await self._label(job)
            for button in ("pick", "pack", "do"):
                await self._rpc.press(SHIPMENT, button, [job.shipment_id])
        except Refused:
            if await self._state(job) in {None, "draft", "cancelled", "done"}:
                return None
            raise
        (parcel,) = await self._reader.read_shipments([job.shipment_id])
        return parcel

    async def _state(self, job: Job) -> str | None:
        found = await self._rpc.find(SHIPMENT, [["id", "=", job.shipment_id]], ["state"])
        return str(found[0]["state"]) if found else None

    async def pick_only(self, web_id: str) -> ShipmentReading:
        """Take the first waiting shipment of an order off the shelves and leave it there: too late to cancel.

        Raises LookupError where none waits, or its stock is missing.
        """
        jobs = await self.shipments_to_do([web_id])
        if not jobs or not await self._assign(jobs[0], part=False):
            raise LookupError(f"no shipment of order {web_id} can be picked")
        await self._rpc.press(SHIPMENT, "pick", [jobs[0].shipment_id])
        (parcel,) = await self._reader.read_shipments([jobs[0].shipment_id])
        return parcel

    async def ship_piece(self, web_id: str, product: str, pieces: int) -> ShipmentReading:
        """Send pieces of one product ahead, whatever they are a part of. Raises LookupError where none waits."""
        for job in await self.shipments_to_do([web_id]):
            await self._rpc.press(SHIPMENT, "wait", [job.shipment_id])
            moves = await self._rpc.find(
                "stock.move",
                [["shipment", "=", f"{SHIPMENT},{job.shipment_id}"], ["origin", "like", "stock.move,%"]],
                ["quantity", "product.code"],
            )
            if not any(each["product."]["code"] == product and each["quantity"] >= pieces for each in moves):
                continue
            for each in moves:
                taken = pieces if each["product."]["code"] == product else 0
                await self._rpc.call("stock.move", "write", [each["id"]], {"quantity": float(taken)})
            await self._rpc.press(SHIPMENT, "assign_try", [job.shipment_id])
            await self._label(job)
            for button in ("pick", "pack", "do"):
                await self._rpc.press(SHIPMENT, button, [job.shipment_id])
            (parcel,) = await self._reader.read_shipments([job.shipment_id])
            return parcel
        raise LookupError(f"no shipment of order {web_id} holds {pieces} {product}")

    async def send_picked(self, web_id: str) -> ShipmentReading:
        """Send what ``pick_only`` left on the packing table. Raises LookupError where nothing of the order is there."""
        parcels = await self.finish_begun([web_id])
        if not parcels:
            raise LookupError(f"nothing of order {web_id} is picked")
        return parcels[0]

    async def put_back(self, web_id: str) -> None:
        """Put what ``pick_only`` took back on the shelves. Raises LookupError where nothing is picked.

        Tryton knows no way back from picked but to cancel the shipment; what was on it is shipped anew, or given up.
        """
        picked = [
            each["id"] for each in await self._shipments([web_id]) if each["state"] in {"picked", "packed"}
        ]
        if not picked:
            raise LookupError(f"nothing of order {web_id} is picked")
        await self._rpc.press(SHIPMENT, "cancel", picked)

    async def give_up(self, web_id: str, units: Mapping[str, int], *, handled: bool = True) -> None:
        """Take units (by product as sold) off an order's shipments for good; see ``GivingUp.give_up``."""
        await self._giving_up.give_up(web_id, units, handled=handled)

    async def send_after_all(self, web_id: str) -> None:
        """Have what was given up of an order shipped anew; see ``GivingUp.send_after_all``."""
        await self._giving_up.send_after_all(web_id)

    async def _shipments(self, web_ids: Collection[str]) -> list[dict[str, Any]]:
        sales = await self._rpc.find(
            "sale.sale", [["web_shop.name", "=", self._channel], of_orders(web_ids)], ["shipments"]
        )
        numbers = sorted({shipment for sale in sales for shipment in sale["shipments"]})
        return await self._rpc.read(SHIPMENT, numbers, ["state"])

    async def finish_begun(self, web_ids: Collection[str]) -> tuple[ShipmentReading, ...]:
        """Send what is picked or packed, as after an interruption; returns what left."""
        domain = [["web_shop.name", "=", self._channel], of_orders(web_ids)]
        sales = await self._rpc.find("sale.sale", domain, ["web_id", "shipments"])
        sale_of = {shipment: sale for sale in sales for shipment in sale["shipments"]}
        shipments = await self._rpc.read(SHIPMENT, sorted(sale_of), ["number", "state", "warehouse.code"])
        sent = []
        for each in shipments:
            if each["state"] not in {"picked", "packed"}:
                continue
            sale, warehouse = sale_of[each["id"]], each["warehouse."]["code"]
            await self._label(
                Job(each["id"], each["number"], sale["id"], _order_of(sale), warehouse, begun=False)
            )
            for button in ("pack", "do") if each["state"] == "picked" else ("do",):
                await self._rpc.press(SHIPMENT, button, [each["id"]])
            sent.append(each["id"])
        return tuple(await self._reader.read_shipments(sent)) if sent else ()

    async def _assign_at_last(self, job: Job, *, part: bool) -> bool:
        """As ``_assign``, again where others reserve the shipment while its quantities are written."""
        if not part and await self._state(job) == "assigned":
            return True
        for _ in range(TRIES - 1):
            try:
                return await self._assign(job, part=part)
            except Refused:
                if await self._state(job) not in TO_DO:
                    raise
        return await self._assign(job, part=part)

    async def _assign(self, job: Job, *, part: bool) -> bool:
        """Reserve all or about half of a shipment; False where stock is missing."""
        # Waiting anew lays the whole quantity out again, whatever an earlier attempt or a reservation left.
        await self._rpc.press(SHIPMENT, "wait", [job.shipment_id])
        pieces = await self._pieces(job.shipment_id) if part else []
        # Nothing to halve where kits are broken already: then all goes.
        if any(piece.units for piece in pieces):
            for move, quantity in _half(pieces).items():
                await self._rpc.call("stock.move", "write", [move], {"quantity": float(quantity)})
        await self._rpc.press(SHIPMENT, "assign_try", [job.shipment_id])
        if await self._state(job) == "assigned":
            return True
        await self._rpc.press(SHIPMENT, "wait", [job.shipment_id])
        return False

    async def _pieces(self, shipment_id: int) -> list[Piece]:
        """What the shipment is to carry, line by line, in order of the lines."""
        moves = await self._rpc.find(
            "stock.move", [["shipment", "=", f"{SHIPMENT},{shipment_id}"]], ["quantity", "origin"]
        )
        inventory = {each["origin"]: each for each in moves if str(each["origin"]).startswith("stock.move,")}
        outgoing = [each for each in moves if f"stock.move,{each['id']}" in inventory]
        components = {
            each["id"]: each
            for each in await self._rpc.read(
                "sale.line.component",
                [
                    int(each["origin"].split(",")[1])
                    for each in outgoing
                    if "component," in str(each["origin"])
                ],
                ["line", "quantity", "line.quantity"],
            )
        }
        pieces: list[Piece] = []
        kits: dict[int, list[tuple[int, int, int]]] = {}
        for each in outgoing:
            move = inventory[f"stock.move,{each['id']}"]
            model, _, origin = str(each["origin"]).partition(",")
            if model == "sale.line.component":
                component = components[int(origin)]
                per_kit = max(round(component["quantity"] / component["line."]["quantity"]), 1)
                kits.setdefault(component["line"], []).append((move["id"], int(move["quantity"]), per_kit))
            else:
                pieces.append(Piece(int(move["quantity"]), {move["id"]: 1}))
        for parts in kits.values():
            whole = min(quantity // per_kit for _, quantity, per_kit in parts)
            pieces.append(Piece(whole, {move: per_kit for move, _, per_kit in parts}))
        return pieces

    async def _label(self, job: Job) -> None:
        """Name the carrier where the sale did not, and put the tracking number on."""
        (shipment,) = await self._rpc.read(SHIPMENT, [job.shipment_id], ["carrier", "carrier.party"])
        values: dict[str, Any] = {}
        if shipment["carrier"]:
            (party,) = await self._rpc.read("party.party", [shipment["carrier."]["party"]], ["code"])
            code = party["code"]
        else:
            code = DEFAULT_CARRIER
            (carrier,) = await self._rpc.find("carrier", [["party.code", "=", code]], ["id"])
            values["carrier"] = carrier["id"]
        values["reference"] = f"{code}-{job.web_id}-{job.number}"
        await self._rpc.call(SHIPMENT, "write", [job.shipment_id], values)

    async def receive_return(
        self, web_id: str, return_id: str | None = None, units: Mapping[str, int] | None = None
    ) -> str:
        """Take in what comes back; see ``ReturnsDesk.receive``."""
        return await self._returns.receive(web_id, return_id, units)

    async def enter_return(self, web_id: str, units: Mapping[str, int], warehouse: str) -> str:
        """Take in what nobody has announced; see ``ReturnsDesk.enter``."""
        return await self._returns.enter(web_id, units, warehouse)

    async def send_back(self, web_id: str, return_id: str) -> dict[str, int]:
        """Send what of a return is not taken to the buyer again; see ``ReturnsDesk.send_back``."""
        return await self._returns.send_back(web_id, return_id)

    async def return_states(self, web_id: str) -> tuple[str, ...]:
        """Where an order's return shipments stand; see ``ReturnsDesk.states``."""
        return await self._returns.states(web_id)

    async def count_stock(self, product: str, warehouse: str) -> int:
        """Pieces of a product on the shelves of a warehouse."""
        return await self._returns.count_stock(product, warehouse)

    async def take_stock(self, code: str, warehouse: str, units: int) -> None:
        """Take stock: so many units of a product are on the shelves of a warehouse, whatever the books said.

        What was taken out of the catalogue still lies there, and is counted.
        """
        domain = [["type", "=", "warehouse"], ["code", "=", warehouse]]
        (place,) = await self._rpc.find("stock.location", domain, ["storage_location"])
        (product,) = await self._rpc.find("product.product", [["code", "=", code]], ["id"], active_test=False)
        line = {"product": product["id"], "quantity": float(units)}
        values = {
            "location": place["storage_location"],
            "empty_quantity": "keep",
            "lines": [["create", [line]]],
        }
        (made,) = await self._rpc.call("stock.inventory", "create", [values])
        await self._rpc.press("stock.inventory", "confirm", [made])

    async def reserve_what_came(self, web_ids: Collection[str]) -> None:
        """Reserve stock for shipments that wait for it, the oldest first, as Tryton's cron *Assign Shipments* does."""
        jobs = await self.shipments_to_do(web_ids)
        for job in sorted(jobs, key=lambda job: job.shipment_id):
            await self._rpc.press(SHIPMENT, "assign_try", [job.shipment_id])


def _half(pieces: list[Piece]) -> dict[int, int]:
    """Quantity by inventory move that sends about half of the units, all where there is but one.

    Lines give in turn, so that a first parcel holds some of each rather than all of the first.
    """
    wanted = [0] * len(pieces)
    total = sum(piece.units for piece in pieces)
    to_take = total // 2 or total
    while to_take:
        for number, piece in enumerate(pieces):
            if to_take and wanted[number] < piece.units:
                wanted[number] += 1
                to_take -= 1
    return {
        move: units * per_unit
        for piece, units in zip(pieces, wanted, strict=True)
        for move, per_unit in piece.per_unit.items()
    }
