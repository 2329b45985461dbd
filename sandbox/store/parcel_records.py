"""What leaves from where: fulfillment orders and fulfillments of an order in the sandbox's store."""

from typing import Literal

from pydantic import Field

from domain.model import Instant, Quantity
from sandbox.store.record import Record


class FulfillmentOrderLineRecord(Record):
    """Units of a line that a location is to ship."""

    id: int
    line_id: int
    total: Quantity
    remaining: Quantity


class FulfillmentOrderRecord(Record):
    """What one location is to ship."""

    id: int
    location_id: int
    status: Literal["OPEN", "IN_PROGRESS", "ON_HOLD", "SCHEDULED", "CLOSED", "CANCELLED"] = "OPEN"
    hold_id: int | None = None
    """Of the hold that it is on: what is to leave is not paid."""
    fulfill_at: Instant | None = None
    """When it opens, where it is scheduled."""
    lines: list[FulfillmentOrderLineRecord]
    created_at: Instant
    updated_at: Instant


class TrackingRecord(Record):
    """A parcel's number."""

    company: str | None = None
    number: str | None = None
    url: str | None = None


class FulfillmentLineRecord(Record):
    """Units of a line that left."""

    id: int
    line_id: int
    quantity: Quantity


class FulfillmentRecord(Record):
    """A shipment that left one location."""

    id: int
    name: str
    location_id: int
    fulfillment_order_ids: list[int]
    lines: list[FulfillmentLineRecord]
    tracking: list[TrackingRecord] = Field(default_factory=list)
    created_at: Instant
