"""An ERP in memory: what every ERP adapter promises, in its shortest honest form.

It lives in one event loop: between two awaits nobody else is at work, which is all the locking it has.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count

from adapters.errors import Rejected, SessionExpired
from adapters.memory import returning
from adapters.memory.amending import amend
from adapters.memory.book_lines import OVER, adjustment_of, erp_lines
from adapters.memory.exchanging import (
    added,
    amended_exchange,
    beside,
    require_total,
    with_exchanges,
)
from adapters.memory.faults import Faults
from adapters.memory.stock_room import StockRoom
from adapters.memory.taxing import tax_adjustments
from adapters.memory.wire import Call, Wire
from adapters.ports import MOST_FOUND, ErpCapabilities, Places, Probe
from adapters.requests import AmendOutcome, CancelOutcome, ErpChanges, ErpRecordPage, UnreadableOrder
from adapters.stock_ports import MOST_STOCK, ErpStockLevels, ErpStockPage
from domain.counter_sale import still_to_leave
from domain.erp_order import ErpOrder, ErpOrderState, ErpReturnState, SalesLineKind, SalesOrder
from domain.listings import ErpRecord, OrderName
from domain.model import Instant
from domain.order import OrderKey
from domain.returns import ReturnAuthorization, ReturnCredit
from domain.tax_reconciliation import TaxesDiffer


class MemoryErp(StockRoom):
    """Implements ``ErpPort``; its staff act through the methods of ``StockRoom`` and ``BackOffice``.

    A set that is None knows everything.

    Args:
        products: product codes.
        warehouses: warehouse codes.
        taxes: tax code -> rate as a fraction; with it each line's tax is checked against its rate.
        parties: codes of B2B parties.
        currency: what its books are kept in; None takes orders in any.
        stock: units on hand by (warehouse, product); what is not listed never runs out.
        backorder: take orders that stock does not cover; else they are refused (``out_of_stock``).
        page_size: orders in one page of the change feed.
        latency: seconds that every call takes.
        faults: where a test orders faults; may be shared with a storefront.
        clock: tells when a shipment left.
    """

    def __init__(
        self,
        *,
        products: set[str] | None = None,
        warehouses: set[str] | None = None,
        taxes: Mapping[str, Decimal] | None = None,
        parties: set[str] | None = None,
        currency: str | None = None,
        stock: dict[tuple[str, str], int] | None = None,
        backorder: bool = False,
        page_size: int = 50,
        latency: float = 0.0,
        faults: Faults | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__(products=products, stock=stock, clock=clock, backorder=backorder)
        self.warehouses = warehouses
        self.taxes = taxes
        self.parties = parties
        self.currency = currency
        self.credentials_valid = True
        self.unreadable: dict[OrderKey, str] = {}
        """Orders whose record does not fit, and why: the change feed tells them apart."""
        self._page_size = page_size
        self._wire = Wire("erp", faults, latency)
        self._erp_ids = count(1)

    @property
    def calls(self) -> list[Call]:
        """Log of calls, oldest first."""
        return self._wire.calls

    @property
    def faults(self) -> Faults:
        """Where a test orders faults."""
        return self._wire.faults

    @property
    def capabilities(self) -> ErpCapabilities:
        """All there is."""
        return ErpCapabilities()

    async def find_order(self, key: OrderKey) -> ErpOrder | None:
        """See ``ErpPort``."""
        async with self._wire.call("find_order", str(key)):
            return self.orders.get(key)

    async def submit_order(self, order: SalesOrder) -> ErpOrder:
        """See ``ErpPort``. A fault at one of its two steps leaves nothing, or a draft, behind.

        Raises Rejected with cause ``period_closed`` besides those of the port.
        """
        async with self._wire.call("submit_order", str(order.key), writes=True):
            held = self.orders.get(order.key)
            if held is not None and held.state is not ErpOrderState.DRAFT:
                return held
            return self._enter(order, held)

    async def amend_order(self, target: SalesOrder) -> AmendOutcome:
        """See ``ErpPort``. An order that is still a draft is entered as the target has it."""
        async with self._wire.call("amend_order", str(target.key), writes=True):
            held, entered = self.orders.get(target.key), self.entered.get(target.key)
            if held is None or entered is None:
                raise Rejected("erp", "amend order", f"there is no order {target.key}", "order_unknown")
            if held.state is ErpOrderState.DRAFT:
                return AmendOutcome(order=self._enter(target, held))
            whole = with_exchanges(target, held, entered)
            told = target if target.only is None else whole
            _refuse("amend order", (*self._unknown(target), *self._differences(told)))
            amended = amend(held, entered, whole)
            if not amended.refused:
                require_total(held, amended.sales, target)
            noted = amended_exchange(held, amended.sales, target)
            return AmendOutcome(order=self.rearrange(noted, amended.sales), refused=amended.refused)

    async def add_exchange(self, exchange: SalesOrder) -> ErpOrder:
        """See ``ErpPort``. Raises Rejected with cause ``period_closed`` besides."""
        async with self._wire.call("add_exchange", str(exchange.key), writes=True):
            held = self._held(exchange.key, "add exchange")
            if any(each.return_id == exchange.exchange_id for each in held.exchanges):
                return held
            if held.state is ErpOrderState.CANCELED:
                reason = f"order {held.number} is canceled; nothing can be sent in exchange for goods of it"
                raise Rejected("erp", "add exchange", reason, "order_canceled")
            _refuse("add exchange", (*self._unknown(exchange), *self._differences(exchange)))
            sales = beside(self.entered[exchange.key], exchange)
            return self.rearrange(added(held, exchange), sales)

    async def deliver_order(self, key: OrderKey, units: Places | None = None) -> ErpOrder:
        """See ``ErpPort``. A fault after a shipment leaves the others behind."""
        async with self._wire.call("deliver_order", str(key), writes=True):
            held = self.orders.get(key)
            if held is None:
                raise Rejected("erp", "deliver order", f"there is no order {key}", "order_unknown")
            for shipment in held.shipments:
                if shipment.state in OVER:
                    continue
                missing = (
                    None if units is None else still_to_leave(self.orders[key], units, shipment.warehouse)
                )
                sent = {
                    line.line_id: number
                    for line in shipment.lines
                    if (
                        number := line.quantity
                        if missing is None
                        else min(line.quantity, missing[line.line_id])
                    )
                }
                if sent:
                    with self.faults.during("erp", "send_shipment", writes=True):
                        self.ship(key, shipment.warehouse, sent)
            return self.orders[key]

    async def authorize_return(self, request: ReturnAuthorization) -> ErpOrder:
        """See ``ErpPort``."""
        async with self._wire.call("authorize_return", str(request.key), writes=True):
            held = self._held(request.key, "authorize return")
            if self.warehouses is not None and request.warehouse not in self.warehouses:
                reason = f"there is no warehouse {request.warehouse!r}; correct [returns] of the mapping"
                cause = f"warehouse_unknown:erp:{request.warehouse}"
                raise Rejected("erp", "authorize return", reason, cause)
            self.return_places[request.key, request.return_id] = request.warehouse
            after = returning.expected(held, request)
            return held if after == held else self.keep(after)

    async def credit_return(self, request: ReturnCredit) -> ErpOrder:
        """See ``ErpPort``. Raises Rejected with cause ``period_closed`` or ``product_unknown`` besides."""
        async with self._wire.call("credit_return", str(request.key), writes=True):
            held = self._held(request.key, "credit return")
            known = returning.find(held, request.return_id)
            if known is not None and known.state is ErpReturnState.SETTLED:
                return held
            return self.settle(held, request)

    async def cancel_return(self, key: OrderKey, return_id: str, reason: str) -> ErpOrder:
        """See ``ErpPort``."""
        async with self._wire.call("cancel_return", str(key), reason, writes=True):
            held = self._held(key, "cancel return")
            after = returning.canceled(held, return_id)
            return held if after == held else self.keep(after)

    async def list_records(
        self, channel: str, changed_since: Instant, cursor: str | None = None
    ) -> ErpRecordPage:
        """See ``ErpPort``. The cursor is the id of the last record told."""
        async with self._wire.call("list_records"):
            everything = self._listed()
            start = 0
            if cursor is not None:
                ids = [record.erp_id for record in everything]
                if cursor not in ids:
                    raise Rejected("erp", "list records", f"cursor {cursor!r} is not ours", "cursor_unknown")
                start = ids.index(cursor) + 1
            found = [
                record
                for record in everything[start:]
                if record.changed_at >= changed_since
                and (record.key.channel == channel if record.key else record.reference)
            ]
            page = tuple(found[: self._page_size])
            return ErpRecordPage(
                records=page, next_cursor=page[-1].erp_id if len(found) > len(page) else None
            )

    async def find_records(self, channel: str, orders: Sequence[OrderName]) -> tuple[ErpRecord, ...]:
        """See ``ErpPort``."""
        if len(orders) > MOST_FOUND:
            raise ValueError(f"{len(orders)} orders are asked for; ask for {MOST_FOUND} at most")
        async with self._wire.call("find_records"):
            keys = {OrderKey(channel=channel, external_id=order.external_id) for order in orders}
            numbers = {order.number for order in orders if order.number}
            return tuple(
                record
                for record in self._listed()
                if (record.key in keys if record.key else record.reference in numbers)
            )

    async def cancel_order(self, key: OrderKey, reason: str) -> CancelOutcome:
        """See ``ErpPort``. Raises Rejected with cause ``order_unknown``."""
        async with self._wire.call("cancel_order", str(key), reason, writes=True):
            held = self.orders.get(key)
            if held is None:
                raise Rejected("erp", "cancel order", f"there is no order {key}", "order_unknown")
            obstacle = self.obstacle_to_cancel(held)
            if obstacle:
                return CancelOutcome(canceled=False, order=held, reason=obstacle)
            if held.state is not ErpOrderState.CANCELED:
                held = self.cancel(held)
            return CancelOutcome(canceled=True, order=held)

    async def changes(self, cursor: str | None) -> ErpChanges:
        """See ``ErpPort``. The cursor is the number of the last change told; None starts with all orders."""
        async with self._wire.call("changes"):
            cursor = "0" if cursor is None else cursor
            if not cursor.isdecimal():
                raise Rejected("erp", "read changes", f"cursor {cursor!r} is not ours", "cursor_unknown")
            later = sorted((at, str(key), key) for key, at in self.changed_at.items() if at > int(cursor))
            page = later[: self._page_size]
            return ErpChanges(
                orders=tuple(self.orders[key] for _, _, key in page if key not in self.unreadable),
                unreadable=tuple(
                    UnreadableOrder(key=key, reason=self.unreadable[key])
                    for _, _, key in page
                    if key in self.unreadable
                ),
                cursor=str(page[-1][0]) if page else cursor,
                more=len(later) > len(page),
            )

    async def stock_changes(self, cursor: str | None) -> ErpStockPage:
        """See ``ErpStockPort``. The cursor is the number of the last change told."""
        async with self._wire.call("stock_changes"):
            return self.stock_book.changes(cursor, self._page_size)

    async def find_stock(self, products: Sequence[str]) -> ErpStockLevels:
        """See ``ErpStockPort``."""
        if len(products) > MOST_STOCK:
            raise ValueError(f"{len(products)} products are asked for; ask for {MOST_STOCK} at most")
        async with self._wire.call("find_stock"):
            return self.stock_book.find(products)

    async def ping(self) -> None:
        """See ``ErpPort``."""
        async with self._wire.call("ping"):
            if not self.credentials_valid:
                raise SessionExpired("erp", "ping", "login or password is wrong")

    async def probe(self) -> Probe:
        """See ``ErpPort``."""
        async with self._wire.call("probe"):
            if self.credentials_valid:
                return Probe(ok=True, detail=f"memory ERP holding {len(self.orders)} orders")
            return Probe(ok=False, detail="login or password is wrong", remedy="correct the login")

    async def close(self) -> None:
        """Nothing is held open."""

    def restore(
        self, orders: Iterable[tuple[ErpOrder, int, datetime, str]], entered: Iterable[SalesOrder] = ()
    ) -> None:
        """Take over orders into empty books; counting goes on after them.

        Each comes with the number and time of its last change, and the storefront's number; ``entered`` are their
        lines with amounts.
        """
        self.entered.update((order.key, order) for order in entered)
        for order, change, written_at, reference in orders:
            self.stock_book.kept(self.orders.get(order.key), order)
            self.orders[order.key], self.changed_at[order.key] = order, change
            self.written_at[order.key], self.references[order.key] = written_at, reference
        held = self.orders.values()
        self.last_change = max(self.changed_at.values(), default=0)
        self._erp_ids = count(1 + max((int(order.erp_id) for order in held), default=0))
        self._shipment_ids = count(
            1 + max((int(s.shipment_id) for order in held for s in order.shipments), default=0)
        )

    def _held(self, key: OrderKey, operation: str) -> ErpOrder:
        if key not in self.orders:
            raise Rejected("erp", operation, f"there is no order {key}", "order_unknown")
        return self.orders[key]

    def _listed(self) -> list[ErpRecord]:
        return [
            record.model_copy(update={"unreadable": self.unreadable[record.key]})
            if record.key in self.unreadable
            else record
            for record in self.records()
        ]

    def _enter(self, order: SalesOrder, held: ErpOrder | None) -> ErpOrder:
        """Draft the order (again) and accept it."""
        _refuse("submit order", (*self._unknown(order), *self._differences(order), *self._shortages(order)))
        with self.faults.during("erp", "draft_order", writes=True):
            self.references[order.key], self.entered[order.key] = order.number, order
            draft = self.keep(self._draft(order, held.erp_id if held else str(next(self._erp_ids))))
        with self.faults.during("erp", "accept_order", writes=True):
            return self.plan_shipments(order, draft)

    def _unknown(self, order: SalesOrder) -> Iterator[tuple[str, str]]:
        """Cause and words of what the books do not take or do not know, the first that matters first."""
        month = f"{order.placed_at:%Y-%m}"
        if not self.period_open or month in self.closed_months:
            yield f"period_closed:erp:{month}", f"the fiscal period of {month} is closed; open it"
        if self.currency not in {None, order.currency}:
            yield (
                "currency_differs",
                f"the order is in {order.currency}, the books are kept in {self.currency}",
            )
        if order.party.code is not None and self.parties is not None and order.party.code not in self.parties:
            yield (
                f"party_unknown:erp:{order.party.code}",
                f"there is no party {order.party.code!r}; create it or correct the mapping",
            )
        for line in order.lines:
            if not self.knows_product(line.product):
                yield (
                    f"product_unknown:erp:{line.product}",
                    f"there is no product {line.product!r}; create it or map the SKU",
                )
            if (
                line.warehouse is not None
                and self.warehouses is not None
                and line.warehouse not in self.warehouses
            ):
                yield (
                    f"warehouse_unknown:erp:{line.warehouse}",
                    f"there is no warehouse {line.warehouse!r}; correct [locations] of the mapping",
                )
            for tax in line.taxes:
                if self.taxes is not None and tax.code not in self.taxes:
                    yield (
                        f"tax_unknown:erp:{tax.code}",
                        f"there is no tax {tax.code!r}; correct the mapping",
                    )

    def _differences(self, order: SalesOrder) -> Iterator[tuple[str, str]]:
        """Where the amounts do not add up, to the cent."""
        try:
            tax_adjustments(order, self.taxes)
        except TaxesDiffer as differ:
            yield "amounts_differ", str(differ)
        by_code: defaultdict[str, Decimal] = defaultdict(Decimal)
        for line in order.lines:
            for tax in line.taxes:
                by_code[tax.code] += tax.amount
        expected = {tax.code: tax.amount for tax in order.taxes}
        for code in sorted(by_code.keys() | expected.keys()):
            computed, asked = by_code.get(code, Decimal(0)), expected.get(code, Decimal(0))
            if computed != asked:
                yield "amounts_differ", f"tax {code} of the lines is {computed}, the order says {asked}"
        total = sum((line.net for line in order.lines), sum(by_code.values(), Decimal(0)))
        if total != order.total:
            yield (
                "amounts_differ",
                f"the lines come to {total}, the order says {order.total}: {total - order.total} off",
            )

    def _shortages(self, order: SalesOrder) -> Iterator[tuple[str, str]]:
        if self.backorder:
            return
        asked: Counter[tuple[str, str]] = Counter()
        for line in order.lines:
            if line.kind is SalesLineKind.GOODS and line.warehouse is not None:
                asked[line.warehouse, line.product] += line.quantity
        for place, quantity in asked.items():
            held = self.stock.get(place, quantity)
            if held < quantity:
                yield "out_of_stock", f"{place[0]} holds {held} of {place[1]}, the order asks for {quantity}"

    def _draft(self, order: SalesOrder, erp_id: str) -> ErpOrder:
        return ErpOrder(
            key=order.key,
            erp_id=erp_id,
            number=f"SO-{int(erp_id):05d}",
            state=ErpOrderState.DRAFT,
            currency=order.currency,
            total=order.total,
            taxes=order.taxes,
            lines=erp_lines(order),
            adjustment=adjustment_of(order),
            tax_adjustments=tax_adjustments(order, self.taxes),
        )


def _refuse(operation: str, refusals: Iterable[tuple[str, str]]) -> None:
    """Raises Rejected with the first cause, and everything that is said of it."""
    listed = list(refusals)
    if listed:
        first, _ = listed[0]
        reasons = dict.fromkeys(reason for cause, reason in listed if cause == first)
        raise Rejected("erp", operation, "; ".join(reasons), first)
