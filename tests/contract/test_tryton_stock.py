"""A real Tryton that reserves stock as orders come in: what is not there, who gets what comes, what is taken off."""

from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

from adapters.tryton.erp import TrytonErp
from domain.erp_order import ErpOrder, ErpOrderState, ErpShipmentState, SalesOrder
from domain.order import OrderKey
from sandbox.tryton.rpc import Rpc
from sandbox.tryton.staff import SHIPMENT, Staff
from tests.contract.test_tryton_shipping import drain
from tests.contract.tryton_world import (
    EAST,
    WEST,
    TrytonAccess,
    connect,
    contents,
    delivery,
    goods,
    order_of,
)
from tests.contract.tryton_world import administrator as administrator  # noqa: PLC0414  a fixture
from tests.contract.tryton_world import staff as staff  # noqa: PLC0414  a fixture
from tests.contract.tryton_world import tryton_server as tryton_server  # noqa: PLC0414  a fixture

pytestmark = [pytest.mark.long, pytest.mark.tryton]


@pytest.fixture
async def reserving(tryton_server: TrytonAccess) -> AsyncIterator[TrytonErp]:
    async with connect(tryton_server, reserve=True) as connected:
        yield connected


@pytest.fixture
async def rare(administrator: Rpc) -> str:
    """A product of which there is none yet."""
    code = f"RARE-{uuid4().hex[:8]}"
    (company,) = await administrator.find("company.company", [], ["id"])
    of_company = {"company": company["id"]}
    fields = ["template", "template.account_category"]
    (known,) = await administrator.find("product.product", [["code", "=", "CAP-BLK"]], fields, **of_company)
    values = {"code": code, "account_category": known["template."]["account_category"]}
    await administrator.call("product.template", "copy", [known["template"]], values, **of_company)
    return code


def asked(rare: str, units: int = 3) -> SalesOrder:
    return order_of(
        goods("1", "CAP-BLK", EAST, 2, "40.00", ("STATE-6.25",)),
        goods("2", rare, WEST, units, f"{16 * units}.00", ("STATE-6.25",)),
        delivery("5.00"),
    )


def short(order: ErpOrder) -> Counter[tuple[str, str | None]]:
    return Counter({(b.line_id, b.warehouse): b.quantity for b in order.backorders})


async def read(erp: TrytonErp, key: OrderKey) -> ErpOrder:
    found = await erp.find_order(key)
    assert found is not None
    return found


async def test_it_tells_what_it_can_and_cannot_do(tryton_server: TrytonAccess, reserving: TrytonErp) -> None:
    assert (reserving.capabilities.backorders, reserving.capabilities.complete_only) == (True, False)
    async with connect(tryton_server) as plain:
        assert not plain.capabilities.backorders


async def test_what_is_not_there_is_on_backorder_and_what_is_there_leaves(
    reserving: TrytonErp, staff: Staff, rare: str
) -> None:
    await staff.take_stock(rare, WEST, 1)
    order = asked(rare)
    entered = await reserving.submit_order(order)
    assert entered.state is ErpOrderState.ACCEPTED
    assert short(entered) == {("2", WEST): 2}
    assert contents(entered.shipments) == Counter({(EAST, "1", 2): 1, (WEST, "2", 1): 1})
    assert await reserving.submit_order(order) == entered
    cursor = (await reserving.changes(None)).cursor
    await staff.take_stock(rare, WEST, 5)
    await staff.reserve_what_came([order.key.external_id])
    told, _ = await drain(reserving, cursor)
    assert told[order.key].backorders == ()
    assert {s.state for s in told[order.key].shipments} == {ErpShipmentState.RESERVED}


async def test_the_day_that_people_plan_is_told(reserving: TrytonErp, administrator: Rpc, rare: str) -> None:
    order = asked(rare)
    entered = await reserving.submit_order(order)
    assert [b.expected for b in entered.backorders] == [None]
    day = datetime.now(UTC).date() + timedelta(days=12)
    shipment = int(next(s.shipment_id for s in entered.shipments if s.warehouse == WEST))
    await administrator.press(SHIPMENT, "draft", [shipment])
    await administrator.call(SHIPMENT, "write", [shipment], {"planned_date": day})
    await administrator.press(SHIPMENT, "wait", [shipment])
    assert [b.expected for b in (await read(reserving, order.key)).backorders] == [day]


