"""What an order does to the ERP's record of it: it is entered, and edits are carried over."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.contracts import ERP_QUEUE, AmendOrder, SubmitOrder
    from activities.orders import OrderActivities
    from domain.quantities import take_edit
    from workflows import happenings, narrative
    from workflows.calls import ONE_CALL, ORDERS_FIRST, PATIENT
    from workflows.order_given_up import OrderGivenUp
    from workflows.steps import Step, sold_part_first


class OrderInErp(OrderGivenUp):
    """Base of ``OrderWorkflow``, between it and what the ERP gave up."""

    async def _submit(self) -> None:
        state = self._state
        assert state.order is not None
        # A try whose answer nobody could read may have entered what was edited since.
        state.given = state.given or state.order
        erp = await workflow.execute_activity_method(
            OrderActivities.submit_order,
            SubmitOrder(
                order=state.order,
                mapping_version=state.mapping_version,
                revision=self._next_revision(),
                acceptances=state.acceptances,
            ),
            task_queue=ERP_QUEUE,
            start_to_close_timeout=ONE_CALL,
            retry_policy=PATIENT,
            summary=f"Enter {state.order.number} in the ERP",
            priority=ORDERS_FIRST,
        )
        self._tell("ERP", happenings.submitted(erp))
        self._is_in_erp(erp)

    async def _amend(self) -> None:
        state = self._state
        assert state.order is not None
        assert state.erp is not None
        before, apart = state.erp, sold_part_first(state)
        parts = state.edited.of_what_was_sold() if apart and state.edited else state.edited
        self._amending = True
        try:
            amended = await workflow.execute_activity_method(
                OrderActivities.amend_order,
                AmendOrder(
                    order=state.order,
                    mapping_version=state.mapping_version,
                    revision=self._next_revision(),
                    edit=narrative.pending_edit(state, sold_alone=apart),
                    acceptances=state.acceptances,
                    places=state.places,
                    ship_what_is_there=state.ship_what_is_there,
                    parts=parts,
                ),
                task_queue=ERP_QUEUE,
                start_to_close_timeout=ONE_CALL,
                retry_policy=PATIENT,
                summary=f"Carry the edit of {state.order.number} into the ERP",
                priority=ORDERS_FIRST,
            )
        finally:
            self._amending = False
        state.given, state.kept = None, dict(amended.kept)
        state.lines = take_edit(state.lines, state.order, amended.kept)
        self._take_erp(amended.erp)
        if amended.refusal is not None:
            self._stop(Step.AMEND, amended.refusal, in_case=True)
            # The warehouse may have answered already.
            self._take_early(amended.erp, before)
            return
        self._take_early(amended.erp, before)
        self._tell("ERP", happenings.amended(amended, before, parts))
        state.amend, state.edited, state.places = False, None, {}
        state.amend_at_once = False
        if apart:
            # What is still to be paid goes on waiting; by the next reading the order's row says so again.
            self._amend_exchanges()
            state.reread = True
