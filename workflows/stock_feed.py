"""One workflow follows what the ERP has in stock. As ``workflows.erp_feed``: the activity polls, its heartbeat carries
the cursor over a crash.
"""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from activities.stock_contracts import STOCK_ERP_QUEUE, FollowStock
    from activities.stock_feed import StockFeedActivities
    from workflows.standing import (
        STOCK_FEED_WORKFLOW,
        StockFeedStart,
    )

LONGEST_FOLLOW = timedelta(minutes=15)
SIGN_OF_LIFE = timedelta(seconds=30)
ROUNDS_A_RUN = 100


@workflow.defn(name=STOCK_FEED_WORKFLOW)
class StockFeedWorkflow:
    """Runs for ever; id ``stock-feed``, one per ERP."""

    @workflow.run
    async def run(self, start: StockFeedStart) -> None:
        """Follow the feed round by round; the next run goes on where this one ends."""
        cursor, changed, whole = start.cursor, start.changed, start.whole
        for _ in range(ROUNDS_A_RUN):
            workflow.set_current_details(f"Follows the ERP's stock; {changed} changes of a product so far.")
            followed = await workflow.execute_activity_method(
                StockFeedActivities.follow_stock,
                FollowStock(cursor=cursor, whole=whole),
                task_queue=STOCK_ERP_QUEUE,
                start_to_close_timeout=LONGEST_FOLLOW,
                heartbeat_timeout=SIGN_OF_LIFE,
                retry_policy=RetryPolicy(
                    initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=15)
                ),
                summary="Poll the ERP for changed stock",
            )
            cursor, changed, whole = followed.cursor, changed + followed.changed, followed.whole
        workflow.continue_as_new(StockFeedStart(cursor=cursor, changed=changed, whole=whole))
