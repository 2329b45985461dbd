"""What is credited and paid back, for any order: nothing is lost, nothing given twice, both sides fall by the same."""

from collections import Counter
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.memory.giving_back import after_refund, quote
from adapters.memory.order_changes import after_capture, after_shipping
from adapters.requests import RefundLine, RefundRequest
from domain.adding_up import credited_by
from domain.balance import check_closing
from domain.capture import plan_captures
from domain.erp_order import ErpOrder, ErpReturn, ErpReturnState
from domain.mapping import Mapping
from domain.money import round_money
from domain.order import Discount, DiscountScope, Fulfillment, FulfillmentLine, Order, Payment, PaymentKind
from domain.planning import plan_sales_order
from domain.quantities import units_returned
from domain.refunds import (
    NotTakenYet,
    credit_for,
    fees_presentment,
    given_back_earlier,
    money_back,
    refunded_presentment,
)
from domain.return_rules import ReturnRules
from tests.order_builder import (
    after_leaving,
    make_erp_order,
    make_line,
    make_order,
    make_payment,
    make_shipment,
)
from tests.order_strategy import orders, wide_mapping

TAKEN = frozenset({PaymentKind.CAPTURE, PaymentKind.SALE})
FEE = ReturnRules(fee_percent=Decimal("12.5"), fee_product="RESTOCKING-FEE")


def delivered(order: Order) -> tuple[Order, ErpOrder]:
    """Everything left and was told, its money is taken, and the ERP holds it as it was sold."""
    mapping = wide_mapping()
    sold = plan_sales_order(order, mapping)
    parcels: dict[str, Counter[str]] = {}
    for line in sold.lines:
        if line.warehouse and line.quantity:
            parcels.setdefault(line.warehouse, Counter())[line.line_id] += line.quantity
    ids = iter(range(1, 10_000))
    shipments = []
    for number, (warehouse, units) in enumerate(sorted(parcels.items())):
        made = Fulfillment(
            fulfillment_id=f"f{number}",
            location=mapping.location_of(warehouse),
            lines=tuple(FulfillmentLine(line_id=line, quantity=n) for line, n in units.items()),
        )
        order = after_shipping(order, made, lambda: f"m{next(ids)}")
        shipments.append(make_shipment(dict(units), shipment_id=str(number), warehouse=warehouse))
    left = {line.line_id: line.current for line in order.lines}
    for step in plan_captures(order, left):
        payment = next(p for p in order.payments if p.payment_id == step.authorization_id)
        order = after_capture(order, payment, step.capture_up_to, order.placed_at, lambda: f"c{next(ids)}")
    return order, make_erp_order(sold, shipments)


def give_back(
    order: Order, placed: Order, erp: ErpOrder, units: dict[str, int], mapping: Mapping
) -> tuple[Order, ErpOrder, Decimal]:
    """One return, as the activities do it; returns both sides after it and what the buyer got."""
    request = RefundRequest(
        key=order.key,
        refund_key="r",
        lines=tuple(RefundLine(line_id=line, quantity=n) for line, n in units.items() if n),
    )
    quoted = quote(order, placed, request)
    credit = credit_for(order, quoted.parts, mapping)
    money = money_back(order, erp, quoted.presentment_total, credit.fee)
    ids = iter(range(1, 10_000))
    after = after_refund(
        order,
        placed,
        request.model_copy(update={"money": money}),
        lambda: f"r{len(order.payments)}-{next(ids)}",
    )
    assert order.total - after.total == quoted.total == credit.total + credit.fee
    settled = ErpReturn(
        return_id=f"r{len(erp.returns)}",
        number=f"R{len(erp.returns)}",
        state=ErpReturnState.SETTLED,
        credited=credited_by(credit.lines),
        total=credit.total,
        taxes=credit.taxes,
        fee=credit.fee,
    )
    held = erp.model_copy(update={"returns": (*erp.returns, settled)})
    return after, held, sum((part.amount for part in money), Decimal(0))


@given(orders(), st.data())
def test_any_sequence_of_returns_stays_balanced_to_the_cent(placed, data):
    mapping = wide_mapping().model_copy(update={"returns": data.draw(st.sampled_from([ReturnRules(), FEE]))})
    order, erp = delivered(placed)
    came_back: Counter[str] = Counter()
    for _ in range(data.draw(st.integers(1, 3))):
        units = {
            line.line_id: data.draw(st.integers(0, line.current))
            for line in order.lines
            if line.requires_shipping
        }
        if not any(units.values()):
            continue
        order, erp, _ = give_back(order, placed, erp, units, mapping)
        came_back.update(units)
        fees = fees_presentment(order, sum((each.fee for each in erp.returns), Decimal(0)))
        assert given_back_earlier(order, erp, ()) <= refunded_presentment(order) + fees
        report = check_closing(order, erp, mapping)
        assert report.balanced, report.differences
    assert units_returned(order) == {line: n for line, n in came_back.items() if n}


