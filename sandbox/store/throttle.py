"""Cost points, as Shopify counts them: what a query could cost before it runs, what it did cost after.

An object costs 1, a connection 2 plus its ``first`` times what a node costs, ``nodes`` for each of its
``ids`` what a node costs, a mutation 10; scalars are free. The bucket is filled at a steady rate; the
requested cost must be in it, the difference to the actual cost goes back.
"""

import math
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    get_named_type,
    value_from_ast_untyped,
)

from domain.model import Frozen

MUTATION_COST: Final = 10
CONNECTION_COST: Final = 2


class ThrottleKnobs(Frozen):
    """Size of the bucket, what flows back a second, and what one query may cost; in points."""

    maximum_available: float = 2000.0
    restore_rate: float = 100.0
    single_query_maximum: int = 1000


class Bucket:
    """The points an app has at this shop. ``now`` is a monotonic clock in seconds."""

    def __init__(self, knobs: ThrottleKnobs, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self.set(knobs)

    def set(self, knobs: ThrottleKnobs) -> None:
        """Another size and rate, full again."""
        self.knobs = knobs
        self._available = knobs.maximum_available
        self._at = self._now()

    def take(self, points: float) -> bool:
        """Take points; False, and nothing taken, where there are too few."""
        self._refill()
        if points > self._available:
            return False
        self._available -= points
        return True

    def give_back(self, points: float) -> None:
        """Return what was not used."""
        self._refill()
        self._available = min(self.knobs.maximum_available, self._available + points)

    def status(self) -> dict[str, float]:
        """``throttleStatus`` of an answer."""
        self._refill()
        return {
            "maximumAvailable": self.knobs.maximum_available,
            "currentlyAvailable": math.floor(self._available),
            "restoreRate": self.knobs.restore_rate,
        }

    def _refill(self) -> None:
        now = self._now()
        flowed = (now - self._at) * self.knobs.restore_rate
        self._available = min(self.knobs.maximum_available, self._available + flowed)
        self._at = now


def requested_cost(schema: GraphQLSchema, document: DocumentNode, variables: Mapping[str, Any]) -> int:
    """What a valid document could cost at most."""
    return _Cost(schema, document, variables).total()


class _Cost:
    def __init__(self, schema: GraphQLSchema, document: DocumentNode, variables: Mapping[str, Any]) -> None:
        self._schema = schema
        self._variables = dict(variables)
        self._document = document
        self._fragments = {
            each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)
        }

    def total(self) -> int:
        points = 0
        for operation in self._document.definitions:
            if isinstance(operation, OperationDefinitionNode):
                root = self._schema.get_root_type(operation.operation)
                assert root is not None
                for each in operation.variable_definitions or ():
                    if each.default_value is not None:
                        name = each.variable.name.value
                        self._variables.setdefault(name, value_from_ast_untyped(each.default_value))
                points += self._selections(operation.selection_set, root.name)
                points += MUTATION_COST if operation.operation.value == "mutation" else 0
        return points

    def _selections(self, selected: SelectionSetNode | None, on: str) -> int:
        """Fields of one type; of several possible types the dearest counts."""
        shared = 0
        by_type: dict[str, int] = {}
        for each in selected.selections if selected else ():
            if isinstance(each, FieldNode):
                shared += self._field(each, on)
                continue
            if isinstance(each, FragmentSpreadNode):
                fragment = self._fragments[each.name.value]
                condition, inner = fragment.type_condition.name.value, fragment.selection_set
            else:
                assert isinstance(each, InlineFragmentNode)
                condition = each.type_condition.name.value if each.type_condition else on
                inner = each.selection_set
            by_type[condition] = by_type.get(condition, 0) + self._selections(inner, condition)
        shared += by_type.pop(on, 0)
        return shared + max(by_type.values(), default=0)

    def _field(self, field: FieldNode, on: str) -> int:
        if field.selection_set is None:
            return 0
        owner = self._schema.get_type(on)
        fields = getattr(owner, "fields", {})
        returned = get_named_type(fields[field.name.value].type).name
        given = {
            each.name.value: value_from_ast_untyped(each.value, self._variables)
            for each in field.arguments or ()
        }
        if not returned.endswith("Connection"):
            one = 1 + self._selections(field.selection_set, returned)
            return one * max(1, len(given.get("ids") or ()))
        node = max(1, self._selections_of_node(field.selection_set, returned))
        return CONNECTION_COST + int(given.get("first") or 0) * node

    def _selections_of_node(self, selected: SelectionSetNode, connection: str) -> int:
        """What one node costs, whether it is asked for as ``nodes`` or ``edges { node }``."""
        points = 0
        for each in selected.selections:
            if isinstance(each, FragmentSpreadNode):
                fragment = self._fragments[each.name.value]
                points += self._selections_of_node(fragment.selection_set, connection)
            elif isinstance(each, InlineFragmentNode):
                points += self._selections_of_node(each.selection_set, connection)
            elif isinstance(each, FieldNode) and each.name.value in {"nodes", "edges"}:
                owner = self._schema.get_type(connection)
                assert isinstance(owner, GraphQLObjectType)
                inner = get_named_type(owner.fields[each.name.value].type).name
                points += self._selections(each.selection_set, inner) + (each.name.value == "nodes")
        return points
