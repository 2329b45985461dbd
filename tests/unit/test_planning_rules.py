"""From the storefront's order to the ERP's: exact to the cent, and refused in words where it cannot be."""

from decimal import Decimal

import pytest
from hypothesis import given

from domain.differences import PlanRefused
from domain.erp_order import SalesLineKind, SalesPayment, TaxAmount
from domain.mapping import TaxRule, Unmapped
from domain.order import Customer, DiscountScope, LocationPlan, Order, PaymentKind, PaymentStatus, TaxLine
from domain.planning import (
    ignore_reason,
    plan_sales_order,
)
from tests.order_builder import (
    NEW_YORK,
    US_TAXES,
    VAT,
    make_discount,
    make_line,
    make_order,
    make_payment,
    make_shipping,
    sandbox_mapping,
)
from tests.order_strategy import orders, wide_mapping


def plan(order: Order, **mapping):
    return plan_sales_order(order, sandbox_mapping(**mapping))


def refusal(order: Order, **mapping) -> PlanRefused:
    with pytest.raises(PlanRefused) as refused:
        plan(order, **mapping)
    assert str(refused.value) == refused.value.reason
    return refused.value


@given(orders())
def test_a_plan_sums_to_the_order_whatever_its_shape(order):
    planned = plan_sales_order(order, wide_mapping())
    taxes = [tax for line in planned.lines for tax in line.taxes]
    assert (
        sum(line.net for line in planned.lines) + sum(t.amount for t in taxes) == order.total == planned.total
    )
    assert sum(t.amount for t in taxes) == sum(t.amount for t in planned.taxes) == order.total_tax
    for line in order.lines:
        parts = [x for x in planned.lines if x.line_id == line.line_id]
        assert sum(x.quantity for x in parts) == line.current
        assert all(x.quantity > 0 and x.net >= 0 for x in parts)
        gross = line.current * line.unit_price - sum(d.amount for d in line.discounts)
        line_tax = sum(t.amount for t in line.taxes)
        assert sum(x.net for x in parts) == (gross - line_tax if order.taxes_included else gross)
        assert sum(t.amount for x in parts for t in x.taxes) == line_tax
        warehouses = [x.warehouse for x in parts]
        assert len(set(warehouses)) == len(warehouses)
        assert all(bool(w) == line.requires_shipping for w in warehouses)


@given(orders())
def test_a_plan_does_not_depend_on_the_sequence_of_location_plans(order):
    turned = order.model_copy(update={"location_plans": order.location_plans[::-1]})
    assert plan_sales_order(turned, wide_mapping()) == plan_sales_order(order, wide_mapping())


def test_a_line_split_over_two_warehouses_is_divided_to_the_cent():
    line = make_line(ordered=3, unit_price="3.35", tax_rates=[("State Tax", Decimal("0.0625"))])
    planned = plan(make_order(lines=[line], placement={"11": {"102": 1, "101": 2}}))
    assert [(x.warehouse, x.quantity, x.net, x.taxes) for x in planned.lines] == [
        ("WH-EAST", 2, Decimal("6.70"), (TaxAmount(code="STATE-6.25", amount=Decimal("0.42")),)),
        ("WH-WEST", 1, Decimal("3.35"), (TaxAmount(code="STATE-6.25", amount=Decimal("0.21")),)),
    ]


def test_net_is_after_discounts_and_without_the_tax_in_the_price():
    line = make_line(
        ordered=2,
        unit_price="12.00",
        discounts=[make_discount("3.00"), make_discount("1.00", DiscountScope.ORDER)],
        tax_rates=VAT,
        taxes_included=True,
    )
    (planned,) = plan(make_order(lines=[line], taxes_included=True)).lines
    assert planned.net == Decimal("16.67")
    assert planned.taxes == (TaxAmount(code="VAT-20", amount=Decimal("3.33")),)


def test_the_same_sku_twice_stays_two_lines():
    planned = plan(make_order(lines=[make_line("11", "CAP-BLK", 1), make_line("12", "CAP-BLK", 4)]))
    assert [(x.line_id, x.product, x.quantity) for x in planned.lines] == [
        ("11", "CAP-BLK", 1),
        ("12", "CAP-BLK", 4),
    ]


