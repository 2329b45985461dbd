"""Where the ERP's people decide that units of an order are not sent, or are sent after all.

Tryton knows no button for that. Whoever gives units up cancels the shipment they are on, split off what is to be sent
where it holds more, and has *Handle Shipment Exception* ignore them.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from sandbox.tryton.clerk import of_orders
from sandbox.tryton.rpc import Refused, Rpc

SALE: Final = "sale.sale"
SHIPMENT: Final = "stock.shipment.out"
MOVE: Final = "stock.move"
_TAKEN: Final = frozenset({"picked", "packed"})
_OPEN: Final = frozenset({"draft", "waiting", "assigned"}) | _TAKEN
_TRIES: Final = 5
"""So often a shipment is split where somebody else lays it out anew meanwhile."""


@dataclass(frozen=True)
class _Part:
    """What has moves of its own: a sale line, or a component of a kit."""

    sale: int
    line: int
    product: str
    """As sold: of a component the kit's."""
    model: str
    record: int
    per_unit: int
    moves: tuple[Mapping[str, Any], ...]
    ignored: frozenset[int]
    recreated: frozenset[int]

    def dropped(self) -> list[int]:
        """Canceled moves that none was made anew for."""
        canceled = (move["id"] for move in self.moves if move["state"] == "cancelled")
        return [move for move in canceled if move not in self.recreated]

    def pieces_in(self, shipments: Collection[int]) -> int:
        """Pieces that are to be sent with these shipments."""
        return sum(int(move["quantity"]) for move in self._live(shipments))

    def taken_from(self, shipments: Collection[int], pieces: int) -> Iterator[tuple[int, int, int]]:
        """Shipment, move and pieces of it, the oldest move first, until there are so many."""
        for move in self._live(shipments):
            if some := min(pieces, int(move["quantity"])):
                pieces -= some
                yield _shipment_of(move) or 0, move["id"], some

    def _live(self, shipments: Collection[int]) -> list[Mapping[str, Any]]:
        live = [
            move for move in self.moves if move["state"] != "cancelled" and _shipment_of(move) in shipments
        ]
        return sorted(live, key=lambda move: int(move["id"]))


