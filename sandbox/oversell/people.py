"""Buyers, and the ERP's own people: they do what they like, when they like."""

import asyncio
from random import Random
from typing import Final

from domain.erp_order import ErpShipmentState
from domain.order import Order, OrderKey
from sandbox.oversell.buying import make_order, wanted_by
from sandbox.oversell.life import Heard
from sandbox.oversell.world import CHANNELS, SKUS, WAREHOUSES, World

SOON, LATE, VERY_LATE = 4.0, 120.0, 500.0
"""Seconds that a webhook takes at most: mostly, at times, and seldom."""
_OVER: Final = frozenset({ErpShipmentState.SHIPPED, ErpShipmentState.CANCELED})
_TABLE: Final = frozenset({ErpShipmentState.PICKED, ErpShipmentState.PACKED})


class Crowd:
    """Everybody who is not us."""

    def __init__(self, world: World, dice: Random) -> None:
        self._world, self._dice = world, dice
        self._number = 0

    # -- buyers ------------------------------------------------------------------------------------------------------

    async def buyer(self, comes_after: float) -> None:
        """Comes, buys what the storefront lets them, and may think better of it."""
        await asyncio.sleep(comes_after)
        channel, wanted = self._dice.choice(CHANNELS), self._dice.choice((1, 1, 1, 2, 2, 3, 5))
        shop = self._world.shops[channel]
        skus = {self._dice.choice(SKUS) for _ in range(2 if self._chance(0.2) else 1)}
        basket: dict[str, dict[str, int]] = {}
        for sku in sorted(skus):
            if places := self._places(channel, sku, wanted):
                basket[sku] = places
        if not basket:
            return
        self._number += 1
        order = shop.place(make_order(OrderKey(channel=channel, external_id=str(self._number)), basket))
        self._changed(order)
        if self._chance(0.3):
            await self._wait(1, 400)
            self._think_again(order.key)

    def _places(self, channel: str, sku: str, units: int) -> dict[str, int]:
        """From where the storefront would send the units; empty where it does not have them."""
        shelf = self._world.shops[channel].shelf
        locations = sorted(WAREHOUSES)
        self._dice.shuffle(locations)
        for location in locations:
            if shelf.available[sku, location] >= units:
                return {location: units}
        there = {location: max(0, shelf.available[sku, location]) for location in locations}
        if sum(there.values()) < units:
            return {}
        first, second = locations
        return {first: there[first], second: units - there[first]} if there[first] else {}

    def _think_again(self, key: OrderKey) -> None:
        shop = self._world.shops[key.channel]
        order, erp = shop.orders[key.external_id], self._world.erp.orders.get(key)
        if order.canceled_at is not None or order.fulfillments:
            return
        luck = self._dice.random()
        if luck < 0.5:  # noqa: PLR2004
            if erp is None or all(s.state is not ErpShipmentState.SHIPPED for s in erp.shipments):
                self._changed(shop.cancel_by_customer(key.external_id))
        elif luck < 0.75:  # noqa: PLR2004
            line = self._dice.choice(order.lines)
            if line.current and (erp is None or not any(s.state in {*_OVER, *_TABLE} for s in erp.shipments)):
                lower = self._dice.randrange(line.current)
                self._changed(shop.edit_quantity(key.external_id, line.line_id, lower))
        elif luck < 0.9:  # noqa: PLR2004
            self._add(order)
        else:
            self._world.hear(key, Heard.CANCEL)

    def _add(self, order: Order) -> None:
        """Some more of something, where the storefront has it."""
        sku, units = self._dice.choice(SKUS), self._dice.choice((1, 2))
        places = self._places(order.key.channel, sku, units)
        wanted = wanted_by(order)
        if not places or sku not in wanted:
            return
        for location, more in places.items():
            wanted[sku][location] = wanted[sku].get(location, 0) + more
        bigger = make_order(order.key, wanted)
        self._changed(self._world.shops[order.key.channel].replace(bigger))

    def _changed(self, order: Order) -> None:
        self._world.look_at(order)
        for _ in range(2 if self._chance(0.1) else 1):
            luck = self._dice.random()
            longest = SOON if luck < 0.7 else LATE if luck < 0.92 else VERY_LATE  # noqa: PLR2004
            self._world.webhook(order.key, self._dice.random() * longest)

    # -- the ERP's people ----------------------------------------------------------------------------------------------

    async def outages(self) -> None:
        """The ERP's programs are away half of the time; its people work all the same."""
        while True:
            await self._wait(20, 160)
            self._world.erp.faults.unavailable("erp.*")
            await self._wait(20, 160)
            self._world.erp.faults.lift("erp.*")

    async def warehouse(self) -> None:
        """Parcels leave, whole or in parts, and somebody tells us sooner or later."""
        world = self._world
        while True:
            await self._wait(1, 12)
            waiting = [
                (key, shipment)
                for key, order in world.erp.orders.items()
                for shipment in order.shipments
                if shipment.state not in _OVER
            ]
            if not waiting:
                continue
            key, shipment = self._dice.choice(waiting)
            if self._chance(0.3) and shipment.state not in _TABLE:
                world.erp.pick(key, shipment.warehouse)
                continue
            units = {part.line_id: part.quantity for part in shipment.lines}
            if self._chance(0.3):
                line = self._dice.choice(sorted(units))
                units = {line: self._dice.randint(1, units[line])}
            world.ship(key, shipment.warehouse, units)
            loop = asyncio.get_running_loop()
            loop.call_later(self._dice.uniform(1, 90), world.hear, key, Heard.ERP)

    async def back_office(self) -> None:
        """Goods come in, are moved, kept back, or sold to somebody we never hear of."""
        world = self._world
        kept: dict[tuple[str, str], int] = {}
        while True:
            await self._wait(5, 40)
            sku, warehouse = self._dice.choice(SKUS), self._dice.choice(sorted(WAREHOUSES.values()))
            place, books = (sku, warehouse), world.erp.stock
            free = max(0, books[warehouse, sku])
            luck = self._dice.random()
            if luck < 0.3:  # noqa: PLR2004
                units = self._dice.randint(1, 6)
                world.erp.receive(warehouse, sku, units)
                world.truth.came_in(place, units)
            elif luck < 0.6:  # noqa: PLR2004
                units = self._dice.randint(0, min(free, 4))
                books[warehouse, sku] -= units
                world.truth.taken_away(place, units)
                if luck > 0.45:  # noqa: PLR2004
                    other = next(code for code in WAREHOUSES.values() if code != warehouse)
                    world.erp.receive(other, sku, units)
                    world.truth.came_in((sku, other), units)
            else:
                before, units = kept.get(place, 0), self._dice.randint(0, min(free, 3))
                world.erp.stock_book.keep_back((warehouse, sku), units)
                kept[place] = units
                if units < before:
                    world.truth.came_in(place, before - units)
                elif units > before:
                    world.truth.taken_away(place, units - before)

    def end(self) -> None:
        """The ERP answers again."""
        self._world.erp.faults.lift("erp.*")

    def _chance(self, part: float) -> bool:
        return self._dice.random() < part

    async def _wait(self, least: float, most: float) -> None:
        await asyncio.sleep(self._dice.uniform(least, most))
