"""Closing goes over the order's ledger: what does not balance stays open until it does."""

from decimal import Decimal

from temporalio.testing import ActivityEnvironment

from activities.contracts import CloseOrder
from domain.status import OrderStatus
from store.cases import Cases
from store.order_view import OrderViews
from tests.order_builder import make_order
from tests.workflows.test_closed_orders import closed
from tests.workflows.world import World
from workflows.messages import Attention


async def test_an_order_whose_invoice_is_a_cent_off_does_not_close_until_accounting_corrected_it(
    world: World, external_id: str
) -> None:
    order = make_order(external_id)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        world.erp.misbill(order.key, Decimal("0.01"))
        world.erp.ship_all(order.key)
        stopped = await world.until_stopped(order.key)
        assert stopped.problem is not None
        assert stopped.problem.cause == "unbalanced:invoiced"
        assert "invoiced less credited: ERP's invoices" in stopped.problem.reason
        assert "difference USD 0.01" in stopped.problem.reason
        (case,) = Cases(world.database).of_order(order.key)
        assert case.cause == "unbalanced:invoiced"
        await handle.signal("resubmit")
        await world.until_told(order.key, "Asked to go on")
        again = await world.until_stopped(order.key)
        assert again.problem is not None
        assert again.problem.reason == stopped.problem.reason
        world.erp.misbill(order.key, Decimal("-0.01"))
        await handle.signal("resubmit")
        result = await handle.result()
    assert result.outcome is Attention.CLOSED


async def test_an_attempt_that_closed_and_was_not_heard_hides_nothing_that_changed_since(
    world: World, external_id: str
) -> None:
    """Temporal makes another attempt where the answer of the first was lost; in between the buyer added something."""
    async with world.working():
        order = await closed(world, external_id)
    before = OrderViews(world.database).get(order.key)
    assert before is not None
    assert before.closed_at is not None
    told = world.storefront.orders[external_id]
    more = {"total": told.total + 8, "presentment_total": told.presentment_total + 8}
    world.storefront.revise(told.model_copy(update=more))
    activities = world.parts.order_activities()
    version = world.parts.mappings.current(order.key.channel).version
    again = CloseOrder(key=order.key, mapping_version=version, revision=10**15)
    closing = await ActivityEnvironment().run(activities.close_order, again)
    assert not closing.report.balanced
    row = OrderViews(world.database).get(order.key)
    assert row is not None
    assert (row.closed_at, row.status) == (None, OrderStatus.SHIPPED)
    assert row.problem.startswith("Not balanced")
