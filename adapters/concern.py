"""What the present piece of work concerns: an order, an activity, an attempt. Every log line written meanwhile says so.

Set once where work enters the process (a webhook, a row of the inbox, an activity), read by ``orderwright.logs``.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

_ORDER = re.compile(r"\border:([a-z][a-z0-9_]*:[^\s'\",;()]+)")

_now: ContextVar[Mapping[str, str | int]] = ContextVar("orderwright_concern", default={})  # noqa: B039  never changed


@contextmanager
def concerning(**fields: str | int | None) -> Iterator[None]:
    """Add these fields to every log line of the block, and of the tasks and threads that start in it."""
    token = _now.set(_with(fields))
    try:
        yield
    finally:
        _now.reset(token)


def concern(**fields: str | int | None) -> None:
    """Add these fields to every further log line of the present task, also after what called this has ended."""
    _now.set(_with(fields))


def concerned() -> Mapping[str, str | int]:
    """The fields that hold now."""
    return _now.get()


def order_of(text: str) -> str | None:
    """The order (``shop:5001``) that a workflow id, or a sentence with one in it, names; None where it names none."""
    found = _ORDER.search(text)
    return found[1] if found else None


def _with(fields: Mapping[str, str | int | None]) -> Mapping[str, str | int]:
    return {**_now.get(), **{name: value for name, value in fields.items() if value is not None}}
