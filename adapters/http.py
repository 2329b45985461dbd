"""The one HTTP client under every adapter: time-outs, connection limits, and the error table of ``adapters.errors``.

A *write* whose answer is lost raises ``OutcomeUnknown``; a *read* in the same place raises ``Unavailable``, because
reading again harms nobody. No retry lives here: Temporal retries.
"""

import ssl
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from types import TracebackType
from typing import Any, Self

import httpx
from opentelemetry.trace import SpanKind

from adapters import spans
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

TIMEOUT = httpx.Timeout(30.0, connect=5.0, pool=10.0)
LIMITS = httpx.Limits(max_connections=20, max_keepalive_connections=10)
DEFAULT_RETRY_AFTER = timedelta(seconds=2)

_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
_OUR_MISTAKE = (
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
    httpx.InvalidURL,
    httpx.CookieConflict,
    httpx.StreamError,
)
_UNREADABLE = (httpx.DecodingError, httpx.TooManyRedirects)


@cache
def _certificates() -> ssl.SSLContext:
    """Whom all connections of a process trust: reading it takes longer than a call on loopback."""
    return httpx.create_ssl_context()


class Http:
    """A connection to one outside system. ``transport`` is for tests."""

    def __init__(
        self,
        system: str,
        base_url: str,
        *,
        headers: dict[str, str] | None = None,
        timeout: httpx.Timeout = TIMEOUT,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.system = system
        self._client = httpx.AsyncClient(
            base_url=base_url,
            headers=headers,
            timeout=timeout,
            limits=LIMITS,
            verify=_certificates(),
            transport=transport,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Give connections back."""
        await self._client.aclose()

    async def post(
        self,
        operation: str,
        path: str,
        *,
        content: bytes,
        writes: bool,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """POST and return a 2xx answer; anything else raises the leaf of ``adapters.errors`` that fits.

        ``operation`` is what a human calls the request (``create sale``); ``writes`` says whether repeating it
        could do something twice.
        """
        with spans.span(
            f"{self.system}: {operation}", SpanKind.CLIENT, self._facts(operation, writes)
        ) as span:
            try:
                response = await self._client.post(path, content=content, headers=headers)
            except (httpx.HTTPError, httpx.InvalidURL, httpx.CookieConflict, httpx.StreamError) as error:
                raise map_transport_error(error, self.system, operation, writes=writes) from error
            span.set_attribute("http.response.status_code", response.status_code)
            if response.is_success:
                return response
            raise map_status(response, self.system, operation, writes=writes)

    def _facts(self, operation: str, writes: bool) -> dict[str, str | bool]:
        return {
            spans.SYSTEM: self.system,
            spans.OPERATION: operation,
            spans.WRITES: writes,
            "http.request.method": "POST",
            "server.address": self._client.base_url.host,
        }

    def read_json(self, operation: str, response: httpx.Response, **kwargs: Any) -> Any:
        """The answer's JSON; raises ContractBroken, with the raw text kept, where it is none."""
        import json  # noqa: PLC0415  keeps the decoder choice beside its one use

        try:
            return json.loads(response.content, **kwargs)
        except ValueError as error:
            raise ContractBroken(
                self.system, operation, f"the answer is not JSON ({error})", response.text
            ) from error


def map_transport_error(error: Exception, system: str, operation: str, *, writes: bool) -> AdapterError:
    """Which leaf an httpx exception is. Total over httpx's tree; a test walks it."""
    words = str(error) or type(error).__name__
    if isinstance(error, _NOT_SENT):
        return Unavailable(system, operation, f"cannot be reached ({words})")
    if isinstance(error, _OUR_MISTAKE):
        reason = f"the request could not be made ({words}); check the address"
        return Rejected(system, operation, reason, f"bad_request:{system}")
    if isinstance(error, _UNREADABLE):
        return ContractBroken(system, operation, f"the answer cannot be read ({words})")
    if writes:
        return OutcomeUnknown(system, operation, f"sent, but the answer was lost ({words})")
    return Unavailable(system, operation, f"did not answer ({words})")


def map_status(response: httpx.Response, system: str, operation: str, *, writes: bool) -> AdapterError:
    """Which leaf a non-2xx status is. Total over statuses; a test walks 100 to 599."""
    status = response.status_code
    words = f"HTTP {status}: {response.text[:300]}" if response.text else f"HTTP {status}"
    match status:
        case 401:
            return SessionExpired(system, operation, words)
        case 429:
            return RateLimited(system, operation, words, retry_after(response))
        case 503:
            return Unavailable(system, operation, words)
        case 409 | 412:
            return Conflict(system, operation, words)
        case _ if status >= 500:  # noqa: PLR2004
            return (
                OutcomeUnknown(system, operation, words) if writes else Unavailable(system, operation, words)
            )
        case _ if status >= 400:  # noqa: PLR2004
            return Rejected(system, operation, words, f"http_refused:{system}:{status}")
        case _:
            return ContractBroken(system, operation, f"unexpected {words}", response.text)


def retry_after(response: httpx.Response) -> timedelta:
    """The Retry-After header, as seconds or date; a default where it is missing or unreadable."""
    text = response.headers.get("retry-after", "")
    try:
        # In this order "nan" stays what it is, and timedelta refuses it.
        return timedelta(seconds=max(float(text), 0.0))
    except (ValueError, OverflowError):
        pass
    try:
        return max(timedelta(0), parsedate_to_datetime(text) - datetime.now(UTC))
    except (ValueError, TypeError):
        return DEFAULT_RETRY_AFTER
