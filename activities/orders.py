"""The activities of one order: the only place where its workflow touches the world.

Each may run again at any time (an attempt that timed out may still be running), so each is find-or-create, and notes
what it did in the same call: the order's row, the audit and the crosswalk are written together by ``store.journal``.
"""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from temporalio import activity

from activities.amending import amend_parts, judge, status_changed
from activities.canceling import cancel_there
from activities.closing import outcome_of
from activities.contracts import (
    LONGEST_ATTEMPT,
    AmendedOrder,
    AmendOrder,
    CancelOrder,
    CapturePayments,
    CloseOrder,
    DeliverOrder,
    ErpCancelResult,
    OrderClosing,
    OrderDelivered,
    OrderRead,
    PaymentsCaptured,
    ReadOrder,
    ReportShipment,
    ShipmentReported,
    SubmitOrder,
)
from activities.finding import find_in_erp
from activities.noting import NotedActs
from activities.reading import noted_of
from activities.reopening import changed_since, grew_since
from activities.settling import settle_exchanges
from activities.shipping import Shipping, capture, outlook_of
from adapters.errors import Conflict
from adapters.ports import ErpPort, MappingSource, StorefrontPort
from domain.amendment import fingerprint
from domain.approval import approval_needed
from domain.balance import check_closing, require_agreement
from domain.cases import CaseReport
from domain.claims import NO_CLAIMS, OrderClaims, claims_of, held_by
from domain.counter_sale import left_before, told_already, told_of_part
from domain.differences import Acceptance
from domain.erp_order import ErpOrder, ErpOrderState
from domain.exchanges import missing_exchanges, with_later_lines
from domain.mapping import Mapping as FieldMapping
from domain.money import format_money
from domain.order import Order, OrderKey
from domain.payment_rules import ALL_AT_ONCE
from domain.planning import ignore_reason, plan_sales_order, require_release
from domain.preorders import release_of
from domain.quantities import delivered_units, units_returned
from domain.returns import asks_for_return, window_until
from domain.status import OrderStatus
from domain.tax_reconciliation import tolerated_words
from domain.unit_cancels import hands_on
from store.claims import StockClaims
from store.crosswalk import Crosswalk, Link
from store.database import Database
from store.order_view import OrderPatch, OrderSummary, OrderViews

ERP = "erp"


