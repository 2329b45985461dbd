"""What a cancel of units comes to, wherever they are: nothing that has left, and nothing that somebody has in hand."""

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from domain.erp_order import (
    Backorder,
    ErpLine,
    ErpOrder,
    ErpOrderState,
    ErpShipment,
    ErpShipmentState,
    ShipmentLine,
)
from domain.order import ExchangeLine, LineKind, Order, ReturnStatus, StorefrontReturn
from domain.quantities import apply_erp, lines_from_order
from domain.unit_cancels import (
    all_that_has_not_left,
    hands_on,
    is_whole,
    places_kept,
    plan_cancel,
    without_given_up,
)
from tests.order_builder import make_line, make_order

STATES = [state for state in ErpShipmentState if state is not ErpShipmentState.CANCELED]
IN_HAND = {ErpShipmentState.PICKED, ErpShipmentState.PACKED}
Parts = Mapping[tuple[str, ErpShipmentState], int]


def ordered(tees: int, caps: int = 0) -> Order:
    lines = [make_line("11", "TEE-BLK-M", tees)]
    if caps:
        lines.append(make_line("12", "CAP-BLK", caps))
    return make_order("1", lines=lines)


def at_erp(order: Order, parts: Parts, short: int = 0) -> ErpOrder:
    """Tees by warehouse and state of their shipment; the rest of them on backorder."""
    shipments = tuple(
        ErpShipment(
            shipment_id=str(number),
            number=f"S{number}",
            warehouse=warehouse,
            state=state,
            lines=(ShipmentLine(line_id="11", quantity=units),),
        )
        for number, ((warehouse, state), units) in enumerate(parts.items())
        if units
    )
    backorders = (Backorder(line_id="11", warehouse="WH-EAST", quantity=short),) if short else ()
    return ErpOrder(
        key=order.key,
        erp_id="1",
        number="SO-1",
        state=ErpOrderState.ACCEPTED,
        currency="USD",
        total=order.total,
        taxes=(),
        shipments=shipments,
        backorders=backorders,
    )


def count(parts: Parts, states: set[ErpShipmentState]) -> int:
    return sum(units for (_, state), units in parts.items() if state in states)


@st.composite
def places(draw: st.DrawFn) -> tuple[dict[tuple[str, ErpShipmentState], int], int]:
    keys = st.tuples(st.sampled_from(["WH-EAST", "WH-WEST"]), st.sampled_from(STATES))
    parts = draw(st.dictionaries(keys, st.integers(0, 4), max_size=6))
    return parts, draw(st.integers(0, 3))


@given(places(), st.integers(0, 30))
def test_nothing_is_canceled_that_has_left_or_is_in_hand_and_every_unit_is_accounted_for(
    where: tuple[dict[tuple[str, ErpShipmentState], int], int], down_to: int
) -> None:
    parts, short = where
    total = sum(parts.values()) + short
    order = ordered(total or 1)
    erp = at_erp(order, parts, short or (0 if total else 1))
    current = order.lines[0].current
    down_to = min(down_to, current)
    plan = plan_cancel(order, erp, {"11": down_to})
    left, hand = count(parts, {ErpShipmentState.SHIPPED}), count(parts, IN_HAND)
    now = plan.now.get("11", current)
    assert now == max(down_to, min(current, left + hand))
    assert now == down_to + plan.in_hand.get("11", 0) + plan.left.get("11", 0)
    assert plan.in_hand.get("11", 0) <= hand
    assert plan.left.get("11", 0) <= left
    # Asked again after the storefront came down to it, there is nothing more to do at once.
    done = order.model_copy(update={"lines": (order.lines[0].model_copy(update={"current": now}),)})
    again = plan_cancel(done, erp, {"11": down_to})
    assert (again.now, again.in_hand, again.left) == ({}, plan.in_hand, plan.left)


@given(places(), st.integers(0, 30))
def test_what_stays_stays_where_hands_are_on_it(
    where: tuple[dict[tuple[str, ErpShipmentState], int], int], down_to: int
) -> None:
    parts, short = where
    order = ordered(sum(parts.values()) + short or 1)
    erp = at_erp(order, parts, short)
    plan = plan_cancel(order, erp, {"11": min(down_to, order.lines[0].current)})
    kept = places_kept(order, erp, plan.now)
    for line, at in kept.items():
        assert sum(at.values()) == plan.now[line]
        for warehouse in ("WH-EAST", "WH-WEST"):
            firm = sum(
                units
                for (place, state), units in parts.items()
                if place == warehouse and state in {*IN_HAND, ErpShipmentState.SHIPPED}
            )
            assert at.get(warehouse, 0) >= firm


