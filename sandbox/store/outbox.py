"""Webhooks that are to be sent, written in the same transaction as the change they tell of: none is ever
lost.

``webhooks`` delivers them. The knobs here make delivery as unpleasant as it can be in the wild.
"""

import json
import random
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import Field

from domain.model import Frozen
from sandbox.store import payloads
from sandbox.store.money_records import RefundRecord
from sandbox.store.payload_parts import Json
from sandbox.store.records import OrderRecord
from sandbox.store.return_records import ReturnRecord
from sandbox.store.state import State

DEFAULT_TOPICS: Final = (
    "orders/create",
    "orders/edited",
    "orders/updated",
    "orders/cancelled",
    "orders/paid",
    "orders/risk_assessment_changed",
    "refunds/create",
    "returns/request",
    "returns/approve",
    "returns/decline",
    "returns/cancel",
    "returns/close",
)
"""What Orderwright takes (docs/decisions/0007 and 0020); any other is refused there, and would be sent on and on."""

LEVEL_TOPIC: Final = "inventory_levels/update"
NO_ORDER: Final = 0
"""In place of an order's id, with a message that is about none."""


class WebhookKnobs(Frozen):
    """How webhooks are delivered; kept over a restart."""

    url: str = ""
    """Where to; nothing is sent while it is empty, nothing is lost either."""
    secret: str = ""
    topics: tuple[str, ...] = DEFAULT_TOPICS
    """Subscribed topics; ``inventory_levels/update`` is known as well."""
    paused: bool = False
    duplicate: bool = False
    """Every delivery twice, under the same X-Shopify-Webhook-Id."""
    shuffle_seed: int | None = None
    """Send what waits in a random order, the same for the same seed and the same orders."""
    shuffle_window: Annotated[float, Field(ge=0)] = 0.0
    """While shuffling, hold every delivery back by up to so many seconds."""
    delay: Annotated[float, Field(ge=0)] = 0.0
    """Hold every delivery back by so many seconds."""
    drop: bool = False
    """Never deliver what is announced from now on, as if it got lost on its way."""
    retry_after: Annotated[float, Field(gt=0)] = 0.5
    """Seconds until the first retry; doubles every time."""
    retry_at_most: Annotated[float, Field(gt=0)] = 5.0


class Outbox:
    """Announces changes. Calls ``wake`` after each, so that the courier looks."""

    def __init__(self, state: State, shop_domain: str, wake: Callable[[], None] = lambda: None) -> None:
        self._state = state
        self._shop_domain = shop_domain
        self.wake = wake
        state.stock_moved = self.announce_level

    @property
    def knobs(self) -> WebhookKnobs:
        """The knobs in force."""
        return WebhookKnobs.model_validate(self._state.setting("webhooks") or {})

    def turn(self, **changes: Any) -> WebhookKnobs:
        """Change some knobs. Raises pydantic's ValidationError."""
        knobs = WebhookKnobs.model_validate({**self.knobs.model_dump(), **changes})
        with self._state.transaction():
            self._state.keep_setting("webhooks", knobs.model_dump())
        self.wake()
        return knobs

    def announce(self, order: OrderRecord, *topics: str) -> None:
        """Announce topics about an order, and ``orders/updated`` with them where somebody listens to it."""
        self._put(order, dict.fromkeys(topics))

    def announce_edit(self, order: OrderRecord, edit: payloads.EditSummary) -> None:
        """Announce ``orders/edited``."""
        self._put(order, {"orders/edited": payloads.edit_body(order, edit)})

    def announce_risk(self, order: OrderRecord) -> None:
        """Announce ``orders/risk_assessment_changed``."""
        self._put(order, {"orders/risk_assessment_changed": payloads.risk_body(order)})

    def announce_refund(self, order: OrderRecord, refund: RefundRecord) -> None:
        """Announce ``refunds/create``."""
        self._put(order, {"refunds/create": payloads.refund_body(order, refund)})

    def announce_return(self, order: OrderRecord, wanted: ReturnRecord, topic: str) -> None:
        """Announce one of ``returns/*``."""
        self._put(order, {topic: payloads.return_body(order, wanted, topic)})

    def announce_level(self, inventory_item_id: int, location_id: int) -> None:
        """Announce ``inventory_levels/update`` where somebody listens to it."""
        if LEVEL_TOPIC not in self.knobs.topics:
            return
        level = self._state.level(inventory_item_id, location_id)
        assert level is not None
        self._put_bodies(NO_ORDER, {LEVEL_TOPIC: payloads.level_body(level)})

    def send_again(self, order_id: int, *, as_new: bool) -> int:
        """Send the delivered webhooks of an order once more, ``as_new`` under new delivery ids; returns how many."""
        knobs = self.knobs
        rows = self._state.rows(
            "SELECT DISTINCT webhook_id, event_id, topic, triggered_at, body FROM outbox"
            " WHERE order_id = ? AND state = 'delivered'",
            (order_id,),
        )
        for row in rows:
            webhook_id = str(uuid.uuid4()) if as_new else row["webhook_id"]
            message = (webhook_id, row["event_id"], row["topic"], order_id, row["triggered_at"], row["body"])
            self._insert(knobs, message)
        self.wake()
        return len(rows)

    def _put(self, order: OrderRecord, bodies: dict[str, Json | None]) -> None:
        topics = self.knobs.topics
        wanted = [topic for topic in (*bodies, "orders/updated") if topic in topics]
        told = {t: bodies.get(t) or payloads.order_body(order, self._shop_domain) for t in wanted}
        self._put_bodies(order.id, told)

    def _put_bodies(self, order_id: int, bodies: dict[str, Json]) -> None:
        knobs = self.knobs
        event_id = str(uuid.uuid4())
        now = datetime.now(UTC)
        for topic, body in bodies.items():
            raw = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
            webhook_id = str(uuid.uuid4())
            for _ in range(2 if knobs.duplicate and not knobs.drop else 1):
                self._insert(knobs, (webhook_id, event_id, topic, order_id, now.isoformat(), raw))
        self.wake()

    def _insert(self, knobs: WebhookKnobs, message: tuple[str, str, str, int, str, bytes]) -> None:
        with self._state.transaction():
            number = self._state.rows("SELECT coalesce(max(id), 0) + 1 AS next FROM outbox")[0]["next"]
            place, due = float(number), time.time() + knobs.delay
            if knobs.shuffle_seed is not None:
                # one generator a message: the order stays the same over a restart
                dice = random.Random(f"{knobs.shuffle_seed}:{number}")  # noqa: S311  a shuffle, not a secret
                place = dice.random()
                due += dice.uniform(0, knobs.shuffle_window)
            state = "dropped" if knobs.drop else "waiting"
            self._state.rows(
                "INSERT INTO outbox (webhook_id, event_id, topic, order_id, triggered_at, body, place, due, state)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*message, place, due, state),
            )
