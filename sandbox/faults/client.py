"""Client of the control API, for drills, tests and the command line."""

from types import TracebackType
from typing import Any, Self

import httpx

from sandbox.faults.call_log import Call, Counts
from sandbox.faults.control import ProxyReading
from sandbox.faults.rules import Rule

_TIMEOUT = httpx.Timeout(30.0, connect=5.0)


class ControlRefused(Exception):
    """The control API said no, in these words."""


class Faults:
    """Sets rules at the proxies of one process and reads what reached them. ``url`` is the control address."""

    def __init__(self, url: str) -> None:
        self._client = httpx.AsyncClient(base_url=f"{url}/control", timeout=_TIMEOUT, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def proxies(self) -> list[ProxyReading]:
        """All of them, with their rules."""
        return [ProxyReading.model_validate(each) for each in await self._send("GET", "/proxies")]

    async def set_rule(self, proxy: str, rule: Rule) -> int:
        """Put a rule in force at a proxy; returns its id."""
        return int(await self._send("POST", f"/proxies/{proxy}/rules", rule.model_dump(mode="json")))

    async def lift(self, proxy: str, number: int) -> None:
        """Take one rule out of force."""
        await self._send("DELETE", f"/proxies/{proxy}/rules/{number}")

    async def clear(self, proxy: str) -> None:
        """Take all rules of a proxy out of force."""
        await self._send("DELETE", f"/proxies/{proxy}/rules")

    async def log(self, proxy: str, after: int = 0) -> list[Call]:
        """Calls with a higher number, oldest first."""
        return [
            Call.model_validate(each)
            for each in await self._send("GET", f"/proxies/{proxy}/log?after={after}")
        ]

    async def counts(self, proxy: str) -> Counts:
        """Calls counted since the start of the proxy."""
        return Counts.model_validate(await self._send("GET", f"/proxies/{proxy}/counts"))

    async def _send(self, method: str, path: str, body: Any = None) -> Any:
        response = await self._client.request(method, path, json=body)
        if response.is_success:
            return response.json()
        try:
            words = response.json()["detail"]
        except (ValueError, KeyError, TypeError):
            words = response.text
        raise ControlRefused(words if isinstance(words, str) else str(words))