def test_two_plans_at_one_location_are_one_sales_line():
    order = make_order()
    (first,) = order.location_plans
    half = first.lines[0].model_copy(update={"quantity": 1, "remaining": 1})
    both = (
        first.model_copy(update={"lines": (half,)}),
        first.model_copy(update={"id": "7777", "lines": (half,)}),
    )
    (line,) = plan(order.model_copy(update={"location_plans": both})).lines
    assert (line.warehouse, line.quantity) == ("WH-EAST", 2)


def test_a_closed_plan_counts_with_what_left_from_it_only():
    order = make_order()
    (first,) = order.location_plans
    moved_away = LocationPlan(id="7999", location="102", open=False, lines=first.lines)
    (line,) = plan(order.model_copy(update={"location_plans": (moved_away, first)})).lines
    assert line.warehouse == "WH-EAST"
    shipped = first.lines[0].model_copy(update={"remaining": 0})
    done = first.model_copy(update={"open": False, "lines": (shipped,)})
    (line,) = plan(order.model_copy(update={"location_plans": (done,)})).lines
    assert line.quantity == 2


def test_a_line_edited_to_zero_is_left_out_even_without_a_sku():
    gone = make_line("12", None, 3, current=0)
    planned = plan(make_order(lines=[make_line(), gone]))
    assert [x.line_id for x in planned.lines] == ["11"]


def test_a_line_that_needs_no_parcel_has_no_warehouse():
    planned = plan(make_order(lines=[make_line(), make_line("12", "STICKER", 1, requires_shipping=False)]))
    assert [x.warehouse for x in planned.lines] == ["WH-EAST", None]


def test_a_location_that_ships_nothing_of_the_order_needs_no_mapping():
    lines = [
        make_line(),
        make_line("12", "STICKER", 1, requires_shipping=False),
        make_line("13", "CAP-BLK", 2, current=0),
    ]
    planned = plan(make_order(lines=lines, placement={"12": {"777": 1}, "13": {"777": 2}}))
    assert [x.line_id for x in planned.lines] == ["11", "12"]


def test_shipping_is_a_line_of_its_own_with_its_tax():
    planned = plan(make_order(shipping=[make_shipping("7.50", tax_rates=US_TAXES, code="express")]))
    charge = planned.lines[-1]
    assert (charge.kind, charge.product, charge.line_id, charge.quantity, charge.net) == (
        SalesLineKind.SHIPPING,
        "SHIPPING",
        "901",
        1,
        Decimal("7.50"),
    )
    assert charge.taxes == (
        TaxAmount(code="STATE-6.25", amount=Decimal("0.47")),
        TaxAmount(code="CITY-1.5", amount=Decimal("0.11")),
    )
    assert planned.carrier == "DHL"


@pytest.mark.parametrize("tax_rates", [(), US_TAXES])
def test_free_shipping_makes_no_line_but_keeps_its_carrier(tax_rates):
    free = make_shipping("7.50", discounts=[make_discount("7.50", DiscountScope.ORDER)], tax_rates=tax_rates)
    planned = plan(make_order(shipping=[free]))
    assert [x.kind for x in planned.lines] == [SalesLineKind.GOODS]
    assert planned.carrier == "UPS"
    assert "Delivery: Standard delivery (standard)" in planned.instructions


def test_tax_on_free_shipping_is_not_lost():
    taxes = (
        TaxLine(title="State Tax", rate=Decimal("0.0625"), amount=Decimal("0.47")),
        TaxLine(title="City Tax", rate=Decimal("0.015"), amount=Decimal(0)),
    )
    planned = plan(make_order(shipping=[make_shipping("0.00", taxes=taxes)]))
    assert (planned.lines[-1].net, planned.lines[-1].taxes[0].amount) == (0, Decimal("0.47"))


def test_taxes_of_the_order_are_sorted_by_code():
    codes = [tax.code for tax in plan(make_order()).taxes]
    assert codes == sorted(codes) == ["CITY-1.5", "STATE-6.25"]


