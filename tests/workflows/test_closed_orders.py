"""Late webhooks about orders that are over: no news begins no run, and news brings the order back to life."""

from decimal import Decimal

import pytest
from temporalio import activity
from temporalio.client import WorkflowUpdateFailedError

from adapters.memory.storefront import MemoryStorefront
from adapters.requests import CancelUnitsRequest, UnitsCanceled
from domain.erp_order import ErpOrderState
from domain.order import LocationLine, LocationPlan, Order, PaymentKind
from domain.payment_rules import CaptureRule, PaymentRules
from domain.return_rules import ReturnRules
from domain.topics import ORDERS_CANCELED, ORDERS_PAID, REFUNDED
from store.inbox import InboxState
from tests.order_builder import make_line, make_payment
from tests.workflows.returning import ended, goods, until, with_rules
from tests.workflows.test_backorders import TWO_WEEKS, order_of, short_of_caps, stocked
from tests.workflows.test_echoes import told
from tests.workflows.world import PRICES, Gate, World
from workflows.messages import Attention, CancelAsked, OperatorMessage, ReturnAsked
from workflows.order import OrderWorkflow
from workflows.order_reach import OrderReach


class Remembering(MemoryStorefront):
    """Keeps what it is going to tell of units that were canceled."""

    told: tuple[str, ...] = ()

    async def cancel_units(self, request: CancelUnitsRequest) -> UnitsCanceled:
        done = await super().cancel_units(request)
        self.told += done.echoes
        return done


class SlowToRead(MemoryStorefront):
    """Keeps a reading back while it has a gate."""

    gate: Gate | None = None

    async def read_order(self, external_id: str) -> Order:
        if self.gate is not None:
            await self.gate.hold_back()
        return await super().read_order(external_id)


async def runs(world: World, order: Order) -> int:
    """How often a workflow began for the order."""
    found = world.client.list_workflows(f"WorkflowId = '{order.key.workflow_id}'")
    return len([run async for run in found])


async def closed(world: World, external_id: str) -> Order:
    """An order that was delivered, paid and closed."""
    order = goods(external_id)
    handle = await world.place(order)
    await world.until_in_erp(order.key)
    world.erp.ship_all(order.key)
    assert (await handle.result()).outcome is Attention.CLOSED
    return order


async def test_the_refund_of_canceled_units_brings_no_closed_order_back(world: World, external_id):
    stocked(world, TWO_WEEKS, short_of_caps(), payments=PaymentRules(capture=CaptureRule.AT_ORDER))
    world.replace_storefront(storefront := Remembering(faults=world.faults))
    order = order_of(external_id)
    async with world.working():
        handle = await world.place(order)
        await world.until(order.key, lambda view: view.waiting_for.startswith("stock"))
        rest = OperatorMessage(actor="Kim", reason="none will come")
        await handle.execute_update(OrderWorkflow.cancel_rest_update, rest)
        await world.until_told(order.key, "Edit carried into")
        world.erp.ship_all(order.key)
        assert (await handle.result()).outcome is Attention.CLOSED
        (phrase,) = storefront.told
        assert await told(world, order, REFUNDED, phrase) is InboxState.ECHO
        assert await runs(world, order) == 1


async def test_what_tells_of_no_change_begins_no_run(world: World, external_id):
    async with world.working():
        order = await closed(world, external_id)
        for topic in ("orders/create", "returns/close", "returns/cancel", "returns/decline"):
            assert await told(world, order, topic) is InboxState.ECHO
        assert await runs(world, order) == 1
        assert "Closed: storefront and ERP" in await world.story(order.key)


async def test_money_that_others_give_back_later_is_looked_at_by_a_person(world: World, external_id):
    async with world.working():
        order = await closed(world, external_id)
        now = world.storefront.orders[external_id]
        (capture,) = [p for p in now.payments if p.kind is PaymentKind.CAPTURE][:1]
        refund = make_payment(
            "5.00",
            PaymentKind.REFUND,
            payment_id="goodwill",
            parent_id=capture.payment_id,
        )
        world.storefront.revise(now.model_copy(update={"payments": (*now.payments, refund)}))
        assert await told(world, order, REFUNDED, "refund 999 made") is InboxState.DISPATCHED
        stopped = await world.until_stopped(order.key)
        assert stopped.problem is not None
        assert "money taken less refunds" in stopped.problem.reason


