"""How an order is canceled, whole or in units: in both systems, in the order that loses nothing.

A whole order is canceled in the ERP first, which has the last word. Units are taken off in the storefront first, whose
new totals are then carried into the ERP like any edit. What the warehouse has in hand is its to say: the order asks,
and goods that are put back are canceled, those that leave are not.
"""

from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.backorders import BackorderActivities
    from activities.contracts import ERP_QUEUE, CancelOrder, LookInErp, storefront_queue
    from activities.failures import Refusal
    from activities.orders import OrderActivities
    from domain.cases import CANCEL_PICKED, CANCEL_REFUSED, EDIT_REFUSED, family
    from domain.erp_order import ErpOrder
    from domain.quantities import cancel_open
    from domain.unit_cancels import all_that_has_not_left, hands_on, is_whole, places_kept, plan_cancel
    from workflows import cancel_story, narrative
    from workflows.calls import ONE_CALL, ORDERS_FIRST, PATIENT
    from workflows.desk import read_message, refuse
    from workflows.messages import (
        Attention,
        CancelAsked,
        CancelRequest,
        CancelStage,
        OperatorAnswer,
        UnitCancel,
    )
    from workflows.order_backorders import OrderBackorders
    from workflows.steps import Step, cancels_units

STOREFRONT = "storefront"
"""Who wants it where the order was canceled there."""
_ANSWERED_BY_THE_WAREHOUSE = frozenset({CANCEL_PICKED, CANCEL_REFUSED, EDIT_REFUSED})


