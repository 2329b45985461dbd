"""How the memory ERP takes an edit: smallest changes, stock, and what it refuses."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.errors import Rejected
from adapters.memory.erp import MemoryErp
from domain.erp_order import ErpOrderState, ErpShipmentState, SalesOrder
from domain.order import Address
from tests.contract.order_shapes import sales_order
from tests.order_builder import make_line, make_order

ELSEWHERE = Address(name="Ada", street=("2 New Road",), city="Boston", country="US")


def sale(east: int = 0, west: int = 0, mugs: int = 0, price: str = "20.00", **more) -> SalesOrder:
    """Tees from two warehouses, and mugs from the east."""
    lines, placement = [], {}
    if east + west:
        lines.append(make_line("11", "TEE-BLK-M", east + west, unit_price=price))
        placement["11"] = {place: n for place, n in (("101", east), ("102", west)) if n}
    if mugs:
        lines.append(make_line("12", "MUG-LOGO", mugs))
        placement["12"] = {"101": mugs}
    return sales_order(make_order(lines=lines, placement=placement)).model_copy(update=more)


def units(order):
    return {(line.line_id, line.warehouse): line.quantity for line in order.lines if line.warehouse}


def waiting(erp, key):
    return {
        (part.line_id, shipment.warehouse): part.quantity
        for shipment in erp.orders[key].shipments
        if shipment.state is ErpShipmentState.WAITING
        for part in shipment.lines
    }


@pytest.fixture
def erp():
    return MemoryErp(stock={("WH-EAST", "TEE-BLK-M"): 10, ("WH-EAST", "MUG-LOGO"): 5})


async def test_a_line_goes_up_one_comes_and_one_goes(erp):
    await erp.submit_order(sale(east=2, west=1))
    target = sale(east=4, mugs=1)
    outcome = await erp.amend_order(target)
    assert outcome.refused == ()
    assert units(outcome.order) == {("11", "WH-EAST"): 4, ("12", "WH-EAST"): 1}
    assert waiting(erp, target.key) == {("11", "WH-EAST"): 4, ("12", "WH-EAST"): 1}
    assert (outcome.order.total, outcome.order.taxes) == (target.total, target.taxes)
    assert erp.stock == {("WH-EAST", "TEE-BLK-M"): 6, ("WH-EAST", "MUG-LOGO"): 4}


async def test_what_is_taken_off_goes_back_to_the_shelf(erp):
    await erp.submit_order(sale(east=3, mugs=2))
    await erp.amend_order(sale(east=1))
    assert erp.stock == {("WH-EAST", "TEE-BLK-M"): 9, ("WH-EAST", "MUG-LOGO"): 5}


async def test_a_canceled_order_gives_back_no_more_than_it_holds(erp):
    await erp.submit_order(sale(west=3, mugs=2))
    edited = sale(mugs=1)
    await erp.amend_order(edited)
    await erp.cancel_order(edited.key, "not wanted")
    assert erp.stock == {("WH-EAST", "TEE-BLK-M"): 10, ("WH-EAST", "MUG-LOGO"): 5}


async def test_asking_again_changes_nothing(erp):
    await erp.submit_order(sale(east=3))
    first = await erp.amend_order(sale(east=1, mugs=1))
    changes = erp.last_change
    assert await erp.amend_order(sale(east=1, mugs=1)) == first
    assert erp.last_change == changes


async def test_what_is_picked_is_refused_and_the_rest_is_done(erp):
    before = sale(east=3, mugs=1)
    await erp.submit_order(before)
    erp.pick(before.key)
    target = sale(east=2, mugs=2, shipping_address=ELSEWHERE)
    outcome = await erp.amend_order(target)
    assert [(r.line_id, r.change, r.reason) for r in outcome.refused] == [
        ("11", "3 -> 2 units", "shipment SHIP-00001 from WH-EAST is picked"),
        (None, "the shipping address", "shipment SHIP-00001 from WH-EAST is picked"),
    ]
    assert units(outcome.order) == {("11", "WH-EAST"): 3, ("12", "WH-EAST"): 2}
    assert waiting(erp, target.key) == {("12", "WH-EAST"): 1}
    assert outcome.order.total == sale(east=3, mugs=2).total
    erp.put_back(target.key)
    after = await erp.amend_order(target)
    assert (after.refused, after.order.total) == ((), target.total)
    assert waiting(erp, target.key) == {("11", "WH-EAST"): 2, ("12", "WH-EAST"): 2}
    assert erp.entered[target.key].shipping_address == ELSEWHERE


async def test_units_that_are_picked_here_are_not_sent_from_there_too(erp):
    before = sale(east=3)
    await erp.submit_order(before)
    erp.pick(before.key)
    outcome = await erp.amend_order(sale(west=3))
    assert [r.change for r in outcome.refused] == ["3 -> 0 units at WH-EAST"]
    assert units(outcome.order) == {("11", "WH-EAST"): 3}


async def test_what_left_elsewhere_than_planned_is_no_refusal(erp):
    before = sale(east=3)
    await erp.submit_order(before)
    erp.ship(before.key, "WH-EAST", {"11": 2})
    target = sale(east=1, west=2, price="25.00")
    outcome = await erp.amend_order(target)
    assert outcome.refused == ()
    assert units(outcome.order) == {("11", "WH-EAST"): 2, ("11", "WH-WEST"): 1}
    assert outcome.order.total == target.total


async def test_the_rest_of_a_partly_shipped_order_goes_to_nothing(erp):
    before = sale(east=3, mugs=1)
    await erp.submit_order(before)
    erp.ship(before.key, "WH-EAST", {"11": 2})
    outcome = await erp.amend_order(sale(east=2))
    assert (outcome.refused, outcome.order.state) == ((), ErpOrderState.DONE)
    assert [s.state for s in outcome.order.shipments] == [ErpShipmentState.SHIPPED, ErpShipmentState.CANCELED]
    assert erp.stock == {("WH-EAST", "TEE-BLK-M"): 8, ("WH-EAST", "MUG-LOGO"): 5}


async def test_nothing_goes_below_what_has_left(erp):
    before = sale(east=3)
    await erp.submit_order(before)
    erp.ship(before.key, "WH-EAST", {"11": 2})
    outcome = await erp.amend_order(sale(east=1))
    assert [(r.change, r.reason) for r in outcome.refused] == [
        ("3 -> 1 units", "shipment SHIP-00001 from WH-EAST has left")
    ]
    assert units(outcome.order) == {("11", "WH-EAST"): 2}


async def test_want_of_stock_leaves_the_order_as_it_was(erp):
    await erp.submit_order(sale(east=3))
    before = erp.orders[sale(east=3).key]
    with pytest.raises(Rejected, match="holds 7 more") as refused:
        await erp.amend_order(sale(east=11))
    assert refused.value.cause == "out_of_stock"
    assert (erp.orders[before.key], erp.stock["WH-EAST", "TEE-BLK-M"]) == (before, 7)


async def test_an_order_it_never_had_is_unknown(erp):
    with pytest.raises(Rejected) as refused:
        await erp.amend_order(sale(east=1))
    assert refused.value.cause == "order_unknown"


async def test_a_canceled_order_takes_no_edit(erp):
    await erp.submit_order(sale(east=2))
    erp.cancel_by_staff(sale(east=2).key)
    outcome = await erp.amend_order(sale(east=1))
    assert outcome.order.state is ErpOrderState.CANCELED
    assert [r.reason for r in outcome.refused] == ["order SO-00001 is canceled"]


_UNITS = st.integers(0, 4)
_SALES = st.tuples(_UNITS, _UNITS, st.integers(1, 4))


@given(edits=st.lists(_SALES, min_size=2, max_size=4), gone=st.integers(0, 2), picks=st.booleans())
async def test_the_books_always_add_up(edits, gone, picks):
    erp = MemoryErp()
    targets = [sale(*edit) for edit in edits]
    first = targets[0]
    held = await erp.submit_order(first)
    east = units(held).get(("12", "WH-EAST"), 0)
    if gone and east >= gone:
        erp.ship(first.key, "WH-EAST", {"12": gone})
    if picks:
        for shipment in erp.orders[first.key].shipments:
            if shipment.state is ErpShipmentState.WAITING:
                erp.pick(first.key, shipment.warehouse)
                break
    for target in targets[1:]:
        outcome = await erp.amend_order(target)
        entered = erp.entered[target.key]
        tax = sum((t.amount for x in entered.lines for t in x.taxes), Decimal(0))
        assert outcome.order.total == sum((x.net for x in entered.lines), tax)
        assert outcome.refused or outcome.order.total == target.total
        asked, shipped = units(outcome.order), {}
        for shipment in outcome.order.shipments:
            for part in shipment.lines if shipment.state is not ErpShipmentState.CANCELED else ():
                place = (part.line_id, shipment.warehouse)
                shipped[place] = shipped.get(place, 0) + part.quantity
        assert asked == shipped
