"""A Shopify shop as a storefront.

It looks up before every write: of the mutations it needs, refunds and stock alone take an idempotency key. An answer
that was lost is raised, never resent in the same call: the next attempt looks up again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import httpx

from adapters.errors import AdapterError, OutcomeUnknown, Rejected
from adapters.http import TIMEOUT
from adapters.ports import Probe, StorefrontCapabilities
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
from adapters.shopify import answers
from adapters.shopify.answer import SYSTEM, fit
from adapters.shopify.client import API_VERSION, AdminApi
from adapters.shopify.exchanging import OPEN as OPEN_EXCHANGE
from adapters.shopify.exchanging import Exchanging
from adapters.shopify.fulfilling import OPERATION as FULFILL
from adapters.shopify.fulfilling import Fulfilling
from adapters.shopify.global_ids import gid
from adapters.shopify.lists import OrderLists
from adapters.shopify.quoting import QUOTE
from adapters.shopify.reading import OrderReader
from adapters.shopify.refunding import REFUND, Refunding
from adapters.shopify.removal import OPERATION as REMOVE
from adapters.shopify.removal import Removal
from adapters.shopify.returning import Returning
from adapters.shopify.stock import ShopStock
from adapters.shopify.stock_setting import StockSetter
from adapters.shopify.translate import to_fulfillments, to_order, to_payment, to_payments
from adapters.spans import looked_up
from adapters.stock_ports import ShownStockPage
from domain.listings import PlacedOrder
from domain.model import Instant
from domain.order import (
    CancelKind,
    Fulfillment,
    Order,
    OrderKey,
    Payment,
    PaymentKind,
    PaymentStatus,
    StorefrontReturn,
)
from domain.stock import SettingOutcome, ShownStock, StockSetting

# What the app must be allowed; a write scope includes reading.
REQUIRED_SCOPES: Final = (
    "write_orders",
    "write_merchant_managed_fulfillment_orders",
    "write_returns",
    "write_inventory",
    "read_customers",
    "read_locations",
    "read_products",
)

_CAPTURE = "capture payment"
_CANCEL = "cancel order"

# Seconds between looks at a cancellation, which the shop carries out by and by. About 15 in all.
_CANCEL_WAITS: Final = (0.1, 0.2, 0.4, 0.8, 1.5, 3.0, 4.0, 5.0)
_STAFF_NOTE_LIMIT: Final = 255


class ShopifyStorefront:
    """Implements ``adapters.ports.StorefrontPort``.

    ``notify_customers``: the shop tells buyers by e-mail that a parcel left, that money comes back or that their order
    was canceled.
    """

    def __init__(
        self,
        channel: str,
        url: str,
        access_token: str,
        *,
        api_version: str = API_VERSION,
        notify_customers: bool = True,
        timeout: httpx.Timeout = TIMEOUT,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._channel = channel
        self._api = AdminApi(
            url, access_token, api_version=api_version, timeout=timeout, transport=transport, sleep=sleep
        )
        self._reader = OrderReader(self._api)
        self._lists = OrderLists(self._api, self._reader)
        self._fulfilling = Fulfilling(self._api, self._reader, notify_customers=notify_customers)
        self._refunding = Refunding(self._api, self._reader, notify_customers=notify_customers)
        self._returning = Returning(self._api, self._reader, notify_customers=notify_customers)
        self._exchanging = Exchanging(self._api, self._reader, notify_customers=notify_customers)
        self._stock = ShopStock(self._api)
        self._stock_setter = StockSetter(self._api, self._stock, sleep=sleep)
        self._removal = Removal(self._api, self._reader, channel, notify_customers=notify_customers)
        self._notify_customers = notify_customers
        self._sleep = sleep

    @property
    def capabilities(self) -> StorefrontCapabilities:
        """Everything the port knows."""
        return StorefrontCapabilities()

    async def close(self) -> None:
        """Give connections back."""
        await self._api.close()

    async def read_order(self, external_id: str) -> Order:
        """Read one order whole. Raises Rejected with cause ``order_unknown`` where there is none."""
        order = await self._reader.order(external_id)
        returns = await self._reader.returns(external_id) if order.returns.nodes else ()
        return to_order(order, self._channel, [await self._reader.told(each) for each in returns])

    async def list_orders(self, placed_since: Instant, cursor: str | None = None) -> OrderPage:
        """Orders placed since then, oldest first. See ``StorefrontPort``."""
        return await self._lists.placed(placed_since, cursor)

    async def list_changed(self, changed_since: Instant, cursor: str | None = None) -> OrderPage:
        """Orders placed or changed since then, the oldest change first. See ``StorefrontPort``."""
        return await self._lists.changed(changed_since, cursor)

    async def find_orders(self, external_ids: Sequence[str]) -> tuple[PlacedOrder, ...]:
        """Those of these orders that there are. See ``StorefrontPort``."""
        return await self._lists.found(external_ids)

    async def create_fulfillment(self, request: FulfillmentRequest) -> Fulfillment:
        """Find or create the fulfillment of a shipment, wherever its units were planned. See ``Fulfilling``."""
        self._id_of(request.key, FULFILL)
        return await self._fulfilling.fulfill(request)

    async def capture_payment(self, request: CaptureRequest) -> tuple[Payment, ...]:
        """Capture what is missing up to the amount; returns all captures of the authorization.

        Raises Rejected with cause ``capture_exceeds_authorization``, ``authorization_unknown``,
        ``authorization_voided``, ``authorization_expired`` or ``authorization_captured_once``.
        """
        state = await self._reader.payments(self._id_of(request.key, _CAPTURE))
        authorization = _authorization(state.transactions, request)
        captures = _captures(state.transactions, request.authorization_id)
        captured = sum((capture.presentment_amount for capture in captures), Decimal(0))
        missing = request.capture_up_to - captured
        looked_up(SYSTEM, "capture", found=missing <= 0)
        if missing <= 0:
            return captures
        _check_capture(authorization, state, request, captured)
        try:
            capture = await self._capture(request, state, missing)
        except Rejected as refused:
            # The shop has the last word on whether it can still be captured, and no code that says why not.
            expired_at = authorization.authorization_expires_at
            if expired_at is None or expired_at > datetime.now(UTC):
                raise
            reason = f"authorization {authorization.id} expired at {expired_at:%Y-%m-%d %H:%M} UTC: {refused.reason}"
            raise Rejected(SYSTEM, _CAPTURE, reason, "authorization_expired") from refused
        return (*captures, capture)

    async def _capture(
        self, request: CaptureRequest, state: answers.PaymentState, amount: Decimal
    ) -> Payment:
        foreign = state.presentment_currency_code != state.currency_code
        payload = await self._api.write(
            _CAPTURE,
            "capture_payment",
            {
                "input": {
                    "id": gid("Order", request.key.external_id),
                    "parentTransactionId": gid("OrderTransaction", request.authorization_id),
                    "amount": format(amount, "f"),
                    **({"currency": state.presentment_currency_code} if foreign else {}),
                }
            },
        )
        if payload.get("transaction") is None:
            raise OutcomeUnknown(
                SYSTEM, _CAPTURE, "the shop names neither a transaction nor a reason against it"
            )
        done = fit(answers.Transaction, payload["transaction"], _CAPTURE, "orderCapture.transaction")
        capture = to_payment(done)
        if capture.status is PaymentStatus.FAILED:
            reason = (
                f"the payment provider refused to capture {amount} ({done.error_code or 'no reason given'})"
            )
            raise Rejected(SYSTEM, _CAPTURE, reason, "capture_failed")
        return capture

    async def quote_refund(self, request: RefundRequest) -> RefundQuote:
        """What units and delivery of a refund are worth. See ``Refunding``."""
        self._id_of(request.key, QUOTE)
        return await self._refunding.quote(request)

    async def refund_order(self, request: RefundRequest) -> Refund:
        """Find or make a refund; one of a return settles units of it. See ``Refunding`` and ``Returning``."""
        self._id_of(request.key, REFUND)
        if request.return_id is not None:
            return await self._returning.refund(request, request.return_id)
        return await self._refunding.refund(request)

    async def approve_return(self, external_id: str, return_id: str) -> ReturnChange:
        """Agree to a return that the buyer asks for. See ``Returning``."""
        echoes = await self._returning.approve(external_id, return_id)
        return ReturnChange(order=await self.read_order(external_id), echoes=echoes)

    async def end_return(self, external_id: str, return_id: str, reason: str) -> ReturnChange:
        """Give up a return that nothing came of. See ``Returning``."""
        echoes = await self._returning.end(external_id, return_id, reason)
        return ReturnChange(order=await self.read_order(external_id), echoes=echoes)

    async def open_exchange(self, request: ExchangeRequest) -> StorefrontReturn:
        """Note a return with what its buyer gets for it. See ``Exchanging``."""
        self._id_of(request.key, OPEN_EXCHANGE)
        return await self._exchanging.open(request)

    async def release_exchange(self, external_id: str, return_id: str) -> Order:
        """Put on the order what the buyer gets for a return. See ``Exchanging``."""
        await self._exchanging.release(external_id, return_id)
        return await self.read_order(external_id)

    async def cancel_order(self, external_id: str, reason: str, kind: CancelKind = CancelKind.OTHER) -> Order:
        """Cancel the whole order, void or refund what was paid; a canceled order is returned as it is.

        Shopify cancels by and by. Raises OutcomeUnknown where it takes longer than some seconds, Rejected with cause
        ``already_shipped`` once a parcel left.
        """
        order = await self._reader.order(external_id)
        looked_up(SYSTEM, "cancellation", found=order.cancelled_at is not None)
        if order.cancelled_at is None:
            if shipped := to_fulfillments(order.fulfillments):
                what = (
                    f"{len(shipped)} shipment(s) of the order have left; take them back as a return instead"
                )
                raise Rejected(SYSTEM, _CANCEL, what, "already_shipped")
            try:
                await self._cancel(external_id, reason, kind)
            except Rejected:
                # an earlier attempt may have got through in the meantime
                order = await self._reader.order(external_id)
                if order.cancelled_at is None:
                    raise
            else:
                order = await self._reader.order(external_id)
        return to_order(order, self._channel)

    async def _cancel(self, external_id: str, reason: str, kind: CancelKind) -> None:
        payload = await self._api.write(
            _CANCEL,
            "cancel_order",
            {
                "id": gid("Order", external_id),
                "reason": kind.value.upper(),
                "refundMethod": {"originalPaymentMethodsRefund": True},
                "restock": True,
                "notifyCustomer": self._notify_customers and kind is not CancelKind.FRAUD,
                "staffNote": reason[:_STAFF_NOTE_LIMIT],
            },
        )
        await self._wait_until_canceled(external_id, payload.get("job"))

    async def _wait_until_canceled(self, external_id: str, job: Any) -> None:
        job_id = job.get("id") if isinstance(job, dict) else None
        for seconds in _CANCEL_WAITS:
            await self._sleep(seconds)
            name, variables = ("watch_cancellation", {"job": job_id}) if job_id else ("read_cancellation", {})
            data = await self._api.read(_CANCEL, name, {"id": gid("Order", external_id), **variables})
            canceled = (data.get("order") or {}).get("cancelledAt") is not None
            done = (data.get("job") or {}).get("done") is True
            # Canceled comes first, money and stock go back before the job is done: what is read earlier is half of it.
            if canceled and (done or not job_id):
                return
            if done:
                reason = "the shop has dealt with the cancellation, yet the order is not canceled; look at it there"
                raise Rejected(SYSTEM, _CANCEL, reason, "cancel_failed")
        raise OutcomeUnknown(SYSTEM, _CANCEL, "the shop is still canceling the order")

    async def cancel_units(self, request: CancelUnitsRequest) -> UnitsCanceled:
        """Take units that have not left off the order. See ``Removal``."""
        self._id_of(request.key, REMOVE)
        return await self._removal.remove(request)

    async def list_stock(self, cursor: str | None = None) -> ShownStockPage:
        """Everything that the shop stocks, page by page. See ``ShopStock``."""
        return await self._stock.page(cursor)

    async def read_stock(self, skus: Sequence[str]) -> tuple[ShownStock, ...]:
        """What the shop shows of these SKUs. See ``ShopStock``."""
        return await self._stock.read(skus)

    async def set_stock(
        self, settings: Sequence[StockSetting], idempotency_key: str
    ) -> tuple[SettingOutcome, ...]:
        """Set what is shown, each setting for itself. See ``StockSetter``."""
        return await self._stock_setter.set(settings, idempotency_key)

    def _id_of(self, key: OrderKey, operation: str) -> str:
        if key.channel != self._channel:
            reason = f"order {key} is not of channel {self._channel}"
            raise Rejected(SYSTEM, operation, reason, "order_unknown")
        return key.external_id

    async def ping(self) -> None:
        """See ``StorefrontPort``."""
        await self._api.read("ping", "probe", {})

    async def probe(self) -> Probe:
        """Check address, credentials and rights without changing anything."""
        try:
            data = await self._api.read("probe", "probe", {})
            shop = fit(answers.ShopInfo, data.get("shop"), "probe", "shop")
            app = fit(
                answers.AppInstallation, data.get("currentAppInstallation"), "probe", "currentAppInstallation"
            )
        except AdapterError as error:
            return Probe(
                ok=False,
                detail=str(error),
                remedy="check the shop's address and the app's Admin API access token of this channel",
            )
        granted = {scope.handle for scope in app.access_scopes}
        missing = [s for s in REQUIRED_SCOPES if not {s, s.replace("read_", "write_")} & granted]
        detail = f"{shop.name} ({shop.myshopify_domain}), {shop.currency_code}, API {self._api.api_version}"
        if missing:
            return Probe(
                ok=False,
                detail=f"{detail}; the app lacks {', '.join(missing)}",
                remedy="grant the app these access scopes and reinstall it",
            )
        served = self._api.served_version
        if served not in (None, self._api.api_version):
            return Probe(
                ok=False,
                detail=f"{detail}; the shop answers with version {served}",
                remedy="this version is no longer served: upgrade Orderwright",
            )
        return Probe(ok=True, detail=detail)


def _authorization(
    transactions: Iterable[answers.Transaction], request: CaptureRequest
) -> answers.Transaction:
    for transaction in transactions:
        if (
            transaction.id == request.authorization_id
            and transaction.kind in answers.AUTHORIZATIONS
            and transaction.status is answers.TransactionStatus.SUCCESS
        ):
            return transaction
    reason = f"order {request.key} has no successful authorization {request.authorization_id}"
    raise Rejected(SYSTEM, _CAPTURE, reason, "authorization_unknown")


def _captures(transactions: Iterable[answers.Transaction], authorization_id: str) -> tuple[Payment, ...]:
    """Captures that took money or may still take it: a pending one must not be sent a second time."""
    return tuple(
        payment
        for payment in to_payments(transactions)
        if payment.kind is PaymentKind.CAPTURE
        and payment.parent_id == authorization_id
        and payment.status is not PaymentStatus.FAILED
    )


def _check_capture(
    authorization: answers.Transaction,
    state: answers.PaymentState,
    request: CaptureRequest,
    captured: Decimal,
) -> None:
    currency = state.presentment_currency_code
    authorized = authorization.amount_set.presentment_money.amount
    if request.capture_up_to > authorized:
        reason = (
            f"capturing {request.capture_up_to} {currency} in all is more than the {authorized} {currency} authorized"
            f" ({captured} {currency} captured so far)"
        )
        raise Rejected(SYSTEM, _CAPTURE, reason, "capture_exceeds_authorization")
    payments = to_payments(state.transactions)
    if any(
        p.kind is PaymentKind.VOID and p.status is PaymentStatus.SUCCESS and p.parent_id == authorization.id
        for p in payments
    ):
        missing = request.capture_up_to - captured
        reason = f"authorization {authorization.id} was voided; take the {missing} {currency} in another way"
        raise Rejected(SYSTEM, _CAPTURE, reason, "authorization_voided")
    if not authorization.multi_capturable and (captured or request.capture_up_to < authorized):
        reason = (
            f"authorization {authorization.id} can be captured only once, and a part of its {authorized} {currency}"
            " would release the rest; several captures need Shopify Payments on a Plus plan."
            " Capture the order in full in the store, then resubmit it"
        )
        raise Rejected(SYSTEM, _CAPTURE, reason, "authorization_captured_once")
