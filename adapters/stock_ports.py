"""The part of the two ports that is about stock. As in ``adapters.ports``, every method may raise any leaf of
``adapters.errors``; ``tests/contract`` holds one suite a port, run against every adapter.
"""

from collections.abc import Sequence
from typing import Final, Protocol

from domain.model import Frozen
from domain.stock import ErpStock, Kit, SettingOutcome, ShownStock, StockSetting

MOST_STOCK: Final = 250
"""SKUs, products or settings that one call takes."""


class ShownStockPage(Frozen):
    """A page of what a storefront shows. All locations of a SKU are on one page; the last has no ``next_cursor``."""

    levels: tuple[ShownStock, ...]
    next_cursor: str | None = None


class StorefrontStockPort(Protocol):
    """What a storefront shows of stock, and how it is set. Without the capability ``stock``, nobody calls these."""

    async def list_stock(self, cursor: str | None = None) -> ShownStockPage:
        """Everything it counts, in an order that does not change while it is listed; few calls a page, none a SKU."""
        ...

    async def read_stock(self, skus: Sequence[str]) -> tuple[ShownStock, ...]:
        """What it shows of these SKUs at every location, in few calls; at most ``MOST_STOCK``.

        ``available`` and ``committed`` of a level are of one moment. A SKU that it does not have is left out; one that
        several of its products carry comes with each of their items. Raises ValueError for more.
        """
        ...

    async def set_stock(
        self, settings: Sequence[StockSetting], idempotency_key: str
    ) -> tuple[SettingOutcome, ...]:
        """Set what is shown, each only where it still shows ``change_from``; one outcome a setting, in their order.

        Without the capability ``compare_and_set`` each is set, whatever is shown by then. The same key with the same
        settings does nothing twice. One that is stale or refused keeps no other from being done. At most
        ``MOST_STOCK``; raises ValueError for more.
        """
        ...


class ErpStockPage(Frozen):
    """Stock that changed since a cursor, read whole, and where to go on.

    A product comes with every warehouse that it has or had stock at, and may come again: the feed never skips. A kit
    comes when its components are others; a change of a component's stock is one of the component.
    """

    levels: tuple[ErpStock, ...]
    kits: tuple[Kit, ...] = ()
    untold: tuple[str, ...] = ()
    """Products that changed and of which the ERP does not tell the stock; asked for by name, it says why."""
    cursor: str
    more: bool = False
    """Another page waits right now."""


class ErpStockLevels(Frozen):
    """Products that were asked for, as the ERP has them now."""

    levels: tuple[ErpStock, ...]
    kits: tuple[Kit, ...] = ()
    """Those of the products that are kits; the stock of their components is among ``levels``."""
    unknown: tuple[str, ...] = ()
    """Those that the ERP does not have."""


class ErpStockPort(Protocol):
    """What an ERP has in stock. Without the capability ``stock``, nobody calls these."""

    async def stock_changes(self, cursor: str | None) -> ErpStockPage:
        """Products whose stock, claims on it or kit changed since the cursor, in few calls a page.

        None starts with every product that is goods or a kit, in pages; what changes meanwhile comes after the last of
        them. Levels of one product and warehouse are of one moment, not before the call. A change that is committed
        late, or in the same instant as another, is told all the same. Products that it refuses to tell of keep nothing
        up: they are ``untold``. Raises Rejected with cause ``cursor_unknown``.
        """
        ...

    async def find_stock(self, products: Sequence[str]) -> ErpStockLevels:
        """What there is now of these products and of the components of those that are kits, in few calls.

        At most ``MOST_STOCK``; raises ValueError for more.
        """
        ...
