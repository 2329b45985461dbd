"""The memory ERP in another process, over JSON, as ``sandbox.memory_erp`` serves it. For trials, not for a brand."""

import json
from typing import Any, TypeVar

import httpx
from pydantic import TypeAdapter, ValidationError

from adapters.errors import ContractBroken, Rejected
from adapters.http import TIMEOUT, Http
from adapters.ports import CancelOutcome, ErpCapabilities, ErpChanges, Probe
from domain.erp_order import ErpOrder, SalesOrder
from domain.order import OrderKey

SYSTEM = "memory ERP"
Result = TypeVar("Result")

_FOUND: TypeAdapter[ErpOrder | None] = TypeAdapter(ErpOrder | None)
_ORDER = TypeAdapter(ErpOrder)
_OUTCOME = TypeAdapter(CancelOutcome)
_CHANGES = TypeAdapter(ErpChanges)
_PROBE = TypeAdapter(Probe)
_NOTHING: TypeAdapter[None] = TypeAdapter(None)


class RemoteErp:
    """Implements ``ErpPort``. The books keep one order a key, so a call that is sent again finds what it did."""

    def __init__(
        self, url: str, *, timeout: httpx.Timeout = TIMEOUT, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self.capabilities = ErpCapabilities()
        headers = {"Content-Type": "application/json"}
        self._http = Http(SYSTEM, url, headers=headers, timeout=timeout, transport=transport)

    async def find_order(self, key: OrderKey) -> ErpOrder | None:
        """See ``ErpPort``."""
        return await self._ask("find order", "find_order", _FOUND, key=key.model_dump())

    async def submit_order(self, order: SalesOrder) -> ErpOrder:
        """See ``ErpPort``."""
        body = order.model_dump(mode="json")
        return await self._ask("submit order", "submit_order", _ORDER, writes=True, order=body)

    async def cancel_order(self, key: OrderKey, reason: str) -> CancelOutcome:
        """See ``ErpPort``."""
        body = {"key": key.model_dump(), "reason": reason}
        return await self._ask("cancel order", "cancel_order", _OUTCOME, writes=True, **body)

    async def changes(self, cursor: str | None) -> ErpChanges:
        """See ``ErpPort``."""
        return await self._ask("read changes", "changes", _CHANGES, cursor=cursor)

    async def probe(self) -> Probe:
        """See ``ErpPort``."""
        return await self._ask("probe", "probe", _PROBE)

    async def ping(self) -> None:
        """See ``ErpPort``."""
        await self._ask("ping", "ping", _NOTHING)

    async def close(self) -> None:
        """Give connections back."""
        await self._http.close()

    async def _ask(
        self,
        operation: str,
        method: str,
        kind: TypeAdapter[Result],
        *,
        writes: bool = False,
        **arguments: Any,
    ) -> Result:
        content = json.dumps({"method": method, "arguments": arguments}).encode()
        response = await self._http.post(operation, "/rpc", content=content, writes=writes)
        answer = self._http.read_json(operation, response)
        match answer:
            case {"refused": {"cause": str(cause), "reason": str(reason)}}:
                raise Rejected(SYSTEM, operation, reason, cause)
            case {"result": result}:
                try:
                    return kind.validate_python(result)
                except ValidationError as error:
                    raise ContractBroken(SYSTEM, operation, str(error), response.text) from error
        raise ContractBroken(SYSTEM, operation, "the answer holds neither result nor refusal", response.text)
