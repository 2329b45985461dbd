"""Faults that a test orders: which call they strike, how, and when they end."""

from datetime import timedelta

import pytest

from adapters.errors import (
    Conflict,
    ContractBroken,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    SessionExpired,
    Unavailable,
)
from adapters.memory.faults import Faults


def call(faults: Faults, operation: str = "submit_order", system: str = "erp", *, writes: bool = True) -> str:
    done = ""
    try:
        with faults.during(system, operation, writes=writes):
            done = "done"
    except Exception as error:
        error.add_note(done)
        raise
    return done


def was_done(error: BaseException) -> bool:
    return error.__notes__ == ["done"]


def test_without_orders_every_call_is_done():
    assert call(Faults()) == "done"


def test_an_outage_lasts_until_it_is_lifted_and_nothing_happens_meanwhile():
    faults = Faults()
    faults.unavailable("erp.*")
    for operation in ("submit_order", "changes", "submit_order"):
        with pytest.raises(Unavailable) as caught:
            call(faults, operation)
        assert not was_done(caught.value)
    assert call(faults, "read_order", "storefront") == "done"
    faults.lift("erp.*")
    assert call(faults) == "done"


def test_a_lost_answer_comes_after_the_call_was_done():
    faults = Faults()
    faults.lose_answer("submit_order", nth=1)
    with pytest.raises(OutcomeUnknown) as caught:
        call(faults)
    assert was_done(caught.value)
    assert call(faults) == "done"


def test_a_read_whose_answer_is_lost_is_simply_unavailable():
    faults = Faults()
    faults.lose_answer("find_order")
    with pytest.raises(Unavailable):
        call(faults, "find_order", writes=False)


def test_the_nth_call_is_counted_from_the_order_on_and_only_over_matching_calls():
    faults = Faults()
    call(faults)
    faults.unavailable("submit_order", nth=2)
    assert call(faults) == "done"
    assert call(faults, "find_order") == "done"
    with pytest.raises(Unavailable):
        call(faults)
    assert call(faults) == "done"


def test_one_system_can_be_meant_where_both_have_the_operation():
    faults = Faults()
    faults.conflict("erp.cancel_order")
    assert call(faults, "cancel_order", "storefront") == "done"
    with pytest.raises(Conflict):
        call(faults, "cancel_order", "erp")


def test_several_operations_can_be_meant_and_are_counted_together():
    faults = Faults()
    faults.unavailable("changes|erp.cancel_order", nth=2)
    assert call(faults, "changes") == "done"
    assert call(faults, "cancel_order", "storefront") == "done"
    with pytest.raises(Unavailable):
        call(faults, "cancel_order")


def test_each_fault_is_its_leaf_with_what_it_carries():
    faults = Faults()
    faults.rate_limit("a", timedelta(seconds=7))
    faults.reject("b", "the period is closed", "period_closed")
    faults.break_contract("c", "<html>oops")
    faults.expire_session("d")
    with pytest.raises(RateLimited) as limited:
        call(faults, "a")
    with pytest.raises(Rejected) as rejected:
        call(faults, "b")
    with pytest.raises(ContractBroken) as broken:
        call(faults, "c")
    with pytest.raises(SessionExpired):
        call(faults, "d")
    assert limited.value.retry_after == timedelta(seconds=7)
    assert (rejected.value.reason, rejected.value.cause) == ("the period is closed", "period_closed")
    assert broken.value.raw == "<html>oops"


def test_the_first_order_wins_and_the_second_counts_all_the_same():
    faults = Faults()
    faults.conflict("submit_order", nth=1)
    faults.unavailable("submit_order", nth=2)
    with pytest.raises(Conflict):
        call(faults)
    with pytest.raises(Unavailable):
        call(faults)
    assert call(faults) == "done"


def test_lifting_without_a_pattern_lifts_all():
    faults = Faults()
    faults.unavailable("submit_order")
    faults.conflict("*")
    faults.lift()
    assert call(faults) == "done"


def test_calls_are_counted_from_one():
    with pytest.raises(ValueError, match="counted from 1"):
        Faults().unavailable(nth=0)
