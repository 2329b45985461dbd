"""When money is taken by rule, what may leave unpaid, and what is said of an authorization that expires."""

from datetime import timedelta
from decimal import Decimal
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.memory.order_changes import after_capture
from domain.capture import (
    CaptureStep,
    captured_of,
    delivered_presentment,
    live_authorizations,
    plan_captures,
    taken_presentment,
)
from domain.mapping import CompanyRule, Mapping
from domain.order import Customer, Order, Payment, PaymentKind, PaymentStatus
from domain.payment_outlook import PaymentOutlook, look_ahead, unpaid
from domain.payment_rules import ALL_AT_ONCE, CaptureRule, ExpiryRule, GatewayRules, PaymentRules
from tests.order_builder import PLACED_AT, make_line, make_order, make_payment, sandbox_mapping
from tests.order_strategy import orders

AT_ORDER = PaymentRules(capture=CaptureRule.AT_ORDER)
AT_FIRST = PaymentRules(capture=CaptureRule.AT_FIRST_SHIPMENT)
RULES = st.builds(
    PaymentRules,
    capture=st.sampled_from(CaptureRule),
    gateways=st.dictionaries(
        st.sampled_from(("shopify_payments", "gift_card")),
        st.builds(GatewayRules, capture=st.none() | st.sampled_from(CaptureRule)),
    ),
)


def follow(order: Order, delivered: dict[str, int], rules: PaymentRules) -> Order:
    """A storefront that does what is planned: one capture a step, of what is missing, never above what it allows."""
    payments = list(order.payments)
    for step in plan_captures(order, delivered, rules):
        (authorization,) = [p for p in payments if p.payment_id == step.authorization_id]
        captured = sum(p.presentment_amount for p in payments if p.parent_id == step.authorization_id)
        assert captured < step.capture_up_to <= authorization.presentment_amount
        payments.append(
            make_payment(
                step.capture_up_to - captured,
                PaymentKind.CAPTURE,
                payment_id=f"9{len(payments)}",
                parent_id=step.authorization_id,
            )
        )
    return order.model_copy(update={"payments": tuple(payments)})


@given(orders(), RULES, st.data())
def test_under_every_rule_money_only_grows_and_ends_exactly_at_the_total(order, rules, data):
    units = [line.line_id for line in order.lines for _ in range(line.current)]
    delivered: dict[str, int] = {}
    paid = follow(order, delivered, rules)
    eager = sum(
        p.presentment_amount
        for p in order.payments
        if p.kind is PaymentKind.AUTHORIZATION and rules.capture_of(p.gateway) is CaptureRule.AT_ORDER
    )
    sales = taken_presentment(order)
    if units:
        assert taken_presentment(paid) == min(order.presentment_total, sales + eager)
    for line_id in data.draw(st.permutations(units)):
        delivered[line_id] = delivered.get(line_id, 0) + 1
        before, paid = paid, follow(paid, delivered, rules)
        assert taken_presentment(before) <= taken_presentment(paid) <= order.presentment_total
        assert plan_captures(paid, delivered, rules) == (), "asked again it takes nothing"
        # What was delivered is always paid for, and what is not taken sooner by rule waits for its parcel.
        assert taken_presentment(paid) >= delivered_presentment(order, delivered)
        if rules.capture is CaptureRule.EACH_SHIPMENT and not rules.gateways:
            assert taken_presentment(paid) == max(sales, delivered_presentment(order, delivered))
    assert taken_presentment(paid) == order.presentment_total


@given(orders(), RULES, st.data())
def test_plans_that_crossed_take_nothing_twice(order, rules, data):
    """A call whose answer was late is made anew beside the old one: both plans are carried out, in any turn."""
    units = {line.line_id: data.draw(st.integers(0, line.current)) for line in order.lines}
    first = list(plan_captures(order, units, rules))
    seen = data.draw(st.integers(0, len(first)))
    between = carry_out(order, first[:seen])
    second = list(plan_captures(between, units, rules))
    turns = data.draw(st.permutations([*["first"] * len(first[seen:]), *["second"] * len(second)]))
    left = {"first": iter(first[seen:]), "second": iter(second)}
    crossed = carry_out(between, [next(left[turn]) for turn in turns])
    assert taken_presentment(crossed) == taken_presentment(carry_out(order, first))
    for authorization in live_authorizations(crossed):
        assert captured_of(crossed, authorization) <= authorization.presentment_amount


def carry_out(order: Order, steps: list[CaptureStep]) -> Order:
    """The memory storefront's captures, one after the other."""
    ids = count(9001)
    for step in steps:
        (authorization,) = [p for p in order.payments if p.payment_id == step.authorization_id]
        order = after_capture(order, authorization, step.capture_up_to, PLACED_AT, lambda: str(next(ids)))
    return order


