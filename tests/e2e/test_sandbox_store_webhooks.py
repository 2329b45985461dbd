"""The sandbox store's webhooks: signed, at least once, and as unpleasant as asked for."""

import base64
import hashlib
import hmac
import json
from collections import Counter
from pathlib import Path

from sandbox.store.requests import CancelOrder
from tests.running_store import SECRET, Receiver, RunningStore, place, read, ship, until


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
        counts = {"waiting": 0, "delivered": 25, "dropped": 1}
        until(lambda: store.control.webhooks()["messages"] == counts)
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


def test_our_own_writes_are_heard_of_only_by_those_who_ask(store: RunningStore) -> None:
    receiver = Receiver().start()
    topics = store.control.webhooks()["knobs"]["topics"]
    try:
        store.control.turn_webhooks(url=receiver.url)
        order_id = place(store)
        ship(store, read(store, order_id)["fulfillmentOrders"]["nodes"][0])
        store.control.turn_webhooks(topics=["orders/updated"], delay=0.4)
        ship(store, read(store, order_id)["fulfillmentOrders"]["nodes"][1])
        until(lambda: len(receiver.received) == 1)
        assert store.control.webhooks()["messages"]["waiting"] == 1, "held back"
        until(lambda: len(receiver.received) == 2)
    finally:
        store.control.turn_webhooks(url="", topics=topics, delay=0)
        receiver.stop()
    assert [d.headers["x-shopify-topic"] for d in receiver.received] == ["orders/create", "orders/updated"]
