"""What every ERP makes of tips, duties and fees: entered to the cent, shipped by nobody, credited where asked."""

from decimal import Decimal

import pytest

from adapters.errors import Rejected
from domain.erp_order import COUNTED, ErpReturnState, SalesLineKind, SalesOrder
from domain.returns import CreditLine
from tests.contract.coming_back import EAST, billed, came_in, credit_of, the_return, units
from tests.contract.erp_worlds import ErpWorld
from tests.contract.order_shapes import sales_order
from tests.order_builder import US_TAXES, make_charge, make_line, make_order, make_shipping, make_tip

pytestmark = pytest.mark.asyncio(loop_scope="module")


def charged(external_id: str) -> SalesOrder:
    """Three tees with a duty and its taxes, a fee and a tip."""
    duty = make_charge("7.77", "duty-71", tax_rates=US_TAXES)
    fee = make_charge("1.50", "fee-81", title="Packaging")
    lines = (make_line("11", ordered=3, duties=(duty,)), make_tip("5.01"))
    return sales_order(make_order(external_id, lines=lines, fees=(fee,), shipping=[make_shipping()]))


async def test_they_are_entered_to_the_cent_and_no_parcel_holds_them(erp_world: ErpWorld):
    order = charged(erp_world.new_id())
    held = await erp_world.erp.submit_order(order)
    assert (held.total, {t.code: t.amount for t in held.taxes}) == (
        order.total,
        {t.code: t.amount for t in order.taxes},
    )
    assert {line.line_id: line.product for line in held.lines} == {
        "11": "TEE-BLK-M",
        "19": "TIP",
        "901": "SHIPPING",
        "duty-71": "DUTY",
        "fee-81": "SURCHARGE",
    }
    assert [units(shipment.lines) for shipment in held.shipments] == [{"11": 3}]
    # Said again, it is not entered again.
    assert await erp_world.erp.submit_order(order) == held


async def test_a_duty_is_credited_with_what_came_back_and_a_tip_without_any_goods(erp_world: ErpWorld):
    order = charged(erp_world.new_id())
    await erp_world.erp.submit_order(order)
    await erp_world.ship(order.key, EAST, part=False)
    await came_in(erp_world, order, line_11=1)
    back = credit_of(order, restocked={"11": 1})
    duty = CreditLine(
        line_id="duty-71", kind=SalesLineKind.DUTY, product="DUTY", quantity=1, net=Decimal("2.59")
    )
    back = back.model_copy(update={"lines": (*back.lines, duty), "total": back.total + Decimal("2.59")})
    credited = await erp_world.erp.credit_return(back)
    settled = the_return(credited)
    assert (settled.state, settled.total, units(settled.credited)) == (
        ErpReturnState.SETTLED,
        back.total,
        {"11": 1},
    )
    (tip,) = [line for line in credit_of(order, "2", scrapped={"19": 1}).lines if line.kind in COUNTED]
    alone = credit_of(order, "2", scrapped={"19": 1}).model_copy(
        update={"lines": (tip,), "total": Decimal("5.01"), "taxes": ()}
    )
    after = await erp_world.erp.credit_return(alone)
    assert units(the_return(after, "2").credited) == {"19": 1}
    assert billed(after) == order.total - back.total - Decimal("5.01")


async def test_a_charge_whose_product_the_erp_lacks_names_it(erp_world: ErpWorld):
    order = charged(erp_world.new_id())
    lines = tuple(
        line.model_copy(update={"product": "NO-SUCH"}) if line.kind is SalesLineKind.DUTY else line
        for line in order.lines
    )
    with pytest.raises(Rejected) as caught:
        await erp_world.erp.submit_order(order.model_copy(update={"lines": lines}))
    assert caught.value.cause.startswith("product_unknown:")
    assert caught.value.cause.endswith(":NO-SUCH")
