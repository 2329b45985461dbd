"""A difference in tax: rounding is booked, up to the tolerance it is booked under its name, above it is refused."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.errors import Rejected
from adapters.memory.erp import MemoryErp
from domain.balance import check_closing, compare_orders, prove
from domain.differences import PlanRefused
from domain.erp_order import (
    TAX_ADJUSTMENT_LINE,
    ErpOrder,
    SalesLineKind,
    SalesOrder,
    TaxAdjustment,
    TaxAdjustmentCause,
    TaxAmount,
)
from domain.ledger import EntryKind, Side
from domain.order import Fulfillment, FulfillmentLine, Order, PaymentKind
from domain.planning import plan_sales_order
from domain.tax_reconciliation import (
    TaxesDiffer,
    TaxReading,
    beyond_rounding,
    name_adjustments,
    tolerated_words,
)
from sandbox.catalog import TAXES
from tests.order_builder import (
    US_TAXES,
    VAT,
    make_erp_order,
    make_line,
    make_order,
    make_payment,
    make_shipment,
    make_shipping,
    sandbox_mapping,
)

CENT = Decimal("0.01")
TOLERANT = sandbox_mapping(tax_tolerance="0.02")
RATES = {code: Decimal(rate) for code, (_, rate) in TAXES.items()}


def reading(off: int, code: str = "VAT-20", line: str = "11") -> TaxReading:
    """A tax that the store tells so many cents higher than the ERP reckons it."""
    return TaxReading(
        subject=f"line {line}", code=code, net=Decimal(10), told=2 + off * CENT, reckoned=Decimal(2)
    )


@given(st.lists(st.integers(-4, 4)), st.integers(0, 10))
def test_rounding_is_free_and_what_is_beyond_it_is_measured_whichever_way_it_is_off(offs, tolerance):
    readings = [reading(off) for off in offs]
    beyond = [off for off in offs if abs(off) > 1]
    if sum(map(abs, beyond)) > tolerance:
        with pytest.raises(TaxesDiffer):
            beyond_rounding(readings, CENT, tolerance * CENT)
    else:
        found = beyond_rounding(readings, CENT, tolerance * CENT)
        assert sum(tax.amount for tax in found) == sum(beyond) * CENT


def test_the_refusal_names_both_numbers_the_rate_and_the_limit():
    readings = [reading(2, "VAT-20", "11"), reading(1, "CITY-1.5", "11"), reading(-3, "STATE-6.25", "12")]
    with pytest.raises(TaxesDiffer) as refused:
        beyond_rounding(readings, CENT, Decimal("0.04"))
    assert str(refused.value) == (
        "line 11: the store charges 2.02 of VAT-20 on 10, the ERP's rate gives 2; a difference of 0.02 is more than "
        "rounding; line 12: the store charges 1.97 of STATE-6.25 on 10, the ERP's rate gives 2; a difference of -0.03 "
        "is more than rounding; 0.05 in all is above the tolerance of 0.04"
    )


@given(st.lists(st.tuples(st.sampled_from("AB"), st.integers(-3, 3))), st.lists(st.integers(-3, 3)))
def test_adjustments_add_up_to_what_is_missing_and_each_has_one_cause(missing, beyond):
    named = name_adjustments(
        [TaxAmount(code="A", amount=cents * CENT) for cents in beyond],
        [TaxAmount(code=code, amount=cents * CENT) for code, cents in missing],
    )
    for code in "AB":
        of_code = [each for each in named if each.code == code]
        off = sum(cents for each, cents in missing if each == code) * CENT
        assert sum(each.amount for each in of_code) == off
        assert len({each.cause for each in of_code}) == len(of_code)
    tolerated = [each.amount for each in named if each.cause is TaxAdjustmentCause.TOLERANCE]
    assert sum(tolerated) == sum(beyond) * CENT


# The storefront's own total tax is not what its lines come to.


def off_by(amount: str, *, included: bool = False) -> Order:
    rates = VAT if included else US_TAXES
    order = make_order(lines=[make_line(tax_rates=rates, taxes_included=included)], taxes_included=included)
    total = order.total if included else order.total + Decimal(amount)
    return make_order(
        lines=order.lines,
        taxes_included=included,
        total=total,
        total_tax=order.total_tax + Decimal(amount),
    )


def closing(order: Order) -> Order:
    """All of it shipped, told and captured."""
    capture = make_payment(order.total, PaymentKind.CAPTURE, payment_id="901", parent_id="801")
    told = Fulfillment(fulfillment_id="1", location="101", lines=(FulfillmentLine(line_id="11", quantity=2),))
    return order.model_copy(
        update={"fulfillments": (told,), "location_plans": (), "payments": (*order.payments, capture)}
    )


@pytest.mark.parametrize("amount", ["0.02", "0.01", "-0.01", "-0.02"])
async def test_an_order_off_within_the_tolerance_closes_with_a_named_adjustment(amount):
    order = off_by(amount)
    planned = plan_sales_order(order, TOLERANT)
    (line,) = [line for line in planned.lines if line.kind is SalesLineKind.ADJUSTMENT]
    assert (line.line_id, line.product, line.net) == (TAX_ADJUSTMENT_LINE, "ADJUSTMENT", Decimal(amount))
    assert line.description == "Difference in tax, within the tolerance of USD 0.02"
    erp = MemoryErp(taxes=RATES)
    entered = await erp.submit_order(planned)
    assert tolerated_words(entered) == f" (tax USD {amount} within the tolerance)"
    erp.ship_all(order.key)
    held = await erp.find_order(order.key)
    assert held is not None
    proof = prove(closing(order), held, TOLERANT)
    assert proof.report.balanced, proof.report.differences
    adjusted = [
        (e.subject, e.amount)
        for e in proof.ledger.entries
        if (e.kind, e.side) == (EntryKind.ADJUSTED, Side.ERP)
    ]
    assert adjusted == [("tax, within the tolerance", Decimal(amount))]


@pytest.mark.parametrize(("amount", "included"), [("0.03", False), ("-0.03", False), ("0.03", True)])
def test_an_order_off_by_more_is_refused_with_both_numbers(amount, included):
    order = off_by(amount, included=included)
    with pytest.raises(PlanRefused, match=rf"difference USD {amount}.*tolerates USD 0\.02") as refused:
        plan_sales_order(order, TOLERANT)
    assert refused.value.cause == "amounts_differ:order"
    (tax,) = [each for each in refused.value.differences if each.name == "tax of the lines"]
    assert tax.sentence("USD").startswith("tax of the lines: order USD ")


def test_a_total_tax_that_is_off_within_the_price_needs_no_line():
    order = off_by("0.02", included=True)
    planned = plan_sales_order(order, TOLERANT)
    assert planned.total == order.total
    assert all(line.kind is not SalesLineKind.ADJUSTMENT for line in planned.lines)


def test_what_is_no_tax_is_never_tolerated():
    order = make_order()
    for off in (
        {"total": order.total + CENT},
        {"total": order.total + CENT, "total_tax": order.total_tax - CENT},
    ):
        with pytest.raises(PlanRefused, match="does not add up"):
            plan_sales_order(order.model_copy(update=off), TOLERANT)


def test_the_refusal_names_the_tax_that_is_not_what_its_rate_gives():
    order = make_order()
    (line,) = order.lines
    taxes = (line.taxes[0].model_copy(update={"amount": line.taxes[0].amount + 5 * CENT}), *line.taxes[1:])
    wrong = order.model_copy(update={"lines": (line.model_copy(update={"taxes": taxes}),)})
    told, exact = taxes[0].amount, line.taxes[0].amount
    words = rf"tax State Tax 0\.0625 is USD {told} on the lines, its rate gives USD {exact}\. Find"
    with pytest.raises(PlanRefused, match=words):
        plan_sales_order(wrong, sandbox_mapping())


# The ERP's rates give another tax than the storefront told.


def dearer(cents: int, *, shipping: bool = False) -> Order:
    """An order that adds up, whose VAT (of its line or its delivery) is so many cents above what the rate gives."""
    line = make_line(tax_rates=VAT)
    charge = make_shipping(tax_rates=VAT)
    part = charge if shipping else line
    taxes = (part.taxes[0].model_copy(update={"amount": part.taxes[0].amount + cents * CENT}),)
    if shipping:
        charge = charge.model_copy(update={"taxes": taxes})
    else:
        line = line.model_copy(update={"taxes": taxes})
    return make_order(lines=[line], shipping=[charge])


def planned(order: Order, tolerance: str = "0.02") -> SalesOrder:
    return plan_sales_order(order, sandbox_mapping(tax_tolerance=tolerance))


async def entered(order: Order, tolerance: str = "0.02") -> ErpOrder:
    return await MemoryErp(taxes=RATES).submit_order(planned(order, tolerance))


@pytest.mark.parametrize("shipping", [False, True])
@pytest.mark.parametrize(
    ("cents", "causes"),
    [
        (0, []),
        (1, [TaxAdjustmentCause.ROUNDING]),
        (2, [TaxAdjustmentCause.TOLERANCE]),
        (-2, [TaxAdjustmentCause.TOLERANCE]),
    ],
)
async def test_the_memory_erp_books_what_is_off_and_says_why(cents, causes, shipping):
    order = dearer(cents, shipping=shipping)
    held = await entered(order)
    assert compare_orders(order, held, TOLERANT) == ()
    assert held.tax_adjustments == tuple(
        TaxAdjustment(code="VAT-20", cause=cause, amount=cents * CENT) for cause in causes
    )


async def test_the_ledger_names_what_the_erp_did_not_reckon_itself():
    order = dearer(2)
    proof = prove(order, await entered(order), TOLERANT)
    adjusted = [e for e in proof.ledger.entries if e.kind is EntryKind.TAX_ADJUSTED]
    assert [(e.side, e.subject, e.words) for e in adjusted] == [
        (Side.ERP, "VAT-20, within the tolerance", "USD 0.02")
    ]
    assert not [e for e in proof.ledger.entries if e.kind is EntryKind.ADJUSTED]


@pytest.mark.parametrize(("cents", "tolerance"), [(3, "0.02"), (2, "0.01"), (2, "0"), (-3, "0.02")])
async def test_the_memory_erp_refuses_more_and_names_the_rate(cents, tolerance):
    with pytest.raises(Rejected, match=r"line 11 .* of VAT-20 .*more than rounding") as refused:
        await entered(dearer(cents), tolerance)
    assert refused.value.cause == "amounts_differ"


def test_an_accepted_order_says_accepted_and_not_tolerated():
    order = off_by("0.05")
    erp = make_erp_order(plan_sales_order(off_by("0.02"), TOLERANT)).model_copy(
        update={"adjustment": Decimal("0.05")}
    )
    subjects = {e.subject for e in prove(order, erp, TOLERANT).ledger.entries if e.kind is EntryKind.ADJUSTED}
    assert subjects == {"difference accepted"}
    assert tolerated_words(erp) == ""
    shipped = erp.model_copy(update={"shipments": (make_shipment({"11": 2}),)})
    assert not check_closing(closing(order), shipped, TOLERANT).balanced
