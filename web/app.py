"""The webhook ingress and the health of the web process.

A webhook is answered 2xx only once its inbox row is committed: a storefront delivers again whatever was answered
otherwise, so an outage of ours costs a delay and never an order.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from opentelemetry.trace import SpanKind
from starlette.exceptions import HTTPException

from adapters import spans
from adapters.concern import concern
from adapters.ports import Probe
from adapters.webhook_ports import Delivery, DeliveryMalformed, SignatureInvalid, WebhookReader
from domain.order import OrderKey
from domain.topics import ORDERS_UPDATED
from store.errors import DatabaseUnavailable, SchemaOutdated
from store.inbox import Inbox, Received
from web.counters import Counters
from web.refusals import OUR_OWN_TELEMETRY, Refused, read_body

log = logging.getLogger(__name__)

CHECK_SECONDS = 3
RETRY_AFTER_SECONDS = 10
LONGEST_HEADER = 1_000

_KEPT_HEADERS = re.compile(r"^(content-type|content-length|user-agent|date|webhook-.+|x-.+)$")
_SECRET_HEADERS = re.compile(r"hmac|signature|token|secret|auth|api-?key|cookie|session|password")


def create_app(
    readers: Mapping[str, WebhookReader],
    inbox: Inbox,
    *,
    wake: Callable[[], None],
    check_database: Callable[[], None],
    probe_temporal: Callable[[], Awaitable[Probe]],
    max_body: int,
    keep: timedelta,
    counters: Counters | None = None,
) -> FastAPI:
    """The web application. ``wake`` is called after each new row; ``check_database`` raises what is wrong.

    ``keep`` is how long the inbox remembers a delivery: what happened before that can only be a replay.
    """
    counters = counters or Counters()
    # No documentation pages: the senders know what they send, and nobody else has business here.
    app = FastAPI(
        title="Orderwright", docs_url=None, redoc_url=None, openapi_url=None, telemetry=OUR_OWN_TELEMETRY
    )

    @app.post("/webhooks/{channel}")
    async def receive(channel: str, request: Request) -> JSONResponse:
        reader = readers.get(channel)
        if reader is None:
            raise Refused(
                404,
                "unknown_channel",
                f"there is no channel {channel[:60]!r}",
                "send to /webhooks/<name> with the name from ORDERWRIGHT_CHANNELS__<NAME>__VENDOR, in small letters",
            )
        raw = await read_body(request, max_body)
        delivery = _read_delivery(reader, raw, request.headers)
        external_id = _order_of(delivery, reader)
        _refuse_replay(delivery, keep)
        # From here on it is no stranger's: only what is signed begins a trace or names an order in the log.
        concern(order=str(OrderKey(channel=channel, external_id=external_id)), delivery=delivery.delivery_id)
        facts = {"orderwright.channel": channel, "orderwright.topic": delivery.topic}
        with spans.span("receive webhook", SpanKind.SERVER, facts) as span:
            answer = await kept(channel, external_id, delivery, raw, request.headers)
            span.set_attribute("orderwright.kept", answer)
        return JSONResponse({"status": answer})

    async def kept(
        channel: str, external_id: str, delivery: Delivery, raw: bytes, headers: Mapping[str, str]
    ) -> str:
        """What became of a delivery, in one word. Raises DatabaseUnavailable."""
        received = Received(
            channel=channel,
            delivery_id=delivery.delivery_id,
            event_id=delivery.event_id,
            topic=delivery.topic,
            external_id=external_id,
            label=delivery.label,
            occurred_at=delivery.occurred_at,
            headers=harmless_headers(headers),
            # Of what follows each of our own writes its fingerprint says all that anybody needs.
            body=b"" if delivery.topic == ORDERS_UPDATED else raw,
            trace=spans.traceparent(),
            tells=delivery.tells,
            directions=delivery.directions,
        )
        if not await asyncio.to_thread(inbox.add, received):
            counters.duplicate(channel)
            return "duplicate"
        counters.received(channel, delivery.topic)
        wake()
        return "received"

    @app.get("/healthz")
    async def alive() -> JSONResponse:
        """The process runs. Looks at nothing else: restarting it mends neither database nor Temporal."""
        return JSONResponse({"status": "alive"})

    @app.get("/readyz")
    async def ready() -> JSONResponse:
        """Webhooks can be taken.

        Temporal being away is reported, but does not make us unready: webhooks then wait in the inbox, and a
        balancer that took us out would turn an outage of Temporal into lost deliveries.
        """
        database, waiting = await _database_state(check_database, inbox)
        temporal = await _temporal_state(probe_temporal)
        report = {
            "ready": database.ok,
            "database": database.model_dump(exclude_defaults=True),
            "temporal": temporal.model_dump(exclude_defaults=True),
            "inbox": waiting,
        }
        return JSONResponse(report, status_code=200 if database.ok else 503)

    _answer_errors(app, counters)
    return app


def _answer_errors(app: FastAPI, counters: Counters) -> None:
    """Every refusal is JSON that says what is wrong and what to do."""

    @app.exception_handler(Refused)
    async def refused(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, Refused)
        counters.refused(error.reason)
        log.warning(
            "webhook refused: %s", error.error, extra={"reason": error.reason, "status": error.status}
        )
        return _answer(error.status, error.error, error.remedy)

    @app.exception_handler(DatabaseUnavailable)
    async def database_away(_request: Request, error: Exception) -> JSONResponse:
        counters.refused("database_unavailable")
        log.error("webhook not kept: %s", error)
        return _answer(
            503,
            "the webhook could not be kept: the database does not answer",
            "deliver it again later",
            {"Retry-After": str(RETRY_AFTER_SECONDS)},
        )

    @app.exception_handler(HTTPException)
    async def no_such_thing(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        remedy = "POST to /webhooks/<channel>, or GET /healthz or /readyz"
        words = f"{request.method} {request.url.path[:100]}: {error.detail}"
        return _answer(error.status_code, words, remedy, dict(error.headers or {}))

    @app.exception_handler(Exception)
    async def our_mistake(_request: Request, _error: Exception) -> JSONResponse:
        # Starlette logs the exception itself; its words may hold data, so they stay inside.
        counters.refused("internal")
        return _answer(500, "something went wrong here", "deliver it again; the reason is in our log")


def harmless_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers worth keeping: the vendor's and the content's, without signatures and secrets."""
    return {
        name: value[:LONGEST_HEADER]
        for name, value in headers.items()
        if _KEPT_HEADERS.match(name) and not _SECRET_HEADERS.search(name)
    }


