"""Edits of what was sold once goods of it came back: what the ERP cannot take over stays refused, in words."""

import pytest

from adapters.memory.storefront import MemoryStorefront
from domain.order import Address, Order
from store.cases import Cases
from tests.order_builder import make_line, make_order, make_shipping
from tests.workflows.returning import WINDOW, ask, ended, with_rules
from tests.workflows.test_exchanges import bring_back
from tests.workflows.world import World
from workflows.messages import Attention, OperatorMessage, OrderView
from workflows.order import OrderWorkflow

ELSEWHERE = Address(name="Ada", street=("2 New Road",), city="Boston", country="US")
FREE = (make_shipping("0.00"),)
EXPRESS = (make_shipping("0.00", code="express"),)

pytestmark = pytest.mark.usefixtures("days_pass_when_told")


def untaxed(external_id: str) -> Order:
    """Whose lines show by their units alone that they were edited."""
    tees, mugs = (
        make_line("11", ordered=3, tax_rates=()),
        make_line("12", "MUG-LOGO", ordered=2, tax_rates=()),
    )
    placement = {"11": {"101": 3}, "12": {"102": 2}}
    return make_order(external_id, lines=[tees, mugs], placement=placement, shipping=FREE)


class CountingStorefront(MemoryStorefront):
    """Counts how often an order was read."""

    readings = 0

    async def read_order(self, external_id: str) -> Order:
        order = await super().read_order(external_id)
        self.readings += 1
        return order


@pytest.fixture(autouse=True)
def read_and_kept_open(world: World) -> None:
    """Orders stay open for returns, and their readings are counted."""
    with_rules(world, WINDOW)
    world.replace_storefront(CountingStorefront(faults=world.faults))


async def partly_returned(world: World, order: Order) -> None:
    """Two of three tees left, one of them came back and was refunded; a tee and two mugs are still to leave."""
    storefront = world.storefront
    assert isinstance(storefront, CountingStorefront)
    await world.place(order)
    await world.until_in_erp(order.key)
    world.erp.ship(order.key, "WH-EAST", {"11": 2}, tracking="UPS-1")
    await world.until(order.key, lambda _view: bool(told(world, order).fulfillments))
    return_id = await ask(world, order, {"11": 1})
    await bring_back(world, order, return_id, {"11": 1})
    await ended(world, order, return_id)
    # The order is to know what its page shows after the refund, before anybody edits it.
    readings = storefront.readings
    await world.start(order, "refunds/create")
    await world.until(order.key, lambda _view: storefront.readings > readings)


def told(world: World, order: Order) -> Order:
    return world.storefront.orders[order.key.external_id]


async def lower(world: World, order: Order, line: str, units: int) -> None:
    world.storefront.edit_quantity(order.key.external_id, line, units)
    await world.start(order, f"orders/edited-{line}-{units}")


async def until_refused(world: World, order: Order, words: str) -> OrderView:
    """The order waits in the case of an edit after a return, whose reason has these words."""
    view = await world.until(order.key, lambda v: v.problem is not None and words in v.problem.reason)
    assert view.problem is not None
    assert view.problem.cause == f"edit_after_return:{order.key}"
    await world.until(order.key, lambda _view: bool(Cases(world.database).of_order(order.key)))
    return view


async def resubmit(world: World, order: Order) -> None:
    handle = world.client.get_workflow_handle(order.key.workflow_id)
    await handle.execute_update(OrderWorkflow.resubmit_update, OperatorMessage(actor="Ada"))


def put_back_on(world: World, order: Order, before: Order) -> None:
    """The edit is undone in the storefront; what was paid and told meanwhile stays."""
    kept = {name: getattr(told(world, order), name) for name in ("payments", "fulfillments", "returns")}
    world.storefront.replace(before.model_copy(update=kept))


