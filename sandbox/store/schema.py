"""The GraphQL schema that this store speaks: a subset of Shopify's."""

from decimal import Decimal, InvalidOperation
from functools import cache
from importlib.resources import files
from typing import Any, Final

from graphql import GraphQLEnumType, GraphQLError, GraphQLScalarType, GraphQLSchema, build_schema

NEEDS_IDEMPOTENCY_KEY: Final = frozenset({"inventorySetQuantities", "refundCreate"})


@cache
def store_schema() -> GraphQLSchema:
    """The subset of Shopify's Admin schema that this store speaks."""
    schema = build_schema((files("sandbox.store") / "schema.graphql").read_text(encoding="utf-8"))
    money = schema.get_type("Money")
    assert isinstance(money, GraphQLScalarType)
    money.coerce_input_value = _money
    return schema


def _money(value: Any) -> str:
    """Money may come as a string or a number; the store works with its text."""
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite():
        raise GraphQLError(f"Money cannot represent {value!r}")
    return str(amount)


def enum_values(name: str) -> frozenset[str]:
    """The values of an enum of the schema."""
    kind = store_schema().get_type(name)
    assert isinstance(kind, GraphQLEnumType)
    return frozenset(kind.values)
