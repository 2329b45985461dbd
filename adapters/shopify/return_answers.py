"""The shape of Shopify's answers about returns, as far as this adapter reads them; see ``answers``."""

from enum import StrEnum

from adapters.shopify.answer import Answer, Identified, Page, PageInfo
from adapters.shopify.global_ids import GidTail
from adapters.shopify.refund_answers import Refund
from domain.model import Quantity


class ReturnStatus(StrEnum):
    """Where a return stands."""

    REQUESTED = "REQUESTED"
    OPEN = "OPEN"
    CLOSED = "CLOSED"
    DECLINED = "DECLINED"
    CANCELED = "CANCELED"


class Reason(Answer):
    """Why goods come back, in the shop's words."""

    name: str


class ParcelLine(Answer):
    """Units of an order line in a parcel."""

    id: GidTail
    line_item: Identified


class ReturnLine(Answer):
    """Units that come back; those that nobody found in a parcel have no ``fulfillment_line_item``."""

    id: GidTail
    quantity: Quantity
    processed_quantity: Quantity
    unprocessed_quantity: Quantity
    customer_note: str | None = None
    return_reason_note: str = ""
    return_reason_definition: Reason | None = None
    fulfillment_line_item: ParcelLine | None = None


class NewLine(Answer):
    """A line of the order that an exchange has brought."""

    id: GidTail
    sku: str | None = None
    title: str = ""


class ExchangeLine(Answer):
    """Units that the buyer gets for what comes back."""

    id: GidTail
    quantity: Quantity
    processed_quantity: Quantity
    unprocessed_quantity: Quantity
    variant_id: GidTail | None = None
    line_items: tuple[NewLine, ...] | None = None


class Variant(Answer):
    """Something that the shop sells."""

    sku: str | None = None
    title: str = ""


class FoundVariant(Answer):
    """One of those that a search has found."""

    id: GidTail
    sku: str | None = None


class FoundVariants(Answer):
    """What a search has found."""

    nodes: tuple[FoundVariant, ...]


class Return(Answer):
    """A return with the first page of its lines, or, after ``returning.py``, with all of them."""

    id: GidTail
    name: str
    status: ReturnStatus
    return_line_items: Page[ReturnLine]
    exchange_line_items: Page[ExchangeLine] = Page(nodes=(), page_info=PageInfo(has_next_page=False))


class ReturnsOfOrder(Answer):
    """The returns of an order."""

    returns: Page[Return]


class Disposition(Answer):
    """Units of which is known what became of them."""

    quantity: Quantity


class ReverseLine(Answer):
    """Units of a parcel's line that the warehouse expects."""

    id: GidTail
    total_quantity: Quantity
    fulfillment_line_item: Identified | None = None
    dispositions: tuple[Disposition, ...]


class ReverseOrder(Answer):
    """What the warehouse expects."""

    id: GidTail
    line_items: Page[ReverseLine]


class ReturnState(Return):
    """A return, and what the warehouse expects and got of it."""

    order: Identified
    reverse_fulfillment_orders: Page[ReverseOrder]


class Refunds(Answer):
    """The refunds of a return."""

    nodes: tuple[Refund, ...]


class ProcessedReturn(Return):
    """A return after some of it was settled."""

    refunds: Refunds


class ChangedReturn(Answer):
    """A return after its state was changed."""

    id: GidTail
    status: ReturnStatus
