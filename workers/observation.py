"""What is seen of every activity, in one place: its log lines name the order, its span too, and its end is counted."""

import asyncio
from typing import Any

from opentelemetry import trace
from opentelemetry.metrics import Meter, get_meter
from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from adapters import spans
from adapters.concern import concern, order_of
from config.metrics import ACTIVITIES


class Observation(Interceptor):
    """For every worker with activities. ``meter`` is for tests."""

    def __init__(self, meter: Meter | None = None) -> None:
        meter = meter or get_meter("orderwright.workers")
        self._ended = meter.create_counter(ACTIVITIES.name, ACTIVITIES.unit, ACTIVITIES.meaning)

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002  the SDK's name
        """Wrap the activities of a worker."""
        return _Observed(next, self)

    def ended(self, name: str, outcome: str) -> None:
        """Count an attempt."""
        self._ended.add(1, {"activity": name, "outcome": outcome})


class _Observed(ActivityInboundInterceptor):
    def __init__(self, following: ActivityInboundInterceptor, observation: Observation) -> None:
        super().__init__(following)
        self._observation = observation

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002  the SDK's name
        info = activity.info()
        order = order_of(info.workflow_id or "")
        ids = spans.trace_ids()
        # Not undone at the end: the SDK tells of a failed attempt after it, in the same task, which then ends.
        concern(
            order=order,
            workflow=info.workflow_type,
            activity=info.activity_type,
            attempt=info.attempt,
            trace_id=ids[0] if ids else None,
        )
        span = trace.get_current_span()
        span.set_attribute("orderwright.attempt", info.attempt)
        if order is not None:
            span.set_attribute(spans.ORDER, order)
        outcome = "done"
        try:
            return await super().execute_activity(input)
        except asyncio.CancelledError:
            outcome = "canceled"
            raise
        except Exception as error:
            outcome = _outcome(error)
            span.set_attribute(spans.ERROR, outcome)
            raise
        finally:
            self._observation.ended(info.activity_type, outcome)


def _outcome(error: Exception) -> str:
    """The failure's type, as the Temporal UI shows it."""
    return (error.type if isinstance(error, ApplicationError) else None) or type(error).__name__
