"""Gives a webhook to its order's workflow, and tells whose fault it is where that fails."""

import asyncio
from collections.abc import Awaitable, Callable

from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.contracts import OrderHint
from domain.status import OrderStatus
from domain.topics import (
    ORDERS_CANCELED,
    ORDERS_CREATED,
    ORDERS_PAID,
    ORDERS_UPDATED,
    REFUNDED,
    RETURN_OVER,
    RISK_ASSESSED,
)
from store.database import Database
from store.inbox import Inbox, InboxItem, InboxState
from store.order_view import OrderSummary, OrderViews
from store.own_writes import OwnWrites
from web.dispatcher import TemporalAway
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


def hand_over_to(client: Client, database: Database) -> Callable[[InboxItem], Awaitable[InboxState]]:
    """The dispatcher's hand-over."""
    orders, news = OrderReach(client), _News(database)

    async def hand_over(item: InboxItem) -> InboxState:
        if await asyncio.to_thread(news.is_none, item):
            return InboxState.ECHO
        hint = OrderHint(
            key=item.key,
            message_id=item.delivery_id,
            topic=item.topic,
            label=item.label,
            occurred_at=item.occurred_at,
        )
        try:
            if await asyncio.to_thread(news.begins_nothing, item):
                told = await orders.hint_if_running(hint)
                return InboxState.DISPATCHED if told else InboxState.ECHO
            await orders.hint(hint)
        except RPCError as error:
            if error.status in _ABOUT_THIS_WEBHOOK:
                raise
            raise TemporalAway(f"{error.status.name}: {error.message}") from error
        except RuntimeError as error:
            # A lazy client says so when its first connection fails.
            raise TemporalAway(str(error)) from error
        return InboxState.DISPATCHED

    return hand_over


class _News:
    """Which webhooks tell their order nothing. Where that is not certain, they tell something."""

    def __init__(self, database: Database) -> None:
        self._views, self._own_writes = OrderViews(database), OwnWrites(database)
        self._inbox = Inbox(database)

    def is_none(self, item: InboxItem) -> bool:
        aside = _ASIDE.get(item.topic)
        if aside is not None and aside(self._views.get(item.key)):
            return True
        if item.topic == ORDERS_UPDATED:
            same = item.directions in {None, self._inbox.directions_before(item)}
            return same and not _may_be_paid(self._views.get(item.key), item)
        if item.tells is None or item.occurred_at is None:
            return False
        return self._own_writes.is_echo(item.key, item.tells, item.delivery_id, item.occurred_at)

    def begins_nothing(self, item: InboxItem) -> bool:
        """Whether it is no news of an order that is over: it would begin a run that says just that.

        It may be over by its row alone: a run that has just begun has not noted yet that it goes on, and is told. An
        order of which nothing is known is not begun by a word that it was updated or rated: it may be older than us.
        """
        if item.topic in {ORDERS_UPDATED, RISK_ASSESSED}:
            return True
        order = self._views.get(item.key) if item.topic in _OF_THE_LIVING else None
        return order is not None and order.closed_at is not None


def _is_echo(order: OrderSummary | None) -> bool:
    """Whether "paid" only tells of our own last capture: the order is in the ERP, and waits for no person or money."""
    if order is None or order.awaits_payment or order.closed_at is not None:
        return False
    return order.status is not OrderStatus.RECEIVED and not order.problem


def _may_be_paid(order: OrderSummary | None, update: InboxItem) -> bool:
    """Whether an order that stands still for its buyer's money, or for a person, may have been promised it since.

    A card that merely promises money makes no order paid, so that nothing but an update tells of it. What happened
    before the order stopped is no remedy, and may be our own.
    """
    if order is None or order.closed_at is not None:
        return False
    since = update.occurred_at is None or update.occurred_at > order.updated_at
    return order.awaits_payment or (bool(order.problem) and since)


def _concerns_nobody(order: OrderSummary | None) -> bool:
    """Whether another rating of the risk comes too late: the order is in the ERP, or over. It may be read just now."""
    return order is not None and (order.closed_at is not None or order.status is not OrderStatus.RECEIVED)


def _is_canceled(order: OrderSummary | None) -> bool:
    """Whether both systems have it canceled already, and nothing of its money is kept."""
    return order is not None and order.closed_at is not None and order.status is OrderStatus.CANCELED


_ASIDE = {
    ORDERS_PAID: _is_echo,
    RISK_ASSESSED: _concerns_nobody,
    ORDERS_CANCELED: _is_canceled,
    REFUNDED: _is_canceled,
}
"""Topics that go no further where the order's row says that they are no news."""

_OF_THE_LIVING = RETURN_OVER | {ORDERS_CREATED, ORDERS_PAID}
"""Topics that bring no order back that is over: it was placed or is paid, and nothing more comes of a return. What asks
for one, edits it or gives money back does."""
