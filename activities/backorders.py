"""Calls about units that do not leave: take them off in the storefront, see in the ERP where they are, let it send what
is there.
"""

from decimal import Decimal

from temporalio import activity

from activities.amending import target_of
from activities.contracts import AmendOrder, CancelRest, LookInErp, MoneySoFar, RestCanceled
from activities.noting import NotedActs
from activities.shipping import outlook_of
from adapters.requests import CancelUnitsRequest
from domain.claims import OrderClaims, claims_of
from domain.erp_order import ErpOrder
from domain.money import format_money
from domain.refunds import refunded_presentment
from store.order_view import OrderPatch


class BackorderActivities(NotedActs):
    """Notes what it does as the order's other activities do."""

    @activity.defn
    async def cancel_rest(self, request: CancelRest) -> RestCanceled:
        """Bring lines down to what is there, in the storefront, and give back what was taken for the rest."""
        key = request.key
        storefront = self._storefront(key)
        async with self._noted(key, request.revision, "cancel_rest"):
            mapping = self._mapping(request.mapping_version)
            done = await storefront.cancel_units(
                CancelUnitsRequest(
                    key=key,
                    units=request.units,
                    total_before=request.total_before,
                    reason=request.reason,
                    fees=request.fees,
                )
            )
            await self._expect(key, done.echoes)
        order = done.order
        text = f"Canceled {request.words} in the storefront: {format_money(order.total, order.currency)} now"
        patch = OrderPatch(total=order.total, captured=order.captured, problem="")
        claims = OrderClaims(claims=claims_of(order, mapping))
        await self._note(
            key, request.revision, "cancel_rest", text, patch, actor=request.actor, claims=claims
        )
        # An attempt before this one may have done it: what went back is told by what was given back before all of them.
        before = request.refunded_before
        back = Decimal(0) if before is None else refunded_presentment(order) - before
        back = max(Decimal(0), min(back, request.total_before - order.presentment_total))
        so_far = MoneySoFar(given_back=request.given_back + back, fees=request.fees)
        outlook = outlook_of(storefront, order, mapping, so_far)
        return RestCanceled(order=order, payment=outlook, given_back=back)

    @activity.defn
    async def look_in_erp(self, request: LookInErp) -> ErpOrder:
        """Read what the ERP has of the order; of what warehouses do with it after that the order hears."""
        async with self._noted(request.key, request.revision, "look_in_erp"):
            return await self._look_at_warehouse(request.key)

    @activity.defn
    async def send_what_is_there(self, request: AmendOrder) -> ErpOrder:
        """Let the ERP send what it held back; what it refuses of an edit meanwhile is another step's business."""
        key = request.order.key
        async with self._noted(key, request.revision, "send_what_is_there"):
            target = target_of(request, self._mapping(request.mapping_version))
            erp = (await self._erp.amend_order(target)).order
        text = "What is in stock may leave, the rest as it comes"
        patch = OrderPatch(waiting_for="the warehouse", problem="")
        await self._note(key, request.revision, "send_what_is_there", text, patch, erp=erp)
        return erp
