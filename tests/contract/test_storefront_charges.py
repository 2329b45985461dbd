"""What every storefront says of tips, duties and fees, and what of them goes back with units."""

from dataclasses import replace
from decimal import Decimal

import pytest

from adapters.requests import CancelUnitsRequest, RefundLine, RefundRequest
from domain.order import LineKind, Order
from domain.planning import plan_sales_order
from domain.quantities import units_returned
from domain.tax_allocation import charged_in, whole_of
from tests.contract.storefront_requests import EURO, TWO_PLACES, line_of, place, refund, shipped
from tests.contract.storefront_worlds import Basket
from tests.order_builder import sandbox_mapping

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("refunds")]

CHARGED = Basket(
    TWO_PLACES.lines, tip=Decimal("5.01"), duty=Decimal("7.77"), fee=Decimal("1.50"), delivery=Decimal("7.31")
)


def adds_up(order: Order) -> bool:
    """The parts come to the total and, where nothing came back, to what the ERP would be asked for."""
    parts = sum((whole_of(order, part).gross for part in charged_in(order)), Decimal(0))
    asked = order.total if units_returned(order) else plan_sales_order(order, sandbox_mapping()).total
    return parts == order.total == asked


def tip_of(order: Order) -> str:
    (tip,) = [line for line in order.lines if line.kind is LineKind.TIP]
    return tip.line_id


async def test_a_tip_a_duty_and_a_fee_are_told_apart_from_goods_and_delivery(storefront_world):
    order = await place(storefront_world, CHARGED)
    tip = next(line for line in order.lines if line.line_id == tip_of(order))
    assert (tip.unit_price, tip.current, tip.sku, tip.requires_shipping) == (Decimal("5.01"), 1, None, False)
    assert [line.line_id for line in order.lines if line.duties] == [line_of(order, "CAP-BLK")]
    assert [duty.price for duty in order.duties] == [Decimal("7.77")]
    assert [tax.amount for duty in order.duties for tax in duty.taxes] == [Decimal("0.49")]
    assert [(fee.title, fee.price) for fee in order.fees] == [("Packaging", Decimal("1.50"))]
    # 149.33 for the goods, 7.31 and 0.46 for delivery.
    assert order.total == Decimal("149.33") + Decimal("7.77") + Decimal("5.01") + Decimal("8.26") + Decimal(
        "1.50"
    )
    assert adds_up(order)


@pytest.mark.parametrize("presentment", [None, EURO], ids=["dollars", "euro"])
async def test_a_duty_goes_back_with_its_units_and_a_tip_stays(storefront_world, presentment):
    storefront = storefront_world.storefront
    order = await shipped(storefront_world, replace(CHARGED, presentment=presentment))
    back = Decimal(0)
    for number, units in enumerate(({"CAP-BLK": 2}, {"CAP-BLK": 1, "MUG-LOGO": 2}, {"CAP-BLK": 2})):
        asked = refund(order, units, key=f"c-{number}")
        quote = await storefront.quote_refund(asked)
        (duty,) = [part for part in quote.parts if part.line_id == order.duties[0].charge_id]
        back += duty.net
        await storefront.refund_order(refund(order, units, key=f"c-{number}", amount="0.50"))
        after = await storefront.read_order(order.key.external_id)
        assert order.total - after.total == quote.total == sum(p.net + p.tax for p in quote.parts)
        assert order.presentment_total - after.presentment_total == quote.presentment_total
        assert order.total_tax - after.total_tax == sum(part.tax for part in quote.parts)
        assert adds_up(after)
        order = after
    assert back == Decimal("7.77")
    assert [duty.price for duty in order.duties] == [0]
    # Tip, fee and delivery are owed still.
    assert order.total == Decimal("5.01") + Decimal("1.50") + Decimal("7.77")


async def test_a_tip_goes_back_where_somebody_asks_for_it(storefront_world):
    storefront = storefront_world.storefront
    order = await shipped(storefront_world, CHARGED)
    back = RefundLine(line_id=tip_of(order), quantity=1)
    asked = RefundRequest(key=order.key, refund_key=f"{order.key}:tip", lines=(back,), note="Tip")
    quote = await storefront.quote_refund(asked)
    assert [(p.line_id, p.net, p.tax) for p in quote.parts] == [(tip_of(order), Decimal("5.01"), 0)]
    money = refund(order, amount="5.01").money
    made = await storefront.refund_order(asked.model_copy(update={"money": money}))
    assert made.amount == Decimal("5.01")
    after = await storefront.read_order(order.key.external_id)
    assert order.total - after.total == Decimal("5.01")
    assert [line.current for line in after.lines if line.kind is LineKind.TIP] == [0]
    assert adds_up(after)


async def test_a_duty_is_not_owed_for_units_that_are_canceled(storefront_world):
    order = await place(storefront_world, CHARGED)
    line = line_of(order, "CAP-BLK")
    done = await storefront_world.storefront.cancel_units(
        CancelUnitsRequest(
            key=order.key, units={line: 2}, total_before=order.presentment_total, reason="not in stock"
        )
    )
    less = done.order
    # 7.77 for five units, and 0.49 of tax.
    assert [duty.price for duty in less.duties] == [Decimal("3.11")]
    assert [tax.amount for duty in less.duties for tax in duty.taxes] == [Decimal("0.20")]
    assert adds_up(less)
    done = await storefront_world.storefront.cancel_units(
        CancelUnitsRequest(
            key=order.key, units={line: 0}, total_before=less.presentment_total, reason="nor these"
        )
    )
    none = done.order
    assert [duty.price for duty in none.duties] == [0]
    assert adds_up(none)


async def test_nothing_of_them_is_owed_once_the_order_is_canceled(storefront_world):
    order = await place(storefront_world, CHARGED)
    canceled = await storefront_world.storefront.cancel_order(order.key.external_id, "changed my mind")
    assert (canceled.total, canceled.total_tax) == (0, 0)
    assert storefront_world.truth(order.key.external_id).total == 0
