"""Differences that a person accepted: exactly those, booked on a line of their own, both totals equal to the cent."""

from decimal import Decimal

import pytest

from domain.balance import check_closing
from domain.capture import delivered_presentment, plan_captures
from domain.differences import (
    Acceptance,
    Difference,
    DifferenceUnit,
    PlanRefused,
    accepted_by,
    kinds,
    not_accepted,
)
from domain.erp_order import ADJUSTMENT_LINE, SalesLineKind
from domain.order import Order, PaymentKind
from domain.planning import plan_sales_order
from tests.order_builder import (
    after_leaving,
    make_erp_order,
    make_order,
    make_payment,
    make_shipment,
    sandbox_mapping,
)

MAPPING = sandbox_mapping()


def off_by(amount: str) -> Order:
    """An order whose total tax, and with it its total, is not what its lines come to."""
    order = make_order()
    return make_order(total=order.total + Decimal(amount), total_tax=order.total_tax + Decimal(amount))


def shown(order: Order) -> tuple[Difference, ...]:
    with pytest.raises(PlanRefused) as caught:
        plan_sales_order(order, MAPPING)
    assert caught.value.cause == "amounts_differ:order"
    return caught.value.differences


def ada(*differences: Difference) -> Acceptance:
    return Acceptance(actor="Ada", reason="a cent of rounding", differences=differences)


@pytest.mark.parametrize("amount", ["0.01", "-0.01", "-1.25"])
def test_an_accepted_difference_is_a_line_of_its_own_that_brings_the_order_to_its_total(amount: str) -> None:
    order = off_by(amount)
    planned = plan_sales_order(order, MAPPING, [ada(*shown(order))])
    (line,) = [line for line in planned.lines if line.kind is SalesLineKind.ADJUSTMENT]
    assert (line.line_id, line.product, line.net, line.taxes) == (
        ADJUSTMENT_LINE,
        "ADJUSTMENT",
        Decimal(amount),
        (),
    )
    assert line.description == "Difference accepted by Ada (a cent of rounding)"
    total = sum(x.net + sum((t.amount for t in x.taxes), Decimal(0)) for x in planned.lines)
    assert total == planned.total == order.total


def test_another_difference_than_the_accepted_one_is_refused() -> None:
    accepted = ada(*shown(off_by("0.01")))
    with pytest.raises(PlanRefused, match=r"difference USD 0\.02"):
        plan_sales_order(off_by("0.02"), MAPPING, [accepted])


def test_an_order_that_adds_up_again_gets_no_line() -> None:
    planned = plan_sales_order(make_order(), MAPPING, [ada(*shown(off_by("0.01")))])
    assert all(line.kind is not SalesLineKind.ADJUSTMENT for line in planned.lines)


def test_a_wrong_tax_total_alone_needs_no_line() -> None:
    order = make_order()
    order = order.model_copy(update={"total_tax": order.total_tax + 1})
    planned = plan_sales_order(order, MAPPING, [ada(*shown(order))])
    assert planned.total == order.total
    assert all(line.kind is not SalesLineKind.ADJUSTMENT for line in planned.lines)


def test_without_a_product_in_the_mapping_the_refusal_says_so() -> None:
    order = off_by("0.01")
    with pytest.raises(PlanRefused, match="names no adjustment_product") as caught:
        plan_sales_order(order, sandbox_mapping(adjustment_product=None), [ada(*shown(order))])
    assert caught.value.cause == "adjustment_product_missing"


@pytest.mark.parametrize("amount", ["0.01", "-0.01"])
def test_an_order_entered_with_its_adjustment_closes_balanced_and_all_its_money_is_taken(amount: str) -> None:
    order = off_by(amount)
    planned = plan_sales_order(order, MAPPING, [ada(*shown(order))])
    delivered = {"11": 2}
    assert delivered_presentment(order, delivered) == order.total
    (step,) = plan_captures(order, delivered)
    assert step.capture_up_to == order.total
    capture = make_payment(order.total, PaymentKind.CAPTURE, payment_id="901", parent_id="801")
    paid = order.model_copy(update={"payments": (*order.payments, capture)})
    erp = make_erp_order(planned, [make_shipment(delivered)])
    report = check_closing(_told(paid, delivered), erp, MAPPING)
    assert report.balanced, report.differences


def _told(order: Order, units: dict[str, int]) -> Order:
    from domain.order import Fulfillment, FulfillmentLine  # noqa: PLC0415

    lines = tuple(FulfillmentLine(line_id=line, quantity=quantity) for line, quantity in units.items())
    told = Fulfillment(fulfillment_id="1", location="101", lines=lines, tracking_number="S1")
    return after_leaving(order, units).model_copy(update={"fulfillments": (told,)})


def test_an_order_closes_with_exactly_the_accepted_differences() -> None:
    order = make_order()
    erp = make_erp_order(plan_sales_order(order, MAPPING), total=order.total + 1)
    found = check_closing(order, erp, MAPPING).differences
    assert kinds(found) == "total"
    report = check_closing(order, erp, MAPPING, [ada(*found)])
    assert report.balanced
    assert report.accepted == found
    more = check_closing(order, erp.model_copy(update={"total": order.total + 2}), MAPPING, [ada(*found)])
    assert not more.balanced
    assert more.accepted == ()


TEES = Difference(
    name="units of line 11 (T-shirt)", storefront=Decimal(1), erp=Decimal(2), unit=DifferenceUnit.UNITS
)


@pytest.mark.parametrize(
    ("taken", "found"),
    [
        (TEES, {"storefront": Decimal(3), "erp": Decimal(4)}),
        (TEES, {"name": "units shipped of line 11 (T-shirt)"}),
        (
            Difference(name="total", storefront=Decimal(20), erp=Decimal(30)),
            {"erp": Decimal(12), "storefront": Decimal(2)},
        ),
    ],
    ids=["both sides lower", "sent as it was entered", "an edit beside it"],
)
def test_a_person_is_not_asked_again_about_what_differs_by_as_much_as_they_took(taken, found):
    later = taken.model_copy(update=found)
    assert not_accepted([later], [ada(taken)]) == ()
    assert accepted_by([later], [ada(taken)]) == "Ada (a cent of rounding)"


@pytest.mark.parametrize(
    "found",
    [
        {"erp": Decimal(3)},
        {"storefront": Decimal(2), "erp": Decimal(1)},
        {"name": "units of line 12 (Mug)"},
        {"name": "units shipped though canceled of line 11 (T-shirt)"},
        {"unit": DifferenceUnit.MONEY},
        {"currency": "CAD"},
    ],
)
def test_what_differs_otherwise_than_what_was_taken_is_asked_about(found):
    later = TEES.model_copy(update=found)
    assert not_accepted([later], [ada(TEES)]) == (later,)


def test_who_takes_that_units_left_does_not_take_that_they_are_ordered_otherwise():
    shipped = TEES.model_copy(update={"name": "units shipped of line 11 (T-shirt)"})
    assert not_accepted([TEES], [ada(shipped)]) == (TEES,)


def test_who_accepted_is_told_of_those_that_did() -> None:
    one = Difference(name="total", storefront=Decimal(1), erp=Decimal(2))
    other = Difference(name="tax VAT-20", storefront=Decimal(1), erp=Decimal(2))
    acceptances = [ada(one), Acceptance(actor="Kim", reason="old", differences=())]
    assert not_accepted([one, other], acceptances) == (other,)
    assert accepted_by([one], acceptances) == "Ada (a cent of rounding)"
    assert accepted_by([other], acceptances) == ""
    assert kinds([one, other]) == "tax+total"
