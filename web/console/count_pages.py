"""Pages of what is counted: orders on both sides, by the last sweep, and stock, with how each number came about."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from store.stock_reasons import StockReasons
from web.console.pages import page
from web.console.parts import Parts
from web.desk.counts import counted, what_to_do
from web.desk.stock import stock_rules, to_show


class CountPages:
    """Sweeps, and stock."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def add_to(self, pages: APIRouter) -> None:
        """Serve them."""
        pages.get("/sweeps")(self.sweeps)
        pages.get("/stock")(self.stock)

    async def sweeps(self, request: Request) -> Response:
        """What the last sweep of each channel counted, and the orders it named."""
        channels = dict.fromkeys(sorted(self._parts.settings.channels))
        found = await self._parts.read(lambda database: counted(database, channels))
        return page(self._parts.notes, request, "sweeps.html", channels=found, what_to_do=what_to_do)

    async def stock(self, request: Request, sku: Annotated[str, Query(max_length=200)] = "") -> Response:
        """Why storefronts show what they show of a SKU."""
        sku = sku.replace("\0", "").strip()
        rules = stock_rules(self._parts.files) if sku else {}
        places = await self._parts.read(
            lambda database: StockReasons(database).why(sku, rules, datetime.now(UTC))
        )
        return page(
            self._parts.notes,
            request,
            "stock.html",
            sku=sku,
            places=places,
            channels=sorted(rules),
            to_show=to_show,
        )
