"""What an application of ours takes of a request, and how it refuses the rest."""

import asyncio

from fastapi import Request
from fastapi.telemetry import TelemetryConfig
from starlette.requests import ClientDisconnect

BODY_SECONDS = 15
"""How long a sender may take over its body."""

OUR_OWN_TELEMETRY: TelemetryConfig = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}
"""FastAPI's own would go on with any trace that a stranger's header names, and quote addresses and exceptions."""


class Refused(Exception):
    """The request is not taken. ``reason`` is the word it is counted under."""

    def __init__(self, status: int, reason: str, error: str, remedy: str) -> None:
        self.status = status
        self.reason = reason
        self.error = error
        self.remedy = remedy
        super().__init__(error)


async def read_body(
    request: Request,
    max_body: int,
    remedy: str = "raise ORDERWRIGHT_WEB__MAX_BODY_BYTES if orders are really that large",
) -> bytes:
    """The whole body. Raises Refused where it is too large (``remedy`` says what helps), or does not arrive in time."""
    too_large = Refused(
        413,
        "too_large",
        f"the body is larger than {max_body} bytes",
        remedy,
    )
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > max_body:
        raise too_large
    raw = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            # The announced length may be missing or a lie: what arrives is counted.
            async for part in request.stream():
                raw += part
                if len(raw) > max_body:
                    raise too_large
    except TimeoutError:
        raise Refused(
            408, "slow", f"the body did not arrive within {BODY_SECONDS} s", "send it again"
        ) from None
    except ClientDisconnect:
        raise Refused(400, "disconnected", "the sender went away in the middle", "send it again") from None
    return bytes(raw)