def test_units_on_backorder_are_canceled_first_and_then_where_most_wait() -> None:
    order = ordered(9)
    waiting = ErpShipmentState.WAITING
    erp = at_erp(order, {("WH-EAST", waiting): 3, ("WH-WEST", waiting): 4}, short=2)
    assert places_kept(order, erp, {"11": 7}) == {"11": {"WH-EAST": 3, "WH-WEST": 4}}
    assert places_kept(order, erp, {"11": 6}) == {"11": {"WH-EAST": 3, "WH-WEST": 3}}
    assert places_kept(order, erp, {"11": 8}) == {}, "one stays on backorder: where it will be nobody knows"


def test_before_the_erp_has_the_order_all_of_it_can_be_canceled() -> None:
    order = ordered(3, caps=2)
    wish = all_that_has_not_left(order, None, lines_from_order(order))
    assert wish == {"11": 0, "12": 0}
    assert is_whole(order, plan_cancel(order, None, wish).now)
    assert not is_whole(order, {"11": 0})


def test_a_tip_and_what_needs_no_parcel_stay_once_something_has_left() -> None:
    lines = (
        make_line("11", "TEE-BLK-M", 3),
        make_line("12", "EBOOK", 1, requires_shipping=False),
        make_line("13", None, 1).model_copy(update={"kind": LineKind.TIP, "requires_shipping": False}),
    )
    order = make_order("1", lines=lines)
    erp = at_erp(order, {("WH-EAST", ErpShipmentState.SHIPPED): 1, ("WH-EAST", ErpShipmentState.WAITING): 2})
    states = apply_erp(lines_from_order(order), erp)
    assert all_that_has_not_left(order, erp, states) == {"11": 1, "12": 1}


def test_hands_tell_of_what_is_picked_and_of_what_has_left() -> None:
    order = ordered(4)
    parts = {("WH-EAST", ErpShipmentState.PICKED): 1, ("WH-WEST", ErpShipmentState.WAITING): 3}
    assert hands_on(at_erp(order, parts)) == {"0": ErpShipmentState.PICKED}
    assert hands_on(None) == {}


@given(st.integers(0, 4), st.integers(0, 4), st.integers(1, 4), st.integers(0, 4))
def test_what_was_given_up_is_canceled_once_and_nothing_else(shipped, waiting, gone, taken_off):
    ordered_units = shipped + waiting + gone
    order = ordered(ordered_units)
    parts = {
        ("WH-EAST", ErpShipmentState.SHIPPED): shipped,
        ("WH-EAST", ErpShipmentState.WAITING): waiting,
    }
    line = ErpLine(line_id="11", product="TEE-BLK-M", warehouse="WH-EAST", quantity=ordered_units)
    erp = at_erp(order, parts).model_copy(update={"given_up": {"11": gone}, "lines": (line,)})
    wish = without_given_up(order, erp)
    assert wish == {"11": shipped + waiting}
    (state,) = apply_erp(lines_from_order(order), erp)
    assert (state.given_up, state.backordered, state.unallocated) == (gone, 0, 0)
    now = ordered(max(shipped, ordered_units - taken_off))
    left = without_given_up(now, erp)
    assert bool(left) == (now.lines[0].current > shipped + waiting)
    assert plan_cancel(now, erp, left).in_hand == {}


def test_goods_of_an_exchange_are_not_canceled_for_being_given_up():
    order = ordered(3)
    line = ErpLine(line_id="11", product="TEE-BLK-M", warehouse="WH-EAST", quantity=3)
    erp = at_erp(order, {}).model_copy(update={"given_up": {"11": 1}, "lines": (line,)})
    assert without_given_up(order, erp) == {"11": 2}
    something = ExchangeLine(id="1", name="TEE-BLK-M", quantity=3, processed=3, line_ids=("11",))
    exchange = StorefrontReturn(
        return_id="1", number="#1-R1", status=ReturnStatus.OPEN, lines=(), exchange=(something,)
    )
    assert without_given_up(order.model_copy(update={"returns": (exchange,)}), erp) == {}
