"""How an order's workflow calls its activities: how long one call may take, how it is tried again, what goes first."""

from datetime import timedelta

from temporalio.common import Priority, RetryPolicy

# No schedule-to-close anywhere: an outage may last, giving up would lose the order.
PATIENT = RetryPolicy(
    initial_interval=timedelta(seconds=1), backoff_coefficient=2.0, maximum_interval=timedelta(seconds=60)
)
ONE_CALL = timedelta(seconds=60)
# Of one queue the lowest key goes first: the change feed (1), then orders, then shipments, then what a sweep asks.
ORDERS_FIRST = Priority(priority_key=2)
SHIPMENTS_NEXT = Priority(priority_key=3)
