"""Gives a webhook to its order's workflow, and tells whose fault it is where that fails."""

from collections.abc import Awaitable, Callable

from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.contracts import OrderHint
from store.inbox import InboxItem
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


def hand_over_to(client: Client) -> Callable[[InboxItem], Awaitable[None]]:
    """The dispatcher's hand-over."""
    orders = OrderReach(client)

    async def hand_over(item: InboxItem) -> None:
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
