"""What a shop shows of stock, read in few calls of a known price.

The shop charges for every level that a request *could* bring: a page of items costs 2 and, for each item, 3 and 3 for
each level it asks for. So a page asks for as many levels an item as the page before needed, but for a few items that
are read on by themselves, and for as many items as ``PAGE_POINTS`` pay for. A shop looks up an SKU in an index that
lags behind and ignores case: what it finds is compared, and an item that was seen once is read by its id from then
on, where nothing lags.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from adapters.errors import ContractBroken
from adapters.shopify.answer import SYSTEM, Page, fit
from adapters.shopify.client import AdminApi
from adapters.shopify.global_ids import gid
from adapters.shopify.stock_answers import LevelsOfItem, StockedItem, to_shown
from adapters.stock_ports import MOST_STOCK, ShownStockPage
from domain.stock import ShownStock

LIST: Final = "list stock"
READ: Final = "read stock"

LEFT_TO_ORDERS: Final = 0.5
"""Share of the shop's bucket that calls about stock leave to all others."""
PAGE_POINTS: Final = 500
"""What a page may cost: half of what the shop grants one request, so that it fits beside what is left to orders."""
FIRST_LEVELS: Final = 10
"""How many levels an item the first page asks for."""
MOST_LEVELS: Final = 100
A_FEW: Final = 2
"""So many items of a page may have more levels than it asks for; each of them is another request."""
_MOST_ON_A_PAGE: Final = 250
_MOST_KNOWN: Final = 300_000


