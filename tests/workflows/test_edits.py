"""Orders that are edited in the storefront after they were entered in the ERP."""

from decimal import Decimal

import pytest

from adapters.memory.erp import MemoryErp
from adapters.memory.storefront import MemoryStorefront
from adapters.requests import AmendOutcome
from domain.erp_order import ErpOrder, ErpOrderState, SalesOrder
from domain.order import Order
from domain.return_rules import ReturnRules
from domain.status import OrderStatus
from store.cases import Cases
from store.crosswalk import Crosswalk
from store.order_view import OrderViews
from tests.order_builder import make_line, make_order, make_payment, sandbox_mapping
from tests.workflows.returning import deliver
from tests.workflows.world import Gate, World
from workflows.messages import Attention, OperatorMessage
from workflows.order import OrderWorkflow


def tees_and_mugs(external_id: str) -> Order:
    lines = [make_line("11", ordered=3), make_line("12", "MUG-LOGO", ordered=2)]
    return make_order(external_id, lines=lines, placement={"11": {"101": 3}, "12": {"102": 2}})


async def edit(world: World, order: Order, line: str, units: int) -> Decimal:
    """The customer takes units off; returns the total that is left."""
    edited = world.storefront.edit_quantity(order.key.external_id, line, units)
    await world.start(order, f"orders/edited-{line}-{units}")
    return edited.total


def units_in_erp(world: World, order: Order) -> dict[str, int]:
    return {line.line_id: line.quantity for line in world.erp.orders[order.key].lines if line.warehouse}


async def ends_as(world: World, order: Order, units: dict[str, int], total: Decimal) -> None:
    """Both the order and the ERP show these units, and the ERP this total."""
    await world.until(order.key, lambda view: {x.line_id: x.open for x in view.lines} == units)
    assert units_in_erp(world, order) == units
    assert world.erp.orders[order.key].total == total


async def test_an_edit_is_carried_into_the_erp_shipped_and_paid_as_it_is_now(world: World, external_id):
    order = tees_and_mugs(external_id)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        total = await edit(world, order, "11", 1)
        await world.until_told(order.key, "Edit carried into")
        assert units_in_erp(world, order) == {"11": 1, "12": 2}
        assert world.erp.orders[order.key].total == total
        row = OrderViews(world.database).get(order.key)
        assert row is not None
        assert (row.erp_total, row.problem) == (total, "")
        story = await world.story(order.key)
        assert "Edited after it was entered in the ERP: TEE-BLK-M: 3 -> 1 units" in story
        world.erp.ship_all(order.key)
        assert (await handle.result()).outcome is Attention.CLOSED
    told = world.storefront.orders[external_id]
    assert (told.captured, told.total) == (total, total)


async def test_an_edit_that_comes_while_the_order_is_entered_is_not_lost(world: World, external_id):
    gate = Gate()

    class SlowErp(MemoryErp):
        async def submit_order(self, order: SalesOrder) -> ErpOrder:
            await gate.hold_back()
            return await super().submit_order(order)

    world.replace_erp(SlowErp(warehouses={"WH-EAST", "WH-WEST"}, faults=world.faults))
    order = tees_and_mugs(external_id)
    async with world.working():
        await world.place(order)
        await gate.reached.wait()
        total = await edit(world, order, "12", 0)
        gate.open.set()
        await world.until_told(order.key, "Edit carried into")
        assert units_in_erp(world, order) == {"11": 3}
        assert world.erp.orders[order.key].total == total


async def test_two_edits_one_after_the_other_end_as_the_last(world: World, external_id):
    order = tees_and_mugs(external_id)
    async with world.working():
        await world.place(order)
        await world.until_in_erp(order.key)
        await edit(world, order, "11", 2)
        total = await edit(world, order, "12", 1)
        await ends_as(world, order, {"11": 2, "12": 1}, total)


