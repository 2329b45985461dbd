"""Shopify's webhooks: checked against the app's secret over the raw bytes, then read for the order they concern."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from adapters.echoes import directions_of, refund_made, return_stands
from adapters.shopify.global_ids import id_tail
from adapters.webhook_ports import Delivery, DeliveryMalformed, SignatureInvalid

_SIGNATURE: Final = "x-shopify-hmac-sha256"
_TOPIC: Final = "x-shopify-topic"
_DELIVERY: Final = "x-shopify-webhook-id"
_EVENT: Final = "x-shopify-event-id"
_TRIGGERED: Final = "x-shopify-triggered-at"
_SHOP: Final = "x-shopify-shop-domain"
_LONGEST_LABEL: Final = 50
_LONGEST_PHRASE: Final = 200

_WHOLE_ORDERS: Final = frozenset({"orders/create", "orders/updated"})
_OF_AN_ADDRESS: Final = (
    "first_name",
    "last_name",
    "company",
    "address1",
    "address2",
    "city",
    "province_code",
    "zip",
    "country_code",
    "phone",
)
"""What people write. Where it lies on a map the storefront finds out later by itself."""
# How a body names its order where it is not the order itself.
_OF_AN_ORDER: Final = frozenset({"refunds/create", "returns/cancel", "returns/close"})
_WITHIN_A_RETURN: Final = frozenset({"returns/request", "returns/approve", "returns/decline"})


class ShopifyWebhooks:
    """Implements ``adapters.ports.WebhookReader``.

    ``secret`` signs the app's webhooks; ``shop_domain`` (``name.myshopify.com``), where given, is the only shop whose
    webhooks are taken: one app's secret signs for every shop that installed it.
    """

    # What somebody else does to an order. orders/paid tells of our last capture too, and goes no further than the
    # hand-over then; nor does a risk that nobody waits for, nor what we have done to a return ourselves, nor an
    # orders/updated, which comes after every write, where addresses and note are what they were.
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

    def __init__(self, secret: str, shop_domain: str | None = None) -> None:
        if not secret:
            msg = "the webhook secret is empty: anybody could sign with it; set the app's client secret"
            raise ValueError(msg)
        self._secret = secret.encode()
        self._shop_domain = shop_domain

    def read(self, raw: bytes, headers: Mapping[str, str]) -> Delivery:
        """Verify the signature over the raw bytes, then read. Header names are lower case.

        Raises SignatureInvalid, DeliveryMalformed.
        """
        self._verify(raw, headers.get(_SIGNATURE, ""))
        topic = _header(headers, _TOPIC)
        shop = headers.get(_SHOP)
        if self._shop_domain is not None and (shop or "").lower() != self._shop_domain.lower():
            msg = f"header {_SHOP} says {shop!r}, but this channel is {self._shop_domain!r}; check where it was sent to"
            raise DeliveryMalformed(msg)
        body = _read(raw) if topic in self.topics else None
        external_id, label = _order(topic, body) if topic in self.topics else (None, None)
        return Delivery(
            delivery_id=_header(headers, _DELIVERY),
            event_id=headers.get(_EVENT) or None,
            topic=topic,
            external_id=external_id,
            label=label,
            occurred_at=_time(headers.get(_TRIGGERED)),
            tells=_tells(topic, body),
            directions=_directions(body) if body is not None and topic in _WHOLE_ORDERS else None,
        )

    def _verify(self, raw: bytes, signature: str) -> None:
        if not signature:
            msg = f"header {_SIGNATURE} is missing"
            raise SignatureInvalid(msg)
        expected = base64.b64encode(hmac.new(self._secret, raw, hashlib.sha256).digest())
        if not hmac.compare_digest(expected, signature.encode("utf-8", "replace")):
            msg = f"header {_SIGNATURE} does not fit the body; check the channel's webhook secret"
            raise SignatureInvalid(msg)


def _header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name)
    if not value:
        msg = f"header {name} is missing"
        raise DeliveryMalformed(msg)
    return value


def _time(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        msg = f"header {_TRIGGERED} is {text!r}, not a time with its zone such as 2026-07-01T12:00:00Z"
        raise DeliveryMalformed(msg)
    return time


def _read(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError as error:
        msg = f"the body is not JSON ({error})"
        raise DeliveryMalformed(msg) from error


def _order(topic: str, body: Any) -> tuple[str, str | None]:
    """The order's id, and its name where the body is the order itself."""
    if topic in _OF_AN_ORDER:
        return _numeric(body, "order_id"), None
    if topic == "orders/risk_assessment_changed":
        return _whole_id(_part(body), of="order_"), None
    if topic == "orders/edited":
        return _numeric(_part(body, "order_edit"), "order_edit.order_id"), None
    if topic in _WITHIN_A_RETURN:
        return _whole_id(_part(body, "order"), "order."), None
    return _whole_id(_part(body)), _label(body.get("name"))


