"""Levels of stock from Tryton's records, and the feed's way with transactions that commit late."""

import datetime as dt
import json
from typing import Any

import pytest

from adapters.errors import ContractBroken, Rejected
from adapters.tryton.levels import Claims, kit_of, levels_of
from adapters.tryton.places import PlaceRecord, Places, places_of
from adapters.tryton.stock_feed import StockFeed
from adapters.tryton.stock_levels import StockLevels
from adapters.tryton.stock_records import Movement, StockedProduct, WantingLine, read_rows
from tests.unit.test_tryton_rpc import FakeTryton, connect

NOON = dt.datetime(2026, 3, 2, 12)  # noqa: DTZ001  as Tryton's
UNIT = {"id": 1, "factor": 1.0}
DOZEN = {"id": 2, "factor": 12.0}
EAST = [
    {
        "id": 1,
        "code": "EAST",
        "type": "warehouse",
        "storage_location": 2,
        "output_location": 3,
        "input_location": 4,
    },
    *({"id": number, "type": "storage", "parent": 1} for number in (2, 3, 4)),
    {"id": 5, "type": "storage", "parent": 2},
    {"id": 6, "type": "storage", "parent": 1, "code": "QUARANTINE"},
    {"id": 9, "type": "customer"},
]
PLACES = places_of(PlaceRecord.model_validate(row) for row in EAST)


def product(**changes: Any) -> StockedProduct:
    row = {"id": 7, "code": "TEE", "type": "goods", "active": True, "template.": {"id": 1, "active": True}}
    return StockedProduct.model_validate({**row, "default_uom.": UNIT, "sale_uom.": UNIT, **changes})


def move(source: int, target: int, units: float, state: str = "draft", **changes: Any) -> Movement:
    row = {"id": 1, "product": 7, "state": state, "internal_quantity": units, "create_date": NOON}
    return Movement.model_validate({**row, "from_location": source, "to_location": target, **changes})


def level(
    *moves: Movement, places: Places = PLACES, lines: tuple[WantingLine, ...] = (), **changes: Any
) -> Any:
    sold = product(**changes)
    claims = Claims(places)
    claims.add({7: sold}, moves, lines)
    (found,) = levels_of([sold], places, {}, claims)
    return found


def test_a_zone_within_another_counts_once_and_what_comes_in_is_on_no_shelf() -> None:
    assert PLACES.shelf_of == {2: "EAST", 3: "EAST", 5: "EAST"}
    assert PLACES.arrival_of == {4: "EAST"}
    single = [{**EAST[0], "output_location": 2, "input_location": 2}, *EAST[1:]]
    one_step = places_of(PlaceRecord.model_validate(row) for row in single)
    assert (one_step.shelf_of, one_step.arrival_of) == ({2: "EAST", 5: "EAST"}, {})
    nested = [EAST[0], *EAST[1:3], {"id": 4, "type": "storage", "parent": 2}]
    assert 4 not in places_of(PlaceRecord.model_validate(row) for row in nested).shelf_of


def test_a_closed_warehouse_is_told_with_nothing() -> None:
    closed = [{**EAST[0], "active": False}, *EAST[1:]]
    found = places_of(PlaceRecord.model_validate(row) for row in closed)
    assert (found.warehouses, found.shelves()) == (("EAST",), {})


@pytest.mark.parametrize(
    ("source", "target", "state", "allocated", "reserved"),
    [
        (2, 3, "assigned", 0, 0),
        (3, 9, "draft", 4, 0),
        (2, 9, "staging", 4, 0),
        (2, 9, "done", 0, 0),
        (2, 9, "cancelled", 0, 0),
        (2, 6, "draft", 0, 4),
        (2, 6, "staging", 0, 0),
        (4, 9, "draft", 0, 0),
    ],
)
def test_what_a_move_takes_depends_on_where_it_goes(
    source: int, target: int, state: str, allocated: int, reserved: int
) -> None:
    found = level(move(source, target, 4, state))
    assert (found.allocated, found.reserved, found.incoming) == (allocated, reserved, ())


