"""The composition root: settings in, connected parts out. Nothing else in the house makes a connection."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

from temporalio.client import Client

from activities.backorders import BackorderActivities
from activities.cases import CaseActivities
from activities.exchanges import ExchangeActivities
from activities.feed import FeedActivities
from activities.gated_ports import GatedErp, GatedStorefront
from activities.gates import Gates, Pace
from activities.orders import OrderActivities
from activities.returns import ReturnActivities
from activities.stock_compare import StockComparing
from activities.stock_feed import StockFeedActivities
from activities.stock_telling import StockTelling
from activities.sweep import SweepActivities, SweepRules
from adapters.ports import ErpPort, MappingSource, StorefrontPort
from adapters.registry import build_erp, build_storefront
from config.mappings import load_mappings, require_possible, require_stock
from config.settings import Settings
from domain.connection import ERP_SYSTEM
from store.connections import Connections
from store.database import Database
from store.mappings import MappingCatalog
from workflows.order_reach import OrderReach


@dataclass(frozen=True)
class Parts:
    """What the activities work with."""

    database: Database
    storefronts: Mapping[str, StorefrontPort]
    erp: ErpPort
    mappings: MappingSource
    steps_per_second: Mapping[str, float] = field(default_factory=dict)
    """By system, the rate that the server holds; a system that is not named answers as fast as it can."""

    def gates(self, pace: Pace | None = None) -> Gates:
        """A gate before each outside system."""
        pings = {ERP_SYSTEM: self.erp.ping, **{name: port.ping for name, port in self.storefronts.items()}}
        return Gates(pings, Connections(self.database), pace)

    def behind(self, gates: Gates) -> "Parts":
        """The same parts with the outside systems behind their gates."""
        storefronts = {
            channel: GatedStorefront(port, gates.of(channel)) for channel, port in self.storefronts.items()
        }
        return replace(self, storefronts=storefronts, erp=GatedErp(self.erp, gates.of(ERP_SYSTEM)))

    def order_activities(self) -> OrderActivities:
        """The activities of an order."""
        return OrderActivities(self.storefronts, self.erp, self.mappings, self.database)

    def return_activities(self) -> ReturnActivities:
        """The activities of a return."""
        return ReturnActivities(self.storefronts, self.erp, self.mappings, self.database)

    def exchange_activities(self) -> ExchangeActivities:
        """The activities of an exchange."""
        return ExchangeActivities(self.storefronts, self.erp, self.mappings, self.database)

    def backorder_activities(self) -> BackorderActivities:
        """The activities about what is not in stock."""
        return BackorderActivities(self.storefronts, self.erp, self.mappings, self.database)

    def case_activities(self) -> CaseActivities:
        """The activities that keep cases."""
        return CaseActivities(self.database)

    def feed_activities(self, client: Client, interval: timedelta) -> FeedActivities:
        """The activities of the ERP's change feed."""
        orders = OrderReach(client)
        return FeedActivities(
            self.erp,
            client,
            self.database,
            bring_back=orders.bring_back,
            tell_return=orders.tell_return,
            interval=interval,
        )

    def sweep_activities(self, client: Client, rules: SweepRules) -> SweepActivities:
        """The activities of the sweep."""
        return SweepActivities(self.storefronts, self.erp, OrderReach(client), self.database, rules)

    def stock_feed_activities(self, interval: timedelta) -> StockFeedActivities:
        """The activities of the feed of the ERP's stock."""
        return StockFeedActivities(self.erp, self.database, interval=interval)

    def stock_telling(self, shards: int) -> StockTelling:
        """The activities that tell storefronts of stock; ``shards`` share the SKUs of a channel."""
        return StockTelling(self.storefronts, self.mappings, self.database, parts=shards)

    def stock_comparing(self) -> StockComparing:
        """The activities that compare stock."""
        return StockComparing(self.storefronts, self.mappings, self.database)


@asynccontextmanager
async def compose(settings: Settings) -> AsyncIterator[Parts]:
    """Build the parts from the settings; everything is closed on the way out.

    Raises MappingError, SettingsError, DatabaseUnavailable with the remedy in words.
    """
    async with AsyncExitStack() as stack:
        database = Database(settings.database)
        stack.callback(database.close)
        database.migrate()
        files = load_mappings(settings)
        mappings = MappingCatalog(database, files)
        storefronts: dict[str, StorefrontPort] = {}
        for channel in settings.channels:
            storefronts[channel] = build_storefront(channel, settings)
            stack.push_async_callback(storefronts[channel].close)
        erp = build_erp(settings)
        stack.push_async_callback(erp.close)
        can = erp.capabilities
        require_possible(settings, files, tells_backorders=can.backorders, holds_back=can.complete_only)
        told = {channel: port.capabilities.stock for channel, port in storefronts.items()}
        require_stock(settings, files, erp=can.stock, storefronts=told)
        yield Parts(database, storefronts, erp, mappings, _rates(settings))


def _rates(settings: Settings) -> dict[str, float]:
    asked = {name: channel.steps_per_second for name, channel in settings.channels.items()}
    asked[ERP_SYSTEM] = settings.require_erp().steps_per_second
    return {system: rate for system, rate in asked.items() if rate is not None}
