"""An order that was handed over at a counter before the ERP knew of it: written down there as left, told to nobody."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.contracts import ERP_QUEUE, DeliverOrder
    from activities.orders import OrderActivities
    from workflows import happenings
    from workflows.calls import ONE_CALL, ORDERS_FIRST, PATIENT
    from workflows.order_approval import OrderApproval


class OrderCounter(OrderApproval):
    """Base of ``OrderWorkflow``, between it and the approval of an order."""

    async def _hand_over(self) -> None:
        state = self._state
        assert state.order is not None
        delivered = await workflow.execute_activity_method(
            OrderActivities.deliver_order,
            DeliverOrder(
                order=state.order, mapping_version=state.mapping_version, revision=self._next_revision()
            ),
            task_queue=ERP_QUEUE,
            start_to_close_timeout=ONE_CALL,
            retry_policy=PATIENT,
            summary=f"Write down in the ERP that {state.order.number} was handed over already",
            # Before the warehouse finds it among what it has to ship.
            priority=ORDERS_FIRST,
        )
        state.hand_over = False
        state.fulfillments = {**delivered.told, **state.fulfillments}
        self._take_erp(delivered.erp)
        self._tell("ERP", happenings.delivered_already(delivered.erp))
