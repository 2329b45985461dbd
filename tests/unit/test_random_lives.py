"""Lives that nobody wrote down: what is drawn can be done to the order at hand, and what is no good end is seen."""

from datetime import UTC, datetime
from decimal import Decimal
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from domain.status import OrderStatus
from sandbox.scenarios import vocabulary as words
from sandbox.scenarios.chances import draw
from sandbox.scenarios.random_lives import Life, shapes
from sandbox.store.control import LineReading, OrderReading, ReturnReading

LINES = st.builds(
    lambda number, shipped, kept, back: LineReading(
        id=number,
        sku="MUG-LOGO",
        ordered=shipped + kept,
        current=shipped + kept - min(back, shipped),
        shipped=shipped,
        returned=min(back, shipped),
    ),
    st.integers(1, 99),
    st.integers(0, 4),
    st.integers(0, 4),
    st.integers(0, 4),
)


def reading(*lines: LineReading, returns: tuple[ReturnReading, ...] = ()) -> OrderReading:
    return OrderReading(
        id=5001,
        name="#1001",
        created_at=datetime.now(UTC),
        test=False,
        canceled=False,
        cancel_reason=None,
        currency="USD",
        presentment_currency="USD",
        financial_status="PAID",
        fulfillment_status="UNFULFILLED",
        taxes={},
        refunds=0,
        fulfillments=0,
        open_units=0,
        tracking_numbers=(),
        lines=lines,
        returns=returns,
        **dict.fromkeys(
            (
                "total",
                "presentment_total",
                "original_total",
                "authorized",
                "captured",
                "presentment_captured",
            ),
            Decimal(10),
        ),
        **dict.fromkeys(("refunded", "presentment_refunded", "refund_discrepancy", "due"), Decimal(0)),
    )


@given(seed=st.integers(0, 10_000), lines=st.lists(LINES, max_size=3, unique_by=lambda line: line.id))
def test_what_is_drawn_fits_the_order(seed: int, lines: list[LineReading]):
    at_hand = {line.id: line for line in lines}
    act = draw(Random(seed), reading(*lines))
    if isinstance(act, words.Edited):
        for change in act.change.lines:
            line = at_hand[change.line]
            assert change.quantity is None or change.quantity >= line.shipped - line.returned
    if isinstance(act, words.ReturnWanted):
        (wanted,) = act.wish.lines
        assert 1 <= wanted.quantity <= at_hand[wanted.line].shipped - at_hand[wanted.line].returned


def test_the_same_seed_draws_the_same():
    order = reading(LineReading(id=1, sku="CAP-BLK", ordered=3, current=3, shipped=1))
    drawn = [[draw(dice, order) for _ in range(20)] for dice in (Random(7), Random(7), Random(8))]
    assert drawn[0] == drawn[1] != drawn[2]


def test_orders_of_many_shapes_are_lived_through():
    named = dict(shapes())
    assert len(named) > 100
    assert not any(order.test for order in named.values())


def test_a_cause_that_nothing_explains_is_a_finding_though_the_order_ended():
    life = Life(name="7: a kit", ended=OrderStatus.CLOSED, causes={"unbalanced:units": "one is missing"})
    assert life.held
    life.causes["contract_broken:tryton:read"] = "the answer is no JSON"
    assert not life.held
