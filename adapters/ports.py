"""What the application needs of the outside systems: two ports and declared capabilities.

Every method may raise any leaf of ``adapters.errors``. Every write is idempotent *by contract*: called again with
the same request, also after a lost answer or from another process, it finds what it did before and returns that.
``tests/contract`` holds one suite a port, run against every adapter.
"""

from collections.abc import Mapping as Dictionary
from collections.abc import Sequence
from typing import Final, Protocol

from adapters.requests import (
    AmendOutcome,
    CancelOutcome,
    CancelUnitsRequest,
    CaptureRequest,
    ErpChanges,
    ErpRecordPage,
    ExchangeRequest,
    FulfillmentRequest,
    OrderPage,
    Refund,
    RefundQuote,
    RefundRequest,
    ReturnChange,
    UnitsCanceled,
)
from adapters.stock_ports import ErpStockPort, StorefrontStockPort
from domain.erp_order import ErpOrder, SalesOrder
from domain.listings import ErpRecord, OrderName, PlacedOrder
from domain.mapping import Mapping
from domain.model import Frozen, Instant, Quantity
from domain.order import (
    CancelKind,
    Fulfillment,
    Order,
    OrderKey,
    Payment,
    StorefrontReturn,
)
from domain.returns import ReturnAuthorization, ReturnCredit

MOST_FOUND: Final = 50
"""Orders that one call of ``find_orders`` or ``find_records`` takes."""


Places = Dictionary[str, Dictionary[str, Quantity]]
"""Line -> warehouse -> units."""


class Probe(Frozen):
    """Answer of a reachability check, in words for ``orderwright doctor``."""

    ok: bool
    detail: str
    remedy: str = ""


class StorefrontCapabilities(Frozen):
    """What a storefront can do; a suite skips what is not declared, a workflow never asks for it."""

    capture: bool = True
    """Authorized money is captured by us, in parts."""
    location_plans: bool = True
    """The storefront itself says which location ships what."""
    presentment_currency: bool = True
    refunds: bool = True
    returns: bool = True
    """It keeps returns of its own, which buyers ask for."""
    exchanges: bool = True
    """A return of its own may say what the buyer gets for it."""
    stock: bool = True
    """Its stock is set from outside, and it tells what its own orders hold."""
    compare_and_set: bool = True
    """It sets a number only where it still shows the one that was thought; else what came of a setting is read back."""