async def test_an_edit_that_makes_it_cheaper_brings_it_back(world: World, external_id):
    async with world.working():
        order = await closed(world, external_id)
        now = world.storefront.orders[external_id]
        lower = now.lines[1].model_copy(
            update={"unit_price": now.lines[1].unit_price - Decimal(1), "taxes": ()}
        )
        less = now.total - Decimal(1)
        edited = {"lines": (now.lines[0], lower), "total": less, "presentment_total": less}
        world.storefront.revise(now.model_copy(update=edited))
        assert await told(world, order, "orders/edited") is InboxState.DISPATCHED
        await world.until_stopped(order.key)


async def test_what_was_added_is_entered_though_a_cancel_comes_before_the_first_reading(
    world: World, external_id
):
    """The ERP refuses the cancel, as goods have left, and so tells of the order before it is looked for."""
    world.replace_storefront(storefront := SlowToRead(faults=world.faults, prices=PRICES))
    async with world.working():
        order = await closed(world, external_id)
        now = storefront.orders[external_id]
        added = make_line("99", "MUG-LOGO", 1, tax_rates=())
        part = LocationLine(id="610099", line_id="99", quantity=1, remaining=1)
        more = {
            "lines": (*now.lines, added),
            "location_plans": (
                *now.location_plans,
                LocationPlan(id="7999", location="101", open=True, lines=(part,)),
            ),
            "payments": (*now.payments, make_payment(added.unit_price, payment_id="more")),
            "total": now.total + added.unit_price,
            "presentment_total": now.presentment_total + added.unit_price,
        }
        storefront.revise(now.model_copy(update=more))
        storefront.gate = gate = Gate()
        assert await told(world, order, "orders/edited") is InboxState.DISPATCHED
        await gate.reached.wait()
        carrier = world.client.get_workflow_handle(order.key.workflow_id)
        await carrier.signal(OrderWorkflow.cancel_signal, CancelAsked(actor="Ada"))
        gate.open.set()
        await world.until_told(order.key, "Not canceled")
        await world.until_told(order.key, "Edit carried into")
        sold = {line.line_id: line.quantity for line in world.erp.orders[order.key].lines}
        assert sold["99"] == 1


async def test_a_return_that_is_over_is_told_to_an_order_that_runs(world: World, external_id):
    """Its row says closed until its reading is noted: what comes meanwhile is not for nobody."""
    async with world.working():
        order = await closed(world, external_id)
        world.faults.unavailable("storefront.read_order")
        assert await told(world, order, "returns/request") is InboxState.DISPATCHED
        assert await told(world, order, "returns/cancel", "return 7 canceled") is InboxState.DISPATCHED
        world.faults.lift()


async def test_money_that_comes_while_an_order_comes_back_to_life_is_told_to_it(world: World, external_id):
    """It may have been read just before, and would wait for the money until the next sweep."""
    async with world.working():
        order = await closed(world, external_id)
        assert await told(world, order, ORDERS_PAID) is InboxState.ECHO
        assert await runs(world, order) == 1
        world.faults.unavailable("storefront.read_order")
        assert await told(world, order, "orders/edited") is InboxState.DISPATCHED
        assert await told(world, order, ORDERS_PAID, "paid") is InboxState.DISPATCHED
        world.faults.lift()


async def emptying(world: World, external_id: str) -> Order:
    """The buyer takes off all that is on an order in the ERP."""
    order = goods(external_id)
    await world.place(order)
    await world.until_in_erp(order.key)
    for line in order.lines:
        world.storefront.edit_quantity(external_id, line.line_id, 0)
    await world.start(order, "orders/edited")
    return order


async def emptied(world: World, external_id: str) -> Order:
    """An order that was closed after the buyer had taken off all that was on it."""
    order = await emptying(world, external_id)
    view = await world.until(order.key, lambda view: view.attention in {Attention.CLOSED, Attention.CANCELED})
    assert view.attention is Attention.CLOSED
    assert view.sentence == "Nothing is left of it, and both systems agree to the cent; closed."
    return order


async def test_a_closed_order_of_which_nothing_left_is_canceled_where_its_buyer_cancels_it(
    world: World, external_id
):
    async with world.working():
        order = await emptied(world, external_id)
        world.storefront.cancel_by_customer(external_id)
        assert await told(world, order, ORDERS_CANCELED) is InboxState.DISPATCHED
        await world.until(order.key, lambda view: view.attention is Attention.CANCELED)
        assert world.erp.orders[order.key].state is ErpOrderState.CANCELED
        assert "Canceled in both systems" in await world.story(order.key)