@given(orders(), RULES)
def test_all_at_once_leaves_nothing_to_take_whatever_the_rules(order, rules):
    paid = follow(order, {}, ALL_AT_ONCE)
    assert taken_presentment(paid) == order.presentment_total
    everything = {line.line_id: line.current for line in order.lines}
    assert plan_captures(paid, everything, rules) == ()


FOUR = (make_line(ordered=4, unit_price="25.00", tax_rates=()),)
CARD = make_payment("60.00", payment_id="1")
WIRE = make_payment("40.00", payment_id="2", gateway="manual")


def hundred(*payments: Payment, **overrides) -> Order:
    return make_order(lines=FOUR, payments=payments, **overrides)


def steps(order: Order, units: int, rules: PaymentRules, at=None) -> list[tuple[str, str]]:
    plan = plan_captures(order, {"11": units} if units else {}, rules, at)
    return [(step.authorization_id, str(step.capture_up_to)) for step in plan]


def test_at_order_takes_all_before_anything_leaves():
    assert steps(hundred(CARD, WIRE), 0, AT_ORDER) == [("1", "60.00"), ("2", "40.00")]
    gift = make_payment("30.00", PaymentKind.SALE, payment_id="3", gateway="gift_card")
    assert steps(hundred(gift, make_payment("70.00")), 0, AT_ORDER) == [("801", "70.00")]


def test_at_the_first_shipment_the_first_unit_takes_all():
    assert steps(hundred(CARD, WIRE), 0, AT_FIRST) == []
    assert steps(hundred(CARD, WIRE), 1, AT_FIRST) == [("1", "60.00"), ("2", "40.00")]


def test_a_gateway_may_have_its_own_rule_and_its_money_counts_for_the_first_parcels():
    rules = PaymentRules(gateways={"manual": GatewayRules(capture=CaptureRule.AT_ORDER)})
    order = hundred(CARD, WIRE)
    assert steps(order, 0, rules) == [("2", "40.00")]
    # Had the first capture failed: what is taken at once covers the first parcel, the card the rest of the second.
    assert steps(order, 1, rules) == [("2", "40.00")]
    assert steps(order, 2, rules) == [("2", "40.00"), ("1", "10.00")]


def test_more_authorized_than_the_order_comes_to_is_never_taken():
    order = hundred(CARD, make_payment("80.00", payment_id="2"))
    assert steps(order, 0, AT_ORDER) == [("1", "60.00"), ("2", "40.00")]


def test_an_authorization_that_expired_is_used_last():
    old = make_payment("100.00", payment_id="1").model_copy(update={"expires_at": PLACED_AT})
    new = make_payment("100.00", payment_id="2")
    assert steps(hundred(old, new), 4, AT_ORDER, PLACED_AT) == [("2", "100.00")]
    assert steps(hundred(old, new), 4, AT_ORDER, PLACED_AT - timedelta(seconds=1)) == [("1", "100.00")]
    # Whether it may still be captured is the storefront's to say.
    assert steps(hundred(old), 4, AT_ORDER, PLACED_AT) == [("1", "100.00")]


AWAITED = make_payment(
    "40.00", PaymentKind.SALE, payment_id="2", gateway="manual", status=PaymentStatus.PENDING
)


@pytest.mark.parametrize(
    ("payments", "missing"),
    [
        ((), "100.00"),
        ((CARD,), "40.00"),
        ((CARD, AWAITED), "40.00"),
        ((CARD, WIRE), "0"),
        ((CARD, make_payment("40.00", PaymentKind.SALE, payment_id="2")), "0"),
        ((make_payment("100.00", status=PaymentStatus.FAILED),), "100.00"),
        ((make_payment("100.00"), make_payment("100.00", PaymentKind.VOID, parent_id="801")), "100.00"),
        (
            (
                make_payment("100.00"),
                make_payment("30.00", PaymentKind.CAPTURE, payment_id="2", parent_id="801"),
                make_payment("70.00", PaymentKind.VOID, payment_id="3", parent_id="801"),
            ),
            "70.00",
        ),
        (
            (
                make_payment("100.00", PaymentKind.SALE),
                make_payment("25.00", PaymentKind.REFUND, payment_id="2", parent_id="801"),
            ),
            "25.00",
        ),
    ],
)
def test_unpaid_is_what_is_neither_paid_nor_promised(payments, missing):
    order = hundred(*payments)
    assert unpaid(order, PaymentRules(), PLACED_AT) == Decimal(missing)
    assert unpaid(order, PaymentRules(ship_unpaid=True), PLACED_AT) == 0


