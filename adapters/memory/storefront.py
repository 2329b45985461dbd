"""A storefront in memory: what every storefront adapter promises, in its shortest honest form.

It lives in one event loop: between two awaits nobody else is at work, which is all the locking it has.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count

from adapters.echoes import refund_made, return_stands
from adapters.errors import Rejected, SessionExpired
from adapters.memory import exchanging, giving_back
from adapters.memory.faults import Faults
from adapters.memory.order_changes import (
    after_cancel,
    after_canceled_units,
    after_capture,
    after_edit,
    after_expiry,
    after_shipping,
    captures_of,
    count_units,
)
from adapters.memory.shelf import Shelf
from adapters.memory.wire import Call, Wire
from adapters.ports import MOST_FOUND, Probe, StorefrontCapabilities
from adapters.requests import (
    CancelUnitsRequest,
    CaptureRequest,
    ExchangeRequest,
    FulfillmentRequest,
    OrderPage,
    Refund,
    RefundQuote,
    RefundRequest,
    ReturnChange,
    UnitsCanceled,
)
from adapters.stock_ports import MOST_STOCK, ShownStockPage
from domain.listings import PlacedOrder
from domain.model import Instant
from domain.order import (
    CancelKind,
    Fulfillment,
    FulfillmentLine,
    Order,
    OrderKey,
    Payment,
    PaymentKind,
    PaymentStatus,
    ReturnStatus,
    StorefrontReturn,
)
from domain.stock import SettingOutcome, ShownStock, StockSetting
from domain.tax_allocation import settle_taxes


class MemoryStorefront:
    """Implements ``StorefrontPort``; buyers and the shop's own staff act through its plain methods.

    Args:
        channel: name of the channel; orders of another are refused.
        page_size: orders in one page of ``list_orders``.
        latency: seconds that every call takes.
        faults: where a test orders faults; may be shared with an ERP.
        clock: tells when an order was canceled.
        prices: what the shop sells by SKU, for exchanges.
        compare_and_set: as in ``StorefrontCapabilities``.
    """

    def __init__(
        self,
        channel: str = "shop",
        *,
        page_size: int = 50,
        latency: float = 0.0,
        faults: Faults | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        prices: Mapping[str, Decimal] | None = None,
        compare_and_set: bool = True,
    ) -> None:
        self.channel = channel
        self.credentials_valid = True
        self.orders: dict[str, Order] = {}
        """Every order by its external id, as the shop's staff would see it."""
        self.changed_at: dict[str, datetime] = {}
        """When each was changed last."""
        self.refunds: dict[str, Refund] = {}
        """Every refund by its key."""
        self.exchanges: dict[str, str] = {}
        """Return id of every exchange that was opened by a key, by that key."""
        self.prices = dict(prices or {})
        self.shelf = Shelf()
        """What it shows of stock."""
        self._placed: dict[str, Order] = {}
        self._compare_and_set = compare_and_set
        self._page_size = page_size
        self._clock = clock
        self._wire = Wire("storefront", faults, latency)
        self._ids = count(90001)

    @property
    def calls(self) -> list[Call]:
        """Log of calls, oldest first."""
        return self._wire.calls

    @property
    def faults(self) -> Faults:
        """Where a test orders faults."""
        return self._wire.faults

    @property
    def capabilities(self) -> StorefrontCapabilities:
        """All there is, but for what it was made without."""
        return StorefrontCapabilities(compare_and_set=self._compare_and_set)

    async def read_order(self, external_id: str) -> Order:
        """See ``StorefrontPort``."""
        async with self._wire.call("read_order", external_id):
            return settle_taxes(self._known(external_id, "read order"))

    async def list_orders(self, placed_since: Instant, cursor: str | None = None) -> OrderPage:
        """See ``StorefrontPort``."""
        async with self._wire.call("list_orders"):
            return self._page({each: o.placed_at for each, o in self.orders.items()}, placed_since, cursor)

    async def list_changed(self, changed_since: Instant, cursor: str | None = None) -> OrderPage:
        """See ``StorefrontPort``."""
        async with self._wire.call("list_changed"):
            return self._page(self.changed_at, changed_since, cursor)

    async def find_orders(self, external_ids: Sequence[str]) -> tuple[PlacedOrder, ...]:
        """See ``StorefrontPort``."""
        if len(external_ids) > MOST_FOUND:
            raise ValueError(f"{len(external_ids)} orders are asked for; ask for {MOST_FOUND} at most")
        async with self._wire.call("find_orders"):
            wanted = dict.fromkeys(external_ids)
            return tuple(self._listed(each) for each in wanted if each in self.orders)

    async def create_fulfillment(self, request: FulfillmentRequest) -> Fulfillment:
        """See ``StorefrontPort``. Raises Rejected with cause ``not_open_to_ship`` or ``order_unknown``."""
        async with self._wire.call("create_fulfillment", request.key.external_id, writes=True):
            order = self._of(request.key, "create fulfillment")
            wanted = count_units(request.lines)
            for known in order.fulfillments:
                if (
                    known.fulfillment_id not in request.known_fulfillment_ids
                    and (known.location, known.tracking_number) == (request.location, request.tracking_number)
                    and count_units(known.lines) == wanted
                ):
                    return known
            made = Fulfillment(
                fulfillment_id=self._new_id(),
                location=request.location,
                lines=tuple(FulfillmentLine(line_id=line, quantity=units) for line, units in wanted.items()),
                carrier=request.carrier,
                tracking_number=request.tracking_number,
                more_tracking=request.more_tracking,
            )
            self._keep(after_shipping(order, made, self._new_id))
            return made

    async def capture_payment(self, request: CaptureRequest) -> tuple[Payment, ...]:
        """See ``StorefrontPort``. Other causes: ``authorization_unknown``, ``authorization_voided``."""
        async with self._wire.call("capture_payment", request.key.external_id, writes=True):
            order = self._of(request.key, "capture payment")
            authorization = next(
                (
                    p
                    for p in order.payments
                    if p.payment_id == request.authorization_id
                    and p.kind is PaymentKind.AUTHORIZATION
                    and p.status is PaymentStatus.SUCCESS
                ),
                None,
            )
            if authorization is None:
                reason = f"order {request.key} has no authorization {request.authorization_id}"
                raise Rejected("storefront", "capture payment", reason, "authorization_unknown")
            captured = after_capture(order, authorization, request.capture_up_to, self._clock(), self._new_id)
            order = self._keep(captured)
            return captures_of(order, request.authorization_id)

    async def quote_refund(self, request: RefundRequest) -> RefundQuote:
        """See ``StorefrontPort``. Raises Rejected with cause ``not_returnable``."""
        async with self._wire.call("quote_refund", request.key.external_id):
            order = self._of(request.key, "quote refund")
            return giving_back.quote(order, self._placed[request.key.external_id], request)

    async def refund_order(self, request: RefundRequest) -> Refund:
        """See ``StorefrontPort``."""
        async with self._wire.call("refund_order", request.key.external_id, writes=True):
            order = self._of(request.key, "refund order")
            if request.refund_key in self.refunds:
                return self.refunds[request.refund_key]
            if request.only_find:
                raise giving_back.not_found(request)
            placed = self._placed[request.key.external_id]
            after = self._keep(giving_back.after_refund(order, placed, request, self._new_id))
            skus = {line.line_id: line.sku or "" for line in order.lines}
            self.shelf.restocked(
                {(skus[x.line_id], x.location): x.quantity for x in request.lines if x.location is not None}
            )
            made = Refund(
                refund_id=self._new_id(), amount=sum((part.amount for part in request.money), Decimal(0))
            )
            self.refunds[request.refund_key] = made
            closed = [
                return_stands(each.return_id, each.status)
                for each in after.returns
                if each not in order.returns and each.status is ReturnStatus.CLOSED
            ]
            return made.model_copy(update={"echoes": (refund_made(made.refund_id), *closed)})

    async def approve_return(self, external_id: str, return_id: str) -> ReturnChange:
        """See ``StorefrontPort``. Raises Rejected with cause ``return_unknown``."""
        async with self._wire.call("approve_return", external_id, writes=True):
            order = self._known(external_id, "approve return")
            if giving_back.find(order, return_id).status is not ReturnStatus.REQUESTED:
                return ReturnChange(order=order)
            return self._changed_return(order, return_id, ReturnStatus.OPEN)

    async def end_return(self, external_id: str, return_id: str, reason: str) -> ReturnChange:
        """See ``StorefrontPort``. Raises Rejected with cause ``return_unknown``."""
        async with self._wire.call("end_return", external_id, reason, writes=True):
            order = self._known(external_id, "end return")
            held = giving_back.find(order, return_id)
            end = giving_back.ended(held)
            if end is held.status:
                return ReturnChange(order=order)
            return self._changed_return(order, return_id, end)

    def _changed_return(self, order: Order, return_id: str, status: ReturnStatus) -> ReturnChange:
        held = giving_back.find(order, return_id)
        units = sum(line.quantity for line in held.lines) if status is ReturnStatus.OPEN else None
        changed = self._keep(giving_back.with_status(order, return_id, status))
        return ReturnChange(order=changed, echoes=(return_stands(return_id, status, units),))

    async def open_exchange(self, request: ExchangeRequest) -> StorefrontReturn:
        """See ``StorefrontPort``."""
        external_id = request.key.external_id
        async with self._wire.call("open_exchange", external_id, writes=True):
            order = self._of(request.key, "open exchange")
            if request.exchange_key not in self.exchanges:
                exchanging.require_sold(request.instead, self.prices)
                order = exchanging.opened(order, request, return_id := self._new_id())
                self.exchanges[request.exchange_key] = return_id
                self._keep(order)
            return giving_back.find(order, self.exchanges[request.exchange_key])

    async def release_exchange(self, external_id: str, return_id: str) -> Order:
        """See ``StorefrontPort``. Raises Rejected with cause ``variant_unknown`` besides."""
        async with self._wire.call("release_exchange", external_id, writes=True):
            order, placed = self._known(external_id, "release exchange"), self._placed[external_id]
            after, new = exchanging.released(order, placed, return_id, self.prices, self._new_id)
            if new:
                self._placed[external_id] = placed.model_copy(update={"lines": (*placed.lines, *new)})
            return self._keep(after) if new else order

    async def cancel_order(self, external_id: str, reason: str, kind: CancelKind = CancelKind.OTHER) -> Order:
        """See ``StorefrontPort``. Raises Rejected with cause ``already_shipped`` once a parcel left."""
        async with self._wire.call("cancel_order", external_id, reason, writes=True):
            return self._cancel(self._known(external_id, "cancel order"), kind)

    async def cancel_units(self, request: CancelUnitsRequest) -> UnitsCanceled:
        """See ``StorefrontPort``. Raises Rejected with cause ``units_have_left``."""
        external_id = request.key.external_id
        async with self._wire.call("cancel_units", external_id, request.reason, writes=True):
            order, placed = self._of(request.key, "cancel units"), self._placed[external_id]
            less = after_canceled_units(order, placed, request, self._new_id)
            if less == order:
                return UnitsCanceled(order=order)
            return UnitsCanceled(order=self._keep(less), echoes=(refund_made(self._new_id()),))

    async def list_stock(self, cursor: str | None = None) -> ShownStockPage:
        """See ``StorefrontStockPort``. The cursor is the last SKU told."""
        async with self._wire.call("list_stock"):
            found = self.shelf.skus(cursor, self._page_size + 1)
            page = found[: self._page_size]
            more = len(found) > len(page)
            return ShownStockPage(levels=self.shelf.levels(page), next_cursor=page[-1] if more else None)

    async def read_stock(self, skus: Sequence[str]) -> tuple[ShownStock, ...]:
        """See ``StorefrontStockPort``."""
        _at_most(len(skus), "SKUs")
        async with self._wire.call("read_stock"):
            return self.shelf.levels(skus)

    async def set_stock(
        self, settings: Sequence[StockSetting], idempotency_key: str
    ) -> tuple[SettingOutcome, ...]:
        """See ``StorefrontStockPort``."""
        _at_most(len(settings), "settings")
        async with self._wire.call("set_stock", writes=True):
            return self.shelf.set(settings, idempotency_key, compare=self._compare_and_set)

    async def ping(self) -> None:
        """See ``StorefrontPort``."""
        async with self._wire.call("ping"):
            if not self.credentials_valid:
                raise SessionExpired(self._wire.system, "ping", "the access token is wrong")

    async def probe(self) -> Probe:
        """See ``StorefrontPort``."""
        async with self._wire.call("probe"):
            if self.credentials_valid:
                return Probe(ok=True, detail=f"memory storefront {self.channel}, {len(self.orders)} orders")
            return Probe(ok=False, detail="the access token is wrong", remedy="correct the access token")

    async def close(self) -> None:
        """Nothing is held open."""

    # What buyers and the shop's own staff do.

    def place(self, order: Order) -> Order:
        """A new order. Raises ValueError where the channel is another or the id is taken."""
        if order.key.external_id in self.orders:
            raise ValueError(f"order {order.key} is placed already; replace or edit it")
        return self.replace(order)

    def replace(self, order: Order) -> Order:
        """Put any state of an order in place of what there was. Raises ValueError for another channel."""
        if order.key.channel != self.channel:
            raise ValueError(f"order {order.key} is not of channel {self.channel}")
        self._placed[order.key.external_id] = order
        return self._keep(order)

    def revise(self, order: Order) -> Order:
        """An order is changed in all but the units of its lines; shares are reckoned from what was placed, as before.

        Raises KeyError if unknown.
        """
        before, placed = self.orders[order.key.external_id], self._placed[order.key.external_id]
        known = {line.line_id for line in placed.lines}
        grown = {
            "lines": (*placed.lines, *(line for line in order.lines if line.line_id not in known)),
            "total": placed.total + order.total - before.total,
            "presentment_total": placed.presentment_total
            + order.presentment_total
            - before.presentment_total,
        }
        self._placed[order.key.external_id] = placed.model_copy(update=grown)
        return self._keep(order)

    def edit_quantity(self, external_id: str, line_id: str, current: int) -> Order:
        """Lower a line; its money follows. Raises ValueError where that is not possible, KeyError if unknown."""
        return self._keep(after_edit(self.orders[external_id], self._placed[external_id], line_id, current))

    def reschedule(self, external_id: str, at: datetime | None) -> Order:
        """What is still to leave may leave from then on, None: at once. Raises KeyError if unknown."""
        order = self.orders[external_id]
        plans = [
            plan.model_copy(update={"not_before": at}) if plan.open else plan for plan in order.location_plans
        ]
        return self._keep(order.model_copy(update={"location_plans": tuple(plans)}))

    def request_return(
        self,
        external_id: str,
        units: Mapping[str, int],
        reason: str = "",
        instead: Mapping[str, int] | None = None,
    ) -> Order:
        """A buyer asks to return units (line -> units), and gets others for them (SKU -> units) where they say so.

        Raises ValueError where they have not left, KeyError.
        """
        return_id = self._new_id()
        order = giving_back.requested(self.orders[external_id], units, reason, return_id)
        return self._keep(exchanging.with_exchange(order, return_id, instead) if instead else order)

    def withdraw_return(self, external_id: str, return_id: str) -> Order:
        """A buyer does not want to return anything after all. Raises Rejected and KeyError where unknown."""
        return self._keep(giving_back.with_status(self.orders[external_id], return_id, ReturnStatus.CANCELED))

    def reopen_return(self, external_id: str, return_id: str) -> Order:
        """The shop's staff take a return up again. Raises Rejected and KeyError where unknown."""
        return self._keep(giving_back.with_status(self.orders[external_id], return_id, ReturnStatus.OPEN))

    def expire_authorizations(self, external_id: str) -> Order:
        """What is authorized can be captured no more. Raises KeyError if unknown."""
        return self._keep(after_expiry(self.orders[external_id], self._clock()))

    def cancel_by_customer(self, external_id: str) -> Order:
        """Cancel at the storefront itself. Raises Rejected once a parcel left, KeyError if unknown."""
        return self._cancel(self.orders[external_id], CancelKind.CUSTOMER)

    def _cancel(self, order: Order, kind: CancelKind) -> Order:
        external_id = order.key.external_id
        if order.canceled_at is None:
            canceled = after_cancel(order, self._placed[external_id], self._clock(), self._new_id)
            order = self._keep(canceled.model_copy(update={"cancel_kind": kind}))
        return order

    def _keep(self, order: Order) -> Order:
        """Every change of an order comes through here."""
        self.shelf.moved(self.orders.get(order.key.external_id), order)
        self.orders[order.key.external_id] = order
        self.changed_at[order.key.external_id] = self._clock()
        return order

    def _page(self, times: Mapping[str, datetime], since: datetime, cursor: str | None) -> OrderPage:
        """Orders by a time of theirs. The cursor is time and id of the last one told, as it was then."""
        places = sorted((at, external_id) for external_id, at in times.items() if at >= since)
        if cursor is not None:
            told, _, last = cursor.partition(" ")
            places = [place for place in places if place > (datetime.fromisoformat(told), last)]
        page = places[: self._page_size]
        more = len(places) > len(page)
        return OrderPage(
            orders=tuple(self._listed(external_id) for _, external_id in page),
            next_cursor=f"{page[-1][0].isoformat()} {page[-1][1]}" if more else None,
        )

    def _listed(self, external_id: str) -> PlacedOrder:
        order = self.orders[external_id]
        return PlacedOrder(
            external_id=external_id,
            number=order.number,
            placed_at=order.placed_at,
            changed_at=self.changed_at[external_id],
            total=order.total,
            test=order.test,
            canceled_at=order.canceled_at,
            fulfilled=sum(line.quantity for each in order.fulfillments for line in each.lines),
        )

    def _of(self, key: OrderKey, operation: str) -> Order:
        if key.channel != self.channel:
            raise Rejected(
                "storefront", operation, f"order {key} is not of channel {self.channel}", "order_unknown"
            )
        return self._known(key.external_id, operation)

    def _known(self, external_id: str, operation: str) -> Order:
        if external_id not in self.orders:
            raise Rejected("storefront", operation, f"there is no order {external_id}", "order_unknown")
        return self.orders[external_id]

    def _new_id(self) -> str:
        return str(next(self._ids))


def _at_most(asked: int, things: str) -> None:
    if asked > MOST_STOCK:
        raise ValueError(f"{asked} {things} are asked for; ask for {MOST_STOCK} at most")
