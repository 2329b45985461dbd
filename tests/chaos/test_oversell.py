"""The oversell race in a small size: with the rule nobody is promised what is not there, without it somebody is."""

import pytest

from sandbox.oversell.race import run_race
from sandbox.oversell.truth import Knowledge, Truth


@pytest.mark.parametrize("seed", [1, 2])
def test_no_push_shows_more_than_there_is(seed: int) -> None:
    outcome = run_race(seed, buyers=150)
    assert outcome.stories == ()
    assert outcome.oversold == 0
    assert outcome.wrong == (), "the race itself is wrong"
    assert outcome.orders > 30
    assert outcome.raises > 30, "a race in which nothing is raised proves nothing"


def test_the_race_is_lost_without_the_rule() -> None:
    outcome = run_race(1, rule=False, buyers=150)
    assert outcome.wrong == ()
    assert outcome.oversold > 0
    assert outcome.by_push >= outcome.oversold


def test_what_the_erps_people_take_is_not_held_against_a_push() -> None:
    shown = 10
    truth = Truth({("MUG", "EAST"): 10}, lambda _place: shown)
    before = Knowledge(truth.moment, truth.moment)
    truth.taken_away(("MUG", "EAST"), 4)
    shown = 12
    truth.raised(("MUG", "EAST"), 4, before, "set from 10 to 12")
    assert (truth.by_push.total(), truth.oversold) == (0, 0), "the push could not know"
    shown = 13
    truth.raised(("MUG", "EAST"), 6, Knowledge(truth.moment, truth.moment), "set from 12 to 13")
    assert truth.by_push.total() == 1, "the push could know"
    truth.promised(("MUG", "EAST"), 13)
    assert truth.missing == 7
    assert truth.oversold == 1
