"""Which orders changed since a cursor: Tryton has no feed, so its write times are polled.

The cursor is JSON: ``since``, the newest write time that was reported, and ``seen``, the write time of each record
reported within the overlap before it. A transaction may commit later than another that wrote after it; so each poll
looks back over the overlap and skips what it has seen. All times are Tryton's own.
"""

import datetime as dt
from typing import Any, Final, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from adapters.errors import ContractBroken
from adapters.tryton.records import MOVE, RETURN_SHIPMENT, SHIPMENT
from adapters.tryton.rpc import SYSTEM, TrytonRpc
from adapters.tryton.sales import SALE, made_from
from adapters.tryton.stamps import STAMPS, changed_since, parse_cursor, written

_START: Final = dt.datetime(1970, 1, 1)  # noqa: DTZ001  Tryton's times have no zone and mean UTC
_OPERATION: Final = "read changes"
_LATELY: Final = dt.timedelta(days=1)
_OURS: Final[list[Any]] = [["web_shop", "!=", None], ["web_shop.type", "=", None]]
"""A shop of another type is fed by a module of Tryton itself; its sales are not ours."""


class _Cursor(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    since: dt.datetime
    seen: dict[str, dt.datetime] = Field(default_factory=dict)


class _Write(NamedTuple):
    """The last write of a record, and the sales it concerns."""

    at: dt.datetime
    record: str
    sales: tuple[int, ...]


class ChangedSales(NamedTuple):
    """Ids of sales that changed, oldest change first, and the cursor after them."""

    sales: tuple[int, ...]
    cursor: str
    more: bool


class ChangeFeed:
    """Polls sales of web shops, shipments of sales, and what comes back of them."""

    def __init__(self, rpc: TrytonRpc, *, overlap: dt.timedelta, page_size: int) -> None:
        self._rpc = rpc
        self._overlap = overlap
        self._page_size = page_size

    async def read(self, cursor: str | None) -> ChangedSales:
        """The next page after ``cursor``; None starts as the port says. Raises Rejected where it is not ours."""
        if cursor is None:
            since = await self._newest()
            seen = {write.record: write.at for write in await self._writes(since - self._overlap)}
            # Read after the cursor was fixed: what changes in between comes twice, not never.
            current = await self._current(max(since, _START + _LATELY) - _LATELY)
            return ChangedSales(current, _Cursor(since=since, seen=seen).model_dump_json(), more=False)
        position = parse_cursor(_Cursor, cursor, _OPERATION)
        writes = await self._writes(position.since - self._overlap)
        fresh = sorted(write for write in writes if position.seen.get(write.record) != write.at)
        page = fresh[: self._page_size]
        since = max([position.since, *(write.at for write in page)])
        floor = since - self._overlap
        seen = {**position.seen, **{write.record: write.at for write in page}}
        after = _Cursor(since=since, seen={record: at for record, at in sorted(seen.items()) if at >= floor})
        sales = dict.fromkeys(sale for write in page for sale in write.sales)
        return ChangedSales(tuple(sales), after.model_dump_json(), more=len(fresh) > len(page))

    async def _current(self, floor: dt.datetime) -> tuple[int, ...]:
        """Sales of ours that are open, or were written since ``floor``."""
        alive = ["OR", ["state", "in", ["confirmed", "processing"]], ["write_date", ">=", floor]]
        rows = await self._search(SALE, [alive, *_OURS], ["origin"])
        returned = await self._returned(changed_since(floor))
        return tuple(
            sorted({*(_order_of(row) for row in rows), *(sale for write in returned for sale in write.sales)})
        )

    async def _newest(self) -> dt.datetime:
        """The newest write time of all: Tryton's clock, as far as it matters."""
        newest = _START
        for model in (SALE, SHIPMENT):
            for field in ("create_date", "write_date"):
                rows = await self._search(
                    model, [[field, "!=", None]], [field], limit=1, order=[[field, "DESC"]]
                )
                newest = max([newest, *(row[field] for row in rows)])
        return newest

    async def _writes(self, floor: dt.datetime) -> list[_Write]:
        changed = changed_since(floor)
        try:
            writes = [
                _Write(written(row), f"sale {row['id']}", (_order_of(row),))
                for row in await self._search(SALE, [changed, *_OURS], [*STAMPS, "origin"])
            ]
            for row in await self._search(SHIPMENT, changed, [*STAMPS, *_of_sale("outgoing_moves.")]):
                sales = dict.fromkeys(
                    _order_of(move["sale."]) for move in row["outgoing_moves."] if move["sale"] is not None
                )
                if sales:
                    writes.append(_Write(written(row), f"shipment {row['id']}", tuple(sales)))
        except (KeyError, TypeError) as error:
            raise ContractBroken(SYSTEM, _OPERATION, f"the answer lacks something ({error!r})") from error
        return [*writes, *await self._returned(changed)]

    async def _returned(self, changed: list[Any]) -> list[_Write]:
        """Writes of return shipments whose moves come from those that took the goods to the customer."""
        try:
            rows = await self._search(RETURN_SHIPMENT, changed, [*STAMPS, "incoming_moves.origin"])
            sent = {
                row["id"]: [
                    int(origin.removeprefix(f"{MOVE},"))
                    for origin in (move["origin"] or "" for move in row["incoming_moves."])
                    if origin.startswith(f"{MOVE},")
                ]
                for row in rows
            }
            moves = sorted({move for origins in sent.values() for move in origins})
            sales = {
                move["id"]: None if move["sale"] is None else _order_of(move["sale."])
                for move in (await self._search(MOVE, [["id", "in", moves]], _of_sale("")) if moves else ())
            }
            return [
                _Write(written(row), f"return {row['id']}", tuple(dict.fromkeys(concerned)))
                for row in rows
                if (concerned := [s for s in map(sales.get, sent[row["id"]]) if s is not None])
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise ContractBroken(SYSTEM, _OPERATION, f"the answer lacks something ({error!r})") from error

    async def _search(
        self,
        model: str,
        domain: list[Any],
        fields: list[str],
        *,
        limit: int | None = None,
        order: list[list[str]] | None = None,
    ) -> list[dict[str, Any]]:
        rows = await self._rpc.call(
            _OPERATION, f"model.{model}.search_read", domain, 0, limit, order, fields, writes=False
        )
        if not isinstance(rows, list):
            raise ContractBroken(SYSTEM, _OPERATION, "the answer is no list", str(rows))
        return rows


def _of_sale(prefix: str) -> list[str]:
    """What is read of a move's sale."""
    return [f"{prefix}sale", f"{prefix}sale.origin"]


def _order_of(row: dict[str, Any]) -> int:
    """The order that a sale is, or whose return it credits, or that it is an exchange of."""
    order = made_from(row.get("origin"))
    return int(row["id"]) if order is None else order