def test_a_gateway_that_pays_on_delivery_holds_nothing_up():
    rules = PaymentRules(gateways={"manual": GatewayRules(ship_unpaid=True)})
    assert unpaid(hundred(CARD, AWAITED), rules, PLACED_AT) == 0
    assert unpaid(hundred(CARD), rules, PLACED_AT) == 40, "but nobody has promised to pay that way"
    careful = PaymentRules(ship_unpaid=False, gateways={"manual": GatewayRules(capture=CaptureRule.AT_ORDER)})
    assert unpaid(hundred(CARD, AWAITED), careful, PLACED_AT) == 40


def outlook(order: Order, mapping: Mapping) -> PaymentOutlook:
    return look_ahead(order, mapping, PLACED_AT)


def test_a_company_on_terms_pays_later():
    buyer = Customer(name="Buyer", company_id="301")
    order = hundred(customer=buyer)
    assert outlook(order, sandbox_mapping()).unpaid == 100
    terms = {"301": CompanyRule(party="C-WHOLESALE", payment_terms="30 days net")}
    assert outlook(order, sandbox_mapping(companies=terms)).unpaid == 0
    assert outlook(hundred(), sandbox_mapping(companies=terms)).unpaid == 100


def test_what_is_due_at_the_order_is_due_until_it_is_taken():
    mapping = sandbox_mapping(payments=AT_ORDER)
    order = hundred(CARD, WIRE)
    assert outlook(order, mapping).capture_now
    assert not look_ahead(order, mapping, PLACED_AT, captures=False).capture_now
    assert not outlook(order, sandbox_mapping()).capture_now
    assert not outlook(order, sandbox_mapping(payments=AT_FIRST)).capture_now
    assert not outlook(follow(order, {}, AT_ORDER), mapping).capture_now
    canceled = order.model_copy(update={"canceled_at": PLACED_AT})
    assert outlook(canceled, mapping) == PaymentOutlook()


def test_what_expires_is_told_soonest_first_with_what_would_be_lost():
    week, month = PLACED_AT + timedelta(days=7), PLACED_AT + timedelta(days=30)
    late, soon = (
        payment.model_copy(update={"expires_at": at}) for payment, at in ((CARD, month), (WIRE, week))
    )
    mapping = sandbox_mapping(payments=PaymentRules(on_expiry=ExpiryRule.CAPTURE, expiry_notice_hours=48))
    first, second = outlook(hundred(late, soon), mapping).expiring
    assert (first.gateway, first.amount, first.expires_at) == ("manual", 40, week)
    assert (first.notice_at, first.rule) == (PLACED_AT + timedelta(days=5), ExpiryRule.CAPTURE)
    assert (second.gateway, second.amount, second.expires_at) == ("shopify_payments", 60, month)

    part = make_payment("30.00", PaymentKind.CAPTURE, payment_id="9", parent_id="2")
    assert [e.amount for e in outlook(hundred(late, soon, part), mapping).expiring] == [10, 60]
    taken = follow(hundred(late, soon), {}, ALL_AT_ONCE)
    assert outlook(taken, mapping).expiring == ()
    assert outlook(hundred(CARD, WIRE), mapping).expiring == ()
    assert look_ahead(hundred(late, soon), mapping, PLACED_AT, captures=False).expiring == ()


def test_an_authorization_that_expired_promises_nothing():
    ends = CARD.model_copy(update={"expires_at": PLACED_AT})
    assert unpaid(hundred(ends, WIRE), PaymentRules(), PLACED_AT - timedelta(seconds=1)) == 0
    assert unpaid(hundred(ends, WIRE), PaymentRules(), PLACED_AT) == 60
    part = make_payment("25.00", PaymentKind.CAPTURE, payment_id="9", parent_id="1")
    assert unpaid(hundred(ends, WIRE, part), PaymentRules(), PLACED_AT) == 35
    assert len(outlook(hundred(ends, WIRE), sandbox_mapping()).expiring) == 1, "its money is still missing"


@pytest.mark.parametrize(("again", "at_risk"), [("100.00", []), ("70.00", [30]), ("10.00", [60])])
@pytest.mark.parametrize("days", [30, None])
def test_what_the_buyer_promised_anew_for_longer_is_not_lost(again, at_risk, days):
    """Of 100.00 in all 60.00 are promised for a week."""
    ends = CARD.model_copy(update={"expires_at": PLACED_AT + timedelta(days=7)})
    until = PLACED_AT + timedelta(days=days) if days else None
    anew = make_payment(again, payment_id="8").model_copy(update={"expires_at": until})
    found = outlook(hundred(ends, anew), sandbox_mapping()).expiring
    assert [each.amount for each in found if each.expires_at == ends.expires_at] == at_risk
