"""Reads levels of stock, each of one moment.

No call of Tryton tells all that a level is made of. So moves are read before and after the rest: where a product's
moves are the same both times, nothing of it has changed in between; the others are read again. A transaction that began
before and ends in between is seen as well: every move written within the overlap is read, not the open ones alone.
"""

import datetime as dt
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

from adapters.stock_ports import MOST_STOCK, ErpStockLevels
from adapters.tryton.levels import Claims, Place, kit_of, levels_of
from adapters.tryton.places import LOCATION, PLACE_FIELDS, PlaceRecord, Places, places_of
from adapters.tryton.records import MOVE
from adapters.tryton.rpc import TrytonRpc
from adapters.tryton.stock_records import (
    ALL_RECORDS,
    COUNTED,
    KIT,
    LINE_FIELDS,
    MOVE_FIELDS,
    OPEN,
    PRODUCT,
    PRODUCT_FIELDS,
    SALE_LINE,
    CountedProduct,
    Movement,
    StockedProduct,
    WantingLine,
    read_rows,
)
from domain.stock import ErpStock, Kit

OPERATION: Final = "read stock"
REMEMBER_SECONDS: Final = 60.0
"""How long warehouses and their places are remembered; the feed forgets them as soon as one has changed."""
_ROUNDS: Final = 6
_AT_ONCE: Final = 1_000
"""Places that one call is asked to add up."""
_PLACE_TYPES: Final = ["warehouse", "storage", "view", "customer"]
_Moves = Mapping[int, frozenset[Movement]]


class Stock(NamedTuple):
    """What was read of products."""

    levels: list[ErpStock]
    kits: list[Kit]
    unknown: list[str]


class _Reading(NamedTuple):
    """Moves before and after, and what was read in between."""

    before: _Moves
    lines: list[WantingLine]
    on_hand: dict[Place, Decimal]
    after: _Moves

    def is_still(self, product: int) -> bool:
        """Whether nothing of it moved in the meantime."""
        return self.before[product] == self.after[product]