class CanceledWhileClosing(MemoryStorefront):
    """Its buyer cancels an emptied order right after closing has read it, and the shop tells at once."""

    world: World
    order: Order | None = None

    async def read_order(self, external_id: str) -> Order:
        read = await super().read_order(external_id)
        closing = activity.in_activity() and activity.info().activity_type == "close_order"
        if closing and self.order is not None:
            order, self.order = self.order, None
            self.cancel_by_customer(external_id)
            await self.world.start(order, ORDERS_CANCELED)
        return read


async def test_an_emptied_order_that_is_canceled_while_it_is_closed_ends_as_canceled(
    world: World, external_id
):
    storefront = CanceledWhileClosing(faults=world.faults, prices=PRICES)
    storefront.world = world
    world.replace_storefront(storefront)
    async with world.working():
        storefront.order = goods(external_id)
        order = await emptying(world, external_id)
        await world.until(order.key, lambda view: view.attention is Attention.CANCELED)
        assert storefront.order is None, "closing never read it"
        assert world.erp.orders[order.key].state is ErpOrderState.CANCELED


@pytest.mark.usefixtures("days_pass_when_told")
async def test_what_came_back_in_an_earlier_life_cannot_come_back_again(world: World, external_id):
    with_rules(world, ReturnRules())
    order = goods(external_id)
    asked = ReturnAsked(actor="Kim", reason="too small", lines={"11": 1})
    reach = OrderReach(world.client)
    async with world.working():
        await closed(world, external_id)
        for number in (1, 2):
            once = asked.model_copy(update={"message_id": str(number)})
            await reach.bring_back_for_return(order.key, once)
            await world.until(order.key, lambda view: bool(view.returns))
            (return_id,) = (await world.view(order.key)).returns
            await until(world, order, return_id, "still to come")
            if number == 1:
                world.erp.receive_return(order.key, return_id, {"11": 1})
                await ended(world, order, return_id)
                await world.client.get_workflow_handle(order.key.workflow_id).result()
        # Of three tees one came back and one is to: the order stays alive for a mug while that does.
        handle = world.client.get_workflow_handle_for(OrderWorkflow.run, order.key.workflow_id)
        await handle.execute_update(
            OrderWorkflow.return_update,
            asked.model_copy(update={"message_id": "3", "lines": {"12": 1}}),
        )
        world.erp.receive_return(order.key, return_id, {"11": 1})
        await ended(world, order, return_id)
        view = await world.until(order.key, lambda view: view.returns[return_id].ended)
        assert {line.line_id: line.returned for line in view.lines} == {"11": 2, "12": 0}
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await handle.execute_update(
                OrderWorkflow.return_update,
                asked.model_copy(update={"message_id": "4", "lines": {"11": 2}}),
            )
        assert "only 1 unit of TEE-BLK-M" in str(refused.value.cause)


async def test_what_left_though_it_was_taken_off_may_be_said_to_stay_in_each_life(
    world: World, external_id: str, days_pass_when_told: None
) -> None:
    """A person let a unit stay that had left; the order closed, and comes back to life for a return."""
    with_rules(world, ReturnRules())
    order = goods(external_id)
    handle = world.client.get_workflow_handle_for(OrderWorkflow.run, order.key.workflow_id)
    accept = OperatorMessage(actor="Ada", reason="the buyer pays it by hand")

    async def let_it_stay() -> str:
        """What it stopped at."""
        stopped = await world.until(
            order.key, lambda view: view.problem is not None and "accept" in view.can_do
        )
        assert stopped.problem is not None
        await handle.execute_update(OrderWorkflow.accept_update, accept)
        return stopped.problem.cause.partition(":")[0]

    async with world.working():
        await world.place(order)
        await world.until_in_erp(order.key)
        world.storefront.edit_quantity(external_id, "11", 2)
        world.erp.ship_all(order.key)
        await world.start(order, "orders/edited")
        first = await let_it_stay()
        assert (await handle.result()).outcome is Attention.CLOSED
        asked = ReturnAsked(actor="Ada", reason="x", lines={"12": 1}, without_goods=True)
        await OrderReach(world.client).bring_back_for_return(order.key, asked)
        again = await let_it_stay()
        assert (await handle.result()).outcome is Attention.CLOSED
    assert (first, again) == ("unbalanced", "unbalanced")
