"""The webhook ingress: what is answered, what is kept, and what an outage does to both."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from adapters.memory.webhooks import MemoryWebhooks
from adapters.ports import Probe
from adapters.shopify.webhooks import ShopifyWebhooks
from adapters.webhook_ports import Delivery, WebhookReader
from domain.order import OrderKey
from store.database import Database
from store.errors import DatabaseUnavailable
from store.inbox import Inbox, InboxState
from web.app import create_app
from web.counters import Counters

SECRET = "a secret of ours"
MAX_BODY = 2_000
KEEP = timedelta(days=30)
KEY = OrderKey(channel="shop", external_id="5001")
STOREFRONT = MemoryWebhooks(SECRET)


@dataclass
class Ingress:
    """The application, and what it works with."""

    client: httpx.AsyncClient
    inbox: Inbox
    metrics: InMemoryMetricReader
    woken: list[bool] = field(default_factory=list)

    async def deliver(
        self, number: int = 1, topic: str = "orders/create", order: str | None = "5001"
    ) -> httpx.Response:
        raw, headers = STOREFRONT.write(f"d{number}", topic, order, event_id=f"e{number}")
        return await self.client.post("/webhooks/shop", content=raw, headers=headers)

    def counted(self, name: str) -> dict[str, int]:
        """Values of a counter by the attribute that matters."""
        data = self.metrics.get_metrics_data()
        points = [
            point
            for resource in (data.resource_metrics if data else [])
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == f"orderwright.webhooks.{name}"
            for point in metric.data.data_points
        ]
        return {
            str(p.attributes.get("reason") or p.attributes.get("topic") or p.attributes["channel"]): p.value
            for p in points
        }  # type: ignore[union-attr]


@asynccontextmanager
async def running(
    inbox: Inbox,
    check: Callable[[], None],
    temporal: Probe | None = None,
    readers: Mapping[str, WebhookReader] | None = None,
) -> AsyncIterator[Ingress]:
    async def probe() -> Probe:
        return temporal or Probe(ok=True, detail="answers")

    metrics = InMemoryMetricReader()
    provider = MeterProvider(metric_readers=[metrics])
    woken: list[bool] = []
    app = create_app(
        readers or {"shop": STOREFRONT},
        inbox,
        wake=lambda: woken.append(True),
        check_database=check,
        probe_temporal=probe,
        max_body=MAX_BODY,
        keep=KEEP,
        counters=Counters(provider.get_meter("test")),
    )
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://ingress") as client:
        yield Ingress(client, inbox, metrics, woken)
    provider.shutdown()


@pytest.fixture
async def ingress(sqlite_db: Database) -> AsyncIterator[Ingress]:
    async with running(Inbox(sqlite_db), sqlite_db.check) as ingress:
        yield ingress


def explained(answer: httpx.Response) -> str:
    """The error's words; every refusal carries a remedy beside them."""
    body = answer.json()
    assert set(body) == {"error", "remedy"}
    assert body["remedy"]
    return str(body["error"])


async def test_of_an_update_nothing_is_kept_but_its_fingerprint(ingress: Ingress):
    raw, headers = STOREFRONT.write("d1", "orders/updated", "5001", directions="home")
    assert (await ingress.client.post("/webhooks/shop", content=raw, headers=headers)).json() == {
        "status": "received"
    }
    (row,) = ingress.inbox.for_order(OrderKey(channel="shop", external_id="5001"))
    assert (row.body, row.directions) == (b"", "home")
    assert ingress.inbox.told_of("shop", ["5001"]) == {}, "it begins no order"
    assert ingress.inbox.claim(1, timedelta(minutes=1), "a") == (), "it may be an echo"


async def test_a_webhook_is_kept_then_answered_then_the_dispatcher_woken(ingress: Ingress) -> None:
    answer = await ingress.deliver()
    assert (answer.status_code, answer.json()) == (200, {"status": "received"})
    (row,) = ingress.inbox.for_order(KEY)
    raw, _ = STOREFRONT.write("d1", "orders/create", "5001", event_id="e1")
    assert (row.body, row.delivery_id, row.event_id, row.state) == (raw, "d1", "e1", InboxState.PENDING)
    assert ingress.woken == [True]
    assert ingress.counted("received") == {"orders/create": 1}


async def test_a_duplicate_is_welcome_and_not_kept(ingress: Ingress) -> None:
    await ingress.deliver()
    answer = await ingress.deliver()
    assert (answer.status_code, answer.json()) == (200, {"status": "duplicate"})
    assert len(ingress.inbox.for_order(KEY)) == 1
    assert len(ingress.woken) == 1
    assert ingress.counted("duplicate") == {"shop": 1}


