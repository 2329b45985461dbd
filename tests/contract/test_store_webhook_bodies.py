"""Bodies of the store's webhooks fit the JSON Schemas that are published for Shopify's."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from sandbox.store import editing, orders
from sandbox.store.outbox import Outbox
from sandbox.store.requests import AssessRisk, EditLine, EditOrder, PlaceOrder
from sandbox.store.state import State
from tests.shopify_schema import webhook_schema

pytestmark = pytest.mark.npm

# The schemas are derived from examples: an order that has everything an example has fits them whole.
RICH = {
    "lines": [{"sku": "TEE-BLK-S", "quantity": 3, "discount": {"amount": "1.00"}}, {"sku": "MUG-LOGO"}],
    "discounts": [{"percent": "10", "code": "TEN"}],
    "taxes": ["VAT-20"],
    "shipping": {"free": True},
    "payments": [{"kind": "sale"}],
    "note": "Ring twice",
    "phone": "+1 555 0100",
    "company": {"id": 301},
    "customer": {"first_name": "Grace", "last_name": "Example", "email": "grace@example.com"},
    "shipping_address": {"province_code": "NY", "phone": "+1 555 0100"},
    "presentment_currency": "EUR",
    "presentment_rate": "0.91",
}


@pytest.fixture
def bodies() -> Iterator[dict[str, Any]]:
    """One body a topic: an order that was placed, paid, edited, canceled and refunded."""
    state = State(":memory:")
    outbox = Outbox(state, "sandbox.myshopify.com")
    placed = orders.place(state, outbox, PlaceOrder.model_validate(RICH))
    editing.edit(state, outbox, placed, EditOrder(lines=(EditLine(line=1, quantity=2),)))
    orders.assess(state, outbox, placed, AssessRisk(risk_level="MEDIUM"))
    orders.cancel(state, outbox, placed, "CUSTOMER", restock=True, refund=True)
    yield {row["topic"]: json.loads(row["body"]) for row in state.rows("SELECT topic, body FROM outbox")}
    state.close()


@pytest.mark.parametrize(
    "topic",
    [
        "orders/create",
        "orders/paid",
        "orders/edited",
        "orders/cancelled",
        "orders/risk_assessment_changed",
        "refunds/create",
    ],
)
def test_a_body_fits_the_published_schema(bodies: dict[str, Any], topic: str) -> None:
    schema = _without_empty_lists(webhook_schema(topic))
    validator = Draft202012Validator(schema)
    assert [f"{list(e.path)}: {e.message}" for e in validator.iter_errors(bodies[topic])] == []

    required = schema["required"]
    assert len(required) > (50 if topic.startswith("orders/c") else 0)
    without = {name: value for name, value in bodies[topic].items() if name != required[0]}
    assert not validator.is_valid(without), "the schema must notice a missing field"


def _without_empty_lists(schema: Any) -> Any:
    """The schema, allowing entries in lists that happened to be empty in the example."""
    if isinstance(schema, list):
        return [_without_empty_lists(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: value for key, value in schema.items() if (key, value) != ("items", False)}
    return {key: _without_empty_lists(value) for key, value in kept.items()}
