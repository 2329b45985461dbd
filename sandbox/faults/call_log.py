"""What reached a proxy: every call, what became of it, and counts that outlive the log's length."""

import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from domain.model import Frozen, Instant
from sandbox.faults.rules import Fault

KEPT: Final = 50_000
"""Calls remembered one by one."""


class Call(Frozen):
    """One call as it reached the proxy."""

    number: int
    at: Instant
    operation: str
    names: tuple[str, ...]
    """All it goes by, the operation first."""
    fault: Fault | None
    forwarded: bool
    """Whether the system got it."""
    status: int | None
    """What the client was answered; None where no answer left whole."""
    seconds: float | None
    """How long it took; None while it is under way."""


class Counts(Frozen):
    """Calls since the start of the proxy."""

    calls: int
    forwarded: int
    by_operation: dict[str, int]
    by_fault: dict[str, int]


@dataclass
class Entry:
    """A call under way; the proxy fills it in."""

    number: int
    at: datetime
    names: tuple[str, ...]
    fault: Fault | None
    forwarded: bool = False
    status: int | None = None
    seconds: float | None = None


class CallLog:
    """The log of one proxy."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=KEPT)
        self._calls = 0
        self._forwarded = 0
        self._by_operation: Counter[str] = Counter()
        self._by_fault: Counter[str] = Counter()

    @contextmanager
    def during(self, names: tuple[str, ...], fault: Fault | None) -> Iterator[Entry]:
        """Note a call as it arrives, and how long it took in the end."""
        self._calls += 1
        self._by_operation[names[0]] += 1
        self._by_fault.update([fault] if fault else [])
        entry = Entry(self._calls, datetime.now(UTC), names, fault)
        self._entries.append(entry)
        began = time.monotonic()
        try:
            yield entry
        finally:
            entry.seconds = time.monotonic() - began
            self._forwarded += entry.forwarded

    def after(self, number: int) -> tuple[Call, ...]:
        """Calls with a higher number, oldest first, those under way included."""
        return tuple(
            Call(
                number=entry.number,
                at=entry.at,
                operation=entry.names[0],
                names=entry.names,
                fault=entry.fault,
                forwarded=entry.forwarded,
                status=entry.status,
                seconds=entry.seconds,
            )
            for entry in self._entries
            if entry.number > number
        )

    def counts(self) -> Counts:
        """Calls counted; those under way count as not forwarded."""
        return Counts(
            calls=self._calls,
            forwarded=self._forwarded,
            by_operation=dict(self._by_operation),
            by_fault=dict(self._by_fault),
        )
