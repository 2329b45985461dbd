"""Money taken follows what was delivered: never more than allowed, all of it at the end, in any number of parcels."""

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.capture import CaptureStep, delivered_presentment, delivered_value, plan_captures
from domain.money import minor_digits, round_money
from domain.order import Fulfillment, FulfillmentLine, Order, Payment, PaymentKind, PaymentStatus
from domain.quantities import QuantitiesBroken
from tests.order_builder import (
    US_TAXES,
    VAT,
    make_discount,
    make_line,
    make_order,
    make_payment,
    make_plans,
    make_shipping,
)
from tests.order_strategy import orders


def capture(amount, parent_id="801", status=PaymentStatus.SUCCESS, payment_id="901"):
    return make_payment(
        amount, PaymentKind.CAPTURE, payment_id=payment_id, parent_id=parent_id, status=status
    )


def follow(order: Order, steps: tuple[CaptureStep, ...]) -> Order:
    """What a storefront does with the steps: one capture each, of what is missing."""
    payments = list(order.payments)
    for step in steps:
        (authorization,) = [p for p in payments if p.payment_id == step.authorization_id]
        taken = sum(p.presentment_amount for p in payments if p.parent_id == step.authorization_id)
        more = step.capture_up_to - taken
        assert more > 0
        assert step.capture_up_to <= authorization.presentment_amount
        payments.append(capture(more, step.authorization_id, payment_id=f"9{len(payments)}"))
    return order.model_copy(update={"payments": tuple(payments)})


def taken(payments: tuple[Payment, ...]) -> Decimal:
    return sum((p.presentment_amount for p in payments if p.kind in {"sale", "capture"}), Decimal(0))


@st.composite
def deliveries(draw, order: Order) -> list[dict[str, int]]:
    """Cumulative units delivered after each parcel, ending with everything."""
    units = [line.line_id for line in order.lines for _ in range(line.current)]
    delivered: dict[str, int] = {}
    steps = []
    for line_id in draw(st.permutations(units)):
        delivered[line_id] = delivered.get(line_id, 0) + 1
        if draw(st.booleans()):
            steps.append(dict(delivered))
    return [*steps, delivered]


@given(orders(), st.data())
def test_value_delivered_never_falls_and_ends_at_the_total(order, data):
    values = [delivered_value(order, delivered) for delivered in data.draw(deliveries(order))]
    assert values == sorted(values)
    assert all(0 <= value <= order.total and value == round_money(value, order.currency) for value in values)
    assert values[-1] == order.total
    if any(line.current for line in order.lines):
        assert delivered_value(order, {}) == 0


@given(orders(), st.data())
def test_captures_follow_any_sequence_of_parcels_and_sum_up_exactly(order, data):
    current = order
    sales = taken(order.payments)
    for delivered in data.draw(deliveries(order)):
        steps = plan_captures(current, delivered)
        current = follow(current, steps)
        assert taken(current.payments) == max(sales, delivered_presentment(order, delivered))
        assert plan_captures(current, delivered) == ()
        for step in steps:
            digits = minor_digits(order.presentment_currency)
            assert step.capture_up_to == round(step.capture_up_to, digits)
    assert taken(current.payments) == order.presentment_total
    for authorization in (p for p in order.payments if p.kind is PaymentKind.AUTHORIZATION):
        captured = sum(
            p.presentment_amount for p in current.payments if p.parent_id == authorization.payment_id
        )
        assert captured == authorization.presentment_amount


@given(orders(), st.data())
def test_a_lost_reading_of_captures_in_between_changes_nothing(order, data):
    """Captures that one plan asks for twice are the same captures: up to an amount, not of an amount."""
    steps = data.draw(deliveries(order))
    delivered = data.draw(st.sampled_from(steps))
    assert plan_captures(order, delivered) == plan_captures(order, dict(reversed(delivered.items())))
    jumped = follow(order, plan_captures(order, steps[-1]))
    for earlier in steps:
        assert plan_captures(jumped, earlier) == ()


def test_a_line_is_worth_its_cumulative_share_with_tax_and_discount():
    line = make_line(ordered=3, unit_price="3.35", discounts=[make_discount("0.04")], tax_rates=US_TAXES)
    order = make_order(lines=[line])
    assert order.total == Decimal("10.79")  # 10.01 + 0.63 + 0.15
    values = [delivered_value(order, {"11": units}) for units in range(4)]
    assert values == [0, Decimal("3.60"), Decimal("7.19"), Decimal("10.79")]
    assert [high - low for low, high in pairwise(values)] == [
        Decimal("3.60"),
        Decimal("3.59"),
        Decimal("3.60"),
    ]


def test_tax_in_the_price_is_not_counted_twice():
    line = make_line(ordered=2, unit_price="12.00", tax_rates=VAT, taxes_included=True)
    order = make_order(
        lines=[line],
        taxes_included=True,
        shipping=[make_shipping("6.00", tax_rates=VAT, taxes_included=True)],
    )
    assert delivered_value(order, {"11": 1}) == Decimal("18.00")


def test_delivery_and_what_needs_no_parcel_go_with_the_first_unit():
    digital = make_line("12", "STICKER", 2, unit_price="1.00", tax_rates=(), requires_shipping=False)
    goods = make_line(ordered=2, unit_price="10.00", tax_rates=())
    order = make_order(
        lines=[goods, digital], shipping=[make_shipping("7.50", tax_rates=[("State Tax", Decimal("0.0625"))])]
    )
    assert delivered_value(order, {}) == 0
    assert delivered_value(order, {"11": 0}) == 0
    assert delivered_value(order, {"11": 1}) == Decimal("19.97")
    assert delivered_value(order, {"11": 2}) == order.total == Decimal("29.97")


