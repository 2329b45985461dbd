"""The memory storefront beyond its contract: what buyers do, and the odd order that no store would make."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from adapters.errors import Rejected
from adapters.memory.storefront import MemoryStorefront
from adapters.requests import CaptureRequest, FulfillmentRequest
from domain.order import FulfillmentLine, OrderKey, PaymentKind, PaymentStatus
from tests.order_builder import VAT, make_discount, make_line, make_order, make_payment, make_shipping

NOW = datetime(2026, 3, 4, 10, 0, tzinfo=UTC)


@pytest.fixture
def shop():
    return MemoryStorefront(clock=lambda: NOW)


def split_order(**overrides):
    line = make_line("11", "TEE-BLK-M", 6, discounts=[make_discount("0.05")])
    placement = {"11": {"101": 4, "102": 2}}
    return make_order(lines=[line], placement=placement, shipping=[make_shipping("5.00")], **overrides)


def remaining(order):
    return {plan.location: sum(line.remaining for line in plan.lines) for plan in order.location_plans}


def ship(units, location="101", tracking="1Z1"):
    return FulfillmentRequest(
        key=OrderKey(channel="shop", external_id="5001"),
        location=location,
        lines=(FulfillmentLine(line_id="11", quantity=units),),
        carrier=None,
        tracking_number=tracking,
    )


async def test_an_edit_takes_units_from_the_location_planned_last_and_money_in_proportion(shop):
    order = shop.place(split_order())
    edited = shop.edit_quantity("5001", "11", 3)
    assert remaining(edited) == {"101": 3, "102": 0}
    assert [plan.open for plan in edited.location_plans] == [True, False]
    (line,) = edited.lines
    assert (line.ordered, line.current) == (6, 3)
    assert [d.amount for d in line.discounts] == [Decimal("0.03")]
    assert edited.total == 3 * line.unit_price - Decimal("0.03") + edited.total_tax + Decimal("5.00")
    assert edited.total_tax == sum(t.amount for t in line.taxes)
    assert await shop.read_order("5001") == edited
    assert edited.total < order.total


async def test_edits_one_after_another_end_where_one_edit_ends(shop):
    shop.place(split_order())
    for current in (5, 4, 2):
        stepwise = shop.edit_quantity("5001", "11", current)
    other = MemoryStorefront()
    other.place(split_order())
    assert other.edit_quantity("5001", "11", 2) == stepwise


async def test_the_buyers_total_follows_an_edit_at_the_same_rate(shop):
    order = split_order(presentment_currency="JPY", presentment_total=Decimal(20000))
    shop.place(order)
    edited = shop.edit_quantity("5001", "11", 3)
    assert edited.presentment_total == round(20000 * edited.total / order.total)


@pytest.mark.parametrize(("line_id", "current"), [("11", 7), ("11", 1), ("99", 1)])
async def test_an_edit_neither_adds_units_nor_takes_back_what_left(shop, line_id, current):
    shop.place(split_order())
    await shop.create_fulfillment(ship(2))
    with pytest.raises(ValueError, match=line_id):
        shop.edit_quantity("5001", line_id, current)
    assert remaining(shop.orders["5001"]) == {"101": 2, "102": 2}


async def test_taxes_included_stay_in_the_price_when_edited(shop):
    line = make_line("11", "MUG-LOGO", 4, tax_rates=VAT, taxes_included=True)
    shop.place(make_order(lines=[line], taxes_included=True))
    edited = shop.edit_quantity("5001", "11", 1)
    assert (edited.total, edited.total_tax) == (Decimal("9.05"), Decimal("1.51"))


async def test_the_buyer_cancels_as_the_shop_does(shop):
    shop.place(split_order())
    canceled = shop.cancel_by_customer("5001")
    assert canceled.canceled_at == NOW
    assert (canceled.total, canceled.presentment_total, canceled.shipping) == (0, 0, ())
    assert remaining(canceled) == {"101": 0, "102": 0}
    assert await shop.cancel_order("5001", "again") == canceled
    with pytest.raises(Rejected, match="#5001 is canceled"):
        await shop.create_fulfillment(ship(1))


async def test_a_cancel_refunds_each_payment_what_is_left_of_it_and_no_failed_one(shop):
    order = split_order()
    payments = (
        make_payment("10.00", PaymentKind.SALE, payment_id="1"),
        make_payment("4.00", PaymentKind.REFUND, payment_id="2", parent_id="1"),
        make_payment("50.00", payment_id="3"),
        make_payment("20.00", PaymentKind.CAPTURE, payment_id="4", parent_id="3"),
        make_payment("30.00", payment_id="5", status=PaymentStatus.FAILED),
    )
    shop.place(order.model_copy(update={"payments": payments}))
    canceled = await shop.cancel_order("5001", "fraud")
    made = [(p.kind, p.parent_id, p.amount) for p in canceled.payments[len(payments) :]]
    assert made == [
        (PaymentKind.REFUND, "1", Decimal("6.00")),
        (PaymentKind.VOID, "3", Decimal("30.00")),
        (PaymentKind.REFUND, "4", Decimal("20.00")),
    ]
    assert canceled.captured == 0


async def test_a_line_named_twice_in_a_shipment_counts_with_both(shop):
    shop.place(split_order())
    request = ship(2)
    twice = request.model_copy(update={"lines": (*request.lines, *request.lines)})
    made = await shop.create_fulfillment(twice)
    assert [(x.line_id, x.quantity) for x in made.lines] == [("11", 4)]
    assert remaining(shop.orders["5001"]) == {"101": 0, "102": 2}
    with pytest.raises(Rejected, match="1 units of line 11 are not open at location 101 or any other"):
        await shop.create_fulfillment(ship(3, tracking="1Z2"))


async def test_a_pending_capture_counts_and_a_failed_one_does_not(shop):
    order = split_order()
    attempts = (
        make_payment(order.total, payment_id="1"),
        make_payment(
            "5.00", PaymentKind.CAPTURE, payment_id="2", parent_id="1", status=PaymentStatus.PENDING
        ),
        make_payment("7.00", PaymentKind.CAPTURE, payment_id="3", parent_id="1", status=PaymentStatus.FAILED),
    )
    shop.place(order.model_copy(update={"payments": attempts}))
    request = CaptureRequest(key=order.key, authorization_id="1", capture_up_to=Decimal("9.00"))
    assert [p.amount for p in await shop.capture_payment(request)] == [Decimal("5.00"), Decimal("4.00")]


async def test_orders_of_another_channel_are_not_taken(shop):
    with pytest.raises(ValueError, match="outlet:5001"):
        shop.place(make_order(channel="outlet"))
    shop.place(make_order())
    key = OrderKey(channel="outlet", external_id="5001")
    with pytest.raises(Rejected) as caught:
        await shop.create_fulfillment(ship(1).model_copy(update={"key": key}))
    assert caught.value.cause == "order_unknown"


async def test_an_id_is_placed_once_and_replaced_at_will(shop):
    shop.place(make_order())
    with pytest.raises(ValueError, match="placed already"):
        shop.place(make_order())
    changed = make_order(note="ring twice")
    shop.replace(changed)
    assert await shop.read_order("5001") == changed
