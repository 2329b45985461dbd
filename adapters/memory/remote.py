"""The memory ERP in another process, over JSON, as ``sandbox.memory_erp`` serves it. For trials, not for a brand."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import httpx
from pydantic import TypeAdapter, ValidationError

from adapters.errors import ContractBroken, Rejected
from adapters.http import TIMEOUT, Http
from adapters.ports import MOST_FOUND, ErpCapabilities, Places, Probe
from adapters.requests import AmendOutcome, CancelOutcome, ErpChanges, ErpRecordPage
from adapters.stock_ports import MOST_STOCK, ErpStockLevels, ErpStockPage
from domain.erp_order import ErpOrder, SalesOrder
from domain.listings import ErpRecord, OrderName
from domain.model import Instant
from domain.order import OrderKey
from domain.returns import ReturnAuthorization, ReturnCredit

SYSTEM = "memory ERP"
Result = TypeVar("Result")

_FOUND: TypeAdapter[ErpOrder | None] = TypeAdapter(ErpOrder | None)
_ORDER = TypeAdapter(ErpOrder)
_OUTCOME = TypeAdapter(CancelOutcome)
_AMENDED = TypeAdapter(AmendOutcome)
_CHANGES = TypeAdapter(ErpChanges)
_PAGE = TypeAdapter(ErpRecordPage)
_RECORDS = TypeAdapter(tuple[ErpRecord, ...])
_STOCK_PAGE = TypeAdapter(ErpStockPage)
_STOCK = TypeAdapter(ErpStockLevels)
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
        return await self._ask("find order", "find_order", _FOUND, {"key": key.model_dump()})

    async def submit_order(self, order: SalesOrder) -> ErpOrder:
        """See ``ErpPort``."""
        body = {"order": order.model_dump(mode="json")}
        return await self._ask("submit order", "submit_order", _ORDER, body, writes=True)

    async def amend_order(self, target: SalesOrder) -> AmendOutcome:
        """See ``ErpPort``."""
        body = {"target": target.model_dump(mode="json")}
        return await self._ask("amend order", "amend_order", _AMENDED, body, writes=True)

    async def cancel_order(self, key: OrderKey, reason: str) -> CancelOutcome:
        """See ``ErpPort``."""
        body = {"key": key.model_dump(), "reason": reason}
        return await self._ask("cancel order", "cancel_order", _OUTCOME, body, writes=True)

    async def deliver_order(self, key: OrderKey, units: Places | None = None) -> ErpOrder:
        """See ``ErpPort``."""
        body: dict[str, Any] = {"key": key.model_dump()}
        if units is not None:
            body["units"] = {line: dict(at) for line, at in units.items()}
        return await self._ask("deliver order", "deliver_order", _ORDER, body, writes=True)

    async def authorize_return(self, request: ReturnAuthorization) -> ErpOrder:
        """See ``ErpPort``."""
        body = {"request": request.model_dump(mode="json")}
        return await self._ask("authorize return", "authorize_return", _ORDER, body, writes=True)

    async def credit_return(self, request: ReturnCredit) -> ErpOrder:
        """See ``ErpPort``."""
        body = {"request": request.model_dump(mode="json")}
        return await self._ask("credit return", "credit_return", _ORDER, body, writes=True)

    async def cancel_return(self, key: OrderKey, return_id: str, reason: str) -> ErpOrder:
        """See ``ErpPort``."""
        body = {"key": key.model_dump(), "return_id": return_id, "reason": reason}
        return await self._ask("cancel return", "cancel_return", _ORDER, body, writes=True)

    async def add_exchange(self, exchange: SalesOrder) -> ErpOrder:
        """See ``ErpPort``."""
        body = {"exchange": exchange.model_dump(mode="json")}
        return await self._ask("add exchange", "add_exchange", _ORDER, body, writes=True)

    async def list_records(
        self, channel: str, changed_since: Instant, cursor: str | None = None
    ) -> ErpRecordPage:
        """See ``ErpPort``."""
        body = {"channel": channel, "changed_since": changed_since.isoformat(), "cursor": cursor}
        return await self._ask("list records", "list_records", _PAGE, body)

    async def find_records(self, channel: str, orders: Sequence[OrderName]) -> tuple[ErpRecord, ...]:
        """See ``ErpPort``."""
        if len(orders) > MOST_FOUND:
            raise ValueError(f"{len(orders)} orders are asked for; ask for {MOST_FOUND} at most")
        body = {"channel": channel, "orders": [order.model_dump() for order in orders]}
        return await self._ask("find records", "find_records", _RECORDS, body)

    async def changes(self, cursor: str | None) -> ErpChanges:
        """See ``ErpPort``."""
        return await self._ask("read changes", "changes", _CHANGES, {"cursor": cursor})

    async def stock_changes(self, cursor: str | None) -> ErpStockPage:
        """See ``ErpStockPort``."""
        return await self._ask("read stock changes", "stock_changes", _STOCK_PAGE, {"cursor": cursor})

    async def find_stock(self, products: Sequence[str]) -> ErpStockLevels:
        """See ``ErpStockPort``."""
        if len(products) > MOST_STOCK:
            raise ValueError(f"{len(products)} products are asked for; ask for {MOST_STOCK} at most")
        return await self._ask("find stock", "find_stock", _STOCK, {"products": list(products)})

    async def probe(self) -> Probe:
        """See ``ErpPort``."""
        return await self._ask("probe", "probe", _PROBE, {})

    async def ping(self) -> None:
        """See ``ErpPort``."""
        await self._ask("ping", "ping", _NOTHING, {})

    async def close(self) -> None:
        """Give connections back."""
        await self._http.close()

    async def _ask(
        self,
        operation: str,
        method: str,
        kind: TypeAdapter[Result],
        arguments: Mapping[str, Any],
        *,
        writes: bool = False,
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
