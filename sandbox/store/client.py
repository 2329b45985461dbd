"""Client of the control API, for the demo, the command line and tests. Nothing of the application uses it.

``StoreControl`` waits for each answer; ``AsyncStoreControl`` is the same for coroutines. A refusal of the
store raises ``StoreRefused`` with the store's own words, ``StoreSoldOut`` where it has not enough.
"""

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx
from pydantic import TypeAdapter

from sandbox.store.control import SOLD_OUT, Fault, OrderReading
from sandbox.store.requests import (
    Act,
    AskReturn,
    AssessRisk,
    CancelOrder,
    EditLine,
    EditOrder,
    GiveBack,
    PlaceOrder,
    PlacePayment,
)
from sandbox.store.stock_desk import (
    Added,
    AddProducts,
    ChangeProduct,
    CountStock,
    KeyKnobs,
    LevelReading,
    Locations,
)
from sandbox.store.throttle import ThrottleKnobs

_LEVELS = TypeAdapter(list[LevelReading])
_TIMEOUT = httpx.Timeout(30.0, connect=5.0)


class StoreRefused(Exception):
    """The store answered no; ``status`` is the HTTP status."""

    def __init__(self, status: int, words: str) -> None:
        self.status = status
        super().__init__(words)


class StoreSoldOut(StoreRefused):
    """There are fewer units than the buyer wants."""


class StoreControl:
    """Talks to a running store. ``base_url`` such as ``http://127.0.0.1:8085``."""

    def __init__(self, base_url: str) -> None:
        self._client = httpx.Client(base_url=f"{base_url}/control", timeout=_TIMEOUT)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give connections back."""
        self._client.close()

    def place_order(self, order: PlaceOrder) -> OrderReading:
        """Place an order."""
        return OrderReading.model_validate(self._send("POST", "/orders", order.model_dump(mode="json")))

    def read_order(self, order_id: int | str) -> OrderReading:
        """One order, straight from the store's memory."""
        return OrderReading.model_validate(self._send("GET", f"/orders/{order_id}"))

    def list_orders(self) -> list[OrderReading]:
        """All orders, oldest first."""
        return [OrderReading.model_validate(each) for each in self._send("GET", "/orders")]

    def edit_line(self, order_id: int | str, line: int, quantity: int) -> OrderReading:
        """Another quantity of a line; ``line`` is its id or its place from 1 on."""
        return self.edit_order(order_id, EditOrder(lines=(EditLine(line=line, quantity=quantity),)))

    def edit_order(self, order_id: int | str, edit: EditOrder) -> OrderReading:
        """Change lines, delivery, address or note."""
        body = edit.model_dump(mode="json")
        return OrderReading.model_validate(self._send("POST", f"/orders/{order_id}/edit", body))

    def pay_order(self, order_id: int | str, payment: PlacePayment | None = None) -> OrderReading:
        """Pay what an edit made due."""
        body = (payment or PlacePayment()).model_dump(mode="json")
        return OrderReading.model_validate(self._send("POST", f"/orders/{order_id}/pay", body))

    def reschedule_order(self, order_id: int | str, days: float) -> OrderReading:
        """Move what is scheduled to another day, counted from now; 0 opens it."""
        return OrderReading.model_validate(
            self._send("POST", f"/orders/{order_id}/reschedule", {"days": days})
        )

    def assess_order(self, order_id: int | str, assessment: AssessRisk) -> OrderReading:
        """Rate the order's risk anew."""
        body = assessment.model_dump(mode="json")
        return OrderReading.model_validate(self._send("POST", f"/orders/{order_id}/assess", body))

    def cancel_order(self, order_id: int | str, cancel: CancelOrder | None = None) -> OrderReading:
        """Cancel at the storefront."""
        body = (cancel or CancelOrder()).model_dump(mode="json")
        return OrderReading.model_validate(self._send("POST", f"/orders/{order_id}/cancel", body))

    def refund_order(self, order_id: int | str, refund: GiveBack) -> OrderReading:
        """Give units, delivery or money back."""
        body = refund.model_dump(mode="json")
        return OrderReading.model_validate(self._send("POST", f"/orders/{order_id}/refund", body))

    def ask_return(self, order_id: int | str, wanted: AskReturn) -> OrderReading:
        """The buyer asks to send units back."""
        body = wanted.model_dump(mode="json")
        return OrderReading.model_validate(self._send("POST", f"/orders/{order_id}/returns", body))

    def change_return(self, order_id: int | str, return_id: int | str, act: Act) -> OrderReading:
        """Staff approves, declines or closes a return, or the buyer withdraws it."""
        path = f"/orders/{order_id}/returns/{return_id}"
        return OrderReading.model_validate(self._send("POST", path, {"act": act}))

    def expire_authorizations(self, order_id: int | str) -> OrderReading:
        """Let the order's open authorizations expire now."""
        return OrderReading.model_validate(self._send("POST", f"/orders/{order_id}/expire"))

    def turn_webhooks(self, **changes: Any) -> dict[str, Any]:
        """Change webhook knobs (``sandbox.store.outbox.WebhookKnobs``); returns knobs and message counts."""
        return dict(self._send("PATCH", "/webhooks", changes))

    def webhooks(self) -> dict[str, Any]:
        """Knobs, and how many messages are waiting, delivered and dropped."""
        return dict(self._send("GET", "/webhooks"))

    def set_throttle(self, knobs: ThrottleKnobs) -> None:
        """Another cost bucket, full."""
        self._send("PUT", "/throttle", knobs.model_dump(mode="json"))

    def add_fault(self, fault: Fault) -> None:
        """Let the next requests for a root field go wrong."""
        self._send("POST", "/faults", fault.model_dump(mode="json"))

    def add_products(self, wanted: AddProducts) -> Added:
        """Add products, many at once."""
        return Added.model_validate(self._send("POST", "/products", wanted.model_dump(mode="json")))

    def change_product(self, change: ChangeProduct) -> None:
        """Sell a SKU in another way."""
        self._send("PATCH", "/products", change.model_dump(mode="json"))

    def read_stock(self, sku: str) -> list[LevelReading]:
        """Stock of a SKU, straight from the store's memory."""
        return _LEVELS.validate_python(self._send("GET", f"/stock?sku={quote(sku, safe='')}"))

    def count_stock(self, count: CountStock) -> list[LevelReading]:
        """Somebody of the shop counts a SKU at a location."""
        return _LEVELS.validate_python(self._send("POST", "/stock", count.model_dump(mode="json")))

    def change_locations(self, change: Locations) -> int:
        """Open a location, close one or open it again; returns its id."""
        return int(self._send("POST", "/locations", change.model_dump(mode="json")))

    def set_keys(self, knobs: KeyKnobs) -> None:
        """What an idempotency key answers that was refused once."""
        self._send("PUT", "/keys", knobs.model_dump(mode="json"))

    def reset(self) -> None:
        """Forget orders, stock changes and messages."""
        self._send("POST", "/reset")

    def _send(self, method: str, path: str, body: Any = None) -> Any:
        return _content(self._client.request(method, path, json=body))


