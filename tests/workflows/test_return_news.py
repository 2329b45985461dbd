"""How a return hears of its goods: by itself where nothing else is new, through its order where something is."""

from collections import Counter

import pytest
from temporalio.client import Client

from adapters.memory.erp import MemoryErp
from adapters.memory.faults import Faults
from adapters.memory.storefront import MemoryStorefront
from adapters.requests import CaptureRequest, Refund, RefundRequest
from domain.erp_order import ErpOrder
from domain.order import Order, OrderKey, Payment
from domain.return_rules import ReturnRules
from store.cases import Cases
from tests.order_builder import sandbox_mapping
from tests.workflows.test_returns import (
    ask,
    closes_balanced,
    deliver,
    ended,
    goods,
    page,
    refunds,
    until,
)
from tests.workflows.world import Gate, World
from workflows.customer_return import ReturnWorkflow
from workflows.messages import OperatorMessage
from workflows.return_messages import ERP_RETURN_CHANGED

pytestmark = pytest.mark.usefixtures("days_pass_when_told")


@pytest.fixture(autouse=True)
def open_for_returns(world: World) -> None:
    world.replace_mapping(sandbox_mapping().model_copy(update={"returns": ReturnRules(window_days=100)}))


async def signals(client: Client, workflow_id: str) -> Counter[str]:
    """How often a workflow was told of what."""
    history = await client.get_workflow_handle(workflow_id).fetch_history()
    return Counter(
        event.workflow_execution_signaled_event_attributes.signal_name
        for event in history.events
        if event.HasField("workflow_execution_signaled_event_attributes")
    )


async def half_sent_and_coming_back(world: World, order: Order) -> str:
    """The east has sent its parcel, and two units of it are on their way back; returns the return's id."""
    await world.place(order)
    await world.until_in_erp(order.key)
    world.erp.ship(order.key, "WH-EAST", {"11": 3}, tracking="T1")
    await world.until_told(order.key, "T1")
    return_id = await ask(world, order, {"11": 2})
    await until(world, order, return_id, "still to come")
    return return_id


async def test_goods_that_come_back_are_told_to_their_return_alone(world: World, server, external_id):
    order = goods(external_id)
    async with world.working():
        await deliver(world, order)
        first, second = await ask(world, order, {"11": 2}), await ask(world, order, {"12": 1})
        for return_id in (first, second):
            await until(world, order, return_id, "still to come")
        world.erp.receive_return(order.key, first, {"11": 1})
        await until(world, order, first, "1 unit of TEE-BLK-M are still to come")
        # From here on: the feed may have seen a return that was just agreed to before that was noted, and told of it.
        carriers = (page(world, order, first).id, page(world, order, second).id, order.key.workflow_id)
        before = [await signals(world.client, each) for each in carriers]
        world.erp.receive_return(order.key, first, {"11": 1})
        await ended(world, order, first)
        of_first, of_second, of_order = [
            await signals(world.client, each) - told for each, told in zip(carriers, before, strict=True)
        ]
        assert of_first == {ERP_RETURN_CHANGED: 1}
        assert not of_second
        assert of_order == {"return_news": 1}
        world.erp.receive_return(order.key, second, {"12": 1})
        await ended(world, order, second)
        await closes_balanced(world, order, server)


async def test_goods_that_come_with_a_parcel_are_told_by_the_order(world: World, external_id):
    order = goods(external_id)
    async with world.working():
        return_id = await half_sent_and_coming_back(world, order)
        # Both between two looks of the feed.
        world.erp.receive_return(order.key, return_id, {"11": 2})
        world.erp.ship(order.key, "WH-WEST", {"12": 2}, tracking="T2")
        assert (await ended(world, order, return_id)).back == {"11": 2}
        await world.until_told(order.key, "Balanced")


