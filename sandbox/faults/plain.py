"""Any system that speaks HTTP: a call goes by its method and path."""

from decimal import Decimal, InvalidOperation
from typing import Any

from sandbox.faults.messages import READS, WRITES, Answer, Request, json_answer


class Plain:
    """Implements ``Vendor``."""

    def names(self, request: Request) -> tuple[str, ...]:
        """See ``Vendor``."""
        path = request.target.partition("?")[0]
        return f"{request.method} {path}", path, READS if request.method in {"GET", "HEAD"} else WRITES

    def throttled(self, retry_after: float) -> Answer:
        """See ``Vendor``."""
        return Answer(429, [("retry-after", f"{retry_after:g}")], b"")

    def session_expired(self) -> Answer:
        """See ``Vendor``."""
        return Answer(401, [], b"")

    def error_inside(self, words: str) -> Answer:
        """See ``Vendor``."""
        return json_answer(200, {"error": words or "internal error"})

    def added(self, value: Any, amount: Decimal) -> Any:
        """See ``Vendor``: amounts are strings or numbers."""
        try:
            more = Decimal(str(value)) + amount
        except InvalidOperation:
            raise ValueError(f"{value!r} is no amount") from None
        return str(more) if isinstance(value, str) else float(more)
