"""The sandbox store over real HTTP, in its own process: an order's life as Shopify would live it."""

import base64
import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapters.shopify.documents import document, names
from sandbox.store.client import StoreRefused
from sandbox.store.control import Fault
from sandbox.store.requests import CancelOrder, GiveBack, PlaceOrder
from sandbox.store.resolvers import store_schema
from sandbox.store.server import ADMIN_PATH
from sandbox.store.throttle import ThrottleKnobs, requested_cost
from tests.running_store import SECRET, Receiver, RunningStore, until

TWO_PLACES = {
    "lines": [
        {
            "sku": "TEE-BLK-S",
            "quantity": 3,
            "split": [{"location": 101, "quantity": 1}, {"location": 102, "quantity": 2}],
        },
        {"sku": "MUG-LOGO", "quantity": 2, "discount": {"title": "Scratched", "amount": "1.10"}},
    ],
    "discounts": [{"title": "Ten", "code": "TEN", "percent": "10"}],
    "taxes": ["STATE-6.25", "CITY-1.5"],
    "shipping": {"code": "express", "price": "9.90"},
}
READ = """query ($id: ID!) { order(id: $id) {
  displayFinancialStatus displayFulfillmentStatus cancelledAt fullyPaid
  currentTotalPriceSet { shopMoney { amount } presentmentMoney { amount currencyCode } }
  transactions { id kind amountSet { shopMoney { amount } presentmentMoney { amount } } parentTransaction { id } }
  fulfillmentOrders(first: 10) { nodes { id status assignedLocation { location { id } }
    lineItems(first: 10) { nodes { id remainingQuantity totalQuantity lineItem { id sku } } } } }
  fulfillments { id location { id } trackingInfo { number company url }
    fulfillmentLineItems(first: 10) { nodes { quantity lineItem { id } } } }
} }"""
FULFILL = """mutation ($f: FulfillmentInput!) { fulfillmentCreate(fulfillment: $f) {
  fulfillment { id totalQuantity } userErrors { field message } } }"""
CAPTURE = """mutation ($i: OrderCaptureInput!) { orderCapture(input: $i) {
  transaction { id kind amountSet { shopMoney { amount } presentmentMoney { amount } } }
  userErrors { field message } } }"""
CANCEL = """mutation ($id: ID!) { orderCancel(orderId: $id, reason: CUSTOMER, restock: true,
  refundMethod: {originalPaymentMethodsRefund: true}) { job { id done } orderCancelUserErrors { code message } } }"""
SET = """mutation ($i: InventorySetQuantitiesInput!, $k: String!) { inventorySetQuantities(input: $i)
  @idempotent(key: $k) { inventoryAdjustmentGroup { id changes { delta quantityAfterChange name } }
  userErrors { code field message } } }"""
STOCK = """query ($id: ID!, $at: ID!) { inventoryItem(id: $id) { sku inventoryLevel(locationId: $at) {
  quantities(names: ["available", "committed", "on_hand"]) { name quantity } } } }"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStore]:
    store = RunningStore(tmp_path_factory.mktemp("store") / "store.sqlite").start()
    yield store
    store.close()


@pytest.fixture
def store(running: RunningStore) -> RunningStore:
    """The module's store, empty and with its knobs as they were."""
    running.control.reset()
    running.control.set_throttle(ThrottleKnobs(maximum_available=100_000, restore_rate=100_000))
    return running


def place(store: RunningStore, **wanted: Any) -> int:
    return store.control.place_order(PlaceOrder.model_validate(wanted or TWO_PLACES)).id


def read(store: RunningStore, order_id: int) -> dict[str, Any]:
    order: dict[str, Any] = store.data(READ, id=f"gid://shopify/Order/{order_id}")["order"]
    return order


def capture(store: RunningStore, order_id: int, amount: str, **more: Any) -> dict[str, Any]:
    authorization = next(t for t in read(store, order_id)["transactions"] if t["kind"] == "AUTHORIZATION")
    wanted = {
        "id": f"gid://shopify/Order/{order_id}",
        "parentTransactionId": authorization["id"],
        "amount": amount,
    }
    answer: dict[str, Any] = store.data(CAPTURE, i={**wanted, **more})["orderCapture"]
    return answer


