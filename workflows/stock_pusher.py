"""One workflow a channel (or several that share its SKUs) tells the storefront what can be sold."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from activities.stock_contracts import TellStock, stock_queue
    from activities.stock_telling import StockTelling
    from workflows.standing import (
        STOCK_PUSHER_WORKFLOW,
        StockPusherStart,
    )

LONGEST_TELLING = timedelta(minutes=15)
SIGN_OF_LIFE = timedelta(seconds=30)
ROUNDS_A_RUN = 100


@workflow.defn(name=STOCK_PUSHER_WORKFLOW)
class StockPusherWorkflow:
    """Runs until its channel is not to be told any more; id ``stock:{channel}``."""

    @workflow.run
    async def run(self, start: StockPusherStart) -> None:
        """Tell round by round. What is to be told stands in the store, so a run carries nothing over."""
        skus = start.skus
        for _ in range(ROUNDS_A_RUN):
            workflow.set_current_details(f"Tells {start.channel} what can be sold; {skus} SKUs told so far.")
            told = await workflow.execute_activity_method(
                StockTelling.tell_stock,
                TellStock(channel=start.channel, part=start.part),
                task_queue=stock_queue(start.channel),
                start_to_close_timeout=LONGEST_TELLING,
                heartbeat_timeout=SIGN_OF_LIFE,
                retry_policy=RetryPolicy(
                    initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=15)
                ),
                summary=f"Tell {start.channel} what can be sold",
            )
            skus += told.skus
            if told.over:
                return
        workflow.continue_as_new(start.model_copy(update={"skus": skus}))