async def test_a_second_edit_does_not_make_one_forget_what_was_refused_of_the_first(
    world: World, external_id
):
    order = untaxed(external_id)
    async with world.working():
        await partly_returned(world, order)
        entered = world.erp.orders[order.key]
        before = told(world, order)
        world.storefront.replace(before.model_copy(update={"shipping": EXPRESS}))
        await world.start(order, "orders/edited-delivery")
        view = await until_refused(world, order, "delivery or a fee cannot be changed")
        assert "undo the edit in the store" in view.problem.reason  # type: ignore[union-attr]
        # What the store tells may be the remedy: nobody has to say that it is to be tried again.
        await lower(world, order, "12", 1)
        await world.until_told(order.key, "MUG-LOGO: 2 -> 1 units")
        await until_refused(world, order, "a fee cannot be changed")
        assert world.erp.orders[order.key].total == entered.total
        # With the first one undone the second alone is carried over.
        put_back_on(world, order, before)
        world.storefront.edit_quantity(external_id, "12", 1)
        await resubmit(world, order)
        await world.until(order.key, lambda v: v.problem is None)
        assert "amounts_differ" not in await world.story(order.key)


async def test_a_note_and_an_address_are_carried_into_the_erp_as_well(world: World, external_id):
    order = untaxed(external_id)
    async with world.working():
        await partly_returned(world, order)
        lines, entered = world.erp.orders[order.key].lines, world.erp.entered[order.key]
        edited = {"note": "Ring twice", "shipping_address": ELSEWHERE}
        world.storefront.replace(told(world, order).model_copy(update=edited))
        await world.start(order, "orders/edited-note")
        await world.until_told(order.key, "Edit carried into")
        assert world.erp.entered[order.key].shipping_address == ELSEWHERE
        said = world.erp.entered[order.key].instructions.splitlines()
        assert said == [*entered.instructions.splitlines(), "Ring twice"]
        assert world.erp.orders[order.key].lines == lines


async def test_of_an_order_of_which_nothing_is_still_to_leave_the_erp_keeps_what_it_has(
    world: World, external_id
):
    order = untaxed(external_id)
    async with world.working():
        await partly_returned(world, order)
        world.erp.ship_all(order.key)
        await world.until(order.key, lambda view: view.attention is Attention.DELIVERED)
        entered = world.erp.entered[order.key]
        world.storefront.replace(told(world, order).model_copy(update={"note": "Thanks"}))
        await world.start(order, "orders/updated")
        await world.until_told(order.key, "The ERP keeps what it has: nothing of it is still to leave.")
        view = await world.until(order.key, lambda view: view.attention is Attention.DELIVERED)
        assert "Edit carried into" not in await world.story(order.key)
    assert view.problem is None
    assert world.erp.entered[order.key] == entered


@pytest.mark.parametrize("line", ["11", "12"], ids=["that came back in part", "beside"])
async def test_units_of_a_line_are_taken_off_in_the_erp_as_well(world: World, external_id, line):
    order = untaxed(external_id)
    async with world.working():
        await partly_returned(world, order)
        entered, before = world.erp.orders[order.key], told(world, order)
        await lower(world, order, line, 1)
        await world.until_told(order.key, "Edit carried into")
        assert (
            entered.total - world.erp.orders[order.key].total == before.total - told(world, order).total > 0
        )
        world.erp.ship_all(order.key)
        await world.until(order.key, lambda view: view.attention is Attention.DELIVERED)


async def test_units_that_leave_although_they_were_taken_off_are_told_and_the_order_goes_on(
    world: World, external_id
):
    order = untaxed(external_id)
    async with world.working():
        await partly_returned(world, order)
        before = told(world, order)
        # What is refused of an edit keeps the rest of it from the ERP, until that has sent the unit.
        world.storefront.replace(before.model_copy(update={"shipping": EXPRESS}))
        await lower(world, order, "11", 1)
        await until_refused(world, order, "a fee cannot be changed")
        world.erp.ship(order.key, "WH-EAST", {"11": 1}, tracking="UPS-2")
        await world.until(order.key, lambda v: v.lines[0].shipped == 3)
        world.storefront.replace(told(world, order).model_copy(update={"shipping": before.shipping}))
        await resubmit(world, order)
        await until_refused(
            world, order, "1 unit of line 11 had been taken off in the store and left all the same"
        )
        put_back_on(world, order, before)
        await resubmit(world, order)
        await world.until(order.key, lambda v: v.problem is None)
        await world.until(order.key, lambda _view: len(told(world, order).fulfillments) == 2)