async def test_an_edit_whose_answer_is_lost_is_carried_over_once(world: World, external_id):
    order = tees_and_mugs(external_id)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        world.faults.lose_answer("amend_order", nth=1)
        total = await edit(world, order, "11", 2)
        await world.until_told(order.key, "Edit carried into")
        world.erp.ship_all(order.key)
        assert (await handle.result()).outcome is Attention.CLOSED
        assert (await world.story(order.key)).count("Edit carried into") == 1
    assert world.erp.orders[order.key].total == total


async def test_a_rest_that_is_not_wanted_any_more_ends_a_partly_shipped_order(world: World, external_id):
    order = tees_and_mugs(external_id)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        world.erp.ship(order.key, "WH-EAST", {"11": 2}, tracking="UPS-1")
        await world.until(order.key, lambda view: view.lines[0].shipped == 2)
        await edit(world, order, "12", 0)
        await world.until_told(order.key, "MUG-LOGO: 2 -> 0 units")
        total = await edit(world, order, "11", 2)
        assert (await handle.result()).outcome is Attention.CLOSED
    told = world.storefront.orders[external_id]
    assert (told.captured, told.total) == (total, total)


def a_mug_more(world: World, order: Order) -> Order:
    """The customer adds one to an order that has left, and promises the money for it; returns it as a new one."""
    external_id = order.key.external_id
    lines = [make_line("11", ordered=3), make_line("12", "MUG-LOGO", ordered=3)]
    more = make_order(external_id, lines=lines, placement={"11": {"101": 3}, "12": {"102": 3}})
    added = make_payment(more.total - order.total, payment_id="802")
    sent = world.storefront.orders[external_id]
    *plans, mugs = sent.location_plans
    units = tuple(line.model_copy(update={"quantity": 3, "remaining": 1}) for line in mugs.lines)
    mugs = mugs.model_copy(update={"open": True, "lines": units})
    payments = (*sent.payments, added)
    kept = {"payments": payments, "fulfillments": sent.fulfillments, "location_plans": (*plans, mugs)}
    world.storefront.replace(more.model_copy(update=kept))
    return more


@pytest.mark.parametrize("meanwhile", [True, False], ids=["told while it is compared", "told afterwards"])
async def test_an_edit_that_the_closing_sees_before_the_order_hears_of_it_is_carried_over(
    world: World, external_id, meanwhile
):
    gate = Gate()

    class SlowStorefront(MemoryStorefront):
        async def read_order(self, external_id: str) -> Order:
            sent = self.orders[external_id]
            if sent.captured == sent.total and not gate.open.is_set():
                await gate.hold_back()
            return await super().read_order(external_id)

    world.replace_storefront(SlowStorefront(faults=world.faults))
    order = tees_and_mugs(external_id)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        world.erp.ship_all(order.key)
        await gate.reached.wait()
        more = a_mug_more(world, order)
        if meanwhile:
            await world.start(order, "orders/edited")
        gate.open.set()
        await world.until_told(order.key, "Edit carried into")
        if not meanwhile:
            await world.start(order, "orders/edited")
        assert "do not agree" not in await world.story(order.key)
        world.erp.ship_all(order.key)
        assert (await handle.result()).outcome is Attention.CLOSED
        await world.until_in_no_case(order.key)
    told = world.storefront.orders[external_id]
    assert told.captured == told.total == more.total > order.total


@pytest.mark.usefixtures("days_pass_when_told")
async def test_what_is_added_in_the_return_window_is_delivered_and_proven_too(world: World, external_id):
    world.replace_mapping(sandbox_mapping().model_copy(update={"returns": ReturnRules(window_days=100)}))
    order = tees_and_mugs(external_id)
    async with world.working():
        await deliver(world, order)
        more = a_mug_more(world, order)
        await world.start(order, "orders/edited-again")
        await world.until_told(order.key, "Edit carried into")
        view = await world.view(order.key)
        assert view.attention is Attention.WORKING
        assert "the warehouse to ship the rest" in view.waiting_for
        row = OrderViews(world.database).get(order.key)
        assert row is not None
        assert row.status is view.status is OrderStatus.PARTLY_SHIPPED
        world.erp.ship_all(order.key)
        view = await world.until(order.key, lambda view: view.attention is Attention.DELIVERED)
        assert "returns, until" in view.waiting_for
        assert (await world.story(order.key)).count("Balanced") == 2
    assert world.storefront.orders[external_id].captured == more.total


