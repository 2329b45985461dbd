"""An order with goods that may not leave yet: it waits before the ERP until they are released, by a durable timer.

While it waits it hears of the storefront: it is canceled, or its day moves. No webhook tells of every move, so it is
read once more when the day has come.
"""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from domain.preorders import Release
    from workflows import preorder_story
    from workflows.order_alarms import Alarm
    from workflows.order_kits import OrderKits


class OrderPreorders(OrderKits):
    """Base of ``OrderWorkflow``, between it and the kits of an order."""

    def _take_release(self, told: Release | None) -> None:
        """A reading says when the order's goods are released; what is over is waited for no more."""
        state, before = self._state, self._state.release
        ahead = told if told is not None and told.at > workflow.now() else None
        if state.erp is not None:
            if ahead is not None and ahead.days != state.released:
                self._tell("storefront", preorder_story.too_late(ahead, state.lines))
                state.released = ahead.days
            return
        state.release = ahead
        if ahead is not None and (before is None or before.days != ahead.days):
            self._tell("storefront", preorder_story.waits_until(ahead, before, state.lines))
        if ahead is not None and ahead.capture_now:
            state.capture_all = True

    def _alarms(self) -> tuple[Alarm, ...]:
        state = self._state
        if state.release is None or state.erp is not None:
            return super()._alarms()
        free = not (state.problem or state.cancel or state.outcome or state.held_by)
        ends = Alarm(state.release.at, "Until pre-ordered goods are released", free, self._day_has_come)
        return (*super()._alarms(), ends)

    def _day_has_come(self) -> None:
        self._state.release, self._state.reread = None, True
