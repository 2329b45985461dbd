"""The composition root: settings in, connected parts out. Nothing else in the house makes a connection."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from temporalio.client import Client

from activities.feed import FeedActivities
from activities.orders import OrderActivities
from adapters.ports import ErpPort, MappingSource, StorefrontPort
from adapters.registry import build_erp, build_storefront
from config.mappings import load_mappings
from config.settings import Settings
from store.database import Database
from store.mappings import MappingCatalog


@dataclass(frozen=True)
class Parts:
    """What the activities work with."""

    database: Database
    storefronts: Mapping[str, StorefrontPort]
    erp: ErpPort
    mappings: MappingSource

    def order_activities(self) -> OrderActivities:
        """The activities of an order."""
        return OrderActivities(self.storefronts, self.erp, self.mappings, self.database)

    def feed_activities(self, client: Client, interval: timedelta) -> FeedActivities:
        """The activities of the ERP's change feed."""
        return FeedActivities(self.erp, client, self.database, interval=interval)


@asynccontextmanager
async def compose(settings: Settings) -> AsyncIterator[Parts]:
    """Build the parts from the settings; everything is closed on the way out.

    Raises MappingError, SettingsError, DatabaseUnavailable with the remedy in words.
    """
    async with AsyncExitStack() as stack:
        database = Database(settings.database)
        stack.callback(database.close)
        database.migrate()
        mappings = MappingCatalog(database, load_mappings(settings))
        storefronts: dict[str, StorefrontPort] = {}
        for channel in settings.channels:
            storefronts[channel] = build_storefront(channel, settings)
            stack.push_async_callback(storefronts[channel].close)
        erp = build_erp(settings)
        stack.push_async_callback(erp.close)
        yield Parts(database, storefronts, erp, mappings)
