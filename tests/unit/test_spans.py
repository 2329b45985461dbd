"""The span of an HTTP request: what it says, what it never says, and what the other side sees of it."""

import httpx
import pytest

from adapters import spans
from adapters.concern import concerning
from adapters.errors import OutcomeUnknown, RateLimited, Rejected
from adapters.http import Http
from tests.telemetry_fixture import *  # noqa: F403  the fixtures
from tests.telemetry_fixture import Traced

SENT = "the body of ada@example.com"


async def post(handler, *, writes: bool = True) -> None:
    async with Http("tryton", "http://erp.test", transport=httpx.MockTransport(handler)) as http:
        with concerning(order="shop:5001"):
            await http.post(
                "create sale",
                "/db/",
                content=SENT.encode(),
                writes=writes,
                headers={"authorization": "s3cret"},
            )


async def test_a_request_is_a_span_of_names_and_numbers(traced: Traced):
    await post(lambda _request: httpx.Response(200, text="an answer for ada@example.com"))
    (span,) = traced.all()
    assert span.name == "tryton: create sale"
    assert dict(span.attributes) == {
        "orderwright.order": "shop:5001",
        "orderwright.system": "tryton",
        "orderwright.operation": "create sale",
        "orderwright.writes": True,
        "http.request.method": "POST",
        "server.address": "erp.test",
        "http.response.status_code": 200,
    }
    assert not span.events


@pytest.mark.parametrize(
    ("status", "leaf"), [(429, RateLimited), (500, OutcomeUnknown), (422, Rejected)], ids=str
)
async def test_a_failure_is_named_by_its_leaf_and_not_quoted(traced: Traced, status, leaf):
    with pytest.raises(leaf):
        await post(lambda _request: httpx.Response(status, text="no, ada@example.com"))
    (span,) = traced.all()
    assert span.attributes["error.type"] == leaf.__name__
    assert span.attributes["http.response.status_code"] == status
    assert "ada@example.com" not in span.to_json()
    assert "s3cret" not in span.to_json()


async def test_no_outside_system_is_told_of_the_trace(traced: Traced):
    seen: list[httpx.Headers] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers)
        return httpx.Response(200)

    with spans.span("outer"):
        assert spans.traceparent() is not None
        await post(handler)
    assert not {"traceparent", "tracestate", "baggage"} & set(seen[0])


def test_a_kept_place_is_gone_on_with(traced: Traced):
    with spans.span("webhook"):
        kept = spans.traceparent()
    with spans.span("dispatcher", parent=spans.continued(kept)):
        pass
    webhook, dispatcher = traced.all()
    assert dispatcher.context.trace_id == webhook.context.trace_id
    assert dispatcher.parent.span_id == webhook.context.span_id


@pytest.mark.parametrize("kept", [None, "", "00-nonsense", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"])
def test_a_place_that_cannot_be_read_begins_a_trace_of_its_own(traced: Traced, kept):
    with spans.span("dispatcher", parent=spans.continued(kept)):
        pass
    assert traced.all()[0].parent is None
