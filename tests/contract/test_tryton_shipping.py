"""After an order is in a real Tryton: partial shipments, kits, the feed, cancels."""

from collections import Counter

import pytest

from adapters.errors import Rejected
from adapters.tryton.erp import TrytonErp
from domain.erp_order import (
    ErpOrder,
    ErpOrderState,
    ErpShipmentState,
)
from domain.order import Address, OrderKey
from sandbox.tryton.rpc import Rpc
from sandbox.tryton.staff import Staff
from tests.contract.tryton_world import (
    EAST,
    WEST,
    ActsBefore,
    TrytonAccess,
    connect,
    contents,
    copy_as_draft,
    delivery,
    goods,
    order_of,
    two_warehouses,
)
from tests.contract.tryton_world import administrator as administrator  # noqa: PLC0414  a fixture
from tests.contract.tryton_world import erp as erp  # noqa: PLC0414  a fixture
from tests.contract.tryton_world import staff as staff  # noqa: PLC0414  a fixture
from tests.contract.tryton_world import tryton_server as tryton_server  # noqa: PLC0414  a fixture

pytestmark = [pytest.mark.long, pytest.mark.tryton]


async def test_a_part_that_ships_is_told_once_and_its_rest_goes_back_to_its_warehouse(
    erp: TrytonErp, staff: Staff
) -> None:
    order = order_of(
        goods("1", "CAP-BLK", EAST, 6, "60.00"), goods("2", "BELT-BRN", WEST, 4, "40.00"), delivery("5.00")
    )
    await erp.submit_order(order)
    cursor = (await erp.changes(None)).cursor
    job = next(j for j in await staff.shipments_to_do([order.key.external_id]) if j.warehouse == WEST)
    assert await staff.ship(job, part=True) is not None
    told = await drain(erp, cursor)
    told_order = told[0][order.key]
    shipped = [s for s in told_order.shipments if s.state is ErpShipmentState.SHIPPED]
    assert contents(tuple(shipped)) == Counter({(WEST, "2", 2): 1})
    assert shipped[0].tracking_number
    assert shipped[0].carrier == "UPS"
    # Tryton puts the rest at the sale's warehouse, which is the other one.
    waiting = tuple(s for s in told_order.shipments if s.state is ErpShipmentState.WAITING)
    assert contents(waiting) == Counter({(EAST, "1", 6): 1, (WEST, "2", 2): 1})
    again = await drain(erp, told[1])
    assert again[0].get(order.key, told_order) == told_order
    quiet = await erp.changes(again[1])
    assert order.key not in {each.key for each in quiet.orders}


@pytest.mark.parametrize("reserved", [False, True], ids=["not reserved", "reserved"])
async def test_after_a_parcel_left_the_others_go_to_the_new_address(
    erp: TrytonErp, staff: Staff, administrator: Rpc, reserved: bool
) -> None:
    order = order_of(goods("1", "CAP-BLK", EAST, 6, "60.00"), goods("2", "BELT-BRN", WEST, 4, "40.00"))
    entered = await erp.submit_order(order)
    jobs = await staff.shipments_to_do([order.key.external_id])
    assert await staff.ship(next(job for job in jobs if job.warehouse == WEST), part=True) is not None
    if reserved:
        waiting = [job.shipment_id for job in jobs if job.warehouse == EAST]
        await administrator.press("stock.shipment.out", "assign_try", waiting)
    address = Address(name="Ada", street=("2 New Road",), city="Boston", postal_code="02101", country="US")
    moved = order.model_copy(update={"shipping_address": address})
    for _ in range(2):
        outcome = await erp.amend_order(moved)
        assert outcome.refused == ()
        open_still = [s for s in outcome.order.shipments if s.state is not ErpShipmentState.SHIPPED]
        assert contents(tuple(open_still)) == Counter({(EAST, "1", 6): 1, (WEST, "2", 2): 1})
    shipments = await administrator.find(
        "stock.shipment.out",
        [["id", "in", [int(s.shipment_id) for s in outcome.order.shipments]]],
        ["delivery_address.street", "state"],
    )
    went = Counter((x["delivery_address."]["street"].split("\n")[0], x["state"] == "done") for x in shipments)
    assert went == {("1 Main St", True): 1, ("2 New Road", False): 2}
    (sale,) = await administrator.read("sale.sale", [int(entered.erp_id)], ["shipment_address.street"])
    assert sale["shipment_address."]["street"].startswith("2 New Road")


