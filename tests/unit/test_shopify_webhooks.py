"""Webhooks: only what the secret signed is read, and what is read names the order."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.echoes import directions_of
from adapters.shopify.webhooks import ShopifyWebhooks
from adapters.webhook_ports import Delivery, DeliveryMalformed, SignatureInvalid

SECRET = "hush"
SHOP = "test.myshopify.com"
BODY = {
    "id": 820982911946154500,
    "admin_graphql_api_id": "gid://shopify/Order/820982911946154508",
    "name": "#9999",
}


def sign(raw: bytes, secret: str = SECRET) -> str:
    return base64.b64encode(hmac.new(secret.encode(), raw, hashlib.sha256).digest()).decode()


def headers(raw: bytes, topic: str = "orders/create", **more: str | None) -> dict[str, str]:
    sent = {
        "x-shopify-hmac-sha256": sign(raw),
        "x-shopify-topic": topic,
        "x-shopify-shop-domain": SHOP,
        "x-shopify-webhook-id": "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043",
        "x-shopify-event-id": "98880550-7158-44d4-b7cd-2c97c8a091b5",
        "x-shopify-triggered-at": "2026-07-01T12:00:00.123456789Z",
    }
    for name, value in more.items():
        header = f"x-shopify-{name.replace('_', '-')}"
        if value is None:
            del sent[header]
        else:
            sent[header] = value
    return sent


def read(body: Any, topic: str = "orders/create", **more: str | None) -> Delivery:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ShopifyWebhooks(SECRET, SHOP).read(raw, headers(raw, topic, **more))


def test_a_delivery_is_read_whole() -> None:
    assert read(BODY) == Delivery(
        delivery_id="b54557e4-bdd9-4b37-8a5f-bf7d70bcd043",
        event_id="98880550-7158-44d4-b7cd-2c97c8a091b5",
        topic="orders/create",
        external_id="820982911946154508",
        label="#9999",
        occurred_at=datetime(2026, 7, 1, 12, 0, 0, 123456, UTC),
        directions=directions_of(None, None, None),
    )


@pytest.mark.parametrize("topic", ["orders/create", "orders/cancelled"])
def test_the_global_id_is_trusted_over_the_rounded_number(topic: str) -> None:
    assert read(BODY, topic).external_id == "820982911946154508"
    assert read({"id": 5001}, topic).external_id == "5001"


@pytest.mark.parametrize(
    ("name", "label"),
    [
        (" #1001\x00\n", "#1001"),
        ("日本-7", "日本-7"),
        ("x" * 80, "x" * 50),
        ("\ud800", None),
        (1001, None),
        (None, None),
    ],
)
def test_a_name_is_for_display_and_never_a_reason_to_refuse(name: Any, label: str | None) -> None:
    assert read({"id": 5001, "name": name}).label == label


def test_a_refund_and_an_edit_name_their_order() -> None:
    refund = {"id": 7, "admin_graphql_api_id": "gid://shopify/Refund/7", "order_id": 5001}
    assert read(refund, "refunds/create").external_id == "5001"
    assert read({"order_edit": {"id": 9, "order_id": 5001}}, "orders/edited").external_id == "5001"
    risk = {"order_id": "5001", "admin_graphql_api_order_id": "gid://shopify/Order/5001", "risk_level": "low"}
    assert read(risk, "orders/risk_assessment_changed").external_id == "5001"


@pytest.mark.parametrize("topic", ["returns/request", "returns/approve", "returns/decline"])
def test_a_return_names_its_order_whole(topic: str) -> None:
    order = {"id": 820982911946154500, "admin_graphql_api_id": "gid://shopify/Order/820982911946154508"}
    told = {"id": 7, "admin_graphql_api_id": "gid://shopify/Return/7", "name": "#9999-R1", "order": order}
    assert read(told, topic).external_id == "820982911946154508"
    # It is the return's name, not the order's.
    assert read(told, topic).label is None
    assert read({**told, "order": {"id": 5001}}, topic).external_id == "5001"


@pytest.mark.parametrize("topic", ["returns/cancel", "returns/close"])
def test_a_return_that_is_over_names_its_order_by_number(topic: str) -> None:
    told = {"id": 7, "admin_graphql_api_id": "gid://shopify/Return/7", "order_id": 5001, "status": "closed"}
    assert read(told, topic).external_id == "5001"


RETURN_7 = {
    "id": 7,
    "admin_graphql_api_id": "gid://shopify/Return/7",
    "order_id": 5001,
    "order": {"id": 5001},
}
AGREED: dict[str, Any] = {
    **RETURN_7,
    "status": "open",
    "return_line_items": [{"quantity": 2}, {"quantity": 1}],
}


@pytest.mark.parametrize(
    ("topic", "body", "told"),
    [
        (
            "refunds/create",
            {"admin_graphql_api_id": "gid://shopify/Refund/9", "order_id": 5001},
            "refund 9 made",
        ),
        ("returns/approve", AGREED, "return 7 open, 3 units"),
        ("returns/close", RETURN_7 | {"status": "closed"}, "return 7 closed"),
        ("returns/cancel", RETURN_7 | {"status": "canceled"}, "return 7 canceled"),
        ("returns/decline", RETURN_7 | {"status": "declined"}, "return 7 declined"),
    ],
)
def test_what_may_be_an_echo_is_put_into_one_phrase(topic: str, body: dict[str, Any], told: str) -> None:
    assert read(body, topic).tells == told


@pytest.mark.parametrize(
    ("topic", "body"),
    [
        # A number may have been rounded on its way: another refund's.
        ("refunds/create", {"id": 9, "order_id": 5001}),
        ("returns/approve", AGREED | {"exchange_line_items": [{"id": 1}]}),
        ("returns/approve", AGREED | {"return_shipping_fees": [{"id": 1}]}),
        ("returns/approve", AGREED | {"return_line_items": [{"quantity": 2}, {}]}),
        ("returns/approve", AGREED | {"return_line_items": None}),
        ("returns/close", RETURN_7),
        ("returns/close", RETURN_7 | {"status": "x" * 300}),
        # Nobody but a buyer asks, and what an edit says of an order is not ours to know.
        ("returns/request", AGREED | {"status": "requested"}),
        ("orders/edited", {"order_edit": {"id": 9, "order_id": 5001}}),
    ],
)
def test_what_says_more_or_is_not_certain_is_never_an_echo(topic: str, body: dict[str, Any]) -> None:
    assert read(body, topic).tells is None


ADDRESS = {"first_name": "Ada", "address1": "1 Main St", "city": "Boston", "zip": "02101", "latitude": None}
WHOLE = BODY | {"shipping_address": ADDRESS, "billing_address": ADDRESS, "note": "Ring twice"}


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"total_price": "9.00", "tags": "vip", "fulfillment_status": "partial"}, True),
        # Found out by the storefront itself, some time after the order.
        ({"shipping_address": ADDRESS | {"latitude": 42.36, "longitude": -71.06}}, True),
        ({"shipping_address": ADDRESS | {"address1": "2 New Road"}}, False),
        ({"billing_address": ADDRESS | {"zip": "02102"}}, False),
        ({"billing_address": None}, False),
        ({"note": "Ring once"}, False),
        ({"note": None}, False),
    ],
)
def test_an_update_says_whether_addresses_and_note_are_what_they_were(
    change: dict[str, Any], same: bool
) -> None:
    placed, updated = read(WHOLE, "orders/create"), read(WHOLE | change, "orders/updated")
    assert placed.directions
    assert (updated.directions == placed.directions) is same
    assert updated.external_id == placed.external_id
    assert read(WHOLE, "orders/paid").directions is None


def test_the_topics_are_those_we_subscribe_to_and_not_each_echo_of_our_own_writes() -> None:
    assert ShopifyWebhooks(SECRET).topics == {
        "orders/create",
        "orders/edited",
        "orders/updated",
        "orders/cancelled",
        "orders/paid",
        "orders/risk_assessment_changed",
        "refunds/create",
        "returns/request",
        "returns/approve",
        "returns/decline",
        "returns/cancel",
        "returns/close",
    }


def test_a_topic_that_concerns_no_order_is_read_without_its_body() -> None:
    told = read(b"not json at all", "products/update")
    assert (told.topic, told.external_id) == ("products/update", None)


def test_event_id_and_time_may_be_missing() -> None:
    told = read(BODY, event_id=None, triggered_at=None)
    assert (told.event_id, told.occurred_at) == (None, None)


@given(raw=st.binary(max_size=200), data=st.data())
def test_any_changed_byte_is_refused(raw: bytes, data: st.DataObject) -> None:
    sent = headers(raw, "products/update")
    reader = ShopifyWebhooks(SECRET, SHOP)
    reader.read(raw, sent)
    changed = bytearray(raw)
    if raw and data.draw(st.booleans()):
        changed[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    else:
        changed.insert(data.draw(st.integers(0, len(raw))), data.draw(st.integers(0, 255)))
    with pytest.raises(SignatureInvalid):
        reader.read(bytes(changed), sent)


@given(place=st.integers(0, 43), character=st.characters())
def test_any_changed_character_of_the_signature_is_refused(place: int, character: str) -> None:
    raw = json.dumps(BODY).encode()
    right = sign(raw)
    wrong = right[:place] + character + right[place + 1 :]
    if wrong == right:
        return
    with pytest.raises(SignatureInvalid):
        ShopifyWebhooks(SECRET).read(raw, headers(raw, hmac_sha256=wrong))


@pytest.mark.parametrize("signature", [None, "", sign(b"{}", "other"), "Grüße"])
def test_a_missing_or_foreign_signature_is_refused(signature: str | None) -> None:
    with pytest.raises(SignatureInvalid, match="x-shopify-hmac-sha256"):
        read(b"{}", hmac_sha256=signature)


def test_an_empty_secret_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="secret is empty"):
        ShopifyWebhooks("")


@pytest.mark.parametrize(
    ("body", "topic", "more", "named"),
    [
        (BODY, "orders/create", {"webhook_id": None}, "x-shopify-webhook-id"),
        (BODY, "", {}, "x-shopify-topic"),
        (BODY, "orders/create", {"shop_domain": None}, "x-shopify-shop-domain"),
        (BODY, "orders/create", {"shop_domain": "other.myshopify.com"}, "x-shopify-shop-domain"),
        (BODY, "orders/create", {"triggered_at": "yesterday"}, "x-shopify-triggered-at"),
        (BODY, "orders/create", {"triggered_at": "2026-07-01T12:00:00"}, "x-shopify-triggered-at"),
        (b"{", "orders/create", {}, "not JSON"),
        (b"\xff\xfe\x00", "orders/create", {}, "not JSON"),
        ([], "orders/create", {}, "not a JSON object"),
        ({}, "orders/create", {}, "id is None"),
        ({"id": "5001"}, "orders/create", {}, "id is '5001'"),
        ({"id": True}, "orders/create", {}, "id is True"),
        ({"id": 5001, "admin_graphql_api_id": "5001"}, "orders/create", {}, "admin_graphql_api_id"),
        ({"id": 7}, "refunds/create", {}, "order_id is None"),
        ({"risk_level": "low"}, "orders/risk_assessment_changed", {}, "order_id is None"),
        ({"id": 7}, "returns/close", {}, "order_id is None"),
        ({"id": 7}, "returns/request", {}, "order is missing"),
        ({"id": 7, "order": {}}, "returns/approve", {}, r"order\.id is None"),
        ({"order_edit": []}, "orders/edited", {}, "order_edit is missing"),
        ({"order_edit": {"id": 9}}, "orders/edited", {}, "order_edit.order_id is None"),
    ],
)
def test_a_signed_but_malformed_delivery_names_the_part(
    body: Any, topic: str, more: dict[str, str | None], named: str
) -> None:
    with pytest.raises(DeliveryMalformed, match=named):
        read(body, topic, **more)


def test_a_reader_without_shop_takes_every_shop() -> None:
    raw = json.dumps(BODY).encode()
    assert ShopifyWebhooks(SECRET).read(raw, headers(raw, shop_domain="any.example")).external_id is not None