async def test_what_is_added_to_a_closed_order_is_delivered_too(world: World, external_id):
    order = tees_and_mugs(external_id)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        world.erp.ship_all(order.key)
        assert (await handle.result()).outcome is Attention.CLOSED
        more = a_mug_more(world, order)
        again = await world.start(order, "orders/edited-again")
        await world.until_told(order.key, "Edit carried into")
        row = OrderViews(world.database).get(order.key)
        assert row is not None
        assert row.closed_at is None
        world.erp.ship_all(order.key)
        assert (await again.result()).outcome is Attention.CLOSED
    told = world.storefront.orders[external_id]
    assert (told.captured, told.total) == (more.total, more.total)
    assert len(told.fulfillments) == 3
    assert len(world.erp.orders) == 1


@pytest.mark.parametrize("undone", [True, False], ids=["the picking is undone", "the edit is undone"])
async def test_what_is_picked_is_a_case_with_its_choices(world: World, external_id, undone: bool):
    order = tees_and_mugs(external_id)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        world.erp.pick(order.key, "WH-EAST")
        await edit(world, order, "11", 1)
        stopped = await world.until_stopped(order.key)
        assert stopped.problem is not None
        assert stopped.problem.cause.startswith("edit_refused")
        assert "TEE-BLK-M 3 -> 1 units" in stopped.problem.reason
        assert "picked" in stopped.problem.reason
        (case,) = Cases(world.database).of_order(order.key)
        assert case.cause.startswith("edit_refused")
        if undone:
            # The ERP's news of it is an answer: nobody has to say so here as well.
            world.erp.put_back(order.key, "WH-EAST")
        else:
            world.storefront.replace(order)
            await handle.execute_update(OrderWorkflow.resubmit_update, OperatorMessage(actor="Ada"))
        await world.until(
            order.key, lambda view: view.problem is None and view.attention is Attention.WORKING
        )
        await world.until_told(order.key, "Edit carried into" if undone else "Ada")
        world.erp.ship_all(order.key)
        assert (await handle.result()).outcome is Attention.CLOSED
    assert units_in_erp(world, order) == {"11": 1 if undone else 3, "12": 2}


async def test_that_picked_goods_ship_as_they_were_may_be_accepted(world: World, external_id):
    order = tees_and_mugs(external_id)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        world.erp.pick(order.key, "WH-EAST")
        await edit(world, order, "11", 1)
        await world.until_stopped(order.key)
        accepting = OperatorMessage(actor="Ada", reason="the buyer keeps them")
        await handle.execute_update(OrderWorkflow.accept_update, accepting)
        await world.until(order.key, lambda view: view.problem is None)
        await world.until_told(order.key, "Ada: Accepted (the buyer keeps them)")
        await world.until_in_no_case(order.key)
    assert units_in_erp(world, order) == {"11": 3, "12": 2}


async def test_an_edit_that_comes_while_another_is_carried_over_follows_it(world: World, external_id):
    gate = Gate()

    class SlowErp(MemoryErp):
        async def amend_order(self, target: SalesOrder) -> AmendOutcome:
            if not gate.open.is_set():
                await gate.hold_back()
            return await super().amend_order(target)

    world.replace_erp(SlowErp(warehouses={"WH-EAST", "WH-WEST"}, faults=world.faults))
    order = tees_and_mugs(external_id)
    async with world.working():
        await world.place(order)
        await world.until_in_erp(order.key)
        await edit(world, order, "11", 2)
        await gate.reached.wait()
        total = await edit(world, order, "12", 1)
        gate.open.set()
        await ends_as(world, order, {"11": 2, "12": 1}, total)


