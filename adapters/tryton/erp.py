"""``ErpPort`` on Tryton 8.2 over JSON-RPC."""

import asyncio
import datetime as dt
from collections.abc import Collection, Sequence
from contextlib import nullcontext
from typing import Final

import httpx
from pydantic import SecretStr

from adapters.errors import AdapterError, Conflict, ContractBroken, Rejected
from adapters.ports import ErpCapabilities, Places, Probe
from adapters.requests import AmendOutcome, CancelOutcome, ErpChanges, ErpRecordPage, UnreadableOrder
from adapters.stock_ports import MOST_STOCK, ErpStockLevels, ErpStockPage
from adapters.tryton.amendment import Amendment
from adapters.tryton.cancellation import Cancellation
from adapters.tryton.crediting import Crediting
from adapters.tryton.delivery import Delivery
from adapters.tryton.exchanging import Exchanging
from adapters.tryton.feed import ChangeFeed
from adapters.tryton.listing import Listing
from adapters.tryton.putting_away import PuttingAway
from adapters.tryton.reading import read_order
from adapters.tryton.records import SaleRecord
from adapters.tryton.references import ReferenceBook
from adapters.tryton.returned import short_returns
from adapters.tryton.returning import Returning
from adapters.tryton.rpc import TIMEOUT, TrytonRpc
from adapters.tryton.sales import Sales
from adapters.tryton.shipments import Allocation, has_drifted
from adapters.tryton.stock_feed import StockFeed
from adapters.tryton.stock_levels import StockLevels
from adapters.tryton.submission import Submission
from adapters.tryton.translate import ROUNDING_PRODUCT
from domain.erp_order import ErpOrder, SalesOrder
from domain.listings import ErpRecord, OrderName
from domain.order import OrderKey
from domain.returns import ReturnAuthorization, ReturnCredit

OVERLAP: Final = dt.timedelta(seconds=30)
"""How far each poll looks back: longer than any transaction of Tryton may take."""
PAGE_SIZE: Final = 100


