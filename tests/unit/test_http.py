"""The error table of ``adapters.errors``: every httpx exception and every status has its leaf."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

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
from adapters.http import DEFAULT_RETRY_AFTER, Http, map_status, map_transport_error, retry_after

ROOTS = (httpx.HTTPError, httpx.InvalidURL, httpx.CookieConflict, httpx.StreamError)
NOT_SENT = {"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError"}
OUR_MISTAKE = {
    "UnsupportedProtocol",
    "LocalProtocolError",
    "InvalidURL",
    "CookieConflict",
    "StreamError",
    "StreamConsumed",
    "StreamClosed",
    "ResponseNotRead",
    "RequestNotRead",
}
UNREADABLE = {"DecodingError", "TooManyRedirects"}
LOST = {
    "HTTPError",
    "HTTPStatusError",
    "RequestError",
    "TransportError",
    "TimeoutException",
    "ReadTimeout",
    "WriteTimeout",
    "NetworkError",
    "ReadError",
    "WriteError",
    "CloseError",
    "ProtocolError",
    "RemoteProtocolError",
}


def tree(kind: type[Exception]) -> Iterator[type[Exception]]:
    yield kind
    for child in kind.__subclasses__():
        yield from tree(child)


EXCEPTIONS = sorted({kind for root in ROOTS for kind in tree(root)}, key=lambda kind: kind.__name__)


def make(kind: type[Exception]) -> Exception:
    error = kind.__new__(kind)
    Exception.__init__(error, "words of the transport")
    return error


def test_the_tree_is_as_this_test_knows_it() -> None:
    assert {kind.__name__ for kind in EXCEPTIONS} == NOT_SENT | OUR_MISTAKE | UNREADABLE | LOST


@pytest.mark.parametrize("writes", [True, False])
@pytest.mark.parametrize("kind", EXCEPTIONS, ids=lambda kind: kind.__name__)
def test_every_exception_of_httpx_has_its_leaf(kind: type[Exception], writes: bool) -> None:
    if kind.__name__ in NOT_SENT:
        expected: type[AdapterError] = Unavailable
    elif kind.__name__ in OUR_MISTAKE:
        expected = Rejected
    elif kind.__name__ in UNREADABLE:
        expected = ContractBroken
    else:
        expected = OutcomeUnknown if writes else Unavailable
    mapped = map_transport_error(make(kind), "erp", "create sale", writes=writes)
    assert type(mapped) is expected
    assert (mapped.system, mapped.operation) == ("erp", "create sale")
    assert mapped.reason


@pytest.mark.parametrize("writes", [True, False])
@pytest.mark.parametrize("status", [*range(100, 200), *range(300, 600)])
def test_every_status_has_its_leaf(status: int, writes: bool) -> None:
    mapped = map_status(httpx.Response(status, text="why"), "erp", "create sale", writes=writes)
    special = {
        401: SessionExpired,
        409: Conflict,
        412: Conflict,
        429: RateLimited,
        503: Unavailable,
    }
    if status in special:
        expected: type[AdapterError] = special[status]
    elif status >= 500:
        expected = OutcomeUnknown if writes else Unavailable
    elif status >= 400:
        expected = Rejected
    else:
        expected = ContractBroken
    assert type(mapped) is expected
    assert str(status) in mapped.reason
    assert "why" in mapped.reason


@pytest.mark.parametrize("status", range(200, 300))
async def test_every_success_is_returned(status: int) -> None:
    async with Http(
        "erp", "http://erp", transport=httpx.MockTransport(lambda _: httpx.Response(status))
    ) as http:
        answer = await http.post("create sale", "/rpc", content=b"{}", writes=True)
    assert answer.status_code == status


@pytest.mark.parametrize(("writes", "expected"), [(True, OutcomeUnknown), (False, Unavailable)])
async def test_a_lost_answer_is_unknown_for_a_write_only(writes: bool, expected: type[AdapterError]) -> None:
    def drop(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("too late", request=request)

    async with Http("erp", "http://erp", transport=httpx.MockTransport(drop)) as http:
        with pytest.raises(expected, match="too late"):
            await http.post("create sale", "/rpc", content=b"{}", writes=writes)


async def test_a_refused_connection_did_not_happen() -> None:
    async with Http("erp", "http://127.0.0.1:1") as http:
        with pytest.raises(Unavailable, match="cannot be reached"):
            await http.post("create sale", "/rpc", content=b"{}", writes=True)


async def test_an_answer_that_is_no_json_keeps_its_text() -> None:
    async with Http("erp", "http://erp") as http:
        with pytest.raises(ContractBroken) as caught:
            http.read_json("read sale", httpx.Response(200, text="<html>gateway"))
    assert caught.value.raw == "<html>gateway"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("7", timedelta(seconds=7)),
        ("0.5", timedelta(seconds=0.5)),
        ("-3", timedelta(0)),
        ("soon", DEFAULT_RETRY_AFTER),
        ("", DEFAULT_RETRY_AFTER),
        ("1e400", DEFAULT_RETRY_AFTER),
        ("nan", DEFAULT_RETRY_AFTER),
        ("Wed, 21 Oct 2015 07:28:00 GMT", timedelta(0)),
        ("Wed, 21 Oct 2015 07:28:00 -0000", DEFAULT_RETRY_AFTER),
    ],
)
def test_retry_after_is_read_in_every_form(header: str, expected: timedelta) -> None:
    assert retry_after(httpx.Response(429, headers={"retry-after": header})) == expected


def test_retry_after_without_header_has_a_default() -> None:
    assert retry_after(httpx.Response(429)) == DEFAULT_RETRY_AFTER


def test_retry_after_as_a_date_counts_from_now() -> None:
    later = datetime.now(UTC) + timedelta(minutes=5)
    wait = retry_after(httpx.Response(429, headers={"retry-after": format_datetime(later, usegmt=True)}))
    assert timedelta(minutes=4, seconds=50) < wait <= timedelta(minutes=5)


def test_a_throttled_answer_carries_its_wait() -> None:
    mapped = map_status(httpx.Response(429, headers={"retry-after": "9"}), "erp", "create sale", writes=True)
    assert isinstance(mapped, RateLimited)
    assert mapped.retry_after == timedelta(seconds=9)