async def test_what_is_corrected_while_the_order_is_on_hold_is_taken_over(world: World, external_id):
    order = tees_and_mugs(external_id)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        await handle.execute_update(OrderWorkflow.hold_update, OperatorMessage(reason="wrong address"))
        moved = order.model_copy(update={"note": "Ring twice."})
        world.storefront.replace(moved)
        await handle.execute_update(OrderWorkflow.release_update, OperatorMessage())
        await world.until_told(order.key, "another note")
        await world.until_told(order.key, "Edit carried into")


async def test_an_edit_read_with_a_cancel_that_the_erp_refuses_is_not_lost(world: World, external_id):
    order = tees_and_mugs(external_id)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
    world.erp.pick(order.key, "WH-EAST")
    world.storefront.replace(order.model_copy(update={"note": "Ring twice."}))
    await world.start(order, "orders/edited-note")
    await handle.signal("cancel")
    async with world.working():
        await world.until_told(order.key, "Not canceled")
        await world.until_told(order.key, "another note")
        await world.until_told(order.key, "Edit carried into")


async def test_a_record_that_takes_the_place_of_the_first_is_no_cancel(world: World, external_id):
    gate = Gate()

    class ReplacingErp(MemoryErp):
        """As Tryton does: the first sale is canceled, and another one takes its place."""

        async def amend_order(self, target: SalesOrder) -> AmendOutcome:
            first = self.orders[target.key]
            self.keep(first.model_copy(update={"state": ErpOrderState.CANCELED, "shipments": ()}))
            await gate.hold_back()
            self.keep(first)
            outcome = await super().amend_order(target)
            other = outcome.order.model_copy(update={"erp_id": "777", "number": "SO-00777"})
            return AmendOutcome(order=self.keep(other), refused=outcome.refused)

    world.replace_erp(ReplacingErp(warehouses={"WH-EAST", "WH-WEST"}, faults=world.faults))
    order = tees_and_mugs(external_id)
    async with world.working():
        handle = await world.place(order)
        first = (await world.until_in_erp(order.key)).erp_number
        await edit(world, order, "11", 1)
        await gate.reached.wait()
        canceled = world.erp.orders[order.key]
        await handle.signal("erp_changed", canceled)
        gate.open.set()
        await world.until_told(order.key, f"it takes the place of {first}")
        await handle.signal("erp_changed", canceled)
        view = await world.view(order.key)
        assert (view.problem, view.erp_number) == (None, "SO-00777")
        row = OrderViews(world.database).get(order.key)
        assert row is not None
        assert row.erp_number == "SO-00777"
        assert Crosswalk(world.database).external_id("order", str(order.key), "erp") == "777"
        world.erp.ship_all(order.key)
        assert (await handle.result()).outcome is Attention.CLOSED


async def test_units_that_left_before_anybody_heard_that_they_were_taken_off_are_accepted_once(
    world: World, external_id
):
    order = tees_and_mugs(external_id)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        world.storefront.edit_quantity(external_id, "11", 1)
        world.erp.ship_all(order.key)
        stopped = await world.until_stopped(order.key)
        assert stopped.problem is not None
        assert stopped.problem.cause == "not_open_to_ship"
        # The edit is the cause: told of it, the order goes on by itself.
        await world.start(order, "orders/edited")
        await world.until_told(order.key, "Not done any more: TEE-BLK-M 3 -> 1 units")
        assert "Edited after it was entered in the ERP: TEE-BLK-M: 3 -> 1 units" in await world.story(
            order.key
        )
        stopped = await world.until(
            order.key, lambda view: view.problem is not None and view.problem.cause.startswith("unbalanced")
        )
        keeps = OperatorMessage(actor="Ada", reason="the buyer keeps them")
        await handle.execute_update(OrderWorkflow.accept_update, keeps)
        assert (await handle.result()).outcome is Attention.CLOSED
        story = await world.story(order.key)
    assert story.count("Accepted (the buyer keeps them)") == 1
    assert "units of line 11" in story
    assert world.storefront.orders[external_id].total == world.storefront.orders[external_id].captured
