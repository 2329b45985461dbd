"""Lists of orders, each with what a comparison needs of it and no more: one request a page."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from adapters.errors import ContractBroken
from adapters.ports import MOST_FOUND
from adapters.requests import OrderPage
from adapters.shopify.answer import SYSTEM, Answer, Count, Page, fit
from adapters.shopify.answers import ShopMoney
from adapters.shopify.client import AdminApi
from adapters.shopify.fulfillment_answers import FulfillmentStatus
from adapters.shopify.global_ids import GidTail, gid
from adapters.shopify.reading import OrderReader
from adapters.shopify.translate import SHIPPED
from domain.listings import PlacedOrder
from domain.model import Instant, Quantity

_LIST: Final = "list orders"
_FIND: Final = "find orders"


class FulfillmentCount(Answer):
    """How many units a fulfillment holds, and whether it counts."""

    status: FulfillmentStatus
    total_quantity: Quantity


class ListedOrder(Answer):
    """An order as lists show it, with its first fulfillments."""

    id: GidTail
    name: str
    created_at: Instant
    updated_at: Instant
    current_total_price_set: ShopMoney
    cancelled_at: Instant | None = None
    test: bool
    fulfillments_count: Count | None = None
    fulfillments: tuple[FulfillmentCount, ...] = ()


class OrderLists:
    """Lists orders. The few with more fulfillments than a page tells are read by themselves."""

    def __init__(self, api: AdminApi, reader: OrderReader) -> None:
        self._api = api
        self._reader = reader

    async def placed(self, since: datetime, cursor: str | None) -> OrderPage:
        """See ``StorefrontPort.list_orders``."""
        return await self._page("created_at", since, cursor)

    async def changed(self, since: datetime, cursor: str | None) -> OrderPage:
        """See ``StorefrontPort.list_changed``."""
        return await self._page("updated_at", since, cursor)

    async def _page(self, time: str, since: datetime, cursor: str | None) -> OrderPage:
        """Orders by one of their times, which is also what they are sorted by."""
        query = f"{time}:>='{since:%Y-%m-%dT%H:%M:%SZ}'"
        variables = {"query": query, "sortKey": time.upper(), "after": cursor}
        data = await self._api.read(_LIST, "list_orders", variables)
        page = fit(Page[ListedOrder], data.get("orders"), _LIST, "orders")
        return OrderPage(
            orders=tuple([await self._listed(order) for order in page.nodes]),
            next_cursor=page.page_info.end_cursor if page.page_info.has_next_page else None,
        )

    async def found(self, external_ids: Sequence[str]) -> tuple[PlacedOrder, ...]:
        """See ``StorefrontPort.find_orders``."""
        if len(external_ids) > MOST_FOUND:
            raise ValueError(f"{len(external_ids)} orders are asked for; ask for {MOST_FOUND} at most")
        if not external_ids:
            return ()
        wanted = [gid("Order", external_id) for external_id in dict.fromkeys(external_ids)]
        data = await self._api.read(_FIND, "find_orders", {"ids": wanted})
        nodes = data.get("nodes")
        if not isinstance(nodes, list):
            raise ContractBroken(SYSTEM, _FIND, "nodes is no list", str(nodes))
        # Null stands where there is none, in the place of its id.
        orders = [fit(ListedOrder, node, _FIND, "nodes") for node in nodes if node is not None]
        return tuple([await self._listed(order) for order in orders])

    async def _listed(self, order: ListedOrder) -> PlacedOrder:
        fulfillments: Sequence[FulfillmentCount] = order.fulfillments
        if order.fulfillments_count is not None and order.fulfillments_count.count > len(fulfillments):
            state = await self._reader.shipping(order.id, order.fulfillments_count.count)
            fulfilled = sum(
                line.quantity
                for each in state.fulfillments
                if each.status in SHIPPED
                for line in each.fulfillment_line_items.nodes
            )
        else:
            fulfilled = sum(each.total_quantity for each in fulfillments if each.status in SHIPPED)
        return PlacedOrder(
            external_id=order.id,
            number=order.name,
            placed_at=order.created_at,
            changed_at=order.updated_at,
            total=order.current_total_price_set.shop_money.amount,
            test=order.test,
            canceled_at=order.cancelled_at,
            fulfilled=fulfilled,
        )