def test_what_customers_send_back_is_not_expected() -> None:
    day = dt.date(2026, 3, 9)
    assert level(move(9, 4, 2, planned_date=day)).incoming == ()
    assert level(move(4, 2, 2, planned_date=day, shipment="stock.shipment.out.return,1")).incoming == ()
    assert [i.quantity for i in level(move(4, 2, 2, planned_date=day)).incoming] == [2]
    assert level(move(4, 2, 2)).incoming == ()


def test_claims_of_parts_of_a_sales_unit_take_whole_ones() -> None:
    found = level(move(2, 9, 13), **{"sale_uom.": DOZEN})
    assert found.allocated == 2


@pytest.mark.parametrize(
    ("states", "ignored", "allocated"),
    [
        ((), (), 6),
        (("draft",), (), 4),
        (("done", "draft"), (), 2),
        (("cancelled",), (), 6),
        (("cancelled",), (1,), 4),
    ],
)
def test_what_a_sale_wants_and_no_move_brings_is_allocated(
    states: tuple[str, ...], ignored: tuple[int, ...], allocated: int
) -> None:
    moves = [{"id": n, "state": state, "internal_quantity": 2.0} for n, state in enumerate(states, start=1)]
    row = {"id": 1, "product": 7, "quantity": 6.0, "unit.": UNIT, "sale.": {"id": 1, "warehouse": 1}}
    line = WantingLine.model_validate({**row, "moves.": moves, "moves_ignored": ignored})
    assert level(lines=(line,)).allocated == allocated


def test_a_kit_is_told_in_sales_units_of_its_components_rounded_up() -> None:
    piece = {"id": 8, "code": "SOCK", "default_uom.": UNIT, "sale_uom.": {"id": 3, "factor": 2.0}}
    part = {"id": 1, "quantity": 3.0, "unit.": UNIT, "product.": piece}
    found = kit_of(product(type="kit", **{"components.": [part]}))
    assert found is not None
    assert found.components == {"SOCK": 2}
    assert kit_of(product(type="kit")) is None


def test_an_answer_of_another_form_breaks_the_contract() -> None:
    for rows in ({"id": 1}, [{"id": 1}]):
        with pytest.raises(ContractBroken):
            read_rows("read stock", Movement, rows)


def stamp(at: dt.datetime) -> dict[str, Any]:
    """As it goes over the wire."""
    names = ("year", "month", "day", "hour", "minute", "second", "microsecond")
    return {"__class__": "datetime", **{name: getattr(at, name) for name in names}}


def time_of(value: dict[str, Any]) -> dt.datetime:
    """From the wire."""
    return dt.datetime(**{name: part for name, part in value.items() if name != "__class__"})  # noqa: DTZ001  as above


class Tables:
    """What Tryton has written: stamps of moves by id; everything else is quiet."""

    def __init__(self) -> None:
        self.moves: dict[int, tuple[dt.datetime, int]] = {}
        self.created: dict[int, dt.datetime] = {}
        """Of those that were not created as they were written last."""

    def _fits(self, number: int, at: dt.datetime, domain: list[Any]) -> bool:
        _, written, created = domain
        late = self.created.get(number, at) >= time_of(written[2])
        return at >= time_of(written[2]) or (created[0] == "create_date" and late)

    def answer(self, method: str, params: list[Any]) -> Any:
        if method == "model.stock.move.search_read":
            fields = params[4]
            if "state" in fields:
                return []
            latest = sorted(self.moves.items(), key=lambda move: move[1])
            rows = [
                {
                    "id": number,
                    "product": sku,
                    "create_date": stamp(self.created.get(number, at)),
                    "write_date": stamp(at),
                }
                for number, (at, sku) in latest
                if params[0][0] != "OR" or self._fits(number, at, params[0])
            ]
            return rows if params[2] is None else rows[-1:]
        if method == "model.product.product.search_read" and params[4] == ["code"]:
            wanted = params[0][0]
            known = [7, 8, 9]
            ids = [n for n in known if (n in wanted[2] if wanted[1] == "in" else n > wanted[2])]
            return [{"id": n, "code": f"SKU-{n}"} for n in ids][: params[2]]
        return []


