"""Shopify's Admin GraphQL over HTTP: an answer is data or one of ``adapters.errors``, never something in between.

GraphQL tells most failures inside a 200. What Shopify's error codes mean here:

=======================  ==============================================================================
THROTTLED                RateLimited; how long is computed from the cost and the bucket in the answer
ACCESS_DENIED            Rejected, with the access scope that is missing
SHOP_INACTIVE            Rejected
INTERNAL_SERVER_ERROR,   a read: Unavailable; a write: OutcomeUnknown
TIMEOUT
any other                ContractBroken where nothing ran (the error has no path), for a write that ran OutcomeUnknown
=======================  ==============================================================================
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

import httpx

from adapters.errors import (
    AdapterError,
    ContractBroken,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    Unavailable,
)
from adapters.http import DEFAULT_RETRY_AFTER, TIMEOUT, Http
from adapters.shopify.answer import SYSTEM, UserError, fit
from adapters.shopify.budget import LONGEST_WAIT, CostBudget, read_throttle
from adapters.shopify.documents import document

API_VERSION = "2026-07"
"""The stable version this adapter is written and validated against."""

RESENDS = 3
"""How often a throttled request is sent again before the order waits in Temporal."""

_VERSION_HEADER = "x-shopify-api-version"
_BROKE_DOWN = frozenset({"INTERNAL_SERVER_ERROR", "TIMEOUT"})


class AdminApi:
    """One shop's Admin API. ``url`` is the shop's address, such as ``https://name.myshopify.com``."""

    def __init__(
        self,
        url: str,
        access_token: str,
        *,
        api_version: str = API_VERSION,
        timeout: httpx.Timeout = TIMEOUT,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._sleep = sleep
        self._budget = CostBudget(sleep=sleep)
        self.api_version = api_version
        self.served_version: str | None = None
        """The version that answered last: Shopify serves another one where it retired the one that was asked for."""
        self._path = f"/admin/api/{api_version}/graphql.json"
        self._http = Http(
            SYSTEM,
            url,
            headers={
                "X-Shopify-Access-Token": access_token,
                "Content-Type": "application/json",
                "Accept": "application/json",
            },
            timeout=timeout,
            transport=transport,
        )

    async def close(self) -> None:
        """Give connections back."""
        await self._http.close()

    async def read(
        self, operation: str, name: str, variables: dict[str, Any], *, leave: float = 0.0
    ) -> dict[str, Any]:
        """Run the query document ``name`` and return its data; ``leave`` as in ``CostBudget.spend``."""
        return await self._run(operation, name, variables, writes=False, leave=leave)

    async def write(self, operation: str, name: str, variables: dict[str, Any]) -> dict[str, Any]:
        """Run the mutation document ``name`` and return its payload, after its user errors were looked at.

        Raises Rejected in the shop's words for user errors, OutcomeUnknown where the answer was lost.
        """
        payload = await self.attempt(operation, name, variables)
        for key, errors in payload.items():
            if key.lower().endswith("usererrors") and errors:
                refused = [
                    fit(UserError, error, operation, f"{key}.{index}")
                    for index, error in enumerate(_listed(errors))
                ]
                raise _refusal(operation, refused)
        return payload

    async def attempt(
        self, operation: str, name: str, variables: dict[str, Any], *, leave: float = 0.0
    ) -> dict[str, Any]:
        """Run the mutation document ``name`` and return its payload, user errors and all.

        Raises OutcomeUnknown where the answer was lost; ``leave`` as in ``CostBudget.spend``.
        """
        data = await self._run(operation, name, variables, writes=True, leave=leave)
        payload = next(iter(data.values()), None)
        if not isinstance(payload, dict):
            raise OutcomeUnknown(SYSTEM, operation, "the answer says neither what was done nor why not")
        return payload

    async def _run(
        self, operation: str, name: str, variables: dict[str, Any], *, writes: bool, leave: float
    ) -> dict[str, Any]:
        for _ in range(RESENDS):
            try:
                return await self._send(operation, name, variables, writes=writes, leave=leave)
            except RateLimited as error:
                # A throttled request was not run: sending it again is safe, and keeps what came before it of use.
                if error.retry_after > LONGEST_WAIT:
                    raise
                await self._sleep(error.retry_after.total_seconds())
        return await self._send(operation, name, variables, writes=writes, leave=leave)

    async def _send(
        self, operation: str, name: str, variables: dict[str, Any], *, writes: bool, leave: float
    ) -> dict[str, Any]:
        content = json.dumps({"query": document(name), "variables": variables}).encode()
        async with self._budget.spend(name, operation, leave=leave):
            response = await self._http.post(operation, self._path, content=content, writes=writes)
        self.served_version = response.headers.get(_VERSION_HEADER)
        answer = self._http.read_json(operation, response, parse_float=Decimal)
        if not isinstance(answer, dict):
            raise ContractBroken(SYSTEM, operation, "the answer is not a JSON object", response.text)
        if (throttle := read_throttle(answer)) is not None:
            self._budget.learn(name, throttle)
        if answer.get("errors"):
            raise map_errors(answer, operation, writes=writes, raw=response.text)
        data = answer.get("data")
        if not isinstance(data, dict) or not data:
            raise ContractBroken(SYSTEM, operation, "the answer has neither data nor errors", response.text)
        return data


def map_errors(answer: dict[str, Any], operation: str, *, writes: bool, raw: str) -> AdapterError:
    """Which leaf the ``errors`` of a 200 are."""
    errors = [e if isinstance(e, dict) else {"message": str(e)} for e in _listed(answer["errors"])]
    codes = {_code(error) for error in errors}
    words = "; ".join(str(error.get("message") or "no message") for error in errors)[:500]
    # an error below the mutation's own field came up while its result was read: the mutation itself has run
    ran = writes and any(len(_listed(error.get("path"))) > 1 for error in errors)
    if ran:
        return OutcomeUnknown(SYSTEM, operation, f"done or not, the answer could not be read: {words}")
    if "THROTTLED" in codes:
        return _throttled(answer, operation, words)
    if "ACCESS_DENIED" in codes:
        return Rejected(SYSTEM, operation, f"{words}{_needed(errors)}", "access_denied")
    if "SHOP_INACTIVE" in codes:
        return Rejected(SYSTEM, operation, f"the shop is not active: {words}", "shop_inactive")
    if codes & _BROKE_DOWN or (writes and any(error.get("path") for error in errors)):
        kind = OutcomeUnknown if writes else Unavailable
        return kind(SYSTEM, operation, f"broke down inside the shop: {words}")
    return ContractBroken(SYSTEM, operation, f"the request was not understood: {words}", raw)


def _throttled(answer: dict[str, Any], operation: str, words: str) -> AdapterError:
    cost = _within(answer, "extensions", "cost")
    status = _within(cost, "throttleStatus")
    requested, available, restored, maximum = (
        _number(part.get(key))
        for part, key in (
            (cost, "requestedQueryCost"),
            (status, "currentlyAvailable"),
            (status, "restoreRate"),
            (status, "maximumAvailable"),
        )
    )
    if requested is None or available is None or not restored:
        return RateLimited(SYSTEM, operation, words, DEFAULT_RETRY_AFTER)
    if maximum is not None and requested > maximum:
        reason = f"the request costs {requested} points, more than the shop ever grants ({maximum}): {words}"
        return ContractBroken(SYSTEM, operation, reason, json.dumps(answer, default=str))
    seconds = max(Decimal(0), requested - available) / restored
    return RateLimited(SYSTEM, operation, words, timedelta(seconds=float(seconds)) or DEFAULT_RETRY_AFTER)


def _refusal(operation: str, errors: Sequence[UserError]) -> Rejected:
    sentences = [f"{'.'.join(e.field)}: {e.message}" if e.field else e.message for e in errors]
    code = next((e.code.lower() for e in errors if e.code), "")
    cause = f"shop_refused:{operation}" + (f":{code}" if code else "")
    return Rejected(SYSTEM, operation, "; ".join(sentences), cause)


def _needed(errors: Iterable[dict[str, Any]]) -> str:
    scopes = sorted(
        {str(text) for error in errors if (text := _within(error, "extensions").get("requiredAccess"))}
    )
    what = " and ".join(scopes) if scopes else "the access scope that the message names"
    return f"; grant the app {what}, reinstall it and give the new access token to this channel"


def _code(error: dict[str, Any]) -> str:
    return str(_within(error, "extensions").get("code") or "")


def _within(part: dict[str, Any], *keys: str) -> dict[str, Any]:
    for key in keys:
        found = part.get(key)
        part = found if isinstance(found, dict) else {}
    return part


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _number(value: Any) -> Decimal | None:
    try:
        return None if value is None else Decimal(str(value))
    except InvalidOperation:
        return None
