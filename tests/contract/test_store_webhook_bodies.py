"""Bodies of the store's webhooks fit the JSON Schemas that are published for Shopify's."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from sandbox.store import editing, orders
from sandbox.store.fulfillment import fulfill
from sandbox.store.outbox import DEFAULT_TOPICS, LEVEL_TOPIC, Outbox
from sandbox.store.records import OrderRecord
from sandbox.store.refunding import RefundWish
from sandbox.store.requests import AskReturn, AskReturnLine, AssessRisk, EditLine, EditOrder, PlaceOrder
from sandbox.store.returning import Settled, ask, change, process
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
    """One body a topic: an order placed, paid, edited, canceled and refunded, and one of which a part came back."""
    state = State(":memory:")
    outbox = Outbox(state, "sandbox.myshopify.com")
    outbox.turn(topics=(*DEFAULT_TOPICS, LEVEL_TOPIC))
    placed = orders.place(state, outbox, PlaceOrder.model_validate(RICH))
    editing.edit(state, outbox, placed, EditOrder(lines=(EditLine(line=1, quantity=2),)))
    orders.assess(state, outbox, placed, AssessRisk(risk_level="MEDIUM"))
    orders.cancel(state, outbox, placed, "CUSTOMER", restock=True, refund=True)
    _return(state, outbox, orders.place(state, outbox, PlaceOrder.model_validate(RICH)))
    # The first of each: the published schemas are those of an example, in which no rate of a parcel has a fraction.
    rows = state.rows("SELECT topic, body FROM outbox ORDER BY rowid DESC")
    yield {row["topic"]: json.loads(row["body"]) for row in rows}
    state.close()


def _return(state: State, outbox: Outbox, order: OrderRecord) -> None:
    """Every step that a return can take."""
    fulfill(state, outbox, [(order.fulfillment_orders[0].id, None)], {})
    shipped = state.order(order.id)
    assert shipped is not None
    wanted = AskReturn(lines=(AskReturnLine(line=1),))
    for act in ("withdraw", "decline"):
        change(state, outbox, shipped, ask(state, outbox, shipped, wanted), act)
    made = ask(state, outbox, shipped, wanted)
    change(state, outbox, shipped, made, "approve")
    units = [Settled(return_line_id=made.lines[0].id, quantity=1)]
    process(state, outbox, shipped, made, units=units, wish=RefundWish(), money=[])
    change(state, outbox, shipped, made, "close")


@pytest.mark.parametrize("topic", [*DEFAULT_TOPICS, LEVEL_TOPIC])
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
