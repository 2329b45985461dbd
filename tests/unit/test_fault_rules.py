"""Which calls a rule strikes."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sandbox.faults.rules import Fault, Rule, RuleBook

CREATE = ("model.sale.sale.create", "writes")
QUOTE = ("model.sale.sale.quote", "writes")
READ = ("model.sale.sale.search_read", "reads")


def book(*rules: Rule) -> RuleBook:
    made = RuleBook()
    for rule in rules:
        made.add(rule)
    return made


def struck(rules: RuleBook, *calls: tuple[str, ...]) -> list[bool]:
    return [rules.strike(call) is not None for call in calls]


@pytest.mark.parametrize(
    ("pattern", "meant"),
    [
        ("*", [CREATE, QUOTE, READ]),
        ("writes", [CREATE, QUOTE]),
        ("model.sale.sale.create", [CREATE]),
        ("model.sale.*.create|reads", [CREATE, READ]),
        ("model.party*", []),
    ],
)
def test_a_pattern_names_calls_by_operation_kind_or_part(pattern, meant):
    rule = Rule(calls=pattern, fault=Fault.CUT)
    assert [call for call in (CREATE, QUOTE, READ) if rule.names(call)] == meant


def test_without_count_every_call_is_struck_until_the_rule_is_lifted():
    rules = RuleBook()
    number = rules.add(Rule(fault=Fault.CUT, calls="reads"))
    assert struck(rules, READ, CREATE, READ) == [True, False, True]
    (listed,) = rules.listed()
    assert (listed.id, listed.struck) == (number, 2)
    rules.lift(number)
    assert struck(rules, READ) == [False]


def test_nth_strikes_one_matching_call_and_is_spent():
    rules = book(Rule(fault=Fault.CUT, calls="writes", nth=2))
    assert struck(rules, CREATE, READ, QUOTE, CREATE, QUOTE) == [False, False, True, False, False]
    assert rules.listed() == ()


def test_times_strikes_the_next_calls_and_is_spent():
    rules = book(Rule(fault=Fault.CUT, times=2))
    assert struck(rules, CREATE, READ, QUOTE) == [True, True, False]
    assert rules.listed() == ()


def test_each_operation_can_be_counted_apart():
    rules = book(Rule(fault=Fault.DROP_ANSWER, calls="writes", nth=1, of_each_operation=True))
    assert struck(rules, CREATE, CREATE, QUOTE, CREATE, QUOTE) == [True, False, True, False, False]


@given(st.integers(0, 2**32), st.floats(0.05, 0.95))
def test_the_same_seed_strikes_the_same_calls_whatever_other_rules_there_are(seed, probability):
    rule = Rule(fault=Fault.CUT, calls="writes", probability=probability, seed=seed)
    alone = book(rule)
    beside = book(rule, Rule(fault=Fault.HANG, calls="reads", probability=0.5, seed=seed))
    once = struck(alone, *[CREATE] * 40)
    again = []
    for _ in range(40):
        beside.strike(READ)
        again.append(beside.strike(CREATE) is not None)
    assert once == again


def test_probability_strikes_about_so_many():
    hits = sum(struck(book(Rule(fault=Fault.CUT, probability=0.2, seed=7)), *[CREATE] * 2000))
    assert 330 < hits < 470


def test_of_several_rules_the_first_is_obeyed_and_all_count():
    rules = book(Rule(fault=Fault.CUT, nth=1), Rule(fault=Fault.HANG, nth=2))
    first, second = rules.strike(CREATE), rules.strike(CREATE)
    assert first is not None
    assert second is not None
    assert (first.fault, second.fault) == (Fault.CUT, Fault.HANG)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"fault": "refuse", "calls": "writes"}, "for all calls, until lifted"),
        ({"fault": "refuse", "times": 3}, "for all calls, until lifted"),
        ({"fault": "rewrite"}, "needs a field"),
        ({"fault": "rewrite", "field": "total"}, "either value or add"),
        ({"fault": "rewrite", "field": "total", "value": 1, "add": Decimal(1)}, "either value or add"),
        ({"fault": "cut", "nth": 1, "times": 1}, "not both"),
        ({"fault": "cut", "nth": 0}, "greater than or equal to 1"),
        ({"fault": "explode"}, "fault"),
        ({"fault": "cut", "nht": 1}, "nht"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_in_words(wrong, words):
    with pytest.raises(ValidationError, match=words):
        Rule.model_validate(wrong)


def test_only_a_refusing_rule_keeps_the_proxy_from_listening():
    rules = book(Rule(fault=Fault.CUT))
    assert not rules.refuses
    number = rules.add(Rule(fault=Fault.REFUSE))
    assert rules.refuses
    rules.lift(number)
    assert not rules.refuses
