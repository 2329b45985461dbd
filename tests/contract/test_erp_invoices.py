"""What every ERP adapter tells of invoices, held against memory and a real Tryton."""

from decimal import Decimal

import pytest

from domain.differences import Acceptance, PlanRefused
from domain.erp_order import ErpInvoiceState, ErpOrder
from domain.order import OrderKey
from domain.planning import plan_sales_order
from tests.contract.order_shapes import SHAPES, sales_order, two_warehouses
from tests.order_builder import make_line, make_order, sandbox_mapping

pytestmark = pytest.mark.asyncio(loop_scope="module")


def billed(order: ErpOrder) -> Decimal:
    """What the buyer is asked for, less what is given back."""
    return sum(
        (
            -x.total if x.is_credit else x.total
            for x in order.invoices
            if x.state is not ErpInvoiceState.CANCELED
        ),
        Decimal(0),
    )


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
async def test_invoices_come_to_the_order_to_the_cent(erp_world, shape):
    storefront = shape(erp_world.new_id())
    submitted = await erp_world.erp.submit_order(sales_order(storefront))
    assert submitted.invoices
    assert billed(submitted) == storefront.total
    assert sum(x.tax for x in submitted.invoices) == storefront.total_tax
    assert all(x.net + x.tax == x.total for x in submitted.invoices)


async def test_a_draft_has_no_number_and_a_posted_invoice_has_the_one_that_accounting_knows(erp_world):
    order = sales_order(two_warehouses(erp_world.new_id()))
    submitted = await erp_world.erp.submit_order(order)
    assert {(x.state, x.number) for x in submitted.invoices} == {(ErpInvoiceState.DRAFT, "")}
    numbers = await erp_world.post_invoices(order.key)
    assert numbers
    found = await erp_world.erp.find_order(order.key)
    assert {(x.state, x.number) for x in found.invoices} == {(ErpInvoiceState.POSTED, n) for n in numbers}
    assert billed(found) == order.total


async def test_the_invoices_of_a_canceled_order_ask_for_nothing(erp_world):
    order = sales_order(two_warehouses(erp_world.new_id()))
    await erp_world.erp.submit_order(order)
    outcome = await erp_world.erp.cancel_order(order.key, "the buyer changed their mind")
    assert outcome.canceled
    assert billed(outcome.order) == 0


async def test_an_accepted_difference_is_told_as_the_adjustment_it_was_entered_as(erp_world):
    mapping = sandbox_mapping()
    key = OrderKey(channel="shop", external_id=erp_world.new_id())
    whole = make_order(key=key, lines=[make_line()])
    storefront = whole.model_copy(
        update={
            "total": whole.total + Decimal("0.01"),
            "presentment_total": whole.total + Decimal("0.01"),
            "total_tax": whole.total_tax + Decimal("0.01"),
        }
    )
    with pytest.raises(PlanRefused) as refused:
        plan_sales_order(storefront, mapping)
    accepted = Acceptance(actor="Ada", reason="a cent", differences=refused.value.differences)
    order = plan_sales_order(storefront, mapping, [accepted])
    submitted = await erp_world.erp.submit_order(order)
    assert submitted.adjustment == Decimal("0.01")
    assert billed(submitted) == submitted.total == storefront.total
