"""What a buyer gets for goods that come back, in Tryton: a sale of its own beside the order's.

Its web id is the order's with the return's behind it, which Tryton keeps unique, and its origin the order's sale, by
which every reading of the order finds it. It is entered, shipped and invoiced as any other.
"""

from adapters.errors import Rejected
from adapters.tryton.cancellation import REPLACED
from adapters.tryton.reading import is_canceled, read_order, state_of
from adapters.tryton.rpc import SYSTEM
from adapters.tryton.sales import Sales
from adapters.tryton.submission import Beside, Submission
from adapters.tryton.translate import exchange_mark
from domain.erp_order import ErpOrder, ErpOrderState, SalesOrder

_OPERATION = "add exchange"


class Exchanging:
    """Enters exchanges."""

    def __init__(self, sales: Sales, submission: Submission) -> None:
        self._sales = sales
        self._submission = submission

    async def add(self, exchange: SalesOrder) -> ErpOrder:
        """See ``ErpPort.add_exchange``. Raises Rejected, cause ``exchange_canceled``, where people canceled it."""
        sale = await self._sales.find(exchange.key)
        if sale is None:
            raise Rejected(SYSTEM, _OPERATION, f"there is no order {exchange.key}", "order_unknown")
        if state_of(sale) is ErpOrderState.CANCELED:
            reason = f"order {sale.number} is canceled; nothing can be sent in exchange for goods of it"
            raise Rejected(SYSTEM, _OPERATION, reason, "order_canceled")
        held = sale.exchange_of(exchange.exchange_id)
        if held is not None and is_canceled(held) and REPLACED in (held.comment or ""):
            # An edit of it stopped here: nothing was to be sent any more, and now something is again.
            await self._sales.set_aside(held)
        await self._submission.submit(exchange, beside=Beside(sale.id, exchange_mark(exchange.exchange_id)))
        order = read_order(await self._sales.get(sale.id))
        if not any(each.return_id == exchange.exchange_id for each in order.exchanges):
            reason = f"the sale of exchange {exchange.number} was canceled there"
            raise Rejected(SYSTEM, _OPERATION, reason, f"exchange_canceled:{exchange.key}")
        return order