@given(orders())
def test_whoever_returns_everything_pays_for_delivery_and_fees_alone(placed):
    mapping = wide_mapping().model_copy(update={"returns": FEE})
    order, erp = delivered(placed)
    units = {line.line_id: line.current for line in order.lines if line.requires_shipping and line.current}
    if len(units) < len([line for line in order.lines if line.current]) or not units:
        return  # what needs no parcel stays with its buyer
    after, held, money = give_back(order, placed, erp, units, mapping)
    assert after.total == order.total - held.returns[0].total - held.returns[0].fee
    if order.currency == order.presentment_currency:
        assert order.captured - money == after.captured


@given(orders(), st.data())
def test_what_is_captured_a_moment_later_changes_no_refund(placed, data):
    """A parcel left and its money is under way: as much goes back as once it is taken, or nothing as yet."""
    order, erp = delivered(placed)
    units = {
        line.line_id: data.draw(st.integers(0, line.current))
        for line in order.lines
        if line.requires_shipping
    }
    lines = tuple(RefundLine(line_id=line, quantity=n) for line, n in units.items() if n)
    worth = quote(order, placed, RefundRequest(key=order.key, refund_key="r", lines=lines)).presentment_total
    whole = sum((part.amount for part in money_back(order, erp, worth, Decimal(0))), Decimal(0))
    captures = [p for p in order.payments if p.kind is PaymentKind.CAPTURE]
    late = {p.payment_id for p in captures if data.draw(st.booleans())}
    early = order.model_copy(
        update={"payments": tuple(p for p in order.payments if p.payment_id not in late)}
    )
    held = sum((p.presentment_amount for p in early.payments if p.kind in TAKEN), Decimal(0))
    try:
        money = money_back(early, erp, worth, Decimal(0), at=order.placed_at)
    except NotTakenYet:
        assert whole > held
    else:
        assert sum((part.amount for part in money), Decimal(0)) == whole


def test_an_authorization_that_has_expired_is_counted_on_no_more():
    placed = make_order()
    [promised] = placed.payments
    half = round_money(placed.total / 2, placed.currency)
    taken = make_payment(half, PaymentKind.CAPTURE, payment_id="c", parent_id=promised.payment_id)
    over = promised.model_copy(update={"expires_at": placed.placed_at})
    order = placed.model_copy(update={"payments": (over, taken)})
    everything = {each.line_id: each.current for each in order.lines}
    erp = make_erp_order(plan_sales_order(placed, wide_mapping()), [make_shipment(everything)])
    worth = round_money(placed.total * 3 / 4, placed.currency)
    [part] = money_back(order, erp, worth, Decimal(0), at=placed.placed_at)
    assert part.amount == worth - (placed.total - half)
    with pytest.raises(NotTakenYet):
        money_back(order, erp, worth, Decimal(0), at=placed.placed_at - timedelta(seconds=1))


def test_what_was_never_paid_is_not_given_back():
    placed = make_order(payments=())
    sold = plan_sales_order(placed, wide_mapping())
    left = {line.line_id: line.current for line in placed.lines}
    erp = make_erp_order(sold, [make_shipment(left)])
    assert money_back(placed, erp, placed.presentment_total, Decimal(0)) == ()


def test_what_is_taken_for_goods_still_to_come_is_kept():
    """All was taken at the order, one of two units left and comes back: the other one's money stays."""
    placed = make_order()
    line = placed.lines[0]
    taken = make_payment(placed.total, PaymentKind.SALE, payment_id="1")
    order = placed.model_copy(update={"payments": (taken,)})
    erp = make_erp_order(plan_sales_order(placed, wide_mapping()), [make_shipment({line.line_id: 1})])
    worth = round_money(placed.total / line.current, placed.currency)
    [part] = money_back(order, erp, worth, Decimal(0))
    assert part.amount == worth


def both_sold(*payments: Payment, gone: tuple[str, ...] = ("11", "12")) -> tuple[Order, ErpOrder]:
    """Two goods of 10 on an order, and ``gone`` of them with the buyer."""
    lines = [
        make_line("11", ordered=1, unit_price="10", tax_rates=()),
        make_line("12", "MUG-LOGO", ordered=1, unit_price="10", tax_rates=()),
    ]
    order = make_order(lines=lines, payments=payments)
    erp = make_erp_order(plan_sales_order(order, wide_mapping()), [make_shipment(dict.fromkeys(gone, 1))])
    left = Fulfillment(
        fulfillment_id="f",
        location="101",
        lines=tuple(FulfillmentLine(line_id=line, quantity=1) for line in gone),
    )
    return after_leaving(order, dict.fromkeys(gone, 1)).model_copy(update={"fulfillments": (left,)}), erp


