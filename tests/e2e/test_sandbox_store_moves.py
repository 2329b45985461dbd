"""Fulfillment orders of the sandbox store moved to another location, over real HTTP: units, stock, refusals."""

from typing import Any

import pytest

from tests.running_store import STOCK, RunningStore, place, read, ship

MOVE = """mutation ($id: ID!, $to: ID!, $lines: [FulfillmentOrderLineItemInput!]) {
  fulfillmentOrderMove(id: $id, newLocationId: $to, fulfillmentOrderLineItems: $lines) {
    movedFulfillmentOrder { id status } originalFulfillmentOrder { id status } userErrors { code field message } } }"""
SHIRT = "gid://shopify/InventoryItem/601"


def move(store: RunningStore, plan: dict[str, Any], to: int, *lines: tuple[str, int]) -> dict[str, Any]:
    wanted = [{"id": i, "quantity": n} for i, n in lines] or None
    variables = {"id": plan["id"], "to": f"gid://shopify/Location/{to}", "lines": wanted}
    answer: dict[str, Any] = store.data(MOVE, **variables)["fulfillmentOrderMove"]
    return answer


def plans(store: RunningStore, order_id: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = read(store, order_id)["fulfillmentOrders"]["nodes"]
    return found


def units(plan: dict[str, Any]) -> tuple[str, str, list[tuple[str, int, int]]]:
    location = plan["assignedLocation"]["location"]["id"].rpartition("/")[2]
    lines = [
        (x["lineItem"]["sku"], x["totalQuantity"], x["remainingQuantity"]) for x in plan["lineItems"]["nodes"]
    ]
    return location, plan["status"], lines


def stock(store: RunningStore, location: int) -> list[int]:
    """Of the shirt: available, committed, on hand."""
    found = store.data(STOCK, id=SHIRT, at=f"gid://shopify/Location/{location}")["inventoryItem"]
    return [each["quantity"] for each in found["inventoryLevel"]["quantities"]]


def test_a_whole_plan_moves_with_its_stock_and_keeps_its_id(store: RunningStore) -> None:
    order_id = place(store, lines=[{"sku": "TEE-BLK-S", "quantity": 3}])
    (plan,) = plans(store, order_id)
    assert (stock(store, 101), stock(store, 102)) == ([997, 3, 1000], [500, 0, 500])
    moved = move(store, plan, 102)
    assert moved["movedFulfillmentOrder"] == {"id": plan["id"], "status": "OPEN"}
    assert moved["originalFulfillmentOrder"] == moved["movedFulfillmentOrder"]
    assert [units(each) for each in plans(store, order_id)] == [("102", "OPEN", [("TEE-BLK-S", 3, 3)])]
    assert (stock(store, 101), stock(store, 102)) == ([1000, 0, 1000], [497, 3, 500])
    ship(store, plans(store, order_id)[0])
    assert (stock(store, 101), stock(store, 102)) == ([1000, 0, 1000], [497, 0, 497])


def test_a_part_moves_into_a_new_plan_and_what_left_stays(store: RunningStore) -> None:
    order_id = place(store, lines=[{"sku": "TEE-BLK-S", "quantity": 5}])
    (plan,) = plans(store, order_id)
    line = plan["lineItems"]["nodes"][0]["id"]
    ship(store, plan, (line, 2))
    moved = move(store, plan, 102, (line, 1))
    assert moved["originalFulfillmentOrder"] == {"id": plan["id"], "status": "IN_PROGRESS"}
    assert [units(each) for each in plans(store, order_id)] == [
        ("101", "IN_PROGRESS", [("TEE-BLK-S", 4, 2)]),
        ("102", "OPEN", [("TEE-BLK-S", 1, 1)]),
    ]
    assert (stock(store, 101), stock(store, 102)) == ([996, 2, 998], [499, 1, 500])
    rest = move(store, plan, 102)
    assert rest["originalFulfillmentOrder"]["status"] == "CLOSED"
    assert [units(each) for each in plans(store, order_id)] == [
        ("101", "CLOSED", [("TEE-BLK-S", 2, 0)]),
        ("102", "CLOSED", []),
        ("102", "OPEN", [("TEE-BLK-S", 3, 3)]),
    ]
    assert (stock(store, 101), stock(store, 102)) == ([998, 0, 998], [497, 3, 500])


def test_what_the_location_had_to_ship_already_is_made_anew_with_what_comes(store: RunningStore) -> None:
    order_id = place(store)
    east, west = plans(store, order_id)
    moved = move(store, east, 102)["movedFulfillmentOrder"]
    assert moved["id"] not in {east["id"], west["id"]}
    assert [units(each) for each in plans(store, order_id)] == [
        ("101", "CLOSED", []),
        ("102", "CLOSED", []),
        ("102", "OPEN", [("TEE-BLK-S", 3, 3), ("MUG-LOGO", 2, 2)]),
    ]
    assert store.control.read_order(order_id).open_units == 5


@pytest.mark.parametrize(
    ("to", "so_many", "field", "words"),
    [
        (101, None, "newLocationId", "already"),
        (999, None, "newLocationId", "does not exist"),
        (102, 4, "fulfillmentOrderLineItems", "Invalid"),
        (102, 0, "fulfillmentOrderLineItems", "Invalid"),
    ],
)
def test_what_cannot_move_is_refused_and_nothing_changes(
    store: RunningStore, to: int, so_many: int | None, field: str, words: str
) -> None:
    order_id = place(store, lines=[{"sku": "TEE-BLK-S", "quantity": 3}])
    (plan,) = before = plans(store, order_id)
    line = plan["lineItems"]["nodes"][0]["id"]
    refused = move(store, plan, to, *([] if so_many is None else [(line, so_many)]))
    assert (refused["movedFulfillmentOrder"], refused["originalFulfillmentOrder"]) == (None, None)
    (error,) = refused["userErrors"]
    assert (error["code"], error["field"]) == (None, [field])
    assert words in error["message"]
    assert plans(store, order_id) == before
    assert stock(store, 101) == [997, 3, 1000]


def test_what_is_over_or_unknown_does_not_move(store: RunningStore) -> None:
    order_id = place(store, lines=[{"sku": "TEE-BLK-S", "quantity": 1}])
    (plan,) = plans(store, order_id)
    ship(store, plan)
    assert "closed" in move(store, plan, 102)["userErrors"][0]["message"]
    unknown = {"id": "gid://shopify/FulfillmentOrder/1"}
    assert move(store, unknown, 102)["userErrors"][0]["field"] == ["id"]
    other = ("gid://shopify/FulfillmentOrderLineItem/1", 1)
    (open_plan,) = plans(store, place(store, lines=[{"sku": "TEE-BLK-S", "quantity": 1}]))
    assert "line item" in move(store, open_plan, 102, other)["userErrors"][0]["message"]
