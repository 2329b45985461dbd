"""Goods that come back in the moment in which their order ends: nobody may miss them."""

from adapters.memory.erp import MemoryErp
from adapters.memory.storefront import MemoryStorefront
from domain.erp_order import ErpOrder, ErpOrderState, ErpReturnState
from domain.order import Order, OrderKey
from tests.order_builder import make_line, make_order
from tests.workflows.world import Gate, World
from workflows.messages import Attention
from workflows.order import OrderWorkflow


def goods(external_id: str) -> Order:
    lines = [make_line("11", ordered=3, unit_price="19.99"), make_line("12", "MUG-LOGO", ordered=2)]
    return make_order(external_id, lines=lines, placement={"11": {"101": 3}, "12": {"102": 2}})


async def come_back(world: World, order: Order) -> None:
    """The warehouse takes goods in, and the change feed tells the order of it."""
    world.erp.receive_unannounced(order.key, "WH-EAST", {"11": 1})
    handle = world.client.get_workflow_handle(order.key.workflow_id)
    await handle.signal(OrderWorkflow.erp_changed, world.erp.orders[order.key])


async def closes_with_goods_settled(world: World, order: Order) -> None:
    await world.until_told(order.key, "1 unit of TEE-BLK-M; USD")
    handle = world.client.get_workflow_handle_for(OrderWorkflow.run, order.key.workflow_id)
    assert (await handle.result()).outcome is Attention.CLOSED
    (back,) = world.erp.orders[order.key].returns
    told = world.storefront.orders[order.key.external_id]
    assert back.state is ErpReturnState.SETTLED
    assert told.captured == told.total == order.total - back.total


async def test_goods_that_come_in_while_their_order_closes_bring_it_back(world: World, external_id):
    order, gate = goods(external_id), Gate()

    class SlowToClose(MemoryErp):
        async def find_order(self, key: OrderKey) -> ErpOrder | None:
            found = await super().find_order(key)
            if found is not None and found.state is ErpOrderState.DONE and not gate.open.is_set():
                await gate.hold_back()
            return found

    world.replace_erp(SlowToClose(warehouses={"WH-EAST", "WH-WEST"}, faults=world.faults))
    async with world.working():
        await world.place(order)
        await world.until_in_erp(order.key)
        world.erp.ship_all(order.key)
        await gate.reached.wait()
        await come_back(world, order)
        gate.open.set()
        await closes_with_goods_settled(world, order)


async def test_goods_that_come_in_while_an_order_is_read_once_more_bring_it_back(world: World, external_id):
    order, gate = goods(external_id), Gate()
    gate.open.set()

    class SlowToRead(MemoryStorefront):
        async def read_order(self, external_id: str) -> Order:
            found = await super().read_order(external_id)
            if not gate.open.is_set():
                await gate.hold_back()
            return found

    world.replace_storefront(SlowToRead(faults=world.faults))
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        world.erp.ship_all(order.key)
        assert (await handle.result()).outcome is Attention.CLOSED
        gate.open.clear()
        # Told late, of something that is long over.
        await world.start(order, "orders/edited-late")
        await gate.reached.wait()
        await come_back(world, order)
        gate.open.set()
        await closes_with_goods_settled(world, order)
