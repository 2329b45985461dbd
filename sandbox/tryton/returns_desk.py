"""The warehouse's table where goods come back: what was announced is counted in, what is not taken goes out again."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from sandbox.tryton.rpc import Rpc

RETURN: Final = "stock.shipment.out.return"
SHIPMENT: Final = "stock.shipment.out"


class ReturnsDesk:
    """Works on the ERP's return shipments through a login of its people."""

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc

    async def receive(
        self, web_id: str, return_id: str | None = None, units: Mapping[str, int] | None = None
    ) -> str:
        """Receive what an order's return announces, or so many pieces by product; returns the return's number.

        Without ``return_id`` it is the order's oldest that is expected. Raises LookupError where nothing is, or more
        came in than is announced of a product.
        """
        found = await self._find(web_id, return_id, ["state", "=", "draft"])
        if units is not None:
            await self._count_in(found["incoming_moves"], dict(units))
        await self._rpc.press(RETURN, "receive", [found["id"]])
        return str(found["number"])

    async def enter(self, web_id: str, units: Mapping[str, int], warehouse: str) -> str:
        """Enter pieces (product -> number) that came back of an order and that nobody had announced.

        Returns the number of the return shipment, which is received at once. Raises LookupError where so many pieces
        have not left.
        """
        sales = await self._rpc.find("sale.sale", [["web_id", "=", web_id]], ["party", "company"])
        (place,) = await self._rpc.find(
            "stock.location",
            [["type", "=", "warehouse"], ["code", "=", warehouse]],
            ["input_location", "storage_location"],
        )
        left = [["sale", "=", sales[0]["id"]], ["state", "=", "done"], ["to_location.type", "=", "customer"]]
        fields = ["product", "product.code", "unit", "quantity", "unit_price", "currency", "to_location"]
        wanted, moves = dict(units), []
        for move in await self._rpc.find("stock.move", left, fields):
            some = min(int(move["quantity"]), wanted.get(move["product."]["code"], 0))
            if some:
                wanted[move["product."]["code"]] -= some
                moves.append(
                    {
                        **{name: move[name] for name in ("product", "unit", "unit_price", "currency")},
                        "quantity": float(some),
                        "from_location": move["to_location"],
                        "to_location": place["input_location"],
                        "company": sales[0]["company"],
                        "origin": f"stock.move,{move['id']}",
                    }
                )
        if any(wanted.values()):
            raise LookupError(f"so much of order {web_id} has not left: {wanted}")
        values = {
            "company": sales[0]["company"],
            "customer": sales[0]["party"],
            "warehouse": place["id"],
            "warehouse_input": place["input_location"],
            "warehouse_storage": place["storage_location"],
            "incoming_moves": [["create", moves]],
        }
        (made,) = await self._rpc.call(RETURN, "create", [values])
        await self._rpc.press(RETURN, "receive", [made])
        (entered,) = await self._rpc.read(RETURN, [made], ["number"])
        return str(entered["number"])

    async def send_back(self, web_id: str, return_id: str) -> dict[str, int]:
        """Send off what of a return is not taken; returns pieces by product. Raises LookupError where there is none."""
        found = await self._find(web_id, return_id, ["state", "=", "done"])
        origins = [f"stock.move,{move}" for move in found["incoming_moves"]]
        moves = await self._rpc.find(
            "stock.move",
            [["origin", "in", origins], ["shipment.state", "=", "waiting", SHIPMENT]],
            ["shipment", "product.code", "quantity"],
        )
        sent: Counter[str] = Counter()
        for move in moves:
            sent[move["product."]["code"]] += int(move["quantity"])
        if not sent:
            raise LookupError(f"nothing of return {return_id} of order {web_id} is to be sent back")
        shipments = sorted({int(move["shipment"].partition(",")[2]) for move in moves})
        for button in ("assign_try", "pick", "pack", "do"):
            await self._rpc.press(SHIPMENT, button, shipments)
        return dict(sent)

    async def states(self, web_id: str) -> tuple[str, ...]:
        """Of all return shipments that name an order, canceled ones too: Tryton's words, oldest first."""
        found = await self._rpc.find(RETURN, [["reference", "like", f"%:{web_id}:%"]], ["state"])
        return tuple(str(each["state"]) for each in sorted(found, key=lambda each: int(each["id"])))

    async def count_stock(self, product: str, warehouse: str) -> int:
        """Pieces of a product on the shelves of a warehouse."""
        (place,) = await self._rpc.find(
            "stock.location", [["type", "=", "warehouse"], ["code", "=", warehouse]], ["storage_location"]
        )
        (found,) = await self._rpc.find(
            "product.product", [["code", "=", product]], ["quantity"], locations=[place["storage_location"]]
        )
        return int(found["quantity"])

    async def _find(self, web_id: str, return_id: str | None, state: list[str]) -> dict[str, Any]:
        reference = ["reference", "like", f"%:{web_id}:{return_id or '%'}; %"]
        found = await self._rpc.find(RETURN, [reference, state], ["number", "incoming_moves"])
        if not found:
            which = f"return {return_id}" if return_id else "return"
            raise LookupError(f"no {which} of order {web_id} is {state[2]}")
        return dict(found[0])

    async def _count_in(self, moves: list[int], units: dict[str, int]) -> None:
        for move in await self._rpc.read("stock.move", moves, ["product.code", "quantity"]):
            product = move["product."]["code"]
            came = min(units.get(product, 0), int(move["quantity"]))
            units[product] = units.get(product, 0) - came
            await self._rpc.call("stock.move", "write", [move["id"]], {"quantity": float(came)})
        if more := {product: number for product, number in units.items() if number}:
            raise LookupError(f"more came in than was announced: {more}")
