"""Webhooks about our own writes: they wake no order, and nothing that others do is taken for one of them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from temporalio.api.history.v1 import HistoryEvent

from adapters.echoes import refund_made, return_stands
from adapters.memory.storefront import MemoryStorefront
from adapters.requests import Refund, RefundRequest, ReturnChange
from domain.order import Address, Order
from domain.return_rules import ReturnRules
from domain.topics import ORDERS_CANCELED, ORDERS_UPDATED, REFUNDED
from store.inbox import ECHO_RESTS, Inbox, InboxItem, InboxState, Received
from tests.order_builder import sandbox_mapping
from tests.workflows.test_payments import reads
from tests.workflows.test_returns import ask, deliver, ended, goods, until
from tests.workflows.world import Gate, World
from web.hand_over import hand_over_to
from workflows.messages import CancelAsked
from workflows.order import OrderWorkflow

pytestmark = pytest.mark.usefixtures("days_pass_when_told")


@pytest.fixture(autouse=True)
def open_for_returns(world: World) -> None:
    world.replace_mapping(sandbox_mapping().model_copy(update={"returns": ReturnRules(window_days=100)}))


async def told(
    world: World, order: Order, topic: str, tells: str | None = None, number: int = 1
) -> InboxState:
    """A webhook as the dispatcher hands it over; what became of it."""
    now = datetime.now(UTC)
    delivery = InboxItem(
        id=1,
        key=order.key,
        delivery_id=f"{order.key.external_id}-{topic}-{number}",
        event_id=None,
        topic=topic,
        label=order.number,
        occurred_at=now,
        received_at=now,
        attempts=0,
        tells=tells,
    )
    return await hand_over_to(world.client, world.database)(delivery)


async def proven_again(world: World, order: Order) -> None:
    """Wait until the order is proven balanced with its return."""
    await world.until_told(order.key, "refunded.\nOrderwright: Balanced")


def happened(event: HistoryEvent) -> Iterator[str]:
    """The signal that an event brings, or the activity that it asks for."""
    if event.HasField("workflow_execution_signaled_event_attributes"):
        yield event.workflow_execution_signaled_event_attributes.signal_name
    if event.HasField("activity_task_scheduled_event_attributes"):
        yield event.activity_task_scheduled_event_attributes.activity_type.name


async def test_what_a_return_writes_comes_back_and_wakes_nobody(world: World, external_id):
    order = goods(external_id)
    async with world.working():
        await deliver(world, order)
        return_id = await ask(world, order, {"11": 2})
        await until(world, order, return_id, "still to come")
        agreed = return_stands(return_id, "open", 2)
        assert await told(world, order, "returns/approve", agreed) is InboxState.ECHO
        world.erp.receive_return(order.key, return_id, {"11": 2})
        await ended(world, order, return_id)
        (refund,) = world.storefront.refunds.values()
        made, closed = refund_made(refund.refund_id), return_stands(return_id, "closed")
        assert await told(world, order, "refunds/create", made) is InboxState.ECHO
        assert await told(world, order, "returns/close", closed) is InboxState.ECHO
        await proven_again(world, order)
        history = await world.client.get_workflow_handle(order.key.workflow_id).fetch_history()
    names = [name for event in history.events for name in happened(event)]
    assert names.count("storefront_changed") == names.count("read_order") == 2, "its creation, and the wish"


async def test_what_others_do_at_the_same_time_is_heard(world: World, external_id):
    order = goods(external_id)
    async with world.working():
        await deliver(world, order)
        return_id = await ask(world, order, {"11": 2})
        await until(world, order, return_id, "still to come")
        for number, (topic, tells) in enumerate(
            [
                # Other units than ours, another return, another state, and one whose words nobody can tell.
                ("returns/approve", return_stands(return_id, "open", 3)),
                ("returns/approve", return_stands("999", "open", 2)),
                ("returns/cancel", return_stands(return_id, "canceled")),
                ("refunds/create", refund_made("999")),
                ("orders/edited", None),
            ]
        ):
            before = reads(world, order)
            assert await told(world, order, topic, tells, number) is InboxState.DISPATCHED
            await world.until(order.key, lambda _, before=before: reads(world, order) > before)
        assert (
            await told(world, order, "returns/approve", return_stands(return_id, "open", 2))
            is InboxState.ECHO
        )
        again = await told(world, order, "returns/approve", return_stands(return_id, "open", 2), 2)
        assert again is InboxState.DISPATCHED, "one write has one echo"


class EditedMeanwhile(MemoryStorefront):
    """Its people change the order between our reading of it and our write, and once more right after that."""

    async def approve_return(self, external_id: str, return_id: str) -> ReturnChange:
        self.edit_quantity(external_id, "12", 1)
        changed = await super().approve_return(external_id, return_id)
        self.withdraw_return(external_id, return_id)
        return changed


async def test_a_change_around_our_write_is_found_by_its_own_webhook(world: World, external_id):
    world.replace_storefront(EditedMeanwhile(faults=world.faults))
    order = goods(external_id)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        world.erp.ship(order.key, "WH-EAST", {"11": 3}, tracking="T1")
        await world.until_told(order.key, "T1")
        return_id = await ask(world, order, {"11": 2})
        await until(world, order, return_id, "still to come")
        # All that the store tells, our own write first: it is suppressed, and loses nothing of the rest.
        assert (
            await told(world, order, "returns/approve", return_stands(return_id, "open", 2))
            is InboxState.ECHO
        )
        await told(world, order, "orders/edited")
        await told(world, order, "returns/cancel", return_stands(return_id, "canceled"))
        result = await ended(world, order, return_id)
        assert "canceled in the storefront" in result.text
        await world.until(order.key, lambda view: view.lines[1].canceled == 1)
        del handle


class SlowToAnswer(MemoryStorefront):
    """Refunds at once, and its answer takes as long as the gate is shut."""

    gate: Gate

    async def refund_order(self, request: RefundRequest) -> Refund:
        made = await super().refund_order(request)
        await self.gate.hold_back()
        await self.gate.open.wait()
        return made


async def test_an_echo_that_outruns_our_answer_is_a_hint_like_any_other(world: World, external_id):
    storefront = SlowToAnswer(faults=world.faults)
    storefront.gate = gate = Gate()
    world.replace_storefront(storefront)
    order = goods(external_id)
    async with world.working():
        await deliver(world, order)
        return_id = await ask(world, order, {"11": 2})
        await until(world, order, return_id, "still to come")
        world.erp.receive_return(order.key, return_id, {"11": 2})
        await gate.reached.wait()
        (refund,) = world.storefront.refunds.values()
        made = refund_made(refund.refund_id)
        assert await told(world, order, "refunds/create", made) is InboxState.DISPATCHED
        gate.open.set()
        assert (await ended(world, order, return_id)).back == {"11": 2}
        await proven_again(world, order)
        view = await world.view(order.key)
    assert view.problem is None
    assert refund.amount > Decimal(0)
    assert len(world.storefront.refunds) == 1


async def test_our_own_cancel_brings_no_order_back(world: World, external_id):
    order = goods(external_id)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        await handle.execute_update(OrderWorkflow.cancel_update, CancelAsked(actor="Ada", reason="asked to"))
        await handle.result()
        assert await told(world, order, ORDERS_CANCELED) is InboxState.ECHO
        assert await told(world, order, REFUNDED) is InboxState.ECHO
        runs = [run async for run in world.client.list_workflows(f"WorkflowId = '{order.key.workflow_id}'")]
    assert len(runs) == 1


async def test_a_cancel_by_others_is_heard(world: World, external_id):
    order = goods(external_id)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        world.storefront.cancel_by_customer(external_id)
        assert await told(world, order, REFUNDED) is InboxState.DISPATCHED
        assert await told(world, order, ORDERS_CANCELED) is InboxState.DISPATCHED
        assert (await handle.result()).outcome == "canceled"


async def updated(world: World, order: Order, *told: str) -> list[InboxState]:
    """The store says at once, so many times, that the order was updated; what became of each."""
    inbox = Inbox(world.database)
    before = len(inbox.for_order(order.key))
    for number, directions in enumerate(told, before):
        received = Received(
            channel=order.key.channel,
            delivery_id=f"{order.key.external_id}-{number}",
            topic=ORDERS_UPDATED,
            external_id=order.key.external_id,
            occurred_at=datetime.now(UTC),
            headers={},
            body=b"",
            directions=directions,
        )
        assert inbox.add(received)
    hand_over, later = hand_over_to(world.client, world.database), datetime.now(UTC) + ECHO_RESTS
    rested = Inbox(world.database, lambda: later)
    return [await hand_over(item) for item in rested.claim(len(told), timedelta(minutes=1), "a")]


async def test_an_update_is_news_where_goods_are_to_go_elsewhere_and_nowhere_else(world: World, external_id):
    order = goods(external_id)
    async with world.working():
        assert await updated(world, order, "home") == [InboxState.ECHO], "nobody knows the order"
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        before = reads(world, order)
        assert await updated(world, order, "home") == [InboxState.ECHO]
        moved = Address(name="Ada", street=("2 New Road",), city="Boston", country="US")
        world.storefront.replace(
            world.storefront.orders[external_id].model_copy(update={"shipping_address": moved})
        )
        # Something else of the order changes in the same moment, which says the same of its addresses.
        assert await updated(world, order, "away", "away") == [InboxState.DISPATCHED, InboxState.ECHO]
        await world.until_told(order.key, "Edit carried into")
        assert world.erp.entered[order.key].shipping_address == moved
        assert await updated(world, order, "away") == [InboxState.ECHO]
        assert reads(world, order) == before + 1
        await handle.terminate()
