"""Goods that come back: plain records, kept as JSON within an order."""

from typing import Literal

from pydantic import Field

from domain.model import Instant, Quantity
from sandbox.store.record import Record

Reason = Literal["unwanted", "defective", "not-as-described", "wrong-item", "size-too-small", "other"]
REASONS: dict[Reason, str] = {
    "unwanted": "Unwanted",
    "defective": "Damaged or defective",
    "not-as-described": "Item not as described",
    "wrong-item": "Received the wrong item",
    "size-too-small": "Size was too small",
    "other": "Other",
}
"""Why goods come back, by handle; definition n of the store is the n-th."""

Disposition = Literal["MISSING", "NOT_RESTOCKED", "PROCESSING_REQUIRED", "RESTOCKED"]
Status = Literal["REQUESTED", "OPEN", "CLOSED", "DECLINED", "CANCELED"]


class DispositionRecord(Record):
    """What became of units that arrived."""

    id: int
    kind: Disposition
    quantity: Quantity
    location_id: int | None = None
    created_at: Instant


class ReturnLineRecord(Record):
    """Units of a parcel's line that come back."""

    id: int
    line_id: int
    fulfillment_line_id: int
    quantity: Quantity
    reason: Reason
    note: str = ""
    """The shop's."""
    customer_note: str | None = None
    processed: Quantity = 0
    reverse_line_id: int
    """Of the order to the warehouse that they are expected."""
    dispositions: list[DispositionRecord] = Field(default_factory=list)

    @property
    def unprocessed(self) -> int:
        """Units that are still to be settled."""
        return self.quantity - self.processed


class ExchangeLineRecord(Record):
    """Units that the buyer gets for what comes back; ``line_ids`` are the order's lines that they have become."""

    id: int
    variant_id: int
    sku: str
    quantity: Quantity
    processed: Quantity = 0
    line_ids: list[int] = Field(default_factory=list)

    @property
    def unprocessed(self) -> int:
        """Units that are not on the order yet."""
        return self.quantity - self.processed


class ReturnRecord(Record):
    """A return; ``reverse_order_id`` tells the warehouse to expect it once the shop has agreed."""

    id: int
    name: str
    status: Status
    created_at: Instant
    approved_at: Instant | None = None
    closed_at: Instant | None = None
    decline_reason: Literal["FINAL_SALE", "OTHER", "RETURN_PERIOD_ENDED"] | None = None
    decline_note: str = ""
    lines: list[ReturnLineRecord]
    exchange: list[ExchangeLineRecord] = Field(default_factory=list)
    reverse_order_id: int | None = None

    @property
    def held(self) -> bool:
        """Whether its units may still come back, so that no other return can have them."""
        return self.status in {"REQUESTED", "OPEN"}