def ship(store: RunningStore, plan: dict[str, Any], *lines: tuple[str, int]) -> dict[str, Any]:
    part: dict[str, Any] = {"fulfillmentOrderId": plan["id"]}
    if lines:
        part["fulfillmentOrderLineItems"] = [{"id": i, "quantity": n} for i, n in lines]
    wanted = {"lineItemsByFulfillmentOrder": [part], "trackingInfo": {"number": "1Z1", "company": "UPS"}}
    answer: dict[str, Any] = store.data(FULFILL, f=wanted)["fulfillmentCreate"]
    return answer


def test_an_order_ships_from_two_places_and_is_captured_in_parts(store: RunningStore) -> None:
    order_id = place(store)
    assert order_id == 5001
    order = read(store, order_id)
    assert (order["displayFinancialStatus"], order["displayFulfillmentStatus"]) == (
        "AUTHORIZED",
        "UNFULFILLED",
    )
    east, west = order["fulfillmentOrders"]["nodes"]
    assert east["assignedLocation"]["location"]["id"] == "gid://shopify/Location/101"
    assert [part["remainingQuantity"] for part in east["lineItems"]["nodes"]] == [1, 2]
    assert [part["remainingQuantity"] for part in west["lineItems"]["nodes"]] == [2]

    first = ship(store, west, (west["lineItems"]["nodes"][0]["id"], 1))
    assert first["userErrors"] == []
    assert first["fulfillment"]["totalQuantity"] == 1
    assert capture(store, order_id, "20.00")["userErrors"] == []
    order = read(store, order_id)
    assert [plan["status"] for plan in order["fulfillmentOrders"]["nodes"]] == ["OPEN", "IN_PROGRESS"]
    assert order["displayFulfillmentStatus"] == "PARTIALLY_FULFILLED"
    assert order["displayFinancialStatus"] == "PARTIALLY_PAID"

    ship(store, west)
    ship(store, east)
    audit = store.control.read_order(order_id)
    rest = audit.total - Decimal(20)
    assert capture(store, order_id, str(rest))["userErrors"] == []
    order = read(store, order_id)
    assert [plan["status"] for plan in order["fulfillmentOrders"]["nodes"]] == ["CLOSED", "CLOSED"]
    assert (order["displayFinancialStatus"], order["displayFulfillmentStatus"]) == ("PAID", "FULFILLED")
    assert order["fulfillments"][0]["trackingInfo"] == [{"number": "1Z1", "company": "UPS", "url": None}]
    audit = store.control.read_order(order_id)
    assert (audit.captured, audit.fulfillments, audit.open_units) == (audit.total, 3, 0)
    assert sum(line.shipped for line in audit.lines) == 5


def test_amounts_by_hand(store: RunningStore) -> None:
    audit = store.control.place_order(PlaceOrder.model_validate(TWO_PLACES))
    # lines 59.70 and 18.10 - 1.10 = 17.00; ten per cent of 76.70 is 7.67, divided 5.97 and 1.70
    # taxed 53.73, 15.30 and 9.90: state 3.36 + 0.96 + 0.62, city 0.81 + 0.23 + 0.15
    assert audit.taxes == {"State Tax 0.0625": Decimal("4.94"), "City Tax 0.015": Decimal("1.19")}
    assert audit.total == Decimal("53.73") + Decimal("15.30") + Decimal("9.90") + Decimal("6.13")


def test_what_shopify_refuses_is_refused(store: RunningStore) -> None:
    order_id = place(store)
    east = read(store, order_id)["fulfillmentOrders"]["nodes"][0]
    line = east["lineItems"]["nodes"][0]["id"]

    assert "quantity" in ship(store, east, (line, 2))["userErrors"][0]["message"]
    # units of one line asked twice in a request count together
    assert ship(store, east, (line, 1), (line, 1))["fulfillment"] is None
    unknown = {**east, "id": "gid://shopify/FulfillmentOrder/1"}
    assert ship(store, unknown)["userErrors"][0]["message"] == "Fulfillment order does not exist."
    assert ship(store, east)["userErrors"] == []
    assert "unfulfillable status" in ship(store, east)["userErrors"][0]["message"]

    too_much = capture(store, order_id, "1000.00")
    assert (too_much["transaction"], too_much["userErrors"][0]["field"]) == (None, ["input", "amount"])
    assert capture(store, order_id, "0.00")["userErrors"][0]["field"] == ["input", "amount"]
    assert capture(store, order_id, "0.001")["userErrors"][0]["field"] == ["input", "amount"]
    assert capture(store, order_id, "1.00", currency="EUR")["userErrors"][0]["field"] == ["input", "currency"]
    assert len(read(store, order_id)["transactions"]) == 1, "nothing was captured"

    refused = store.data(CANCEL, id=f"gid://shopify/Order/{order_id}")["orderCancel"]
    assert (refused["job"], refused["orderCancelUserErrors"][0]["code"]) == (None, "INVALID")
    assert read(store, order_id)["cancelledAt"] is None


