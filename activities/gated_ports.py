"""The two ports behind their gates: what an activity is given instead of the bare adapter."""

from collections.abc import Sequence

from activities.gates import Gate
from adapters.ports import ErpCapabilities, ErpPort, Places, Probe, StorefrontCapabilities, StorefrontPort
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
from adapters.stock_ports import ErpStockLevels, ErpStockPage, ShownStockPage
from domain.erp_order import ErpOrder, SalesOrder
from domain.listings import ErpRecord, OrderName, PlacedOrder
from domain.model import Instant
from domain.order import CancelKind, Fulfillment, Order, OrderKey, Payment, StorefrontReturn
from domain.returns import ReturnAuthorization, ReturnCredit
from domain.stock import SettingOutcome, ShownStock, StockSetting


class GatedStorefront:
    """Implements ``StorefrontPort``. Every call may also raise Unavailable because the storefront is away."""

    def __init__(self, storefront: StorefrontPort, gate: Gate) -> None:
        self._storefront = storefront
        self._gate = gate

    @property
    def capabilities(self) -> StorefrontCapabilities:
        """See ``StorefrontPort``."""
        return self._storefront.capabilities

    async def read_order(self, external_id: str) -> Order:
        """See ``StorefrontPort``."""
        async with self._gate.passing("read order"):
            return await self._storefront.read_order(external_id)

    async def list_orders(self, placed_since: Instant, cursor: str | None = None) -> OrderPage:
        """See ``StorefrontPort``."""
        async with self._gate.passing("list orders"):
            return await self._storefront.list_orders(placed_since, cursor)

    async def list_changed(self, changed_since: Instant, cursor: str | None = None) -> OrderPage:
        """See ``StorefrontPort``."""
        async with self._gate.passing("list changed orders"):
            return await self._storefront.list_changed(changed_since, cursor)

    async def find_orders(self, external_ids: Sequence[str]) -> tuple[PlacedOrder, ...]:
        """See ``StorefrontPort``."""
        async with self._gate.passing("find orders"):
            return await self._storefront.find_orders(external_ids)

    async def create_fulfillment(self, request: FulfillmentRequest) -> Fulfillment:
        """See ``StorefrontPort``."""
        async with self._gate.passing("create fulfillment"):
            return await self._storefront.create_fulfillment(request)

    async def capture_payment(self, request: CaptureRequest) -> tuple[Payment, ...]:
        """See ``StorefrontPort``."""
        async with self._gate.passing("capture payment"):
            return await self._storefront.capture_payment(request)

    async def quote_refund(self, request: RefundRequest) -> RefundQuote:
        """See ``StorefrontPort``."""
        async with self._gate.passing("quote refund"):
            return await self._storefront.quote_refund(request)

    async def refund_order(self, request: RefundRequest) -> Refund:
        """See ``StorefrontPort``."""
        async with self._gate.passing("refund order"):
            return await self._storefront.refund_order(request)

    async def approve_return(self, external_id: str, return_id: str) -> ReturnChange:
        """See ``StorefrontPort``."""
        async with self._gate.passing("approve return"):
            return await self._storefront.approve_return(external_id, return_id)

    async def end_return(self, external_id: str, return_id: str, reason: str) -> ReturnChange:
        """See ``StorefrontPort``."""
        async with self._gate.passing("end return"):
            return await self._storefront.end_return(external_id, return_id, reason)

    async def open_exchange(self, request: ExchangeRequest) -> StorefrontReturn:
        """See ``StorefrontPort``."""
        async with self._gate.passing("open exchange"):
            return await self._storefront.open_exchange(request)

    async def release_exchange(self, external_id: str, return_id: str) -> Order:
        """See ``StorefrontPort``."""
        async with self._gate.passing("release exchange"):
            return await self._storefront.release_exchange(external_id, return_id)

    async def cancel_order(self, external_id: str, reason: str, kind: CancelKind = CancelKind.OTHER) -> Order:
        """See ``StorefrontPort``."""
        async with self._gate.passing("cancel order"):
            return await self._storefront.cancel_order(external_id, reason, kind)

    async def cancel_units(self, request: CancelUnitsRequest) -> UnitsCanceled:
        """See ``StorefrontPort``."""
        async with self._gate.passing("cancel units"):
            return await self._storefront.cancel_units(request)

    async def list_stock(self, cursor: str | None = None) -> ShownStockPage:
        """See ``StorefrontStockPort``."""
        async with self._gate.passing("list stock"):
            return await self._storefront.list_stock(cursor)

    async def read_stock(self, skus: Sequence[str]) -> tuple[ShownStock, ...]:
        """See ``StorefrontStockPort``."""
        async with self._gate.passing("read stock"):
            return await self._storefront.read_stock(skus)

    async def set_stock(
        self, settings: Sequence[StockSetting], idempotency_key: str
    ) -> tuple[SettingOutcome, ...]:
        """See ``StorefrontStockPort``."""
        async with self._gate.passing("set stock"):
            return await self._storefront.set_stock(settings, idempotency_key)

    async def ping(self) -> None:
        """See ``StorefrontPort``; never held back."""
        await self._storefront.ping()

    async def probe(self) -> Probe:
        """See ``StorefrontPort``; never held back."""
        return await self._storefront.probe()

    async def close(self) -> None:
        """Give connections back."""
        await self._storefront.close()


