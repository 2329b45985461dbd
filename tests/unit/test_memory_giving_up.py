"""The memory ERP's people give units up, and what becomes of them in its books."""

import pytest

from adapters.memory.erp import MemoryErp
from domain.erp_order import ErpOrderState, ErpShipmentState
from store.erp_news import digest
from tests.unit.test_memory_amending import sale, units, waiting

TEES, MUGS = ("WH-EAST", "TEE-BLK-M"), ("WH-EAST", "MUG-LOGO")


@pytest.fixture
def erp():
    return MemoryErp(stock={TEES: 10, MUGS: 5})


async def test_what_is_given_up_goes_back_to_the_shelf_and_stays_sold(erp):
    order = sale(east=3, mugs=1)
    before = await erp.submit_order(order)
    erp.pick(order.key)
    after = erp.give_up(order.key, {"11": 1})
    assert after.given_up == {"11": 1}
    assert units(after) == units(before)
    assert waiting(erp, order.key) == {("11", "WH-EAST"): 2, ("12", "WH-EAST"): 1}
    assert erp.stock == {TEES: 8, MUGS: 4}
    assert digest(after) != digest(before)


async def test_with_the_last_that_waits_an_order_is_over_once_something_has_left(erp):
    order = sale(east=2, mugs=1)
    await erp.submit_order(order)
    with pytest.raises(ValueError, match=r"no open shipment holds \{'11': 1\} more"):
        erp.give_up(order.key, {"11": 3})
    erp.ship(order.key, "WH-EAST", {"11": 1})
    after = erp.give_up(order.key, {"11": 1, "12": 1})
    assert after.state is ErpOrderState.DONE
    assert [s.state for s in after.shipments] == [ErpShipmentState.SHIPPED, ErpShipmentState.CANCELED]
    assert erp.stock == {TEES: 9, MUGS: 5}


async def test_it_is_sent_after_all(erp):
    order = sale(east=2, mugs=1)
    await erp.submit_order(order)
    erp.ship(order.key, "WH-EAST", {"11": 1})
    erp.give_up(order.key, {"11": 1, "12": 1})
    after = erp.send_after_all(order.key)
    assert (after.given_up, after.state) == ({}, ErpOrderState.ACCEPTED)
    assert waiting(erp, order.key) == {("11", "WH-EAST"): 1, ("12", "WH-EAST"): 1}
    assert erp.stock == {TEES: 8, MUGS: 4}
    with pytest.raises(ValueError, match="nothing was given up"):
        erp.send_after_all(order.key)


@pytest.mark.parametrize(
    ("east", "west", "given_up", "waits"),
    [
        (2, 2, {}, {("11", "WH-EAST"): 2, ("11", "WH-WEST"): 2}),
        (3, 1, {}, {("11", "WH-EAST"): 3, ("11", "WH-WEST"): 1}),
        (3, 2, {"11": 1}, {("11", "WH-EAST"): 2, ("11", "WH-WEST"): 2}),
        (4, 2, {"11": 1}, {("11", "WH-EAST"): 3, ("11", "WH-WEST"): 2}),
    ],
    ids=["the same units come off", "others come off", "none", "more are ordered"],
)
async def test_units_that_an_edit_takes_off_are_the_given_up_ones_first(erp, east, west, given_up, waits):
    order = sale(east=3, west=2)
    await erp.submit_order(order)
    erp.give_up(order.key, {"11": 1})
    amended = await erp.amend_order(sale(east=east, west=west))
    assert amended.refused == ()
    assert amended.order.given_up == given_up
    assert waiting(erp, order.key) == waits


async def test_nothing_is_given_up_of_a_canceled_order(erp):
    order = sale(east=2)
    await erp.submit_order(order)
    erp.give_up(order.key, {"11": 1})
    assert (await erp.cancel_order(order.key, "test")).order.given_up == {}
    assert erp.stock == {TEES: 10, MUGS: 5}