def _tells(topic: str, body: dict[str, Any] | None) -> str | None:
    if body is None or topic not in _ECHOED:
        return None
    told = _ECHOED[topic](body)
    return told if told and len(told) <= _LONGEST_PHRASE else None


def _directions(body: dict[str, Any]) -> str:
    addresses = [body.get("shipping_address"), body.get("billing_address")]
    parts = [
        {name: x.get(name) for name in _OF_AN_ADDRESS} if isinstance(x, dict) else None for x in addresses
    ]
    return directions_of(*parts, body.get("note"))


def _refund(body: dict[str, Any]) -> str | None:
    """A refund's body tells of that refund alone: nothing of it changes later."""
    made = _document(body)
    return refund_made(made) if made else None


def _return(body: dict[str, Any]) -> str | None:
    held, status = _document(body), body.get("status")
    return return_stands(held, status) if held and isinstance(status, str) else None


def _approved(body: dict[str, Any]) -> str | None:
    """A return that was agreed to, with its units. One with an exchange or a fee for the way back says more."""
    held, status, lines = _document(body), body.get("status"), body.get("return_line_items")
    if not held or not isinstance(status, str) or not isinstance(lines, list):
        return None
    if body.get("exchange_line_items") or body.get("return_shipping_fees"):
        return None
    units = [line.get("quantity") if isinstance(line, dict) else None for line in lines]
    known = [each for each in units if isinstance(each, int)]
    return return_stands(held, status, sum(known)) if len(known) == len(units) else None


def _document(body: dict[str, Any]) -> str | None:
    """The id of what the body is; None where it cannot be told for certain, for only then it may be an echo."""
    try:
        return id_tail(body["admin_graphql_api_id"])
    except (KeyError, ValueError, TypeError, AttributeError):
        return None


_ECHOED: Final[dict[str, Callable[[dict[str, Any]], str | None]]] = {
    "refunds/create": _refund,
    "returns/approve": _approved,
    "returns/decline": _return,
    "returns/cancel": _return,
    "returns/close": _return,
}
"""Topics that our own writes cause as well, and how each is put into a phrase (``adapters.echoes``)."""


def _label(name: Any) -> str | None:
    """A name to show; anything that cannot be shown is left out, never a reason to refuse the webhook."""
    if not isinstance(name, str):
        return None
    return "".join(char for char in name if char.isprintable()).strip()[:_LONGEST_LABEL] or None


def _part(body: Any, key: str | None = None) -> dict[str, Any]:
    if not isinstance(body, dict):
        msg = "the body is not a JSON object"
        raise DeliveryMalformed(msg)
    if key is None:
        return body
    part = body.get(key)
    if not isinstance(part, dict):
        msg = f"{key} is missing in the body or not an object"
        raise DeliveryMalformed(msg)
    return part


def _whole_id(body: dict[str, Any], at: str = "", *, of: str = "") -> str:
    """The order's id; numeric ids may have been rounded by a hand they passed through, the global id never is."""
    whole = f"admin_graphql_api_{of}id"
    if body.get(whole) is None:
        return _numeric(body, f"{at}{of}id")
    try:
        return id_tail(body[whole])
    except ValueError as error:
        msg = f"{at}{whole}: {error}"
        raise DeliveryMalformed(msg) from error


def _numeric(body: Any, at: str) -> str:
    value = _part(body).get(at.rpartition(".")[2])
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        msg = f"{at} is {value!r}, not the number of an order"
        raise DeliveryMalformed(msg)
    return str(value)