def test_a_buyer_pays_in_another_currency_with_gift_card_and_card(store: RunningStore) -> None:
    order_id = place(
        store,
        lines=[{"sku": "JEAN-IND-30", "quantity": 1}, {"sku": "SOCK-RED", "quantity": 3}],
        taxes_included=True,
        taxes=["VAT-20"],
        shipping={"free": True},
        presentment_currency="EUR",
        presentment_rate="0.913",
        payments=[
            {"gateway": "gift_card", "amount": "25.00", "kind": "sale"},
            {"gateway": "shopify_payments"},
        ],
    )
    order = read(store, order_id)
    assert order["currentTotalPriceSet"]["presentmentMoney"] == {"amount": "99.56", "currencyCode": "EUR"}
    assert order["currentTotalPriceSet"]["shopMoney"] == {"amount": "109.04"}
    kinds = [t["kind"] for t in order["transactions"]]
    assert kinds == ["SALE", "AUTHORIZATION"]
    shop = [Decimal(t["amountSet"]["shopMoney"]["amount"]) for t in order["transactions"]]
    assert sum(shop) == Decimal("109.04")

    assert capture(store, order_id, "10.00")["userErrors"][0]["field"] == ["input", "currency"]
    assert capture(store, order_id, "10.01", currency="EUR")["userErrors"] == []
    assert capture(store, order_id, "64.55", currency="EUR")["userErrors"] == []
    audit = store.control.read_order(order_id)
    assert (audit.captured, audit.presentment_captured) == (Decimal("109.04"), Decimal("99.56"))
    assert audit.financial_status == "PAID"
    assert capture(store, order_id, "0.01", currency="EUR")["userErrors"][0]["field"] == ["input", "amount"]


def test_a_final_capture_lets_go_of_the_rest(store: RunningStore) -> None:
    order_id = place(store)
    assert capture(store, order_id, "5.00", finalCapture=True)["userErrors"] == []
    order = read(store, order_id)
    authorization, captured, voided = order["transactions"]
    assert (captured["kind"], voided["kind"]) == ("CAPTURE", "VOID")
    assert {captured["parentTransaction"]["id"], voided["parentTransaction"]["id"]} == {authorization["id"]}
    assert capture(store, order_id, "1.00")["userErrors"] != []


def test_an_edit_leaves_exact_shares_behind(store: RunningStore) -> None:
    order_id = place(store)
    audit = store.control.edit_line(order_id, 1, 1)
    # of the first line one of three units: 19.90 - 5.97 / 3; tax 3.36 / 3 and 0.81 / 3; west keeps nothing to ship
    assert audit.lines[0].ordered == 3
    assert audit.lines[0].current == 1
    assert audit.total == Decimal("17.91") + Decimal("15.30") + Decimal("9.90") + Decimal("1.12") + Decimal(
        "0.96"
    ) + Decimal("0.62") + Decimal("0.27") + Decimal("0.23") + Decimal("0.15")
    plans = read(store, order_id)["fulfillmentOrders"]["nodes"]
    assert [plan["status"] for plan in plans] == ["OPEN", "CLOSED"]
    assert [part["remainingQuantity"] for part in plans[0]["lineItems"]["nodes"]] == [1, 2]

    audit = store.control.edit_line(order_id, 2, -4)
    assert audit.lines[1].current == 0, "less than nothing is nothing"
    ship(store, plans[0], (plans[0]["lineItems"]["nodes"][0]["id"], 1))
    with pytest.raises(StoreRefused, match="have left"):
        store.control.edit_line(order_id, 1, 0)
    with pytest.raises(StoreRefused, match="only lowers"):
        store.control.edit_line(order_id, 2, 3)


