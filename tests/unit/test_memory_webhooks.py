"""Webhooks of the memory storefront: signed over the raw bytes, read for the order they concern."""

import json
from datetime import UTC, datetime

import pytest

from adapters.memory.webhooks import SIGNATURE, MemoryWebhooks
from adapters.webhook_ports import Delivery, DeliveryMalformed, SignatureInvalid

READER = MemoryWebhooks("secret")
WHEN = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


def test_what_was_written_is_read():
    raw, headers = READER.write("d1", "orders/create", "5001", event_id="e1", occurred_at=WHEN)
    assert READER.read(raw, headers) == Delivery(
        delivery_id="d1", event_id="e1", topic="orders/create", external_id="5001", occurred_at=WHEN
    )


def test_what_may_be_an_echo_says_so_in_one_phrase():
    raw, headers = READER.write("d1", "refunds/create", "5001", tells="refund 9 made")
    assert READER.read(raw, headers).tells == "refund 9 made"
    assert READER.read(*READER.write("d1", "products/update", "5001", tells="refund 9 made")).tells is None


def test_a_foreign_topic_concerns_no_order():
    assert READER.read(*READER.write("d1", "products/update", "5001")).external_id is None


def test_one_byte_more_breaks_the_signature():
    raw, headers = READER.write("d1", "orders/create", "5001")
    with pytest.raises(SignatureInvalid):
        READER.read(raw + b" ", headers)


@pytest.mark.parametrize("headers", [{}, {SIGNATURE: ""}, {SIGNATURE: "ä"}])
def test_no_signature_is_no_signature(headers):
    raw, _ = READER.write("d1", "orders/create", "5001")
    with pytest.raises(SignatureInvalid, match=SIGNATURE):
        READER.read(raw, headers)


def test_another_secret_does_not_sign():
    raw, headers = MemoryWebhooks("other").write("d1", "orders/create", "5001")
    with pytest.raises(SignatureInvalid):
        READER.read(raw, headers)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"{", "the body"),
        (json.dumps({"topic": "orders/create", "order_id": "1"}).encode(), "delivery_id"),
        (json.dumps({"delivery_id": "d", "topic": "orders/create"}).encode(), "order_id"),
        (
            json.dumps({"delivery_id": "d", "topic": "t", "occurred_at": "2026-03-02T09:30:00"}).encode(),
            "occurred_at",
        ),
    ],
)
def test_what_is_signed_but_unreadable_is_named(body, named):
    with pytest.raises(DeliveryMalformed, match=named):
        READER.read(body, {SIGNATURE: READER._sign(body)})


def test_an_empty_secret_is_refused():
    with pytest.raises(ValueError, match="empty"):
        MemoryWebhooks("")
