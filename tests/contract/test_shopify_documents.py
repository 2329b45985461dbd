"""Every document the adapter can send is understood by Shopify's published schema and by the sandbox store's subset."""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLSchema,
    OperationDefinitionNode,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    build_schema,
    parse,
    validate,
    visit,
)

from adapters.shopify.client import API_VERSION
from adapters.shopify.documents import document, names
from adapters.shopify.webhooks import ShopifyWebhooks
from tests.shopify_schema import admin_schema, required_idempotent, webhook_example, webhook_schema

ADAPTER = Path("adapters/shopify")
STORE_SCHEMA = Path("sandbox/store/schema.graphql")
COST_LIMIT = 1000
"""Points that Shopify grants a single request at most."""

npm = pytest.mark.npm


@pytest.fixture(scope="module", params=names())
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def problems(text: str, schema: GraphQLSchema, needs_key: frozenset[str]) -> list[str]:
    """What Shopify would object to, or take away in a later version."""
    tree = parse(text)
    return [
        *(error.message for error in validate(schema, tree)),
        *_deprecated(tree, schema),
        *(
            f"{field.name.value} needs @idempotent"
            for field in _root_fields(tree)
            if field.name.value in needs_key
            and "idempotent" not in {d.name.value for d in field.directives or ()}
        ),
    ]


def _root_fields(tree: DocumentNode) -> Iterator[FieldNode]:
    for definition in tree.definitions:
        if isinstance(definition, OperationDefinitionNode):
            yield from (each for each in definition.selection_set.selections if isinstance(each, FieldNode))


def _deprecated(tree: DocumentNode, schema: GraphQLSchema) -> list[str]:
    types = TypeInfo(schema)
    found: list[str] = []

    class Finder(Visitor):
        def enter_field(self, node: FieldNode, *_: object) -> None:
            field = types.get_field_def()
            if field is not None and field.deprecation_reason:
                found.append(f"{types.get_parent_type()}.{node.name.value} is deprecated")

        def enter_argument(self, node: FieldNode, *_: object) -> None:
            argument = types.get_argument()
            if argument is not None and argument.deprecation_reason:
                found.append(f"argument {node.name.value} is deprecated")

    visit(tree, TypeInfoVisitor(types, Finder()))
    return found


@npm
def test_shopify_understands_it_and_nothing_in_it_is_deprecated(name: str) -> None:
    assert problems(document(name), admin_schema(API_VERSION), required_idempotent()) == []


@npm
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("query A { order(id: 1) { nmae } }", "Cannot query field 'nmae' on type 'Order'"),
        (
            "query A($id: ID!) { order(id: $id) { transactions { amount } } }",
            "OrderTransaction.amount is deprecated",
        ),
        (
            'mutation A { orderCancel(orderId: "1", reason: OTHER, restock: true, refund: true) { job { id } } }',
            "argument refund is deprecated",
        ),
        (
            "mutation A($i: RefundInput!) { refundCreate(input: $i) { refund { id } } }",
            "refundCreate needs @idempotent",
        ),
    ],
)
def test_a_document_that_shopify_would_refuse_is_caught(text: str, said: str) -> None:
    assert any(
        said in problem for problem in problems(text, admin_schema(API_VERSION), required_idempotent())
    )


def test_the_sandbox_store_understands_it(name: str) -> None:
    schema = build_schema(STORE_SCHEMA.read_text(encoding="utf-8"))
    assert [error.message for error in validate(schema, parse(document(name)))] == []


def test_it_costs_less_than_shopify_grants(name: str) -> None:
    assert requested_cost(document(name)) < COST_LIMIT


def requested_cost(text: str) -> int:
    """Shopify's rule: an object is a point, a list is two and as many times a node as it asks for.

    A mutation is ten points; a list asked for with a variable counts as ten.
    """
    tree = parse(text)
    fragments = {d.name.value: d.selection_set for d in tree.definitions if d.kind == "fragment_definition"}

    def of(selection) -> int:
        if selection.kind == "fragment_spread":
            return inside(fragments[selection.name.value])
        if selection.kind == "inline_fragment":
            return inside(selection.selection_set)
        if selection.selection_set is None:
            return 0
        first = next((a.value for a in selection.arguments or () if a.name.value == "first"), None)
        if first is None:
            return 1 + inside(selection.selection_set)
        nodes = [
            s for s in selection.selection_set.selections if s.kind == "field" and s.name.value == "nodes"
        ]
        node = of(nodes[0]) if nodes else 1 + inside(selection.selection_set)
        return 2 + node * (int(first.value) if first.kind == "int_value" else 10)

    def inside(selections) -> int:
        return sum(of(each) for each in selections.selections)

    operation = next(d for d in tree.definitions if d.kind == "operation_definition")
    return inside(operation.selection_set) + (10 if operation.operation.value == "mutation" else 0)


def test_every_document_is_sent_and_every_fragment_used() -> None:
    code = "".join(file.read_text(encoding="utf-8") for file in ADAPTER.glob("*.py"))
    assert [name for name in names() if f'"{name}"' not in code] == []
    spread = {used for name in names() for used in re.findall(r"\.\.\.\s*(\w+)", document(name))}
    fragments = {file.stem for file in (ADAPTER / "documents" / "fragments").glob("*.graphql")}
    assert fragments <= spread


def test_a_fragment_stands_once_in_a_document_and_brings_its_own_fragments() -> None:
    text = document("read_order")
    assert text.count("fragment TaxFields on") == 1
    assert text.count("fragment FulfillmentOrderLineFields on") == 1


@npm
@pytest.mark.parametrize("topic", sorted(ShopifyWebhooks.topics))
def test_shopifys_own_example_of_every_topic_is_read(topic: str) -> None:
    assert webhook_schema(topic, API_VERSION)["properties"]
    example = webhook_example(topic, API_VERSION)
    if "admin_graphql_api_order_id" in example:
        # this one example names no order
        example["admin_graphql_api_order_id"] = "gid://shopify/Order/820982911946154508"
    raw = json.dumps(example).encode()
    signature = base64.b64encode(hmac.new(b"hush", raw, hashlib.sha256).digest()).decode()
    headers = {
        "x-shopify-hmac-sha256": signature,
        "x-shopify-topic": topic,
        "x-shopify-webhook-id": "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043",
    }
    # the number in the examples was rounded on its way; where there is a global id, it tells the whole number
    rounded = topic in {"orders/edited", "refunds/create"}
    expected = "820982911946154500" if rounded else "820982911946154508"
    if topic.startswith("returns/"):
        expected = "4783296544821"
    assert ShopifyWebhooks("hush").read(raw, headers).external_id == expected
