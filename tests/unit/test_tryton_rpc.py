"""Tryton's JSON-RPC against a scripted server: encoding, the shared login, and what its words become."""

import asyncio
import base64
import datetime as dt
import json
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

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
from adapters.tryton.rpc import LOGIN_HOLD, LOGIN_LOCK, TrytonRpc, kind_of

Answer = Callable[[str, list[Any]], Any]


class FakeTryton:
    """Speaks Tryton's protocol: logins, sessions, and ``answer`` for everything else."""

    def __init__(self, answer: Answer = lambda method, params: None) -> None:
        self.answer = answer
        self.logins = 0
        self.valid: set[str] = set()
        self.calls: list[tuple[str, list[Any]]] = []
        self.login_status = 200
        self.refuse_sessions_with: int | None = None
        self.preferences: dict[str, Any] = {"company": 1, "language": "de"}

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/erp/rpc/"
        body = json.loads(request.content)
        method, params = body["method"], body["params"]
        # Let other tasks run, as a real server would.
        await asyncio.sleep(0)
        if method == "common.db.login":
            self.logins += 1
            if self.login_status != 200:
                return httpx.Response(self.login_status)
            assert params == ["me", {"password": "secret"}, "en"]
            self.valid = {f"token{self.logins}"}
            return self.reply(body, [7, f"token{self.logins}", None])
        scheme, _, credentials = request.headers["authorization"].partition(" ")
        assert scheme == "Session"
        login, user, token = base64.b64decode(credentials).decode().split(":")
        assert (login, user) == ("me", "7")
        if token not in self.valid:
            return httpx.Response(401)
        if self.refuse_sessions_with and method != "model.res.user.get_preferences":
            return httpx.Response(self.refuse_sessions_with)
        if method == "model.res.user.get_preferences":
            return self.reply(body, self.preferences)
        self.calls.append((method, params))
        result = self.answer(method, params)
        if isinstance(result, httpx.Response):
            return result
        if isinstance(result, Exception):
            raise result
        if isinstance(result, dict) and "error" in result:
            return httpx.Response(200, json={"id": body["id"], **result})
        return self.reply(body, result)

    def reply(self, body: dict[str, Any], result: Any) -> httpx.Response:
        return httpx.Response(200, json={"id": body["id"], "result": result})


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def connect(server: FakeTryton, clock: Callable[[], float] = time.monotonic) -> TrytonRpc:
    return TrytonRpc(
        "http://erp", "erp", "me", SecretStr("secret"), transport=httpx.MockTransport(server), clock=clock
    )


def error(kind: str, *details: Any) -> dict[str, Any]:
    return {"error": [kind, list(details)]}


async def test_the_context_of_the_user_comes_last_and_in_english() -> None:
    server = FakeTryton(lambda method, params: "fine")
    rpc = connect(server)
    assert await rpc.call("read", "model.x.read", [1], ["name"], writes=False, context={"a": 1}) == "fine"
    assert server.calls == [("model.x.read", [[1], ["name"], {"company": 1, "language": "en", "a": 1}])]


async def test_values_that_json_lacks_go_there_and_back() -> None:
    values = {
        "price": Decimal("19.9900"),
        "at": dt.datetime(2026, 1, 2, 3, 4, 5, 678),  # noqa: DTZ001  Tryton's times have no zone
        "on": dt.date(2026, 1, 2),
        "for": dt.timedelta(seconds=90),
        "file": b"\x00\xff" * 60,
        "name": "Žofie 山田",
    }
    server = FakeTryton(lambda method, params: params[0])
    answer = await connect(server).call("echo", "model.x.echo", values, writes=False)
    assert answer == values
    assert str(answer["price"]) == "19.9900"
    assert type(answer["on"]) is dt.date


async def test_a_time_of_day_is_read() -> None:
    clock = {"__class__": "time", "hour": 1, "minute": 2, "second": 3, "microsecond": 4}
    answer = await connect(FakeTryton(lambda method, params: clock)).call(
        "read", "model.x.read", writes=False
    )
    assert answer == dt.time(1, 2, 3, 4)


