"""A status for every state of the lines, and a sentence that tells the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.planning import plan_sales_order
from domain.quantities import LineState, apply_erp, cancel_open, lines_from_order
from domain.status import OrderStatus, derive_status, describe
from tests.order_strategy import erp_histories, orders, wide_mapping


def line(line_id="11", **values):
    return LineState(**{"line_id": line_id, "sku": "CAP-BLK", "title": "Cap black", "ordered": 5} | values)


@st.composite
def line_states(draw):
    """Any line whose units add up."""
    ordered = draw(st.integers(0, 6))
    canceled = draw(st.integers(0, ordered))
    shipped = draw(st.integers(0, ordered - canceled))
    allocated = draw(st.integers(0, ordered - canceled - shipped))
    backordered = draw(st.integers(0, ordered - canceled - shipped - allocated))
    return line(
        str(draw(st.integers(11, 99))),
        ordered=ordered,
        canceled=canceled,
        shipped=shipped,
        allocated={"WH-EAST": allocated} if allocated else {},
        backordered=backordered,
        given_up=draw(st.integers(0, ordered - canceled - shipped - allocated - backordered)),
        returned=draw(st.integers(0, shipped)),
    ).conserved()


@given(st.lists(line_states(), max_size=4), st.booleans(), st.booleans(), st.booleans())
def test_every_state_has_one_status_that_fits_its_quantities(lines, submitted, closed, ignored):
    status = derive_status(lines, submitted=submitted, closed=closed, ignored=ignored)
    assert (status is OrderStatus.IGNORED) == ignored
    shipped, still_open = sum(x.shipped for x in lines), sum(x.open for x in lines)
    match status:
        case OrderStatus.CANCELED:
            assert shipped == still_open == 0
        case OrderStatus.CLOSED:
            assert closed
        case OrderStatus.SHIPPED:
            assert shipped
            assert not still_open
        case OrderStatus.PARTLY_SHIPPED:
            assert shipped
            assert still_open
        case OrderStatus.SUBMITTED | OrderStatus.RECEIVED:
            assert not shipped
            assert submitted == (status is OrderStatus.SUBMITTED)


@given(st.lists(line_states(), max_size=4))
def test_the_sentence_accounts_for_every_open_unit(lines):
    sentence = describe(lines)
    due, shipped = sum(x.due for x in lines), sum(x.shipped for x in lines)
    if not due:
        assert sentence.endswith(" canceled") or sentence == "no units ordered"
        return
    first, *others = sentence.split("; ")
    assert first.startswith("all " if shipped == due else f"{shipped} of {due} ")
    still_open = [x for x in others if x.split(" ", 1)[1] not in {"canceled", "returned", "refunded"}]
    assert sum(int(x.split()[0]) for x in still_open) == due - shipped


@given(orders(), st.data())
def test_status_only_moves_forward_while_parcels_leave(order, data):
    way = [OrderStatus.RECEIVED, OrderStatus.SUBMITTED, OrderStatus.PARTLY_SHIPPED, OrderStatus.SHIPPED]
    lines = lines_from_order(order)
    if not any(x.due for x in lines):
        assert derive_status(lines, submitted=True, closed=False, ignored=False) is OrderStatus.CANCELED
        return
    seen = [derive_status(lines, submitted=False, closed=False, ignored=False)]
    for reading in data.draw(erp_histories(plan_sales_order(order, wide_mapping()))):
        lines = apply_erp(lines, reading)
        seen.append(derive_status(lines, submitted=True, closed=False, ignored=False))
    assert [way.index(x) for x in seen] == sorted(way.index(x) for x in seen)
    assert (seen[0], seen[-1]) == (OrderStatus.RECEIVED, OrderStatus.SHIPPED)


def test_an_order_canceled_whole_is_canceled_even_once_closed():
    lines = cancel_open([line(), line("12")])
    assert derive_status(lines, submitted=True, closed=True, ignored=False) is OrderStatus.CANCELED


def test_one_line_still_open_keeps_the_order_partly_shipped():
    lines = [line(shipped=5), line("12", shipped=1)]
    assert derive_status(lines, submitted=True, closed=False, ignored=False) is OrderStatus.PARTLY_SHIPPED


def test_an_order_canceled_after_a_part_left_is_shipped_then_closed():
    lines = cancel_open([line(shipped=2)])
    assert derive_status(lines, submitted=True, closed=False, ignored=False) is OrderStatus.SHIPPED
    assert derive_status(lines, submitted=True, closed=True, ignored=False) is OrderStatus.CLOSED


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ([line(shipped=3, allocated={"WH-WEST": 2})], "3 of 5 units shipped; 2 waiting at WH-WEST"),
        (
            [line(allocated={"WH-WEST": 2, "WH-EAST": 1}), line("12", ordered=2, backordered=1)],
            "0 of 7 units shipped; 1 waiting at WH-EAST; 2 waiting at WH-WEST; 1 on backorder; 3 not allocated yet",
        ),
        ([line(ordered=1)], "0 of 1 unit shipped; 1 not allocated yet"),
        ([line(shipped=5)], "all 5 units shipped"),
        (
            [line(shipped=4, canceled=1, returned=2, refunded=3)],
            "all 4 units shipped; 1 canceled; 2 returned; 3 refunded",
        ),
        ([line(canceled=5)], "all 5 units canceled"),
        ([], "no units ordered"),
    ],
)
def test_the_sentence_in_plain_words(lines, sentence):
    assert describe(lines) == sentence