class OrderActivities(NotedActs):
    """Ports injected; one instance serves all orders of a worker."""

    def __init__(
        self,
        storefronts: Mapping[str, StorefrontPort],
        erp: ErpPort,
        mappings: MappingSource,
        database: Database,
        *,
        longest_attempt: timedelta = LONGEST_ATTEMPT,
    ) -> None:
        super().__init__(storefronts, erp, mappings, database, longest_attempt=longest_attempt)
        self._shipping = Shipping(Crosswalk(database))
        self._views = OrderViews(database)
        self._stock_claims = StockClaims(database)

    @activity.defn
    async def read_order(self, request: ReadOrder) -> OrderRead:
        """Read the order and pin the mapping in force. A finished order that comes again is ignored, with a reason.

        One that was changed since it was closed goes on.
        """
        async with self._noted(request.key, request.revision, "read_order"):
            storefront = self._storefront(request.key)
            order = await storefront.read_order(request.key.external_id)
            mapping = await asyncio.to_thread(self._mappings.current, request.key.channel)
            pinned = mapping
            if request.submitted and request.mapping_version:
                pinned = self._mapping(request.mapping_version)
            if request.compare and request.given in {"", fingerprint(order)}:
                await self._compare(order, pinned, request.acceptances)
            held = await self._erp.find_order(order.key) if request.ask_erp else None
            outlook = outlook_of(storefront, order, pinned, request)
        known = None if request.submitted else await self._known(request.key)
        ended = known if request.first and known is not None and known.closed_at is not None else None
        reopened = ended is not None and (
            request.revive or asks_for_return(order) or changed_since(order, ended)
        )
        if ended is not None and not reopened:
            reason = f"the order is {ended.status} since {ended.closed_at:%Y-%m-%d %H:%M} UTC; nothing is left to do"
            return OrderRead(order=order, mapping_version=mapping.version, ignored=reason, ended=ended.status)
        if ended is not None and not grew_since(order, ended):
            # Its goods left: money that others gave back is not to be paid before it is proved again.
            outlook = outlook.model_copy(update={"unpaid": Decimal(0)})
        ignored = None if request.submitted or order.canceled_at else ignore_reason(order)
        release = release_of(order, pinned.preorders)
        unpaid = outlook.unpaid_exchange if request.submitted else outlook.unpaid
        text, patch = noted_of(
            request,
            order,
            ignored=ignored,
            unpaid=unpaid,
            release=release,
            reopened=reopened,
            at=datetime.now(UTC),
        )
        entered = request.submitted or (known is not None and known.erp_number is not None)
        claims = OrderClaims(claims=claims_of(order, pinned, ignored=bool(ignored)), entered=entered)
        await self._note(request.key, request.revision, "read_order", text, patch, claims=claims)
        return OrderRead(
            order=order,
            mapping_version=mapping.version,
            ignored=ignored,
            ended=ended.status if ended is not None and not ignored else None,
            payment=outlook,
            approval=None if entered else approval_needed(order, mapping.approval),
            returns=pinned.returns,
            backorders=pinned.backorders,
            release=release,
            erp=held,
        )

    @activity.defn
    async def submit_order(self, request: SubmitOrder) -> ErpOrder:
        """Find or create the order in the ERP, accepted and allocated to its warehouses."""
        key = request.order.key
        async with self._noted(key, request.revision, "submit_order"):
            erp_order = await self._entered_before(request.order)
            if erp_order is None:
                require_release(request.order, self._mapping(request.mapping_version))
                sales_order = plan_sales_order(
                    request.order, self._mapping(request.mapping_version), request.acceptances
                )
                erp_order = await self._erp.submit_order(sales_order)
        patch = OrderPatch(
            erp_number=erp_order.number,
            erp_total=erp_order.total,
            status=OrderStatus.SUBMITTED,
            waiting_for="the warehouse",
            problem="",
        )
        await self._note(
            key,
            request.revision,
            "submit_order",
            f"Entered in the ERP as {erp_order.number}: {format_money(erp_order.total, erp_order.currency)}"
            f"{tolerated_words(erp_order)}",
            patch,
            links=(_erp_link(key, erp_order),),
            erp=erp_order,
            claims=self._claims(request.order, erp_order, request.mapping_version),
        )
        return erp_order

    @activity.defn
    async def deliver_order(self, request: DeliverOrder) -> OrderDelivered:
        """Write down in the ERP what the storefront handed over already: nobody is to ship it."""
        key = request.order.key
        async with self._noted(key, request.revision, "deliver_order"):
            mapping = self._mapping(request.mapping_version)
            units = left_before(request.order, mapping)
            erp = await self._erp.deliver_order(key, units)
            told = (told_already if units is None else told_of_part)(request.order, erp, mapping)
        status, waiting_for = OrderStatus.SHIPPED, "closing"
        if units is not None:
            status, waiting_for = OrderStatus.PARTLY_SHIPPED, "the warehouse to ship the rest"
        patch = OrderPatch(status=status, shipments=len(told), waiting_for=waiting_for, problem="")
        text = f"Handed over already: written down in the ERP as left in {len(told)} shipments"
        claims = self._claims(request.order, erp, request.mapping_version)
        links = await self._shipping.links_of(key, told)
        await self._note(
            key, request.revision, "deliver_order", text, patch, links=links, erp=erp, claims=claims
        )
        return OrderDelivered(erp=erp, told=told)

    @activity.defn
    async def amend_order(self, request: AmendOrder) -> AmendedOrder:
        """Carry an edit into the ERP: what its warehouses have in hand is refused, the rest is done all the same."""
        key = request.order.key
        async with self._noted(key, request.revision, "amend_order"):
            mapping = self._mapping(request.mapping_version)
            outcome = await amend_parts(self._erp, request, mapping)
            amended = judge(request, outcome, mapping)
            if amended.refusal is not None:
                # What it refused may be put back: it is tried again then.
                now = await self._look_at_warehouse(key)
                if hands_on(now) != hands_on(outcome.order):
                    raise Conflict("ERP", "amend order", "the warehouse went on while it was amended")
        erp, case = amended.erp, None
        patch = OrderPatch(
            erp_number=erp.number,
            erp_total=erp.total,
            waiting_for="the warehouse",
            problem="",
            status=status_changed(erp),
        )
        text = f"Amended in the ERP ({request.edit}): {format_money(erp.total, erp.currency)}"
        text += f"; not done: {amended.not_done}" if amended.not_done else ""
        if refusal := amended.refusal:
            waiting_for = "a person: have the picking undone and resubmit, accept, or undo the edit"
            patch = OrderPatch(erp_total=erp.total, problem=refusal.reason, waiting_for=waiting_for)
            case = CaseReport(cause=refusal.cause, reason=refusal.reason, key=key)
        # The ERP may have put another record in the place of the first.
        moved = (_erp_link(key, erp),)
        claims = self._claims(request.order, erp, request.mapping_version)
        await self._note(
            key,
            request.revision,
            "amend_order",
            text,
            patch,
            moved=moved,
            erp=erp,
            report=case,
            claims=claims,
        )
        return amended

    @activity.defn
    async def report_shipment(self, request: ReportShipment) -> ShipmentReported:
        """Find or create the shipment's fulfillment in the storefront, then capture up to what is delivered."""
        key, shipment = request.key, request.shipment
        storefront = self._storefront(key)
        async with self._noted(key, request.revision, "report_shipment"):
            mapping = self._mapping(request.mapping_version)
            await asyncio.to_thread(self._stock_claims.sent, key, shipment.warehouse, request.sent)
            fulfillment_id, order = await self._shipping.fulfill(storefront, request, mapping)
            order = await capture(storefront, order, request.delivered, mapping.payments, request.given_back)
        complete = all(
            request.delivered.get(line.line_id, 0) >= line.current
            for line in order.lines
            if line.requires_shipping
        )
        patch = OrderPatch(
            captured=order.captured,
            shipments=len(request.known_fulfillment_ids) + 1,
            status=OrderStatus.SHIPPED if complete else OrderStatus.PARTLY_SHIPPED,
            waiting_for="closing" if complete else "the warehouse to ship the rest",
            problem="",
        )
        await self._note(
            key,
            request.revision,
            "report_shipment",
            f"Shipment {shipment.number} from {shipment.warehouse} told to the storefront; "
            f"{format_money(order.captured, order.currency)} captured so far",
            patch,
            claims=OrderClaims(claims=claims_of(order, mapping)),
        )
        outlook = outlook_of(storefront, order, mapping, request)
        return ShipmentReported(fulfillment_id=fulfillment_id, captured=order.captured, payment=outlook)

    @activity.defn
    async def capture_payments(self, request: CapturePayments) -> PaymentsCaptured:
        """Take money before its goods leave: what the rules ask for, or all that is promised."""
        key = request.key
        storefront = self._storefront(key)
        async with self._noted(key, request.revision, "capture_payments"):
            mapping = self._mapping(request.mapping_version)
            order = await storefront.read_order(key.external_id)
            if order.canceled_at is None:
                rules = ALL_AT_ONCE if request.everything else mapping.payments
                order = await capture(storefront, order, {}, rules, request.given_back)
        text = f"{format_money(order.captured, order.currency)} captured before the goods leave"
        patch = OrderPatch(captured=order.captured, waiting_for="the warehouse", problem="")
        await self._note(key, request.revision, "capture_payments", text, patch)
        outlook = outlook_of(storefront, order, mapping, request)
        return PaymentsCaptured(captured=order.captured, payment=outlook)

    @activity.defn
    async def cancel_in_erp(self, request: CancelOrder) -> ErpCancelResult:
        """Cancel in the ERP while nothing is picked; an order that the ERP never had counts as canceled."""
        async with self._noted(request.key, request.revision, "cancel_in_erp"):
            if await self._erp.find_order(request.key) is None:
                return ErpCancelResult(canceled=True)
            await asyncio.to_thread(self._stock_claims.let_go, request.key)
            outcome = await self._erp.cancel_order(request.key, request.reason)
            kept = None if outcome.canceled else await self._look_at_warehouse(request.key)
        text = "Canceled in the ERP" if outcome.canceled else f"The ERP did not cancel: {outcome.reason}"
        await self._note(
            request.key,
            request.revision,
            "cancel_in_erp",
            text,
            OrderPatch(),
            actor=request.actor,
            erp=outcome.order if outcome.canceled else None,
            claims=OrderClaims(held=() if outcome.canceled else None),
        )
        return ErpCancelResult(canceled=outcome.canceled, reason=outcome.reason, erp=kept)

    @activity.defn
    async def cancel_in_storefront(self, request: CancelOrder) -> bool:
        """Cancel in the storefront, which voids or refunds what was paid; False where it has no such order any more."""
        key = request.key
        async with self._noted(key, request.revision, "cancel_in_storefront"):
            order = await cancel_there(self._storefront(key), request)
        patch = OrderPatch(
            status=OrderStatus.CANCELED, waiting_for="", problem="", closed_at=datetime.now(UTC)
        )
        text = "The storefront has no such order any more, so nothing was canceled or given back there"
        if order is not None:
            patch = patch.model_copy(update={"captured": order.captured})
            kept = format_money(order.captured, order.currency)
            text = f"Canceled in the storefront ({request.kind}); {kept} kept"
        await self._note(
            key,
            request.revision,
            "cancel_in_storefront",
            text,
            patch,
            actor=request.actor,
            claims=NO_CLAIMS,
        )
        return order is not None

    @activity.defn
    async def close_order(self, request: CloseOrder) -> OrderClosing:
        """Read both systems and prove the order balanced; an unbalanced one stays open and says why."""
        key = request.key
        storefront = self._storefront(key)
        async with self._noted(key, request.revision, "close_order"):
            order = await storefront.read_order(key.external_id)
            erp_order = await find_in_erp(self._erp, key)
            mapping = self._mapping(request.mapping_version)
            # An order without a parcel (downloads, a gift card) has its money taken here.
            delivered = delivered_units(order, erp_order)
            order = await capture(storefront, order, delivered, mapping.payments, request.given_back)
            # What was exchanged may have been changed after it was paid: all is there now that makes up one balance.
            settled = await settle_exchanges(storefront, with_later_lines(order, erp_order), erp_order)
            await self._expect(key, settled.echoes)
            report = check_closing(settled.order, erp_order, mapping, request.acceptances)
        if not report.balanced and request.known not in {"", fingerprint(order)}:
            # Somebody changed it since it was read: that is to be carried over, and no case.
            return OrderClosing(
                report=report, erp_number=erp_order.number, given_back=settled.given_back, edited=True
            )
        case, until, now = None, None, datetime.now(UTC)
        if report.balanced and not request.final:
            until = window_until(order, erp_order, mapping.returns, now)
        text, patch = outcome_of(
            report,
            currency=order.currency,
            erp_total=erp_order.total,
            until=until,
            acceptances=request.acceptances,
            at=now,
        )
        if not report.balanced:
            case = CaseReport(cause=report.cause, reason=text, key=key)
            known = await self._known(key)
            if known is not None and known.closed_at is not None:
                # An attempt whose answer was lost had closed it, and it was changed since.
                patch = patch.model_copy(update={"status": OrderStatus.SHIPPED, "reopened": True})
        claims = self._claims(order, erp_order, request.mapping_version)
        await self._note(key, request.revision, "close_order", text, patch, report=case, claims=claims)
        return OrderClosing(
            report=report, erp_number=erp_order.number, window_until=until, given_back=settled.given_back
        )

    # -- parts -----------------------------------------------------------------------------------------------------

    def _claims(self, order: Order, erp: ErpOrder, mapping_version: str) -> OrderClaims:
        return OrderClaims(claims=claims_of(order, self._mapping(mapping_version)), held=held_by(erp, order))

    async def _compare(
        self, order: Order, mapping: FieldMapping, acceptances: tuple[Acceptance, ...]
    ) -> None:
        """Raises Unbalanced where the ERP holds the order otherwise, and nobody has accepted that."""
        erp_order = await self._erp.find_order(order.key)
        # An exchange that is still to be entered needs no comparing.
        if erp_order is not None and not missing_exchanges(order, erp_order):
            require_agreement(order, erp_order, mapping, acceptances)

    async def _known(self, key: OrderKey) -> OrderSummary | None:
        """The order's row, where an earlier run wrote one."""
        return await asyncio.to_thread(self._views.get, key)

    async def _entered_before(self, order: Order) -> ErpOrder | None:
        """The ERP's order where an earlier life of it was entered, or goods of it came back already.

        What it was sold for is known to the ERP alone, and an edit since then is carried over, not entered.
        """
        known = await self._known(order.key)
        if not units_returned(order) and (known is None or known.erp_number is None):
            return None
        held = await self._erp.find_order(order.key)
        return None if held is not None and held.state is ErpOrderState.DRAFT else held


def _erp_link(key: OrderKey, erp: ErpOrder) -> Link:
    return Link(kind="order", canonical_id=str(key), system=ERP, external_id=erp.erp_id)
