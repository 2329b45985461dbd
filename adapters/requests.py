"""What the ports are asked and what they answer: one model each. ``adapters.ports`` says which call takes which."""

from collections.abc import Mapping as Dictionary
from decimal import Decimal

from domain.erp_order import ErpOrder, RefusedChange
from domain.listings import ErpRecord, PlacedOrder
from domain.model import Amount, Frozen, Quantity
from domain.order import (
    FulfillmentLine,
    Order,
    OrderKey,
)
from domain.returns import QuotedPart, RefundPart


class FulfillmentRequest(Frozen):
    """Tell the storefront that a shipment left.

    Looked up before it is sent: a fulfillment at the same location with the same lines and tracking number that is
    not in ``known_fulfillment_ids`` is this one.
    """

    key: OrderKey
    location: str
    """The storefront's location id."""
    lines: tuple[FulfillmentLine, ...]
    carrier: str | None
    tracking_number: str
    more_tracking: tuple[str, ...] = ()
    """Of parcels that hold other pieces of the same kits."""
    known_fulfillment_ids: tuple[str, ...] = ()


class CaptureRequest(Frozen):
    """Bring what is captured on one authorization *up to* an amount: idempotent by its nature."""

    key: OrderKey
    authorization_id: str
    capture_up_to: Amount
    """In ``Order.presentment_currency``: the total captured on this authorization once the call is done."""


class RefundLine(Frozen):
    """Units of a line that left once and are given back."""

    line_id: str
    quantity: Quantity
    location: str | None = None
    """The storefront's location whose stock they come into; None where they come into none."""


class RefundRequest(Frozen):
    """Give units, delivery and money back, once.

    Looked up by ``refund_key`` (it stands in the refund's note) before it is sent, and of a return of the storefront's
    own by the units that it has settled already.
    """

    key: OrderKey
    refund_key: str
    return_id: str | None = None
    """The storefront's own return that this settles."""
    lines: tuple[RefundLine, ...] = ()
    shipping: Amount = Decimal(0)
    """Of the delivery charges, in ``Order.presentment_currency``, before tax unless prices include it."""
    money: tuple[RefundPart, ...] = ()
    note: str = ""
    only_find: bool = False
    """It was given back already, by this key or by hand: it is found, or refused as ``not_returnable``."""


class ExchangeRequest(Frozen):
    """Note a return that is agreed to, with what its buyer gets for it. Looked up by ``exchange_key``."""

    key: OrderKey
    exchange_key: str
    lines: Dictionary[str, Quantity]
    """Line -> units that come back; they have left."""
    instead: Dictionary[str, Quantity]
    """SKU -> units that the buyer gets."""
    reason: str = ""


class RefundQuote(Frozen):
    """What the storefront takes off an order's total where these units and this delivery are given back."""

    parts: tuple[QuotedPart, ...]
    total: Amount
    """In ``Order.currency``."""
    presentment_total: Amount


class Refund(Frozen):
    """A refund as the storefront shows it."""

    refund_id: str
    amount: Amount
    """Money given back, in ``Order.presentment_currency``."""
    echoes: tuple[str, ...] = ()
    """See ``ReturnChange``."""


class ReturnChange(Frozen):
    """The order after a return of it was to be changed."""

    order: Order
    echoes: tuple[str, ...] = ()
    """What webhooks are going to tell of it, as ``Delivery.tells``, where this very call changed it; else nothing."""


class CancelUnitsRequest(Frozen):
    """Bring lines *down to* a number of units, and give back what was taken for the others: idempotent by nature."""

    key: OrderKey
    units: Dictionary[str, Quantity]
    """Line -> units it is to have once the call is done. A line that has no more than that stays as it is."""
    total_before: Amount
    """In ``Order.presentment_currency``: the order's total before. At most what it fell by is given back."""
    reason: str
    fees: Amount = Decimal(0)
    """In ``Order.presentment_currency``: what returns held back; it is taken for no unit, and is not given back."""


class UnitsCanceled(Frozen):
    """The order without the units that were to be canceled."""

    order: Order
    echoes: tuple[str, ...] = ()
    """Of the refunds that this very call made; see ``ReturnChange``."""


class OrderPage(Frozen):
    """A page of a list of orders; ``next_cursor`` is None on the last one."""

    orders: tuple[PlacedOrder, ...]
    next_cursor: str | None = None

    @property
    def external_ids(self) -> tuple[str, ...]:
        """Their ids alone."""
        return tuple(order.external_id for order in self.orders)


class UnreadableOrder(Frozen):
    """An order of ours whose record at the ERP does not fit; ``reason`` names the part."""

    key: OrderKey
    reason: str


class ErpChanges(Frozen):
    """Orders that changed since a cursor, each read whole, and where to go on.

    An order may come again (windows overlap): the reader compares, the feed never skips.
    """

    orders: tuple[ErpOrder, ...]
    unreadable: tuple[UnreadableOrder, ...] = ()
    """Told apart, so that one bad record holds up no other."""
    cursor: str
    more: bool = False
    """Another page waits right now."""


class ErpRecordPage(Frozen):
    """Records of the ERP, in an order that does not change while they are listed."""

    records: tuple[ErpRecord, ...]
    next_cursor: str | None = None


class CancelOutcome(Frozen):
    """Whether the ERP canceled; if not, ``reason`` says in plain words what stands in the way."""

    canceled: bool
    order: ErpOrder
    reason: str = ""


class AmendOutcome(Frozen):
    """The order as it stands after an amendment, and what of the edit could not be done."""

    order: ErpOrder
    """Read whole, after the changes."""
    refused: tuple[RefusedChange, ...] = ()
