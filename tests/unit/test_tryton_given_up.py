"""Canceled moves of a Tryton sale: what of them is given up, and what is not."""

from typing import Any

import pytest

from tests.unit.test_tryton_reading import kit, line, move, read, shipment

OFF = {"shipments.": [shipment(1), shipment(2, "cancelled")]}


@pytest.mark.parametrize("settled", [{}, {"moves_ignored": [2]}], ids=["undecided", "ignored"])
def test_what_was_canceled_and_not_made_anew_is_given_up(settled: dict[str, list[int]]) -> None:
    moves = (move(1, 2.0), move(2, 1.0, 2, "cancelled"))
    order = read(line(1, 3.0, *moves, **settled), **OFF)
    assert order.given_up == {"L1": 1}
    assert order.backorders == ()
    # The sale may be done with that.
    assert read(line(1, 3.0, *moves, **settled), **OFF, state="done").given_up == {"L1": 1}


@pytest.mark.parametrize(
    ("units", "moves", "settled"),
    [
        (3.0, [move(1, 2.0), move(2, 1.0, 2, "cancelled"), move(3, 1.0)], {"moves_recreated": [2]}),
        (3.0, [move(1, 2.0), move(2, 1.0, 2, "cancelled")], {"moves_recreated": [2]}),
        (2.0, [move(1, 2.0), move(2, 1.0, 2, "cancelled")], {"moves_ignored": [2]}),
        (0.0, [move(2, 3.0, 2, "cancelled")], {"moves_ignored": [2]}),
    ],
    ids=["made anew", "about to be made anew", "not sold any more", "the line is gone"],
)
def test_what_is_sent_after_all_or_not_sold_any_more_is_not_given_up(
    units: float, moves: list[dict[str, Any]], settled: dict[str, list[int]]
) -> None:
    assert read(line(1, units, *moves, **settled), **OFF).given_up == {}


def test_of_kits_those_are_given_up_that_cannot_be_sent_whole() -> None:
    tees = [move(1, 2.0), move(2, 1.0, 2, "cancelled")]
    socks = [move(3, 3.0), move(4, 3.0, 2, "cancelled")]
    order = read(kit(1, 3.0, (3.0, tees), (6.0, socks)), **OFF)
    assert order.given_up == {"L1": 2}


def test_lines_of_one_storefront_line_are_summed_and_services_are_not_sent() -> None:
    note = "Store line: L1\nShips from: WEST"
    parts = [line(n, 2.0, move(n, 2.0, 2, "cancelled"), note=note) for n in (1, 2)]
    service = line(3, 1.0, move(3, 1.0, 2, "cancelled"), **{"product.": {"id": 9, "type": "service"}})
    assert read(*parts, service, **OFF).given_up == {"L1": 4}


def test_a_cancel_of_ours_that_is_half_done_gives_nothing_up() -> None:
    canceled = line(1, 3.0, move(1, 3.0, 2, "cancelled"))
    comment = "Canceled by the store: the order was edited, another sale takes its place"
    half_done = {"shipments.": [shipment(2, "cancelled")], "shipment_state": "exception"}
    assert read(canceled, **half_done).given_up == {"L1": 3}
    assert read(canceled, **half_done, comment=comment).given_up == {}
    # One that came too late says so for ever.
    rest = line(2, 1.0, move(2, 1.0))
    assert read(canceled, rest, **OFF, comment=comment).given_up == {"L1": 3}


@pytest.mark.parametrize("state", ["draft", "cancelled"])
def test_a_sale_that_is_not_in_force_has_nothing_given_up(state: str) -> None:
    assert read(line(1, 3.0, move(1, 3.0, 2, "cancelled")), **OFF, state=state).given_up == {}
