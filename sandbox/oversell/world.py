"""What the race runs in: two storefronts, an ERP that is away half of the time, our tables, and the truth."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Final

from activities.orders import OrderActivities
from adapters.registry import build_memory_erp, build_memory_storefront
from config.mappings import load_mapping
from domain.mapping import Mapping as FieldMapping
from domain.order import Order, OrderKey
from domain.stock import ErpStock
from domain.stock_rules import StockRules
from sandbox.oversell.buying import held_beyond, still_owed
from sandbox.oversell.life import Heard, Life
from sandbox.oversell.roads import FarErp, FarShop, Road
from sandbox.oversell.truth import Place, Truth
from store.database import Database

SKUS: Final = ("TEE-BLK-M", "CAP-BLK", "MUG-LOGO", "BAG-TOTE", "SOCK-GRY")
WAREHOUSES: Final = {"101": "WH-EAST", "102": "WH-WEST"}
"""By the storefronts' location."""
CHANNELS: Final = ("shop", "outlet")


class Mappings:
    """Implements ``MappingSource`` for mappings that nobody changes."""

    def __init__(self, by_channel: Mapping[str, FieldMapping]) -> None:
        self._by_channel = by_channel

    def current(self, channel: str) -> FieldMapping:
        """See ``MappingSource``."""
        return self._by_channel[channel]

    def version(self, version: str) -> FieldMapping:
        """See ``MappingSource``."""
        return next(each for each in self._by_channel.values() if each.version == version)


