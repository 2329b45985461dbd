"""Tryton's JSON-RPC: encoding, one shared login, and its words mapped onto ``adapters.errors``.

Tryton answers HTTP 200 with ``error: [kind, details]`` for what its own code refuses, and has rolled its transaction
back by then; so a refusal or a fault is certain, and only transport can leave a write's outcome unknown.
"""

import asyncio
import base64
import datetime as dt
import itertools
import json
import re
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, NoReturn

import httpx
from pydantic import SecretStr

from adapters.errors import (
    Conflict,
    ContractBroken,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    SessionExpired,
    Unavailable,
)
from adapters.http import Http

SYSTEM: Final = "tryton"
# One confirmed sale with many lines can take Tryton several seconds, and calls queue behind each other.
TIMEOUT: Final = httpx.Timeout(60.0, connect=5.0, pool=30.0)
# Tryton counts failed logins over five minutes and locks the account from the fifth, checking the password no more:
# three attempts in that time leave room for a human.
LOGIN_HOLD: Final = dt.timedelta(seconds=120)
LOGIN_LOCK: Final = dt.timedelta(seconds=60)
"""The least time to wait after Tryton locked the login (HTTP 429)."""
MAX_WORDS: Final = 300
TELLING_WORDS: Final = 2_000
"""Characters from which the kind of a refusal is told; the search for names in them takes the square of that."""
MAX_WARNINGS: Final = 200
_NAMES_AND_NUMBERS: Final = re.compile(r"\"[^\"]*\"|“[^”]*”|'[^']*'|\S*\d\S*")
_ROLLED_BACK: Final = ("database is locked", "could not serialize", "deadlock detected", "lock timeout")
_CONNECTION_LOST: Final = (
    "server closed the connection",
    "connection is closed",
    "connection already closed",
)


class _SessionRefused(Exception):
    """The session is not (or no longer) known to the server."""


class _Session:
    def __init__(self, authorization: str) -> None:
        self.authorization = authorization
        self.context: dict[str, Any] = {}


