"""Delivers what the outbox holds: signed, at least once, again and again until the receiver answers 2xx."""

import asyncio
import base64
import hashlib
import hmac
import time
from typing import Any, Final

import httpx

from sandbox.store import jobs
from sandbox.store.outbox import Outbox, WebhookKnobs
from sandbox.store.state import State

API_VERSION: Final = "2026-07"
# Shopify gives a receiver one second to connect and five in all.
TIMEOUT: Final = httpx.Timeout(5.0, connect=1.0)
AT_ONCE: Final = 8
_IDLE_SECONDS: Final = 0.5


def sign(secret: str, raw: bytes) -> str:
    """X-Shopify-Hmac-Sha256 of a body."""
    return base64.b64encode(hmac.new(secret.encode(), raw, hashlib.sha256).digest()).decode()


class Courier:
    """One background task of the server. Also does the jobs, because both are 'a little later'."""

    def __init__(self, state: State, outbox: Outbox, shop_domain: str) -> None:
        self._state = state
        self._outbox = outbox
        self._shop_domain = shop_domain
        self._news = asyncio.Event()
        self._on_the_way: set[int] = set()
        outbox.wake = self._news.set

    async def run(self) -> None:
        """Deliver until canceled. What was on its way then is delivered again after the next start."""
        async with httpx.AsyncClient(timeout=TIMEOUT) as client, asyncio.TaskGroup() as tasks:
            while True:
                self._news.clear()
                jobs.run_due(self._state, self._outbox)
                knobs = self._outbox.knobs
                for row in self._due(knobs):
                    self._on_the_way.add(row["id"])
                    tasks.create_task(self._deliver(client, knobs, row))
                try:
                    await asyncio.wait_for(self._news.wait(), self._seconds_to_wait())
                except TimeoutError:
                    continue

    def _due(self, knobs: WebhookKnobs) -> list[Any]:
        if knobs.paused or not knobs.url:
            return []
        rows = self._state.rows(
            "SELECT * FROM outbox WHERE state = 'waiting' AND due <= ? ORDER BY place, id LIMIT ?",
            (time.time(), AT_ONCE + len(self._on_the_way)),
        )
        free = AT_ONCE - len(self._on_the_way)
        return [row for row in rows if row["id"] not in self._on_the_way][:free]

    def _seconds_to_wait(self) -> float:
        dues = [jobs.next_due(self._state)]
        dues += [self._state.rows("SELECT min(due) AS due FROM outbox WHERE state = 'waiting'")[0]["due"]]
        soonest = min((due for due in dues if due is not None), default=float("inf"))
        return min(_IDLE_SECONDS, max(0.01, soonest - time.time()))

    async def _deliver(self, client: httpx.AsyncClient, knobs: WebhookKnobs, row: Any) -> None:
        raw: bytes = row["body"]
        headers = {
            "Content-Type": "application/json",
            "X-Shopify-Topic": row["topic"],
            "X-Shopify-Shop-Domain": self._shop_domain,
            "X-Shopify-API-Version": API_VERSION,
            "X-Shopify-Webhook-Id": row["webhook_id"],
            "X-Shopify-Event-Id": row["event_id"],
            "X-Shopify-Triggered-At": row["triggered_at"],
            "X-Shopify-Hmac-Sha256": sign(knobs.secret, raw),
        }
        error = ""
        try:
            answer = await client.post(knobs.url, content=raw, headers=headers)
            if not answer.is_success:
                error = f"HTTP {answer.status_code}"
        except (httpx.HTTPError, httpx.InvalidURL) as problem:
            error = str(problem) or type(problem).__name__
        finally:
            self._on_the_way.discard(row["id"])
        attempts = row["attempts"] + 1
        if error:
            pause = min(knobs.retry_at_most, knobs.retry_after * 2 ** min(row["attempts"], 20))
            self._note(row["id"], "waiting", attempts, time.time() + pause, error)
        else:
            self._note(row["id"], "delivered", attempts, row["due"], "")
        self._news.set()

    def _note(self, message: int, state: str, attempts: int, due: float, error: str) -> None:
        with self._state.transaction():
            self._state.rows(
                "UPDATE outbox SET state = ?, attempts = ?, due = ?, error = ? WHERE id = ?",
                (state, attempts, due, error, message),
            )