async def test_later_stock_goes_to_the_oldest_order_first(
    reserving: TrytonErp, staff: Staff, administrator: Rpc, rare: str
) -> None:
    older, younger = asked(rare, 2), asked(rare, 2)
    for order in (older, younger):
        await reserving.submit_order(order)
    await staff.take_stock(rare, WEST, 2)
    # Tryton's own "Assign Shipments", which its administrator switches on: by the planned day, then by age.
    (company,) = await administrator.find("company.company", [], ["id"])
    values = {
        "method": "ir.cron|stock_shipment_assign_try",
        "interval_number": 1,
        "interval_type": "months",
        "companies": [["add", [company["id"]]]],
    }
    (cron,) = await administrator.call("ir.cron", "create", [values])
    await administrator.call("ir.cron", "run_once", [cron])
    assert (await read(reserving, older.key)).backorders == ()
    assert short(await read(reserving, younger.key)) == {("2", WEST): 2}


async def test_a_shortage_that_the_warehouse_finds_leaves_the_rest_on_backorder(
    reserving: TrytonErp, staff: Staff, rare: str
) -> None:
    await staff.take_stock(rare, WEST, 4)
    order = asked(rare, 4)
    entered = await reserving.submit_order(order)
    assert entered.backorders == ()
    cursor = (await reserving.changes(None)).cursor
    job = next(j for j in await staff.shipments_to_do([order.key.external_id]) if j.warehouse == WEST)
    assert await staff.ship(job, part=True) is not None
    await staff.take_stock(rare, WEST, 0)
    told, _ = await drain(reserving, cursor)
    assert short(told[order.key]) == {("2", WEST): 2}
    left = tuple(s for s in told[order.key].shipments if s.state is ErpShipmentState.SHIPPED)
    assert contents(left) == Counter({(WEST, "2", 2): 1})


async def test_the_rest_is_taken_off_after_a_part_has_left(
    reserving: TrytonErp, staff: Staff, rare: str
) -> None:
    await staff.take_stock(rare, WEST, 1)
    order = asked(rare)
    await reserving.submit_order(order)
    job = next(j for j in await staff.shipments_to_do([order.key.external_id]) if j.warehouse == EAST)
    assert await staff.ship(job, part=False) is not None
    target = asked(rare, 1).model_copy(
        update={"key": order.key, "number": order.number, "party": order.party}
    )
    amended = await reserving.amend_order(target)
    assert amended.refused == ()
    assert (amended.order.total, amended.order.backorders) == (target.total, ())
    assert contents(amended.order.shipments) == Counter({(EAST, "1", 2): 1, (WEST, "2", 1): 1})
    assert (await reserving.amend_order(target)).order == amended.order
    (job,) = await staff.shipments_to_do([order.key.external_id])
    assert await staff.ship(job, part=False) is not None
    done = await read(reserving, order.key)
    assert sum(x.total for x in done.invoices) == target.total
    assert (await read(reserving, order.key)).lines == amended.order.lines


async def test_a_line_of_which_nothing_is_there_is_taken_off_after_another_has_left(
    reserving: TrytonErp, staff: Staff, rare: str
) -> None:
    order = asked(rare)
    await reserving.submit_order(order)
    job = next(j for j in await staff.shipments_to_do([order.key.external_id]) if j.warehouse == EAST)
    assert await staff.ship(job, part=False) is not None
    target = order_of(order.lines[0], order.lines[2]).model_copy(
        update={"key": order.key, "number": order.number, "party": order.party}
    )
    amended = await reserving.amend_order(target)
    assert amended.refused == ()
    assert amended.order.total == target.total
    assert {line.line_id: line.quantity for line in amended.order.lines}["2"] == 0
    assert (await reserving.amend_order(target)).order == amended.order
    assert (await read(reserving, order.key)).state is ErpOrderState.DONE or not amended.order.backorders


async def test_another_price_of_what_has_left_is_refused_as_before(
    reserving: TrytonErp, staff: Staff, rare: str
) -> None:
    await staff.take_stock(rare, WEST, 3)
    order = asked(rare)
    await reserving.submit_order(order)
    job = next(j for j in await staff.shipments_to_do([order.key.external_id]) if j.warehouse == EAST)
    assert await staff.ship(job, part=False) is not None
    dearer = order_of(goods("1", "CAP-BLK", EAST, 2, "42.00", ("STATE-6.25",)), *order.lines[1:]).model_copy(
        update={"key": order.key, "number": order.number, "party": order.party}
    )
    amended = await reserving.amend_order(dearer)
    assert amended.refused
    assert amended.order.total == order.total != Decimal(0)
