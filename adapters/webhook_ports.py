"""What is asked of a vendor's webhooks: who signed them, and which order they are about."""

from collections.abc import Mapping as Dictionary
from typing import Annotated, Protocol

from pydantic import Field

from domain.model import Frozen, Instant


class SignatureInvalid(Exception):
    """The webhook was not signed with the channel's secret."""


class DeliveryMalformed(Exception):
    """The webhook is signed, but a part of it is missing or unreadable; the message names the part."""


class Delivery(Frozen):
    """What a webhook says, as far as anybody trusts it: which order, and why."""

    delivery_id: str
    """Unique per delivery *attempt group*; the inbox is unique by channel and this."""
    event_id: str | None
    topic: str
    external_id: str | None
    """The order concerned; None for a topic that concerns none."""
    label: Annotated[str, Field(max_length=50)] | None = None
    """What people call the order, such as ``#1001``, where the webhook says it. For display alone."""
    occurred_at: Instant | None = None
    tells: Annotated[str, Field(max_length=200)] | None = None
    """All that it says, as ``adapters.echoes`` puts it; None where it says more, or what no write of ours causes."""
    directions: Annotated[str, Field(max_length=40)] | None = None
    """A fingerprint of addresses and note, of webhooks that hold the whole order: what no topic of its own tells of."""


class WebhookReader(Protocol):
    """Reads one vendor's webhooks. Pure: no I/O."""

    topics: frozenset[str]
    """Topics that concern orders; others are refused and not kept."""

    def read(self, raw: bytes, headers: Dictionary[str, str]) -> Delivery:
        """Verify the signature over the raw bytes, then read. Header names are lower case.

        Raises SignatureInvalid, DeliveryMalformed.
        """
        ...