class AsyncStoreControl:
    """``StoreControl`` for coroutines, as far as they need it."""

    def __init__(self, base_url: str) -> None:
        self._client = httpx.AsyncClient(base_url=f"{base_url}/control", timeout=_TIMEOUT)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def place_order(self, order: PlaceOrder) -> OrderReading:
        """Place an order."""
        return OrderReading.model_validate(await self._send("POST", "/orders", order.model_dump(mode="json")))

    async def read_order(self, order_id: int | str) -> OrderReading:
        """One order, straight from the store's memory."""
        return OrderReading.model_validate(await self._send("GET", f"/orders/{order_id}"))

    async def list_orders(self) -> list[OrderReading]:
        """All orders, oldest first."""
        return [OrderReading.model_validate(each) for each in await self._send("GET", "/orders")]

    async def edit_line(self, order_id: int | str, line: int, quantity: int) -> OrderReading:
        """Another quantity of a line; ``line`` is its id or its place from 1 on."""
        return await self.edit_order(order_id, EditOrder(lines=(EditLine(line=line, quantity=quantity),)))

    async def edit_order(self, order_id: int | str, edit: EditOrder) -> OrderReading:
        """Change lines, delivery, address or note."""
        body = edit.model_dump(mode="json")
        return OrderReading.model_validate(await self._send("POST", f"/orders/{order_id}/edit", body))

    async def pay_order(self, order_id: int | str, payment: PlacePayment | None = None) -> OrderReading:
        """Pay what an edit made due."""
        body = (payment or PlacePayment()).model_dump(mode="json")
        return OrderReading.model_validate(await self._send("POST", f"/orders/{order_id}/pay", body))

    async def reschedule_order(self, order_id: int | str, days: float) -> OrderReading:
        """As ``StoreControl.reschedule_order``."""
        answer = await self._send("POST", f"/orders/{order_id}/reschedule", {"days": days})
        return OrderReading.model_validate(answer)

    async def assess_order(self, order_id: int | str, assessment: AssessRisk) -> OrderReading:
        """Rate the order's risk anew."""
        body = assessment.model_dump(mode="json")
        return OrderReading.model_validate(await self._send("POST", f"/orders/{order_id}/assess", body))

    async def refund_order(self, order_id: int | str, refund: GiveBack) -> OrderReading:
        """Give units, delivery or money back."""
        body = refund.model_dump(mode="json")
        return OrderReading.model_validate(await self._send("POST", f"/orders/{order_id}/refund", body))

    async def ask_return(self, order_id: int | str, wanted: AskReturn) -> OrderReading:
        """The buyer asks to send units back."""
        body = wanted.model_dump(mode="json")
        return OrderReading.model_validate(await self._send("POST", f"/orders/{order_id}/returns", body))

    async def change_return(self, order_id: int | str, return_id: int | str, act: Act) -> OrderReading:
        """Staff approves, declines or closes a return, or the buyer withdraws it."""
        path = f"/orders/{order_id}/returns/{return_id}"
        return OrderReading.model_validate(await self._send("POST", path, {"act": act}))

    async def cancel_order(self, order_id: int | str, cancel: CancelOrder | None = None) -> OrderReading:
        """Cancel at the storefront."""
        body = (cancel or CancelOrder()).model_dump(mode="json")
        return OrderReading.model_validate(await self._send("POST", f"/orders/{order_id}/cancel", body))

    async def turn_webhooks(self, **changes: Any) -> dict[str, Any]:
        """Change webhook knobs; returns knobs and message counts."""
        return dict(await self._send("PATCH", "/webhooks", changes))

    async def deliver_again(self, order_ids: Sequence[int | str], *, as_new: bool) -> int:
        """Send the delivered webhooks of orders once more; ``as_new`` under new delivery ids. Returns how many."""
        body = {"order_ids": [int(each) for each in order_ids], "as_new": as_new}
        return int(await self._send("POST", "/webhooks/again", body))

    async def set_throttle(self, knobs: ThrottleKnobs) -> None:
        """Another cost bucket, full."""
        await self._send("PUT", "/throttle", knobs.model_dump(mode="json"))

    async def add_products(self, wanted: AddProducts) -> Added:
        """Add products, many at once."""
        return Added.model_validate(await self._send("POST", "/products", wanted.model_dump(mode="json")))

    async def change_product(self, change: ChangeProduct) -> None:
        """Sell a SKU in another way."""
        await self._send("PATCH", "/products", change.model_dump(mode="json"))

    async def read_stock(self, sku: str) -> list[LevelReading]:
        """Stock of a SKU, straight from the store's memory."""
        return _LEVELS.validate_python(await self._send("GET", f"/stock?sku={quote(sku, safe='')}"))

    async def count_stock(self, count: CountStock) -> list[LevelReading]:
        """Somebody of the shop counts a SKU at a location."""
        return _LEVELS.validate_python(await self._send("POST", "/stock", count.model_dump(mode="json")))

    async def change_locations(self, change: Locations) -> int:
        """Open a location, close one or open it again; returns its id."""
        return int(await self._send("POST", "/locations", change.model_dump(mode="json")))

    async def add_fault(self, fault: Fault) -> None:
        """Let the next requests for a root field go wrong."""
        await self._send("POST", "/faults", fault.model_dump(mode="json"))

    async def _send(self, method: str, path: str, body: Any = None) -> Any:
        return _content(await self._client.request(method, path, json=body))


def _content(response: httpx.Response) -> Any:
    if response.is_success:
        return response.json()
    try:
        words = response.json()["detail"]
        if isinstance(words, dict) and words["code"] == SOLD_OUT:
            raise StoreSoldOut(response.status_code, words["words"])
    except (ValueError, KeyError, TypeError):
        words = response.text
    raise StoreRefused(response.status_code, words if isinstance(words, str) else str(words))
