"""Storefront and ERP tell the same story, or every difference is named."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.balance import Difference, DifferenceUnit, check_closing, compare_orders
from domain.capture import plan_captures
from domain.erp_order import ErpLine, ErpOrder, ErpOrderState, TaxAmount
from domain.mapping import CompanyRule, Unmapped
from domain.order import Fulfillment, FulfillmentLine, Order, PaymentKind
from domain.planning import plan_sales_order
from domain.quantities import delivered_units, shipped_units
from tests.order_builder import (
    after_leaving,
    make_erp_order,
    make_line,
    make_order,
    make_payment,
    make_shipment,
    make_shipping,
    sandbox_mapping,
)
from tests.order_strategy import erp_histories, orders, wide_mapping

MAPPING = sandbox_mapping()
ORDER = make_order(lines=[make_line(), make_line("12", "CAP-BLK", 1)], shipping=[make_shipping()])
ERP = make_erp_order(plan_sales_order(ORDER, MAPPING), [make_shipment({"11": 2, "12": 1})])


def change(model, **values):
    return model.model_copy(update=values)


def told(order: Order, units: dict[str, int]) -> Order:
    """The order once the storefront was told of the parcels and captured what left."""
    lines = tuple(FulfillmentLine(line_id=line, quantity=quantity) for line, quantity in units.items())
    fulfillments = (Fulfillment(fulfillment_id="1", location="101", lines=lines),) if lines else ()
    captures = tuple(
        make_payment(
            step.capture_up_to, PaymentKind.CAPTURE, payment_id=f"9{n}", parent_id=step.authorization_id
        )
        for n, step in enumerate(plan_captures(order, units))
    )
    left = after_leaving(order, units)
    return change(left, fulfillments=fulfillments, payments=(*order.payments, *captures))


CLOSED = told(ORDER, {"11": 2, "12": 1})


def names(differences: tuple[Difference, ...]) -> list[str]:
    return [x.name for x in differences]


@given(orders())
def test_an_erp_that_did_as_asked_agrees(order):
    erp = make_erp_order(plan_sales_order(order, wide_mapping()))
    assert compare_orders(order, erp, wide_mapping()) == ()


@given(orders(), st.data())
def test_an_order_delivered_told_and_paid_balances_and_any_missing_cent_is_named(order, data):
    erp = data.draw(erp_histories(plan_sales_order(order, wide_mapping())))[-1]
    parcels = shipped_units(erp)
    captures = plan_captures(order, delivered_units(order, erp))
    done = change(told(order, parcels), payments=order.payments)
    paid = [
        make_payment(s.capture_up_to, PaymentKind.CAPTURE, payment_id=f"9{n}", parent_id=s.authorization_id)
        for n, s in enumerate(captures)
    ]
    done = change(done, payments=(*order.payments, *paid))
    report = check_closing(done, erp, wide_mapping())
    assert report.balanced, names(report.differences)
    assert (report.total, report.delivered, report.canceled) == (order.total, order.total, False)

    cent = make_payment("0.01", PaymentKind.REFUND, payment_id="99")
    missing = check_closing(change(done, payments=(*done.payments, cent)), erp, wide_mapping())
    assert names(missing.differences) == ["money taken less refunds, beside the value delivered"]
    assert missing.differences[0].storefront - missing.differences[0].erp == Decimal("-0.01")


def test_a_difference_in_a_sentence():
    tax = Difference(name="tax VAT-20", storefront=Decimal("3.33"), erp=Decimal("3.34"))
    assert tax.sentence("USD") == "tax VAT-20: store USD 3.33, ERP USD 3.34, difference USD -0.01"
    units = Difference(
        name="units of line 11", storefront=Decimal(2), erp=Decimal(3), unit=DifferenceUnit.UNITS
    )
    assert units.sentence("USD") == "units of line 11: store 2, ERP 3, difference -1"
    paid = Difference(name="money", storefront=Decimal(5), erp=Decimal(4), currency="JPY")
    assert paid.sentence("USD") == "money: store JPY 5, ERP JPY 4, difference JPY 1"


def test_a_cent_of_tax_is_named_by_its_code():
    state, *others = ERP.taxes[::-1]
    erp = change(ERP, taxes=(*others, TaxAmount(code=state.code, amount=state.amount - Decimal("0.01"))))
    (difference,) = compare_orders(ORDER, erp, MAPPING)
    assert (difference.name, difference.storefront - difference.erp) == (f"tax {state.code}", Decimal("0.01"))


def test_a_tax_that_one_side_lacks_is_a_difference_unless_it_is_nothing():
    nothing = TaxAmount(code="VAT-20", amount=Decimal(0))
    assert compare_orders(ORDER, change(ERP, taxes=(*ERP.taxes, nothing)), MAPPING) == ()
    assert names(compare_orders(ORDER, change(ERP, taxes=()), MAPPING)) == ["tax CITY-1.5", "tax STATE-6.25"]
    only_one = change(ERP, taxes=ERP.taxes[:1])
    assert names(compare_orders(ORDER, only_one, MAPPING)) == [f"tax {ERP.taxes[1].code}"]


def test_taxes_of_one_code_are_summed_on_both_sides():
    first, second = ERP.taxes
    cent = TaxAmount(code=first.code, amount=Decimal("0.01"))
    rest = TaxAmount(code=first.code, amount=first.amount - Decimal("0.01"))
    assert compare_orders(ORDER, change(ERP, taxes=(second, cent, rest)), MAPPING) == ()


def test_total_and_currency_are_compared():
    (total,) = compare_orders(ORDER, change(ERP, total=ERP.total + 1), MAPPING)
    assert (total.name, total.storefront, total.erp) == ("total", ORDER.total, ORDER.total + 1)
    assert names(compare_orders(ORDER, change(ERP, currency="EUR"), MAPPING)) == [
        "currency (store USD, ERP EUR)"
    ]


def test_units_are_compared_line_by_line_over_all_warehouses():
    def entered(*lines):
        return change(
            ERP, lines=tuple(ErpLine(line_id=i, product="P", warehouse=w, quantity=q) for i, w, q in lines)
        )

    fine = entered(("11", "WH-EAST", 1), ("11", "WH-WEST", 1), ("12", "WH-EAST", 1), ("901", None, 1))
    assert compare_orders(ORDER, fine, MAPPING) == ()
    wrong = entered(("11", "WH-EAST", 3), ("99", None, 1))
    found = compare_orders(ORDER, wrong, MAPPING)
    assert [(x.name, x.storefront, x.erp) for x in found] == [
        ("units of line 11 (T-shirt black M)", 2, 3),
        ("units of line 12 (Cap black)", 1, 0),
        ("units of line 99 (unknown to the store)", 0, 1),
    ]
    assert {x.unit for x in found} == {DifferenceUnit.UNITS}


def test_an_unmapped_tax_is_unmapped_here_too():
    with pytest.raises(Unmapped):
        compare_orders(ORDER, ERP, sandbox_mapping(taxes=[]))


def test_a_delivered_order_balances():
    report = check_closing(CLOSED, ERP, MAPPING)
    assert report.balanced
    assert report.captured == report.delivered == report.total == ORDER.total


def test_a_half_delivered_order_balances_at_what_left():
    half = change(ERP, shipments=(make_shipment({"11": 1}),))
    report = check_closing(told(ORDER, {"11": 1}), half, MAPPING)
    assert report.balanced
    assert 0 < report.captured == report.delivered < report.total


@pytest.mark.parametrize(
    ("order", "erp", "expected"),
    [
        (change(CLOSED, fulfillments=()), ERP, ["units shipped of line 11", "units shipped of line 12"]),
        (change(CLOSED, payments=ORDER.payments), ERP, ["money taken"]),
        (CLOSED, change(ERP, total=ERP.total + 1), ["total"]),
        (CLOSED, None, ["order not in the ERP", "units shipped", "units shipped", "money taken"]),
        (
            CLOSED,
            change(ERP, shipments=(*ERP.shipments, make_shipment({"99": 1}))),
            ["units shipped of line 99 (unknown to the store)"],
        ),
        (
            ORDER,
            change(ERP, state=ErpOrderState.CANCELED, shipments=()),
            ["order canceled in the ERP alone"],
        ),
    ],
)
def test_what_keeps_an_order_from_closing_is_named(order, erp, expected):
    report = check_closing(order, erp, MAPPING)
    assert not report.balanced
    assert len(report.differences) == len(expected)
    for difference, start in zip(report.differences, expected, strict=True):
        assert difference.name.startswith(start)


def canceled(order: Order) -> Order:
    void = make_payment(order.total, PaymentKind.VOID, payment_id="95", parent_id="801")
    return change(order, canceled_at=datetime(2026, 3, 3, tzinfo=UTC), payments=(*order.payments, void))


@pytest.mark.parametrize(
    "erp",
    [None, change(ERP, state=ErpOrderState.CANCELED, shipments=(), total=Decimal(0), taxes=(), lines=())],
)
def test_an_order_canceled_on_both_sides_balances_whatever_its_totals(erp: ErpOrder | None):
    report = check_closing(canceled(ORDER), erp, MAPPING)
    assert report.balanced
    assert (report.canceled, report.captured, report.delivered) == (True, 0, 0)


def test_a_canceled_order_owes_no_delivery_though_its_charge_is_still_shown():
    order = make_order(lines=[make_line(current=0)], shipping=[make_shipping()])
    erp = make_erp_order(plan_sales_order(order, MAPPING), state=ErpOrderState.CANCELED)
    report = check_closing(canceled(order), erp, MAPPING)
    assert report.balanced
    assert report.delivered == 0


def test_a_canceled_order_keeps_no_money():
    capture = make_payment("10.00", PaymentKind.CAPTURE, payment_id="9", parent_id="801")
    order = canceled(change(ORDER, payments=(*ORDER.payments, capture)))
    (difference,) = check_closing(order, None, MAPPING).differences
    assert (difference.storefront, difference.erp) == (Decimal("10.00"), 0)
    refund = make_payment("10.00", PaymentKind.REFUND, payment_id="10", parent_id="9")
    assert check_closing(change(order, payments=(*order.payments, refund)), None, MAPPING).balanced


def test_a_canceled_order_that_left_or_lives_on_in_the_erp_is_named():
    report = check_closing(canceled(ORDER), ERP, MAPPING)
    assert names(report.differences) == [
        "order canceled in the store alone",
        "units shipped of line 11 (T-shirt black M)",
        "units shipped of line 12 (Cap black)",
        "units shipped though canceled of line 11 (T-shirt black M)",
        "units shipped though canceled of line 12 (Cap black)",
    ]


def test_what_needs_no_parcel_need_not_be_told_as_one():
    order = make_order(lines=[make_line(), make_line("12", "STICKER", 1, requires_shipping=False)])
    erp = make_erp_order(plan_sales_order(order, MAPPING), [make_shipment({"11": 2})])
    assert check_closing(told(order, {"11": 2}), erp, MAPPING).balanced
    assert check_closing(told(order, {"11": 2, "12": 1}), erp, MAPPING).balanced


def test_money_is_compared_as_the_buyer_paid_it():
    """A store's own exchange rounding of each capture must not keep an order open."""
    line = make_line(ordered=3, unit_price="1.00", tax_rates=())
    authorization = make_payment("3.00", presentment_amount="2.75")
    captures = (
        make_payment("2.01", PaymentKind.CAPTURE, payment_id="2", presentment_amount="1.83", parent_id="801"),
        make_payment("1.00", PaymentKind.CAPTURE, payment_id="3", presentment_amount="0.92", parent_id="801"),
    )
    sold = make_order(
        lines=[line], presentment_currency="EUR", presentment_total=Decimal("2.75"), payments=(authorization,)
    )
    order = change(told(sold, {"11": 3}), payments=(authorization, *captures))
    erp = make_erp_order(plan_sales_order(sold, MAPPING), [make_shipment({"11": 3})])
    assert check_closing(order, erp, MAPPING).balanced
    (difference,) = check_closing(change(order, payments=order.payments[:2]), erp, MAPPING).differences
    assert difference.sentence("USD").endswith("store EUR 1.83, ERP EUR 2.75, difference EUR -0.92")


def test_what_a_company_on_terms_has_not_paid_is_due_and_no_difference():
    terms = sandbox_mapping(companies={"301": CompanyRule(party="C-WHOLESALE", payment_terms="30 days net")})
    buyer = change(ORDER.customer, company_id="301")
    unpaid = change(CLOSED, customer=buyer, payments=())
    report = check_closing(unpaid, ERP, terms)
    assert (report.balanced, report.on_terms, report.terms) == (True, ORDER.total, "30 days net")
    part = change(unpaid, payments=(make_payment("10.00", PaymentKind.SALE),))
    assert check_closing(part, ERP, terms).on_terms == ORDER.total - 10
    # The same without terms is missing money, and too much is too much on any terms.
    assert check_closing(unpaid, ERP, MAPPING).cause == "unbalanced:money"
    assert check_closing(change(CLOSED, payments=()), ERP, terms).cause == "unbalanced:money"
    above = change(unpaid, payments=(make_payment(ORDER.total + 1, PaymentKind.SALE),))
    assert check_closing(above, ERP, terms).cause == "unbalanced:money"
