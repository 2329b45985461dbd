"""Faults on order: a test says which call goes wrong and how, the memory adapters obey.

A pattern names the calls: ``submit_order``, ``erp.cancel_order`` (one system only), ``erp.*``, ``*``, or several with
``|`` between them. Inside the ERP's ``submit_order`` the steps ``draft_order`` and ``accept_order`` can be named too.
``nth`` counts the matching calls from now on, 1 is the next one; without it every call fails until ``lift``.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from fnmatch import fnmatchcase

from adapters.errors import (
    AdapterError,
    Conflict,
    ContractBroken,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    SessionExpired,
    Unavailable,
)

MakeError = Callable[[str, str], AdapterError]
"""From system and operation to the error to raise."""


class _Rule:
    """One order of a test. ``error`` is None where the call is done and its answer lost."""

    def __init__(self, pattern: str, error: MakeError | None, nth: int | None) -> None:
        if nth is not None and nth < 1:
            raise ValueError(f"nth is {nth}, but calls are counted from 1 (the next call)")
        self.pattern = pattern
        self.error = error
        self._nth = nth
        self._seen = 0

    def strikes(self, system: str, operation: str) -> bool:
        """Count the call if the pattern names it; true when it is this call's turn."""
        names = (operation, f"{system}.{operation}")
        if not any(fnmatchcase(name, part) for name in names for part in self.pattern.split("|")):
            return False
        self._seen += 1
        return self._nth is None or self._seen == self._nth

    @property
    def spent(self) -> bool:
        """True once a rule for one call has struck."""
        return self._nth is not None and self._seen >= self._nth


class Faults:
    """The orders in force; both memory adapters may share one."""

    def __init__(self) -> None:
        self._rules: list[_Rule] = []

    def fail(self, pattern: str, error: MakeError, *, nth: int | None = None) -> None:
        """Raise ``error(system, operation)`` instead of doing the call."""
        self._rules.append(_Rule(pattern, error, nth))

    def unavailable(self, pattern: str = "*", *, nth: int | None = None) -> None:
        """The system is down: nothing happens."""
        self.fail(pattern, lambda system, op: Unavailable(system, op, "is down (ordered by a test)"), nth=nth)

    def rate_limit(self, pattern: str, retry_after: timedelta, *, nth: int | None = None) -> None:
        """The system asks to wait."""
        self.fail(pattern, lambda system, op: RateLimited(system, op, "too many calls", retry_after), nth=nth)

    def expire_session(self, pattern: str = "*", *, nth: int | None = None) -> None:
        """The login is gone and logging in again did not help."""
        self.fail(pattern, lambda system, op: SessionExpired(system, op, "login is needed"), nth=nth)

    def conflict(self, pattern: str, *, nth: int | None = None) -> None:
        """Somebody changed the record in between."""
        self.fail(pattern, lambda system, op: Conflict(system, op, "was changed in between"), nth=nth)

    def reject(self, pattern: str, reason: str, cause: str = "rejected", *, nth: int | None = None) -> None:
        """The system says no."""
        self.fail(pattern, lambda system, op: Rejected(system, op, reason, cause), nth=nth)

    def break_contract(self, pattern: str, raw: str = "<html>", *, nth: int | None = None) -> None:
        """The answer is not of the agreed form."""
        self.fail(
            pattern, lambda system, op: ContractBroken(system, op, "the answer is not JSON", raw), nth=nth
        )

    def lose_answer(self, pattern: str, *, nth: int | None = None) -> None:
        """Do the call, then drop its answer: OutcomeUnknown for a write, Unavailable for a read."""
        self._rules.append(_Rule(pattern, None, nth))

    def lift(self, pattern: str | None = None) -> None:
        """End the orders given with this very pattern; None ends all."""
        self._rules = [rule for rule in self._rules if pattern is not None and rule.pattern != pattern]

    @contextmanager
    def during(self, system: str, operation: str, *, writes: bool) -> Iterator[None]:
        """Wrap one call. Where several orders strike, the one given first is obeyed."""
        striking = [rule for rule in self._rules if rule.strikes(system, operation)]
        self._rules = [rule for rule in self._rules if not rule.spent]
        rule = striking[0] if striking else None
        if rule is not None and rule.error is not None:
            raise rule.error(system, operation)
        yield
        if rule is not None:
            if writes:
                raise OutcomeUnknown(system, operation, "sent, but the answer was lost (ordered by a test)")
            raise Unavailable(system, operation, "did not answer (ordered by a test)")
