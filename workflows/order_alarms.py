"""What an order does at a time of its own: one durable timer for whichever alarm comes first, and none for none."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from workflows.order_desk import OrderDesk
    from workflows.order_state import OrderStart


class Alarm(NamedTuple):
    """A time at which something has to be done while the order waits."""

    at: datetime
    until: str
    """What the timer says in the Temporal UI."""
    may_ring: bool
    """False: nothing can be done now, whatever the time."""
    ring: Callable[[], None]
    """Does it, so that the alarm is not due any more; calls nobody."""


class OrderAlarms(OrderDesk):
    """Base of ``OrderWorkflow``: what has alarms adds them to ``_alarms``."""

    def __init__(self, start: OrderStart) -> None:
        super().__init__(start)
        self._timer: asyncio.Task[None] | None = None
        self._timer_at: datetime | None = None

    def _alarms(self) -> tuple[Alarm, ...]:
        """Those that are set, rung or not, as the state has them."""
        return ()

    def _due(self) -> Alarm | None:
        """The alarm that rings now."""
        return next((a for a in self._alarms() if a.may_ring and workflow.now() >= a.at), None)

    def _set_timer(self) -> None:
        """Wake the loop in time. A timer is kept over many waits, so that it costs once."""
        ahead = [alarm for alarm in self._alarms() if alarm.at > workflow.now()]
        first = min(ahead, key=lambda alarm: alarm.at, default=None)
        at = first.at if first else None
        if at == self._timer_at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at, self._timer = at, None
        if first is not None:
            until = workflow.sleep(first.at - workflow.now(), summary=first.until)
            self._timer = asyncio.create_task(until)
