"""A real sandbox store in its own process, a webhook receiver to point it at, and steps that tests share."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from sandbox.processes import free_port
from sandbox.store.client import StoreControl
from sandbox.store.outbox import DEFAULT_TOPICS
from sandbox.store.requests import PlaceOrder
from sandbox.store.server import ADMIN_PATH

TOKEN = "shpat_test_token"
SECRET = "webhook-test-secret"
QUIET_TOPICS = [topic for topic in DEFAULT_TOPICS if topic != "orders/updated"]
"""So that each thing is told once: the other follows all of them."""


def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until something holds; fails after so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"did not come true within {seconds} s"
        time.sleep(0.02)


def answers(url: str) -> bool:
    """Whether the server at ``url`` says that it is well."""
    try:
        # Reading the machine's certificates for each look takes more time than the server needs to start.
        return httpx.get(f"{url}/healthz", verify=False, trust_env=False).is_success
    except httpx.TransportError:
        return False


class RunningStore:
    """A store that can be stopped and started again on the same state and port."""

    def __init__(self, state: Path, webhook_url: str = "") -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._command = [sys.executable, "-m", "sandbox.store", "serve", "--port", str(self.port)]
        self._command += ["--state", str(state), "--token", TOKEN, "--secret", SECRET]
        self._command += ["--webhook-url", webhook_url] if webhook_url else []
        self.control = StoreControl(self.url)
        self._api = httpx.Client(base_url=self.url, headers={"X-Shopify-Access-Token": TOKEN}, timeout=20)
        self._process: subprocess.Popen[bytes] | None = None
        self._quiet = True

    def start(self) -> "RunningStore":
        self._process = subprocess.Popen(self._command)
        until(self._answers, 30)
        if self._quiet:
            self.control.turn_webhooks(topics=QUIET_TOPICS)
            self._quiet = False
        return self

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "the store ended at once"
        return answers(self.url)

    def stop(self, *, hard: bool = False) -> None:
        """End it; ``hard`` as a power cut would."""
        if self._process is None:
            return
        if hard:
            self._process.kill()
        else:
            self._process.terminate()
        self._process.wait(timeout=15)
        self._process = None

    def close(self) -> None:
        self.stop()
        self.control.close()
        self._api.close()

    def ask(self, document: str, **variables: Any) -> dict[str, Any]:
        """The whole answer to a document."""
        response = self._api.post(ADMIN_PATH, json={"query": document, "variables": variables})
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def data(self, document: str, **variables: Any) -> dict[str, Any]:
        """The data of an answer without errors."""
        answer = self.ask(document, **variables)
        assert "errors" not in answer, answer["errors"]
        data: dict[str, Any] = answer["data"]
        return data


@dataclass
class Received:
    """One webhook delivery as it came over the wire."""

    headers: dict[str, str]
    raw: bytes


class Receiver:
    """Takes webhooks; ``status`` is what it answers."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.status = 200
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/webhooks/shop"
        self._server: ThreadingHTTPServer | None = None

    def start(self) -> "Receiver":
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["content-length"]))
                receiver.received.append(Received({k.lower(): v for k, v in self.headers.items()}, raw))
                self.send_response(receiver.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


TWO_PLACES: dict[str, Any] = {
    "lines": [
        {
            "sku": "TEE-BLK-S",
            "quantity": 3,
            "split": [{"location": 101, "quantity": 1}, {"location": 102, "quantity": 2}],
        },
        {"sku": "MUG-LOGO", "quantity": 2, "discount": {"title": "Scratched", "amount": "1.10"}},
    ],
    "discounts": [{"title": "Ten", "code": "TEN", "percent": "10"}],
    "taxes": ["STATE-6.25", "CITY-1.5"],
    "shipping": {"code": "express", "price": "9.90"},
}
READ = """query ($id: ID!) { order(id: $id) {
  displayFinancialStatus displayFulfillmentStatus cancelledAt fullyPaid
  currentTotalPriceSet { shopMoney { amount } presentmentMoney { amount currencyCode } }
  transactions { id kind amountSet { shopMoney { amount } presentmentMoney { amount } } parentTransaction { id } }
  fulfillmentOrders(first: 10) { nodes { id status assignedLocation { location { id } }
    lineItems(first: 10) { nodes { id remainingQuantity totalQuantity lineItem { id sku } } } } }
  fulfillments { id location { id } trackingInfo { number company url }
    fulfillmentLineItems(first: 10) { nodes { quantity lineItem { id } } } }
} }"""
FULFILL = """mutation ($f: FulfillmentInput!) { fulfillmentCreate(fulfillment: $f) {
  fulfillment { id totalQuantity } userErrors { field message } } }"""
CAPTURE = """mutation ($i: OrderCaptureInput!) { orderCapture(input: $i) {
  transaction { id kind amountSet { shopMoney { amount } presentmentMoney { amount } } }
  userErrors { field message } } }"""
CANCEL = """mutation ($id: ID!) { orderCancel(orderId: $id, reason: CUSTOMER, restock: true,
  refundMethod: {originalPaymentMethodsRefund: true}) { job { id done } orderCancelUserErrors { code message } } }"""
SET = """mutation ($i: InventorySetQuantitiesInput!, $k: String!) { inventorySetQuantities(input: $i)
  @idempotent(key: $k) { inventoryAdjustmentGroup { id changes { delta quantityAfterChange name } }
  userErrors { code field message } } }"""
STOCK = """query ($id: ID!, $at: ID!) { inventoryItem(id: $id) { sku inventoryLevel(locationId: $at) {
  quantities(names: ["available", "committed", "on_hand"]) { name quantity } } } }"""


def place(store: RunningStore, **wanted: Any) -> int:
    return store.control.place_order(PlaceOrder.model_validate(wanted or TWO_PLACES)).id


def read(store: RunningStore, order_id: int) -> dict[str, Any]:
    order: dict[str, Any] = store.data(READ, id=f"gid://shopify/Order/{order_id}")["order"]
    return order


def capture(store: RunningStore, order_id: int, amount: str, **more: Any) -> dict[str, Any]:
    authorization = next(t for t in read(store, order_id)["transactions"] if t["kind"] == "AUTHORIZATION")
    wanted = {
        "id": f"gid://shopify/Order/{order_id}",
        "parentTransactionId": authorization["id"],
        "amount": amount,
    }
    answer: dict[str, Any] = store.data(CAPTURE, i={**wanted, **more})["orderCapture"]
    return answer


def ship(store: RunningStore, plan: dict[str, Any], *lines: tuple[str, int]) -> dict[str, Any]:
    part: dict[str, Any] = {"fulfillmentOrderId": plan["id"]}
    if lines:
        part["fulfillmentOrderLineItems"] = [{"id": i, "quantity": n} for i, n in lines]
    wanted = {"lineItemsByFulfillmentOrder": [part], "trackingInfo": {"number": "1Z1", "company": "UPS"}}
    answer: dict[str, Any] = store.data(FULFILL, f=wanted)["fulfillmentCreate"]
    return answer
