"""What every ERP adapter tells of invoices, held against memory and a real Tryton."""

from decimal import Decimal

import pytest

from domain.balance import compare_orders
from domain.differences import Acceptance, PlanRefused
from domain.erp_order import ErpInvoiceState, ErpOrder
from domain.order import Order, OrderKey
from domain.planning import plan_sales_order
from tests.contract.order_shapes import SHAPES, sales_order, two_warehouses
from tests.order_builder import make_discount, make_line, make_order, sandbox_mapping

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


def with_odd_cents(external_id: str, units: int, discount: str) -> Order:
    """Units at 5.00 and at 9.99 with a discount. Of four no cent is off; of three a tax is, and the discounted net."""
    lines = [
        make_line("11", "CAP-BLK", units, unit_price="5.00"),
        make_line("12", "MUG-LOGO", units, unit_price="9.99", discounts=[make_discount(discount)]),
    ]
    return make_order(external_id, lines=lines)


async def test_units_come_off_a_partly_shipped_order_to_the_cent_and_so_do_its_invoices(erp_world):
    before = with_odd_cents(erp_world.new_id(), 4, "0.02")
    now = with_odd_cents(before.key.external_id, 3, "0.01")
    submitted = await erp_world.erp.submit_order(sales_order(before))
    assert submitted.tax_adjustments == ()
    assert {line.line_id: line.quantity for line in submitted.lines} == {"11": 4, "12": 4}
    await erp_world.ship(now.key, "WH-EAST", part=True)
    outcome = await erp_world.erp.amend_order(sales_order(now))
    assert outcome.refused == ()
    assert compare_orders(now, outcome.order, sandbox_mapping()) == ()
    assert billed(outcome.order) == now.total
    assert (await erp_world.books(now.key)).total == now.total
    again = await erp_world.erp.amend_order(sales_order(now))
    assert (again.order, again.refused) == (outcome.order, ())
    await erp_world.ship(now.key, "WH-EAST", part=False)
    await erp_world.post_invoices(now.key)
    closed = await erp_world.erp.find_order(now.key)
    assert compare_orders(now, closed, sandbox_mapping()) == ()
    assert billed(closed) == now.total
    assert sum(line.quantity for shipment in closed.shipments for line in shipment.lines) == 6
