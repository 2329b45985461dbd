"""A call and its answer as they go over the wire, and what the proxy has to know of a vendor."""

import json
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any, Protocol

READS, WRITES, LOGIN = "reads", "writes", "login"
"""Names that every vendor gives besides the operation's own."""

Headers = list[tuple[str, str]]


@dataclass(frozen=True)
class Request:
    """A call; header names are lower case."""

    method: str
    target: str
    headers: Headers
    body: bytes

    @cached_property
    def json(self) -> Any:
        """The body; None where it is no JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


@dataclass(frozen=True)
class Answer:
    """An answer, whole."""

    status: int
    headers: Headers
    body: bytes


def json_answer(status: int, content: Any, *more: tuple[str, str]) -> Answer:
    """An answer with a JSON body."""
    return Answer(status, [("content-type", "application/json"), *more], json.dumps(content).encode())


class Vendor(Protocol):
    """How one kind of system names its calls and words its troubles."""

    def names(self, request: Request) -> tuple[str, ...]:
        """What a call goes by: its operation first, then its other names."""
        ...

    def throttled(self, retry_after: float) -> Answer:
        """Too many calls; ``retry_after`` in seconds."""
        ...

    def session_expired(self) -> Answer:
        """A login is needed."""
        ...

    def error_inside(self, words: str) -> Answer:
        """200 with an error in it, nothing done; empty words: what such a system usually says."""
        ...

    def added(self, value: Any, amount: Decimal) -> Any:
        """An amount of an answer with so much more in it. Raises ValueError for what is no amount."""
        ...
