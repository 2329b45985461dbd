"""A real Tryton's stock: what counts in every state of a shipment, what is read while people work, what is told."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr

from adapters.tryton.erp import OVERLAP, TrytonErp
from adapters.tryton.rpc import TrytonRpc
from adapters.tryton.stock_feed import REREAD, StockFeed
from adapters.tryton.stock_levels import StockLevels
from domain.erp_order import ErpOrder, ErpShipmentState, SalesOrder
from domain.stock import ErpStock, Incoming, Kit
from sandbox.tryton.rpc import Rpc
from sandbox.tryton.staff import SHIPMENT, Staff
from tests.contract.test_erp_stock_port import Levels, by_place
from tests.contract.test_erp_stock_port import StockFeed as Reader
from tests.contract.tryton_world import EAST, WEST, ActsBefore, TrytonAccess, connect, goods, order_of
from tests.contract.tryton_world import administrator as administrator  # noqa: PLC0414  a fixture
from tests.contract.tryton_world import erp as erp  # noqa: PLC0414  a fixture
from tests.contract.tryton_world import staff as staff  # noqa: PLC0414  a fixture
from tests.contract.tryton_world import tryton_server as tryton_server  # noqa: PLC0414  a fixture

pytestmark = [pytest.mark.long, pytest.mark.tryton]

TODAY = datetime.now(UTC).date()
INTERNAL = "stock.shipment.internal"


@dataclass
class Stockroom:
    """Tryton's administrator at work in the stock module."""

    rpc: Rpc
    company: int

    async def product(self, **changes: Any) -> str:
        """A new product of which there is none; returns its code."""
        fields = ["template", "template.account_category"]
        domain = [["code", "=", "CAP-BLK"]]
        (known,) = await self.rpc.find("product.product", domain, fields, company=self.company)
        values = {
            "code": f"RARE-{uuid4().hex[:8]}",
            "account_category": known["template."]["account_category"],
            **changes,
        }
        await self.rpc.call("product.template", "copy", [known["template"]], values, company=self.company)
        return str(values["code"])

    async def id_of(self, model: str, field: str, value: str) -> int:
        (found,) = await self.rpc.find(model, [[field, "=", value]], ["id"])
        return int(found["id"])

    async def place(self, code: str) -> int:
        return await self.id_of("stock.location", "code", code)

    async def move(self, code: str, units: float, source: int, target: int, **values: Any) -> dict[str, Any]:
        (product,) = await self.rpc.find("product.product", [["code", "=", code]], ["default_uom"])
        return {
            "product": product["id"],
            "unit": product["default_uom"],
            "quantity": units,
            "from_location": source,
            "to_location": target,
            "company": self.company,
            **values,
        }

    async def carry(self, code: str, units: float, source: int, target: int) -> None:
        """Put stock elsewhere at once, whether it is there or not."""
        moved = await self.move(code, units, source, target)
        values = {"from_location": source, "to_location": target, "moves": [["create", [moved]]]}
        made = await self.create(INTERNAL, values)
        (shipment,) = await self.rpc.read(INTERNAL, [made], ["transit_location"])
        await self.rpc.press(INTERNAL, "wait", [made])
        await self.rpc.press(INTERNAL, "assign_force", [made])
        for button in ("pack", "ship", "do") if shipment["transit_location"] else ("do",):
            await self.rpc.press(INTERNAL, button, [made])

    async def create(self, model: str, values: dict[str, Any]) -> int:
        (made,) = await self.rpc.call(model, "create", [{"company": self.company, **values}])
        return int(made)


@pytest.fixture
async def room(administrator: Rpc) -> Stockroom:
    (company,) = await administrator.find("company.company", [], ["id"])
    return Stockroom(administrator, company["id"])


@pytest.fixture
async def rpc(tryton_server: TrytonAccess) -> AsyncIterator[TrytonRpc]:
    access = tryton_server
    connected = TrytonRpc(access.url, access.database, access.login, SecretStr(access.password))
    yield connected
    await connected.close()