class StockLevels:
    """Reads products by their codes."""

    def __init__(
        self, rpc: TrytonRpc, *, overlap: dt.timedelta, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rpc = rpc
        self._overlap = overlap
        self._clock = clock
        self._places: Places | None = None
        self._places_until = 0.0

    def forget_places(self) -> None:
        """Look warehouses and their places up anew."""
        self._places = None

    async def find(self, codes: Sequence[str]) -> ErpStockLevels:
        """See ``ErpStockPort.find_stock``."""
        if len(codes) > MOST_STOCK:
            raise ValueError(f"{len(codes)} products are asked for; ask for {MOST_STOCK} at most")
        asked = list(dict.fromkeys(codes))
        found = await self._products(asked)
        told = await self._told(found, asked, with_components=True)
        return ErpStockLevels(levels=tuple(told.levels), kits=tuple(told.kits), unknown=tuple(told.unknown))

    async def read(self, codes: Iterable[str]) -> Stock:
        """Levels of products and what kits are made of, without the levels of their components."""
        asked = sorted(set(codes))
        levels: list[ErpStock] = []
        kits: list[Kit] = []
        unknown: list[str] = []
        for start in range(0, len(asked), MOST_STOCK):
            part = asked[start : start + MOST_STOCK]
            told = await self._told(await self._products(part), part, with_components=False)
            levels += told.levels
            kits += told.kits
            unknown += told.unknown
        return Stock(levels, kits, unknown)

    async def _told(
        self, found: Mapping[str, StockedProduct], asked: Sequence[str], *, with_components: bool
    ) -> Stock:
        # A kit has no level that would be zero, so one that is not sold is not there.
        kits = [
            kit
            for product in found.values()
            if product.type == KIT and product.is_sold and (kit := kit_of(product)) is not None
        ]
        goods = {code: product for code, product in found.items() if product.type in COUNTED}
        unknown = [code for code in asked if code not in goods and code not in {kit.product for kit in kits}]
        if with_components:
            components = {code for kit in kits for code in kit.components} - goods.keys()
            goods |= {c: p for c, p in (await self._products(components)).items() if p.type in COUNTED}
        return Stock(await self._levels(list(goods.values())), kits, unknown)

    async def _products(self, codes: Collection[str]) -> dict[str, StockedProduct]:
        """Products by code; of several with the same code the one that is sold, else the latest."""
        if not codes:
            return {}
        domain = [["code", "in", sorted(codes)], ["type", "in", [*COUNTED, KIT]]]
        rows = read_rows(OPERATION, StockedProduct, await self._search(PRODUCT, domain, PRODUCT_FIELDS))
        return {p.code or "": p for p in sorted(rows, key=lambda product: (product.is_sold, product.id))}

    async def _levels(self, goods: Sequence[StockedProduct]) -> list[ErpStock]:
        if not goods:
            return []
        places = await self._where()
        floor = await self._floor()
        left = {product.id: product for product in goods}
        levels: list[ErpStock] = []
        moves = await self._moves(left, floor)
        for _ in range(_ROUNDS):
            reading = await self._read(left, places, moves, floor)
            moves = reading.after
            still = {number: product for number, product in left.items() if reading.is_still(number)}
            levels += _counted(still, places, reading)
            left = {number: product for number, product in left.items() if number not in still}
            if not left:
                return levels
        # They never stand still. What is about to leave counts whether it has left or not, and nothing is to come: too
        # little is told rather than too much. As their moves are new, the feed tells them again.
        restless = _counted(left, places, _pessimistic(reading))
        return [*levels, *(level.model_copy(update={"incoming": ()}) for level in restless)]

    async def _read(
        self, products: Collection[int], places: Places, before: _Moves, floor: dt.datetime
    ) -> _Reading:
        lines = await self._lines(products)
        on_hand = await self._on_hand(products, places)
        return _Reading(before, lines, on_hand, await self._moves(products, floor))

    async def _where(self) -> Places:
        if self._places is None or self._places_until < self._clock():
            rows = await self._search(LOCATION, [["type", "in", _PLACE_TYPES]], PLACE_FIELDS)
            self._places = places_of(read_rows(OPERATION, PlaceRecord, rows))
            self._places_until = self._clock() + REMEMBER_SECONDS
        return self._places

    async def _floor(self) -> dt.datetime:
        """From when on moves are read that are over: the newest one's time by Tryton's clock, less the overlap."""
        rows = await self._search(MOVE, [], MOVE_FIELDS, limit=1, order=[["id", "DESC"]])
        newest = read_rows(OPERATION, Movement, rows)
        return newest[0].create_date - self._overlap if newest else dt.datetime(1970, 1, 1)  # noqa: DTZ001  as Tryton's

    async def _moves(self, products: Collection[int], floor: dt.datetime) -> _Moves:
        """Moves of each product that are open or were written of late."""
        recent = ["OR", ["write_date", ">=", floor], ["create_date", ">=", floor]]
        domain = [["product", "in", sorted(products)], ["OR", ["state", "in", sorted(OPEN)], recent]]
        by_product: dict[int, set[Movement]] = {product: set() for product in products}
        for move in read_rows(OPERATION, Movement, await self._search(MOVE, domain, MOVE_FIELDS)):
            by_product[move.product].add(move)
        return {product: frozenset(moves) for product, moves in by_product.items()}

    async def _lines(self, products: Collection[int]) -> list[WantingLine]:
        """Lines of sales that people have confirmed and that are not over."""
        numbers = sorted(products)
        domain = [
            ["sale.state", "in", ["confirmed", "processing"]],
            ["quantity", ">", 0],
            ["OR", ["product", "in", numbers], ["components.product", "in", numbers]],
        ]
        return read_rows(OPERATION, WantingLine, await self._search(SALE_LINE, domain, LINE_FIELDS))

    async def _on_hand(self, products: Collection[int], places: Places) -> dict[Place, Decimal]:
        on_hand: dict[Place, Decimal] = defaultdict(Decimal)
        for warehouse, shelves in places.shelves().items():
            for start in range(0, len(shelves), _AT_ONCE):
                # Tryton adds the places up that it is given.
                context = {"locations": shelves[start : start + _AT_ONCE], "with_childs": False}
                rows = await self._rpc.call(
                    OPERATION,
                    f"model.{PRODUCT}.read",
                    sorted(products),
                    ["quantity"],
                    writes=False,
                    context=context,
                )
                for row in read_rows(OPERATION, CountedProduct, rows):
                    on_hand[warehouse, row.id] += Decimal(str(row.quantity))
        return on_hand

    async def _search(
        self,
        model: str,
        domain: list[Any],
        fields: Sequence[str],
        *,
        limit: int | None = None,
        order: list[list[str]] | None = None,
    ) -> Any:
        return await self._rpc.call(
            OPERATION,
            f"model.{model}.search_read",
            domain,
            0,
            limit,
            order,
            list(fields),
            writes=False,
            context=ALL_RECORDS,
        )


def _counted(products: Mapping[int, StockedProduct], places: Places, reading: _Reading) -> list[ErpStock]:
    claims = Claims(places)
    claims.add(products, (move for number in products for move in reading.after[number]), reading.lines)
    return levels_of(list(products.values()), places, reading.on_hand, claims)


def _pessimistic(reading: _Reading) -> _Reading:
    """Whatever was on its way before or after, or has come to its end in between, is on its way."""
    both: dict[int, frozenset[Movement]] = {}
    for product, after in reading.after.items():
        before = reading.before[product]
        changed = {
            move.model_copy(update={"state": "draft"}) for move in after - before if move.state == "done"
        }
        moves: dict[int, Movement] = {}
        for move in sorted((*before, *after, *changed), key=lambda each: (each.state in OPEN, each.quantity)):
            moves[move.id] = move
        both[product] = frozenset(moves.values())
    return reading._replace(after=both)