async def test_a_value_that_tryton_has_no_word_for_is_our_mistake() -> None:
    with pytest.raises(TypeError, match="object cannot be sent"):
        await connect(FakeTryton()).call("write", "model.x.write", object(), writes=True)


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"[]",
        b"{}",
        b'{"result": {"__class__": "Decimal"}}',
        b'{"result": {"__class__": "Decimal", "decimal": "x"}}',
        b'{"result": {"__class__": "date", "year": 2026}}',
    ],
)
async def test_an_answer_of_another_form_breaks_the_contract(body: bytes) -> None:
    server = FakeTryton(lambda method, params: httpx.Response(200, content=body))
    with pytest.raises(ContractBroken) as caught:
        await connect(server).call("read", "model.x.read", writes=False)
    assert caught.value.raw == body.decode()


async def test_many_calls_at_once_share_one_login() -> None:
    server = FakeTryton(lambda method, params: params[0])
    rpc = connect(server)
    answers = await asyncio.gather(*(rpc.call("read", "model.x.read", n, writes=False) for n in range(20)))
    assert answers == list(range(20))
    assert server.logins == 1


async def test_an_expired_session_is_renewed_once_for_all_calls() -> None:
    server = FakeTryton(lambda method, params: params[0])
    rpc = connect(server)
    await rpc.call("read", "model.x.read", 0, writes=False)
    server.valid.clear()
    answers = await asyncio.gather(*(rpc.call("write", "model.x.write", n, writes=True) for n in range(20)))
    assert answers == list(range(20))
    assert server.logins == 2
    assert len(server.calls) == 21


async def test_a_session_refused_again_right_after_login_is_told() -> None:
    server = FakeTryton()
    server.refuse_sessions_with = 401
    with pytest.raises(SessionExpired, match="logged in again"):
        await connect(server).call("read", "model.x.read", writes=False)
    assert server.logins == 2
    assert server.calls == []


async def test_a_method_that_is_not_offered_is_refused_after_one_new_login() -> None:
    server = FakeTryton()
    server.refuse_sessions_with = 403
    with pytest.raises(Rejected) as caught:
        await connect(server).call("read", "model.x.read", writes=False)
    assert caught.value.cause == "http_refused:tryton:403"
    assert server.logins == 2


async def test_a_login_exception_renews_the_session() -> None:
    answers = [error("LoginException", "password", "Password for me", "password"), "fine"]
    server = FakeTryton(lambda method, params: answers.pop(0))
    assert await connect(server).call("read", "model.x.read", writes=False) == "fine"
    assert server.logins == 2


async def test_a_wrong_password_is_not_tried_again_until_the_hold_is_over() -> None:
    server, clock = FakeTryton(), Clock()
    server.login_status = 401
    rpc = connect(server, clock)
    for _ in range(10):
        with pytest.raises(SessionExpired, match="check user name and password"):
            await rpc.call("read", "model.x.read", writes=False)
    assert server.logins == 1
    clock.now += LOGIN_HOLD.total_seconds()
    server.login_status = 200
    await rpc.call("read", "model.x.read", writes=False)
    assert server.logins == 2


async def test_a_locked_login_waits_and_is_not_tried_meanwhile() -> None:
    server, clock = FakeTryton(), Clock()
    server.login_status = 429
    rpc = connect(server, clock)
    for _ in range(5):
        with pytest.raises(RateLimited, match="locked the login") as caught:
            await rpc.call("write", "model.x.write", writes=True)
        assert caught.value.retry_after == LOGIN_LOCK
    assert server.logins == 1