async def levels(erp: TrytonErp, *products: str) -> Levels:
    return by_place((await erp.find_stock(products)).levels)


def numbers(level: ErpStock) -> tuple[int, int, int]:
    return level.on_hand, level.allocated, level.reserved


def has_strayed(order: ErpOrder | None) -> bool:
    """Whether units that were sold from the west wait in the east."""
    assert order is not None
    waiting = [s for s in order.shipments if s.state is ErpShipmentState.WAITING]
    return (EAST, "2") in {(s.warehouse, part.line_id) for s in waiting for part in s.lines}


def at_both(rare: str, west: int, east: int = 2) -> SalesOrder:
    """So many units from the west; Tryton puts the whole sale in the east first."""
    return order_of(goods("1", rare, EAST, east, f"{east}.00"), goods("2", rare, WEST, west, f"{west}.00"))


async def test_in_every_state_of_a_shipment_each_unit_counts_once(
    erp: TrytonErp, room: Stockroom, staff: Staff
) -> None:
    rare = await room.product()
    for warehouse in (EAST, WEST):
        await staff.take_stock(rare, warehouse, 10)
    order = at_both(rare, west=6, east=8)
    seen: dict[str, tuple[int, int, int]] = {}

    async def look(state: str) -> None:
        found = await levels(erp, rare)
        assert numbers(found[rare, EAST]) == (10, 8, 0), state
        assert found[rare, WEST].free == 4, state
        seen[state] = numbers(found[rare, WEST])

    await erp.submit_order(order)
    await look("waiting")
    (job,) = [j for j in await staff.shipments_to_do([order.key.external_id]) if j.warehouse == WEST]
    moves = await room.rpc.find(
        "stock.move", [["shipment", "=", f"{SHIPMENT},{job.shipment_id}"]], ["origin", "quantity"]
    )
    (picking,) = [move["id"] for move in moves if str(move["origin"]).startswith("stock.move,")]
    await room.rpc.call("stock.move", "write", [picking], {"quantity": 2.0})
    await look("to be picked in part")
    for button, state in (("assign_try", "assigned"), ("pick", "picked"), ("pack", "packed"), ("do", "done")):
        await room.rpc.press(SHIPMENT, button, [job.shipment_id])
        await look(state)
    # Tryton has put the rest in the east by now, and this brings it back.
    assert has_strayed(await erp.find_order(order.key))
    await erp.changes(None)
    assert not has_strayed(await erp.find_order(order.key))
    await look("the rest, waiting")
    (rest,) = [j for j in await staff.shipments_to_do([order.key.external_id]) if j.warehouse == WEST]
    await room.rpc.press(SHIPMENT, "cancel", [rest.shipment_id])
    await look("the rest, canceled and to be made anew or not")
    assert seen == {
        "waiting": (10, 6, 0),
        "to be picked in part": (10, 6, 0),
        "assigned": (10, 6, 0),
        "picked": (10, 6, 0),
        "packed": (10, 6, 0),
        "done": (8, 4, 0),
        "the rest, waiting": (8, 4, 0),
        "the rest, canceled and to be made anew or not": (8, 4, 0),
    }
    about = {"active_model": "sale.sale", "active_id": job.sale_id, "active_ids": [job.sale_id]}
    wizard, start, _ = await room.rpc.call("sale.handle.shipment.exception", "create", kind="wizard")
    asked = await room.rpc.call(
        "sale.handle.shipment.exception", "execute", wizard, {}, start, kind="wizard", **about
    )
    given = asked["view"]["defaults"]
    answer = {"ask": {**given, "recreate_moves": [], "ignore_moves": given["domain_moves"]}}
    await room.rpc.call(
        "sale.handle.shipment.exception", "execute", wizard, answer, "handle", kind="wizard", **about
    )
    assert numbers((await levels(erp, rare))[rare, WEST]) == (8, 0, 0)


