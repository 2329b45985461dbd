"""Closing goes over the order's ledger: what does not balance stays open until it does."""

from decimal import Decimal

from store.cases import Cases
from tests.order_builder import make_order
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
