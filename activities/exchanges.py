"""The activities of an exchange: a return whose buyer gets something else for what comes back.

Each may run again at any time, so each is find-or-make by the return's id, and notes on its order what it did.
"""

from temporalio import activity

from activities.amending import status_changed
from activities.noting import NotedActs
from activities.return_contracts import EnterExchange, OpenExchange, ReleaseExchange
from activities.returns import patch_of
from adapters.errors import Rejected
from adapters.requests import ExchangeRequest
from domain.erp_order import ErpOrder
from domain.money import format_money
from domain.order import StorefrontReturn
from domain.planning import plan_exchange
from domain.status import count_units
from store.order_view import OrderPatch


class ExchangeActivities(NotedActs):
    """Ports injected; one instance serves all exchanges of a worker."""

    @activity.defn
    async def open_exchange(self, request: OpenExchange) -> StorefrontReturn:
        """Note in the storefront what an operator agreed to: what comes back, and what the buyer gets for it."""
        key = request.key
        async with self._noted(key, request.revision, "open_exchange"):
            storefront = self._storefront(key)
            if not (storefront.capabilities.exchanges and self._erp.capabilities.exchanges):
                reason = "one of both systems keeps no exchanges; make a return, and a new order for the rest"
                raise Rejected("Orderwright", "open exchange", reason, "exchange_unsupported")
            made = await storefront.open_exchange(
                ExchangeRequest(
                    key=key,
                    exchange_key=request.exchange_key,
                    lines=request.lines,
                    instead=request.instead,
                    reason=request.reason,
                )
            )
        text = f"Exchange {made.number} noted in the storefront: {_units(request.instead)}"
        await self._note(
            key, request.revision, "open_exchange", text, OrderPatch(problem=""), actor=request.actor
        )
        return made

    @activity.defn
    async def release_exchange(self, request: ReleaseExchange) -> None:
        """Put on the storefront's order what the buyer gets; the order enters it in the ERP."""
        key = request.key
        async with self._noted(key, request.revision, request.step):
            order = await self._storefront(key).release_exchange(key.external_id, request.return_id)
        text = f"Exchange {request.number}: what the buyer gets is on the order, which comes to "
        text += format_money(order.total, order.currency)
        await self._note(key, request.revision, request.step, text, patch_of(request))

    @activity.defn
    async def enter_exchange(self, request: EnterExchange) -> ErpOrder:
        """Find or create in the ERP what the buyer gets, beside the order that was sold."""
        key = request.order.key
        async with self._noted(key, request.revision, "enter_exchange"):
            planned = plan_exchange(request.order, request.return_id, self._mapping(request.mapping_version))
            if not self._erp.capabilities.exchanges:
                reason = "the ERP keeps no exchanges; enter it there by hand, and accept what differs"
                raise Rejected("ERP", "add exchange", reason, "exchange_unsupported")
            erp = await self._erp.add_exchange(planned)
        made = next(each for each in erp.exchanges if each.return_id == request.return_id)
        worth = format_money(made.total, erp.currency)
        text = f"Exchange entered in the ERP as {made.number}: {worth}"
        patch = OrderPatch(
            erp_total=erp.total, waiting_for="the warehouse", problem="", status=status_changed(erp)
        )
        await self._note(key, request.revision, "enter_exchange", text, patch, erp=erp)
        return erp


def _units(units: dict[str, int]) -> str:
    return " and ".join(f"{count_units(number)} of {sku}" for sku, number in units.items())