def test_two_titles_of_one_tax_code_are_summed():
    rules = (
        TaxRule(title="NY Tax", rate=Decimal("0.04"), erp_code="SALES"),
        TaxRule(title="NYC Tax", rate=Decimal("0.045"), erp_code="SALES"),
    )
    line = make_line(ordered=1, unit_price="10.00", tax_rates=[(r.title, r.rate) for r in rules])
    planned = plan(make_order(lines=[line]), taxes=[r.model_dump() for r in rules])
    assert planned.lines[0].taxes == planned.taxes == (TaxAmount(code="SALES", amount=Decimal("0.85")),)


def test_a_tax_of_nothing_at_rate_zero_needs_no_mapping():
    exempt = (TaxLine(title="Exempt", rate=Decimal(0), amount=Decimal(0)),)
    planned = plan(make_order(lines=[make_line(taxes=exempt)]))
    assert planned.lines[0].taxes == planned.taxes == ()


def test_a_tax_that_came_to_nothing_is_mapped_all_the_same():
    cheap = make_line(ordered=1, unit_price="0.01")
    assert {t.code for t in plan(make_order(lines=[cheap])).lines[0].taxes} == {"STATE-6.25", "CITY-1.5"}
    odd = (TaxLine(title="Levy", rate=Decimal(0), amount=Decimal("0.50")),)
    with pytest.raises(Unmapped, match="Levy 0"):
        plan(make_order(lines=[make_line(taxes=odd)]))


@pytest.mark.parametrize("sku", [None, "", "  "])
def test_a_line_without_sku_is_refused_by_name(sku):
    refused = refusal(make_order(lines=[make_line("12", sku)]))
    assert refused.cause == "sku_missing:Something"
    assert "line 12 (Something)" in refused.reason
    assert "resubmit" in refused.reason


def test_a_line_that_no_location_ships_is_refused():
    refused = refusal(make_order(location_plans=()))
    assert refused.cause == "no_location"
    assert "line 11 (T-shirt black M)" in refused.reason


@pytest.mark.parametrize("placed", [1, 3])
def test_locations_that_do_not_cover_the_line_are_refused_with_the_numbers(placed):
    refused = refusal(make_order(placement={"11": {"101": placed}}))
    assert refused.cause == "locations_differ"
    assert "2 units are ordered" in refused.reason
    assert f"ship {placed};" in refused.reason


def test_an_order_that_does_not_add_up_names_each_number_and_the_difference():
    order = make_order(shipping=[make_shipping("5.00")])
    refused = refusal(order.model_copy(update={"total": order.total + 2, "total_tax": Decimal("3.00")}))
    assert refused.cause == "amounts_differ:order"
    for words in (
        "goods USD 39.80",
        "shipping USD 5.00",
        "tax CITY-1.5 USD 0.60",
        "tax STATE-6.25 USD 2.49",
        "= USD 47.89, its total is USD 49.89 (difference USD 2.00)",
        "its taxes sum to USD 3.09, its total tax is USD 3.00 (difference USD -0.09)",
    ):
        assert words in refused.reason


def test_a_wrong_total_tax_alone_is_refused():
    order = make_order()
    assert (
        refusal(order.model_copy(update={"total_tax": order.total_tax + 1})).cause == "amounts_differ:order"
    )


def test_a_discount_above_the_price_is_refused():
    line = make_line(ordered=1, unit_price="5.00", discounts=[make_discount("6.00")], tax_rates=())
    refused = refusal(make_order(lines=[line]))
    assert refused.cause == "discount_exceeds_price"
    assert "USD -1.00" in refused.reason


def test_a_price_finer_than_a_cent_is_refused_unless_the_line_comes_out_whole():
    assert plan(make_order(lines=[make_line(ordered=2, unit_price="0.125", tax_rates=())])).total == Decimal(
        "0.25"
    )
    refused = refusal(make_order(lines=[make_line(ordered=1, unit_price="0.125", tax_rates=())]))
    assert refused.cause == "amount_too_fine"
    assert "USD 0.125" in refused.reason


