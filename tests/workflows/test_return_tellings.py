"""What an order passes on to its returns, at the moment in which they end."""

import pytest

from adapters.memory.storefront import MemoryStorefront
from domain.order import Order
from tests.workflows.returning import WINDOW, ask, deliver, ended, goods, page, until, with_rules
from tests.workflows.world import Gate, World
from workflows.customer_return import ReturnWorkflow
from workflows.messages import OperatorMessage
from workflows.order import OrderWorkflow

pytestmark = pytest.mark.usefixtures("days_pass_when_told")

ASKED = OperatorMessage(actor="Ada", reason="the period is open again")


class SlowToRead(MemoryStorefront):
    """Keeps back what it answers the next reading, until the gate is open."""

    gate: Gate | None = None

    async def read_order(self, external_id: str) -> Order:
        gate, self.gate = self.gate, None
        order = await super().read_order(external_id)
        if gate is not None:
            await gate.hold_back()
        return order


async def test_what_is_passed_on_to_a_return_that_has_just_ended_is_no_end_by_hand(world: World, external_id):
    with_rules(world, WINDOW)
    storefront = SlowToRead(faults=world.faults)
    world.replace_storefront(storefront)
    order, gate = goods(external_id), Gate()
    async with world.working():
        await deliver(world, order)
        return_id = await ask(world, order, {"11": 1})
        await until(world, order, return_id, "still to come")
        world.erp.close_period()
        world.erp.receive_return(order.key, return_id, {"11": 1})
        await world.until_stopped(order.key)
        world.erp.open_period()
        storefront.gate = gate
        await world.start(order, "orders/edited")
        await gate.reached.wait()
        # The order passes it on once it has read; by then somebody has done so at the return itself.
        handle = world.client.get_workflow_handle(order.key.workflow_id)
        await handle.execute_update(OrderWorkflow.resubmit_update, ASKED)
        await page(world, order, return_id).execute_update(ReturnWorkflow.resubmit_update, ASKED)
        await ended(world, order, return_id)
        gate.open.set()
        await world.until_told(order.key, "refunded.\nOrderwright: Balanced")
        assert "ended in Temporal" not in await world.story(order.key)
