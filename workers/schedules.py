"""The schedules that Temporal keeps for us: a sweep a channel, the look for silence, comparisons of stock."""

from collections.abc import Collection, Iterable
from contextlib import suppress
from datetime import timedelta

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleCalendarSpec,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleRange,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.service import RPCError

from workflows.messages import ORDERS_QUEUE
from workflows.standing import (
    SILENCE_ID,
    StockComparisonStart,
    SweepStart,
    stock_comparison_id,
    sweep_id,
)
from workflows.stock_comparison import StockComparisonWorkflow
from workflows.sweep import SilenceWorkflow, SweepWorkflow

CATCH_UP = timedelta(minutes=10)
"""After an outage of Temporal: an action that is later than that is left out, the next covers its window."""
LARGEST_JITTER = timedelta(minutes=2)
NIGHT = timedelta(hours=6)
"""A comparison of stock that Temporal's outage delayed runs so much later at most."""
LONGEST_NIGHT_JITTER = timedelta(minutes=20)


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


async def ensure_comparisons(
    client: Client, channels: Iterable[str], told: Collection[str], hour: int
) -> None:
    """The nightly comparison of stock, at an hour in UTC, of each channel that is told; of no other."""
    for channel in channels:
        if channel not in told:
            with suppress(RPCError):  # most had none
                await client.get_schedule_handle(stock_comparison_id(channel)).delete()
            continue
        action = ScheduleActionStartWorkflow(
            StockComparisonWorkflow.run,
            StockComparisonStart(channel=channel),
            id=stock_comparison_id(channel),
            task_queue=ORDERS_QUEUE,
            static_summary=f"Compares what {channel} shows of stock with what can be sold",
        )
        spec = ScheduleSpec(
            calendars=[ScheduleCalendarSpec(hour=[ScheduleRange(hour)])], jitter=LONGEST_NIGHT_JITTER
        )
        policy = SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=NIGHT)
        # Not at once: whoever starts a worker lists what was never listed.
        schedule = Schedule(action=action, spec=spec, policy=policy)
        await _ensure(client, stock_comparison_id(channel), schedule, at_once=False)


def _schedule(action: ScheduleActionStartWorkflow, every: timedelta) -> Schedule:
    return Schedule(
        action=action,
        # Jitter: several channels, and several deployments on one ERP, do not all come on the full hour.
        spec=ScheduleSpec(
            intervals=[ScheduleIntervalSpec(every=every)], jitter=min(every / 10, LARGEST_JITTER)
        ),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=CATCH_UP),
    )


async def _ensure(client: Client, schedule_id: str, schedule: Schedule, *, at_once: bool = True) -> None:
    def renew(known: ScheduleUpdateInput) -> ScheduleUpdate:
        schedule.state = known.description.schedule.state
        return ScheduleUpdate(schedule=schedule)

    try:
        await client.create_schedule(schedule_id, schedule, trigger_immediately=at_once)
    except ScheduleAlreadyRunningError:
        await client.get_schedule_handle(schedule_id).update(renew)
