"""The registry builds every vendor that the settings know, and explains what it cannot build."""

import base64
import hmac

import pytest

from adapters.memory.webhooks import MemoryWebhooks
from adapters.registry import build_erp, build_storefront, build_webhook_reader
from adapters.shopify.webhooks import ShopifyWebhooks
from adapters.webhook_ports import DeliveryMalformed
from config.setting_groups import ChannelSettings, ErpSettings, ErpVendor, StorefrontVendor
from config.settings import Settings, SettingsError

STOREFRONTS = {
    StorefrontVendor.SHOPIFY: "ShopifyStorefront",
    StorefrontVendor.MEMORY: "MemoryStorefront",
}
ERPS = {ErpVendor.TRYTON: "TrytonErp", ErpVendor.MEMORY: "MemoryErp", ErpVendor.MEMORY_SERVER: "RemoteErp"}


def settings_with(
    storefront: str = "memory", erp: str = "memory", url: str = "https://brand.myshopify.com"
) -> Settings:
    channel = ChannelSettings(vendor="memory", url=url, access_token="token", webhook_secret="secret")
    erp_settings = ErpSettings(
        vendor="memory",
        url="http://127.0.0.1:1",
        database="erp",
        login="orderwright",
        password="secret",
    )
    return Settings(
        channels={"shop": channel.model_copy(update={"vendor": storefront})},
        erp=erp_settings.model_copy(update={"vendor": erp}),
    )


@pytest.mark.parametrize("vendor", StorefrontVendor)
async def test_each_storefront_is_built(vendor):
    settings = settings_with(storefront=vendor)
    storefront = build_storefront("shop", settings)
    reader = build_webhook_reader("shop", settings)
    assert type(storefront).__name__ == STOREFRONTS[vendor]
    assert storefront.capabilities.capture
    assert "orders/create" in reader.topics
    await storefront.close()


@pytest.mark.parametrize("vendor", ErpVendor)
async def test_each_erp_is_built(vendor):
    erp = build_erp(settings_with(erp=vendor))
    assert type(erp).__name__ == ERPS[vendor]
    assert erp.capabilities.change_feed
    await erp.close()


def test_webhooks_are_read_by_the_vendor_of_the_channel():
    assert isinstance(build_webhook_reader("shop", settings_with(storefront="shopify")), ShopifyWebhooks)
    assert isinstance(build_webhook_reader("shop", settings_with()), MemoryWebhooks)


@pytest.mark.parametrize(
    ("url", "taken"), [("https://brand.myshopify.com", False), ("http://127.0.0.1:8090", True)]
)
def test_webhooks_of_another_shop_of_the_same_app_are_not_taken(url, taken):
    reader = build_webhook_reader("shop", settings_with(storefront="shopify", url=url))
    raw = b'{"id": 5001}'
    headers = {
        "x-shopify-hmac-sha256": base64.b64encode(hmac.digest(b"secret", raw, "sha256")).decode(),
        "x-shopify-topic": "orders/create",
        "x-shopify-webhook-id": "d1",
        "x-shopify-shop-domain": "other.myshopify.com",
    }
    if taken:
        assert reader.read(raw, headers).external_id == "5001"
    else:
        with pytest.raises(DeliveryMalformed, match=r"other\.myshopify\.com"):
            reader.read(raw, headers)


async def test_memory_systems_at_one_address_are_the_same_and_at_another_are_not():
    here, there = settings_with(url="http://here"), settings_with(url="http://there")
    assert build_storefront("shop", here) is build_storefront("shop", here)
    assert build_storefront("shop", here) is not build_storefront("shop", there)
    assert build_erp(here) is build_erp(there)


@pytest.mark.parametrize("build", [build_storefront, build_webhook_reader])
def test_an_unknown_storefront_is_named_with_the_variable_and_the_known_ones(build):
    with pytest.raises(SettingsError) as caught:
        build("shop", settings_with(storefront="wooshop"))
    assert caught.value.problems == (
        "ORDERWRIGHT_CHANNELS__SHOP__VENDOR is 'wooshop'; the storefronts known are shopify, memory",
    )


def test_an_unknown_erp_is_named_with_the_variable_and_the_known_ones():
    with pytest.raises(SettingsError) as caught:
        build_erp(settings_with(erp="ledgerfox"))
    assert caught.value.problems == (
        "ORDERWRIGHT_ERP__VENDOR is 'ledgerfox'; the ERPs known are tryton, memory, memory_server",
    )


def test_an_unknown_channel_and_a_missing_erp_are_told():
    with pytest.raises(SettingsError, match="no channel 'other'"):
        build_storefront("other", settings_with())
    with pytest.raises(SettingsError, match="ORDERWRIGHT_ERP__VENDOR"):
        build_erp(Settings())
