"""Tips, duties and fees: planned on products of their own, taken with the parcels, given back in proportion."""

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.amendment import amendment_between
from domain.balance import check_closing
from domain.capture import delivered_value, plan_captures
from domain.erp_order import SalesLineKind
from domain.mapping import Unmapped
from domain.mapping_rules import MappingRule, targets, with_rule
from domain.order import Order
from domain.planning import plan_sales_order
from domain.quantities import units_returned
from domain.refunds import credit_for, units_left
from domain.returns import QuotedPart
from domain.tax_allocation import duties_of_units, lowered
from tests.order_builder import (
    PLACED_AT,
    US_TAXES,
    handed_over,
    make_charge,
    make_erp_order,
    make_line,
    make_order,
    make_shipment,
    make_tip,
    sandbox_mapping,
)

MAPPING = sandbox_mapping()


def charged(**overrides) -> Order:
    """Three tees at 10.00 with a duty of 2.00 and taxes, a mug, a fee of 1.50 and a tip of 5.00."""
    lines = (
        make_line(
            "11", ordered=3, unit_price="10.00", duties=(make_charge("2.00", "d", tax_rates=US_TAXES),)
        ),
        make_line("12", "MUG-LOGO", ordered=1, unit_price="9.00", tax_rates=()),
        make_tip("5.00"),
    )
    values = {"lines": lines, "fees": (make_charge("1.50", "f", title="Packaging"),)}
    return make_order(**values | overrides)


def test_each_is_booked_on_the_product_of_its_kind() -> None:
    planned = plan_sales_order(charged(), MAPPING)
    booked = {line.line_id: (line.kind, line.product, line.warehouse, line.net) for line in planned.lines}
    assert booked["19"] == (SalesLineKind.TIP, "TIP", None, Decimal("5.00"))
    assert booked["d"] == (SalesLineKind.DUTY, "DUTY", None, Decimal("2.00"))
    assert booked["f"] == (SalesLineKind.SURCHARGE, "SURCHARGE", None, Decimal("1.50"))
    assert planned.total == charged().total


def test_a_fee_may_have_a_product_of_its_own() -> None:
    mapping = MAPPING.model_copy(update={"charges": MAPPING.charges | {"Packaging": "BOX"}})
    assert [line.product for line in plan_sales_order(charged(), mapping).lines if line.line_id == "f"] == [
        "BOX"
    ]


@pytest.mark.parametrize("kind", ["tip", "duty", "fee"])
def test_what_has_no_product_is_a_case_that_one_entry_cures(kind: str) -> None:
    mapping = MAPPING.model_copy(update={"charges": {k: v for k, v in MAPPING.charges.items() if k != kind}})
    with pytest.raises(Unmapped, match=rf"no entry for '{kind}' in \[charges\]") as caught:
        plan_sales_order(charged(), mapping)
    assert caught.value.cause == f"unmapped:charges:{kind}"
    (target,) = targets(caught.value.cause, mapping)
    rule = MappingRule(
        mapping=mapping.name,
        table=target.table,
        key=target.key,
        value="OTHER",
        actor="Ada",
        reason="agreed with accounting",
        at=PLACED_AT,
    )
    assert plan_sales_order(charged(), with_rule(mapping, rule)).total == charged().total


def test_money_follows_the_parcels_and_ends_at_the_total() -> None:
    order = charged()
    # With the first unit: its price and taxes 10.78, its duty 0.67 and taxes 0.04 + 0.01; the fee and the tip.
    first = delivered_value(order, {"11": 1})
    assert first == Decimal("10.78") + Decimal("0.72") + Decimal("1.50") + Decimal("5.00")
    (step,) = plan_captures(order, {"11": 1})
    assert step.capture_up_to == first
    assert delivered_value(order, {"11": 3, "12": 1}) == order.total


@given(price=st.integers(0, 500), units=st.integers(1, 12))
def test_a_duty_s_parts_add_up_whatever_the_parcels(price: int, units: int) -> None:
    duty = make_charge(Decimal(price) / 100, "d", tax_rates=US_TAXES)
    order = make_order(lines=[make_line(ordered=units, duties=(duty,))])
    (line,) = order.lines
    values = [delivered_value(order, {"11": sent}) for sent in range(units + 1)]
    assert (values[0], values[-1]) == (0, order.total)
    assert all(after >= before for before, after in pairwise(values))
    for left in range(units + 1):
        less = lowered(order, line, left)
        assert less.duties == duties_of_units(line, left, "USD")
        assert sum(d.price for d in less.duties) <= duty.price


def test_a_balanced_order_holds_them_in_both_systems() -> None:
    order = charged()
    sales = plan_sales_order(order, MAPPING)
    told = handed_over(order)
    paid = plan_captures(order, {"11": 3, "12": 1})
    payment = order.payments[0].model_copy(update={"kind": "sale"})
    told = told.model_copy(update={"payments": (payment,)})
    assert paid[0].capture_up_to == order.total
    erp = make_erp_order(sales, [make_shipment({"11": 3, "12": 1})])
    assert check_closing(told, erp, MAPPING).balanced
    # One that lost its tip on the way is not.
    without = [line for line in erp.lines if line.line_id != "19"]
    short = erp.model_copy(update={"lines": tuple(without), "total": erp.total - 5})
    names = {difference.name for difference in check_closing(told, short, MAPPING).differences}
    assert names == {"total", "units of line 19 (Tip)"}


def test_a_credit_gives_duties_back_without_a_fee_on_them() -> None:
    order = charged()
    parts = (
        QuotedPart(line_id="11", quantity=1, net=Decimal("10.00"), tax=Decimal("0.78")),
        QuotedPart(line_id="d", quantity=1, net=Decimal("0.67"), tax=Decimal("0.05")),
    )
    rules = MAPPING.returns.model_copy(update={"fee_percent": Decimal(10), "fee_product": "FEE"})
    credit = credit_for(order, parts, MAPPING.model_copy(update={"returns": rules}))
    assert [(line.kind, line.product) for line in credit.lines] == [
        (SalesLineKind.GOODS, "TEE-BLK-M"),
        (SalesLineKind.DUTY, "DUTY"),
        (SalesLineKind.FEE, "FEE"),
    ]
    assert credit.fee == Decimal("1.08")
    assert credit.total == Decimal("11.50") - credit.fee


def test_a_tip_is_no_goods_that_the_buyer_keeps() -> None:
    order = charged()
    assert not units_left(order, {"11": 3, "12": 1})
    assert units_left(order, {"11": 3, "19": 1})


def test_a_tip_that_was_given_back_is_no_edit() -> None:
    given = handed_over(charged())
    tip = given.lines[-1].model_copy(update={"current": 0})
    now = given.model_copy(update={"lines": (*given.lines[:-1], tip), "total": given.total - 5})
    assert units_returned(now) == {"19": 1}
    assert amendment_between(given, now, {"11": 3, "12": 1}).empty
