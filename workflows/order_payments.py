"""What an order does about money that is missing, or is about to be: an alarm before an authorization expires."""

from decimal import Decimal

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.failures import Refusal
    from domain.cases import AUTHORIZATION_EXPIRES
    from domain.order import Order
    from domain.payment_outlook import refunded_by_hand
    from domain.payment_rules import ExpiryRule
    from workflows import happenings, narrative
    from workflows.order_alarms import Alarm, OrderAlarms
    from workflows.steps import Step


class OrderPayments(OrderAlarms):
    """Base of ``OrderWorkflow``, between it and its alarms."""

    def _alarms(self) -> tuple[Alarm, ...]:
        state, expiring = self._state, self._state.expires_next
        if expiring is None:
            return super()._alarms()
        free = state.problem is None and state.cancel is None and state.outcome is None
        until = "Until an authorization is about to expire"
        return (*super()._alarms(), Alarm(expiring.notice_at, until, free, self._heed_expiry))

    def _notice_what_is_not_covered(self, unpaid: Decimal) -> None:
        """Tell of an edit that made the order dearer than what is paid and promised; ``unpaid``: as much was before."""
        state = self._state
        if state.amend and state.payment.unpaid > unpaid and not state.payment.unpaid_exchange:
            self._tell("Orderwright", narrative.not_covered(state))

    def _count_what_went_back(self, before: Order | None, now: Order) -> None:
        """Note what somebody refunded by hand with units: what is due for others is not paid by that money.

        Returns tell for themselves what they gave back. While one is under way nobody can tell its money from others'.
        """
        state = self._state
        told, state.told_when_read = state.told_given_back - state.told_when_read, state.told_given_back
        if before is not None and not told and all(brief.ended for brief in state.returns.values()):
            state.given_for_units += refunded_by_hand(before, now)

    def _heed_expiry(self) -> None:
        state, expiring = self._state, self._state.expires_next
        assert expiring is not None
        assert state.order is not None
        taken_on = state.erp is not None or state.release is not None
        if expiring.rule is ExpiryRule.CAPTURE and taken_on and state.held_by is None:
            state.expiry_heeded, state.capture_all = expiring.expires_at, True
            return
        if state.expiry_read != expiring.expires_at:
            # Somebody may have taken the money meanwhile, which no webhook tells of: read before a person is asked.
            state.expiry_read, state.reread = expiring.expires_at, True
            return
        cause = f"{AUTHORIZATION_EXPIRES}:{state.key.channel}:{expiring.gateway}"
        self._stop(
            Step.CAPTURE,
            Refusal(cause=cause, reason=happenings.expires(expiring, state.order, workflow.now())),
        )