async def test_what_an_order_passes_on_late_takes_no_goods_away_again(world: World, external_id):
    order = goods(external_id)
    async with world.working():
        await deliver(world, order)
        return_id = await ask(world, order, {"11": 3})
        await until(world, order, return_id, "3 units of TEE-BLK-M are still to come")
        (early,) = world.erp.receive_return(order.key, return_id, {"11": 1}).returns
        await until(world, order, return_id, "2 units of TEE-BLK-M are still to come")
        world.erp.receive_return(order.key, return_id, {"11": 1})
        await until(world, order, return_id, "1 unit of TEE-BLK-M are still to come")
        await page(world, order, return_id).signal(ERP_RETURN_CHANGED, early)
        await page(world, order, return_id).execute_update(
            ReturnWorkflow.settle_update, OperatorMessage(actor="Ada", reason="nothing more comes")
        )
        assert (await ended(world, order, return_id)).back == {"11": 2}


async def test_goods_of_a_return_that_nobody_carries_are_told_to_the_order(world: World, external_id):
    order = goods(external_id)
    async with world.working():
        await deliver(world, order)
        return_id = await ask(world, order, {"11": 2})
        await until(world, order, return_id, "still to come")
        await page(world, order, return_id).terminate("by hand")
        world.erp.receive_return(order.key, return_id, {"11": 2})
        await world.until_told(order.key, "is carried by nobody any more")


class Slow(MemoryStorefront):
    """Takes money, and gives it back, no sooner than the gate of each is opened."""

    def __init__(self, faults: Faults) -> None:
        super().__init__(faults=faults)
        self.capturing, self.refunding = Gate(), Gate()
        self.capturing.open.set()

    async def capture_payment(self, request: CaptureRequest) -> tuple[Payment, ...]:
        await self.capturing.hold_back()
        return await super().capture_payment(request)

    async def refund_order(self, request: RefundRequest) -> Refund:
        await self.refunding.hold_back()
        return await super().refund_order(request)


@pytest.mark.parametrize("first", ["captured", "refunded"])
async def test_as_much_goes_back_while_what_left_beside_it_is_not_paid_for_yet(
    world: World, server, external_id, first
):
    storefront = Slow(world.faults)
    world.replace_storefront(storefront)
    order = goods(external_id)
    async with world.working():
        return_id = await half_sent_and_coming_back(world, order)
        storefront.capturing = Gate()
        world.erp.ship(order.key, "WH-WEST", {"12": 2}, tracking="T2")
        await storefront.capturing.reached.wait()
        world.erp.receive_return(order.key, return_id, {"11": 2})
        # It is credited by now, and what to give back was worked out.
        await storefront.refunding.reached.wait()
        if first == "captured":
            storefront.capturing.open.set()
            await world.until_told(order.key, "T2")
            storefront.refunding.open.set()
        else:
            storefront.refunding.open.set()
            await ended(world, order, return_id)
            storefront.capturing.open.set()
        assert (await ended(world, order, return_id)).back == {"11": 2}
        await closes_balanced(world, order, server)
    worth = world.erp.orders[order.key].returns[0].total
    assert refunds(world, order) == worth


class ComesInMeanwhile(MemoryErp):
    """A first unit comes in just when the return is to be given up, which is refused therefore."""

    async def cancel_return(self, key: OrderKey, return_id: str, reason: str) -> ErpOrder:
        self.receive_return(key, return_id, {"11": 1})
        return await super().cancel_return(key, return_id, reason)


async def test_a_return_that_waits_for_the_rest_after_a_refused_end_is_in_no_case(
    world: World, server, external_id
):
    world.replace_erp(ComesInMeanwhile(warehouses={"WH-EAST", "WH-WEST"}, faults=world.faults))
    order, asked = goods(external_id), OperatorMessage(actor="Ada", reason="lost on its way")
    async with world.working():
        await deliver(world, order)
        return_id = await ask(world, order, {"11": 3})
        await until(world, order, return_id, "still to come")
        answer = await page(world, order, return_id).execute_update(ReturnWorkflow.end_update, asked)
        assert not answer.done
        world.erp.receive_return(order.key, return_id, {"11": 1})
        await until(world, order, return_id, "1 unit of TEE-BLK-M are still to come")
        assert not Cases(world.database).list()
        assert (await world.view(order.key)).problem is None
        world.erp.receive_return(order.key, return_id, {"11": 1})
        assert (await ended(world, order, return_id)).back == {"11": 3}
        await closes_balanced(world, order, server)
