"""Units taken off some lines of a Tryton sale: what stays, and the cents that bring its taxes to the storefront's."""

from decimal import Decimal

import pytest

from adapters.tryton.lowering import Lowered, lowered_lines, lowered_parts
from adapters.tryton.records import SaleRecord, read_record
from adapters.tryton.translate import PlannedLine
from domain.erp_order import SalesOrder, TaxAmount
from tests.unit.test_tryton_reading import CENT, VAT, invoice, line, move, sale
from tests.unit.test_tryton_translate import sales_order

PRICE = Decimal("3.3333")
POSTED = {"invoices.": [invoice(state="posted")]}


def held(*, picked: float = 0.0) -> SaleRecord:
    """Three of one thing that has left, three of another for 10.00, whose tax of 2.00 the storefront rounded up."""
    state = "picked" if picked else "waiting"
    lines = [
        line(1, 3.0, **{"taxes.": [VAT]}),
        line(2, 3.0, move(20, picked or 3.0), **{"unit_price": PRICE, "taxes.": [VAT]}),
        line(3, 1.0, **{"unit_price": Decimal(0), "taxes.": [CENT], "note": "Tax rounding: VAT-20 +0.01"}),
    ]
    sold = sale(*lines)
    sold["shipments."] = [{**sold["shipments."][0], "state": state}]
    return read_record(sold)


def wanted(units: int, price: Decimal = PRICE) -> list[PlannedLine]:
    note = "Store line: L2\nShips from: EAST"
    return [PlannedLine(1, Decimal(units), price, frozenset({5}), note)] if units else []


def target(total: str, tax: str) -> SalesOrder:
    amounts = (TaxAmount(code="VAT-20", amount=Decimal(tax)),) if Decimal(tax) else ()
    return sales_order().model_copy(update={"only": ("L2",), "total": Decimal(total), "taxes": amounts})


@pytest.mark.parametrize(
    ("units", "total", "tax", "lowered"),
    [
        (3, "48.01", "8.01", {}),
        (2, "44.01", "7.34", {2: 2}),  # 6.67 and 1.33; the cent stays
        (2, "44.00", "7.33", {2: 2, 3: 0}),
        (2, "44.02", "7.35", {2: 2, 3: 2}),
        (2, "43.99", "7.32", {2: 2, 3: -1}),
        (0, "36.01", "6.01", {2: 0}),
        (0, "36.00", "6.00", {2: 0, 3: 0}),
    ],
)
def test_units_are_taken_off_and_the_cents_follow(
    units: int, total: str, tax: str, lowered: dict[int, int]
) -> None:
    found = lowered_parts(held(), wanted(units), target(total, tax))
    assert found is not None
    assert {each.line.id: int(each.quantity) for each in found} == lowered


@pytest.mark.parametrize(
    ("units", "price", "total"),
    [(4, PRICE, "52.01"), (2, Decimal("3.0000"), "43.20"), (2, PRICE, "45.00")],
    ids=["more units", "another price", "another total"],
)
def test_all_else_is_refused(units: int, price: Decimal, total: str) -> None:
    assert lowered_parts(held(), wanted(units, price), target(total, "7.34")) is None


def test_what_is_picked_is_not_taken_off() -> None:
    assert lowered_parts(held(picked=3.0), wanted(2), target("44.01", "7.34")) is None


def test_a_cent_for_which_there_is_no_line_is_refused() -> None:
    record = held()
    without = record.model_copy(update={"lines": record.lines[:2]})
    assert lowered_parts(without, wanted(2), target("44.01", "7.34")) is None
    assert lowered_parts(without, wanted(2), target("44.00", "7.33")) is not None


def given_up(*canceled: float, state: str = "draft") -> SaleRecord:
    """A line with two units to ship, or that have left, and moves that people ignored; without tax."""
    moves = [move(21 + n, units, 2, "cancelled") for n, units in enumerate(canceled)]
    ignored = {"moves_ignored": [each["id"] for each in moves], "unit_price": Decimal("3.0000")}
    return read_record(sale(line(2, 2.0 + sum(canceled), move(20, 2.0, 1, state), *moves, **ignored)))


def lowered_to(record: SaleRecord, units: int) -> tuple[Lowered, ...] | None:
    plan = PlannedLine(1, Decimal(units), Decimal("3.0000"), frozenset(), "Store line: L2\nShips from: EAST")
    return lowered_lines(record, [plan], target(f"{3 * units}.00", "0"))


@pytest.mark.parametrize(
    ("canceled", "units", "possible"),
    [
        ((3.0,), 2, True),  # all of it
        ((3.0,), 1, True),  # and some of what is to be shipped
        ((3.0,), 4, False),  # Tryton would send one of two
        ((2.0, 1.0), 4, True),  # the single one goes
        ((2.0, 1.0), 3, True),
        ((2.0, 2.0), 5, False),
    ],
)
def test_of_what_is_given_up_whole_moves_can_be_taken_off(
    canceled: tuple[float, ...], units: int, possible: bool
) -> None:
    assert (lowered_to(given_up(*canceled), units) is not None) is possible


def test_where_nothing_is_to_be_shipped_any_more_any_number_of_units_can_be_taken_off() -> None:
    assert lowered_to(given_up(3.0, state="done"), 4) is not None


def test_a_discount_that_does_not_divide_is_no_other_price_as_long_as_the_net_is_the_same() -> None:
    """10.00 for three: 3.3333 each; 6.67 for two: 3.3350."""
    assert lowered_parts(held(), wanted(2, Decimal("3.3350")), target("44.01", "7.34")) is not None
    assert lowered_parts(held(), wanted(2, Decimal("3.3200")), target("43.98", "7.34")) is None


def test_where_a_price_does_not_divide_the_units_that_stay_get_the_price_of_their_net() -> None:
    """10.00 for three and 6.66 for two: the storefront gave the cent to the unit that goes."""
    found = lowered_parts(held(), wanted(2, Decimal("3.3300")), target("44.00", "7.34"))
    assert found is not None
    assert [(each.line.id, each.quantity, each.unit_price) for each in found] == [(2, 2, Decimal("3.3300"))]
    billed = held().model_copy(update={"invoices": read_record(sale(**POSTED)).invoices})
    assert lowered_parts(billed, wanted(2, Decimal("3.3300")), target("44.00", "7.34")) is None
    assert lowered_parts(billed, wanted(2), target("44.01", "7.34")) is not None


def test_of_a_whole_order_the_cents_follow_too() -> None:
    others = [
        PlannedLine(1, Decimal(3), Decimal("10.0000"), frozenset({5}), "Store line: L1\nShips from: EAST"),
        *wanted(2),
    ]
    gone = lowered_lines(held(), others, target("44.00", "7.33"))
    assert gone is not None
    assert {each.line.id: int(each.quantity) for each in gone} == {2: 2, 3: 0}
    cent = PlannedLine(1, Decimal(1), Decimal(0), frozenset({6}), "Tax rounding: VAT-20 +0.02")
    more = lowered_lines(held(), [*others, cent], target("44.02", "7.35"))
    assert more is not None
    assert {each.line.id: int(each.quantity) for each in more} == {2: 2, 3: 2}
