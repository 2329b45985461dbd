"""The memory ERP beyond its contract: its staff, its period, its stock, and what its faults leave behind."""

from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from adapters.errors import OutcomeUnknown, Rejected, Unavailable
from adapters.memory.erp import MemoryErp
from adapters.memory.faults import Faults
from adapters.memory.wire import Call
from domain.erp_order import ErpOrderState, ErpShipmentState
from tests.contract.order_shapes import sales_order, two_warehouses
from tests.order_builder import make_line, make_order

NOW = datetime(2026, 3, 4, 10, 0, tzinfo=UTC)


@pytest.fixture
def order():
    return sales_order(two_warehouses("5001"))


@pytest.fixture
def erp():
    return MemoryErp(clock=lambda: NOW)


async def test_the_staff_ships_what_it_names_and_the_rest_waits_anew(erp, order):
    await erp.submit_order(order)
    sent = erp.ship(order.key, "WH-EAST", {"13": 2}, tracking="1Z1")
    assert (sent.state, sent.tracking_number, sent.shipped_at) == (ErpShipmentState.SHIPPED, "1Z1", NOW)
    east = [s for s in erp.orders[order.key].shipments if s.warehouse == "WH-EAST"]
    assert [(s.state, {x.line_id: x.quantity for x in s.lines}) for s in east] == [
        (ErpShipmentState.SHIPPED, {"13": 2}),
        (ErpShipmentState.WAITING, {"11": 4, "13": 1}),
    ]
    assert len({s.number for s in erp.orders[order.key].shipments}) == 3


@pytest.mark.parametrize("units", [{"13": 4}, {"12": 1}, {"13": 0}, {}])
async def test_the_staff_cannot_ship_what_its_shipment_does_not_hold(erp, order, units):
    before = await erp.submit_order(order)
    with pytest.raises(ValueError, match="WH-EAST"):
        erp.ship(order.key, "WH-EAST", units)
    assert erp.orders[order.key] == before


async def test_shipping_all_ends_the_order(erp, order):
    await erp.submit_order(order)
    assert {s.warehouse for s in erp.ship_all(order.key)} == {"WH-EAST", "WH-WEST"}
    assert erp.orders[order.key].state is ErpOrderState.DONE
    assert erp.ship_all(order.key) == ()


async def test_the_staff_cancels_what_is_untouched_only(erp, order):
    await erp.submit_order(order)
    erp.pick(order.key, "WH-WEST")
    with pytest.raises(ValueError, match="picked"):
        erp.cancel_by_staff(order.key)
    with pytest.raises(ValueError, match="nothing waits"):
        erp.pick(order.key, "WH-WEST")
    other = sales_order(make_order("5002"))
    await erp.submit_order(other)
    assert erp.cancel_by_staff(other.key).state is ErpOrderState.CANCELED


async def test_a_closed_period_refuses_new_orders_and_still_finds_old_ones(erp, order):
    submitted = await erp.submit_order(order)
    erp.close_period()
    assert await erp.submit_order(order) == submitted
    another = sales_order(make_order("5002"))
    with pytest.raises(Rejected, match="2026-03") as caught:
        await erp.submit_order(another)
    assert caught.value.cause.startswith("period_closed:erp:")
    erp.open_period()
    assert (await erp.submit_order(another)).state is ErpOrderState.ACCEPTED


async def test_a_closed_month_refuses_its_own_orders_only(erp, order):
    erp.close_period("2026-02")
    assert (await erp.submit_order(order)).state is ErpOrderState.ACCEPTED
    another = sales_order(make_order("5002"))
    erp.close_period("2026-03")
    with pytest.raises(Rejected) as caught:
        await erp.submit_order(another)
    assert caught.value.cause == "period_closed:erp:2026-03"
    erp.open_period()
    assert (await erp.submit_order(another)).state is ErpOrderState.ACCEPTED


async def test_books_of_one_currency_refuse_an_order_in_another(order):
    erp = MemoryErp(currency="USD")
    with pytest.raises(Rejected, match=r"EUR.*USD") as caught:
        await erp.submit_order(order.model_copy(update={"currency": "EUR"}))
    assert caught.value.cause == "currency_differs"
    assert (await erp.submit_order(order)).currency == "USD"


