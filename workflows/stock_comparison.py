"""Compares what a storefront shows with what can be sold, from end to end. Run by a schedule, or by hand."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from activities.stock_compare import StockComparing
    from activities.stock_contracts import ComparePhase, CompareStock, StockComparison, stock_queue
    from workflows.standing import (
        STOCK_COMPARISON_WORKFLOW,
        StockComparisonStart,
    )

ONE_BATCH = timedelta(minutes=15)
"""A batch takes a minute, its last page what a slow storefront needs."""
SIGN_OF_LIFE = timedelta(seconds=15)
BATCHES_A_RUN = 100
"""A run of so many has some 700 events."""


@workflow.defn(name=STOCK_COMPARISON_WORKFLOW)
class StockComparisonWorkflow:
    """One comparison of one channel; the schedule ``stock-comparison:{channel}`` starts it."""

    @workflow.run
    async def run(self, start: StockComparisonStart) -> StockComparison:
        """Go on batch by batch; what was compared is not compared again."""
        progress = start.progress or StockComparison(channel=start.channel, began=workflow.now())
        for _ in range(BATCHES_A_RUN):
            if progress.phase is ComparePhase.DONE:
                break
            workflow.set_current_details(f"{progress.sentence}\n\nNow: {progress.phase.value}.")
            progress = await workflow.execute_activity_method(
                StockComparing.compare_stock,
                CompareStock(progress=progress),
                task_queue=stock_queue(start.channel),
                start_to_close_timeout=ONE_BATCH,
                heartbeat_timeout=SIGN_OF_LIFE,
                # No schedule-to-close: while the storefront is away the comparison waits, and goes on where it was.
                retry_policy=RetryPolicy(
                    initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=60)
                ),
                summary=f"Compare stock: {progress.phase.value}",
            )
        if progress.phase is not ComparePhase.DONE:
            workflow.continue_as_new(StockComparisonStart(channel=start.channel, progress=progress))
        workflow.set_current_details(progress.sentence)
        return progress