def test_a_cancel_is_a_job_that_voids_refunds_and_restocks(store: RunningStore) -> None:
    order_id = place(
        store,
        lines=[{"sku": "CAP-BLK", "quantity": 2, "location": 102}],
        payments=[{"gateway": "gift_card", "amount": "10.00", "kind": "sale"}, {}],
    )
    item = "gid://shopify/InventoryItem/615"
    stock = {"id": item, "at": "gid://shopify/Location/102"}

    def quantities() -> tuple[str, list[int]]:
        found = store.data(STOCK, **stock)["inventoryItem"]
        return found["sku"], [q["quantity"] for q in found["inventoryLevel"]["quantities"]]

    assert quantities() == ("CAP-BLK", [498, 2, 500])
    job = store.data(CANCEL, id=f"gid://shopify/Order/{order_id}")["orderCancel"]["job"]
    assert job["done"] is False
    until(lambda: store.data("query ($id: ID!) { job(id: $id) { done } }", id=job["id"])["job"]["done"])

    order = read(store, order_id)
    assert order["cancelledAt"] is not None
    assert order["displayFinancialStatus"] == "REFUNDED"
    assert [t["kind"] for t in order["transactions"]] == ["SALE", "AUTHORIZATION", "VOID", "REFUND"]
    assert {plan["status"] for plan in order["fulfillmentOrders"]["nodes"]} == {"CANCELLED"}
    audit = store.control.read_order(order_id)
    assert (audit.total, audit.captured, audit.open_units) == (0, 0, 0)
    assert quantities() == ("CAP-BLK", [500, 0, 500])
    again = store.data(CANCEL, id=f"gid://shopify/Order/{order_id}")["orderCancel"]
    assert again["orderCancelUserErrors"][0]["code"] == "INVALID"


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

    without_key = SET.replace("@idempotent(key: $k)", "").replace(", $k: String!", "")
    wanted = {"name": "available", "reason": "correction", "quantities": []}
    answer = store.ask(without_key, i=wanted)
    assert answer["errors"][0]["extensions"]["code"] == "BAD_REQUEST"


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


def test_a_refund_counts_against_the_latest_payment_first(store: RunningStore) -> None:
    order_id = place(
        store,
        lines=[{"sku": "BAG-PACK"}],
        payments=[{"gateway": "gift_card", "amount": "19.00", "kind": "sale"}, {"kind": "sale"}],
    )
    audit = store.control.refund_order(order_id, GiveBack(amount=Decimal("105.00")))
    assert (audit.captured, audit.refunded, audit.financial_status) == (14, 105, "PARTIALLY_REFUNDED")
    refunds = [t for t in read(store, order_id)["transactions"] if t["kind"] == "REFUND"]
    assert [r["amountSet"]["shopMoney"]["amount"] for r in refunds] == ["100.0", "5.0"]
    with pytest.raises(StoreRefused, match=r"only 14\.00 was taken"):
        store.control.refund_order(order_id, GiveBack(amount=Decimal("14.01")))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"lines": [{"sku": "NOPE"}]}, "no product with SKU 'NOPE'"),
        ({"lines": [{"sku": "CAP-BLK", "location": 9}]}, "no location 9"),
        ({"lines": [{"sku": "CAP-BLK", "price": "1.005"}]}, "more digits"),
        ({"lines": [{"sku": "CAP-BLK"}], "payments": [{"amount": "999.00"}]}, "more than the 24.49"),
        ({"lines": [{"sku": "CAP-BLK"}], "company": {"id": 999}}, "give it a name"),
    ],
)
def test_an_order_that_cannot_be_is_refused_in_words(
    store: RunningStore, wrong: dict[str, Any], words: str
) -> None:
    with pytest.raises(StoreRefused, match=words):
        store.control.place_order(PlaceOrder.model_validate(wrong))
    assert store.control.list_orders() == []


def test_a_fault_hits_before_or_after_the_deed(store: RunningStore) -> None:
    order_id = place(store)
    east = read(store, order_id)["fulfillmentOrders"]["nodes"][0]
    wanted = {"lineItemsByFulfillmentOrder": [{"fulfillmentOrderId": east["id"]}]}
    headers = {"X-Shopify-Access-Token": "shpat_test_token"}
    body = {"query": FULFILL, "variables": {"f": wanted}}

    store.control.add_fault(Fault(field="fulfillmentCreate", kind="unavailable"))
    assert httpx.post(store.url + ADMIN_PATH, json=body, headers=headers).status_code == 503
    assert store.control.read_order(order_id).fulfillments == 0
    store.control.add_fault(Fault(field="fulfillmentCreate", kind="answer_lost"))
    assert httpx.post(store.url + ADMIN_PATH, json=body, headers=headers).status_code == 502
    assert store.control.read_order(order_id).fulfillments == 1, "done, but nobody was told"
    assert ship(store, east)["userErrors"] != [], "the fault is used up"