async def test_a_forbidden_product_is_unknown_until_it_is_allowed(erp, order):
    erp.forbid_product("CAP-BLK")
    with pytest.raises(Rejected, match="CAP-BLK"):
        await erp.submit_order(order)
    erp.allow_product("CAP-BLK")
    assert (await erp.submit_order(order)).state is ErpOrderState.ACCEPTED


async def test_stock_is_taken_by_orders_and_given_back_by_cancels(order):
    place = ("WH-EAST", "TEE-BLK-M")
    erp = MemoryErp(stock={place: 5})
    await erp.submit_order(order)
    assert erp.stock[place] == 1
    second = sales_order(make_order("5002", lines=[make_line("11", "TEE-BLK-M", 2)]))
    with pytest.raises(Rejected, match="WH-EAST holds 1 of TEE-BLK-M, the order asks for 2") as caught:
        await erp.submit_order(second)
    assert caught.value.cause == "out_of_stock"
    await erp.cancel_order(order.key, "fraud")
    assert erp.stock[place] == 5
    await erp.cancel_order(order.key, "fraud")
    assert erp.stock[place] == 5
    assert (await erp.submit_order(second)).state is ErpOrderState.ACCEPTED


async def test_a_submit_that_breaks_half_way_leaves_a_draft_that_the_next_finishes(order):
    faults = Faults()
    erp = MemoryErp(faults=faults)
    faults.unavailable("accept_order", nth=1)
    with pytest.raises(Unavailable):
        await erp.submit_order(order)
    draft = await erp.find_order(order.key)
    assert draft is not None
    assert (draft.state, draft.shipments) == (ErpOrderState.DRAFT, ())
    corrected = sales_order(make_order("5001", lines=[make_line("11", "MUG-LOGO", 1)]))
    finished = await erp.submit_order(corrected)
    assert (finished.erp_id, finished.state) == (draft.erp_id, ErpOrderState.ACCEPTED)
    assert [(x.product, x.quantity) for x in finished.lines] == [("MUG-LOGO", 1)]
    assert finished.total == corrected.total


async def test_calls_are_logged_whatever_became_of_them(order):
    erp = MemoryErp()
    erp.faults.lose_answer("submit_order", nth=1)
    with pytest.raises(OutcomeUnknown):
        await erp.submit_order(order)
    await erp.find_order(order.key)
    await erp.cancel_order(order.key, "fraud")
    assert erp.calls == [
        Call("submit_order", "shop:5001"),
        Call("find_order", "shop:5001"),
        Call("cancel_order", "shop:5001", "fraud"),
    ]


async def test_finding_an_order_again_is_no_change_for_the_feed(erp, order):
    await erp.submit_order(order)
    told = await erp.changes(None)
    await erp.submit_order(order)
    assert (await erp.changes(told.cursor)).orders == ()


async def test_lines_of_one_storefront_line_are_counted_together(erp):
    order = sales_order(make_order("5001", lines=[make_line("11", "MUG-LOGO", 5)]))
    (line,) = order.lines
    halves = (
        line.model_copy(update={"quantity": 2, "net": line.net - Decimal("9.05")}),
        line.model_copy(update={"quantity": 3, "net": Decimal("9.05"), "taxes": ()}),
    )
    submitted = await erp.submit_order(order.model_copy(update={"lines": halves}))
    assert [(x.line_id, x.quantity) for x in submitted.lines] == [("11", 5)]
    units = Counter({x.line_id: x.quantity for s in submitted.shipments for x in s.lines})
    assert units == {"11": 5}


async def test_a_change_of_the_total_goes_into_the_draft_and_after_posting_into_another_document(order):
    erp, sales = MemoryErp(), order
    order = await erp.submit_order(sales)
    order = erp.keep(order.model_copy(update={"total": order.total - 2}))
    assert [(x.is_credit, x.total) for x in order.invoices] == [(False, sales.total - 2)]
    erp.post_invoices(sales.key)
    order = erp.orders[sales.key]
    order = erp.keep(order.model_copy(update={"total": order.total - 5}))
    assert [(x.is_credit, x.total) for x in order.invoices] == [(False, sales.total - 2), (True, 5)]
    order = erp.keep(order.model_copy(update={"total": order.total + 7}))
    assert [(x.is_credit, x.total) for x in order.invoices] == [(False, sales.total - 2), (False, 2)]
    erp.cancel(order)
    assert [x.state for x in erp.orders[sales.key].invoices] == ["posted", "canceled"]
