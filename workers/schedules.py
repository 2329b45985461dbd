"""The schedules that Temporal keeps for us: a sweep a channel, and the look for silence."""

from collections.abc import Iterable
from datetime import timedelta

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)

from workflows.messages import ORDERS_QUEUE, SILENCE_ID, SweepStart, sweep_id
from workflows.sweep import SilenceWorkflow, SweepWorkflow

CATCH_UP = timedelta(minutes=10)
"""After an outage of Temporal: an action that is later than that is left out, the next covers its window."""
LARGEST_JITTER = timedelta(minutes=2)


async def ensure_schedules(
    client: Client, channels: Iterable[str], *, sweep_every: timedelta, silence_every: timedelta
) -> None:
    """Create or bring up to date all schedules. One that somebody paused stays paused.

    A new sweep runs at once: from then on every order of the channel is counted.
    """
    for channel in channels:
        sweep = ScheduleActionStartWorkflow(
            SweepWorkflow.run,
            SweepStart(channel=channel),
            id=sweep_id(channel),
            task_queue=ORDERS_QUEUE,
            static_summary=f"Counts the orders of {channel} on both sides",
        )
        await _ensure(client, sweep_id(channel), _schedule(sweep, sweep_every))
    silence = ScheduleActionStartWorkflow(
        SilenceWorkflow.run,
        id=SILENCE_ID,
        task_queue=ORDERS_QUEUE,
        static_summary="Looks whether a channel's webhooks stay away",
    )
    await _ensure(client, SILENCE_ID, _schedule(silence, silence_every))


def _schedule(action: ScheduleActionStartWorkflow, every: timedelta) -> Schedule:
    return Schedule(
        action=action,
        # Jitter: several channels, and several deployments on one ERP, do not all come on the full hour.
        spec=ScheduleSpec(
            intervals=[ScheduleIntervalSpec(every=every)], jitter=min(every / 10, LARGEST_JITTER)
        ),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=CATCH_UP),
    )


async def _ensure(client: Client, schedule_id: str, schedule: Schedule) -> None:
    def renew(known: ScheduleUpdateInput) -> ScheduleUpdate:
        schedule.state = known.description.schedule.state
        return ScheduleUpdate(schedule=schedule)

    try:
        await client.create_schedule(schedule_id, schedule, trigger_immediately=True)
    except ScheduleAlreadyRunningError:
        await client.get_schedule_handle(schedule_id).update(renew)