def test_everything_is_still_there_after_a_hard_stop(tmp_path: Path) -> None:
    store = RunningStore(tmp_path / "store.sqlite").start()
    try:
        order_id = place(store)
        capture(store, order_id, "7.00")
        before = store.control.read_order(order_id)
        store.control.turn_webhooks(paused=True)
        store.stop(hard=True)
        store.start()
        assert store.control.read_order(order_id) == before
        assert place(store) == order_id + 1
        assert store.control.webhooks()["knobs"]["paused"] is True
    finally:
        store.close()


def test_webhooks_are_signed_and_survive_receiver_and_store_being_away(tmp_path: Path) -> None:
    receiver = Receiver()  # not listening yet
    store = RunningStore(tmp_path / "store.sqlite", receiver.url).start()
    try:
        store.control.turn_webhooks(retry_after=0.05, retry_at_most=0.2)
        order_id = place(store, lines=[{"sku": "SCARF-WOOL"}], payments=[{"kind": "sale"}])
        until(lambda: store.control.webhooks()["messages"]["waiting"] == 2)
        store.stop(hard=True)
        receiver.status = 500
        receiver.start()
        store.start()
        until(lambda: len(receiver.received) >= 3)
        assert store.control.webhooks()["messages"]["delivered"] == 0, "500 is no receipt"
        receiver.status = 200
        until(lambda: store.control.webhooks()["messages"]["delivered"] == 2)
    finally:
        store.close()
        receiver.stop()

    for delivery in receiver.received:
        expected = base64.b64encode(hmac.new(SECRET.encode(), delivery.raw, hashlib.sha256).digest()).decode()
        assert delivery.headers["x-shopify-hmac-sha256"] == expected
        assert delivery.headers["x-shopify-shop-domain"] == "sandbox.myshopify.com"
        assert delivery.headers["x-shopify-api-version"] == "2026-07"
        body = json.loads(delivery.raw)
        assert (body["id"], body["name"], body["financial_status"]) == (order_id, "#1001", "paid")
        assert body["admin_graphql_api_id"] == f"gid://shopify/Order/{order_id}"
    topics = {d.headers["x-shopify-webhook-id"]: d.headers["x-shopify-topic"] for d in receiver.received}
    assert sorted(topics.values()) == ["orders/create", "orders/paid"], "a retry keeps its webhook id"
    assert len({d.headers["x-shopify-event-id"] for d in receiver.received}) == 1, "one event, two topics"


def test_each_thing_that_happens_is_announced_once(store: RunningStore) -> None:
    receiver = Receiver().start()
    try:
        store.control.turn_webhooks(url=receiver.url)
        edited, canceled = place(store), place(store, lines=[{"sku": "CAP-GRN"}], payments=[{"kind": "sale"}])
        store.control.edit_line(edited, 2, 1)
        store.control.cancel_order(canceled, CancelOrder())
        until(lambda: len(receiver.received) == 6)
        until(lambda: store.control.webhooks()["messages"]["waiting"] == 0)
    finally:
        store.control.turn_webhooks(url="")
        receiver.stop()
    assert Counter(d.headers["x-shopify-topic"] for d in receiver.received) == {
        "orders/create": 2,
        "orders/paid": 1,
        "orders/edited": 1,
        "orders/cancelled": 1,
        "refunds/create": 1,
    }
    bodies = {d.headers["x-shopify-topic"]: json.loads(d.raw) for d in receiver.received}
    assert bodies["orders/edited"]["order_edit"]["order_id"] == edited
    assert bodies["orders/edited"]["order_edit"]["line_items"]["removals"][0]["delta"] == 1
    assert bodies["refunds/create"]["order_id"] == canceled
    assert bodies["orders/cancelled"]["cancelled_at"] is not None


