"""Lists of sales to compare with the storefront: those of a web shop, and those that people entered without one."""

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

from pydantic import ValidationError

from adapters.errors import ContractBroken, Rejected
from adapters.ports import MOST_FOUND
from adapters.requests import ErpRecordPage
from adapters.tryton.reading import shipments_of, state_of
from adapters.tryton.records import LISTED_FIELDS, ListedSale
from adapters.tryton.rpc import SYSTEM, TrytonRpc
from adapters.tryton.sales import SALE, made_from
from adapters.tryton.translate import EXCHANGE_MARK, SUPPLEMENT_MARK
from domain.erp_order import ErpOrderState, ErpShipmentState
from domain.listings import ErpRecord, OrderName
from domain.order import OrderKey

_OPERATION: Final = "list sales"
_NO_RETURN: Final = ["OR", ["origin", "=", None], ["origin", "not like", f"{SALE},%"]]
"""A sale that was made from another credits a return of it, or ships beside it; it is no second order."""


_BESIDE: Final = ["OR", *(["web_id", "like", f"%{mark}%"] for mark in (EXCHANGE_MARK, SUPPLEMENT_MARK))]
"""Sales for exchanges and for what edits added: what leaves by them is counted with their order."""


class Listing:
    """Reads a few fields of many sales, one call a page. The cursor is the id of the last sale told."""

    def __init__(self, rpc: TrytonRpc, *, page_size: int) -> None:
        self._rpc = rpc
        self._page_size = page_size

    async def changed(self, channel: str, since: dt.datetime, cursor: str | None) -> ErpRecordPage:
        """See ``ErpPort.list_records``. Raises Rejected where the cursor is not ours."""
        if cursor is not None and not cursor.isdecimal():
            raise Rejected(
                SYSTEM, _OPERATION, f"the cursor {cursor[:80]!r} is not of this list", "cursor_unknown"
            )
        floor = since.astimezone(dt.UTC).replace(tzinfo=None)
        changed = [
            "OR",
            ["create_date", ">=", floor],
            ["write_date", ">=", floor],
            ["shipments.write_date", ">=", floor],
        ]
        beside = await self._rows([changed, _entered_by_us(channel), _BESIDE], None)
        orders = sorted({order for each in beside if (order := made_from(each.origin)) is not None})
        named = [["reference", "!=", None], ["reference", "!=", ""]]
        whose = ["OR", _entered_by_us(channel), [_entered_by_hand(channel), named]]
        domain = [["id", ">", int(cursor or 0)], [*changed, ["id", "in", orders]], whose, _NO_RETURN]
        rows = await self._rows(domain, self._page_size + 1)
        page = rows[: self._page_size]
        return ErpRecordPage(
            records=await self._records(page),
            next_cursor=str(page[-1].id) if len(rows) > len(page) else None,
        )

    async def found(self, channel: str, orders: Sequence[OrderName]) -> tuple[ErpRecord, ...]:
        """See ``ErpPort.find_records``."""
        if len(orders) > MOST_FOUND:
            raise ValueError(f"{len(orders)} orders are asked for; ask for {MOST_FOUND} at most")
        ids = sorted({order.external_id for order in orders if order.external_id})
        numbers = sorted({order.number for order in orders if order.number})
        by_key = [_entered_by_us(channel), ["web_id", "in", ids]]
        by_number = [_entered_by_hand(channel), ["reference", "in", numbers]]
        domain = [["OR", by_key, by_number], _NO_RETURN]
        return await self._records(await self._rows(domain, None))

    async def _records(self, sales: Sequence[ListedSale]) -> tuple[ErpRecord, ...]:
        """Each with what left by the sales beside it; one call for all of those."""
        of_these = ["origin", "in", [f"{SALE},{sale.id}" for sale in sales]]
        beside: dict[int | None, list[ListedSale]] = defaultdict(list)
        for each in await self._rows([of_these, _BESIDE], None) if sales else ():
            beside[made_from(each.origin)].append(each)
        return tuple(_record(sale, beside[sale.id]) for sale in sales)

    async def _rows(self, domain: list[Any], limit: int | None) -> list[ListedSale]:
        order = [["id", "ASC"]]
        rows = await self._rpc.call(
            _OPERATION,
            f"model.{SALE}.search_read",
            domain,
            0,
            limit,
            order,
            list(LISTED_FIELDS),
            writes=False,
        )
        if not isinstance(rows, list):
            raise ContractBroken(SYSTEM, _OPERATION, "the answer is no list", str(rows))
        try:
            return [ListedSale.model_validate(row) for row in rows]
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise ContractBroken(SYSTEM, _OPERATION, f"{where}: {first['msg']}", str(rows)) from error


def _entered_by_us(channel: str) -> list[Any]:
    return [["web_shop.name", "=", channel], ["web_id", "!=", None]]


def _entered_by_hand(channel: str) -> list[Any]:
    """Without a key, but with the storefront's number as its reference. A copy without either is nobody's to see."""
    return [["web_id", "=", None], ["OR", ["web_shop", "=", None], ["web_shop.name", "=", channel]]]


def _record(sale: ListedSale, beside: Sequence[ListedSale]) -> ErpRecord:
    key = None
    if sale.web_shop is not None and sale.web_id:
        key = OrderKey(channel=sale.web_shop.name, external_id=sale.web_id)
    try:
        state, unreadable = state_of(sale), ""
        shipped = sum(
            line.quantity
            for each in (sale, *beside)
            for shipment in shipments_of(each)
            if shipment.state is ErpShipmentState.SHIPPED
            for line in shipment.lines
        )
    except ContractBroken as error:
        state, shipped, unreadable = ErpOrderState.ACCEPTED, 0, error.reason
    return ErpRecord(
        erp_id=str(sale.id),
        number=sale.number or str(sale.id),
        key=key,
        reference=sale.reference or "",
        state=state,
        shipped=shipped,
        changed_at=max(map(_changed_at, (sale, *beside))),
        unreadable=unreadable,
    )


def _changed_at(sale: ListedSale) -> dt.datetime:
    stamps = [sale.create_date, sale.write_date]
    stamps += [stamp for shipment in sale.shipments for stamp in (shipment.create_date, shipment.write_date)]
    # Tryton's times have no zone and mean UTC.
    return max(stamp for stamp in stamps if stamp is not None).replace(tzinfo=dt.UTC)
