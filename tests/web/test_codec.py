"""The way for the Temporal UI and its command line to read payloads that are compressed."""

import base64
import json
import zlib
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
from google.protobuf.json_format import MessageToDict, MessageToJson
from temporalio.api.common.v1 import Payload, Payloads

from adapters.payloads import ENCODING, LARGEST, compressed
from adapters.ports import Probe
from store.database import Database
from store.inbox import Inbox
from web.app import create_app
from web.codec import add_codec

MAX_BODY = 100_000
UI = "http://127.0.0.1:8233/some/path"
LARGE = Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(["TEE-BLK-M"] * 2_000).encode())
SMALL = Payload(metadata={"encoding": b"json/plain"}, data=b'"a signal"')

BOMB = zlib.compress(Payload(data=b"\0" * (LARGEST - 100)).SerializeToString())


def asked(*data: bytes) -> bytes:
    """A request for payloads that say that they are compressed."""
    packed = [Payload(metadata={"encoding": ENCODING}, data=each) for each in data]
    return MessageToJson(Payloads(payloads=packed)).encode()


@pytest.fixture
async def client(sqlite_db: Database) -> AsyncIterator[httpx.AsyncClient]:
    async def probe() -> Probe:
        return Probe(ok=True, detail="answers")

    app = create_app(
        {},
        Inbox(sqlite_db),
        wake=lambda: None,
        check_database=sqlite_db.check,
        probe_temporal=probe,
        max_body=MAX_BODY,
        keep=timedelta(days=1),
    )
    add_codec(app, UI, MAX_BODY)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://web") as client:
        yield client


async def test_compressed_payloads_become_readable_and_others_stay(client: httpx.AsyncClient):
    assert compressed(LARGE).metadata["encoding"] == ENCODING
    packed = MessageToDict(Payloads(payloads=[compressed(LARGE), SMALL]))
    answer = await client.post("/codec/decode", json=packed, headers={"X-Namespace": "default"})
    assert answer.status_code == 200
    large, small = answer.json()["payloads"]
    assert base64.b64decode(large["data"]) == LARGE.data
    assert base64.b64decode(small["data"]) == SMALL.data
    assert answer.headers["Access-Control-Allow-Origin"] == "http://127.0.0.1:8233"


async def test_what_is_sent_with_a_signal_comes_back_as_it_is(client: httpx.AsyncClient):
    given = MessageToDict(Payloads(payloads=[SMALL]))
    answer = await client.post("/codec/encode", json=given, headers={"X-Namespace": "default"})
    assert answer.status_code == 200
    assert answer.json() == given
    assert (await client.options("/codec/encode")).status_code == 204
    assert (await client.post("/codec/encode", content=b"no JSON")).status_code == 400


async def test_a_browser_may_ask_from_the_uis_page_alone(client: httpx.AsyncClient):
    answer = await client.options("/codec/decode", headers={"Origin": "http://evil.example"})
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == "http://127.0.0.1:8233"
    assert "x-namespace" in answer.headers["Access-Control-Allow-Headers"]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"no JSON", "cannot be read"),
        (asked(b"no such form"), "broken"),
        (asked(*[BOMB] * 5), "larger than"),
    ],
)
async def test_what_cannot_be_read_is_refused_with_the_reason(
    client: httpx.AsyncClient, body: bytes, why: str
):
    answer = await client.post("/codec/decode", content=body)
    assert answer.status_code == 400
    assert why in answer.json()["error"]
    assert answer.json()["remedy"]
