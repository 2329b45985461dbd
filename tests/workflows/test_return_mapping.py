"""A return that stopped for want of something in the mapping takes the one in force with its resubmit."""

from decimal import Decimal

import pytest
from temporalio.testing import WorkflowEnvironment

from domain.return_rules import ReturnRules
from tests.order_builder import sandbox_mapping
from tests.workflows.test_returns import ask, closes_balanced, deliver, ended, goods, page, until
from tests.workflows.world import World
from workflows.customer_return import ReturnWorkflow
from workflows.messages import OperatorMessage

pytestmark = pytest.mark.usefixtures("days_pass_when_told")


def fee(product: str) -> ReturnRules:
    return ReturnRules(window_days=100, fee_percent=Decimal(10), fee_product=product)


async def test_its_fee_s_product_is_corrected_in_the_mapping(
    world: World, server: WorkflowEnvironment, external_id: str
):
    world.replace_mapping(sandbox_mapping(returns=fee("NO-SUCH")))
    world.erp.forbid_product("NO-SUCH")
    order = goods(external_id)
    async with world.working():
        await deliver(world, order)
        return_id = await ask(world, order, {"11": 1})
        await until(world, order, return_id, "still to come")
        world.erp.receive_return(order.key, return_id, {"11": 1})
        await until(world, order, return_id, "NO-SUCH")
    world.replace_mapping(sandbox_mapping(returns=fee("RESTOCKING-FEE")))
    async with world.working():
        await page(world, order, return_id).execute_update(
            ReturnWorkflow.resubmit_update, OperatorMessage(actor="Ada")
        )
        await ended(world, order, return_id)
        await closes_balanced(world, order, server)
    (settled,) = world.erp.orders[order.key].returns
    assert settled.fee == Decimal("2.15")
