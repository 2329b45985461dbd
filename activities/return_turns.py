"""The returns of an order are settled one after the other, from the look at both systems until the money is back.

What units are worth depends on those that are left, and so does what may still be captured: two returns that look at
the same time would both be given the worth of the same units.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio.exceptions import ApplicationError

from activities.finding import find_in_erp
from activities.noting import NotedActs
from activities.return_contracts import ReturnAct
from adapters.errors import Conflict
from domain.erp_order import ErpOrder
from domain.order import Order
from domain.quantities import units_returned
from store.return_turns import ReturnTurns


class TurnActs(NotedActs):
    """Base of the activities that take an order's turn and give it back."""

    @asynccontextmanager
    async def _in_turn(self, act: ReturnAct) -> AsyncIterator[None]:
        """Around an act that takes the turn: it stays taken for the refund, and for the next try of one that failed.

        What that try asked for may still be done. A return that stands before a person, or waits for something else
        than an answer, gives it back and keeps no other from being settled.
        """
        try:
            yield
        except ApplicationError as failure:
            if failure.non_retryable or failure.type == Conflict.__name__:
                await self._give_turn_back(act)
            raise

    async def _take_turn(self, act: ReturnAct) -> None:
        """Raises Conflict while another return of the order has the turn."""
        if await asyncio.to_thread(ReturnTurns(self._database).take, act.key, act.return_id):
            return
        # In an outage the other return keeps the turn as long: that is waited for without an end, and counts no tries.
        await self._storefront(act.key).read_order(act.key.external_id)
        await find_in_erp(self._erp, act.key)
        raise not_yet("another return of the order is being settled")

    async def _give_turn_back(self, act: ReturnAct) -> None:
        await asyncio.to_thread(ReturnTurns(self._database).give_back, act.key, act.return_id)


def require_refunded(order: Order, erp: ErpOrder, return_id: str) -> None:
    """Raises Conflict while another return is credited and not refunded, whoever has the turn.

    It may have lost its turn: its refund was refused, and a person takes longer than a turn. After some tries a person
    is asked, as of any call that fails alone.
    """
    back = back_beside(order, erp, return_id)
    goods = {line.line_id for line in order.lines if line.requires_shipping}
    if any(units < 0 for line, units in back.items() if line in goods):
        raise not_yet("another return of the order is credited and not refunded yet")


def back_beside(order: Order, erp: ErpOrder, return_id: str) -> dict[str, int]:
    """Line -> units that count as returned in the storefront, less those that other returns credited."""
    back = units_returned(order)
    for each in erp.returns:
        for part in each.credited if each.return_id != return_id else ():
            back[part.line_id] = back.get(part.line_id, 0) - part.quantity
    return back


def not_yet(reason: str) -> Conflict:
    """The error of a credit that has to wait for something."""
    waits = Conflict("ERP", "credit return", reason)
    waits.this_call_alone = True
    return waits