async def test_what_is_on_no_shipment_any_more_counts_until_people_say_that_it_is_over(
    erp: TrytonErp, room: Stockroom, staff: Staff
) -> None:
    rare = await room.product()
    await staff.take_stock(rare, WEST, 5)
    order = at_both(rare, west=3)
    reader = Reader(erp)
    await reader.read()
    entered = await erp.submit_order(order)
    shipments = [int(s.shipment_id) for s in entered.shipments]
    await room.rpc.press(SHIPMENT, "cancel", shipments)
    found = await levels(erp, rare)
    assert numbers(found[rare, WEST]) == (5, 3, 0)
    assert (await reader.read()) == found
    assert (await erp.cancel_order(order.key, "no")).canceled
    assert (await reader.read())[rare, WEST].free == 5


class ActsBeforeEach(httpx.AsyncBaseTransport):
    """Lets somebody act right before every call of ``method``."""

    def __init__(self, method: str, act: Callable[[], Awaitable[object]]) -> None:
        self._inner = httpx.AsyncHTTPTransport()
        self._method = method
        self._act = act

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if json.loads(request.content)["method"] == self._method:
            await self._act()
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


@pytest.mark.parametrize(
    "call",
    ["model.sale.line.search_read", "model.product.product.read"],
)
async def test_a_parcel_that_leaves_while_stock_is_read_counts_once(
    tryton_server: TrytonAccess, erp: TrytonErp, room: Stockroom, staff: Staff, call: str
) -> None:
    rare = await room.product()
    await staff.take_stock(rare, WEST, 9)
    order = order_of(goods("1", rare, WEST, 4, "4.00"))
    await erp.submit_order(order)
    (job,) = await staff.shipments_to_do([order.key.external_id])
    transport = ActsBefore(call, lambda: staff.ship(job, part=True))
    async with connect(tryton_server, transport=transport) as reading:
        read = (await levels(reading, rare))[rare, WEST]
    assert numbers(read) == (7, 2, 0)


async def test_what_never_stands_still_is_told_as_too_little_and_told_again(
    tryton_server: TrytonAccess, erp: TrytonErp, room: Stockroom, staff: Staff
) -> None:
    rare = await room.product()
    await staff.take_stock(rare, WEST, 50)
    reader = Reader(erp)
    await reader.read()
    left = count(49, -1)

    async def leaves() -> None:
        await staff.take_stock(rare, WEST, next(left))

    async with connect(
        tryton_server, transport=ActsBeforeEach("model.product.product.read", leaves)
    ) as reading:
        read = (await levels(reading, rare))[rare, WEST]
    truth = (await levels(erp, rare))[rare, WEST]
    assert next(left) < 45, "it stood still"
    assert truth.free - 2 <= read.free <= truth.free
    assert (await reader.read())[rare, WEST] == truth


async def test_what_moves_between_warehouses_is_reserved_here_and_comes_there(
    erp: TrytonErp, room: Stockroom, staff: Staff
) -> None:
    rare = await room.product()
    await staff.take_stock(rare, WEST, 10)
    east, west = await room.place("WH-EAST-STO"), await room.place("WH-WEST-STO")
    day = TODAY + timedelta(days=3)
    values = {"from_location": west, "to_location": east, "planned_date": day, "planned_start_date": TODAY}
    moved = await room.move(rare, 4.0, west, east, planned_date=day)
    shipment = await room.create(INTERNAL, {**values, "moves": [["create", [moved]]]})
    seen = []
    for button in ("wait", "assign_try", "pack", "ship", "do"):
        await room.rpc.press(INTERNAL, button, [shipment])
        found = await levels(erp, rare)
        there, here = found[rare, EAST], found[rare, WEST]
        assert (there.allocated, there.reserved, here.incoming) == (0, 0, ())
        seen.append((button, numbers(here), there.on_hand, there.incoming))
    on_its_way = (Incoming(expected=day, quantity=4),)
    assert seen == [
        ("wait", (10, 0, 4), 0, on_its_way),
        ("assign_try", (10, 0, 4), 0, on_its_way),
        ("pack", (10, 0, 4), 0, on_its_way),
        ("ship", (6, 0, 0), 0, on_its_way),
        ("do", (6, 0, 0), 4, ()),
    ]