async def test_a_topic_that_concerns_no_order_is_422_and_not_kept(ingress: Ingress) -> None:
    answer = await ingress.deliver(topic="app/uninstalled", order=None)
    assert answer.status_code == 422
    assert explained(answer) == "the topic 'app/uninstalled' is not taken here"
    assert "orders/create" in answer.json()["remedy"]
    assert not any(ingress.inbox.counts().values())
    assert ingress.counted("refused") == {"unknown_topic": 1}
    assert ingress.woken == []


async def test_a_replay_of_what_the_inbox_has_forgotten_is_400_and_not_kept(ingress: Ingress) -> None:
    now = datetime.now(UTC)
    raw, headers = STOREFRONT.write(
        "d1", "orders/create", "5001", occurred_at=now - KEEP - timedelta(hours=1)
    )
    answer = await ingress.client.post("/webhooks/shop", content=raw, headers=headers)
    assert answer.status_code == 400
    assert "more than 30 days ago" in explained(answer)
    assert not any(ingress.inbox.counts().values())
    assert ingress.counted("refused") == {"too_old": 1}
    raw, headers = STOREFRONT.write(
        "d2", "orders/create", "5001", occurred_at=now - KEEP + timedelta(hours=1)
    )
    assert (await ingress.client.post("/webhooks/shop", content=raw, headers=headers)).status_code == 200


async def test_neither_signature_nor_secrets_are_kept(ingress: Ingress) -> None:
    raw, headers = STOREFRONT.write("d1", "orders/create", "5001")
    secrets = {
        "authorization": "Bearer s3cret",
        "cookie": "session=s3cret",
        "x-api-key": "s3cret",
        "x-access-token": "s3cret",
    }
    await ingress.client.post(
        "/webhooks/shop", content=raw, headers=headers | secrets | {"X-Shop-Domain": "brand"}
    )
    (row,) = ingress.inbox.for_order(KEY)
    assert row.headers["x-shop-domain"] == "brand"
    assert row.headers["content-type"] == "application/json"
    assert "s3cret" not in json.dumps(row.headers)
    assert not [name for name in row.headers if "signature" in name]


async def test_a_wrong_signature_is_401_and_nothing_is_kept(ingress: Ingress) -> None:
    raw, headers = MemoryWebhooks("another secret").write("d1", "orders/create", "5001")
    answer = await ingress.client.post("/webhooks/shop", content=raw, headers=headers)
    assert answer.status_code == 401
    assert "signature" in explained(answer)
    assert ingress.inbox.backlog().pending == 0
    assert ingress.counted("refused") == {"signature": 1}


async def test_a_signed_webhook_without_its_order_is_400_naming_the_part(ingress: Ingress) -> None:
    answer = await ingress.deliver(order=None)
    assert answer.status_code == 400
    assert "order_id" in explained(answer)
    assert ingress.inbox.backlog().pending == 0


class Careless:
    """A reader that forgets the order."""

    topics = frozenset({"orders/create"})

    def read(self, raw: bytes, headers: Mapping[str, str]) -> Delivery:
        return Delivery(delivery_id="d1", event_id=None, topic="orders/create", external_id=None)


async def test_no_reader_can_make_an_order_webhook_pass_without_its_order(sqlite_db: Database) -> None:
    async with running(Inbox(sqlite_db), sqlite_db.check, readers={"shop": Careless()}) as ingress:
        answer = await ingress.client.post("/webhooks/shop", content=b"{}")
        assert answer.status_code == 400
        assert "names no order" in explained(answer)


async def test_an_unknown_channel_is_404_and_makes_no_time_series(ingress: Ingress) -> None:
    answer = await ingress.client.post("/webhooks/nobody", content=b"{}")
    assert answer.status_code == 404
    assert "'nobody'" in explained(answer)
    assert ingress.counted("refused") == {"unknown_channel": 1}


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/webhooks/shop", 405), ("GET", "/docs", 404)]
)
async def test_other_addresses_are_explained_too(
    ingress: Ingress, method: str, path: str, status: int
) -> None:
    answer = await ingress.client.request(method, path)
    assert answer.status_code == status
    assert path in explained(answer)


