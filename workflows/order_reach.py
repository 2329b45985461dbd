"""How the rest of the house reaches an order's workflow: wake or start it, see whether it runs, tell it of the ERP.

No workflow imports this; the dispatcher of webhooks and the sweep share it, so that there is one way to start an order.
"""

from datetime import timedelta

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import SearchAttributePair, TypedSearchAttributes, WorkflowIDReusePolicy
from temporalio.service import RPCError, RPCStatusCode

from activities.contracts import ERP_CHANGED, Carried, OrderHint
from domain.erp_order import ErpOrder, ErpReturn
from domain.model import Frozen
from domain.order import OrderKey
from workflows.messages import (
    ORDER_WORKFLOW,
    ORDERS_QUEUE,
    RETURN_ASKED,
    STOREFRONT_CHANGED,
    Attention,
    ReturnAsked,
    StorefrontChanged,
)
from workflows.order_state import OrderStart
from workflows.return_messages import ERP_RETURN_CHANGED, return_workflow_id
from workflows.search import CHANNEL, ORDER_NUMBER, ORDER_STATE

RPC_TIMEOUT = timedelta(seconds=10)

_STANDS_STILL = {Attention.NEEDS_ATTENTION.value, Attention.ON_HOLD.value}


class OrderReach:
    """Every method raises RPCError, or RuntimeError where a lazy client's first connection failed."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def hint(self, hint: OrderHint) -> None:
        """Signal-with-start. A workflow that ended is started anew: it decides itself what a late hint means."""
        await self._client.start_workflow(
            ORDER_WORKFLOW,
            OrderStart(key=hint.key),
            id=hint.key.workflow_id,
            task_queue=ORDERS_QUEUE,
            start_signal=STOREFRONT_CHANGED,
            start_signal_args=[
                StorefrontChanged(message_id=hint.message_id, topic=hint.topic, occurred_at=hint.occurred_at)
            ],
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            # Given at the start they cost nothing; set later each would be a billed call.
            search_attributes=TypedSearchAttributes(_search_attributes(hint)),
            static_summary=f"Order {hint.label or hint.key.external_id} of {hint.key.channel}",
            rpc_timeout=RPC_TIMEOUT,
        )

    async def hint_if_running(self, hint: OrderHint) -> bool:
        """Tell a running order; False where none runs, and none is begun."""
        told = StorefrontChanged(message_id=hint.message_id, topic=hint.topic, occurred_at=hint.occurred_at)
        return await self._signal(hint.key.workflow_id, STOREFRONT_CHANGED, told)

    async def bring_back(self, order: ErpOrder) -> None:
        """Start an order anew that had ended, because of what the ERP holds of it now."""
        await self._start_anew(order.key, ERP_CHANGED, order)

    async def bring_back_for_return(self, key: OrderKey, asked: ReturnAsked) -> None:
        """Start an order anew that had ended, so that a return of it begins; one that runs is just told.

        The order answers in its story: whether the units can be returned is known once it is read again.
        """
        await self._start_anew(key, RETURN_ASKED, asked)

    async def _start_anew(self, key: OrderKey, signal: str, payload: ErpOrder | ReturnAsked) -> None:
        await self._client.start_workflow(
            ORDER_WORKFLOW,
            OrderStart(key=key),
            id=key.workflow_id,
            task_queue=ORDERS_QUEUE,
            start_signal=signal,
            start_signal_args=[payload],
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            search_attributes=TypedSearchAttributes(
                [
                    SearchAttributePair(CHANNEL, key.channel),
                    SearchAttributePair(ORDER_STATE, Attention.WORKING.value),
                ]
            ),
            static_summary=f"Order {key.external_id} of {key.channel}",
            rpc_timeout=RPC_TIMEOUT,
        )

    async def carried(self, key: OrderKey) -> Carried:
        """Whether a workflow carries the order right now; asked of the run itself, not of a list."""
        try:
            run = await self._client.get_workflow_handle(key.workflow_id).describe(rpc_timeout=RPC_TIMEOUT)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return Carried()
            raise
        if run.status is not WorkflowExecutionStatus.RUNNING:
            return Carried()
        state = run.typed_search_attributes.get(ORDER_STATE)
        return Carried(
            running=True,
            stands_still=state if state in _STANDS_STILL else "",
            awaits_payment=state == Attention.AWAITING_PAYMENT.value,
            awaits_release=state == Attention.AWAITING_RELEASE.value,
        )

    async def tell(self, order: ErpOrder) -> bool:
        """Tell a running order what the ERP holds of it; False where none runs."""
        return await self._signal(order.key.workflow_id, ERP_CHANGED, order)

    async def tell_return(self, key: OrderKey, held: ErpReturn) -> bool:
        """Tell a running return what the ERP holds of it now; False where none runs."""
        return await self._signal(return_workflow_id(key, held.return_id), ERP_RETURN_CHANGED, held)

    async def _signal(self, workflow_id: str, name: str, payload: Frozen) -> bool:
        handle = self._client.get_workflow_handle(workflow_id)
        try:
            await handle.signal(name, payload, rpc_timeout=RPC_TIMEOUT)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return False
            raise
        return True


def _search_attributes(hint: OrderHint) -> list[SearchAttributePair[str]]:
    found = [
        SearchAttributePair(CHANNEL, hint.key.channel),
        SearchAttributePair(ORDER_STATE, Attention.WORKING.value),
    ]
    if hint.label is not None:
        found.append(SearchAttributePair(ORDER_NUMBER, hint.label))
    return found
