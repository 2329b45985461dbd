"""What each fault does to one call: whether the system gets it, and what the client gets back."""

import json
from collections.abc import Awaitable, Callable
from typing import Any, Final

from sandbox.faults.messages import Answer, Vendor
from sandbox.faults.rules import Fault, Rule
from sandbox.faults.wire import ClientGone, Wire

Forward = Callable[[], Awaitable[Answer]]
"""Do the call at the system. Raises httpx's errors."""

_NEVER_ARRIVING: Final = frozenset({Fault.REFUSE, Fault.CUT, Fault.HANG})
_PAGE: Final = b"<!DOCTYPE html><html><body><h1>Scheduled maintenance</h1></body></html>"


async def spoil(rule: Rule, vendor: Vendor, wire: Wire, forward: Forward) -> int:
    """Carry a call out the way the rule says; returns the status that the client was answered.

    Raises ClientGone where the call ends with the connection.
    """
    if rule.fault in _NEVER_ARRIVING:
        if rule.fault is Fault.HANG:
            await wire.gone_within(rule.seconds)
        raise ClientGone
    answer = instead(rule, vendor)
    if answer is None:
        answer = altered(rule, vendor, await forward())
    elif rule.done:
        await forward()
    match rule.fault:
        case Fault.DROP_ANSWER:
            raise ClientGone
        case Fault.LATE_ANSWER if await wire.gone_within(rule.seconds):
            raise ClientGone
        case Fault.CUT_ANSWER:
            await wire.send_half(answer)
            raise ClientGone
        case Fault.DRIP:
            await wire.drip(answer, rule.seconds)
        case _:
            await wire.send(answer)
    return answer.status


def instead(rule: Rule, vendor: Vendor) -> Answer | None:
    """What is answered instead of asking the system; None where it is asked."""
    match rule.fault:
        case Fault.RATE_LIMIT:
            return Answer(429, [("retry-after", f"{rule.retry_after:g}")], b"")
        case Fault.THROTTLE:
            return vendor.throttled(rule.retry_after)
        case Fault.STATUS:
            return Answer(rule.status, [("content-type", "text/plain")], b"no answer from upstream")
        case Fault.EXPIRE_SESSION:
            return vendor.session_expired()
        case Fault.ERROR_INSIDE:
            return vendor.error_inside(rule.words)
    return None


def altered(rule: Rule, vendor: Vendor, whole: Answer) -> Answer:
    """The system's answer with what the rule does to it; as it is where the rule leaves it alone."""
    match rule.fault:
        case Fault.BREAK_JSON:
            return Answer(whole.status, [("content-type", "text/html")], _PAGE)
        case Fault.TRUNCATE:
            return Answer(whole.status, whole.headers, whole.body[: len(whole.body) // 2])
        case Fault.REWRITE:
            return Answer(whole.status, whole.headers, rewritten(whole.body, rule, vendor))
    return whole


def rewritten(body: bytes, rule: Rule, vendor: Vendor) -> bytes:
    """The answer with the field changed wherever its path ends so; as it was where it has no such field."""
    try:
        content = json.loads(body)
    except ValueError:
        return body

    def walk(value: Any, path: tuple[str, ...]) -> Any:
        # Joined, because a name may have a dot of its own (Tryton's "currency.").
        if ".".join(("", *path)).endswith(f".{rule.field}"):
            return vendor.added(value, rule.add) if rule.add is not None else rule.value
        if isinstance(value, dict):
            return {name: walk(part, (*path, name)) for name, part in value.items()}
        if isinstance(value, list):
            return [walk(part, path) for part in value]
        return value

    try:
        return json.dumps(walk(content, ())).encode()
    except ValueError:
        return body