class GivingUp:
    """Works on the sales of one channel through a login of the ERP's people."""

    def __init__(self, rpc: Rpc, channel: str) -> None:
        self._rpc = rpc
        self._channel = channel

    async def give_up(self, web_id: str, units: Mapping[str, int], *, handled: bool) -> None:
        """Take units (by product as sold, kits whole) off an order's shipments for good.

        What is picked goes back on the shelves for that, and the rest of it is to be picked anew. Not ``handled``: the
        shipment is canceled, and nobody has said yet what shall become of it. Raises LookupError where no shipment that
        has not left holds so many.
        """
        chosen = await self._choose(web_id, units)
        if back := [shipment for shipment, part in chosen.items() if part.taken and not part.whole]:
            await self._rpc.press(SHIPMENT, "cancel", back)
            await self._settle(web_id, back, ignore=False)
            chosen = await self._choose(web_id, units)
        canceled = [
            shipment if part.whole else await self._split_off(shipment, part.pieces)
            for shipment, part in chosen.items()
        ]
        await self._rpc.press(SHIPMENT, "cancel", canceled)
        if handled:
            await self._settle(web_id, canceled, ignore=True)

    async def send_after_all(self, web_id: str) -> None:
        """Have all that was given up of an order shipped anew. Raises LookupError where nothing was."""
        parts = [part for part in await self._parts(web_id) if part.dropped()]
        if not parts:
            raise LookupError(f"nothing of order {web_id} was given up")
        for part in parts:
            ignored = [move for move in part.dropped() if move in part.ignored]
            values = {"moves_ignored": [["remove", ignored]]}
            await self._rpc.call(part.model, "write", [part.record], values)
        await self._settle(web_id, None, ignore=False)

    async def _choose(self, web_id: str, units: Mapping[str, int]) -> dict[int, "_Chosen"]:
        """Shipment -> what of it is given up, the oldest shipment first."""
        parts = await self._parts(web_id)
        numbers = sorted({number for part in parts for move in part.moves if (number := _shipment_of(move))})
        found = await self._rpc.find(SHIPMENT, [["id", "in", numbers]], ["state", "outgoing_moves.quantity"])
        there = {each["id"]: each for each in found if each["state"] in _OPEN}
        left, pieces = Counter(units), defaultdict[int, dict[int, int]](dict)
        for _, each in groupby(parts, key=lambda part: part.line):
            line = list(each)
            held = min(part.pieces_in(there) // part.per_unit for part in line)
            number = min(held, left[line[0].product])
            left[line[0].product] -= number
            for part in line:
                for shipment, move, some in part.taken_from(there, number * part.per_unit):
                    pieces[shipment][move] = some
        if short := +left:
            raise LookupError(f"no shipment of order {web_id} that has not left holds {dict(short)}")
        return {
            shipment: _Chosen(
                pieces=chosen,
                taken=there[shipment]["state"] in _TAKEN,
                whole=all(
                    chosen.get(move["id"], 0) == int(move["quantity"])
                    for move in there[shipment]["outgoing_moves."]
                ),
            )
            for shipment, chosen in sorted(pieces.items())
        }

    async def _split_off(self, shipment: int, pieces: Mapping[int, int]) -> int:
        """Put pieces (by move) into a shipment of their own; returns its id. Only a draft can be split."""
        for attempt in range(_TRIES):
            try:
                return await self._split(shipment, pieces)
            except Refused:
                if attempt == _TRIES - 1:
                    raise
        raise AssertionError("unreachable")

    async def _split(self, shipment: int, pieces: Mapping[int, int]) -> int:
        (before,) = await self._rpc.read(SHIPMENT, [shipment], ["state"])
        for button in ("wait", "draft"):
            await self._rpc.press(SHIPMENT, button, [shipment])
        for move in await self._rpc.read(MOVE, list(pieces), ["quantity", "unit"]):
            if pieces[move["id"]] < int(move["quantity"]):
                form = {"quantity": float(pieces[move["id"]]), "unit": move["unit"], "count": 1}
                await self._run("stock.move.split", (MOVE, move["id"]), "start", form, "split")
        chosen = {"moves": list(pieces), "domain_moves": list(pieces)}
        await self._run("stock.shipment.split", (SHIPMENT, shipment), "start", chosen, "split")
        # What was reserved of the rest is reserved again.
        for button in ("wait", "assign_try") if before["state"] == "assigned" else ("wait",):
            await self._rpc.press(SHIPMENT, button, [shipment])
        moved = await self._rpc.read(MOVE, list(pieces), ["shipment"])
        (apart,) = {_shipment_of(move) for move in moved}
        assert apart is not None
        return apart

    async def _settle(self, web_id: str, shipments: Collection[int] | None, *, ignore: bool) -> None:
        """Decide about the canceled moves of some shipments, or of all, that nobody has decided about yet."""
        by_sale: dict[int, list[int]] = {}
        for part in await self._parts(web_id):
            open_still = {*part.dropped()} - part.ignored
            by_sale.setdefault(part.sale, []).extend(
                move["id"]
                for move in part.moves
                if move["id"] in open_still and (shipments is None or _shipment_of(move) in shipments)
            )
        for sale, moves in by_sale.items():
            if moves:
                form = {
                    "ignore_moves": moves if ignore else [],
                    "recreate_moves": [] if ignore else moves,
                    "domain_moves": moves,
                }
                await self._run("sale.handle.shipment.exception", (SALE, sale), "ask", form, "handle")

    async def _parts(self, web_id: str) -> list[_Part]:
        domain = [["web_shop.name", "=", self._channel], of_orders([web_id])]
        moving = ("moves_ignored", "moves_recreated", "moves.state", "moves.quantity", "moves.shipment")
        fields = [
            *("quantity", "product.code", *moving),
            *(f"components.{name}" for name in ("quantity", *moving)),
        ]
        parts: list[_Part] = []
        for sale in await self._rpc.find(SALE, domain, [f"lines.{name}" for name in fields]):
            for line in sale["lines."]:
                if line["product."]:
                    parts += _parts_of(sale["id"], line)
        return parts

    async def _run(
        self, name: str, record: tuple[str, int], form: str, values: Mapping[str, Any], step: str
    ) -> None:
        """Run one step of a wizard on a record, its form filled in. Raises Refused."""
        about = {"active_model": record[0], "active_id": record[1], "active_ids": [record[1]]}
        session, *_ = await self._rpc.call(name, "create", kind="wizard", **about)
        await self._rpc.call(name, "execute", session, {form: dict(values)}, step, kind="wizard", **about)
        await self._rpc.call(name, "delete", session, kind="wizard", **about)


@dataclass(frozen=True)
class _Chosen:
    """What of a shipment is given up."""

    pieces: Mapping[int, int]
    """By outgoing move."""
    taken: bool
    """It is off the shelves already."""
    whole: bool
    """Nothing is left on it."""


def _parts_of(sale: int, line: Mapping[str, Any]) -> Iterator[_Part]:
    code, units = line["product."]["code"], line["quantity"] or 0
    components = [("sale.line.component", each) for each in line["components."]]
    for model, each in components or [("sale.line", line)]:
        yield _Part(
            sale=sale,
            line=line["id"],
            product=code,
            model=model,
            record=each["id"],
            per_unit=max(round((each["quantity"] or 0) / units), 1) if units else 1,
            moves=tuple(each["moves."]),
            ignored=frozenset(each["moves_ignored"]),
            recreated=frozenset(each["moves_recreated"]),
        )


def _shipment_of(move: Mapping[str, Any]) -> int | None:
    model, _, number = str(move["shipment"] or "").partition(",")
    return int(number) if model == SHIPMENT else None