async def test_goods_that_come_can_be_sold_once_they_are_put_away_and_what_goes_back_is_reserved(
    erp: TrytonErp, room: Stockroom
) -> None:
    rare = await room.product()
    supplier = await room.id_of("stock.location", "type", "supplier")
    (party,) = await room.rpc.find("party.party", [["code", "=", "RETAIL"]], ["addresses"])
    warehouse, arrival = await room.place("WH-WEST"), await room.place("WH-WEST-IN")
    day = TODAY + timedelta(days=5)
    (currency,) = await room.rpc.find("currency.currency", [["code", "=", "USD"]], ["id"])
    priced = {"unit_price": 2, "currency": currency["id"]}
    ordered = await room.move(rare, 8.0, supplier, arrival, planned_date=day, **priced)
    values = {
        "supplier": party["id"],
        "warehouse": warehouse,
        "warehouse_input": arrival,
        "warehouse_storage": await room.place("WH-WEST-STO"),
        "planned_date": day,
    }
    receipt = await room.create("stock.shipment.in", {**values, "incoming_moves": [["create", [ordered]]]})
    seen = []
    for button in (None, "receive", "do"):
        if button is not None:
            await room.rpc.press("stock.shipment.in", button, [receipt])
        level = (await levels(erp, rare))[rare, WEST]
        assert (level.allocated, level.reserved) == (0, 0)
        seen.append((level.on_hand, [(each.expected, each.quantity) for each in level.incoming]))
    assert seen == [(0, [(day, 8)]), (0, [(day, 8)]), (8, [])]
    shelf = await room.place("WH-WEST-STO")
    back = await room.move(rare, 3.0, shelf, supplier, **priced)
    values = {"supplier": party["id"], "from_location": shelf, "to_location": supplier}
    returned = await room.create("stock.shipment.in.return", {**values, "moves": [["create", [back]]]})
    assert numbers((await levels(erp, rare))[rare, WEST]) == (8, 0, 3)
    for button, left in (("wait", (8, 0, 3)), ("assign_try", (8, 0, 3)), ("do", (5, 0, 0))):
        await room.rpc.press("stock.shipment.in.return", button, [returned])
        assert numbers((await levels(erp, rare))[rare, WEST]) == left


async def test_part_of_a_unit_cannot_be_sold_and_a_claim_takes_a_whole_one(
    erp: TrytonErp, room: Stockroom, staff: Staff
) -> None:
    gram = await room.id_of("product.uom", "symbol", "g")
    kilogram = await room.id_of("product.uom", "symbol", "kg")
    coffee = await room.product(default_uom=gram, sale_uom=kilogram)
    await staff.take_stock(coffee, EAST, 3_900)
    await erp.submit_order(order_of(goods("1", coffee, EAST, 1, "9.00")))
    assert numbers((await levels(erp, coffee))[coffee, EAST]) == (3, 1, 0)
    shelf, west = await room.place("WH-EAST-STO"), await room.place("WH-WEST-STO")
    await room.create("stock.move", await room.move(coffee, 100.0, shelf, west))
    assert numbers((await levels(erp, coffee))[coffee, EAST]) == (3, 1, 1)


async def test_more_sent_than_was_there_is_below_zero(erp: TrytonErp, room: Stockroom) -> None:
    rare = await room.product()
    shelf, west = await room.place("WH-EAST-STO"), await room.place("WH-WEST-STO")
    await room.carry(rare, 2.0, shelf, west)
    found = await levels(erp, rare)
    assert (found[rare, EAST].on_hand, found[rare, WEST].on_hand) == (-2, 2)


