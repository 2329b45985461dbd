"""Webhooks of the memory storefront: a small JSON body, signed by HMAC-SHA256 over its raw bytes, as hex."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from pydantic import Field, ValidationError

from adapters.webhook_ports import Delivery, DeliveryMalformed, SignatureInvalid
from domain.model import Frozen, Instant

SIGNATURE: Final = "x-memory-signature"


class _Body(Frozen):
    delivery_id: str = Field(min_length=1)
    event_id: str | None = None
    topic: str = Field(min_length=1)
    order_id: str | None = None
    occurred_at: Instant | None = None
    tells: str | None = None
    directions: str | None = None


class MemoryWebhooks:
    """Implements ``WebhookReader``, and ``write`` for whoever plays the storefront.

    Raises ValueError for an empty secret: anybody could sign with it.
    """

    topics: frozenset[str] = frozenset(
        {
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
        }
    )

    def __init__(self, secret: str) -> None:
        if not secret:
            raise ValueError("the webhook secret is empty: anybody could sign with it; set one")
        self._secret = secret.encode()

    def read(self, raw: bytes, headers: Mapping[str, str]) -> Delivery:
        """Verify, then read. Header names are lower case. Raises SignatureInvalid, DeliveryMalformed."""
        given = headers.get(SIGNATURE, "")
        if not hmac.compare_digest(self._sign(raw).encode(), given.encode("utf-8", "replace")):
            raise SignatureInvalid(f"header {SIGNATURE} is missing or does not fit the body")
        try:
            body = _Body.model_validate_json(raw)
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            part = ".".join(map(str, problem["loc"])) or "the body"
            raise DeliveryMalformed(f"{part}: {problem['msg']}") from error
        concerns_orders = body.topic in self.topics
        if concerns_orders and not body.order_id:
            raise DeliveryMalformed("order_id is missing in the body")
        return Delivery(
            delivery_id=body.delivery_id,
            event_id=body.event_id,
            topic=body.topic,
            external_id=body.order_id if concerns_orders else None,
            occurred_at=body.occurred_at,
            tells=body.tells if concerns_orders else None,
            directions=body.directions if concerns_orders else None,
        )

    def write(
        self,
        delivery_id: str,
        topic: str,
        order_id: str | None,
        *,
        event_id: str | None = None,
        occurred_at: datetime | None = None,
        tells: str | None = None,
        directions: str | None = None,
    ) -> tuple[bytes, dict[str, str]]:
        """A webhook as the memory storefront sends it: raw body and headers.

        ``tells`` and ``directions``: see ``adapters.echoes``.
        """
        raw = json.dumps(
            {
                "delivery_id": delivery_id,
                "event_id": event_id,
                "topic": topic,
                "order_id": order_id,
                "occurred_at": occurred_at.isoformat() if occurred_at else None,
                "tells": tells,
                "directions": directions,
            }
        ).encode()
        return raw, {"content-type": "application/json", SIGNATURE: self._sign(raw)}

    def _sign(self, raw: bytes) -> str:
        return hmac.new(self._secret, raw, hashlib.sha256).hexdigest()
