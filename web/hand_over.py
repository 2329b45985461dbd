"""Gives a webhook to its order's workflow, and tells whose fault it is where that fails."""

import asyncio
from collections.abc import Awaitable, Callable

from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.contracts import OrderHint
from domain.status import OrderStatus
from store.database import Database
from store.inbox import InboxItem
from store.order_view import OrderSummary, OrderViews
from web.dispatcher import TemporalAway
from workflows.messages import ORDERS_PAID, RISK_ASSESSED
from workflows.order_reach import OrderReach

_ABOUT_THIS_WEBHOOK = frozenset(
    {
        RPCStatusCode.INVALID_ARGUMENT,
        RPCStatusCode.ALREADY_EXISTS,
        RPCStatusCode.FAILED_PRECONDITION,
        RPCStatusCode.OUT_OF_RANGE,
    }
)
"""Everything else, a missing namespace or permission among it, hits all webhooks alike."""


def hand_over_to(client: Client, database: Database) -> Callable[[InboxItem], Awaitable[None]]:
    """The dispatcher's hand-over."""
    orders, views = OrderReach(client), OrderViews(database)

    async def hand_over(item: InboxItem) -> None:
        if item.topic in _ASIDE and _ASIDE[item.topic](await asyncio.to_thread(views.get, item.key)):
            return
        hint = OrderHint(
            key=item.key,
            message_id=item.delivery_id,
            topic=item.topic,
            label=item.label,
            occurred_at=item.occurred_at,
        )
        try:
            await orders.hint(hint)
        except RPCError as error:
            if error.status in _ABOUT_THIS_WEBHOOK:
                raise
            raise TemporalAway(f"{error.status.name}: {error.message}") from error
        except RuntimeError as error:
            # A lazy client says so when its first connection fails.
            raise TemporalAway(str(error)) from error

    return hand_over


def _is_echo(order: OrderSummary | None) -> bool:
    """Whether "paid" only tells of our own last capture: the order is in the ERP, and waits for no person or money."""
    if order is None or order.awaits_payment:
        return False
    return order.closed_at is not None or (order.status is not OrderStatus.RECEIVED and not order.problem)


def _concerns_nobody(order: OrderSummary | None) -> bool:
    """Whether another rating of the risk comes too late or too early: the order is in the ERP, over, or not read."""
    return order is None or order.closed_at is not None or order.status is not OrderStatus.RECEIVED


_ASIDE = {ORDERS_PAID: _is_echo, RISK_ASSESSED: _concerns_nobody}
"""Topics that go no further where the order's row says that they are no news."""