class TrytonRpc:
    """A connection to one Tryton database as one user. Safe to share between tasks."""

    def __init__(
        self,
        url: str,
        database: str,
        login: str,
        password: SecretStr,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        timeout: httpx.Timeout = TIMEOUT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = f"/{database}/rpc/"
        self._login = login
        self._password = password
        self._http = Http(
            SYSTEM, url, headers={"Content-Type": "application/json"}, timeout=timeout, transport=transport
        )
        self._clock = clock
        self._ids = itertools.count(1)
        self._session: _Session | None = None
        self._login_lock = asyncio.Lock()
        self._login_held_until = 0.0
        self._login_error: SessionExpired | RateLimited | None = None

    async def close(self) -> None:
        """Give connections back."""
        await self._http.close()

    async def call(
        self,
        operation: str,
        method: str,
        *arguments: Any,
        writes: bool,
        context: dict[str, Any] | None = None,
        acknowledge: Callable[[str, str], bool] | None = None,
    ) -> Any:
        """Call ``model.NAME.METHOD`` (or ``wizard...``) and return its result.

        ``operation`` is what a human calls it. ``acknowledge`` says by its name and words whether a warning that Tryton
        raises is accepted; the call is then made again. Any other warning is Rejected with cause ``erp_warning``.
        """
        for _ in range(MAX_WARNINGS):
            answer = await self._send(operation, method, arguments, context or {}, writes=writes)
            if "error" not in answer:
                return answer.get("result")
            kind, details = _error_of(answer)
            accepts = acknowledge if kind == "UserWarning" and details else None
            if accepts is not None and accepts(str(details[0]), shorten(details[1:3])):
                await self.call(
                    "acknowledge warning", "model.res.user.warning.skip", details[0], False, writes=True
                )
                continue
            self._refuse(operation, kind, details, answer, writes=writes)
        raise Rejected(
            SYSTEM,
            operation,
            f"more than {MAX_WARNINGS} warnings were acknowledged in one call",
            "erp_warning",
        )

    async def _send(
        self,
        operation: str,
        method: str,
        arguments: tuple[Any, ...],
        context: dict[str, Any],
        *,
        writes: bool,
    ) -> dict[str, Any]:
        """One call, logged in; after a refused session once more with a new one. The refused call did nothing."""
        session = await self._logged_in(None)
        try:
            return await self._post(operation, method, arguments, context, session, writes=writes)
        except _SessionRefused:
            session = await self._logged_in(session)
        try:
            return await self._post(operation, method, arguments, context, session, writes=writes)
        except _SessionRefused as again:
            cause = again.__cause__
            if isinstance(cause, Rejected):
                raise cause from None
            raise SessionExpired(SYSTEM, operation, "logged in again, and was refused again") from again

    async def _post(
        self,
        operation: str,
        method: str,
        arguments: tuple[Any, ...],
        context: dict[str, Any],
        session: _Session,
        *,
        writes: bool,
    ) -> dict[str, Any]:
        try:
            answer = await self._exchange(
                operation, method, [*arguments, {**session.context, **context}], session, writes=writes
            )
        except SessionExpired as error:
            raise _SessionRefused from error
        except Rejected as error:
            # 403 is a session that the server does not take, or a method it does not offer: a new login tells.
            if error.cause == f"http_refused:{SYSTEM}:403":
                raise _SessionRefused from error
            raise
        if "error" in answer and _error_of(answer)[0] == "LoginException":
            raise _SessionRefused
        return answer

    async def _exchange(
        self, operation: str, method: str, params: list[Any], session: _Session | None, *, writes: bool
    ) -> dict[str, Any]:
        body = json.dumps({"id": next(self._ids), "method": method, "params": params}, default=_encode)
        response = await self._http.post(
            operation,
            self._path,
            content=body.encode(),
            writes=writes,
            headers={"Authorization": session.authorization} if session else None,
        )
        try:
            answer = self._http.read_json(operation, response, object_hook=_decode)
        except (KeyError, TypeError, ArithmeticError) as error:
            raise ContractBroken(
                SYSTEM, operation, f"a value cannot be read ({error!r})", response.text
            ) from error
        if not isinstance(answer, dict) or not ({"result", "error"} & answer.keys()):
            raise ContractBroken(SYSTEM, operation, "the answer has neither result nor error", response.text)
        return answer

    async def _logged_in(self, refused: _Session | None) -> _Session:
        """The session that all tasks share; a new one where ``refused`` is still the current one."""
        async with self._login_lock:
            if self._session is None or self._session is refused:
                self._session = None
                self._session = await self._log_in()
            return self._session

    async def _log_in(self) -> _Session:
        """Log in, at most once per hold after a refusal: each failed try brings the account nearer to its lock."""
        operation = "log in"
        if self._login_error is not None and self._clock() < self._login_held_until:
            raise self._login_error.with_traceback(None)
        self._login_error = None
        secret = {"password": self._password.get_secret_value()}
        try:
            answer = await self._exchange(
                operation, "common.db.login", [self._login, secret, "en"], None, writes=False
            )
        except SessionExpired as error:
            self._hold(_login_refused(self._login), LOGIN_HOLD)
            raise self._login_error from error  # type: ignore[misc]  # just set by _hold
        except RateLimited as error:
            wait = max(error.retry_after, LOGIN_LOCK)
            self._hold(
                RateLimited(
                    SYSTEM, operation, f"Tryton locked the login of {self._login!r} for a while", wait
                ),
                wait,
            )
            raise self._login_error from error  # type: ignore[misc]
        result = answer.get("result")
        if not isinstance(result, list) or len(result) < 2:  # noqa: PLR2004  user id and token
            self._hold(_login_refused(self._login), LOGIN_HOLD)
            raise self._login_error  # type: ignore[misc]
        user, token = result[:2]
        credentials = base64.b64encode(f"{self._login}:{user}:{token}".encode()).decode()
        session = _Session(f"Session {credentials}")
        preferences = await self._exchange(
            "read preferences", "model.res.user.get_preferences", [True, {}], session, writes=False
        )
        if not isinstance(preferences.get("result"), dict):
            raise ContractBroken(SYSTEM, operation, "the user has no preferences", str(preferences))
        # English, so that the words of refusals are the same whoever runs the server.
        session.context = {**preferences["result"], "language": "en"}
        return session

    def _hold(self, error: SessionExpired | RateLimited, wait: dt.timedelta) -> None:
        self._login_error = error
        self._login_held_until = self._clock() + wait.total_seconds()

    def _refuse(
        self, operation: str, kind: str, details: list[Any], answer: dict[str, Any], *, writes: bool
    ) -> NoReturn:
        """Raise the leaf that an ``error`` answer is."""
        match kind:
            case "UserError":
                raise Rejected(
                    SYSTEM, operation, shorten(details[:2]), f"erp_refused:{SYSTEM}:{kind_of(details[:1])}"
                )
            case "UserWarning":
                raise Rejected(
                    SYSTEM, operation, shorten(details[1:3]), f"erp_warning:{SYSTEM}:{kind_of(details[1:2])}"
                )
            case "ConcurrencyException":
                raise Conflict(SYSTEM, operation, f"somebody changed the record ({shorten(details[:1])})")
        words = kind.lower()
        if any(part in words for part in _ROLLED_BACK):
            raise Unavailable(SYSTEM, operation, f"the database is busy ({shorten([kind])})")
        if any(part in words for part in _CONNECTION_LOST):
            reason = f"the ERP lost its database ({shorten([kind])})"
            raise (OutcomeUnknown if writes else Unavailable)(SYSTEM, operation, reason)
        raise ContractBroken(
            SYSTEM, operation, f"the ERP failed: {shorten([kind])}", json.dumps(answer, default=str)
        )


def _login_refused(login: str) -> SessionExpired:
    return SessionExpired(
        SYSTEM, "log in", f"Tryton refuses the login {login!r}; check user name and password in the settings"
    )


def shorten(words: list[Any]) -> str:
    """Tryton's words on one line, at most 300 characters: a domain error can be 36 KB."""
    text = " ".join(" ".join(str(word) for word in words if word).split())
    return text if len(text) <= MAX_WORDS else text[: MAX_WORDS - 1] + "…"


def kind_of(words: list[Any]) -> str:
    """Tryton's words without names and numbers: refusals that differ only in those share a cause."""
    said = " ".join(str(word) for word in words if word)[:TELLING_WORDS]
    bare = _NAMES_AND_NUMBERS.sub(" ", said)
    return "-".join(re.findall(r"[a-z]+", bare.lower()))[:80] or "without-words"


def _error_of(answer: dict[str, Any]) -> tuple[str, list[Any]]:
    """Kind and details of an error answer: ``[kind, [details]]`` or, for a fault, ``[words, traceback]``."""
    error = answer["error"]
    if not isinstance(error, list) or not error:
        return str(error), []
    details = error[1] if len(error) > 1 else []
    return str(error[0]), details if isinstance(details, list) else [details]


def _encode(value: Any) -> dict[str, Any]:
    """What JSON lacks, as Tryton's ``__class__`` objects."""
    match value:
        case Decimal():
            return {"__class__": "Decimal", "decimal": str(value)}
        case dt.datetime():
            names = ("year", "month", "day", "hour", "minute", "second", "microsecond")
            return {"__class__": "datetime", **{name: getattr(value, name) for name in names}}
        case dt.date():
            return {"__class__": "date", "year": value.year, "month": value.month, "day": value.day}
        case dt.timedelta():
            return {"__class__": "timedelta", "seconds": value.total_seconds()}
        case bytes():
            return {"__class__": "bytes", "base64": base64.encodebytes(value).decode()}
    msg = f"{type(value).__name__} cannot be sent to Tryton"
    raise TypeError(msg)


def _decode(value: dict[str, Any]) -> Any:
    """The reverse of ``_encode``. Tryton's times have no zone and mean UTC; they stay as they are for comparing."""
    fields = {name: part for name, part in value.items() if name != "__class__"}
    match value.get("__class__"):
        case "Decimal":
            return Decimal(value["decimal"])
        case "datetime":
            return dt.datetime(**fields)  # noqa: DTZ001  see above
        case "date":
            return dt.date(**fields)
        case "time":
            return dt.time(**fields)
        case "timedelta":
            return dt.timedelta(seconds=value["seconds"])
        case "bytes":
            return base64.decodebytes(value["base64"].encode())
    return value