def test_a_payment_that_gave_back_more_than_it_took_gives_nothing_and_the_others_what_is_held():
    order, erp = both_sold(
        make_payment("20", payment_id="1"),
        make_payment("10", PaymentKind.CAPTURE, payment_id="2", parent_id="1"),
        make_payment("10", PaymentKind.CAPTURE, payment_id="3", parent_id="1"),
        make_payment("12", PaymentKind.REFUND, payment_id="4", parent_id="2"),
    )
    [part] = money_back(order, erp, Decimal(20), Decimal(0))
    assert (part.payment_id, part.amount) == ("3", Decimal(8))


def test_what_was_refunded_by_hand_is_not_waited_for():
    """Nothing takes it again: the rest goes back now, though more of the order is still to leave."""
    order, erp = both_sold(
        make_payment("20", payment_id="1"),
        make_payment("10", PaymentKind.CAPTURE, payment_id="2", parent_id="1"),
        make_payment("4", PaymentKind.REFUND, payment_id="3", parent_id="2"),
        gone=("11",),
    )
    [part] = money_back(order, erp, Decimal(10), Decimal(0))
    assert part.amount == 6
    # Once the other one has left, its money is to come.
    order, erp = both_sold(*order.payments)
    assert [step.capture_up_to for step in plan_captures(order, {"11": 1, "12": 1})] == [20]
    with pytest.raises(NotTakenYet, match="16"):
        money_back(order, erp, Decimal(20), Decimal(0))


@pytest.mark.parametrize("parent", [None, "unknown"])
def test_what_was_given_back_by_hand_to_no_payment_of_the_order_is_given_back_no_second_time(parent):
    order, erp = both_sold(
        make_payment("20", PaymentKind.SALE, payment_id="1"),
        make_payment("10", PaymentKind.REFUND, payment_id="2", parent_id=parent, gateway="store_credit"),
    )
    assert money_back(order, erp, Decimal(10), Decimal(0)) == ()
    [part] = money_back(order, erp, Decimal(20), Decimal(0))
    assert part.amount == order.captured == 10


def test_a_credit_note_that_comes_to_more_than_was_held_takes_no_money_for_the_rest():
    """Three of four units of half a cent: a cent is taken for them and given back, and the ERP credits two."""
    line = make_line(
        ordered=4,
        unit_price="0.01",
        discounts=(Discount(title="SALE", scope=DiscountScope.ORDER, amount=Decimal("0.02")),),
        tax_rates=(),
    )
    placed = make_order(lines=(line,))
    [promised] = placed.payments
    units = {line.line_id: 3}
    gone = Fulfillment(
        fulfillment_id="f", location="101", lines=(FulfillmentLine(line_id=line.line_id, quantity=3),)
    )
    order = after_shipping(placed, gone, lambda: "m")
    [step] = plan_captures(order, units)
    order = after_capture(order, promised, step.capture_up_to, order.placed_at, lambda: "c")
    erp = make_erp_order(plan_sales_order(placed, wide_mapping()), [make_shipment(units)])
    order, erp, money = give_back(order, placed, erp, units, wide_mapping())
    assert (money, erp.returns[0].total) == (Decimal("0.01"), Decimal("0.02"))
    earlier = given_back_earlier(order, erp, ())
    assert plan_captures(order, {line.line_id: 4}, given_back=earlier) == ()


def test_fees_are_worth_the_same_to_the_buyer_whatever_was_captured_so_far():
    promised = make_payment("499.89", payment_id="1", presentment_amount=Decimal("458.55"))
    part = make_payment(
        "71.41", PaymentKind.CAPTURE, payment_id="2", parent_id="1", presentment_amount=Decimal("65.51")
    )
    rest = part.model_copy(
        update={"payment_id": "3", "amount": Decimal("428.48"), "presentment_amount": Decimal("393.04")}
    )
    order = make_order(payments=(promised, part)).model_copy(update={"presentment_currency": "EUR"})
    later = order.model_copy(update={"payments": (promised, part, rest)})
    fees = [Decimal(cents) / 100 for cents in range(1, 5000, 7)]
    assert [fees_presentment(order, fee) for fee in fees] == [fees_presentment(later, fee) for fee in fees]
