"""What can go wrong at an outside system: one tree, seven leaves.

=================  ====================================================  =======================================
error              transport outcome                                     what the order does
=================  ====================================================  =======================================
Unavailable        refused, DNS, connect time-out, pool time-out, 503,   waits; retried with jitter, no limit
                   a *read* that timed out or answered 5xx               while the outage lasts
RateLimited        429, or the vendor's own "throttled"                  waits exactly ``retry_after``
SessionExpired     401, or the vendor's own "log in again", after the    as Unavailable (the adapter has logged
                   adapter's one re-login                                in again once by then)
OutcomeUnknown     a *write* whose answer was lost: read time-out,       looks up by idempotency key, then
                   dropped connection, 500, 502, 504 after sending       decides
Conflict           409, 412, or the vendor's own "stale version"         re-reads, re-decides
Rejected           other 4xx, or the vendor's own "no": bad SKU,         no retry: waits for a human, says why
                   closed period, validation
ContractBroken     an answer that is not of the agreed form              no retry: waits for a human, raw answer
                                                                         kept in the message
=================  ====================================================  =======================================

``adapters/http.py`` maps httpx and status codes onto this table; a vendor's client maps its own words.
``activities/failures.py`` maps the tree onto Temporal's ``ApplicationError``.
"""

from datetime import timedelta


class AdapterError(Exception):
    """Base of the tree. ``system`` names the outside system, ``operation`` the call, ``reason`` is plain words."""

    this_call_alone = False
    """The system answered a light call just after this one failed, so it is no outage. Set by who asked."""

    def __init__(self, system: str, operation: str, reason: str) -> None:
        self.system = system
        self.operation = operation
        self.reason = reason
        super().__init__(f"{system}: {operation}: {reason}")


class Unavailable(AdapterError):
    """The call did not happen."""


class RateLimited(AdapterError):
    """The system asks us to wait for ``retry_after``."""

    def __init__(self, system: str, operation: str, reason: str, retry_after: timedelta) -> None:
        self.retry_after = retry_after
        super().__init__(system, operation, reason)


class SessionExpired(AdapterError):
    """A login is needed and logging in again did not help at once."""


class OutcomeUnknown(AdapterError):
    """The write may or may not have happened: look it up before sending it again."""


class Conflict(AdapterError):
    """Somebody changed the record in between: read it again and decide again."""


class Rejected(AdapterError):
    """The system says no, for a reason a human can mend. ``cause`` groups equal refusals."""

    def __init__(self, system: str, operation: str, reason: str, cause: str = "rejected") -> None:
        self.cause = cause
        super().__init__(system, operation, reason)


class ContractBroken(AdapterError):
    """The answer does not fit what was agreed; ``raw`` keeps its first 2,000 characters."""

    def __init__(self, system: str, operation: str, reason: str, raw: str = "") -> None:
        self.raw = raw[:2000]
        super().__init__(system, operation, reason)
