"""The shape of fulfillments in Shopify's answers: what is to leave from where, and what has left."""

from enum import StrEnum

from adapters.shopify.answer import Answer, Identified, Page
from adapters.shopify.global_ids import GidTail
from domain.model import Instant, Quantity


class AssignedLocation(Answer):
    """Where a fulfillment order is to ship from; the location is gone once somebody deleted it."""

    location: Identified | None = None


class FulfillmentOrderStatus(StrEnum):
    """Where a fulfillment order stands."""

    OPEN = "OPEN"
    IN_PROGRESS = "IN_PROGRESS"
    SCHEDULED = "SCHEDULED"
    ON_HOLD = "ON_HOLD"
    INCOMPLETE = "INCOMPLETE"
    CLOSED = "CLOSED"
    CANCELLED = "CANCELLED"


class FulfillmentOrderLine(Answer):
    """Units of an order line in a fulfillment order."""

    id: GidTail
    total_quantity: Quantity
    remaining_quantity: Quantity
    line_item: Identified


class FulfillmentHold(Answer):
    """Why nothing is to leave yet; of the many reasons that there are, this adapter knows some."""

    reason: str


class FulfillmentOrder(Answer):
    """What one location is to ship."""

    id: GidTail
    status: FulfillmentOrderStatus
    fulfill_at: Instant | None = None
    """When a scheduled one opens."""
    fulfillment_holds: tuple[FulfillmentHold, ...] = ()
    assigned_location: AssignedLocation
    line_items: Page[FulfillmentOrderLine]


class FulfillmentStatus(StrEnum):
    """Where a fulfillment stands."""

    SUCCESS = "SUCCESS"
    OPEN = "OPEN"
    PENDING = "PENDING"
    CANCELLED = "CANCELLED"
    ERROR = "ERROR"
    FAILURE = "FAILURE"


class TrackingInfo(Answer):
    """Carrier and parcel number as the buyer sees them."""

    company: str | None = None
    number: str | None = None


class FulfillmentLine(Answer):
    """Units of an order line in a fulfillment."""

    id: GidTail = ""
    quantity: Quantity
    line_item: Identified


class Fulfillment(Answer):
    """What left."""

    id: GidTail
    status: FulfillmentStatus
    location: Identified | None = None
    tracking_info: tuple[TrackingInfo, ...]
    fulfillment_line_items: Page[FulfillmentLine]
