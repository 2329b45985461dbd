"""Units are conserved whatever arrives, in whatever sequence, however often."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.erp_order import ErpOrderState, ErpShipmentState
from domain.planning import plan_sales_order
from domain.quantities import (
    LineState,
    QuantitiesBroken,
    apply_erp,
    cancel_open,
    delivered_units,
    lines_from_order,
    page_after_returns,
    shipped_units,
    units_returned,
)
from tests.order_builder import make_erp_order, make_line, make_order, make_shipment, sandbox_mapping
from tests.order_strategy import erp_histories, orders, wide_mapping

ORDER = make_order(lines=[make_line(ordered=5), make_line("12", "CAP-BLK", 1)])
PLAN = plan_sales_order(ORDER, sandbox_mapping())


def erp(*shipments, **overrides):
    return make_erp_order(PLAN, shipments, **overrides)


def state(**values):
    return LineState(**{"line_id": "11", "sku": "CAP-BLK", "title": "Cap black", "ordered": 5} | values)


@given(orders(), st.data())
def test_units_are_conserved_in_any_sequence_of_readings_and_cancels(order, data):
    readings = data.draw(erp_histories(plan_sales_order(order, wide_mapping())))
    happenings = data.draw(st.lists(st.sampled_from([*readings, None]), max_size=12))
    lines = lines_from_order(order)
    canceled = False
    for reading in happenings:
        before = lines
        try:
            lines = cancel_open(lines) if reading is None else apply_erp(lines, reading)
        except QuantitiesBroken:
            # Only a parcel that left after its units were canceled breaks the sum.
            assert canceled
            assert reading is not None
            shipped = shipped_units(reading)
            assert any(shipped.get(x.line_id, 0) > x.due for x in before)
            continue
        canceled = canceled or reading is None
        for line, old in zip(lines, before, strict=True):
            line.conserved()
            assert line.ordered == line.canceled + line.shipped + line.open
            assert (
                line.open
                == sum(line.allocated.values()) + line.backordered + line.given_up + line.unallocated
            )
            assert line.unallocated >= 0
            assert line.shipped >= old.shipped
            assert line.canceled >= old.canceled
            assert all(units > 0 for units in line.allocated.values())
        if reading is not None:
            assert apply_erp(lines, reading) == lines


@given(orders(), st.data())
def test_readings_in_any_sequence_end_at_the_newest(order, data):
    readings = data.draw(erp_histories(plan_sales_order(order, wide_mapping())))
    newest = readings[-1]
    expected = apply_erp(lines_from_order(order), newest)
    lines = lines_from_order(order)
    for reading in data.draw(st.permutations(readings)):
        lines = apply_erp(lines, reading)
    assert lines == expected
    assert all(line.open == 0 for line in lines)
    assert {line.line_id: line.shipped for line in lines if line.shipped} == delivered_units(order, newest)


@given(orders(), st.data())
def test_the_sequence_of_shipments_within_a_reading_does_not_matter(order, data):
    reading = data.draw(st.sampled_from(data.draw(erp_histories(plan_sales_order(order, wide_mapping())))))
    turned = reading.model_copy(update={"shipments": tuple(data.draw(st.permutations(reading.shipments)))})
    assert apply_erp(lines_from_order(order), turned) == apply_erp(lines_from_order(order), reading)


def test_edits_before_submission_are_canceled_units():
    (line,) = lines_from_order(make_order(lines=[make_line(ordered=5, current=2)]))
    assert (line.ordered, line.canceled, line.open, line.unallocated) == (5, 3, 2, 2)


def test_an_edit_that_raised_a_line_has_ordered_the_rest_as_well():
    (line,) = lines_from_order(make_order(lines=[make_line(ordered=2, current=3)]))
    assert (line.ordered, line.canceled, line.open) == (3, 0, 3)


@pytest.mark.parametrize("waiting", sorted(set(ErpShipmentState) - {"shipped", "canceled"}))
def test_every_shipment_at_a_warehouse_is_an_allocation(waiting):
    tee, cap = apply_erp(
        lines_from_order(ORDER),
        erp(
            make_shipment({"11": 1, "12": 1}),
            make_shipment({"11": 2}, warehouse="WH-WEST", state=waiting),
            make_shipment({"11": 1}, state=waiting),
            make_shipment({"11": 4}, state=ErpShipmentState.CANCELED),
        ),
    )
    assert tee.allocated == {"WH-EAST": 1, "WH-WEST": 2}
    assert (tee.shipped, tee.backordered, tee.unallocated, tee.open) == (1, 1, 0, 4)
    assert (cap.shipped, cap.allocated, cap.backordered) == (1, {}, 0)


@pytest.mark.parametrize("at", [ErpOrderState.DRAFT, ErpOrderState.DONE, ErpOrderState.CANCELED])
def test_only_an_accepted_order_backorders(at):
    tee, _ = apply_erp(lines_from_order(ORDER), erp(state=at))
    assert (tee.backordered, tee.unallocated) == (0, 5)


def test_one_shipment_may_hold_a_line_twice():
    shipment = make_shipment({"11": 2})
    twice = shipment.model_copy(update={"lines": shipment.lines * 2})
    assert apply_erp(lines_from_order(ORDER), erp(twice))[0].shipped == 4


def test_an_older_reading_takes_nothing_back_and_its_allocations_are_not_believed():
    before = erp(make_shipment({"11": 5}, state=ErpShipmentState.PACKED))
    after = erp(
        make_shipment({"11": 2}),
        make_shipment({"11": 3}, warehouse="WH-WEST", state=ErpShipmentState.WAITING),
    )
    lines = apply_erp(lines_from_order(ORDER), after)
    assert apply_erp(lines, before) == lines
    assert lines[0].allocated == {"WH-WEST": 3}


def test_a_newer_reading_may_move_an_allocation():
    first = erp(make_shipment({"11": 5}, state=ErpShipmentState.WAITING))
    moved = erp(make_shipment({"11": 5}, warehouse="WH-WEST", state=ErpShipmentState.RESERVED))
    lines = apply_erp(apply_erp(lines_from_order(ORDER), first), moved)
    assert lines[0].allocated == {"WH-WEST": 5}


def test_a_reading_without_any_parcel_is_older_than_the_first_one():
    lines = apply_erp(lines_from_order(ORDER), erp(make_shipment({"12": 1})))
    older = erp(make_shipment({"11": 5}, state=ErpShipmentState.WAITING))
    assert apply_erp(lines, older) == lines
    assert lines[0].allocated == {}


def test_a_reading_both_older_and_newer_is_believed_for_what_left_only():
    known = erp(make_shipment({"12": 1}), make_shipment({"11": 2}, state=ErpShipmentState.WAITING))
    lines = apply_erp(lines_from_order(ORDER), known)
    assert (lines[0].allocated, lines[0].backordered) == ({"WH-EAST": 2}, 3)
    mixed = erp(make_shipment({"11": 1}), make_shipment({"12": 1}, state=ErpShipmentState.WAITING))
    tee, cap = apply_erp(lines, mixed)
    assert (tee.shipped, tee.allocated, tee.backordered, tee.unallocated) == (1, {"WH-EAST": 2}, 2, 0)
    assert cap == lines[1]


def test_an_older_reading_backorders_nothing():
    done = apply_erp(lines_from_order(ORDER), erp(make_shipment({"12": 1}), state=ErpOrderState.DONE))
    assert done[0].unallocated == 5
    assert apply_erp(done, erp()) == done


def test_over_shipment_is_refused_with_the_numbers():
    with pytest.raises(
        QuantitiesBroken, match="line 11: the ERP shipped 6 units but only 5 of 5 were due"
    ) as broken:
        apply_erp(lines_from_order(ORDER), erp(make_shipment({"11": 6})))
    assert broken.value.line_id == "11"


def test_shipping_canceled_units_is_refused():
    with pytest.raises(QuantitiesBroken, match="shipped 1 units but only 0 of 5 were due"):
        apply_erp(cancel_open(lines_from_order(ORDER)), erp(make_shipment({"11": 1})))


def test_a_line_that_the_order_does_not_have_is_refused():
    with pytest.raises(QuantitiesBroken, match="line 99: stands on a shipment of SO5001"):
        apply_erp(lines_from_order(ORDER), erp(make_shipment({"99": 1}, state=ErpShipmentState.WAITING)))


def test_canceling_keeps_what_left_and_clears_the_rest():
    lines = apply_erp(
        lines_from_order(ORDER),
        erp(make_shipment({"11": 2}), make_shipment({"11": 3}, state=ErpShipmentState.RESERVED)),
    )
    tee, cap = cancel_open(lines)
    assert (tee.shipped, tee.canceled, tee.open, tee.allocated, tee.backordered) == (2, 3, 0, {}, 0)
    assert (cap.shipped, cap.canceled) == (0, 1)
    assert cancel_open((tee, cap)) == (tee, cap)


def test_a_shipment_still_shown_for_canceled_units_is_no_allocation():
    waiting = erp(make_shipment({"11": 5}, state=ErpShipmentState.WAITING))
    lines = cancel_open(lines_from_order(ORDER))
    assert apply_erp(lines, waiting) == lines


def test_which_allocations_outlive_an_edit_does_not_depend_on_their_sequence():
    order = make_order(lines=[make_line(ordered=5, current=2)])
    east = make_shipment({"11": 1}, state=ErpShipmentState.WAITING)
    west = make_shipment({"11": 4}, warehouse="WH-WEST", state=ErpShipmentState.WAITING)
    for shipments in ((east, west), (west, east)):
        (line,) = apply_erp(lines_from_order(order), erp(*shipments))
        assert line.allocated == {"WH-EAST": 1, "WH-WEST": 1}


@pytest.mark.parametrize(("shipped", "returned"), [(1, 1), (3, 2), (5, 4)])
def test_of_a_page_that_was_read_before_all_of_it_what_came_back_is_told(shipped, returned):
    """Neither the parcel nor the return are on the page; both are known."""
    page = page_after_returns(ORDER, [state(shipped=shipped, returned=returned)])
    assert units_returned(page) == {"11": returned}
    assert [line.current for line in page.lines] == [5 - returned, 1]
    remaining = sum(part.remaining for plan in page.location_plans for part in plan.lines)
    assert remaining == sum(part.remaining for plan in ORDER.location_plans for part in plan.lines) - shipped
    assert page_after_returns(page, [state(shipped=shipped, returned=returned)]) == page


class TestWithoutParcel:
    """What needs no parcel goes with the first one."""

    order = make_order(lines=[make_line(ordered=2), make_line("12", "STICKER", 3, requires_shipping=False)])
    plan = plan_sales_order(order, sandbox_mapping())

    def test_it_waits_for_the_first_parcel(self):
        waiting = make_erp_order(self.plan, [make_shipment({"11": 2}, state=ErpShipmentState.PACKED)])
        lines = apply_erp(lines_from_order(self.order), waiting)
        assert [x.shipped for x in lines] == [0, 0]
        assert delivered_units(self.order, waiting) == {}
        left = make_erp_order(self.plan, [make_shipment({"11": 1})])
        assert [x.shipped for x in apply_erp(lines, left)] == [1, 3]
        assert delivered_units(self.order, left) == {"11": 1, "12": 3}

    def test_the_first_parcel_of_any_line_is_enough(self):
        order = make_order(lines=[*self.order.lines, make_line("13", "CAP-BLK", 1)])
        left = make_erp_order(plan_sales_order(order, sandbox_mapping()), [make_shipment({"13": 1})])
        assert [x.shipped for x in apply_erp(lines_from_order(order), left)] == [0, 3, 1]
        assert delivered_units(order, left) == {"12": 3, "13": 1}

    def test_it_is_canceled_with_the_rest_before_that(self):
        waiting = make_erp_order(self.plan, [make_shipment({"11": 2}, state=ErpShipmentState.PACKED)])
        lines = cancel_open(apply_erp(lines_from_order(self.order), waiting))
        assert [(x.shipped, x.canceled) for x in lines] == [(0, 2), (0, 3)]

    @pytest.mark.parametrize(
        ("at", "shipped"), [(ErpOrderState.ACCEPTED, 3), (ErpOrderState.DONE, 3), (ErpOrderState.DRAFT, 0)]
    )
    def test_alone_it_is_delivered_once_the_erp_accepts(self, at, shipped):
        order = make_order(lines=[make_line(ordered=2, current=0), self.order.lines[1]])
        reading = make_erp_order(plan_sales_order(order, sandbox_mapping()), state=at)
        assert apply_erp(lines_from_order(order), reading)[1].shipped == shipped
        assert delivered_units(order, reading) == ({"12": 3} if shipped else {})


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"canceled": 3, "shipped": 3}, "3 shipped and 3 canceled are more than 5 ordered"),
        (
            {"allocated": {"WH-EAST": 3}, "backordered": 3},
            "3 allocated, 3 backordered and 0 given up are more than the 5 open",
        ),
        ({"shipped": 1, "returned": 2}, "2 returned are more than the 1 shipped"),
        ({"refunded": 6}, "6 refunded are more than the 5 ordered"),
    ],
)
def test_what_does_not_add_up_is_named(values, problem):
    with pytest.raises(QuantitiesBroken, match=f"line 11: {problem}"):
        state(**values).conserved()


@pytest.mark.parametrize("field", ["canceled", "backordered", "given_up", "shipped", "returned", "refunded"])
def test_nothing_is_below_zero(field):
    with pytest.raises(QuantitiesBroken, match=f"{field.replace('_', ' ')} is -1, below zero"):
        state().model_copy(update={field: -1}).conserved()
    with pytest.raises(QuantitiesBroken, match="allocated at WH-EAST is -2"):
        state().model_copy(update={"allocated": {"WH-EAST": -2}}).conserved()


def test_a_state_survives_json():
    line = state(allocated={"WH-EAST": 2}, shipped=1)
    assert LineState.model_validate_json(line.model_dump_json()) == line
