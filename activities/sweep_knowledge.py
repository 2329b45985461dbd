"""What Orderwright knows of an order that both lists do not settle, and what a sweep does about it."""

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Protocol

from temporalio.service import RPCError, RPCStatusCode

from activities.contracts import Carried, OrderHint
from adapters.ports import ErpPort
from domain.completeness import Explanation, Finding, Known, Repair
from domain.erp_order import ErpOrder
from domain.order import OrderKey
from store.database import Database
from store.erp_news import remember
from store.inbox import Inbox
from store.order_view import OrderViews

log = logging.getLogger(__name__)

AT_ONCE = 8
"""Workflows that are asked at the same time."""

_ABOUT_ONE_ORDER = frozenset(
    {RPCStatusCode.INVALID_ARGUMENT, RPCStatusCode.FAILED_PRECONDITION, RPCStatusCode.ALREADY_EXISTS}
)


class Orders(Protocol):
    """How orders' workflows are reached; each raises RPCError."""

    async def hint(self, hint: OrderHint) -> None:
        """Wake the order's workflow, or start it."""
        ...

    async def carried(self, key: OrderKey) -> Carried:
        """Whether a workflow carries it."""
        ...

    async def tell(self, order: ErpOrder) -> bool:
        """Tell it what the ERP holds; False where none runs."""
        ...


class SweepKnowledge:
    """Asks the store and the workflows; wakes, starts and tells them."""

    def __init__(self, erp: ErpPort, orders: Orders, database: Database) -> None:
        self._erp = erp
        self._orders = orders
        self._database = database
        self._inbox = Inbox(database)
        self._views = OrderViews(database)

    async def numbered(self, channel: str, numbers: Iterable[str]) -> dict[str, str]:
        """External ids of orders that we know by their number."""
        wanted = tuple(numbers)
        return await asyncio.to_thread(self._views.numbered, channel, wanted) if wanted else {}

    async def totals(self, channel: str, external_ids: Iterable[str]) -> dict[str, Decimal]:
        """What these orders came to when they were read last."""
        return await asyncio.to_thread(self._views.totals, channel, tuple(external_ids))

    async def of(
        self, keys: Sequence[OrderKey], repaired: Mapping[str, tuple[Explanation, ...]]
    ) -> dict[OrderKey, Known]:
        """What we know of orders of one channel: two queries, and a question to Temporal for each."""
        if not keys:
            return {}
        channel, ids = keys[0].channel, [key.external_id for key in keys]
        rows = await asyncio.to_thread(self._views.get_many, channel, ids)
        told = await asyncio.to_thread(self._inbox.told_of, channel, ids)
        at_once = asyncio.Semaphore(AT_ONCE)

        async def look(key: OrderKey) -> Known:
            async with at_once:
                carried = await self._orders.carried(key)
            row = rows.get(key.external_id)
            problem = row.problem if row and carried.stands_still else ""
            return Known(
                status=row.status if row else None,
                ended=row is not None and row.closed_at is not None,
                running=carried.running,
                waits_for=problem or carried.stands_still,
                awaits_payment=carried.awaits_payment,
                awaits_release=carried.awaits_release,
                noted_at=row.updated_at if row else None,
                webhook_waits=told.get(key.external_id, False),
                webhook_came=key.external_id in told,
                repaired=frozenset(repaired.get(key.external_id, ())),
            )

        return dict(zip(keys, await asyncio.gather(*map(look, keys)), strict=True))

    async def repair(self, finding: Finding, sweep_id: str) -> Finding:
        """Do what the finding asks for; an order that cannot be reached stays unexplained, and its sentence says so.

        Doing it again is harmless: a hint has an id, and an order compares what it is told.
        """
        try:
            if finding.repair is Repair.TELL:
                await self._tell(finding.key)
            elif finding.repair is Repair.START:
                await self._orders.hint(_hint(finding, sweep_id))
        except RPCError as error:
            if error.status not in _ABOUT_ONE_ORDER:
                raise
            log.exception("the sweep cannot repair an order", extra={"order": str(finding.key)})
            sentence = f"{finding.sentence}; Temporal refused the repair: {error.message}"
            return finding.model_copy(update={"repair": Repair.NONE, "sentence": sentence})
        return finding

    async def _tell(self, key: OrderKey) -> None:
        order = await self._erp.find_order(key)
        if order is not None and await self._orders.tell(order):
            await asyncio.to_thread(remember, self._database, (order,))


def _hint(finding: Finding, sweep_id: str) -> OrderHint:
    # A hint of a creation does not make a running order read the storefront again; any other does.
    missing = finding.explanation in {Explanation.MISSED_WEBHOOK, Explanation.LOST}
    return OrderHint(
        key=finding.key,
        message_id=f"{sweep_id}:{finding.flow}:{finding.key.external_id}",
        topic="orders/create" if missing else "sweep",
        label=finding.number,
    )