async def test_a_transaction_that_commits_late_or_at_the_same_instant_is_told() -> None:
    tables = Tables()
    tables.moves = {1: (NOON, 7)}
    now = [dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)]
    server = FakeTryton(tables.answer)
    rpc = connect(server)
    overlap = dt.timedelta(seconds=30)
    levels = StockLevels(rpc, overlap=overlap)
    feed = StockFeed(rpc, levels, overlap=overlap, page_size=2, clock=lambda: now[0])
    cursor: str | None = None

    async def asked() -> list[str]:
        """Codes whose levels one poll reads."""
        nonlocal cursor
        server.calls.clear()
        page = await feed.read(cursor)
        cursor = page.cursor
        codes = [params[0][0][2] for method, params in server.calls if _reads_codes(method, params)]
        return [code for part in codes for code in part]

    assert [await asked(), await asked(), await asked()] == [["SKU-7", "SKU-8"], ["SKU-9"], []]
    tables.moves[2] = (NOON, 8)
    assert await asked() == ["SKU-8"]
    tables.moves[3] = (NOON - dt.timedelta(seconds=29), 9)
    assert await asked() == ["SKU-9"]
    tables.moves[1] = (NOON + dt.timedelta(seconds=20), 7)
    assert await asked() == ["SKU-7"]
    tables.moves[4] = (NOON - dt.timedelta(seconds=5), 9)
    assert await asked() == ["SKU-9"]
    assert await asked() == []
    now[0] += dt.timedelta(hours=1)
    assert [await asked(), await asked(), await asked()] == [["SKU-7", "SKU-8"], ["SKU-9"], []]
    await rpc.close()


async def test_what_was_created_after_the_transaction_began_that_wrote_it_is_told_once() -> None:
    tables = Tables()
    tables.moves = {1: (NOON, 7)}
    server, overlap = FakeTryton(tables.answer), dt.timedelta(seconds=30)
    rpc = connect(server)
    feed = StockFeed(rpc, StockLevels(rpc, overlap=overlap), overlap=overlap, page_size=2)
    page = await feed.read((await feed.read(None)).cursor)
    tables.moves |= {1: (NOON + dt.timedelta(seconds=40), 7), 2: (NOON + dt.timedelta(seconds=5), 8)}
    tables.created[2] = NOON + dt.timedelta(seconds=20)
    page = await feed.read(page.cursor)
    for _ in range(2):
        server.calls.clear()
        page = await feed.read(page.cursor)
        assert not any(_reads_codes(method, params) for method, params in server.calls)
    await rpc.close()


def _reads_codes(method: str, params: list[Any]) -> bool:
    return method == "model.product.product.search_read" and params[0][0][0] == "code"


async def test_products_that_cannot_be_read_are_named_and_hold_up_no_other() -> None:
    tables = Tables()
    tables.moves = {1: (NOON, 7)}

    def answer(method: str, params: list[Any]) -> Any:
        if _reads_codes(method, params) and "SKU-8" in params[0][0][2]:
            return [{"id": 8, "code": "SKU-8"}]  # a product without a unit
        return tables.answer(method, params)

    rpc, overlap = connect(FakeTryton(answer)), dt.timedelta(seconds=30)
    levels = StockLevels(rpc, overlap=overlap)
    feed = StockFeed(rpc, levels, overlap=overlap, page_size=2)
    first = await feed.read(None)
    assert (first.levels, first.untold, first.more) == ((), ("SKU-7", "SKU-8"), True)
    second = await feed.read(first.cursor)
    assert second.untold == ()
    assert json.loads(second.cursor)["after"] is None, "it goes on after them"
    with pytest.raises(ContractBroken, match="default_uom"):
        await levels.find(["SKU-8"])
    assert (await levels.find(["SKU-7"])).unknown == ("SKU-7",)
    await rpc.close()


async def test_a_cursor_of_something_else_is_refused() -> None:
    rpc = connect(FakeTryton())
    overlap = dt.timedelta(seconds=30)
    feed = StockFeed(rpc, StockLevels(rpc, overlap=overlap), overlap=overlap, page_size=2)
    with pytest.raises(Rejected) as caught:
        await feed.read('{"since": "2026-03-02T12:00:00"}')
    assert caught.value.cause == "cursor_unknown"
    await rpc.close()