class StorefrontPort(StorefrontStockPort, Protocol):
    """A storefront, seen as one channel."""

    @property
    def capabilities(self) -> StorefrontCapabilities:
        """What this storefront can do."""
        ...

    async def read_order(self, external_id: str) -> Order:
        """Read one order whole, its taxes settled (``domain.tax_allocation.settle_taxes``).

        Raises Rejected with cause ``order_unknown`` where there is none.
        """
        ...

    async def list_orders(self, placed_since: Instant, cursor: str | None = None) -> OrderPage:
        """Orders placed at or after ``placed_since`` (to the second), oldest first, test and canceled ones included."""
        ...

    async def list_changed(self, changed_since: Instant, cursor: str | None = None) -> OrderPage:
        """Orders placed or changed in any way at or after ``changed_since`` (to the second), the oldest change first.

        One call a page, none an order. An order that changes while the list is read may come twice; none is left out.
        """
        ...

    async def find_orders(self, external_ids: Sequence[str]) -> tuple[PlacedOrder, ...]:
        """Those of these orders that there are, in one call; at most ``MOST_FOUND``. Raises ValueError for more."""
        ...

    async def create_fulfillment(self, request: FulfillmentRequest) -> Fulfillment:
        """Find or create the fulfillment of a shipment.

        Units that the storefront had planned for another location move to the one that they left from. Raises Rejected
        with cause ``not_open_to_ship`` where units are open to ship nowhere.
        """
        ...

    async def capture_payment(self, request: CaptureRequest) -> tuple[Payment, ...]:
        """Capture what is missing up to the amount; returns all captures of the authorization.

        Raises Rejected with cause ``capture_exceeds_authorization``, or ``authorization_expired`` where it has.
        """
        ...

    async def quote_refund(self, request: RefundRequest) -> RefundQuote:
        """What units and delivery of a refund are worth; ``money`` is not looked at. Nothing is changed."""
        ...

    async def refund_order(self, request: RefundRequest) -> Refund:
        """Find or make a refund; a return of the storefront's own is settled by it, and closed once nothing is left.

        Raises Rejected with cause ``refund_exceeds_payment`` where a payment holds less, ``not_returnable`` where so
        many units have not left.
        """
        ...

    async def approve_return(self, external_id: str, return_id: str) -> ReturnChange:
        """Agree to a return that the buyer asks for; one that is agreed to already is left as it is."""
        ...

    async def end_return(self, external_id: str, return_id: str, reason: str) -> ReturnChange:
        """Give up a return that nothing came of: a requested one is declined, an open one canceled or closed.

        What its buyer was to get for it and is not on the order yet is over with it.
        """
        ...

    async def open_exchange(self, request: ExchangeRequest) -> StorefrontReturn:
        """Find or make an open return with what its buyer gets for it; nothing of that is on the order yet.

        Raises Rejected with cause ``not_returnable`` where so many units have not left, ``variant_unknown:{sku}``.
        """
        ...

    async def release_exchange(self, external_id: str, return_id: str) -> Order:
        """Put on the order what the buyer gets for a return, to be shipped and paid for: idempotent by nature.

        Raises Rejected with cause ``return_unknown``, or ``exchange_closed`` where the return is over.
        """
        ...

    async def cancel_order(self, external_id: str, reason: str, kind: CancelKind = CancelKind.OTHER) -> Order:
        """Cancel the whole order, void or refund what was paid; a canceled order is returned as it is.

        Whom the storefront tells that their order is canceled is up to it; nobody is told of ``FRAUD``.
        """
        ...

    async def cancel_units(self, request: CancelUnitsRequest) -> UnitsCanceled:
        """Cancel units that have not left, and give back what was taken beyond the new total.

        Raises Rejected where units have left meanwhile.
        """
        ...

    async def ping(self) -> None:
        """The lightest call that shows that the system works for us; raises what any call would where it does not."""
        ...

    async def probe(self) -> Probe:
        """Check address, credentials and rights without changing anything."""
        ...

    async def close(self) -> None:
        """Give connections back."""
        ...


class ErpCapabilities(Frozen):
    """What an ERP can do."""

    change_feed: bool = True
    returns: bool = True
    """Goods that come back are expected, received and credited."""
    exchanges: bool = True
    """What a buyer gets for them is entered beside the order that was sold."""
    concurrent_orders: bool = True
    """Several orders may be written at once. False: the adapter itself takes one at a time."""
    backorders: bool = True
    """It tells which units are not in stock (``ErpOrder.backorders``)."""
    complete_only: bool = True
    """It holds an order back until all of it is in stock, where ``SalesOrder.complete_only`` asks for that."""
    stock: bool = True
    """It tells what it has of its products, and what changed."""


