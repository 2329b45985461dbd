"""How workflows call their activities: how long one call may take, how it is tried again, what goes first, and what a
refusal is.
"""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import Priority, RetryPolicy
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.failures import Refusal

# No schedule-to-close anywhere: an outage may last, giving up would lose the order.
PATIENT = RetryPolicy(
    initial_interval=timedelta(seconds=1), backoff_coefficient=2.0, maximum_interval=timedelta(seconds=60)
)
ONE_CALL = timedelta(seconds=60)
# Of one queue the lowest key goes first: the change feed (1), then orders, then shipments, then what a sweep asks.
ORDERS_FIRST = Priority(priority_key=2)
SHIPMENTS_NEXT = Priority(priority_key=3)


def refusal_of(error: BaseException) -> Refusal | None:
    """The refusal inside a failed activity; None where the failure is not one of ``activities.failures``."""
    cause = error.__cause__
    if not isinstance(cause, ApplicationError) or not cause.details:
        return None
    return Refusal.model_validate(cause.details[0])
