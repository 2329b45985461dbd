"""What comes in, or is said, while a return is being settled: nothing of it is lost, and nothing counts by halves."""

import asyncio

import pytest
from temporalio.client import WorkflowUpdateFailedError

from adapters.memory.erp import MemoryErp
from domain.erp_order import ErpOrder
from domain.order import Order, OrderKey
from domain.return_rules import InspectionRule, ReturnRules
from domain.returns import Disposition, ReturnCredit
from store.cases import Cases
from tests.workflows.returning import (
    WINDOW,
    ask,
    deliver,
    ended,
    goods,
    page,
    refunds,
    story,
    until,
    with_rules,
)
from tests.workflows.world import Gate, World
from workflows.customer_return import ReturnWorkflow
from workflows.messages import Attention, OperatorMessage
from workflows.return_messages import Inspection

ASK = ReturnRules(window_days=100, inspection=InspectionRule.ASK)
KIM = OperatorMessage(actor="Kim", reason="as it stands")

pytestmark = pytest.mark.usefixtures("days_pass_when_told")


class SlowErp(MemoryErp):
    """Keeps credits, and ends of returns, back until the gate is opened; nothing of them is done before."""

    gate: Gate

    async def credit_return(self, credit: ReturnCredit) -> ErpOrder:
        await self.gate.hold_back()
        return await super().credit_return(credit)

    async def cancel_return(self, key: OrderKey, return_id: str, reason: str) -> ErpOrder:
        await self.gate.hold_back()
        return await super().cancel_return(key, return_id, reason)


def slow(world: World) -> Gate:
    erp = SlowErp(warehouses={"WH-EAST", "WH-WEST"}, faults=world.faults)
    world.replace_erp(erp)
    erp.gate = Gate()
    return erp.gate


async def half_of_two(world: World, order: Order) -> str:
    """Two tees are to come back, and one of them has; returns the id of the return."""
    await deliver(world, order)
    return_id = await ask(world, order, {"11": 2})
    await until(world, order, return_id, "still to come")
    world.erp.receive_return(order.key, return_id, {"11": 1})
    await until(world, order, return_id, "1 unit")
    return return_id


def inspection(*, actor: str = "Ada", **units: int) -> Inspection:
    return Inspection(actor=actor, lines={"11": {Disposition(name): n for name, n in units.items()}})


@pytest.mark.parametrize("second", [Disposition.REJECT, Disposition.SCRAP])
async def test_nobody_judges_otherwise_while_the_erp_is_told(world: World, external_id, second):
    with_rules(world, ASK)
    gate, order = slow(world), goods(external_id)
    async with world.working():
        await deliver(world, order)
        return_id = await ask(world, order, {"11": 2})
        await until(world, order, return_id, "still to come")
        world.erp.receive_return(order.key, return_id, {"11": 2})
        await until(world, order, return_id, "a person")
        carrier = page(world, order, return_id)
        await carrier.execute_update(ReturnWorkflow.inspect_update, inspection(restock=2))
        await gate.reached.wait()
        assert "inspect" not in (await carrier.query(ReturnWorkflow.status)).can_do
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await carrier.execute_update(
                ReturnWorkflow.inspect_update, inspection(actor="Bob", **{second.value: 2})
            )
        assert "the ERP is told already" in str(refused.value.cause)
        gate.open.set()
        await ended(world, order, return_id)
        view = await world.until(order.key, lambda view: view.attention is Attention.DELIVERED)
    (held,) = world.erp.orders[order.key].returns
    assert refunds(world, order) == held.total > 0
    assert view.problem is None


@pytest.mark.parametrize("rules", [WINDOW, ASK], ids=["restocked by rule", "judged by a person"])
async def test_goods_that_come_after_they_were_judged_are_credited_too(world: World, external_id, rules):
    with_rules(world, rules)
    order = goods(external_id)
    async with world.working():
        return_id = await half_of_two(world, order)
        world.faults.reject("erp.credit_return", "the period is closed", "period_closed:erp:x")
        carrier = page(world, order, return_id)
        if rules is WINDOW:
            await carrier.execute_update(ReturnWorkflow.settle_update, KIM)
        else:
            await carrier.execute_update(ReturnWorkflow.inspect_update, inspection(restock=1))
        await until(world, order, return_id, "period is closed")
        world.erp.receive_return(order.key, return_id, {"11": 1})
        await until_told(world, order, return_id, "so far: 2 units")
        world.faults.lift()
        await carrier.execute_update(ReturnWorkflow.resubmit_update, KIM)
        if rules is ASK:
            await until(world, order, return_id, "a person")
            await carrier.execute_update(ReturnWorkflow.inspect_update, inspection(restock=1, scrap=1))
        await ended(world, order, return_id)
    (held,) = world.erp.orders[order.key].returns
    assert [(part.line_id, part.quantity) for part in held.credited] == [("11", 2)]
    assert refunds(world, order) == held.total


async def test_goods_that_come_while_the_erp_is_told_are_judged_before_anything_is_credited(
    world: World, external_id
):
    with_rules(world, WINDOW)
    order = goods(external_id)
    async with world.working():
        return_id = await half_of_two(world, order)
        # The call is made again and again until the ERP is back, and knows nothing of what comes in meanwhile.
        world.faults.unavailable("erp.find_order")
        await page(world, order, return_id).execute_update(ReturnWorkflow.settle_update, KIM)
        await until(world, order, return_id, "settling the goods")
        world.erp.receive_return(order.key, return_id, {"11": 1})
        await until_told(world, order, return_id, "so far: 2 units")
        world.faults.lift()
        await ended(world, order, return_id)
        told = await story(world, order, return_id)
        await world.until(order.key, lambda view: view.attention is Attention.DELIVERED)
        assert not Cases(world.database).of_order(order.key)
    assert "nobody has said what becomes of them" in told
    (held,) = world.erp.orders[order.key].returns
    assert [(part.line_id, part.quantity) for part in held.credited] == [("11", 2)]
    assert refunds(world, order) == held.total


async def test_goods_that_come_while_their_return_is_given_up_are_settled(world: World, external_id):
    with_rules(world, WINDOW)
    gate, order = slow(world), goods(external_id)
    async with world.working():
        await deliver(world, order)
        return_id = await ask(world, order, {"11": 1})
        await until(world, order, return_id, "still to come")
        carrier = page(world, order, return_id)
        ending = asyncio.create_task(carrier.execute_update(ReturnWorkflow.end_update, KIM))
        await gate.reached.wait()
        world.erp.receive_return(order.key, return_id, {"11": 1})
        await until_told(world, order, return_id, "so far: 1 unit")
        gate.open.set()
        assert not (await ending).done
        await ended(world, order, return_id)
    (held,) = world.erp.orders[order.key].returns
    assert refunds(world, order) == held.total > 0


async def until_told(world: World, order: Order, return_id: str, words: str) -> None:
    """Wait until the return's story holds these words."""
    for _ in range(200):
        if words in (told := await story(world, order, return_id)):
            return
        await asyncio.sleep(0.05)
    raise AssertionError(told)
