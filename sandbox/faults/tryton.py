"""Tryton's JSON-RPC: a call goes by its method, such as ``model.sale.sale.create``."""

from decimal import Decimal, InvalidOperation
from typing import Any

from sandbox.faults.messages import LOGIN, READS, WRITES, Answer, Request, json_answer

_READING = frozenset({"read", "search", "search_read", "search_count", "fields_get", "get_preferences"})
_BUSY = "could not serialize access due to concurrent update"
"""What PostgreSQL says through Tryton now and then; the transaction is rolled back."""


class Tryton:
    """Implements ``Vendor``."""

    def names(self, request: Request) -> tuple[str, ...]:
        """See ``Vendor``."""
        body = request.json
        if not isinstance(body, dict) or not isinstance(body.get("method"), str):
            return (f"{request.method} {request.target}",)
        method = body["method"]
        if method.startswith("common."):
            return method, LOGIN
        return method, READS if method.rpartition(".")[2] in _READING else WRITES

    def throttled(self, retry_after: float) -> Answer:
        """See ``Vendor``: Tryton knows no other way than HTTP's."""
        return Answer(429, [("retry-after", f"{retry_after:g}")], b"")

    def session_expired(self) -> Answer:
        """See ``Vendor``: 401 with nothing in it."""
        return Answer(401, [("content-type", "text/html")], b"")

    def error_inside(self, words: str) -> Answer:
        """See ``Vendor``."""
        return json_answer(200, {"id": None, "error": [words or _BUSY, ""]})

    def added(self, value: Any, amount: Decimal) -> Any:
        """See ``Vendor``: amounts are objects that say they are decimals."""
        try:
            return {"__class__": "Decimal", "decimal": str(Decimal(value["decimal"]) + amount)}
        except (InvalidOperation, TypeError, KeyError):
            raise ValueError(f"{value!r} is no amount") from None
