"""What the tables hold before stock is compared: the ERP was read whole, the storefront listed once."""

from typing import Final

from bench.stock_shop import LOCATIONS, sku_of
from bench.world import CHANNEL
from config.mappings import load_mapping
from domain.connection import ERP_SYSTEM
from domain.mapping import Mapping
from domain.stock import ErpStock, StockReading
from domain.stock_rules import StockRules
from store.database import Database
from store.stock import ErpStockBook
from store.stock_whole import WholeReadings

WAREHOUSES: Final = {location: f"WH-{location}" for location in LOCATIONS}
READ_AT_ONCE: Final = 1_000
"""Products in one reading."""
DIFFERS: Final = 10
"""One product of so many has something to sell: all its numbers are set."""


def mapping() -> Mapping:
    """The sandbox's, with three locations, and told of stock."""
    file = load_mapping("shopify-tryton").model_dump()
    stock = StockRules(push=True).model_dump()
    return Mapping.model_validate(file | {"locations": WAREHOUSES, "stock": stock})


def fill(database: Database, skus: int) -> None:
    """Keep readings of so many products at every warehouse."""
    book, whole = ErpStockBook(database), WholeReadings(database)
    for start in range(0, skus, READ_AT_ONCE):
        token, at = book.begin_reading()
        levels = tuple(
            ErpStock(product=sku_of(number), warehouse=code, on_hand=0 if number % DIFFERS else 25)
            for number in range(start, min(skus, start + READ_AT_ONCE))
            for code in WAREHOUSES.values()
        )
        book.keep_reading(StockReading(token=token, at=at, levels=levels))
    for system in (ERP_SYSTEM, CHANNEL):
        whole.begin(system)
        whole.end(system)
