"""Two channels on one ERP that are told of stock, with the workers between them."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from adapters.memory.erp import MemoryErp
from adapters.memory.storefront import MemoryStorefront
from domain.cases import CaseState
from domain.order import Order
from store.cases import Cases
from store.mappings import MappingCatalog
from store.stock_whole import WholeReadings
from tests.order_builder import make_line, make_order, sandbox_mapping
from tests.workflows.world import World
from workers.composition import Parts
from workflows.messages import ORDERS_QUEUE
from workflows.standing import StockComparisonStart
from workflows.stock_comparison import StockComparisonWorkflow

MUG, HERE = "MUG-LOGO", "101"
RULES = {"push": True, "share": "0.5", "batch_seconds": 1}


class StockWorld:
    """``world`` with a second channel; both show 20 mugs before anybody told them anything."""

    def __init__(self, world: World, on_hand: int, *, page_size: int = 50, **rules: object) -> None:
        self.world = world
        self.erp = MemoryErp(
            warehouses={"WH-EAST", "WH-WEST"}, stock={("WH-EAST", MUG): on_hand}, faults=world.faults
        )
        self.shops = {
            name: MemoryStorefront(name, page_size=page_size, faults=world.faults)
            for name in ("shop", "outlet")
        }
        for shop in self.shops.values():
            shop.shelf.stock(MUG, HERE, 20)
        mapping = sandbox_mapping(stock=RULES | rules)
        catalog = MappingCatalog(world.database, dict.fromkeys(self.shops, mapping))
        world.erp, world.storefront = self.erp, self.shops["shop"]
        world.parts = Parts(world.database, dict(self.shops), self.erp, catalog)

    def shown(self, channel: str = "shop", sku: str = MUG) -> int:
        return self.shops[channel].shelf.available[sku, HERE]

    async def until_shown(self, shop: int, outlet: int) -> None:
        await until(
            lambda: (self.shown("shop"), self.shown("outlet")) == (shop, outlet),
            lambda: f"shown are {self.shown('shop')} and {self.shown('outlet')}",
        )

    async def until_whole(self) -> None:
        whole = WholeReadings(self.world.database)
        await until(
            lambda: not whole.lacking(tuple(self.shops)), lambda: f"not whole: {whole.lacking([*self.shops])}"
        )

    async def until_case(self, cause: str | None) -> None:
        """Wait until the open cases are just this one, or none."""
        wanted = [] if cause is None else [cause]
        await until(lambda: self.cases() == wanted, lambda: f"open cases: {self.cases()}")

    def cases(self) -> list[str]:
        return [case.cause for case in Cases(self.world.database).list(CaseState.OPEN)]

    async def buy(self, units: int, number: str, channel: str = "shop") -> Order:
        """A buyer orders mugs and the webhook comes."""
        order = make_order(number, channel=channel, lines=(make_line("1", MUG, units),))
        self.shops[channel].place(order)
        await self.world.start(order)
        return order

    async def compare(self, channel: str = "shop", number: int = 1) -> str:
        """Compare by hand; what was found, in words."""
        found = await self.world.client.execute_workflow(
            StockComparisonWorkflow.run,
            StockComparisonStart(channel=channel),
            id=f"by-hand:{channel}:{number}:{id(self)}",
            task_queue=ORDERS_QUEUE,
            run_timeout=timedelta(seconds=60),
        )
        return found.sentence


async def until(what: Callable[[], bool], words: Callable[[], str], seconds: float = 20) -> None:
    """Wait for something; fails with words."""
    for _ in range(int(seconds / 0.05)):
        if await asyncio.to_thread(what):
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"not within {seconds:g} s: {words()}")
