"""Shopify's Admin GraphQL: a call goes by the name of its document and by its top-level fields."""

from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from graphql import FieldNode, GraphQLError, OperationDefinitionNode, OperationType, parse

from sandbox.faults.messages import READS, WRITES, Answer, Request, json_answer

_RESTORE_RATE = 100.0
_MAXIMUM = 2000.0


class Shopify:
    """Implements ``Vendor``."""

    def names(self, request: Request) -> tuple[str, ...]:
        """See ``Vendor``."""
        body = request.json
        if not isinstance(body, dict) or not isinstance(body.get("query"), str):
            return (f"{request.method} {request.target}",)
        return _names(body["query"])

    def throttled(self, retry_after: float) -> Answer:
        """See ``Vendor``: how long to wait follows from the cost and the bucket."""
        requested = min(_MAXIMUM, _RESTORE_RATE * retry_after)
        rate = requested / retry_after if retry_after else _RESTORE_RATE
        status = {"maximumAvailable": _MAXIMUM, "currentlyAvailable": 0.0, "restoreRate": rate}
        cost = {"requestedQueryCost": requested, "actualQueryCost": None, "throttleStatus": status}
        error = {"message": "Throttled", "extensions": {"code": "THROTTLED"}}
        return json_answer(200, {"errors": [error], "extensions": {"cost": cost}})

    def session_expired(self) -> Answer:
        """See ``Vendor``."""
        words = "[API] Invalid API key or access token (unrecognized login or wrong password)"
        return json_answer(401, {"errors": words})

    def error_inside(self, words: str) -> Answer:
        """See ``Vendor``."""
        message = words or "Internal error. Looks like something went wrong on our end."
        error = {"message": message, "extensions": {"code": "INTERNAL_SERVER_ERROR"}}
        return json_answer(200, {"errors": [error]})

    def added(self, value: Any, amount: Decimal) -> Any:
        """See ``Vendor``: amounts are strings."""
        try:
            return str(Decimal(value) + amount)
        except (InvalidOperation, TypeError, ValueError):
            raise ValueError(f"{value!r} is no amount") from None


@lru_cache(maxsize=256)
def _names(query: str) -> tuple[str, ...]:
    try:
        document = parse(query)
    except GraphQLError:
        return ("unreadable",)
    names: list[str] = []
    kind = READS
    for operation in document.definitions:
        if isinstance(operation, OperationDefinitionNode):
            names += [operation.name.value] if operation.name else []
            fields = (each for each in operation.selection_set.selections if isinstance(each, FieldNode))
            names += [each.name.value for each in fields]
            kind = WRITES if operation.operation is OperationType.MUTATION else kind
    return (*names, kind)