class ShopStock:
    """Reads the stock of one shop, and remembers which items carry an SKU."""

    def __init__(self, api: AdminApi) -> None:
        self._api = api
        self._levels = FIRST_LEVELS
        self._items: dict[str, tuple[str, ...]] = {}
        """SKU -> ids of the items that were seen with it."""

    async def page(self, cursor: str | None) -> ShownStockPage:
        """See ``StorefrontStockPort.list_stock``."""
        page = await self._search(LIST, cursor)
        self._remember(page.nodes)
        return ShownStockPage(
            levels=tuple(level for item in page.nodes if item.sku for level in to_shown(item)),
            next_cursor=page.page_info.end_cursor if page.page_info.has_next_page else None,
        )

    async def read(self, skus: Sequence[str]) -> tuple[ShownStock, ...]:
        """See ``StorefrontStockPort.read_stock``."""
        if len(skus) > MOST_STOCK:
            raise ValueError(f"{len(skus)} SKUs are asked for; ask for {MOST_STOCK} at most")
        wanted = dict.fromkeys(sku for sku in skus if sku)
        known = await self.items([item for sku in wanted for item in self._items.get(sku, ())])
        found = {item.id: item for item in known if item.sku in wanted}
        unsure = [sku for sku in wanted if not self._surely(sku, found)]
        found |= {item.id: item for item in await self._named(unsure)}
        by_sku: dict[str, list[StockedItem]] = {sku: [] for sku in wanted}
        for item in found.values():
            by_sku[item.sku or ""].append(item)
        for sku in unsure:
            self._items.pop(sku, None)
            self._remember(by_sku[sku])
        return tuple(level for items in by_sku.values() for item in items for level in to_shown(item))

    async def items(self, item_ids: Sequence[str]) -> tuple[StockedItem, ...]:
        """Those of these items that there are, whatever their SKU."""
        found: list[StockedItem] = []
        rest = list(item_ids)
        while rest:
            some = rest[: self._items_a_page]
            ids = [gid("InventoryItem", item_id) for item_id in some]
            data = await self._ask(READ, "read_stock", {"ids": ids, "levels": self._levels})
            nodes = data.get("nodes")
            if not isinstance(nodes, list):
                raise ContractBroken(SYSTEM, READ, "nodes is no list", str(nodes))
            # Null stands where there is none, in the place of its id.
            read = [fit(StockedItem, node, READ, "nodes") for node in nodes if node is not None]
            if self._reaches(read):
                found += await self._completed(READ, read)
                rest = rest[len(some) :]
        return tuple(found)

    @property
    def _items_a_page(self) -> int:
        return min(_MOST_ON_A_PAGE, (PAGE_POINTS - 2) // (3 + 3 * self._levels))

    def _surely(self, sku: str, found: Mapping[str, StockedItem]) -> bool:
        """Whether every item that was seen with an SKU still carries it."""
        items = self._items.get(sku, ())
        return bool(items) and all(each in found and found[each].sku == sku for each in items)

    async def _named(self, skus: Sequence[str]) -> list[StockedItem]:
        """Items of these SKUs, of all that the shop's search brings up."""
        found: list[StockedItem] = []
        rest = list(skus)
        while rest:
            asked, rest = rest[: self._items_a_page], rest[self._items_a_page :]
            query = " OR ".join(f"sku:{_quoted(sku)}" for sku in asked)
            cursor: str | None = None
            while True:
                page = await self._search(READ, cursor, query)
                found += [item for item in page.nodes if item.sku in asked]
                cursor = page.page_info.end_cursor
                if not page.page_info.has_next_page or cursor is None:
                    break
        return found

    async def _search(
        self, operation: str, cursor: str | None, query: str | None = None
    ) -> Page[StockedItem]:
        while True:
            variables = {
                "first": self._items_a_page, "levels": self._levels, "after": cursor, "query": query
            }  # fmt: skip
            data = await self._ask(operation, "list_stock", variables)
            page = fit(Page[StockedItem], data.get("inventoryItems"), operation, "inventoryItems")
            if self._reaches(page.nodes):
                whole = await self._completed(operation, page.nodes)
                return page.model_copy(update={"nodes": tuple(whole)})

    def _reaches(self, items: Sequence[StockedItem]) -> bool:
        """Whether a page asked for enough levels but for a few items; if not, more are asked for from now on."""
        short = sum(item.inventory_levels.page_info.has_next_page for item in items)
        if short <= A_FEW or self._levels >= MOST_LEVELS:
            return True
        self._levels = min(MOST_LEVELS, 2 * self._levels)
        return False

    async def _completed(self, operation: str, items: Sequence[StockedItem]) -> list[StockedItem]:
        """The same items with all of their levels; what most of them have is what the next page asks for."""
        whole = [await self._with_all_levels(operation, item) for item in items]
        counts = sorted((len(item.inventory_levels.nodes) for item in whole), reverse=True)
        if len(counts) > A_FEW:
            self._levels = min(max(1, counts[A_FEW]), MOST_LEVELS)
        return whole

    async def _with_all_levels(self, operation: str, item: StockedItem) -> StockedItem:
        levels = item.inventory_levels
        while levels.page_info.has_next_page:
            variables = {
                "id": gid("InventoryItem", item.id),
                "levels": MOST_LEVELS,
                "after": levels.page_info.end_cursor,
            }
            data = await self._ask(operation, "read_more_levels", variables)
            if data.get("inventoryItem") is None:
                break  # deleted meanwhile
            more = fit(LevelsOfItem, data["inventoryItem"], operation, "inventoryItem").inventory_levels
            levels = more.model_copy(update={"nodes": (*levels.nodes, *more.nodes)})
        return item.model_copy(update={"inventory_levels": levels})

    async def _ask(self, operation: str, document: str, variables: dict[str, Any]) -> dict[str, Any]:
        return await self._api.read(operation, document, variables, leave=LEFT_TO_ORDERS)

    def _remember(self, items: Iterable[StockedItem]) -> None:
        for item in items:
            if item.sku and item.id not in self._items.get(item.sku, ()):
                self._items[item.sku] = (*self._items.get(item.sku, ()), item.id)
        while len(self._items) > _MOST_KNOWN:
            self._items.pop(next(iter(self._items)))


def _quoted(sku: str) -> str:
    """An SKU in the shop's search syntax, with nothing in it that means anything there."""
    escaped = sku.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