def test_delivery_alone_is_due_where_every_line_was_edited_away():
    order = make_order(lines=[make_line(ordered=1, current=0)], shipping=[make_shipping("7.50")])
    assert plan_captures(order, {}) == (CaptureStep(authorization_id="801", capture_up_to=Decimal("7.50")),)


def test_units_that_came_back_are_worth_nothing():
    order = make_order(lines=[make_line(ordered=3, current=2, unit_price="5.00", tax_rates=())])
    assert delivered_value(order, {"11": 3}) == Decimal("10.00")


def test_units_that_came_back_are_worth_nothing_while_others_are_still_to_leave():
    order = make_order(lines=[make_line(ordered=4, current=3, unit_price=10, tax_rates=())])
    left = Fulfillment(fulfillment_id="1", location="101", lines=(FulfillmentLine(line_id="11", quantity=2),))
    plans = make_plans({"11": {"101": 2}})
    order = order.model_copy(update={"fulfillments": (left,), "location_plans": plans})
    assert delivered_value(order, {"11": 2}) == 10
    assert delivered_value(order, {"11": 4}) == order.total == 30


def test_a_line_that_is_not_on_the_order_is_refused():
    with pytest.raises(QuantitiesBroken, match="line 99: was delivered but is not on order shop:5001"):
        delivered_value(make_order(), {"99": 1})


HUNDRED = [make_line(ordered=4, unit_price="25.00", tax_rates=())]


def hundred(*payments: Payment, **overrides) -> Order:
    return make_order(lines=HUNDRED, payments=payments, **overrides)


def steps(order: Order, units: int) -> list[tuple[str, Decimal]]:
    return [(x.authorization_id, x.capture_up_to) for x in plan_captures(order, {"11": units})]


def test_a_gift_card_pays_first():
    order = hundred(
        make_payment("30.00", PaymentKind.SALE, payment_id="1", gateway="gift_card"),
        make_payment("70.00", payment_id="2"),
    )
    assert steps(order, 1) == []
    assert steps(order, 2) == [("2", Decimal("20.00"))]
    assert steps(order, 4) == [("2", Decimal("70.00"))]


def test_authorizations_are_used_in_their_order_up_to_their_amounts():
    order = hundred(make_payment("40.00", payment_id="1"), make_payment("60.00", payment_id="2"))
    assert steps(order, 1) == [("1", Decimal("25.00"))]
    assert steps(order, 3) == [("1", Decimal("40.00")), ("2", Decimal("35.00"))]


def test_what_was_captured_by_hand_on_a_later_authorization_counts():
    order = hundred(
        make_payment("40.00", payment_id="1"), make_payment("60.00", payment_id="2"), capture("20.00", "2")
    )
    assert steps(order, 1) == [("1", Decimal("5.00"))]
    assert steps(order, 4) == [("1", Decimal("40.00")), ("2", Decimal("60.00"))]


def test_a_capture_on_its_way_is_not_asked_for_twice_and_a_failed_one_is():
    under_way = hundred(make_payment("100.00"), capture("25.00", status=PaymentStatus.PENDING))
    assert steps(under_way, 1) == []
    assert steps(under_way, 2) == [("801", Decimal("50.00"))]
    failed = hundred(make_payment("100.00"), capture("25.00", status=PaymentStatus.FAILED))
    assert steps(failed, 1) == [("801", Decimal("25.00"))]


def test_never_above_what_is_authorized():
    assert steps(hundred(make_payment("60.00")), 4) == [("801", Decimal("60.00"))]
    assert steps(hundred(make_payment("60.00"), capture("60.00")), 4) == []


def test_failed_pending_and_voided_authorizations_are_not_used():
    for payments in (
        (make_payment("100.00", status=PaymentStatus.FAILED),),
        (make_payment("100.00", status=PaymentStatus.PENDING),),
        (make_payment("100.00"), make_payment("100.00", PaymentKind.VOID, payment_id="2", parent_id="801")),
    ):
        assert steps(hundred(*payments), 4) == []


def test_a_transfer_that_is_still_awaited_is_no_money_yet():
    order = hundred(
        make_payment(
            "50.00", PaymentKind.SALE, payment_id="1", gateway="manual", status=PaymentStatus.PENDING
        ),
        make_payment("50.00", payment_id="2"),
    )
    assert steps(order, 1) == [("2", Decimal("25.00"))]


def test_refunded_money_is_not_taken_again():
    refund = make_payment("10.00", PaymentKind.REFUND, payment_id="3", parent_id="801")
    assert steps(hundred(make_payment("100.00"), capture("50.00"), refund), 2) == []


def test_captures_are_in_the_currency_the_buyer_pays():
    order = hundred(
        make_payment("100.00", presentment_amount="15137"),
        presentment_currency="JPY",
        presentment_total=Decimal(15137),
    )
    assert [steps(order, units) for units in range(5)] == [
        [],
        [("801", Decimal(3784))],
        [("801", Decimal(7569))],
        [("801", Decimal(11353))],
        [("801", Decimal(15137))],
    ]
