"""The memory ERP's goods: what runs out, what comes in, who gets it, what nobody finds on the shelf."""

from datetime import date, timedelta

import pytest

from adapters.errors import Rejected
from adapters.memory.erp import MemoryErp
from domain.erp_order import ErpOrder, ErpOrderState, SalesOrder
from domain.order import OrderKey
from domain.planning import plan_sales_order
from tests.order_builder import PLACED_AT, make_line, make_order, sandbox_mapping

CAP = ("WH-WEST", "CAP-BLK")


def asked(number: str, caps: int = 3, *, hours: int = 0, complete_only: bool = False) -> SalesOrder:
    """Tees that never run out, and caps."""
    lines = (make_line("11", "TEE-BLK-M", 1), make_line("12", "CAP-BLK", caps))
    order = make_order(
        number,
        lines=lines,
        placement={"11": {"101": 1}, "12": {"102": caps}},
        placed_at=PLACED_AT + timedelta(hours=hours),
    )
    sales = plan_sales_order(order, sandbox_mapping())
    return sales.model_copy(update={"complete_only": complete_only})


def short(erp: MemoryErp, key: OrderKey) -> int:
    return sum(part.quantity for part in erp.orders[key].backorders)


def waiting(order: ErpOrder) -> dict[str, int]:
    return {line.line_id: line.quantity for shipment in order.shipments for line in shipment.lines}


async def test_what_is_not_there_is_on_backorder_and_on_no_shipment():
    erp = MemoryErp(stock={CAP: 1}, backorder=True)
    order = await erp.submit_order(asked("1"))
    assert waiting(order) == {"11": 1, "12": 1}
    assert [(b.line_id, b.warehouse, b.quantity, b.expected) for b in order.backorders] == [
        ("12", "WH-WEST", 2, None)
    ]
    assert erp.stock == {CAP: 0}
    assert await erp.submit_order(asked("1")) == order
    assert erp.ship_all(order.key)
    assert erp.orders[order.key].state is ErpOrderState.ACCEPTED


async def test_without_backorders_it_is_refused():
    with pytest.raises(Rejected, match="holds 1 of CAP-BLK"):
        await MemoryErp(stock={CAP: 1}).submit_order(asked("1"))


async def test_goods_that_come_in_go_to_the_order_that_was_placed_first():
    erp = MemoryErp(stock={CAP: 0}, backorder=True)
    young, old = asked("1", hours=2), asked("2", hours=1)
    for order in (young, old):
        await erp.submit_order(order)
    erp.receive(*CAP, 4)
    assert (short(erp, old.key), short(erp, young.key)) == (0, 2)
    # They leave with what nobody has touched yet.
    assert len(erp.orders[old.key].shipments) == 2
    erp.receive(*CAP, 9)
    assert (short(erp, young.key), erp.stock[CAP]) == (0, 7)


async def test_what_a_canceled_order_held_goes_to_the_next():
    erp = MemoryErp(stock={CAP: 3}, backorder=True)
    first, second = asked("1"), asked("2")
    for order in (first, second):
        await erp.submit_order(order)
    assert short(erp, second.key) == 3
    await erp.cancel_order(first.key, "no longer wanted")
    assert (short(erp, first.key), short(erp, second.key)) == (0, 0)


async def test_an_edit_takes_off_the_backorder_before_it_gives_stock_back():
    erp = MemoryErp(stock={CAP: 1}, backorder=True)
    await erp.submit_order(asked("1"))
    less = await erp.amend_order(asked("1", 2))
    assert less.refused == ()
    assert (waiting(less.order)["12"], short(erp, less.order.key), erp.stock[CAP]) == (1, 1, 0)
    none = await erp.amend_order(asked("1", 1))
    assert (waiting(none.order)["12"], none.order.backorders) == (1, ())
    more = await erp.amend_order(asked("1", 4))
    assert (waiting(more.order)["12"], short(erp, more.order.key)) == (1, 3)


async def test_an_order_that_is_to_leave_complete_is_held_back_until_it_is():
    erp = MemoryErp(stock={CAP: 1}, backorder=True)
    held = asked("1", complete_only=True)
    await erp.submit_order(held)
    for act in (erp.ship_all, erp.pick):
        with pytest.raises(ValueError, match="is to leave complete"):
            act(held.key)
    before = erp.last_change
    released = await erp.amend_order(held.model_copy(update={"complete_only": False}))
    assert released.refused == ()
    assert erp.last_change == before + 1
    assert len(erp.ship_all(held.key)) == 2


async def test_an_order_that_is_complete_by_now_leaves():
    erp = MemoryErp(stock={CAP: 1}, backorder=True)
    held = asked("1", complete_only=True)
    await erp.submit_order(held)
    erp.receive(*CAP, 2)
    assert len(erp.ship_all(held.key)) == 2


async def test_the_day_that_is_promised_stands_on_backorders_now_and_later():
    erp, day = MemoryErp(stock={CAP: 0}, backorder=True), date(2026, 12, 1)
    first = await erp.submit_order(asked("1"))
    erp.promise(*CAP, day)
    second = await erp.submit_order(asked("2"))
    told = [erp.orders[each.key].backorders[0].expected for each in (first, second)]
    assert told == [day, day]
    before = erp.last_change
    erp.promise(*CAP, day)
    assert erp.last_change == before


@pytest.mark.parametrize("picked", [False, True])
async def test_what_is_not_found_while_picking_goes_on_backorder(picked):
    erp = MemoryErp()
    order = await erp.submit_order(asked("1"))
    if picked:
        erp.pick(order.key, "WH-WEST")
    found = erp.find_short(order.key, "WH-WEST", {"12": 2})
    assert (waiting(found)["12"], short(erp, order.key), erp.stock[CAP]) == (1, 2, 0)
    erp.ship_all(order.key)
    assert erp.orders[order.key].state is ErpOrderState.ACCEPTED
    erp.receive(*CAP, 2)
    erp.ship_all(order.key)
    assert erp.orders[order.key].state is ErpOrderState.DONE
    with pytest.raises(ValueError, match="no open shipment"):
        erp.find_short(order.key, "WH-WEST", {"12": 1})


async def test_a_shipment_of_which_nothing_is_found_is_none():
    erp = MemoryErp()
    order = await erp.submit_order(asked("1"))
    found = erp.find_short(order.key, "WH-WEST", {"12": 3})
    assert [(s.warehouse, s.state.value) for s in found.shipments] == [
        ("WH-EAST", "waiting"),
        ("WH-WEST", "canceled"),
    ]
