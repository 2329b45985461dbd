"""Counts the orders of one channel on both sides, and looks whether channels have gone silent. Run by schedules."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import Priority, RetryPolicy

with workflow.unsafe.imports_passed_through():
    from activities.contracts import (
        ERP_QUEUE,
        CheckSilence,
        CompareOrders,
        KeepCertificates,
        OpenSweep,
        SilenceChecked,
        SweepPhase,
        SweepProgress,
        SweepReport,
    )
    from activities.sweep import SweepActivities
    from workflows.messages import ORDERS_QUEUE
    from workflows.standing import (
        SILENCE_WORKFLOW,
        SWEEP_WORKFLOW,
        SweepStart,
    )

# No schedule-to-close: during an outage the sweep waits, the next ones are skipped, and the window stays where it is.
PATIENT = RetryPolicy(
    initial_interval=timedelta(seconds=1), backoff_coefficient=2.0, maximum_interval=timedelta(seconds=60)
)
ONE_BATCH = timedelta(minutes=10)
"""A batch takes seconds, its last page what a slow ERP needs."""
SIGN_OF_LIFE = timedelta(seconds=30)
CAUGHT_UP = timedelta(hours=1)
"""A window that ends longer ago was cut short, or the sweep itself waited long for a system."""
STORE_ONLY = timedelta(seconds=60)
LAST = Priority(priority_key=5)
"""Orders and shipments go first."""


@workflow.defn(name=SWEEP_WORKFLOW)
class SweepWorkflow:
    """One sweep of one channel; the schedule ``sweep:{channel}`` starts it."""

    @workflow.run
    async def run(self, start: SweepStart) -> SweepReport:
        """Cover the next window whole, then keep its certificates: a sweep that fails keeps none."""
        # What a run kept and repaired is not kept and repaired twice.
        sweep_id = f"{workflow.info().workflow_id}/{workflow.info().run_id}"
        progress = await workflow.execute_activity_method(
            SweepActivities.open_sweep,
            OpenSweep(channel=start.channel, now=workflow.now(), hours=start.hours),
            task_queue=ORDERS_QUEUE,
            start_to_close_timeout=STORE_ONLY,
            retry_policy=PATIENT,
            summary="Say which window to cover",
        )
        while progress.phase is not SweepPhase.DONE:
            workflow.set_current_details(_details(progress))
            progress = await workflow.execute_activity_method(
                SweepActivities.compare_orders,
                CompareOrders(sweep_id=sweep_id, now=workflow.now(), progress=progress),
                task_queue=ERP_QUEUE,
                start_to_close_timeout=ONE_BATCH,
                heartbeat_timeout=SIGN_OF_LIFE,
                retry_policy=PATIENT,
                summary=f"Compare both systems: {progress.phase.value}",
                priority=LAST,
            )
        report = await workflow.execute_activity_method(
            SweepActivities.keep_certificates,
            KeepCertificates(sweep_id=sweep_id, now=workflow.now(), progress=progress),
            task_queue=ORDERS_QUEUE,
            start_to_close_timeout=STORE_ONLY,
            retry_policy=PATIENT,
            summary="Keep the certificates",
        )
        workflow.set_current_details(_details(progress))
        if start.hours is None and workflow.now() - report.window.before > CAUGHT_UP:
            # After a long stop: the next window at once, and a history of its own.
            workflow.continue_as_new(start)
        return report


@workflow.defn(name=SILENCE_WORKFLOW)
class SilenceWorkflow:
    """One look at all channels; the schedule ``silence`` starts it."""

    @workflow.run
    async def run(self) -> SilenceChecked:
        """Look once."""
        return await workflow.execute_activity_method(
            SweepActivities.check_silence,
            CheckSilence(now=workflow.now()),
            task_queue=ORDERS_QUEUE,
            start_to_close_timeout=STORE_ONLY,
            # The next look comes by itself.
            retry_policy=RetryPolicy(maximum_attempts=3),
            summary="Compare each channel's silence with its rhythm",
        )


def _details(progress: SweepProgress) -> str:
    """What the Temporal UI shows of a sweep."""
    at = "" if progress.phase is SweepPhase.DONE else f"\n\nNow: {progress.phase.value}."
    counted = "\n".join(f"- {tally.sentence}" for tally in (progress.orders, progress.shipments))
    return f"{progress.channel}, {progress.window}\n\n{counted}{at}"