@pytest.mark.parametrize(
    ("order", "table", "key"),
    [
        (make_order(lines=[make_line(tax_rates=[("VAT", Decimal("0.19"))])]), "taxes", "VAT 0.19"),
        (make_order(placement={"11": {"103": 2}}), "locations", "103"),
        (make_order(shipping=[make_shipping(code="pigeon")]), "shipping_services", "pigeon"),
        (make_order(payments=(make_payment("42.89", gateway="barter"),)), "payment_methods", "barter"),
        (make_order(customer=Customer(name="X", company_id="399")), "companies", "399"),
    ],
)
def test_what_the_mapping_lacks_is_unmapped(order, table, key):
    with pytest.raises(Unmapped) as unmapped:
        plan(order)
    assert (unmapped.value.table, unmapped.value.key) == (table, key)


def test_a_company_buys_as_its_party_at_its_price_list():
    buyer = Customer(external_id="7002", name="Bo", company_id="301", company_name="Wholesale Inc")
    planned = plan(make_order(customer=buyer))
    assert (planned.party.code, planned.price_list) == ("C-WHOLESALE", "B2B 10% off")
    assert (planned.party.reference, planned.party.name) == ("shop:company:301", "Wholesale Inc")
    assert "Company order: Wholesale Inc" in planned.instructions


def test_a_guest_is_known_by_the_order_and_never_mistaken_for_a_customer_of_that_number():
    guest = plan(make_order(customer=Customer(name=" "))).party
    customer = plan(make_order(customer=Customer(external_id="5001", name="Ada Byron"))).party
    assert (guest.code, guest.reference, guest.name) == (None, "shop:order:5001", NEW_YORK.name)
    assert customer.reference == "shop:customer:5001"
    nobody = make_order(customer=Customer(name=""), billing_address=None, shipping_address=None)
    assert plan(nobody).party.name == "Guest of #5001"
    shipped_to = make_order(customer=Customer(name=""), billing_address=None)
    assert plan(shipped_to).party.name == NEW_YORK.name


def test_payments_in_the_erps_words_without_failed_voided_or_follow_up_ones():
    payments = (
        make_payment("10.00", PaymentKind.SALE, payment_id="1", gateway="gift_card"),
        make_payment("5.00", payment_id="2"),
        make_payment("5.00", PaymentKind.VOID, payment_id="3", parent_id="2"),
        make_payment("32.89", payment_id="4", status=PaymentStatus.FAILED),
        make_payment(
            "32.89", PaymentKind.SALE, payment_id="5", gateway="manual", status=PaymentStatus.PENDING
        ),
        make_payment("10.00", PaymentKind.REFUND, payment_id="6", gateway="gift_card", parent_id="1"),
    )
    assert plan(make_order(payments=payments)).payments == (
        SalesPayment(method="Gift card", amount=Decimal("10.00")),
        SalesPayment(method="Bank transfer", amount=Decimal("32.89")),
    )


def test_instructions_carry_the_note_and_what_people_must_know():
    order = make_order(
        note="Please ring twice\n",
        presentment_currency="EUR",
        presentment_total=Decimal("39.46"),
        placement={"11": {"101": 1, "102": 1}},
    )
    assert plan(order).instructions.splitlines() == [
        "Please ring twice",
        "Ships in parts from WH-EAST and WH-WEST",
        "The buyer pays EUR 39.46 for USD 42.89",
    ]


def test_the_plan_carries_identity_addresses_and_mapping_version():
    order = make_order()
    planned = plan(order)
    assert (planned.key, planned.number, planned.placed_at) == (order.key, "#5001", order.placed_at)
    assert planned.mapping_version == sandbox_mapping().version
    assert (planned.billing_address, planned.shipping_address) == (NEW_YORK, NEW_YORK)
    assert planned.instructions == ""
    assert planned.carrier is None


def test_only_test_orders_and_orders_of_nothing_are_ignored():
    nothing = make_order(lines=[make_line(current=0)])
    assert "test order" in (ignore_reason(make_order(test=True)) or "")
    assert "nothing left" in (ignore_reason(nothing) or "")
    assert ignore_reason(make_order()) is None
    assert ignore_reason(make_order(lines=[make_line(current=0)], shipping=[make_shipping()])) is None
    free = make_order(lines=[make_line(unit_price="0.00"), make_line("12", "CAP-BLK", 1, current=0)])
    assert free.total == 0
    assert ignore_reason(free) is None
    assert [x.net for x in plan(free).lines] == [0]