class OrderCancels(OrderBackorders):
    """Base of ``OrderWorkflow``, between what the ERP gave up and what is not in stock."""

    # -- messages from operators -----------------------------------------------------------------------------------

    @workflow.signal(name="cancel")
    def cancel_signal(self, body: Any = None) -> None:
        """Cancel all that has not left, or the units that are named."""
        message = self._heard("cancel", body, CancelAsked)
        if message is not None and not self._seen(message.message_id) and self._concerns(message):
            self._wish_cancel(message)

    @workflow.update(name="cancel")
    async def cancel_update(self, body: Any = None) -> OperatorAnswer:
        """Cancel all that has not left, or the units that are named, and say how it went."""
        message = read_message(body, CancelAsked)
        if not self._seen(message.message_id):
            self._ask_cancel(message)
        state = self._state
        await workflow.wait_condition(lambda: not self._cancels())
        if state.outcome is Attention.CANCELED:
            return OperatorAnswer(done=True, text=narrative.sentence(state))
        if state.cancel_refused is None and state.unit_cancel is None:
            follows = "; the ERP follows" if state.erp is not None else ""
            return OperatorAnswer(done=True, text=f"Canceled in the storefront{follows}.")
        if state.problem is None and state.held_by is not None:
            text = "Not canceled yet: the warehouse is asked about what it has picked once the order is released."
            return OperatorAnswer(done=False, text=text)
        stopped = state.problem.reason if state.problem is not None else None
        refused = (
            stopped if state.unit_cancel else state.cancel_refused
        ) or "the order could not be canceled"
        return OperatorAnswer(done=False, text=f"Not canceled: {narrative.full_stop(refused)}")

    def _cancels(self) -> bool:
        """Whether a cancel is under way, and nobody is asked about it."""
        state = self._state
        if state.outcome is not None or (state.cancel is None and state.unit_cancel is None):
            return False
        # What is asked of the warehouse is asked once the order is released.
        asks = state.problem is None and state.held_by is None
        return state.cancel is not None or cancels_units(state) or asks

    @cancel_update.validator
    def _may_cancel(self, body: Any = None) -> None:
        message = read_message(body, CancelAsked)
        refuse(cancel_story.obstacle(self._state, message))

    def _temporal_cancel(self) -> None:
        """Somebody asked Temporal itself to cancel the workflow: that is a wish to cancel the order, not to lose it."""
        self._wish_cancel(CancelAsked(actor="Temporal", reason="cancellation of the workflow was requested"))

    def _wish_cancel(self, message: CancelAsked) -> None:
        obstacle = cancel_story.obstacle(self._state, message)
        if obstacle:
            self._tell(message.actor, f"Asked to cancel; refused: {obstacle}.")
        else:
            self._ask_cancel(message)

    def _ask_cancel(self, message: CancelAsked) -> None:
        state = self._state
        state.cancel_refused = state.cancel_interrupted = None
        if state.order is not None:
            down_to, page = cancel_story.wish_of(state, message), cancel_story.page(state)
            if not is_whole(page, down_to):
                wish = UnitCancel(
                    actor=message.actor, reason=message.reason, kind=message.kind, down_to=down_to
                )
                state.unit_cancel = wish
                self._read_what_came_back()
                self._tell(message.actor, cancel_story.asked_for(wish, page))
                return
        state.unit_cancel = None
        state.cancel = CancelRequest(actor=message.actor, reason=message.reason, kind=message.kind)
        self._tell(message.actor, f"Asked to cancel the order: {cancel_story.why(state.cancel)}.")

    # -- what the warehouse does -----------------------------------------------------------------------------------

    def _take_erp(self, erp: ErpOrder) -> None:
        before = hands_on(self._state.erp)
        super()._take_erp(erp)
        problem = self._state.problem
        if problem is None or family(problem.cause) not in _ANSWERED_BY_THE_WAREHOUSE:
            return
        if hands_on(self._state.erp) != before:
            self._go_on(problem)
            self._tell("Orderwright", "The warehouse has answered: what waited for it is tried again.")

    # -- steps -----------------------------------------------------------------------------------------------------

    async def _cancel(self) -> None:
        state = self._state
        assert state.cancel is not None
        wish = state.cancel
        at_erp = await workflow.execute_activity_method(
            OrderActivities.cancel_in_erp,
            self._canceling(wish),
            task_queue=ERP_QUEUE,
            start_to_close_timeout=ONE_CALL,
            retry_policy=PATIENT,
            summary="Cancel the order in the ERP",
            priority=ORDERS_FIRST,
        )
        if not at_erp.canceled:
            self._cancel_ended(at_erp.reason)
            self._tell("ERP", f"Not canceled: {at_erp.reason}.")
            # Before the first reading nothing is known to compare it with: it is found in the ERP after that.
            if at_erp.erp is not None and state.order is not None:
                if state.erp is None:
                    # An earlier life of the order entered it, and maybe otherwise than it is by now.
                    self._is_in_erp(at_erp.erp)
                else:
                    self._take_erp(at_erp.erp)
            if wish.actor == STOREFRONT:
                reason = f"The storefront canceled the order, but the ERP did not: {at_erp.reason}."
                self._stop(Step.CANCEL, Refusal(cause=CANCEL_REFUSED, reason=reason))
            elif at_erp.erp is not None:
                self._wait_for_hands(wish)
            return
        known = await workflow.execute_activity_method(
            OrderActivities.cancel_in_storefront,
            self._canceling(wish),
            task_queue=storefront_queue(state.key.channel),
            start_to_close_timeout=ONE_CALL,
            retry_policy=PATIENT,
            summary="Cancel the order in the storefront, give the money back",
            priority=ORDERS_FIRST,
        )
        state.lines = cancel_open(state.lines)
        state.cancel = state.problem = None
        state.outcome = Attention.CANCELED
        # Histories from before it answered hold nothing there.
        where = "the ERP; the storefront has no such order any more" if known is False else "both systems"
        self._tell(wish.actor, f"Canceled in {where}: {cancel_story.why(wish)}.")

    def _wait_for_hands(self, wish: CancelRequest) -> None:
        """The ERP refused to cancel all of it: what is not picked can be canceled, and the warehouse is asked."""
        state = self._state
        if state.order is None:
            return
        down_to = all_that_has_not_left(state.order, state.erp, state.lines)
        if plan_cancel(state.order, state.erp, down_to).in_hand:
            state.unit_cancel = UnitCancel(
                actor=wish.actor, reason=wish.reason, kind=wish.kind, down_to=down_to
            )

    async def _cancel_units(self) -> None:
        """What can be canceled now, in the storefront, whose new totals the ERP is amended to afterwards."""
        state, wish = self._state, self._state.unit_cancel
        assert state.order is not None
        assert wish is not None
        if state.erp is not None:
            # Picking is no news that an order hears of.
            self._take_erp(await self._look())
        plan = plan_cancel(state.order, state.erp, wish.down_to)
        if is_whole(state.order, plan.now):
            state.unit_cancel = None
            state.cancel = CancelRequest(actor=wish.actor, reason=wish.reason, kind=wish.kind)
            return
        if plan.now:
            places = places_kept(state.order, state.erp, plan.now)
            await self._take_units_off(
                plan.now, places, wish.actor, cancel_story.why(wish), f"Cancel units of {state.order.number}"
            )
            state.cancel_refused, state.amend_at_once = None, state.amend
        left = plan.in_hand or plan.left
        state.unit_cancel = wish.at(CancelStage.TRIED) if left else None
        if plan.now and state.problem is not None:
            # What the order had stopped at may be over with these units.
            self._go_on(state.problem)
            state.unit_cancel = wish.at(CancelStage.TRIED) if left else None

    async def _look(self) -> ErpOrder:
        state = self._state
        assert state.order is not None
        return await workflow.execute_activity_method(
            BackorderActivities.look_in_erp,
            LookInErp(key=state.key, revision=self._next_revision()),
            task_queue=ERP_QUEUE,
            start_to_close_timeout=ONE_CALL,
            retry_policy=PATIENT,
            summary=f"See in the ERP where the units of {state.order.number} are",
            priority=ORDERS_FIRST,
        )

    async def _ask_warehouse(self) -> None:
        """What is left of a wish is in hands that only the warehouse can empty."""
        state, wish = self._state, self._state.unit_cancel
        assert state.order is not None
        assert wish is not None
        plan = plan_cancel(state.order, state.erp, wish.down_to)
        if not plan.in_hand:
            state.unit_cancel = None
            self._tell("Orderwright", cancel_story.over(state, plan))
            return
        state.unit_cancel = wish.at(CancelStage.WAITS)
        reason = cancel_story.asks_the_warehouse(state, plan)
        cause = f"{CANCEL_PICKED}:{state.key}"
        self._stop(Step.CANCEL_UNITS, Refusal(cause=cause, reason=reason, may_stay=True))

    def _canceling(self, wish: CancelRequest) -> CancelOrder:
        return CancelOrder(
            key=self._state.key,
            actor=wish.actor,
            reason=cancel_story.why(wish, unsaid=""),
            kind=wish.kind,
            revision=self._next_revision(),
        )
