"""A small JSON-RPC client of Tryton for the sandbox's own people; the application has its own in ``adapters``.

Kept apart on purpose: what the demo reads back through this one does not trust the code under test.
"""

import asyncio
import base64
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import TracebackType
from typing import Any, Self

import httpx

TIMEOUT = httpx.Timeout(60.0, connect=5.0)
UNAUTHORIZED = "LoginException"
"""Tryton's word for a missing login; it answers HTTP 401 with an empty body."""


class Refused(Exception):
    """The ERP said no; ``kind`` is Tryton's word (``UserError``, ``UserWarning``...), ``words`` its reason."""

    def __init__(self, kind: str, words: Sequence[str]) -> None:
        self.kind = kind
        self.words = tuple(words)
        super().__init__(f"{kind}: {' '.join(word for word in words if word)[:500]}")


class Rpc:
    """One login at the ERP. Use as an async context manager, or call ``close``. ``transport`` is for tests."""

    def __init__(
        self,
        url: str,
        database: str,
        login: str,
        password: str,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._login, self._password = login, password
        self._path = f"/{database}/rpc/"
        self._client = httpx.AsyncClient(base_url=url, timeout=TIMEOUT, transport=transport)
        self._context: dict[str, Any] = {}
        self._logged_in = False
        self._authorization = ""
        self._renewing = asyncio.Lock()

    async def __aenter__(self) -> Self:
        try:
            await self.login()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Give connections back; the session stays valid at the ERP until ``logout``."""
        await self._client.aclose()

    async def login(self) -> None:
        """Log in and take over the user's preferences (company, language). Raises Refused."""
        answer = await self._post(
            "common.db.login", self._login, {"password": self._password}, "en", authorized=False
        )
        user, token, *_ = answer
        session = f"{self._login}:{user}:{token}".encode()
        self._authorization = "Session " + base64.b64encode(session).decode()
        self._context = await self._post("model.res.user.get_preferences", True, {})
        self._logged_in = True

    async def logout(self) -> None:
        """Give the session back; Tryton looks through all of a user's sessions at every call."""
        await self._post("common.db.logout")
        self._logged_in = False

    async def call(self, model: str, method: str, *args: Any, kind: str = "model", **context: Any) -> Any:
        """Call a method of a model (or ``kind="wizard"``); keywords go into the context. Raises Refused."""
        before = self._authorization
        if self._logged_in:
            try:
                return await self._post(f"{kind}.{model}.{method}", *args, {**self._context, **context})
            except Refused as refusal:
                # The ERP forgot the session, for example because it started afresh: the call was not made.
                if refusal.kind != UNAUTHORIZED:
                    raise
        async with self._renewing:
            # Several calls of ours find the session gone at once: one login is enough for them all.
            if not self._logged_in or self._authorization == before:
                await self.login()
        return await self._post(f"{kind}.{model}.{method}", *args, {**self._context, **context})

    async def find(
        self, model: str, domain: Sequence[Any], fields: Sequence[str], **context: Any
    ) -> list[Any]:
        """Records that fit ``domain``, oldest first, with ``fields``."""
        found = await self.call(model, "search_read", domain, 0, None, [["id", "ASC"]], fields, **context)
        return list(found)

    async def read(self, model: str, ids: Sequence[int], fields: Sequence[str], **context: Any) -> list[Any]:
        """Records by id, in the order of ``ids``."""
        by_id = {
            record["id"]: record for record in await self.call(model, "read", list(ids), fields, **context)
        }
        return [by_id[each] for each in ids]

    async def press(self, model: str, button: str, ids: Sequence[int]) -> None:
        """Press a button, clicking through Tryton's warnings as a person would. Raises Refused."""
        await self.call_minding_warnings(model, button, list(ids))

    async def call_minding_warnings(self, model: str, method: str, *args: Any, kind: str = "model") -> Any:
        """Call, and where Tryton warns, say yes and call again. Raises Refused for anything but a warning."""
        while True:
            try:
                return await self.call(model, method, *args, kind=kind)
            except Refused as refusal:
                if refusal.kind != "UserWarning":
                    raise
                # Each warning has its own name, and is asked once: this ends.
                await self.call("res.user.warning", "skip", refusal.words[0], False)

    async def _post(self, method: str, *params: Any, authorized: bool = True) -> Any:
        body = json.dumps({"id": 0, "method": method, "params": params}, default=_encode)
        headers = {"Content-Type": "application/json"}
        if authorized and self._authorization:
            headers["Authorization"] = self._authorization
        response = await self._client.post(self._path, content=body.encode(), headers=headers)
        if response.status_code == httpx.codes.UNAUTHORIZED:
            raise Refused(UNAUTHORIZED, [f"{self._login} is not logged in, or the password is wrong"])
        response.raise_for_status()
        answer = json.loads(response.content, object_hook=_decode)
        if "error" in answer:
            kind, words = answer["error"]
            words = words if isinstance(words, list) else [words]
            raise Refused(str(kind), [str(word) for word in words if isinstance(word, str)])
        return answer["result"]


def _encode(value: Any) -> Any:
    match value:
        case Decimal():
            return {"__class__": "Decimal", "decimal": str(value)}
        case datetime():
            # Tryton's times are UTC and carry no zone.
            utc = value.astimezone(UTC)
            return {"__class__": "datetime", **_parts(utc), **_clock(utc)}
        case date():
            return {"__class__": "date", **_parts(value)}
        case timedelta():
            return {"__class__": "timedelta", "seconds": value.total_seconds()}
        case _:
            raise TypeError(f"{type(value).__name__} cannot be sent to Tryton")


def _parts(value: date) -> dict[str, int]:
    return {"year": value.year, "month": value.month, "day": value.day}


def _clock(value: datetime) -> dict[str, int]:
    return {
        "hour": value.hour,
        "minute": value.minute,
        "second": value.second,
        "microsecond": value.microsecond,
    }


def _decode(found: dict[str, Any]) -> Any:
    values = {name: value for name, value in found.items() if name != "__class__"}
    match found.get("__class__"):
        case "Decimal":
            return Decimal(found["decimal"])
        case "date":
            return date(**values)
        case "datetime":
            return datetime(**values, tzinfo=UTC)
        case "timedelta":
            return timedelta(**values)
        case "bytes":
            return base64.b64decode(found["base64"])
        case _:
            return found