async def drain(erp: TrytonErp, cursor: str) -> tuple[dict[OrderKey, ErpOrder], str]:
    found: dict[OrderKey, ErpOrder] = {}
    while True:
        page = await erp.changes(cursor)
        found |= {order.key: order for order in page.orders}
        cursor = page.cursor
        if not page.more:
            return found, cursor


async def test_a_sale_that_an_edit_replaces_while_the_feed_reserves_its_stock_is_nobodys_problem(
    tryton_server: TrytonAccess,
) -> None:
    async with connect(tryton_server, reserve=True) as erp, connect(tryton_server) as other:
        cursor = (await erp.changes(None)).cursor
        order = order_of(goods("1", "MUG-LOGO", EAST, 2, "18.10"))
        # Its stock is not reserved yet: that is left to the next who sees it.
        await other.submit_order(order)
        target = order_of(goods("1", "MUG-LOGO", EAST, 1, "9.05"))
        target = target.model_copy(update={"key": order.key, "number": order.number, "party": order.party})
        edited = ActsBefore("model.stock.shipment.out.assign_try", lambda: other.amend_order(target))
        async with connect(tryton_server, reserve=True, transport=edited) as late:
            page = await late.changes(cursor)
        assert page.unreadable == ()
        assert order.key not in {each.key for each in page.orders}
        told, _ = await drain(erp, page.cursor)
        assert told[order.key].total == target.total


async def test_the_feed_pages_without_losing_anything(tryton_server: TrytonAccess) -> None:
    async with connect(tryton_server, page_size=2) as erp:
        cursor = (await erp.changes(None)).cursor
        orders = [order_of(goods("1", "STICKER", EAST, 1, "0.99")) for _ in range(3)]
        for order in orders:
            await erp.submit_order(order)
        first = await erp.changes(cursor)
        assert first.more
        found, cursor = await drain(erp, cursor)
        assert {order.key for order in orders} <= found.keys()
        assert (await erp.changes(cursor)).orders == ()


async def test_a_cursor_of_something_else_is_refused(erp: TrytonErp) -> None:
    for cursor in ("17", "{}", "not json"):
        with pytest.raises(Rejected) as caught:
            await erp.changes(cursor)
        assert caught.value.cause == "cursor_unknown"


async def test_kits_ship_whole_and_are_counted_whole(erp: TrytonErp, staff: Staff) -> None:
    order = order_of(goods("7", "KIT-STARTER", EAST, 4, "119.60", ("VAT-20",)))
    entered = await erp.submit_order(order)
    assert contents(entered.shipments) == Counter({(EAST, "7", 4): 1})
    (job,) = await staff.shipments_to_do([order.key.external_id])
    await staff.ship(job, part=True)
    found = await erp.find_order(order.key)
    assert found is not None
    assert {(s.state, s.lines[0].quantity) for s in found.shipments} == {
        (ErpShipmentState.SHIPPED, 2),
        (ErpShipmentState.WAITING, 2),
    }


async def test_a_canceled_order_has_nothing_left_to_ship_or_invoice(erp: TrytonErp, staff: Staff) -> None:
    order = two_warehouses()
    await erp.submit_order(order)
    cursor = (await erp.changes(None)).cursor
    outcome = await erp.cancel_order(order.key, "buyer changed their mind")
    assert outcome.canceled
    assert outcome.order.state is ErpOrderState.CANCELED
    assert {s.state for s in outcome.order.shipments} == {ErpShipmentState.CANCELED}
    sale = await staff.read_sale(order.key.external_id)
    assert sale is not None
    assert sale.invoiced == 0
    assert await staff.shipments_to_do([order.key.external_id]) == ()
    assert await erp.cancel_order(order.key, "buyer changed their mind") == outcome
    assert (await erp.submit_order(order)).state is ErpOrderState.CANCELED
    told, _ = await drain(erp, cursor)
    assert told[order.key].state is ErpOrderState.CANCELED


