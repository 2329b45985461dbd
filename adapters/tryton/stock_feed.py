"""Which products' stock changed since a cursor: polls the write times of all that a level is made of.

As in ``feed``, each poll looks back over the overlap and skips what it has seen, so that a transaction that commits
late is noticed. What is deleted leaves no trace; so while nothing else is to be told, every product is told again in
turn, once in each ``REREAD``. The cursor is JSON.
"""

import datetime as dt
import logging
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from adapters.errors import ContractBroken, Rejected
from adapters.stock_ports import ErpStockPage
from adapters.tryton.places import LOCATION
from adapters.tryton.records import MOVE
from adapters.tryton.rpc import SYSTEM, TrytonRpc
from adapters.tryton.stamps import STAMPS, changed_since, parse_cursor, written
from adapters.tryton.stock_levels import Stock, StockLevels
from adapters.tryton.stock_records import ALL_RECORDS, COUNTED, KIT, PRODUCT, SALE_LINE

log = logging.getLogger(__name__)

REREAD: Final = dt.timedelta(hours=1)
_START: Final = dt.datetime(1970, 1, 1)  # noqa: DTZ001  Tryton's times have no zone and mean UTC
_OPERATION: Final = "read stock changes"
_UNDECIDED: Final = ["draft", "quotation"]
_Row = dict[str, Any]