class World:
    """Everything there is. ``dice`` decide whatever is left to chance, ``rules`` are those of the two channels.

    Of each SKU there are so many ``units`` at each warehouse.
    """

    def __init__(self, folder: Path, dice: Random, rules: Mapping[str, StockRules], units: int) -> None:
        self.dice, self.rules = dice, rules
        self.database = Database(f"sqlite:///{folder / 'race.db'}")
        self.database.migrate()
        file = load_mapping("shopify-tryton").model_dump()
        mappings = {
            channel: FieldMapping.model_validate(file | {"stock": each.model_dump()})
            for channel, each in rules.items()
        }
        self.mappings = Mappings(mappings)
        places = [(warehouse, sku) for warehouse in WAREHOUSES.values() for sku in SKUS]
        self.erp = build_memory_erp(
            products={*SKUS}, warehouses={*WAREHOUSES.values()}, stock=dict.fromkeys(places, units)
        )
        self.shops = {channel: build_memory_storefront(channel) for channel in CHANNELS}
        for shop in self.shops.values():
            for sku in SKUS:
                for location in WAREHOUSES:
                    shop.shelf.stock(sku, location, 0)
        self.truth = Truth({(sku, warehouse): units for warehouse, sku in places}, self._shown)
        self._roads = {channel: Road(channel, dice, self.look_at_orders) for channel in CHANNELS}
        self._far_shops: list[FarShop] = []
        self.acts = OrderActivities(
            {channel: self.far_shop(channel) for channel in CHANNELS},
            self.far_erp(),
            self.mappings,
            self.database,
        )
        self.lives: dict[OrderKey, Life] = {}
        self.living: list[asyncio.Task[None]] = []
        self._owed: dict[OrderKey, Counter[Place]] = {}
        self._looked_at: dict[OrderKey, Order] = {}
        self._kept: dict[str, tuple[int, int]] = {}
        self.promises = 0
        """Units that buyers were promised."""

    def far_erp(self) -> FarErp:
        """The ERP as one process of ours reaches it."""
        return FarErp(self.erp, self.dice, self.truth)

    def far_shop(self, channel: str) -> FarShop:
        """A storefront as one process of ours reaches it."""
        far = FarShop(
            channel,
            self.shops[channel],
            self._roads[channel],
            self.truth,
            warehouses=WAREHOUSES,
            read_moment=self._read_moment,
        )
        self._far_shops.append(far)
        return far

    @property
    def raises(self) -> int:
        """Levels that were shown more of by a push."""
        return sum(far.raises for far in self._far_shops)

    def close(self) -> None:
        """Give the database back."""
        self.database.close()

    # -- readings ----------------------------------------------------------------------------------------------------

    def kept_reading(self, products: set[str], token: int, moment: int) -> None:
        """A reading of the ERP, whose answer is of ``moment``, is in our tables now."""
        for product in products:
            self._kept[product] = max(self._kept.get(product, (0, 0)), (token, moment))

    def _read_moment(self, product: str) -> int:
        return self._kept.get(product, (0, 0))[1]

    # -- orders ------------------------------------------------------------------------------------------------------

    def _start(self, key: OrderKey) -> Life:
        life = Life(key, self.acts, self.erp.orders.get, self._heard, self.dice)
        self.lives[key] = life
        return life

    def look_at_orders(self) -> None:
        """Reckon what storefronts' orders promise now, of those that are others than before."""
        for shop in self.shops.values():
            for order in shop.orders.values():
                if self._looked_at.get(order.key) is not order:
                    self.look_at(order)

    def look_at(self, order: Order) -> None:
        """Reckon what one order promises now."""
        self._looked_at[order.key] = order
        now = still_owed(order, self.erp.orders.get(order.key), WAREHOUSES)
        before = self._owed.get(order.key, Counter())
        for place in now.keys() | before.keys():
            if more := now[place] - before[place]:
                self.truth.promised(place, more)
                self.promises += max(0, more)
            if more < 0:
                self.truth.given_up(order.key)
        self._owed[order.key] = now

    def _heard(self, order: Order) -> None:
        """We have read an order as it is now, or as it was."""
        now = self.shops[order.key.channel].orders[order.key.external_id]
        if (now.canceled_at, now.lines) == (order.canceled_at, order.lines):
            self.truth.heard(order.key)

    def ship(self, key: OrderKey, warehouse: str, units: Mapping[str, int]) -> None:
        """Parcels leave; what is sent and owed to nobody is gone all the same."""
        self.erp.ship(key, warehouse, units, tracking=f"T{self.truth.moment}")
        order = self.shops[key.channel].orders[key.external_id]
        before = self._owed.get(key, Counter())
        now = still_owed(order, self.erp.orders[key], WAREHOUSES)
        for sku, quantity in units.items():
            place = (sku, warehouse)
            if more := quantity - (before[place] - now[place]):
                self.truth.taken_away(place, more, key)
        self._owed[key] = now
        self.truth.moment += 1

    def webhook(self, key: OrderKey, late: float) -> None:
        """A storefront tells us of an order so many seconds from now."""
        loop = asyncio.get_running_loop()
        loop.call_later(late, self._hear, key, Heard.WEBHOOK)

    def hear(self, key: OrderKey, heard: Heard) -> None:
        """Tell an order something, if anybody carries it."""
        if key in self.lives:
            self.lives[key].hear(heard)

    def _hear(self, key: OrderKey, heard: Heard) -> None:
        if key not in self.lives:
            self.living.append(asyncio.create_task(self._start(key).live()))
        self.lives[key].hear(heard)

    # -- what can be seen ----------------------------------------------------------------------------------------------

    def levels(self) -> dict[Place, ErpStock]:
        """What the ERP has, by its own books."""
        found = self.erp.stock_book.find(SKUS)
        return {(level.product, level.warehouse): level for level in found.levels}

    def unsold(self) -> tuple[int, int]:
        """Units that the ERP has for nobody and no storefront shows, and how many of those are of orders that stopped.

        A storefront holds units for an order that waits for a person; nobody can say what becomes of them. What the
        ERP keeps for it as well is not free there.
        """
        held: Counter[Place] = Counter()
        for key, life in self.lives.items():
            order = self.shops[key.channel].orders[key.external_id]
            if life.stopped:
                held.update(held_beyond(order, self.erp.orders.get(key), WAREHOUSES))
        missing = {
            place: max(0, level.free - self.truth.shown(place)) for place, level in self.levels().items()
        }
        excused = sum(min(units, held[place]) for place, units in missing.items())
        return sum(missing.values()) - excused, excused

    def unexplained(self) -> list[str]:
        """Where the truth is not what both systems' books come to: then the race itself is wrong."""
        owed: Counter[Place] = Counter()
        for units in self._owed.values():
            owed.update(units)
        return [
            f"{place}: {self.truth.unpromised[place]} by our reckoning, {level.on_hand - level.reserved} on hand, "
            f"{owed[place]} owed"
            for place, level in self.levels().items()
            if self.truth.unpromised[place] != level.on_hand - level.reserved - owed[place]
        ]

    def _shown(self, place: Place) -> int:
        sku, warehouse = place
        return sum(
            max(0, shop.shelf.available[sku, location])
            for shop in self.shops.values()
            for location, code in WAREHOUSES.items()
            if code == warehouse
        )


def rules_of(dice: Random) -> dict[str, StockRules]:
    """Rules of the two channels: halves, or parts with a priority."""
    if dice.random() < 0.5:  # noqa: PLR2004
        return {channel: StockRules(push=True, share=Decimal("0.5")) for channel in CHANNELS}
    first, second = CHANNELS
    return {
        first: StockRules(push=True, share=Decimal("0.7"), priority=1),
        second: StockRules(push=True, share=Decimal("0.3"), last_units=dice.randint(0, 4), safety=0),
    }
