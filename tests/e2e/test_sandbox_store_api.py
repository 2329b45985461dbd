"""The sandbox store's API: idempotency, cost, pages, refusals, and that the adapter's documents run on it."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
from graphql import parse
from pydantic import SecretStr

from adapters.shopify.documents import document, names
from sandbox.store.control import Fault
from sandbox.store.requests import AskReturn, AskReturnLine, CancelOrder, GiveBack
from sandbox.store.schema import store_schema
from sandbox.store.server import ADMIN_PATH, StoreSettings, create_app
from sandbox.store.throttle import ThrottleKnobs, requested_cost
from tests.running_store import (
    CAPTURE,
    FULFILL,
    SET,
    TOKEN,
    TWO_PLACES,
    RunningStore,
    capture,
    place,
    read,
    ship,
)

RETURN_LINES = """query ($id: ID!) { return(id: $id) { returnLineItems(first: 1) { nodes { id } }
  reverseFulfillmentOrders(first: 1) { nodes { lineItems(first: 1) { nodes { id } } } } } }"""
PROCESS = "mutation ($i: ReturnProcessInput!) { returnProcess(input: $i) { userErrors { message } } }"


def test_stock_is_set_once_per_key_and_only_from_what_was_seen(store: RunningStore) -> None:
    level = {"inventoryItemId": "gid://shopify/InventoryItem/601", "locationId": "gid://shopify/Location/101"}

    def set_to(quantity: int, seen: int | None, key: str) -> dict[str, Any]:
        wanted = {**level, "quantity": quantity, "changeFromQuantity": seen}
        answer: dict[str, Any] = store.data(
            SET, i={"name": "available", "reason": "correction", "quantities": [wanted]}, k=key
        )["inventorySetQuantities"]
        return answer

    first = set_to(40, 1000, "a")
    assert first["inventoryAdjustmentGroup"]["changes"] == [
        {"delta": -960, "quantityAfterChange": 40, "name": "available"}
    ]
    assert set_to(40, 1000, "a") == first, "the same key answers the same"
    assert set_to(41, 40, "a")["userErrors"][0]["code"] == "IDEMPOTENCY_KEY_PARAMETER_MISMATCH"
    stale = set_to(50, 1000, "b")
    assert (stale["inventoryAdjustmentGroup"], stale["userErrors"][0]["code"]) == (
        None,
        "CHANGE_FROM_QUANTITY_STALE",
    )
    assert set_to(50, None, "c")["userErrors"] == [], "null sets in any case"

    blank = store.ask(SET, i={"name": "available", "reason": "correction", "quantities": []}, k=" ")
    assert blank["errors"][0]["extensions"]["code"] == "BAD_REQUEST"
    without_key = SET.replace("@idempotent(key: $k)", "").replace(", $k: String!", "")
    wanted = {"name": "available", "reason": "correction", "quantities": []}
    answer = store.ask(without_key, i=wanted)
    assert answer["errors"][0]["extensions"]["code"] == "BAD_REQUEST"
    with_key = CAPTURE.replace("(input: $i)", '(input: $i) @idempotent(key: "x")')
    money = {
        "id": "gid://shopify/Order/1",
        "parentTransactionId": "gid://shopify/OrderTransaction/1",
        "amount": "1",
    }
    assert "not supported" in store.ask(with_key, i=money)["errors"][0]["message"]
    assert (
        "Money cannot represent" in store.ask(CAPTURE, i={**money, "amount": "a lot"})["errors"][0]["message"]
    )
    assert store.data(CAPTURE, i={**money, "amount": 1})["orderCapture"]["userErrors"][0]["field"] == [
        "input",
        "id",
    ]


def test_queries_cost_points_and_too_many_are_throttled(store: RunningStore) -> None:
    store.control.set_throttle(ThrottleKnobs(maximum_available=120, restore_rate=1))
    listing = "{ locations(first: 50) { nodes { id } } }"
    cost = store.ask(listing)["extensions"]["cost"]
    assert (cost["requestedQueryCost"], cost["actualQueryCost"]) == (52, 4)
    assert cost["throttleStatus"]["currentlyAvailable"] in {116, 117}, "what was not used came back"

    answer = {}
    for _ in range(40):
        answer = store.ask(listing)
        if "errors" in answer:
            break
    assert answer["errors"][0]["extensions"]["code"] == "THROTTLED"
    assert answer["extensions"]["cost"]["actualQueryCost"] is None
    assert answer["extensions"]["cost"]["throttleStatus"]["maximumAvailable"] == 120

    dear = "{ orders(first: 250) { nodes { lineItems(first: 50) { nodes { id } } } } }"
    assert store.ask(dear)["errors"][0]["extensions"]["code"] == "MAX_COST_EXCEEDED"


def test_the_door_is_shut_to_strangers_and_to_wrong_documents(store: RunningStore) -> None:
    answer = httpx.post(store.url + ADMIN_PATH, json={"query": "{ shop { name } }"})
    assert answer.status_code == 401
    assert "Invalid API key or access token" in answer.json()["errors"]
    assert httpx.post(store.url + ADMIN_PATH.replace("2026-07", "2020-01"), json={}).status_code == 404
    assert (
        "canceledAt"
        in store.ask('{ order(id: "gid://shopify/Order/1") { canceledAt } }')["errors"][0]["message"]
    )
    assert store.ask("{ shop {")["errors"][0]["message"].startswith("Syntax Error")
    assert store.data('{ order(id: "gid://shopify/Order/1") { id } }') == {"order": None}
    missing_first = store.ask("{ orders { nodes { id } } }")
    assert missing_first["errors"][0]["message"] == "you must provide one of first or last"


async def test_the_control_api_answers_on_loopback_only(store: RunningStore, tmp_path: Path) -> None:
    app = create_app(StoreSettings(state=tmp_path / "store.sqlite", token=SecretStr(TOKEN)))
    stranger = httpx.ASGITransport(app, client=("192.0.2.1", 5))
    async with httpx.AsyncClient(transport=stranger, base_url=store.url) as client:
        assert (await client.get("/control/orders")).status_code == 403
        assert (await client.post("/control/reset")).status_code == 403
    assert store.control.list_orders() == []


def test_orders_are_listed_page_by_page_and_by_time(store: RunningStore) -> None:
    ids = [place(store, lines=[{"sku": "PIN-SET"}], test=n == 1) for n in range(5)]
    listing = """query ($q: String, $after: String, $reverse: Boolean) {
      orders(first: 2, query: $q, after: $after, sortKey: CREATED_AT, reverse: $reverse) {
        nodes { legacyResourceId createdAt test } pageInfo { hasNextPage hasPreviousPage endCursor } } }"""

    def pages(**more: Any) -> list[int]:
        found: list[int] = []
        after = None
        while True:
            page = store.data(listing, after=after, **more)["orders"]
            found += [int(node["legacyResourceId"]) for node in page["nodes"]]
            assert page["pageInfo"]["hasPreviousPage"] == (after is not None)
            if not page["pageInfo"]["hasNextPage"]:
                return found
            after = page["pageInfo"]["endCursor"]

    assert pages() == ids
    assert pages(reverse=True) == ids[::-1]
    created = store.control.read_order(ids[0]).created_at
    assert pages(q=f"created_at:>='{created.isoformat()}'") == ids
    assert pages(q="created_at:>='2999-01-01T00:00:00Z'") == []
    assert pages(q="test:true") == [ids[1]]
    assert pages(q="name:#1003 AND test:false") == [ids[2]]
    assert "cannot search" in store.ask(listing, q="tag:red")["errors"][0]["message"]


def test_a_fault_hits_before_or_after_the_deed(store: RunningStore) -> None:
    order_id = place(store)
    east = read(store, order_id)["fulfillmentOrders"]["nodes"][0]
    wanted = {"lineItemsByFulfillmentOrder": [{"fulfillmentOrderId": east["id"]}]}
    headers = {"X-Shopify-Access-Token": TOKEN}
    body = {"query": FULFILL, "variables": {"f": wanted}}

    store.control.add_fault(Fault(field="fulfillmentCreate", kind="unavailable"))
    assert httpx.post(store.url + ADMIN_PATH, json=body, headers=headers).status_code == 503
    assert store.control.read_order(order_id).fulfillments == 0
    store.control.add_fault(Fault(field="fulfillmentCreate", kind="too_many_requests"))
    busy = httpx.post(store.url + ADMIN_PATH, json=body, headers=headers)
    assert (busy.status_code, busy.headers["retry-after"]) == (429, "2.0")
    assert store.control.read_order(order_id).fulfillments == 0
    store.control.add_fault(Fault(field="fulfillmentCreate", kind="answer_lost"))
    assert httpx.post(store.url + ADMIN_PATH, json=body, headers=headers).status_code == 502
    assert store.control.read_order(order_id).fulfillments == 1, "done, but nobody was told"
    assert ship(store, east)["userErrors"] != [], "the fault is used up"


def test_every_document_of_the_adapter_runs_here(store: RunningStore) -> None:
    order_id = place(store, **TWO_PLACES, company={"id": 301}, customer={
        "first_name": "Grace", "last_name": "Example", "email": "grace@example.com"})  # fmt: skip
    order = read(store, order_id)
    east = order["fulfillmentOrders"]["nodes"][0]
    ship(store, east)
    made = read(store, order_id)["fulfillments"][0]["id"]
    asked = AskReturn(lines=(AskReturnLine(line=1),), agreed=True)
    back = f"gid://shopify/Return/{store.control.ask_return(order_id, asked).returns[0].id}"
    expected = "gid://shopify/ReverseFulfillmentOrder/15001"
    own: dict[str, dict[str, Any]] = {
        "list_orders": {"query": "created_at:>='2020-01-01T00:00:00Z'", "sortKey": "CREATED_AT"},
        "find_orders": {"ids": [f"gid://shopify/Order/{order_id}"]},
        "read_more_fulfillment_lines": {"id": made},
        "read_more_fulfillment_order_lines": {"id": east["id"]},
        "capture_payment": {"input": {
            "id": f"gid://shopify/Order/{order_id}", "amount": "1.00",
            "parentTransactionId": order["transactions"][0]["id"]}},
        "create_fulfillment": {"fulfillment": {"lineItemsByFulfillmentOrder": [{"fulfillmentOrderId": east["id"]}]}},
        "cancel_order": {"reason": "CUSTOMER", "refundMethod": {"originalPaymentMethodsRefund": True},
                         "restock": True, "notifyCustomer": False, "staffNote": ""},
        "move_fulfillment_order": {"id": east["id"], "newLocationId": "gid://shopify/Location/102"},
        "watch_cancellation": {"job": "gid://shopify/Job/none"},
        **{name: {"id": back} for name in ("read_return", "close_return", "cancel_return", "read_more_return_lines")},
        "read_more_reverse_lines": {"id": expected},
        "find_variants": {"query": 'sku:"MUG-LOGO"'},
        "create_return": {"input": {"orderId": f"gid://shopify/Order/{order_id}", "returnLineItems": []}},
        "approve_return": {"input": {"id": back}},
        "decline_return": {"input": {"id": back, "declineReason": "OTHER"}},
        "process_return": {"input": {"returnId": back}},
        "refund_order": {"input": {"orderId": f"gid://shopify/Order/{order_id}"}, "key": "a"},
        "list_stock": {"query": 'sku:"CAP-BLK" OR sku:"MUG-LOGO"', "levels": 3},
        "read_stock": {"ids": ["gid://shopify/InventoryItem/601"], "levels": 3},
        "read_more_levels": {"id": "gid://shopify/InventoryItem/601", "levels": 3},
        "set_stock": {"key": "a", "input": {"name": "available", "reason": "correction", "quantities": [
            {"inventoryItemId": "gid://shopify/InventoryItem/601", "locationId": "gid://shopify/Location/101",
             "quantity": 5, "changeFromQuantity": 1000}]}},
    }  # fmt: skip
    common = {"id": f"gid://shopify/Order/{order_id}", "first": 10, "fulfillments": 10}
    assert len(names()) >= 10, "the adapter's documents were not found"
    for name in names():
        answer = store.ask(document(name), **{**common, **own.get(name, {})})
        mistakes = [e["message"] for e in answer.get("errors", []) if "Invalid cursor" not in e["message"]]
        # a document that needs a cursor of a second page is asked without one
        assert [m for m in mistakes if "$after" not in m] == [], name
        assert answer["extensions"]["cost"]["requestedQueryCost"] <= 1000, name


def test_every_field_of_the_schema_has_an_answer(store: RunningStore) -> None:
    """No view forgot a field: everything that can be selected three levels deep on a rich order is."""
    order_id = place(store, **TWO_PLACES, company={"id": 301}, note="Ring twice", customer={
        "first_name": "Grace", "last_name": "Example", "email": "grace@example.com"})  # fmt: skip
    ship(store, read(store, order_id)["fulfillmentOrders"]["nodes"][0])
    capture(store, order_id, "9.00")
    store.control.refund_order(order_id, GiveBack(amount=Decimal("1.00")))
    plan = read(store, order_id)["fulfillmentOrders"]["nodes"][0]
    assert plan["status"] == "CLOSED"
    asked = AskReturn(lines=(AskReturnLine(line=1),))
    store.control.change_return(order_id, store.control.ask_return(order_id, asked).returns[0].id, "decline")
    back = store.control.ask_return(order_id, asked.model_copy(update={"agreed": True})).returns[1].id
    line = store.data(RETURN_LINES, id=f"gid://shopify/Return/{back}")["return"]
    (part,), (reverse,) = (
        line["returnLineItems"]["nodes"],
        line["reverseFulfillmentOrders"]["nodes"][0]["lineItems"]["nodes"],
    )
    disposed = {"quantity": 1, "dispositionType": "RESTOCKED", "locationId": "gid://shopify/Location/101"}
    disposed["reverseFulfillmentOrderLineItemId"] = reverse["id"]
    units = [{"id": part["id"], "quantity": 1, "dispositions": [disposed]}]
    settled = store.data(PROCESS, i={"returnId": f"gid://shopify/Return/{back}", "returnLineItems": units})
    assert settled["returnProcess"]["userErrors"] == []
    canceled = place(store, lines=[{"sku": "CAP-GRN"}], payments=[{"kind": "sale"}])
    store.control.cancel_order(canceled, CancelOrder())
    store.control.set_throttle(
        ThrottleKnobs(maximum_available=10**9, restore_rate=10**9, single_query_maximum=10**9)
    )
    asked = everything("Order", 5)
    for wanted in (order_id, canceled):
        store.data(f'{{ order(id: "gid://shopify/Order/{wanted}") {{ {asked} }} }}')
    store.data(f'{{ return(id: "gid://shopify/Return/{back}") {{ {everything("Return", 5)} }} }}')
    store.data(
        f"{{ shop {{ {everything('Shop', 2)} }} currentAppInstallation {{ {everything('AppInstallation', 2)} }} }}"
    )
    store.data(
        f'{{ productVariants(first: 2, query: "sku:CAP-BLK") {{ {everything("ProductVariantConnection", 6)} }} }}'
    )
    store.data(f"{{ inventoryItems(first: 2) {{ {everything('InventoryItemConnection', 5)} }} }}")
    store.data(f"{{ locations(first: 2) {{ {everything('LocationConnection', 3)} }} }}")


ARGUMENTS = {"names": '["available"]', "locationId": '"gid://shopify/Location/101"', "first": "3"}


def everything(type_name: str, depth: int) -> str:
    """All fields of a type, ``depth`` levels deep."""
    kind: Any = store_schema().get_type(type_name)
    if hasattr(kind, "types"):
        return "__typename " + " ".join(
            f"... on {t.name} {{ {everything(t.name, depth)} }}" for t in kind.types
        )
    chosen = ["__typename"]
    for name, field in kind.fields.items():
        returned = str(field.type).strip("[]!")
        given = [f"{each}: {ARGUMENTS[each]}" for each in field.args if each in ARGUMENTS]
        call = f"{name}({', '.join(given)})" if given else name
        inner: Any = store_schema().get_type(returned)
        if not hasattr(inner, "fields") and not hasattr(inner, "types"):
            chosen.append(call)
        elif depth > 1:
            chosen.append(f"{call} {{ {everything(returned, depth - 1)} }}")
    return " ".join(chosen)


def test_the_cost_of_a_document_is_counted_as_shopify_documents_it() -> None:
    def cost(text: str, **variables: Any) -> int:
        return requested_cost(store_schema(), parse(text), variables)

    assert cost("{ shop { name currencyCode } }") == 1
    assert cost("query ($n: Int) { orders(first: $n) { nodes { id } pageInfo { endCursor } } }", n=10) == 12
    assert cost("{ orders(first: 10) { edges { cursor node { id } } } }") == 12
    assert cost("query ($n: Int = 7) { orders(first: $n) { nodes { id } } }") == 9, "defaults count"
    assert cost("{ orders(first: 5) { ...Some } } fragment Some on OrderConnection { nodes { id } }") == 7
    assert cost("query ($i: [ID!]!) { nodes(ids: $i) { id } }", i=["1", "2", "3"]) == 3, "each node counts"
    capturing = 'orderCapture(input: {id: "1", parentTransactionId: "2", amount: "1"})'
    assert cost(f"mutation {{ {capturing} {{ userErrors {{ message }} }} }}") == 12
    either = "... on Customer { id } ... on PurchasingCompany { company { id } }"
    either = f"{{ order(id: 1) {{ purchasingEntity {{ {either} }} }} }}"
    assert cost(either) == 3, "the dearest of the possible types counts"
