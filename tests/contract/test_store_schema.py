"""The store's schema is a true subset of Shopify's: what runs on the sandbox type-checks at Shopify.

Every type, field, argument, enum value and input field of ours exists there; output types are equal, nullability
included; what Shopify requires, ours requires. The checker itself is shown to catch each kind of mistake.
"""

from pathlib import Path

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    build_schema,
    is_required_argument,
    is_required_input_field,
    is_specified_directive,
    is_specified_scalar_type,
)

from sandbox.store.schema import NEEDS_IDEMPOTENCY_KEY, store_schema
from tests.shopify_schema import admin_schema, required_idempotent

pytestmark = pytest.mark.npm

OURS = Path(__file__).parents[2] / "sandbox" / "store" / "schema.graphql"


def differences(ours: GraphQLSchema, real: GraphQLSchema) -> list[str]:
    """What of ours is not so in the real schema, in words; empty for a true subset."""
    found: list[str] = []
    for name, mine in ours.type_map.items():
        if name.startswith("__") or is_specified_scalar_type(mine):
            continue
        theirs = real.get_type(name)
        if theirs is None:
            found.append(f"{name}: no such type")
        elif type(theirs) is not type(mine):
            found.append(f"{name}: is a {type(theirs).__name__}, not a {type(mine).__name__}")
        else:
            found += _type_differences(mine, theirs)
    for directive in ours.directives:
        if is_specified_directive(directive):
            continue
        known = real.get_directive(directive.name)
        if known is None:
            found.append(f"@{directive.name}: no such directive")
        else:
            found += _argument_differences(f"@{directive.name}", directive.args, known.args)
    return found


def _type_differences(mine: GraphQLNamedType, theirs: GraphQLNamedType) -> list[str]:
    found: list[str] = []
    if isinstance(mine, GraphQLEnumType) and isinstance(theirs, GraphQLEnumType):
        found += [
            f"{mine.name}.{value}: no such value" for value in mine.values if value not in theirs.values
        ]
    if isinstance(mine, GraphQLUnionType) and isinstance(theirs, GraphQLUnionType):
        members = {member.name for member in theirs.types}
        found += [f"{mine.name}: {m.name} is no member" for m in mine.types if m.name not in members]
    if isinstance(mine, GraphQLObjectType | GraphQLInterfaceType):
        assert isinstance(theirs, GraphQLObjectType | GraphQLInterfaceType)
        implemented = {interface.name for interface in theirs.interfaces}
        found += [f"{mine.name}: not a {i.name}" for i in mine.interfaces if i.name not in implemented]
        for name, field in mine.fields.items():
            path = f"{mine.name}.{name}"
            known = theirs.fields.get(name)
            if known is None:
                found.append(f"{path}: no such field")
                continue
            if str(known.type) != str(field.type):
                found.append(f"{path}: is {known.type}, not {field.type}")
            found += _argument_differences(path, field.args, known.args)
    if isinstance(mine, GraphQLInputObjectType) and isinstance(theirs, GraphQLInputObjectType):
        found += _argument_differences(mine.name, mine.fields, theirs.fields)
    return found


def _argument_differences(path: str, mine: dict, theirs: dict) -> list[str]:
    found = [f"{path}({name}): no such input" for name in mine if name not in theirs]
    found += [
        f"{path}({name}): is {theirs[name].type}, not {value.type}"
        for name, value in mine.items()
        if name in theirs and str(theirs[name].type) != str(value.type)
    ]
    found += [
        f"{path}({name}): required, but missing"
        for name, value in theirs.items()
        if name not in mine and (is_required_argument(value) or is_required_input_field(value))
    ]
    return found


def test_the_store_speaks_a_true_subset_of_the_admin_api() -> None:
    ours = store_schema()
    assert len(ours.type_map) > 90, "the schema was not read"
    assert differences(ours, admin_schema()) == []


def test_the_store_asks_for_an_idempotency_key_where_shopify_does() -> None:
    mutation = store_schema().mutation_type
    assert mutation is not None
    assert set(mutation.fields) & required_idempotent() == NEEDS_IDEMPOTENCY_KEY


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("cancelledAt: DateTime\n", "canceledAt: DateTime\n", "Order.canceledAt: no such field"),
        ("currencyCode: CurrencyCode!\n  currentShip", "currencyCode: CurrencyCode\n  currentShip",
         "Order.currencyCode: is CurrencyCode!, not CurrencyCode"),
        ("note: String\n  number: Int!", "note: String!\n  number: Int!", "Order.note: is String, not String!"),
        ("quantities(names: [String!]!)", "quantities", "InventoryLevel.quantities(names): required, but missing"),
        ("capturable: Boolean, first", "capturables: Boolean, first", "Order.transactions(capturables): no such input"),
        ("  GENERIC_ERROR", "  GENERAL_ERROR", "OrderTransactionErrorCode.GENERAL_ERROR: no such value"),
        ("restock: Boolean!", "restock: Boolean", "Mutation.orderCancel(restock): is Boolean!, not Boolean"),
        ("  parentTransactionId: ID!\n", "", "OrderCaptureInput(parentTransactionId): required, but missing"),
        ("= Customer | PurchasingCompany", "= Customer | Company", "PurchasingEntity: Company is no member"),
        ("type Attribute {", "type Attribut {\n  id: ID!\n}\ntype Attribute {", "Attribut: no such type"),
        ("type Count {", "type Count implements Node {\n  id: ID!", "Count: not a Node"),
        ("@idempotent(key: String!)", "@idempotence(key: String!)", "@idempotence: no such directive"),
    ],
)  # fmt: skip
def test_a_schema_that_shopify_does_not_have_is_caught(right: str, wrong: str, said: str) -> None:
    text = OURS.read_text()
    assert text.count(right) == 1, f"{right!r} must stand once in the schema for this test to mean something"
    # Attribut is reachable from nowhere, which build_schema allows
    assert said in differences(build_schema(text.replace(right, wrong)), admin_schema())
