"""Writes the order view anew from outside: both systems are read, nothing in them is changed.

The view is a projection; when its database was lost or is doubted, this is how it comes back. The row keeps its
revision, so that the next step of a living order goes on from it.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime

from temporalio.client import Client

from adapters.ports import ErpPort, MappingSource, StorefrontPort
from domain.balance import check_closing
from domain.erp_order import ErpOrder, ErpOrderState, ErpShipmentState
from domain.mapping import Unmapped
from domain.model import Frozen, Instant
from domain.order import Order, OrderKey
from domain.planning import ignore_reason
from domain.quantities import apply_erp, lines_from_order
from domain.status import OrderStatus, derive_status
from store.database import Database
from store.order_view import OrderPatch, OrderSummary, OrderViewRow, OrderViews, apply_patch
from web.desk.operations import NoAnswer, OrderNotFound, ask


class Rebuilt(Frozen):
    """A row as it was, and as it is now."""

    before: OrderSummary | None
    after: OrderSummary


class Rebuilder:
    """Reads through the ports; ``client`` is asked what only the order's workflow knows."""

    def __init__(
        self,
        storefronts: Mapping[str, StorefrontPort],
        erp: ErpPort,
        mappings: MappingSource,
        database: Database,
        client: Client,
    ) -> None:
        self._storefronts = storefronts
        self._erp = erp
        self._mappings = mappings
        self._database = database
        self._client = client

    async def all_keys(self, since: Instant) -> AsyncIterator[OrderKey]:
        """Every order placed in any channel since then."""
        for channel, storefront in self._storefronts.items():
            cursor = None
            while True:
                page = await storefront.list_orders(since, cursor)
                for external_id in page.external_ids:
                    yield OrderKey(channel=channel, external_id=external_id)
                cursor = page.next_cursor
                if cursor is None:
                    break

    async def rebuild(self, key: OrderKey) -> Rebuilt:
        """Write one order's row anew. Raises any leaf of ``adapters.errors``, QuantitiesBroken, DatabaseUnavailable."""
        while True:
            before, revision = await asyncio.to_thread(self._row, key)
            patch = await self._read(key, before)
            after = await asyncio.to_thread(self._write, key, revision, patch)
            if after is not None:
                return Rebuilt(before=before, after=after)

    async def _read(self, key: OrderKey, before: OrderSummary | None) -> OrderPatch:
        order = await self._storefronts[key.channel].read_order(key.external_id)
        erp = await self._erp.find_order(key)
        patch = self._from_outside(order, erp)
        if patch.status is OrderStatus.IGNORED:
            # Not closed: an edit may bring it back, and then it has to be carried after all.
            return patch
        if patch.closed_at is None:
            return await self._from_workflow(key, patch)
        if before is not None and before.closed_at is not None:
            return patch.model_copy(update={"closed_at": before.closed_at})
        return patch

    def _from_outside(self, order: Order, erp: ErpOrder | None) -> OrderPatch:
        """What both systems tell; what they cannot tell is cleared."""
        lines = lines_from_order(order)
        if erp is not None:
            lines = apply_erp(lines, erp)
        closed = erp is not None and all(line.open == 0 for line in lines) and self._balanced(order, erp)
        ignored = erp is None and ignore_reason(order) is not None
        status = derive_status(lines, submitted=erp is not None, closed=closed, ignored=ignored)
        if order.canceled_at is not None:
            status = OrderStatus.CANCELED
        # What the store alone canceled is not over: it would still be shipped.
        gone = status is OrderStatus.CANCELED and (erp is None or erp.state is ErpOrderState.CANCELED)
        left = [s for s in erp.shipments if s.state is ErpShipmentState.SHIPPED] if erp else []
        return OrderPatch(
            number=order.number,
            erp_number=erp.number if erp else None,
            status=status,
            waiting_for="",
            problem="",
            currency=order.currency,
            total=order.total,
            captured=order.captured,
            erp_total=erp.total if erp else None,
            shipments=len(left),
            placed_at=order.placed_at,
            closed_at=datetime.now(UTC) if gone or status is OrderStatus.CLOSED else None,
        )

    def _balanced(self, order: Order, erp: ErpOrder) -> bool:
        try:
            return check_closing(order, erp, self._mappings.current(order.key.channel)).balanced
        except Unmapped:
            return False

    async def _from_workflow(self, key: OrderKey, patch: OrderPatch) -> OrderPatch:
        """Add what a living order waits for."""
        try:
            view, _ = await ask(self._client, key)
        except OrderNotFound:
            return patch.model_copy(update={"waiting_for": "nothing: no workflow carries this order"})
        except NoAnswer:
            return patch.model_copy(update={"waiting_for": "a worker to answer for it"})
        problem = f"{view.problem.reason} {view.problem.remedy}".strip() if view.problem else ""
        return patch.model_copy(update={"waiting_for": view.waiting_for, "problem": problem})

    def _row(self, key: OrderKey) -> tuple[OrderSummary | None, int]:
        with self._database.read() as session:
            row = session.get(OrderViewRow, (key.channel, key.external_id))
            revision = row.revision if row else 0
        return OrderViews(self._database).get(key), revision

    def _write(self, key: OrderKey, revision: int, patch: OrderPatch) -> OrderSummary | None:
        """None where the order took a step since it was read: what was read is old by now."""
        with self._database.write() as session:
            row = session.get(OrderViewRow, (key.channel, key.external_id), with_for_update=True)
            if (row.revision if row else 0) != revision:
                return None
            if row is not None:
                # A patch leaves columns alone that it does not name; anew means without them.
                session.delete(row)
                session.flush()
            apply_patch(session, key, revision, patch)
        after = OrderViews(self._database).get(key)
        assert after is not None
        return after