class GatedErp:
    """Implements ``ErpPort``. Every call may also raise Unavailable because the ERP is away."""

    def __init__(self, erp: ErpPort, gate: Gate) -> None:
        self._erp = erp
        self._gate = gate

    @property
    def capabilities(self) -> ErpCapabilities:
        """See ``ErpPort``."""
        return self._erp.capabilities

    async def find_order(self, key: OrderKey) -> ErpOrder | None:
        """See ``ErpPort``."""
        async with self._gate.passing("find order"):
            return await self._erp.find_order(key)

    async def submit_order(self, order: SalesOrder) -> ErpOrder:
        """See ``ErpPort``."""
        async with self._gate.passing("submit order"):
            return await self._erp.submit_order(order)

    async def amend_order(self, target: SalesOrder) -> AmendOutcome:
        """See ``ErpPort``."""
        async with self._gate.passing("amend order"):
            return await self._erp.amend_order(target)

    async def add_exchange(self, exchange: SalesOrder) -> ErpOrder:
        """See ``ErpPort``."""
        async with self._gate.passing("add exchange"):
            return await self._erp.add_exchange(exchange)

    async def authorize_return(self, request: ReturnAuthorization) -> ErpOrder:
        """See ``ErpPort``."""
        async with self._gate.passing("authorize return"):
            return await self._erp.authorize_return(request)

    async def credit_return(self, request: ReturnCredit) -> ErpOrder:
        """See ``ErpPort``."""
        async with self._gate.passing("credit return"):
            return await self._erp.credit_return(request)

    async def cancel_return(self, key: OrderKey, return_id: str, reason: str) -> ErpOrder:
        """See ``ErpPort``."""
        async with self._gate.passing("cancel return"):
            return await self._erp.cancel_return(key, return_id, reason)

    async def cancel_order(self, key: OrderKey, reason: str) -> CancelOutcome:
        """See ``ErpPort``."""
        async with self._gate.passing("cancel order"):
            return await self._erp.cancel_order(key, reason)

    async def deliver_order(self, key: OrderKey, units: Places | None = None) -> ErpOrder:
        """See ``ErpPort``."""
        async with self._gate.passing("deliver order"):
            return await self._erp.deliver_order(key, units)

    async def list_records(
        self, channel: str, changed_since: Instant, cursor: str | None = None
    ) -> ErpRecordPage:
        """See ``ErpPort``."""
        async with self._gate.passing("list records"):
            return await self._erp.list_records(channel, changed_since, cursor)

    async def find_records(self, channel: str, orders: Sequence[OrderName]) -> tuple[ErpRecord, ...]:
        """See ``ErpPort``."""
        async with self._gate.passing("find records"):
            return await self._erp.find_records(channel, orders)

    async def changes(self, cursor: str | None) -> ErpChanges:
        """See ``ErpPort``."""
        async with self._gate.passing("read changes"):
            return await self._erp.changes(cursor)

    async def stock_changes(self, cursor: str | None) -> ErpStockPage:
        """See ``ErpStockPort``."""
        async with self._gate.passing("read stock changes"):
            return await self._erp.stock_changes(cursor)

    async def find_stock(self, products: Sequence[str]) -> ErpStockLevels:
        """See ``ErpStockPort``."""
        async with self._gate.passing("find stock"):
            return await self._erp.find_stock(products)

    async def ping(self) -> None:
        """See ``ErpPort``; never held back."""
        await self._erp.ping()

    async def probe(self) -> Probe:
        """See ``ErpPort``; never held back."""
        return await self._erp.probe()

    async def close(self) -> None:
        """Give connections back."""
        await self._erp.close()