async def test_what_is_taken_out_of_the_catalogue_is_kept_back_until_it_is_put_back(
    erp: TrytonErp, room: Stockroom, staff: Staff
) -> None:
    rare = await room.product()
    await staff.take_stock(rare, EAST, 7)
    reader = Reader(erp)
    await reader.read()
    await staff.archive_product(rare)
    assert numbers((await reader.read())[rare, EAST]) == (7, 0, 7)
    assert numbers((await levels(erp, rare))[rare, EAST]) == (7, 0, 7)
    # Another product takes the code over.
    await room.product(code=rare)
    assert numbers((await levels(erp, rare))[rare, EAST]) == (0, 0, 0)
    assert numbers((await reader.read())[rare, EAST]) == (0, 0, 0)


async def test_other_components_and_other_places_are_told(
    erp: TrytonErp, room: Stockroom, staff: Staff
) -> None:
    part, other = await room.product(), await room.product()
    box = await room.product(type="kit")
    template = (await room.rpc.find("product.product", [["code", "=", box]], ["template"]))[0]["template"]
    (first, second) = [
        (await room.rpc.find("product.product", [["code", "=", code]], ["default_uom"]))[0]
        for code in (part, other)
    ]
    line = {
        "parent_template": template,
        "product": first["id"],
        "quantity": 2.0,
        "unit": first["default_uom"],
    }
    assert (await erp.find_stock([box])).unknown == (box,)
    component = await room.rpc.call("product.component", "create", [line])
    reader = Reader(erp)
    await reader.read()
    assert reader.kits[box] == Kit(product=box, components={part: 2})
    await room.rpc.call("product.component", "write", component, {"product": second["id"], "quantity": 3.0})
    assert await reader.read() == {}
    assert reader.kits[box] == Kit(product=box, components={other: 3})
    await staff.take_stock(other, WEST, 4)
    await reader.read()
    shelf = await room.place("WH-WEST-STO")
    values = {"name": "Bin", "code": f"BIN-{uuid4().hex[:6]}", "type": "storage", "parent": shelf}
    (made,) = await room.rpc.call("stock.location", "create", [values])
    await room.carry(other, 3.0, shelf, made)
    assert numbers((await reader.read())[other, WEST]) == (4, 0, 0)
    await room.rpc.call("stock.location", "write", [made], {"parent": None})
    told = await reader.read()
    assert numbers(told[other, WEST]) == (1, 0, 0)
    # Another place may concern every product.
    assert ("CAP-BLK", EAST) in told


async def test_a_claim_that_is_deleted_without_a_trace_is_told_within_the_hour(
    rpc: TrytonRpc, room: Stockroom, staff: Staff
) -> None:
    rare = await room.product()
    await staff.take_stock(rare, WEST, 6)
    shelf, east = await room.place("WH-WEST-STO"), await room.place("WH-EAST-STO")
    claim = await room.create("stock.move", await room.move(rare, 2.0, shelf, east))
    now = [datetime.now(UTC)]
    found = StockLevels(rpc, overlap=OVERLAP)
    feed = StockFeed(rpc, found, overlap=OVERLAP, page_size=250, clock=lambda: now[0])
    cursor: str | None = None
    read: list[Levels] = []

    async def poll() -> Levels:
        nonlocal cursor
        page = await feed.read(cursor)
        cursor = page.cursor
        read.append(by_place(page.levels))
        return read[-1]

    assert numbers((await poll())[rare, WEST]) == (6, 0, 2)
    await room.rpc.call("stock.move", "delete", [claim])
    assert await poll() == {}
    now[0] += REREAD
    assert numbers((await poll())[rare, WEST]) == (6, 0, 0)
    assert await poll() == {}
