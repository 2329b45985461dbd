"""From settings to adapters: the only module that knows which vendors there are and how each is built."""

from collections.abc import Mapping
from decimal import Decimal
from urllib.parse import urlsplit

from adapters.memory.erp import MemoryErp
from adapters.memory.remote import RemoteErp
from adapters.memory.storefront import MemoryStorefront
from adapters.memory.webhooks import MemoryWebhooks
from adapters.memory.world import erp_at, storefront_at
from adapters.ports import ErpPort, StorefrontPort
from adapters.shopify.storefront import ShopifyStorefront
from adapters.shopify.webhooks import ShopifyWebhooks
from adapters.tryton.erp import TrytonErp
from adapters.webhook_ports import WebhookReader
from config.setting_groups import ChannelSettings, ErpVendor, StorefrontVendor
from config.settings import Settings, SettingsError, variable


def build_storefront(channel: str, settings: Settings) -> StorefrontPort:
    """The adapter of one channel's storefront. Raises SettingsError naming the variable to mend."""
    chosen = settings.channel(channel)
    match chosen.vendor:
        case StorefrontVendor.SHOPIFY:
            return ShopifyStorefront(channel, chosen.url, chosen.access_token.get_secret_value())
        case StorefrontVendor.MEMORY:
            return storefront_at(chosen.url, channel)
    raise _no_adapter(channel, chosen)


def build_webhook_reader(channel: str, settings: Settings) -> WebhookReader:
    """The reader of one channel's webhooks. Raises SettingsError naming the variable to mend."""
    chosen = settings.channel(channel)
    match chosen.vendor:
        case StorefrontVendor.SHOPIFY:
            return ShopifyWebhooks(chosen.webhook_secret.get_secret_value(), _shop_domain(chosen.url))
        case StorefrontVendor.MEMORY:
            return MemoryWebhooks(chosen.webhook_secret.get_secret_value())
    raise _no_adapter(channel, chosen)


def build_erp(settings: Settings) -> ErpPort:
    """The adapter of the ERP. Raises SettingsError naming the variable to mend."""
    chosen = settings.require_erp()
    match chosen.vendor:
        case ErpVendor.TRYTON:
            return TrytonErp(
                chosen.url,
                chosen.database,
                chosen.login,
                chosen.password,
                channels=sorted(settings.channels),
                concurrent_orders=chosen.concurrent_orders,
                backorder=chosen.backorder,
                reserve=chosen.reserve,
            )
        case ErpVendor.MEMORY:
            return erp_at(chosen.url)
        case ErpVendor.MEMORY_SERVER:
            return RemoteErp(chosen.url)
    known = ", ".join(ErpVendor)
    raise SettingsError([f"{variable('erp', 'vendor')} is {chosen.vendor!r}; the ERPs known are {known}"])


def build_memory_erp(
    *,
    products: set[str],
    warehouses: set[str],
    taxes: Mapping[str, Decimal] | None = None,
    stock: dict[tuple[str, str], int] | None = None,
    kits: Mapping[str, Mapping[str, int]] | None = None,
    prices: Mapping[str, Decimal] | None = None,
) -> MemoryErp:
    """An ERP in memory that knows these products, warehouses and (unless None) taxes by rate, for the sandbox.

    ``stock`` holds units by (warehouse, product); ``kits`` the pieces of each, whose ``prices`` weigh them.
    """
    erp = MemoryErp(products=products, warehouses=warehouses, taxes=taxes, stock=stock, backorder=True)
    for kit, components in (kits or {}).items():
        erp.stock_book.make_kit(kit, components, prices)
    return erp


def build_memory_storefront(channel: str) -> MemoryStorefront:
    """A storefront in memory without any order, for the sandbox."""
    return MemoryStorefront(channel)


def _shop_domain(url: str) -> str | None:
    """The shop that webhooks have to come from; None where the address is not Shopify's own (a sandbox)."""
    host = urlsplit(url).hostname or ""
    return host if host.endswith(".myshopify.com") else None


def _no_adapter(channel: str, chosen: ChannelSettings) -> SettingsError:
    name, known = variable("channels", channel, "vendor"), ", ".join(StorefrontVendor)
    return SettingsError([f"{name} is {chosen.vendor!r}; the storefronts known are {known}"])