def _read_delivery(reader: WebhookReader, raw: bytes, headers: Mapping[str, str]) -> Delivery:
    try:
        return reader.read(raw, headers)
    except SignatureInvalid as error:
        raise Refused(
            401,
            "signature",
            str(error),
            "sign with the secret in ORDERWRIGHT_CHANNELS__<NAME>__WEBHOOK_SECRET",
        ) from error
    except DeliveryMalformed as error:
        raise Refused(400, "malformed", str(error), "correct that part and deliver it again") from error


def _order_of(delivery: Delivery, reader: WebhookReader) -> str:
    """The order concerned. Bodies that concern none may hold anybody's data, and nobody needs them: not kept."""
    if delivery.topic not in reader.topics:
        raise Refused(
            422,
            "unknown_topic",
            f"the topic {delivery.topic[:60]!r} is not taken here",
            f"subscribe to these alone: {', '.join(sorted(reader.topics))}",
        )
    if delivery.external_id is None:
        raise Refused(
            400,
            "malformed",
            f"the {delivery.topic} webhook names no order",
            "send the order's id in the body",
        )
    return delivery.external_id


def _refuse_replay(delivery: Delivery, keep: timedelta) -> None:
    """No storefront delivers for that long; and the inbox knows younger deliveries, so those are duplicates."""
    if delivery.occurred_at is not None and delivery.occurred_at < datetime.now(UTC) - keep:
        raise Refused(
            400,
            "too_old",
            f"this happened at {delivery.occurred_at:%Y-%m-%d %H:%M} UTC, more than {keep.days} days ago",
            "do not replay old deliveries; the sweep finds orders that are missing",
        )


async def _database_state(check: Callable[[], None], inbox: Inbox) -> tuple[Probe, dict[str, Any] | None]:
    def look() -> dict[str, Any]:
        check()
        backlog = inbox.backlog()
        oldest = backlog.oldest_received_at
        age = 0 if oldest is None else max(0, round((datetime.now(UTC) - oldest).total_seconds()))
        return {"pending": backlog.pending, "failing": backlog.failing, "oldest_seconds": age}

    try:
        async with asyncio.timeout(CHECK_SECONDS):
            waiting = await asyncio.to_thread(look)
    except TimeoutError:
        return Probe(
            ok=False, detail=f"no answer within {CHECK_SECONDS} s", remedy="look at the database"
        ), None
    except DatabaseUnavailable as error:
        log.warning("not ready: %s", error)
        return Probe(ok=False, detail="does not answer", remedy="see the log; run `orderwright doctor`"), None
    except SchemaOutdated as error:
        return Probe(ok=False, detail=str(error), remedy="start one version of the program"), None
    return Probe(ok=True, detail="answers"), waiting


async def _temporal_state(probe: Callable[[], Awaitable[Probe]]) -> Probe:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await probe()
    except TimeoutError:
        return Probe(
            ok=False,
            detail=f"no answer within {CHECK_SECONDS} s; webhooks wait in the inbox",
            remedy="look at Temporal",
        )


def _answer(status: int, error: str, remedy: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": error, "remedy": remedy}, status_code=status, headers=headers)
