"""What an order does where the ERP's people gave up units of it: the ERP sends them no more, and they are sold still.

Whether that was meant for good, the ERP does not say. So a person is asked: the units are canceled in the storefront
too, whose new totals the ERP is amended to; or they are sent after all, which the order hears of.
"""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.failures import Refusal
    from domain.cases import GIVEN_UP
    from domain.erp_order import ErpOrder
    from workflows import cancel_story, given_up_story
    from workflows.messages import OperatorMessage, UnitCancel
    from workflows.order_cancels import OrderCancels
    from workflows.steps import Step, given_up_undecided, stands_for_given_up, unreported_shipments


class OrderGivenUp(OrderCancels):
    """Base of ``OrderWorkflow``, between what it does in the ERP and how it is canceled."""

    async def _ask_about_given_up(self) -> None:
        cause = f"{GIVEN_UP}:{self._state.key}"
        reason = given_up_story.asks(self._state)
        self._stop(Step.ASK_ABOUT_GIVEN_UP, Refusal(cause=cause, reason=reason))

    def _take_erp(self, erp: ErpOrder) -> None:
        before = self._state.erp
        super()._take_erp(erp)
        now = self._state.erp
        changed = before is not None and now is not None and before.given_up != now.given_up
        # Of refunds of its returns an order is not told: what its page shows now decides what can be canceled.
        self._state.reread = self._state.reread or changed
        self._hear_about_given_up(changed=changed)

    def _hear_about_given_up(self, *, changed: bool = False, read: bool = False) -> None:
        """The question is over, or another one, or a parcel has left that the storefront is to hear of first."""
        state, problem = self._state, self._state.problem
        if problem is None or not stands_for_given_up(state):
            return
        decided = not given_up_undecided(state)
        if decided or changed or unreported_shipments(state):
            self._go_on(problem)
        elif read:
            # The reading took the problem off the order's row: it is written there once more.
            state.problem = problem.model_copy(update={"in_case": False})
        if decided and state.erp is not None and not state.erp.given_up:
            self._tell("Orderwright", "Nothing of it is given up any more; the order goes on.")

    def _cancel_rest_by(self, message: OperatorMessage) -> None:
        """Of an order that asks about what was given up, that is the rest."""
        state = self._state
        if not stands_for_given_up(state):
            super()._cancel_rest_by(message)
            return
        assert state.order is not None
        reason = message.reason or "given up in the ERP"
        wish = UnitCancel(actor=message.actor, reason=reason, down_to=given_up_story.cancelable(state))
        state.unit_cancel, state.cancel_refused = wish, None
        self._read_what_came_back()
        self._tell(message.actor, cancel_story.asked_for(wish, cancel_story.page(state)))