class ErpPort(ErpStockPort, Protocol):
    """An ERP."""

    @property
    def capabilities(self) -> ErpCapabilities:
        """What this ERP can do."""
        ...

    async def find_order(self, key: OrderKey) -> ErpOrder | None:
        """Look an order up by its idempotency key; with its invoices, where the ERP can tell of them."""
        ...

    async def submit_order(self, order: SalesOrder) -> ErpOrder:
        """Bring the order into the ERP, accepted and with its shipments at the asked warehouses.

        Finds what an earlier attempt left (nothing, a draft, half its shipments) and goes on from there. Amounts are
        compared with ``order.total`` and ``order.taxes`` before anything is confirmed. Raises Rejected with cause
        ``amounts_differ`` (difference named), ``product_unknown:{system}:{code}``, likewise ``warehouse_unknown``,
        ``tax_unknown`` and ``party_unknown`` (the first one that is missing, so that orders which lack the same share
        a cause), ``party_inactive`` where its people deactivated the buyer, ``out_of_stock`` or the ERP's own words.
        A buyer whom they merged with another is that other from then on.
        """
        ...

    async def amend_order(self, target: SalesOrder) -> AmendOutcome:
        """Bring the ERP's order to ``target``, what the storefront holds now, by the smallest changes possible.

        Changes are absolute (so many units of a line at a warehouse, at that net and tax), so a repeated call finds
        nothing left to do: idempotent by nature, and it goes on where an earlier try stopped. What has left a warehouse
        stays as it is; what is picked or packed is refused, each part with its reason, and the other parts are done all
        the same; an ERP that can change an order only as a whole refuses every part. Stock of what is taken off is
        released. Amounts are compared with ``target.total`` and ``target.taxes`` where nothing was refused (Rejected
        ``amounts_differ``). Lines that are not on ``target`` any more go to zero units. Raises Rejected
        ``order_unknown`` where the ERP never had the order, and as ``submit_order`` for unknown products, warehouses,
        taxes. Where the target is not ``complete_only`` any more, what was held back may leave.

        A target with an ``exchange_id`` is that exchange: what was sold, and other exchanges, stay as they are, and one
        without lines is over. With ``only`` those lines alone are amended: goods of the order came back, and with what
        stays it must come to the target's total and taxes.
        """
        ...

    async def add_exchange(self, exchange: SalesOrder) -> ErpOrder:
        """Enter what the buyer gets for a return beside the order that was sold, once: ``exchange_id`` says for which.

        The order is returned read whole, the exchange counted in: lines, shipments, amounts, invoices. Finds what an
        earlier attempt left and goes on from there. Raises Rejected ``order_unknown``, ``order_canceled`` and as
        ``submit_order``.
        """
        ...

    async def deliver_order(self, key: OrderKey, units: Places | None = None) -> ErpOrder:
        """Write down that the order has left its warehouses already, handed over at a counter: all of it, or ``units``.

        Sends what has not left off as it is, without a tracking number: ``units`` are all that left by then, so that
        only what is missing of them is sent, and the rest waits as before. What has left stays as it is, so a
        repeated call finds nothing to do and goes on where an earlier try stopped. Raises Rejected with cause
        ``order_unknown``, or ``stock_missing`` where the ERP's books do not hold what was handed over.
        """
        ...

    async def authorize_return(self, request: ReturnAuthorization) -> ErpOrder:
        """Find or make the document by which the warehouse expects goods back; the order with it, read whole.

        A settled or canceled one is returned as it is. Raises Rejected ``order_unknown``, ``warehouse_unknown``.
        """
        ...

    async def credit_return(self, request: ReturnCredit) -> ErpOrder:
        """Settle a return, once: stock what is restocked, write off what is scrapped, post the credit note.

        Without lines there is nothing to credit: the buyer's goods were rejected, and the return is settled so.

        Where no goods were expected (a refund without goods) nothing is stocked and the credit note is all. Goes on
        where an earlier try stopped; a settled return is left as it is. Raises Rejected ``order_unknown``,
        ``return_canceled``, ``amounts_differ`` and the ERP's own words.
        """
        ...

    async def cancel_return(self, key: OrderKey, return_id: str, reason: str) -> ErpOrder:
        """Expect the goods no more. One that is unknown or canceled is fine.

        Raises Rejected ``return_received`` where goods have come in, ``return_settled``.
        """
        ...

    async def list_records(
        self, channel: str, changed_since: Instant, cursor: str | None = None
    ) -> ErpRecordPage:
        """Records that were entered or changed, or sent a shipment off, at or after ``changed_since``.

        Those of the channel, and those that people entered without a key of any channel but with a reference; one call
        a page, none a record.
        """
        ...

    async def find_records(self, channel: str, orders: Sequence[OrderName]) -> tuple[ErpRecord, ...]:
        """Every record of these orders, in one call; at most ``MOST_FOUND`` orders. Raises ValueError for more.

        Found by key, and by reference where the record has no key: an order may have several records.
        """
        ...

    async def cancel_order(self, key: OrderKey, reason: str) -> CancelOutcome:
        """Cancel the whole order as long as nothing is picked; canceling a canceled one is fine."""
        ...

    async def changes(self, cursor: str | None) -> ErpChanges:
        """Orders of ours that changed since the cursor.

        None starts with every order of ours that is still open or changed within the last day: a feed whose first
        poll comes late misses nothing.
        """
        ...

    async def ping(self) -> None:
        """The lightest call that shows that the system works for us; raises what any call would where it does not."""
        ...

    async def probe(self) -> Probe:
        """Check address, credentials and rights without changing anything."""
        ...

    async def close(self) -> None:
        """Give connections back."""
        ...


class MappingSource(Protocol):
    """Where activities get the mapping from."""

    def current(self, channel: str) -> Mapping:
        """The mapping in force for a channel."""
        ...

    def version(self, version: str) -> Mapping:
        """An earlier version by its content id. Raises KeyError where it was never seen."""
        ...