class TrytonErp:
    """One Tryton database as one user.

    ``concurrent_orders`` lets several orders be written at once; leave it off where Tryton runs on SQLite, which takes
    one writer at a time. ``backorder`` off refuses orders for what is not in stock (cause ``out_of_stock``) instead of
    having Tryton ship it later. ``reserve`` reserves stock as soon as an order is entered, and tells what is not there;
    Tryton holds nothing back for it. ``channels`` are the web shops that ``probe`` looks for. ``transport`` is for
    tests.
    """

    def __init__(
        self,
        url: str,
        database: str,
        login: str,
        password: SecretStr | str,
        *,
        channels: Collection[str] = (),
        concurrent_orders: bool = False,
        backorder: bool = True,
        reserve: bool = False,
        overlap: dt.timedelta = OVERLAP,
        page_size: int = PAGE_SIZE,
        stock_page_size: int = MOST_STOCK,
        timeout: httpx.Timeout = TIMEOUT,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        secret = password if isinstance(password, SecretStr) else SecretStr(password)
        self.capabilities = ErpCapabilities(
            change_feed=True, concurrent_orders=concurrent_orders, backorders=reserve, complete_only=False
        )
        self._url = url
        self._channels = tuple(channels)
        self._rpc = TrytonRpc(url, database, login, secret, transport=transport, timeout=timeout)
        self._references = ReferenceBook(self._rpc)
        self._sales = Sales(self._rpc, with_stock=reserve)
        self._allocation = Allocation(self._rpc, self._sales, self._references, reserve=reserve)
        self._submission = Submission(
            self._rpc, self._sales, self._references, self._allocation, backorder=backorder
        )
        self._exchanging = Exchanging(self._sales, self._submission)
        self._cancellation = Cancellation(self._rpc, self._sales)
        self._amendment = Amendment(self._rpc, self._sales, self._submission, self._cancellation)
        self._delivery = Delivery(self._rpc, self._sales, self._allocation)
        self._returning = Returning(self._rpc, self._sales, self._references)
        putting_away = PuttingAway(self._rpc, self._sales, self._returning)
        self._crediting = Crediting(self._rpc, self._sales, self._references, self._returning, putting_away)
        self._listing = Listing(self._rpc, page_size=page_size)
        self._feed = ChangeFeed(self._rpc, overlap=overlap, page_size=page_size)
        self._levels = StockLevels(self._rpc, overlap=overlap)
        self._stock_feed = StockFeed(self._rpc, self._levels, overlap=overlap, page_size=stock_page_size)
        self._writing: asyncio.Lock | nullcontext[None] = (
            nullcontext() if concurrent_orders else asyncio.Lock()
        )

    async def find_order(self, key: OrderKey) -> ErpOrder | None:
        """Look an order up by its idempotency key."""
        sale = await self._sales.find(key)
        return None if sale is None else read_order(sale)

    async def submit_order(self, order: SalesOrder) -> ErpOrder:
        """Enter, confirm and allocate; finds what an earlier try left. See ``ErpPort``."""
        async with self._writing:
            return await self._submission.submit(order)

    async def amend_order(self, target: SalesOrder) -> AmendOutcome:
        """Put another sale in its place as long as nothing is picked. See ``ErpPort``."""
        async with self._writing:
            return await self._amendment.amend(target)

    async def add_exchange(self, exchange: SalesOrder) -> ErpOrder:
        """Another sale beside the order's. See ``ErpPort``."""
        async with self._writing:
            return await self._exchanging.add(exchange)

    async def deliver_order(self, key: OrderKey, units: Places | None = None) -> ErpOrder:
        """Reserve, pick, pack and send whatever has not left. See ``ErpPort``."""
        async with self._writing:
            return await self._delivery.deliver(key, units)

    async def cancel_order(self, key: OrderKey, reason: str) -> CancelOutcome:
        """Cancel as long as nothing is picked. See ``ErpPort``."""
        async with self._writing:
            return await self._cancellation.cancel(key, reason)

    async def authorize_return(self, request: ReturnAuthorization) -> ErpOrder:
        """A customer return shipment. See ``ErpPort``."""
        async with self._writing:
            return await self._returning.authorize(request)

    async def credit_return(self, request: ReturnCredit) -> ErpOrder:
        """Goods to their places, and a sale below zero whose invoice is posted. See ``ErpPort``."""
        async with self._writing:
            return await self._crediting.credit(request)

    async def cancel_return(self, key: OrderKey, return_id: str, reason: str) -> ErpOrder:
        """Cancel it as long as nothing came in. See ``ErpPort``."""
        async with self._writing:
            return await self._returning.cancel(key, return_id, reason)

    async def changes(self, cursor: str | None) -> ErpChanges:
        """Orders that changed since the cursor.

        The rest of a partial shipment, which Tryton puts at the sale's warehouse, is moved to its own on the way; and
        the rest of a return, which Tryton forgets, is expected further.
        """
        changed = await self._feed.read(cursor)
        found, unreadable = await self._sales.get_many(changed.sales)
        sales = {sale.id: sale for sale in found}
        orders = []
        for sale in (sales[number] for number in changed.sales if number in sales):
            try:
                orders.append(read_order(await self._settled(sale)))
            except ContractBroken as error:
                # An edit may have put another sale in its place since it was read; that one is in the feed as well.
                if any(await self._sales.get_many([sale.id])):
                    unreadable.append(UnreadableOrder(key=sale.key, reason=error.reason))
        return ErpChanges(
            orders=tuple(orders),
            unreadable=tuple(unreadable),
            cursor=changed.cursor,
            more=changed.more,
        )

    async def list_records(
        self, channel: str, changed_since: dt.datetime, cursor: str | None = None
    ) -> ErpRecordPage:
        """Sales entered, changed or shipped since then. See ``ErpPort``."""
        return await self._listing.changed(channel, changed_since, cursor)

    async def find_records(self, channel: str, orders: Sequence[OrderName]) -> tuple[ErpRecord, ...]:
        """Every sale of these orders. See ``ErpPort``."""
        return await self._listing.found(channel, orders)

    async def stock_changes(self, cursor: str | None) -> ErpStockPage:
        """Products whose stock, claims on it or kit changed. See ``ErpStockPort``."""
        return await self._stock_feed.read(cursor)

    async def find_stock(self, products: Sequence[str]) -> ErpStockLevels:
        """Stock of these products. See ``ErpStockPort``."""
        return await self._levels.find(products)

    async def _settled(self, sale: SaleRecord) -> SaleRecord:
        drifted, short = has_drifted(sale), short_returns(sale)
        wanting = self._allocation.wants_reserving(sale)
        # What an exchange or an edit brings is shipped by a sale of its own, which has the same ways.
        astray = [x for x in sale.beside if has_drifted(x) or self._allocation.wants_reserving(x)]
        if not drifted and not short and not wanting and not astray:
            return sale
        try:
            async with self._writing:
                for each in astray:
                    await self._allocation.align(each)
                if astray:
                    sale = await self._sales.get(sale.id)
                if drifted:
                    sale = await self._allocation.align(sale)
                elif wanting:
                    sale = await self._allocation.reserved(sale)
                return await self._returning.expect_rest(sale) if short else sale
        except (Conflict, Rejected):
            # Somebody works on it; their next write brings the sale into the feed again.
            return await self._sales.get(sale.id)

    async def ping(self) -> None:
        """See ``ErpPort``: who we are, from the database, by the session we have."""
        await self._rpc.call("ping", "model.res.user.get_preferences", True, writes=False)

    async def probe(self) -> Probe:
        """Check address, login, web shops, warehouses and settings; changes nothing."""
        try:
            shortcomings = await self._shortcomings()
        except AdapterError as error:
            remedy = f"check that Tryton runs at {self._url}, and database, user and password in the settings"
            return Probe(ok=False, detail=error.reason, remedy=remedy)
        if shortcomings:
            return Probe(
                ok=False,
                detail="; ".join(what for what, _ in shortcomings),
                remedy="; ".join(remedy for _, remedy in shortcomings),
            )
        return Probe(ok=True, detail=f"Tryton answers at {self._url}")

    async def _shortcomings(self) -> list[tuple[str, str]]:
        """What is missing, each with its remedy."""
        found: list[tuple[str, str]] = []
        shops = await self._names("web.shop", [], "name")
        found += [
            (f"there is no web shop {channel}", f"make a web.shop named {channel}")
            for channel in self._channels
            if channel not in shops
        ]
        if not await self._names(
            "stock.location", [["type", "=", "warehouse"], ["code", "!=", None]], "code"
        ):
            found.append(("no warehouse has a code", "give each warehouse the code that the mapping names"))
        if not await self._names("product.product", [["code", "=", ROUNDING_PRODUCT]], "code"):
            found.append(
                (
                    f"there is no product {ROUNDING_PRODUCT}",
                    f"make a salable service with code {ROUNDING_PRODUCT}",
                )
            )
        if "line" not in await self._names("account.configuration", [], "tax_rounding"):
            found.append(
                (
                    "taxes are not rounded per line",
                    "set Tax Rounding to Per Line in the account configuration",
                )
            )
        return found

    async def _names(self, model: str, domain: list[object], field: str) -> set[str]:
        rows = await self._rpc.call(
            f"read {model}", f"model.{model}.search_read", domain, 0, None, None, [field], writes=False
        )
        return {str(row[field]) for row in rows} if isinstance(rows, list) else set()

    async def close(self) -> None:
        """Give connections back."""
        await self._rpc.close()