async def test_no_error_tells_the_password() -> None:
    server = FakeTryton()
    server.login_status = 401
    with pytest.raises(SessionExpired) as caught:
        await connect(server).call("read", "model.x.read", writes=False)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "writes", "expected", "words"),
    [
        (
            error("UserError", "The product\n  is not salable.", "Ask."),
            True,
            Rejected,
            "is not salable. Ask.",
        ),
        (error("UserWarning", "w_1", "Out of stock", "3 left"), True, Rejected, "Out of stock 3 left"),
        (error("ConcurrencyException", "Records have been modified"), True, Conflict, "modified"),
        ({"error": ["ConcurrencyException", "Records have been modified"]}, True, Conflict, "modified"),
        ({"error": ["database is locked", "Traceback"]}, True, Unavailable, "busy"),
        ({"error": ["could not serialize access due to", ""]}, False, Unavailable, "busy"),
        (
            {"error": ["server closed the connection unexpectedly", ""]},
            True,
            OutcomeUnknown,
            "lost its database",
        ),
        (
            {"error": ["server closed the connection unexpectedly", ""]},
            False,
            Unavailable,
            "lost its database",
        ),
        ({"error": ["'nofield'", "Traceback: line 1"]}, True, ContractBroken, "'nofield'"),
        ({"error": "broken"}, False, ContractBroken, "broken"),
        (httpx.Response(500), True, OutcomeUnknown, "500"),
        (httpx.Response(504), False, Unavailable, "504"),
        (httpx.Response(503), True, Unavailable, "503"),
        (httpx.Response(422, text="Missing context argument"), True, Rejected, "Missing context"),
        (httpx.ReadTimeout("too late"), True, OutcomeUnknown, "too late"),
        (httpx.ReadTimeout("too late"), False, Unavailable, "too late"),
    ],
)
async def test_what_tryton_says_becomes_a_leaf(
    answer: Any, writes: bool, expected: type[AdapterError], words: str
) -> None:
    server = FakeTryton(lambda method, params: answer)
    with pytest.raises(AdapterError) as caught:
        await connect(server).call("confirm sale", "model.x.confirm", writes=writes)
    assert type(caught.value) is expected
    assert words in caught.value.reason
    assert caught.value.operation == "confirm sale"
    assert len(server.calls) == 1


async def test_long_words_are_cut_and_a_fault_keeps_its_raw_answer() -> None:
    server = FakeTryton(lambda method, params: error("UserError", "x" * 36_000, ""))
    with pytest.raises(Rejected) as refused:
        await connect(server).call("write", "model.x.write", writes=True)
    assert len(refused.value.reason) == 300
    server = FakeTryton(lambda method, params: {"error": ["boom", "Traceback here"]})
    with pytest.raises(ContractBroken) as broken:
        await connect(server).call("write", "model.x.write", writes=True)
    assert "Traceback here" in broken.value.raw


async def test_only_an_acknowledged_warning_is_skipped() -> None:
    pending = ["stock_1", "stock_2", "price_1"]

    def answer(method: str, params: list[Any]) -> Any:
        if method == "model.res.user.warning.skip":
            assert params[:2] == [pending[0], False]
            return pending.pop(0) and None
        return error("UserWarning", pending[0], f"warning {pending[0]}", "")

    server = FakeTryton(answer)
    with pytest.raises(Rejected, match="warning price_1") as caught:
        await connect(server).call(
            "quote",
            "model.sale.sale.quote",
            [1],
            writes=True,
            acknowledge=lambda name, _: name.startswith("stock_"),
        )
    assert caught.value.cause == "erp_warning:tryton:warning"
    assert [method for method, _ in server.calls].count("model.sale.sale.quote") == 3


async def test_warnings_that_never_end_are_refused() -> None:
    def answer(method: str, params: list[Any]) -> Any:
        return None if method.endswith("skip") else error("UserWarning", "again", "again", "")

    with pytest.raises(Rejected, match="more than"):
        await connect(FakeTryton(answer)).call(
            "quote", "model.x.quote", writes=True, acknowledge=lambda *_: True
        )


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ('The period "2026-01" is closed for move "42".', "the-period-is-closed-for-move"),
        ("Sale SO-00012 lacks an address", "sale-lacks-an-address"),
        ("", "without-words"),
    ],
)
def test_refusals_that_differ_in_names_and_numbers_share_a_kind(words: str, kind: str) -> None:
    assert kind_of([words]) == kind
