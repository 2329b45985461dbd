"""Gives a webhook to its order's workflow: signal-with-start, so that the order has one whether it ran or not."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from temporalio.client import Client
from temporalio.common import SearchAttributePair, TypedSearchAttributes, WorkflowIDReusePolicy
from temporalio.service import RPCError, RPCStatusCode

from store.inbox import InboxItem
from web.dispatcher import TemporalAway
from workflows.messages import (
    ORDER_WORKFLOW,
    ORDERS_QUEUE,
    STOREFRONT_CHANGED,
    Attention,
    OrderStart,
    StorefrontChanged,
)
from workflows.search import CHANNEL, ORDER_NUMBER, ORDER_STATE

RPC_TIMEOUT = timedelta(seconds=10)

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
    """The dispatcher's hand-over. A workflow that ended is started anew: it decides itself what a late hint means."""

    async def hand_over(item: InboxItem) -> None:
        try:
            await client.start_workflow(
                ORDER_WORKFLOW,
                OrderStart(key=item.key),
                id=item.key.workflow_id,
                task_queue=ORDERS_QUEUE,
                start_signal=STOREFRONT_CHANGED,
                start_signal_args=[
                    StorefrontChanged(
                        message_id=item.delivery_id, topic=item.topic, occurred_at=item.occurred_at
                    )
                ],
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                # Given at the start they cost nothing; set later each would be a billed call.
                search_attributes=TypedSearchAttributes(_search_attributes(item)),
                static_summary=f"Order {item.label or item.key.external_id} of {item.key.channel}",
                rpc_timeout=RPC_TIMEOUT,
            )
        except RPCError as error:
            if error.status in _ABOUT_THIS_WEBHOOK:
                raise
            raise TemporalAway(f"{error.status.name}: {error.message}") from error
        except RuntimeError as error:
            # A lazy client says so when its first connection fails.
            raise TemporalAway(str(error)) from error

    return hand_over


def _search_attributes(item: InboxItem) -> list[SearchAttributePair[str]]:
    found = [
        SearchAttributePair(CHANNEL, item.key.channel),
        SearchAttributePair(ORDER_STATE, Attention.WORKING.value),
    ]
    if item.label is not None:
        found.append(SearchAttributePair(ORDER_NUMBER, item.label))
    return found
