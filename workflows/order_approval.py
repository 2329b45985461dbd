"""An order that a person has to approve before it goes to the ERP: it stops with a problem that ``approve`` ends.

While it waits it still hears of the storefront: an order that is canceled, lowered or rated otherwise there goes on by
itself.
"""

from datetime import timedelta
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.failures import Refusal
    from domain.approval import Approval, ApprovalNeeded
    from domain.cases import APPROVAL_NEEDED
    from workflows import happenings, narrative
    from workflows.desk import read_message, refuse
    from workflows.messages import OperatorAnswer, OperatorMessage
    from workflows.order_alarms import Alarm
    from workflows.order_exchanges import OrderExchanges
    from workflows.steps import Step, lacks_approval, stands_for_approval


class OrderApproval(OrderExchanges):
    """Base of ``OrderWorkflow``, beside the returns and exchanges of an order."""

    def _take_approval(self, needed: ApprovalNeeded | None) -> None:
        """A reading says whether somebody has to approve the order; one that waits for it is asked about anew."""
        state = self._state
        state.approval = needed
        problem = state.problem
        if problem is None or not stands_for_approval(state):
            return
        if lacks_approval(state) and not state.payment.unpaid and state.cancel is None:
            # The reading has cleared the order's row: what it waits for is written there again.
            reason = narrative.needs_approval(state)
            state.problem = problem.model_copy(update={"reason": reason, "in_case": False})
            return
        state.problem, state.leaves_cases, state.reminded_at = None, True, None
        if not lacks_approval(state):
            self._tell("Orderwright", "Needs no approval any more; the order goes on.")

    async def _ask_approval(self) -> None:
        """Stop until somebody approves."""
        cause = f"{APPROVAL_NEEDED}:{self._state.key}"
        self._stop(Step.ASK_APPROVAL, Refusal(cause=cause, reason=narrative.needs_approval(self._state)))

    def _alarms(self) -> tuple[Alarm, ...]:
        state = self._state
        if state.problem is None or state.approval is None or not stands_for_approval(state):
            return super()._alarms()
        since = state.reminded_at or state.problem.since
        at = since + timedelta(days=state.approval.remind_after_days)
        reminder = Alarm(
            at,
            "Until a person is reminded of the approval",
            state.cancel is None and state.outcome is None,
            self._remind,
        )
        return (*super()._alarms(), reminder)

    def _remind(self) -> None:
        state = self._state
        assert state.problem is not None
        state.reminded_at = workflow.now()
        state.problem = state.problem.model_copy(update={"in_case": False})
        self._tell("Orderwright", happenings.reminder(state.problem, workflow.now()))

    @workflow.signal(name="approve")
    def approve_signal(self, body: Any = None) -> None:
        """Let the order go to the ERP; with a name and a reason."""
        message = self._heard("approve", body, OperatorMessage)
        if message is None or self._seen(message.message_id) or not self._concerns(message):
            return
        obstacle = narrative.approve_obstacle(self._state) or narrative.unnamed(message, "approves")
        if obstacle:
            self._tell(message.actor, f"Asked to approve; refused: {obstacle}.")
        else:
            self._approve(message)

    @workflow.update(name="approve")
    def approve_update(self, body: Any = None) -> OperatorAnswer:
        """Let the order go to the ERP; with a name and a reason."""
        message = read_message(body, OperatorMessage)
        if not self._seen(message.message_id):
            self._approve(message)
        return OperatorAnswer(done=True, text="Approved as it stands; the order is read again and goes on.")

    @approve_update.validator
    def _may_approve(self, body: Any = None) -> None:
        message = read_message(body, OperatorMessage)
        refuse(narrative.approve_obstacle(self._state) or narrative.unnamed(message, "approves"))

    def _approve(self, message: OperatorMessage) -> None:
        state = self._state
        assert state.problem is not None
        assert state.order is not None
        state.approved = Approval(
            actor=message.actor, reason=message.reason, total=state.order.total, risk=state.order.risk
        )
        state.reminded_at = None
        self._go_on(state.problem)
        self._tell(message.actor, f"Approved ({message.reason}): {'; '.join(narrative.to_approve(state))}.")
        state.decision = state.timeline[-1]
