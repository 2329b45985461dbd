"""What follows from units that are not in stock, rule by rule; no clock but the one that is handed in."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from config.mappings import MappingError, load_mapping
from domain.backorder_rules import BackorderRules, OnShortage
from domain.backorders import (
    ShortageAct,
    judge_shortage,
    placed,
    places_in_hand,
    refuse_rules,
    short_units,
    shortage_words,
    without_rest,
)
from domain.erp_order import (
    Backorder,
    ErpOrder,
    ErpOrderState,
    ErpShipment,
    ErpShipmentState,
    ShipmentLine,
)
from domain.order import Fulfillment, FulfillmentLine, Order, PaymentKind
from domain.overpayment import overpaid
from domain.planning import plan_sales_order
from domain.quantities import apply_erp, lines_from_order
from domain.status import describe
from tests.order_builder import (
    MAPPING_FILE,
    make_erp_order,
    make_line,
    make_order,
    make_payment,
    make_plans,
    sandbox_mapping,
)

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
ASK = BackorderRules(on_shortage=OnShortage.ASK)
DAYS = BackorderRules(cancel_rest_after_days=14)


def ordered(tees: int = 5, caps: int = 2) -> Order:
    lines = (make_line("11", "TEE-BLK-M", tees), make_line("12", "CAP-BLK", caps))
    return make_order("1", lines=lines, placement={"11": {"101": tees - 2, "102": 2}, "12": {"102": caps}})


def at_erp(order: Order, *backorders: Backorder) -> ErpOrder:
    """As the ERP holds it: what is on backorder stands on no shipment."""
    sales = plan_sales_order(order, sandbox_mapping())
    short = {(part.line_id, part.warehouse): part.quantity for part in backorders}
    shipments = [
        ErpShipment(
            shipment_id=str(number),
            number=f"S{number}",
            warehouse=line.warehouse,
            state=ErpShipmentState.WAITING,
            lines=(ShipmentLine(line_id=line.line_id, quantity=units),),
        )
        for number, line in enumerate(sales.lines)
        if line.warehouse and (units := line.quantity - short.get((line.line_id, line.warehouse), 0))
    ]
    return make_erp_order(sales, shipments, backorders=backorders)


def tees_short(quantity: int, warehouse: str = "WH-EAST", expected: date | None = None) -> Backorder:
    return Backorder(line_id="11", warehouse=warehouse, quantity=quantity, expected=expected)


def test_only_an_accepted_order_is_short_of_something():
    erp = at_erp(ordered(), tees_short(2), tees_short(1, "WH-WEST"))
    assert short_units(erp) == {"11": 3}
    for state in (ErpOrderState.DRAFT, ErpOrderState.DONE, ErpOrderState.CANCELED):
        assert short_units(erp.model_copy(update={"state": state})) == {}
    assert short_units(None) == {}


@pytest.mark.parametrize(
    ("rules", "short", "settled", "days", "act"),
    [
        (BackorderRules(), {"11": 2}, {}, 99, None),
        (BackorderRules(on_shortage=OnShortage.WAIT_FOR_ALL), {"11": 2}, {}, 99, None),
        (ASK, {}, {}, 0, None),
        (ASK, {"11": 2}, {}, 0, ShortageAct.ASK),
        (ASK, {"11": 2}, {"11": 2}, 9, None),
        (ASK, {"11": 1}, {"11": 2}, 9, None),
        (ASK, {"11": 3}, {"11": 2}, 9, ShortageAct.ASK),
        (ASK, {"11": 2, "12": 1}, {"11": 2}, 9, ShortageAct.ASK),
        (DAYS, {"11": 2}, {}, 13, None),
        (DAYS, {"11": 2}, {}, 14, ShortageAct.CANCEL_REST),
        (DAYS, {"11": 2}, {"11": 2}, 15, None),
        (DAYS, {}, {}, 15, None),
    ],
)
def test_what_is_due(rules, short, settled, days, act):
    verdict = judge_shortage(rules, short, NOW, NOW + timedelta(days=days), settled)
    due = verdict.at is not None and verdict.at <= NOW + timedelta(days=days)
    assert (verdict.act if due else None) is act


def test_the_day_of_the_end_is_known_from_the_first_one_on():
    verdict = judge_shortage(DAYS, {"11": 1}, NOW, NOW, {})
    assert (verdict.act, verdict.at) == (ShortageAct.CANCEL_REST, NOW + timedelta(days=14))


def test_the_rest_is_what_the_erp_has_not_in_hand():
    order = ordered()
    erp = at_erp(order, tees_short(2))
    assert without_rest(order, erp) == {"11": 3}


@given(st.integers(2, 9), st.data())
def test_the_rest_is_canceled_once(tees, data):
    order = ordered(tees)
    short = data.draw(st.integers(0, tees - 2))
    erp = at_erp(order, *([tees_short(short)] if short else []))
    down_to = without_rest(order, erp)
    lines = tuple(
        line.model_copy(update={"current": down_to.get(line.line_id, line.current)}) for line in order.lines
    )
    less = order.model_copy(update={"lines": lines})
    assert sum(line.current for line in order.lines) - sum(line.current for line in less.lines) == short
    # The ERP still holds all of it, refuses to give up a unit or answers late: nothing more is canceled.
    assert without_rest(less, erp) == {}


def test_of_a_line_of_which_units_came_back_what_is_not_there_is_canceled_too():
    order = ordered(caps=3)
    erp = at_erp(order, tees_short(2), Backorder(line_id="12", warehouse="WH-WEST", quantity=1))
    left = Fulfillment(fulfillment_id="1", location="102", lines=(FulfillmentLine(line_id="11", quantity=2),))
    to_leave = make_plans({"11": {"101": 3}, "12": {"102": 3}})
    tees, caps = order.lines
    returned = order.model_copy(
        update={
            "lines": (tees.model_copy(update={"current": 4}), caps),
            "fulfillments": (left,),
            "location_plans": to_leave,
        }
    )
    assert without_rest(returned, erp) == {"11": 2, "12": 2}


def test_a_line_stays_where_the_erp_has_it_in_hand():
    order, mapping = ordered(), sandbox_mapping()
    erp = at_erp(order, tees_short(3))
    places = places_in_hand(erp, {"11": 2})
    assert places == {"11": {"WH-WEST": 2}}
    # The storefront took the units off the location it had planned last.
    less = make_order(
        "1",
        lines=(make_line("11", "TEE-BLK-M", 5, current=2), *order.lines[1:]),
        placement={"11": {"101": 2}, "12": {"102": 2}},
    )
    planned = plan_sales_order(placed(less, places, mapping), mapping)
    assert {(line.line_id, line.warehouse, line.quantity) for line in planned.lines if line.warehouse} == {
        ("11", "WH-WEST", 2),
        ("12", "WH-WEST", 2),
    }
    # Somebody has changed the line once more: the storefront's plan goes.
    assert placed(less, {"11": {"WH-WEST": 3}}, mapping) == less


def test_lines_tell_on_which_day_the_last_of_them_is_expected():
    order = ordered()
    later, sooner = date(2026, 4, 9), date(2026, 4, 2)
    erp = at_erp(order, tees_short(1, expected=later), tees_short(1, "WH-WEST", expected=sooner))
    tee, cap = apply_erp(lines_from_order(order), erp)
    assert (tee.backordered, tee.expected, cap.backordered, cap.expected) == (2, later, 0, None)
    assert describe((tee, cap)).endswith("2 on backorder, expected 2026-04-09")
    words = shortage_words(erp, {"11": "TEE-BLK-M"})
    assert words == (
        "1 unit of TEE-BLK-M at WH-EAST, expected 2026-04-09; 1 unit of TEE-BLK-M at WH-WEST, expected 2026-04-02"
    )


def test_a_person_who_is_asked_is_not_overruled_by_a_clock():
    with pytest.raises(ValidationError, match="remove one"):
        BackorderRules(on_shortage=OnShortage.ASK, cancel_rest_after_days=3)
    with pytest.raises(ValidationError):
        BackorderRules(cancel_rest_after_days=0)


def test_the_table_of_a_mapping_file_is_read_and_its_mistakes_are_named(tmp_path):
    text = MAPPING_FILE.read_text(encoding="utf-8")
    assert load_mapping(MAPPING_FILE).backorders == BackorderRules()
    file = tmp_path / "mine.toml"
    table = 'on_shortage = "ship_what_is_there"\n'
    file.write_text(text.replace(table, 'on_shortage = "wait_for_all"\ncancel_rest_after_days = 30\n'))
    read = load_mapping(file)
    assert read.backorders == BackorderRules(on_shortage=OnShortage.WAIT_FOR_ALL, cancel_rest_after_days=30)
    assert plan_sales_order(ordered(), read).complete_only
    assert not plan_sales_order(ordered(), sandbox_mapping()).complete_only
    file.write_text(text.replace(table, 'on_shortage = "wait"\n'))
    with pytest.raises(MappingError, match=r"\[backorders\] on_shortage: .*wait_for_all"):
        load_mapping(file)


def test_an_erp_is_not_asked_for_what_it_cannot_do():
    all_at_once = BackorderRules(on_shortage=OnShortage.WAIT_FOR_ALL)
    assert "cannot be kept" in refuse_rules(all_at_once, told=True, held_back=False)
    for rules in (ASK, DAYS):
        assert "does not tell" in refuse_rules(rules, told=False, held_back=False)
        assert refuse_rules(rules, told=True, held_back=False) == ""
    assert refuse_rules(BackorderRules(), told=False, held_back=False) == ""
    assert refuse_rules(all_at_once, told=True, held_back=True) == ""


PAID = (
    make_payment("30.00", PaymentKind.SALE, payment_id="1", gateway="gift_card"),
    make_payment("70.00", payment_id="2"),
    make_payment("70.00", PaymentKind.CAPTURE, payment_id="3", parent_id="2"),
)


def paid(total: str, *payments) -> Order:
    made = make_order("1", payments=payments)
    return made.model_copy(update={"presentment_total": Decimal(total), "total": Decimal(total)})


def test_what_was_taken_too_much_goes_back_in_proportion_and_once():
    back = overpaid(paid("80.00", *PAID), Decimal(20))
    assert [(part.payment_id, part.amount) for part in back] == [
        ("1", Decimal("6.00")),
        ("3", Decimal("14.00")),
    ]
    given_back = tuple(
        make_payment(
            part.amount, PaymentKind.REFUND, payment_id=f"r{part.payment_id}", parent_id=part.payment_id
        )
        for part in back
    )
    assert overpaid(paid("80.00", *PAID, *given_back), Decimal(20)) == ()


def test_what_was_given_back_by_hand_to_no_payment_of_the_order_is_given_back_no_second_time():
    by_hand = make_payment("15.00", PaymentKind.REFUND, payment_id="r", gateway="store_credit")
    assert sum(part.amount for part in overpaid(paid("80.00", *PAID, by_hand), Decimal(20))) == 5
    elsewhere = by_hand.model_copy(update={"parent_id": "unknown"})
    assert sum(part.amount for part in overpaid(paid("80.00", *PAID, elsewhere), Decimal(20))) == 5


def test_no_more_goes_back_than_was_canceled_or_taken():
    # A fee that was kept on purpose earlier stays kept.
    assert sum(part.amount for part in overpaid(paid("70.00", *PAID), Decimal(20))) == 20
    assert overpaid(paid("80.00", PAID[0], PAID[1]), Decimal(20)) == ()
