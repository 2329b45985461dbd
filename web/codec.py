"""Decompresses payloads for the Temporal UI and Temporal's command line, which show a history as it is stored.

It keeps nothing and knows nothing: who asks holds the payloads already. Temporal's codec protocol: what is sent
to ``POST /codec/decode`` as ``{"payloads": [...]}`` comes back readable. Temporal's command line has encoded what it
sends with a signal, too; that comes back from ``POST /codec/encode`` as it is, for workers read both. Browsers may ask
from the UI's page alone.
"""

from collections.abc import Callable
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from fastapi.responses import Response
from google.protobuf.json_format import MessageToJson, Parse, ParseError
from temporalio.api.common.v1 import Payloads

from adapters.payloads import PayloadBroken, restored
from web.refusals import Refused, read_body

PATH = "/codec"
MOST_BYTES = 33_554_432
"""That one answer may come to."""


def add_codec(app: FastAPI, ui_url: str | None, max_body: int) -> None:
    """Serve it from ``app``. ``ui_url`` is the Temporal UI's address; without one no page may ask."""
    allowed = _allowed(ui_url)

    @app.options(f"{PATH}/decode")
    @app.options(f"{PATH}/encode")
    async def may_ask() -> Response:
        """A browser asks before it sends."""
        return Response(status_code=204, headers=allowed)

    @app.post(f"{PATH}/decode")
    async def decode(request: Request) -> Response:
        """What a server gave, readable."""
        return await answer(request, _readable)

    @app.post(f"{PATH}/encode")
    async def encode(request: Request) -> Response:
        """What somebody sends, as it came."""
        return await answer(request, lambda payloads: payloads)

    async def answer(request: Request, change: Callable[[Payloads], Payloads]) -> Response:
        raw = await read_body(request, max_body)
        try:
            changed = change(Parse(raw, Payloads()))
        except (ParseError, UnicodeDecodeError, PayloadBroken) as error:
            remedy = "send what a Temporal server gave, as its command line and UI do"
            raise Refused(400, "codec", f"the payloads cannot be read: {error}", remedy) from error
        return Response(MessageToJson(changed), media_type="application/json", headers=allowed)


def _allowed(ui_url: str | None) -> dict[str, str]:
    if ui_url is None:
        return {}
    address = urlsplit(ui_url)
    return {
        "Access-Control-Allow-Origin": f"{address.scheme}://{address.netloc}",
        "Access-Control-Allow-Methods": "POST",
        "Access-Control-Allow-Headers": "content-type, x-namespace",
        "Vary": "Origin",
    }


def _readable(payloads: Payloads) -> Payloads:
    """Raises PayloadBroken."""
    readable, size = Payloads(), 0
    for payload in payloads.payloads:
        readable.payloads.append(restored(payload))
        size += readable.payloads[-1].ByteSize()
        if size > MOST_BYTES:
            raise PayloadBroken(f"together they are larger than {MOST_BYTES} bytes; send fewer at once")
    return readable
