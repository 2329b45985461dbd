"""What an order does about an authorization that expires before its goods leave: an alarm, then a capture or a case."""

import asyncio
from typing import TYPE_CHECKING

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.failures import Refusal
    from domain.cases import AUTHORIZATION_EXPIRES
    from domain.payment_rules import ExpiryRule
    from workflows import narrative
    from workflows.messages import OrderStart
    from workflows.order_desk import OrderDesk
    from workflows.steps import Step

if TYPE_CHECKING:
    from datetime import datetime


class OrderPayments(OrderDesk):
    """Base of ``OrderWorkflow``, between it and what others see of an order."""

    def __init__(self, start: OrderStart) -> None:
        super().__init__(start)
        self._alarm: asyncio.Task[None] | None = None
        self._alarm_at: datetime | None = None

    def _expires_soon(self) -> bool:
        state, expiring = self._state, self._state.expires_next
        free = state.problem is None and state.cancel is None and state.outcome is None
        return free and expiring is not None and workflow.now() >= expiring.notice_at

    def _heed_expiry(self) -> None:
        state, expiring = self._state, self._state.expires_next
        assert expiring is not None
        assert state.order is not None
        if expiring.rule is ExpiryRule.CAPTURE and state.erp is not None and state.held_by is None:
            state.expiry_heeded, state.capture_all = expiring.expires_at, True
            return
        if state.expiry_read != expiring.expires_at:
            # Somebody may have taken the money meanwhile, which no webhook tells of: read before a person is asked.
            state.expiry_read, state.reread = expiring.expires_at, True
            return
        cause = f"{AUTHORIZATION_EXPIRES}:{state.key.channel}:{expiring.gateway}"
        self._stop(
            Step.CAPTURE,
            Refusal(cause=cause, reason=narrative.expires(expiring, state.order, workflow.now())),
        )

    def _set_alarm(self) -> None:
        """Wake the loop in time. One timer an expiry, kept over many waits, so that it costs once; else none."""
        expiring = self._state.expires_next
        at = expiring.notice_at if expiring else None
        if at == self._alarm_at:
            return
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_at, self._alarm = at, None
        if at is not None and at > workflow.now():
            until = workflow.sleep(at - workflow.now(), summary="Until an authorization is about to expire")
            self._alarm = asyncio.create_task(until)