def test_delivery_can_be_paused_doubled_shuffled_and_lost(store: RunningStore) -> None:
    receiver = Receiver().start()
    try:
        store.control.turn_webhooks(url=receiver.url, paused=True, duplicate=True, shuffle_seed=7)
        ids = [place(store, lines=[{"sku": "STICKER"}]) for _ in range(12)]
        assert receiver.received == []
        store.control.turn_webhooks(paused=False)
        until(lambda: len(receiver.received) == 24)
        store.control.turn_webhooks(drop=True)
        lost = place(store, lines=[{"sku": "STICKER"}])
        store.control.turn_webhooks(drop=False, duplicate=False, shuffle_seed=None)
        last = place(store, lines=[{"sku": "STICKER"}])
        until(lambda: len(receiver.received) == 25)
        assert store.control.webhooks()["messages"] == {"waiting": 0, "delivered": 25, "dropped": 1}
    finally:
        store.control.turn_webhooks(url="", paused=False, duplicate=False, shuffle_seed=None, drop=False)
        receiver.stop()
    came = [json.loads(d.raw)["id"] for d in receiver.received]
    assert Counter(came) == {**dict.fromkeys(ids, 2), last: 1}
    assert lost not in came
    assert came[:24] != sorted(came[:24]), "shuffled"
    by_order = Counter(
        (json.loads(d.raw)["id"], d.headers["x-shopify-webhook-id"]) for d in receiver.received[:24]
    )
    assert set(by_order.values()) == {2}, "a doubled delivery has one webhook id"


def test_every_document_of_the_adapter_runs_here(store: RunningStore) -> None:
    order_id = place(store, **TWO_PLACES, company={"id": 301}, customer={
        "first_name": "Grace", "last_name": "Example", "email": "grace@example.com"})  # fmt: skip
    order = read(store, order_id)
    east = order["fulfillmentOrders"]["nodes"][0]
    ship(store, east)
    made = read(store, order_id)["fulfillments"][0]["id"]
    own: dict[str, dict[str, Any]] = {
        "list_orders": {"query": "created_at:>='2020-01-01T00:00:00Z'"},
        "read_more_fulfillment_lines": {"id": made},
        "read_more_fulfillment_order_lines": {"id": east["id"]},
        "capture_payment": {"input": {
            "id": f"gid://shopify/Order/{order_id}", "amount": "1.00",
            "parentTransactionId": order["transactions"][0]["id"]}},
        "create_fulfillment": {"fulfillment": {"lineItemsByFulfillmentOrder": [{"fulfillmentOrderId": east["id"]}]}},
        "cancel_order": {"reason": "CUSTOMER", "refundMethod": {"originalPaymentMethodsRefund": True},
                         "restock": True, "notifyCustomer": False, "staffNote": ""},
        "watch_cancellation": {"job": "gid://shopify/Job/none"},
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
    canceled = place(store, lines=[{"sku": "CAP-GRN"}], payments=[{"kind": "sale"}])
    store.control.cancel_order(canceled, CancelOrder())
    store.control.set_throttle(
        ThrottleKnobs(maximum_available=10**9, restore_rate=10**9, single_query_maximum=10**9)
    )
    asked = everything("Order", 5)
    for wanted in (order_id, canceled):
        store.data(f'{{ order(id: "gid://shopify/Order/{wanted}") {{ {asked} }} }}')
    store.data(
        f"{{ shop {{ {everything('Shop', 2)} }} currentAppInstallation {{ {everything('AppInstallation', 2)} }} }}"
    )
    store.data(
        f'{{ productVariants(first: 2, query: "sku:CAP-BLK") {{ {everything("ProductVariantConnection", 6)} }} }}'
    )


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
    from graphql import parse

    def cost(text: str, **variables: Any) -> int:
        return requested_cost(store_schema(), parse(text), variables)

    assert cost("{ shop { name currencyCode } }") == 1
    assert cost("query ($n: Int) { orders(first: $n) { nodes { id } pageInfo { endCursor } } }", n=10) == 12
    assert cost("{ orders(first: 10) { edges { cursor node { id } } } }") == 12
    assert (
        cost(
            'mutation { orderCapture(input: {id: "1", parentTransactionId: "2", amount: "1"}) { userErrors { message } } }'
        )
        == 12
    )
    either = "{ order(id: 1) { purchasingEntity { ... on Customer { id } ... on PurchasingCompany { company { id } } } } }"
    assert cost(either) == 3, "the dearest of the possible types counts"
