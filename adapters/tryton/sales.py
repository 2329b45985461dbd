"""Reads sales of Tryton, and makes the calls on them that several parts need."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

from adapters.errors import ContractBroken
from adapters.requests import UnreadableOrder
from adapters.tryton.records import SALE_FIELDS, STOCK_FIELDS, SaleRecord, read_record
from adapters.tryton.rpc import SYSTEM, TrytonRpc
from adapters.tryton.translate import EXCHANGE_MARK, SUPPLEMENT_MARK
from domain.order import OrderKey

SALE: Final = "sale.sale"
_OF_A_SHOP: Final[list[Any]] = [["web_shop", "!=", None], ["web_id", "!=", None]]
"""A return sale that people make from an order has neither: it is theirs."""
_AT_ONCE: Final = 100
"""Sales read in one call: Tryton takes some 20 ms for each."""


class Sales:
    """Sales that belong to a web shop. ``with_stock``: they are read with what is reserved for them."""

    def __init__(self, rpc: TrytonRpc, *, with_stock: bool = False) -> None:
        self._rpc = rpc
        self._fields = [*SALE_FIELDS, *STOCK_FIELDS] if with_stock else list(SALE_FIELDS)

    async def find(self, key: OrderKey) -> SaleRecord | None:
        """The sale of an order; Tryton lets there be one only.

        Those that credit its returns and those that ship beside it come along.
        """
        found = await self._search(
            [["web_shop.name", "=", key.channel], ["web_id", "=", key.external_id]],
            [
                ["origin.web_shop.name", "=", key.channel, SALE],
                ["origin.web_id", "=", key.external_id, SALE],
            ],
        )
        return found[0] if found else None

    async def get(self, sale: int) -> SaleRecord:
        """A sale by its id, one beside an order's too. Raises ContractBroken where it is gone."""
        found = await self._search([["id", "=", sale]], [["origin", "=", f"{SALE},{sale}"]], itself=sale)
        if not found:
            raise ContractBroken(SYSTEM, "read sale", f"sale {sale} is gone")
        return found[0]

    async def get_many(self, sales: Sequence[int]) -> tuple[list[SaleRecord], list[UnreadableOrder]]:
        """Those of these sales that are there and belong to a web shop, a hundred a call.

        A record that does not fit is told apart by its order.
        """
        found: list[SaleRecord] = []
        unreadable: list[UnreadableOrder] = []
        for start in range(0, len(sales), _AT_ONCE):
            some = list(sales[start : start + _AT_ONCE])
            for row in await self._rows(
                [["id", "in", some], *_OF_A_SHOP],
                [["origin", "in", [f"{SALE},{sale}" for sale in some]]],
            ):
                try:
                    found.append(read_record(row))
                except ContractBroken as error:
                    unreadable.append(UnreadableOrder(key=_key_of(row, error), reason=error.reason))
        return found, unreadable

    async def press(self, sale: int, button: str, **options: Any) -> None:
        """Press a button of the sale form, such as ``quote``."""
        await self._rpc.call(f"{button} sale", f"model.{SALE}.{button}", [sale], writes=True, **options)

    async def set_aside(self, sale: SaleRecord) -> None:
        """Take an order's names off a canceled sale, so that another one may have them."""
        values = {"web_shop": None, "web_id": None, "reference": reference_aside(sale.key)}
        await self._rpc.call("set sale aside", f"model.{SALE}.write", [sale.id], values, writes=True)

    async def run_wizard(
        self, name: str, record: tuple[str, int], form: str, values: dict[str, Any], step: str
    ) -> None:
        """Run one step of a Tryton wizard on a record, its form filled with ``values``."""
        model, number = record
        context = {"active_model": model, "active_id": number, "active_ids": [number]}
        operation = f"run {name}"
        begun = await self._rpc.call(operation, f"wizard.{name}.create", writes=True, context=context)
        if not isinstance(begun, list) or not begun:
            raise ContractBroken(SYSTEM, operation, "the wizard did not begin", str(begun))
        await self._rpc.call(
            operation, f"wizard.{name}.execute", begun[0], {form: values}, step, writes=True, context=context
        )
        await self._rpc.call(operation, f"wizard.{name}.delete", begun[0], writes=True, context=context)

    async def _search(
        self, orders: list[Any], made_from_them: list[Any], *, itself: int | None = None
    ) -> list[SaleRecord]:
        return [read_record(row) for row in await self._rows(orders, made_from_them, itself=itself)]

    async def _rows(
        self, orders: list[Any], made_from_them: list[Any], *, itself: int | None = None
    ) -> list[dict[str, Any]]:
        """Sales, each with those that credit its returns and those that ship beside it; one call for all.

        One that was made from another is told by itself where it is ``itself`` what is asked for.
        """
        domain = ["OR", orders, [*made_from_them, *_OF_A_SHOP]]
        rows = await self._rpc.call(
            "read sale", f"model.{SALE}.search_read", domain, 0, None, None, self._fields, writes=False
        )
        if not isinstance(rows, list):
            raise ContractBroken(SYSTEM, "read sale", "the answer is no list", str(rows))
        credited: dict[int, list[Any]] = defaultdict(list)
        beside: dict[int, list[Any]] = defaultdict(list)
        for row in rows:
            if (order := made_from(row.get("origin"))) is not None and row["id"] != itself:
                ships = any(mark in (row.get("web_id") or "") for mark in (EXCHANGE_MARK, SUPPLEMENT_MARK))
                kind = beside if ships else credited
                kind[order].append(row)
        return [
            {**row, "credits": credited.get(row["id"], []), "beside": beside.get(row["id"], [])}
            for row in rows
            if made_from(row.get("origin")) is None or row["id"] == itself
        ]


def reference_aside(key: OrderKey) -> str:
    """What a sale that is set aside says of whose it was."""
    return f"replaced: {key}"


def made_from(origin: str | None) -> int | None:
    """The id of the sale that a sale was made from: it credits a return of it, or ships beside it.

    Tryton's own mark of a return sale is its origin, too.
    """
    model, _, number = (origin or "").partition(",")
    return int(number) if model == SALE else None


def _key_of(row: Any, broken: ContractBroken) -> OrderKey:
    """Which order a row is, though the rest of it does not fit. Raises ``broken`` where it does not even say that."""
    try:
        return OrderKey(channel=row["web_shop."]["name"], external_id=row["web_id"])
    except (KeyError, TypeError, ValueError):
        raise broken from None
