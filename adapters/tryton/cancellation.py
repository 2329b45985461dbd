"""Cancels a whole order in Tryton as long as nothing of it is picked, and goes on where an earlier try stopped."""

from typing import Final

from adapters.errors import Conflict, Rejected
from adapters.requests import CancelOutcome
from adapters.tryton.given_up import CANCELED_BY_US
from adapters.tryton.reading import is_canceled, read_order
from adapters.tryton.records import SHIPMENT, SaleRecord
from adapters.tryton.rpc import SYSTEM, TrytonRpc
from adapters.tryton.sales import SALE, Sales
from domain.order import OrderKey

REPLACED: Final = "the order was edited, another sale takes its place"
"""Stands on a sale that we canceled for an edit; one that people canceled takes no edit."""
_INVOICE: Final = "account.invoice"
_TAKEN: Final = {
    "picked": "is picked",
    "packed": "is packed",
    "shipped": "has left",
    "done": "has left",
}
_ROUNDS: Final = 6


class Cancellation:
    """Cancels orders."""

    def __init__(self, rpc: TrytonRpc, sales: Sales) -> None:
        self._rpc = rpc
        self._sales = sales

    async def cancel(self, key: OrderKey, reason: str) -> CancelOutcome:
        """See ``ErpPort.cancel_order``. Raises Rejected with cause ``order_unknown``."""
        sale = await self._sales.find(key)
        if sale is None:
            raise Rejected(SYSTEM, "cancel order", f"the ERP has no order {key}", "order_unknown")
        # The order's own sale is canceled last: as long as it lives, so does the order. None is where one cannot be.
        obstacles = filter(None, map(obstacle_to_cancel, (sale, *sale.supplements)))
        if sale.supplements and (obstacle := "; ".join(obstacles)):
            return CancelOutcome(canceled=False, order=read_order(sale), reason=obstacle)
        for each in sale.supplements:
            outcome = await self.cancel_sale(each, reason)
            sale = await self._sales.get(sale.id)
            if not outcome.canceled:
                return CancelOutcome(canceled=False, order=read_order(sale), reason=outcome.reason)
        return await self.cancel_sale(sale, reason)

    async def cancel_sale(self, sale: SaleRecord, reason: str) -> CancelOutcome:
        """The same of a sale, one for an exchange too; it is told by itself."""
        for _ in range(_ROUNDS):
            if is_canceled(sale):
                return CancelOutcome(canceled=True, order=read_order(sale))
            if obstacle := obstacle_to_cancel(sale):
                return CancelOutcome(canceled=False, order=read_order(sale), reason=obstacle)
            try:
                await self._step(sale, reason)
            except (Conflict, Rejected):
                # Perhaps somebody took up a shipment after it was read: look again whether it may be canceled.
                before, sale = sale, await self._sales.get(sale.id)
                if sale == before:
                    raise
            else:
                sale = await self._sales.get(sale.id)
        return CancelOutcome(
            canceled=False,
            order=read_order(sale),
            reason=f"the ERP keeps sale {sale.number} in state {sale.state}; look at it there",
        )

    async def _step(self, sale: SaleRecord, reason: str) -> None:
        """Whatever comes next; each step is seen in the sale's records, so none is done twice."""
        if sale.state in {"draft", "quotation"}:
            await self._note(sale, reason)
            await self._sales.press(sale.id, "cancel")
            return
        if sale.state == "confirmed":
            await self._sales.press(sale.id, "draft")
            return
        shipments = [shipment for shipment in sale.shipments if shipment.state != "cancelled"]
        invoices = [invoice.id for invoice in sale.invoices if invoice.state != "cancelled"]
        if shipments:
            await self._note(sale, reason)
            # A shipment that changed since it was read is not canceled: it may have been picked.
            seen = {f"{SHIPMENT},{shipment.id}": shipment.timestamp for shipment in shipments}
            await self._rpc.call(
                "cancel shipments",
                f"model.{SHIPMENT}.cancel",
                [shipment.id for shipment in shipments],
                writes=True,
                context={"_timestamp": seen},
            )
        elif invoices:
            await self._note(sale, reason)
            await self._rpc.call("cancel invoices", f"model.{_INVOICE}.cancel", invoices, writes=True)
        elif moves := _unhandled_moves(sale):
            await self._sales.run_wizard(
                "sale.handle.shipment.exception",
                (SALE, sale.id),
                "ask",
                {"ignore_moves": moves, "recreate_moves": [], "domain_moves": moves},
                "handle",
            )
        elif ignored := [invoice.id for invoice in sale.invoices if invoice.id not in sale.invoices_ignored]:
            await self._sales.run_wizard(
                "sale.handle.invoice.exception",
                (SALE, sale.id),
                "ask",
                {"ignore_invoices": ignored, "recreate_invoices": [], "domain_invoices": ignored},
                "handle",
            )
        else:
            await self._sales.press(sale.id, "process")

    async def _note(self, sale: SaleRecord, reason: str) -> None:
        line = f"{CANCELED_BY_US}{reason}"
        if line in (sale.comment or ""):
            return
        comment = "\n".join(filter(None, [sale.comment, line]))
        await self._rpc.call(
            "note cancel", f"model.{SALE}.write", [sale.id], {"comment": comment}, writes=True
        )


def obstacle_to_cancel(sale: SaleRecord) -> str:
    """What stands in the way of canceling, in plain words; empty where nothing does."""
    taken = [
        f"shipment {shipment.number} from {shipment.warehouse.code} {_TAKEN[shipment.state]}"
        for shipment in sale.shipments
        if shipment.state in _TAKEN
    ]
    booked = [
        f"invoice {invoice.number} is {invoice.state}; credit it in the ERP first"
        for invoice in sale.invoices
        if invoice.state in {"posted", "paid"}
    ]
    return "; ".join(taken + booked)


def _unhandled_moves(sale: SaleRecord) -> list[int]:
    """Canceled moves that Tryton still asks about."""
    return [
        move
        for line in sale.order_lines
        for source in (line, *line.components)
        for move in source.unhandled()
    ]
