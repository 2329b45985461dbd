"""How shop, locations, products and stock look through GraphQL: dicts of answers, or functions of the
arguments.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final

from graphql import GraphQLError, GraphQLResolveInfo

from sandbox import catalog
from sandbox.store.money import Both, CurrencyPair
from sandbox.store.notation import gid, moment, number, plain, text
from sandbox.store.search import connection
from sandbox.store.state import Level, State, Variant

View = dict[str, Any]
Info = GraphQLResolveInfo[Any]

SCOPES: Final = {
    "read_orders": "Read orders",
    "write_orders": "Modify orders",
    "read_merchant_managed_fulfillment_orders": "Read fulfillment orders",
    "write_merchant_managed_fulfillment_orders": "Modify fulfillment orders",
    "read_returns": "Read returns",
    "write_returns": "Modify returns",
    "read_inventory": "Read inventory",
    "write_inventory": "Modify inventory",
    "read_locations": "Read locations",
    "read_products": "Read products",
    "read_customers": "Read customers",
}


def money_bag(amount: Both, pair: CurrencyPair) -> View:
    """MoneyBag."""
    return {
        "shopMoney": money(amount.shop, pair.shop),
        "presentmentMoney": money(amount.presentment, pair.presentment),
    }


def money(amount: Decimal, currency: str) -> View:
    """MoneyV2."""
    return {"__typename": "MoneyV2", "amount": plain(amount), "currencyCode": currency}


def lazily(build: Callable[[], Any]) -> Callable[..., Any]:
    """A field without arguments that is built only when it is asked for."""
    return lambda _info: build()


def first_of(build: Callable[[], Sequence[View]]) -> Callable[..., list[View]]:
    """A list field with an optional ``first``."""
    return lambda _info, first=None: list(build()[:first])


def shop_view(shop_domain: str) -> View:
    """Shop."""
    return {
        "id": gid("Shop", 1),
        "name": "Sandbox Shop",
        "myshopifyDomain": shop_domain,
        "url": f"https://{shop_domain}",
        "currencyCode": catalog.CURRENCY,
        "enabledPresentmentCurrencies": [catalog.CURRENCY, "EUR", "CAD", "GBP", "JPY"],
        "ianaTimezone": "America/New_York",
        "taxesIncluded": False,
    }


def installation_view() -> View:
    """AppInstallation, with all scopes."""
    scopes = [{"handle": handle, "description": description} for handle, description in SCOPES.items()]
    return {"id": gid("AppInstallation", 1), "accessScopes": scopes}


def location_view(state: State, location_id: int) -> View | None:
    """Location."""
    name = state.locations().get(location_id)
    if name is None:
        return None
    return {
        "id": gid("Location", location_id),
        "legacyResourceId": str(location_id),
        "name": name,
        "isActive": location_id not in state.closed_locations(),
        "fulfillsOnlineOrders": True,
        "shipsInventory": True,
    }


def product_view(variant: Variant) -> View:
    """Product."""
    return {
        "id": gid("Product", variant.product_id),
        "legacyResourceId": str(variant.product_id),
        "title": variant.title,
        "status": "ACTIVE",
    }


def variant_view(state: State, variant: Variant) -> View:
    """ProductVariant."""
    return {
        "id": gid("ProductVariant", variant.id),
        "legacyResourceId": str(variant.id),
        "sku": variant.sku,
        "title": "Default Title",
        "displayName": variant.title,
        "price": text(variant.price, catalog.CURRENCY),
        "inventoryPolicy": variant.policy,
        "product": product_view(variant),
        "inventoryItem": lazily(lambda: item_view(state, variant)),
        "inventoryQuantity": lazily(
            lambda: sum(each.available for each in state.levels(variant.inventory_item_id))
        ),
    }


def item_view(state: State, variant: Variant) -> View:
    """InventoryItem."""
    item_id = variant.inventory_item_id

    def level_at(_info: Any, *, locationId: str, includeInactive: bool = False) -> View | None:  # noqa: N803
        level = state.level(item_id, number(locationId, "Location") or 0)
        shown = level is not None and (includeInactive or level.location_id not in state.closed_locations())
        return level_view(state, variant, level) if level and shown else None

    def levels(info: Any, *, includeInactive: bool = False, **page: Any) -> View:  # noqa: N803
        closed = set() if includeInactive else state.closed_locations()
        shown = [each for each in state.levels(item_id) if each.location_id not in closed]
        return connection(lambda: [level_view(state, variant, each) for each in shown])(info, **page)

    return {
        "id": gid("InventoryItem", item_id),
        "legacyResourceId": str(item_id),
        "sku": variant.sku,
        "tracked": variant.tracked,
        "requiresShipping": True,
        "inventoryLevel": level_at,
        "inventoryLevels": levels,
    }


def level_view(state: State, variant: Variant, level: Level) -> View:
    """InventoryLevel."""
    known = {
        "available": level.available,
        "committed": level.committed,
        "on_hand": level.available + level.committed,
    }
    level_id = f"{level.location_id}?inventory_item_id={level.inventory_item_id}"

    def quantities(_info: Any, *, names: Sequence[str]) -> list[View]:
        unknown = [name for name in names if name not in known]
        if unknown:
            raise GraphQLError(
                f"{unknown[0]!r} is no quantity name of this store; it knows {', '.join(known)}"
            )
        return [
            {
                "id": f"{gid('InventoryQuantity', level_id)}&name={name}",
                "name": name,
                "quantity": known[name],
                "updatedAt": moment(level.updated_at),
            }
            for name in names
        ]

    return {
        "id": gid("InventoryLevel", level_id),
        "isActive": lazily(lambda: level.location_id not in state.closed_locations()),
        "item": lazily(lambda: item_view(state, variant)),
        "location": lazily(lambda: location_view(state, level.location_id)),
        "quantities": quantities,
    }
