"""One workflow follows the ERP's change feed and tells the orders concerned; no order ever polls.

The activity runs for minutes, so that polling costs no history; its heartbeat carries the cursor over a crash.
"""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import Priority, RetryPolicy

with workflow.unsafe.imports_passed_through():
    from activities.contracts import ERP_QUEUE, FollowChanges
    from activities.feed import FeedActivities
    from workflows.standing import (
        ERP_FEED_WORKFLOW,
        ErpFeedStart,
    )

LONGEST_FOLLOW = timedelta(minutes=15)
SIGN_OF_LIFE = timedelta(seconds=30)
ROUNDS_A_RUN = 100


@workflow.defn(name=ERP_FEED_WORKFLOW)
class ErpFeedWorkflow:
    """Runs for ever; id ``erp-feed``, one per ERP."""

    @workflow.run
    async def run(self, start: ErpFeedStart) -> None:
        """Follow the feed round by round.

        Each run but the first starts without a cursor, and so compares every open order once: what came late behind
        the cursor (a long transaction of the ERP, say) is found within a day.
        """
        cursor, told = start.cursor, start.orders_told
        for _ in range(ROUNDS_A_RUN):
            workflow.set_current_details(
                f"Follows the ERP's changes and tells the orders concerned; {told} messages sent so far."
            )
            followed = await workflow.execute_activity_method(
                FeedActivities.follow_erp_changes,
                FollowChanges(cursor=cursor),
                task_queue=ERP_QUEUE,
                start_to_close_timeout=LONGEST_FOLLOW,
                heartbeat_timeout=SIGN_OF_LIFE,
                retry_policy=RetryPolicy(
                    initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=15)
                ),
                summary="Poll the ERP for changed orders",
                # One task, before all orders: after an outage news of shipments must not queue behind a backlog.
                priority=Priority(priority_key=1),
            )
            cursor, told = followed.cursor, told + followed.orders_told
        workflow.continue_as_new(ErpFeedStart(orders_told=told))
