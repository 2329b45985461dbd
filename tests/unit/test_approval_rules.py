"""Which orders need an approval, and how long one that was given holds."""

from decimal import Decimal

import pytest
from pydantic import ValidationError

from domain.approval import Approval, ApprovalRules, approval_needed
from domain.order import Risk
from tests.order_builder import PLACED_AT, make_line, make_order
from workflows.messages import Problem
from workflows.order_state import OrderState
from workflows.steps import Step, next_step

RULES = ApprovalRules(above=Decimal("100.00"), risk=Risk.MEDIUM)


def order_of(total: str, risk: Risk = Risk.NONE, **overrides):
    line = make_line(ordered=1, unit_price=total, tax_rates=())
    return make_order("5001", lines=(line,), risk=risk, **overrides)


@pytest.mark.parametrize(
    ("total", "risk", "reasons"),
    [
        ("100.00", Risk.LOW, None),
        ("100.01", Risk.LOW, ("its total USD 100.01 is above USD 100.00",)),
        ("1.00", Risk.MEDIUM, ("the storefront rates its risk medium",)),
        ("1.00", Risk.PENDING, ("the storefront is still assessing its risk",)),
        (
            "100.01",
            Risk.HIGH,
            ("its total USD 100.01 is above USD 100.00", "the storefront rates its risk high"),
        ),
    ],
)
def test_value_and_risk_are_told_one_fact_each(total, risk, reasons):
    needed = approval_needed(order_of(total, risk), RULES)
    assert (needed.reasons if needed else None) == reasons


def test_without_rules_nothing_is_asked():
    assert approval_needed(order_of("1000000.00", Risk.HIGH), ApprovalRules()) is None


def test_a_canceled_order_needs_none():
    assert approval_needed(order_of("100.01", canceled_at=PLACED_AT), RULES) is None


@pytest.mark.parametrize("risk", ["none", "pending"])
def test_no_rating_is_no_rule(risk):
    with pytest.raises(ValidationError, match="give low, medium or high"):
        ApprovalRules(risk=risk)


@pytest.mark.parametrize(
    ("then", "now", "holds"),
    [
        (("50.00", Risk.LOW), ("50.00", Risk.LOW), True),
        (("50.00", Risk.HIGH), ("49.99", Risk.MEDIUM), True),
        (("50.00", Risk.LOW), ("50.01", Risk.LOW), False),
        (("50.00", Risk.LOW), ("50.00", Risk.MEDIUM), False),
        (("50.00", Risk.PENDING), ("50.00", Risk.PENDING), True),
        (("50.00", Risk.PENDING), ("50.00", Risk.LOW), False),
        (("50.00", Risk.HIGH), ("50.00", Risk.PENDING), False),
        (("50.00", Risk.PENDING), ("50.00", Risk.NONE), True),
    ],
)
def test_an_approval_holds_for_what_is_neither_dearer_nor_more_risky(then, now, holds):
    approval = Approval(actor="Kim", reason="known", total=Decimal(then[0]), risk=then[1])
    assert approval.covers(order_of(*now)) is holds


def state_of(**overrides) -> OrderState:
    order = order_of("150.00")
    values = {"reread": False, "approval": approval_needed(order, RULES)}
    return OrderState(key=order.key, order=order, **values | overrides)


def test_an_order_is_asked_about_before_it_is_entered_and_after_it_is_paid():
    state = state_of()
    assert next_step(state) is Step.ASK_APPROVAL
    unpaid = state.payment.model_copy(update={"unpaid": Decimal("1.00")})
    assert next_step(state_of(payment=unpaid)) is Step.WAIT
    approved = Approval(actor="Kim", reason="known", total=Decimal("150.00"), risk=Risk.NONE)
    assert next_step(state_of(approved=approved)) is Step.SUBMIT


def test_one_that_waits_for_an_approval_reads_again_and_no_other_problem_does():
    problem = Problem(cause="approval_needed:shop:5001", reason="x", remedy="y", since=PLACED_AT)
    assert next_step(state_of(problem=problem)) is Step.WAIT
    assert next_step(state_of(problem=problem, reread=True)) is Step.READ
    assert next_step(state_of(problem=problem, reread=True, held_by="Kim")) is Step.WAIT
    other = problem.model_copy(update={"cause": "sku_missing:x"})
    assert next_step(state_of(problem=other, reread=True)) is Step.WAIT


def test_on_hold_units_that_were_canceled_go_on_to_the_erp_after_what_the_storefront_told_of_is_read():
    canceled = {"held_by": "Kim", "amend": True, "amend_at_once": True}
    assert next_step(state_of(**canceled)) is Step.AMEND
    assert next_step(state_of(**canceled, reread=True)) is Step.READ
    assert next_step(state_of(held_by="Kim", amend=True, reread=True)) is Step.WAIT