class _Cursor(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    stock_since: dt.datetime
    """The newest write time that was reported."""
    seen: dict[str, dt.datetime] = Field(default_factory=dict)
    """Write time of each record reported within the overlap before it."""
    first: bool = True
    """Not every product has been told yet."""
    after: int | None = 0
    """The product that was told last of all in turn; None between two rounds."""
    next_round: dt.datetime


class _Write(NamedTuple):
    """The last write of a record, and the products it concerns; None: all of them."""

    at: dt.datetime
    record: str
    products: tuple[int, ...] | None


class StockFeed:
    """Polls moves, lines of sales, products, kits and locations."""

    def __init__(
        self,
        rpc: TrytonRpc,
        levels: StockLevels,
        *,
        overlap: dt.timedelta,
        page_size: int,
        reread: dt.timedelta = REREAD,
        clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        self._rpc = rpc
        self._levels = levels
        self._overlap = overlap
        self._page_size = page_size
        self._reread = reread
        self._clock = clock

    async def read(self, cursor: str | None) -> ErpStockPage:
        """See ``ErpStockPort.stock_changes``. Raises Rejected where the cursor is not ours."""
        position = await self._begin() if cursor is None else parse_cursor(_Cursor, cursor, _OPERATION)
        filling = position.first
        codes: dict[int, str | None] = {}
        waiting = False
        if not filling:
            fresh = await self._fresh(position)
            told = _first_of(fresh, self._page_size)
            waiting = len(told) < len(fresh)
            position = self._advanced(position, told)
            products = sorted({product for write in told for product in write.products or ()})
            codes = await self._codes([["id", "in", products]]) if products else {}
        if not waiting and position.after is not None:
            turn = await self._codes([["id", ">", position.after]], self._page_size)
            codes |= turn
            position = self._turned(position, turn)
        stock, untold = await self._levels_of({code for code in codes.values() if code})
        return ErpStockPage(
            levels=tuple(stock.levels),
            kits=tuple(stock.kits),
            untold=untold,
            cursor=position.model_dump_json(),
            # What changed while every product was told waits after the last of them.
            more=waiting or filling,
        )

    async def _levels_of(self, codes: set[str]) -> tuple[Stock, tuple[str, ...]]:
        """Their levels; where one of them makes Tryton refuse all, none, and which they are."""
        try:
            return await self._levels.read(codes), ()
        except (Rejected, ContractBroken) as error:
            log.warning("%d products are to be asked for by name: %s", len(codes), error)
            return Stock([], [], []), tuple(sorted(codes))

    async def _begin(self) -> _Cursor:
        since = await self._newest()
        seen = {write.record: write.at for write in await self._writes(since - self._overlap)}
        return _Cursor(stock_since=since, seen=seen, next_round=self._clock() + self._reread)

    def _advanced(self, position: _Cursor, told: list[_Write]) -> _Cursor:
        since = max([position.stock_since, *(write.at for write in told)])
        floor = since - self._overlap
        seen = {**position.seen, **{write.record: write.at for write in told}}
        after = position.after
        if any(write.products is None for write in told):
            # Another place, or another warehouse: that may concern every product.
            self._levels.forget_places()
            after = 0
        elif after is None and position.next_round <= self._clock():
            after = 0
        kept = {record: at for record, at in sorted(seen.items()) if at >= floor}
        return position.model_copy(update={"stock_since": since, "seen": kept, "after": after})

    def _turned(self, position: _Cursor, turn: dict[int, str | None]) -> _Cursor:
        if len(turn) < self._page_size:
            over = {"first": False, "after": None, "next_round": self._clock() + self._reread}
            return position.model_copy(update=over)
        return position.model_copy(update={"after": max(turn)})

    async def _fresh(self, position: _Cursor) -> list[_Write]:
        floor = position.stock_since - self._overlap
        # One that was found by another part of it is as old as it says: what is older than the overlap was told.
        writes = [write for write in await self._writes(floor) if write.at >= floor]
        return sorted(
            (write for write in writes if position.seen.get(write.record) != write.at),
            key=lambda write: (write.at, write.record),
        )

    async def _newest(self) -> dt.datetime:
        """The newest write time of all: Tryton's clock, as far as it matters."""
        newest = _START
        for model in (MOVE, SALE_LINE, PRODUCT):
            for field in STAMPS:
                rows = await self._search(
                    model, [[field, "!=", None]], [field], limit=1, order=[[field, "DESC"]]
                )
                newest = max([newest, *(row[field] for row in rows)])
        return newest

    async def _writes(self, floor: dt.datetime) -> list[_Write]:
        try:
            return [
                *await self._moves(floor),
                *await self._lines(floor),
                *await self._products(floor),
                *await self._places(floor),
            ]
        except (KeyError, TypeError) as error:
            raise ContractBroken(SYSTEM, _OPERATION, f"the answer lacks something ({error!r})") from error

    async def _moves(self, floor: dt.datetime) -> list[_Write]:
        rows = await self._search(MOVE, changed_since(floor), [*STAMPS, "product"])
        return [_Write(written(row), f"move {row['id']}", (row["product"],)) for row in rows]

    async def _lines(self, floor: dt.datetime) -> list[_Write]:
        """Lines of sales that were decided on: what of them is on no shipment is a claim as well."""
        changed = ["OR", changed_since(floor), changed_since(floor, "sale.")]
        fields = [*STAMPS, "product", "components.product", *(f"sale.{stamp}" for stamp in STAMPS)]
        rows = await self._search(SALE_LINE, [changed, ["sale.state", "not in", _UNDECIDED]], fields)
        writes = []
        for row in rows:
            concerned = [row["product"], *(part["product"] for part in row["components."])]
            products = tuple(number for number in concerned if number is not None)
            if products:
                writes.append(_Write(max(written(row), written(row["sale."])), f"line {row['id']}", products))
        return writes

    async def _products(self, floor: dt.datetime) -> list[_Write]:
        paths = ("", "template.", "components.", "template.components.")
        changed = ["OR", *(changed_since(floor, path) for path in paths)]
        fields = [f"{path}{stamp}" for path in paths for stamp in STAMPS]
        writes = []
        for row in await self._search(PRODUCT, changed, fields):
            template = row["template."]
            parts = [*row["components."], *template["components."]]
            at = max(written(each) for each in (row, template, *parts))
            writes.append(_Write(at, f"product {row['id']}", (row["id"],)))
        return writes

    async def _places(self, floor: dt.datetime) -> list[_Write]:
        rows = await self._search(LOCATION, changed_since(floor), [*STAMPS])
        return [_Write(written(row), f"place {row['id']}", None) for row in rows]

    async def _codes(self, domain: list[Any], limit: int | None = None) -> dict[int, str | None]:
        """Products that are goods or kits by id."""
        counted = [*domain, ["type", "in", [*COUNTED, KIT]]]
        rows = await self._search(PRODUCT, counted, ["code"], limit=limit, order=[["id", "ASC"]])
        try:
            return {row["id"]: row["code"] for row in rows}
        except (KeyError, TypeError) as error:
            raise ContractBroken(SYSTEM, _OPERATION, f"the answer lacks something ({error!r})") from error

    async def _search(
        self,
        model: str,
        domain: list[Any],
        fields: Sequence[str],
        *,
        limit: int | None = None,
        order: list[list[str]] | None = None,
    ) -> list[_Row]:
        rows = await self._rpc.call(
            _OPERATION,
            f"model.{model}.search_read",
            domain,
            0,
            limit,
            order,
            list(fields),
            writes=False,
            context=ALL_RECORDS,
        )
        if not isinstance(rows, list):
            raise ContractBroken(SYSTEM, _OPERATION, "the answer is no list", str(rows))
        return rows


def _first_of(writes: Sequence[_Write], products: int) -> list[_Write]:
    """The first writes, that concern about so many products."""
    told: list[_Write] = []
    concerned: set[int] = set()
    for write in writes:
        if len(concerned) >= products:
            break
        told.append(write)
        concerned.update(write.products or ())
    return told
