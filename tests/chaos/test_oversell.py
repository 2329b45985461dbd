"""The oversell race in a small size: with the rule nobody is promised what is not there, without it somebody is."""

import pytest

from domain.erp_order import ErpShipment, ErpShipmentState, ShipmentLine
from domain.order import OrderKey
from domain.planning import plan_sales_order
from sandbox.oversell.buying import held_beyond, make_order
from sandbox.oversell.race import run_race
from sandbox.oversell.truth import Knowledge, Truth
from tests.order_builder import make_erp_order, sandbox_mapping
from tests.order_builder import make_order as any_order


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


def test_a_push_knows_of_what_was_heard_before_it_read_and_of_nothing_later() -> None:
    canceled, place = OrderKey(channel="shop", external_id="1"), ("MUG", "EAST")

    def blamed(*, heard_first: bool) -> int:
        shown = 10
        truth = Truth({place: 10}, lambda _place: shown)
        truth.taken_away(place, 1, canceled)
        if heard_first:
            truth.heard(canceled)
        knew = Knowledge(truth.moment, truth.moment)
        truth.heard(canceled)
        shown = 11
        truth.raised(place, 1, knew, "set from 10 to 11")
        return truth.by_push.total()

    assert blamed(heard_first=True) == 1
    assert blamed(heard_first=False) == 0, "both in one moment: the reading did not know"


def test_what_the_erp_keeps_for_an_order_as_well_is_not_held_beyond_it() -> None:
    key = OrderKey(channel="shop", external_id="1")
    order = make_order(key, {"MUG": {"101": 3, "102": 1}})
    places = {"101": "EAST", "102": "WEST"}
    assert held_beyond(order, None, places) == {("MUG", "EAST"): 3, ("MUG", "WEST"): 1}
    line = ShipmentLine(line_id="MUG", quantity=2)
    waiting = ErpShipment(
        shipment_id="1", number="1", warehouse="EAST", state=ErpShipmentState.WAITING, lines=(line,)
    )
    gone = waiting.model_copy(update={"warehouse": "WEST", "state": ErpShipmentState.SHIPPED})
    erp = make_erp_order(plan_sales_order(any_order(), sandbox_mapping()))
    erp = erp.model_copy(update={"shipments": (waiting, gone)})
    assert held_beyond(order, erp, places) == {("MUG", "EAST"): 1, ("MUG", "WEST"): 1}