@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_above_the_limit_is_413_without_being_read_to_its_end(
    ingress: Ingress, announced: bool
) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 100:
            sent += 1
            yield b"x" * 500

    headers = {"content-length": str(MAX_BODY + 1)} if announced else {}
    answer = await ingress.client.post("/webhooks/shop", content=endless(), headers=headers)
    assert answer.status_code == 413
    assert str(MAX_BODY) in explained(answer)
    assert sent <= (0 if announced else MAX_BODY // 500 + 1)


async def test_a_body_at_the_limit_is_taken(sqlite_db: Database) -> None:
    async with running(Inbox(sqlite_db), sqlite_db.check) as ingress:
        raw, _ = STOREFRONT.write("d1", "orders/create", "5001")
        raw += b" " * (MAX_BODY - len(raw))
        headers = {"x-memory-signature": hmac.new(SECRET.encode(), raw, hashlib.sha256).hexdigest()}
        answer = await ingress.client.post("/webhooks/shop", content=raw, headers=headers)
        assert answer.status_code == 200
        assert ingress.inbox.for_order(KEY)[0].body == raw


async def test_without_a_database_it_is_503_and_comes_again(tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path / 'store.db'}")
    inbox = Inbox(db)
    async with running(inbox, db.check) as ingress:
        answer = await ingress.deliver()
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        assert "database" in explained(answer)
        assert ingress.woken == []
        assert (await ingress.client.get("/readyz")).status_code == 503
        assert (await ingress.client.get("/healthz")).status_code == 200
        db.migrate()
        assert (await ingress.deliver()).json() == {"status": "received"}
        assert (await ingress.client.get("/readyz")).status_code == 200
        assert ingress.counted("refused") == {"database_unavailable": 1}
    db.close()


async def test_temporal_away_is_reported_and_does_not_stop_the_ingress(sqlite_db: Database) -> None:
    away = Probe(ok=False, detail="does not answer", remedy="start Temporal")
    async with running(Inbox(sqlite_db), sqlite_db.check, temporal=away) as ingress:
        await ingress.deliver()
        answer = await ingress.client.get("/readyz")
        assert answer.status_code == 200
        assert answer.json() == {
            "ready": True,
            "database": {"ok": True, "detail": "answers"},
            "temporal": {"ok": False, "detail": "does not answer", "remedy": "start Temporal"},
            "inbox": {"pending": 1, "failing": 0, "oldest_seconds": 0},
        }


async def test_readiness_says_no_to_a_database_and_nothing_of_its_address(sqlite_db: Database) -> None:
    def check() -> None:
        raise DatabaseUnavailable("connection to postgres://app:pw@10.0.0.7 failed")

    async with running(Inbox(sqlite_db), check) as ingress:
        answer = await ingress.client.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["ready"] is False
        assert "10.0.0.7" not in answer.text


class Broken:
    """A reader with a mistake in it."""

    topics = frozenset({"orders/create"})

    def read(self, raw: bytes, headers: Mapping[str, str]) -> Delivery:
        raise ZeroDivisionError("Ada Lovelace")


async def test_a_mistake_of_ours_is_500_without_its_words(sqlite_db: Database) -> None:
    async with running(Inbox(sqlite_db), sqlite_db.check, readers={"shop": Broken()}) as ingress:
        answer = await ingress.client.post("/webhooks/shop", content=b"{}")
        assert answer.status_code == 500
        assert "Ada" not in explained(answer)
        assert ingress.counted("refused") == {"internal": 1}


def shopify(raw: bytes, secret: str = SECRET, **changes: str) -> dict[str, str]:
    signature = base64.b64encode(hmac.new(secret.encode(), raw, hashlib.sha256).digest()).decode()
    return {
        "X-Shopify-Hmac-Sha256": signature,
        "X-Shopify-Topic": "orders/create",
        "X-Shopify-Webhook-Id": "w-1",
        "X-Shopify-Event-Id": "e-1",
        "X-Shopify-Triggered-At": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}.123456789Z",
    } | changes


async def test_shopify_webhooks_pass_the_same_way(sqlite_db: Database) -> None:
    raw = json.dumps(
        {"id": 5001, "admin_graphql_api_id": "gid://shopify/Order/5001", "note": "日本"}
    ).encode()
    async with running(
        Inbox(sqlite_db), sqlite_db.check, readers={"shop": ShopifyWebhooks(SECRET)}
    ) as ingress:
        forged = await ingress.client.post("/webhooks/shop", content=raw, headers=shopify(raw, "guessed"))
        altered = await ingress.client.post("/webhooks/shop", content=raw + b" ", headers=shopify(raw))
        answers = [
            await ingress.client.post("/webhooks/shop", content=raw, headers=shopify(raw)) for _ in range(2)
        ]
        assert (forged.status_code, altered.status_code) == (401, 401)
        assert [answer.json()["status"] for answer in answers] == ["received", "duplicate"]
        (row,) = ingress.inbox.for_order(KEY)
        assert (row.body, row.delivery_id, row.event_id) == (raw, "w-1", "e-1")
        assert row.headers["x-shopify-topic"] == "orders/create"
        assert "x-shopify-hmac-sha256" not in row.headers
