"""The memory ERP's stock as its port tells it: levels of a product and the number of its last change."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from itertools import islice
from operator import itemgetter

from adapters.errors import Rejected
from adapters.stock_ports import ErpStockLevels, ErpStockPage
from domain.erp_order import ErpOrder, ErpOrderState, ErpShipmentState, KitPart
from domain.stock import ErpStock, Incoming, Kit

Place = tuple[str, str]
"""Warehouse and product."""

_GONE = frozenset({ErpShipmentState.SHIPPED, ErpShipmentState.CANCELED})


class ShelfCounts(dict[Place, int]):
    """Units by warehouse and product that nobody has taken yet; ``told`` hears of every place that changes."""

    def __init__(self, counts: Mapping[Place, int], told: Callable[[Place], None]) -> None:
        super().__init__(counts)
        self.warehouses = sorted({warehouse for warehouse, _ in counts})
        self._told = told

    def __setitem__(self, place: Place, units: int) -> None:
        super().__setitem__(place, units)
        if place[0] not in self.warehouses:
            self.warehouses = sorted({*self.warehouses, place[0]})
        self._told(place)


class StockBook:
    """Reads the shelves and the claims of orders on them, and numbers what changes."""

    def __init__(self, counts: Mapping[Place, int]) -> None:
        self.last_change = 0
        self.changed_at: dict[str, int] = {}
        """Product -> number of the last change of its stock, at whichever warehouse."""
        self._log: list[tuple[int, str]] = []
        """Every change, oldest first; one that is not the product's last is passed over."""
        self.kits: dict[str, Mapping[str, int]] = {}
        self._weights: dict[str, Mapping[str, Decimal]] = {}
        self._kept_back: Counter[Place] = Counter()
        self._incoming: dict[Place, tuple[Incoming, ...]] = {}
        self.counts = ShelfCounts(counts, self.changed)
        self._claims: Counter[Place] = Counter()
        """Units that wait on shipments, from the shelf."""
        self._waiting: Counter[Place] = Counter()
        """Units on backorder."""
        for place in self.counts:
            self.changed(place)

    def keep_back(self, place: Place, units: int) -> None:
        """So many units are kept for something else than orders."""
        self._kept_back[place] = units
        self.changed(place)

    def expect(self, place: Place, *incoming: Incoming) -> None:
        """Goods on order, in place of what was expected before."""
        self._incoming[place] = incoming
        self.changed(place)

    def make_kit(
        self, product: str, components: Mapping[str, int], prices: Mapping[str, Decimal] | None = None
    ) -> None:
        """A product is sent as others from now on; ``prices`` weigh what a piece of each is of the kit's."""
        self.kits[product] = components
        self._weights[product] = prices or {}
        self.changed(("", product))

    def parts(self, product: str) -> tuple[KitPart, ...]:
        """What a kit is made of; nothing of what is none."""
        weights = self._weights.get(product, {})
        return tuple(
            KitPart(product=each, quantity=number, share=weights.get(each, Decimal(1)))
            for each, number in self.kits.get(product, {}).items()
        )

    def changed(self, place: Place) -> None:
        """Number a change."""
        self.last_change += 1
        self.changed_at[place[1]] = self.last_change
        self._log.append((self.last_change, place[1]))

    def kept(self, before: ErpOrder | None, after: ErpOrder) -> None:
        """Books of an order are others than they were."""
        for book, units in ((self._claims, _on_shelf), (self._waiting, _on_backorder)):
            change = self.exploded(units(after))
            change.subtract(self.exploded(units(before)) if before else {})
            for place, difference in change.items():
                if difference:
                    book[place] += difference
                    self.changed(place)

    def exploded(self, units: Mapping[Place, int]) -> Counter[Place]:
        """The same units with kits as their components."""
        parts: Counter[Place] = Counter()
        for (warehouse, product), quantity in units.items():
            for component, each in self.kits.get(product, {product: 1}).items():
                parts[warehouse, component] += quantity * each
        return parts

    def changes(self, cursor: str | None, size: int) -> ErpStockPage:
        """Products that changed after the change that the cursor numbers; raises Rejected ``cursor_unknown``."""
        if cursor is not None and not cursor.isdecimal():
            raise Rejected("erp", "read stock changes", f"cursor {cursor!r} is not ours", "cursor_unknown")
        after = int(cursor or 0)
        start = bisect_right(self._log, after, key=itemgetter(0))
        later = (each for each in islice(self._log, start, None) if self.changed_at[each[1]] == each[0])
        page = list(islice(later, size))
        levels, kits = self._read([product for _, product in page])
        told = page[-1][0] if page else after
        return ErpStockPage(levels=levels, kits=kits, cursor=str(told), more=told < self.last_change)

    def find(self, products: Iterable[str]) -> ErpStockLevels:
        """Levels of these products."""
        asked = list(dict.fromkeys(products))
        known = [product for product in asked if product in self.changed_at or product in self.kits]
        unknown = tuple(product for product in asked if product not in set(known))
        levels, kits = self._read(known)
        return ErpStockLevels(levels=levels, kits=kits, unknown=unknown)

    def _read(self, products: list[str]) -> tuple[tuple[ErpStock, ...], tuple[Kit, ...]]:
        kits = tuple(
            Kit(product=product, components=self.kits[product])
            for product in products
            if product in self.kits
        )
        goods = dict.fromkeys(product for product in products if product not in self.kits)
        goods |= dict.fromkeys(component for kit in kits for component in kit.components)
        levels = tuple(
            self._level((warehouse, product))
            for product in goods
            for warehouse in self.counts.warehouses
            if (warehouse, product) in self.counts
        )
        return levels, kits

    def _level(self, place: Place) -> ErpStock:
        claims, kept_back = self._claims[place], self._kept_back[place]
        return ErpStock(
            product=place[1],
            warehouse=place[0],
            on_hand=self.counts[place] + claims,
            allocated=claims + self._waiting[place],
            reserved=kept_back,
            incoming=self._incoming.get(place, ()),
        )


def _on_shelf(order: ErpOrder) -> Counter[Place]:
    products = _products(order)
    return _summed(
        ((shipment.warehouse, products[part.line_id, shipment.warehouse]), part.quantity)
        for shipment in order.shipments
        if shipment.state not in _GONE
        for part in shipment.lines
        if (part.line_id, shipment.warehouse) in products
    )


def _on_backorder(order: ErpOrder) -> Counter[Place]:
    if order.state is ErpOrderState.CANCELED:
        return Counter()
    products = _products(order)
    return _summed(
        ((part.warehouse or "", products[part.line_id, part.warehouse or ""]), part.quantity)
        for part in order.backorders
    )


def _summed(parts: Iterable[tuple[Place, int]]) -> Counter[Place]:
    units: Counter[Place] = Counter()
    for place, quantity in parts:
        units[place] += quantity
    return units


def _products(order: ErpOrder) -> dict[tuple[str, str], str]:
    return {(line.line_id, line.warehouse or ""): line.product for line in order.lines}