async def test_what_is_reserved_can_be_canceled_and_what_is_picked_cannot(
    erp: TrytonErp, staff: Staff
) -> None:
    order = two_warehouses()
    await erp.submit_order(order)
    picked = await staff.pick_only(order.key.external_id)
    outcome = await erp.cancel_order(order.key, "too late")
    assert not outcome.canceled
    assert f"shipment {picked.number} from {picked.warehouse} is picked" in outcome.reason
    assert outcome.order.state is ErpOrderState.ACCEPTED
    found = await erp.find_order(order.key)
    assert found == outcome.order


async def test_a_shipment_picked_while_the_cancel_is_on_its_way_is_not_canceled(
    tryton_server: TrytonAccess, erp: TrytonErp, staff: Staff
) -> None:
    order = order_of(goods("1", "MUG-LOGO", EAST, 2, "18.10"))
    await erp.submit_order(order)
    picking = ActsBefore("model.stock.shipment.out.cancel", lambda: staff.pick_only(order.key.external_id))
    async with connect(tryton_server, transport=picking) as late:
        outcome = await late.cancel_order(order.key, "too late")
    assert not outcome.canceled
    assert "is picked" in outcome.reason
    assert [s.state for s in outcome.order.shipments] == [ErpShipmentState.PICKED]


async def test_a_posted_invoice_stands_in_the_way_of_canceling(erp: TrytonErp, staff: Staff) -> None:
    order = order_of(goods("1", "MUG-LOGO", EAST, 1, "9.05"))
    await erp.submit_order(order)
    (number,) = await staff.post_invoices(order.key.external_id)
    outcome = await erp.cancel_order(order.key, "too late")
    assert not outcome.canceled
    assert outcome.reason == f"invoice {number} is posted; credit it in the ERP first"


async def test_a_quotation_that_was_left_is_canceled_too(erp: TrytonErp, administrator: Rpc) -> None:
    order = two_warehouses()
    entered = await erp.submit_order(order)
    draft = await copy_as_draft(administrator, int(entered.erp_id))
    key = OrderKey(channel="shop", external_id=draft)
    outcome = await erp.cancel_order(key, "never mind")
    assert outcome.canceled
    assert outcome.order.state is ErpOrderState.CANCELED


async def test_canceling_an_order_that_is_not_there_is_refused(erp: TrytonErp) -> None:
    with pytest.raises(Rejected) as caught:
        await erp.cancel_order(OrderKey(channel="shop", external_id="never-placed"), "why not")
    assert caught.value.cause == "order_unknown"


async def test_an_exception_that_people_left_open_is_settled_with_the_cancel_of_its_units(
    erp: TrytonErp, staff: Staff, administrator: Rpc
) -> None:
    belt = goods("2", "BELT-BRN", WEST, 1, "10.00")
    order = order_of(goods("1", "CAP-BLK", EAST, 3, "30.00"), belt)
    await erp.submit_order(order)

    async def shipment_state() -> str:
        domain = [["web_id", "=", order.key.external_id]]
        (sale,) = await administrator.find("sale.sale", domain, ["shipment_state"])
        return str(sale["shipment_state"])

    (job,) = [j for j in await staff.shipments_to_do([order.key.external_id]) if j.warehouse == WEST]
    assert await staff.ship(job, part=False) is not None
    await staff.give_up(order.key.external_id, {"CAP-BLK": 1}, handled=False)
    assert await shipment_state() == "exception"
    names = {"key": order.key, "number": order.number, "party": order.party}
    target = order_of(goods("1", "CAP-BLK", EAST, 2, "20.00"), belt).model_copy(update=names)
    outcome = await erp.amend_order(target)
    assert (outcome.refused, outcome.order.given_up) == ((), {})
    assert await shipment_state() == "partially shipped"
    with pytest.raises(LookupError):
        await staff.send_after_all(order.key.external_id)
