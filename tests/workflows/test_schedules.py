"""The schedules that Temporal keeps: every hour a sweep, every few minutes a look for silence."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest_asyncio
from temporalio.client import ScheduleBackfill, ScheduleHandle, ScheduleOverlapPolicy
from temporalio.service import RPCError

from domain.rhythm import SLOT
from store.cases import Cases
from store.certificates import Certificates
from store.inbox import Inbox, Received
from store.rhythms import Rhythms
from tests.order_builder import make_order
from tests.workflows.world import World
from workers.schedules import LARGEST_JITTER, ensure_schedules
from workflows.messages import ORDERS_QUEUE
from workflows.standing import (
    SILENCE_ID,
    sweep_id,
)
from workflows.sweep import SilenceWorkflow

HOUR = timedelta(hours=1)
NEVER = timedelta(days=300)


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def _no_schedule_stays(world: World) -> AsyncIterator[None]:
    yield
    for schedule in (sweep_id("shop"), SILENCE_ID):
        with suppress(RPCError):  # not every test makes both
            await world.client.get_schedule_handle(schedule).delete()


async def until(what: Callable[[], bool], words: str) -> None:
    for _ in range(200):
        if what():
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"not within 20 s: {words}")


async def times_of(handle: ScheduleHandle) -> list[datetime]:
    return list((await handle.describe()).info.next_action_times)


async def test_a_sweep_runs_at_once_and_then_every_hour(world: World, external_id):
    certificates = Certificates(world.database)
    handle = world.client.get_schedule_handle(sweep_id("shop"))
    async with world.working():
        await ensure_schedules(world.client, ["shop"], sweep_every=HOUR, silence_every=NEVER)
        await until(lambda: bool(certificates.latest("shop")), "the first sweep")
        first = certificates.latest("shop")[0]
        times = await times_of(handle)
        assert len(times) > 3
        for place, moment in enumerate(times):
            on_the_hour = moment.replace(minute=0, second=0, microsecond=0)
            assert timedelta(0) <= moment - on_the_hour <= LARGEST_JITTER
            assert on_the_hour == times[0].replace(minute=0, second=0, microsecond=0) + place * HOUR
        # The hours that follow, as the schedule itself runs them.
        later = make_order(external_id, placed_at=datetime.now(UTC))
        world.storefront.place(later)
        await asyncio.sleep(1)
        # From half to half: one full hour lies between, whatever the jitter and wherever the clock stands now.
        past = datetime.now(UTC).replace(minute=30) - 3 * HOUR
        await handle.backfill(
            ScheduleBackfill(start_at=past, end_at=past + HOUR, overlap=ScheduleOverlapPolicy.BUFFER_ALL)
        )
        await until(lambda: certificates.latest("shop")[0].at > first.at, "the sweep of another hour")
    second = certificates.latest("shop")
    assert second[0].window.since == first.window.before
    assert second[0].tally.placed == 1


async def test_a_schedule_fires_by_itself(world: World):
    certificates = Certificates(world.database)
    seen = set()

    def counted() -> bool:
        seen.update(certificate.at for certificate in certificates.latest("shop"))
        return len(seen) > 2

    async with world.working():
        await ensure_schedules(world.client, ["shop"], sweep_every=timedelta(seconds=1), silence_every=NEVER)
        await until(counted, "three sweeps")


async def test_a_worker_that_starts_renews_the_interval_and_wakes_nobody_that_was_paused(world: World):
    handle = world.client.get_schedule_handle(sweep_id("shop"))
    await ensure_schedules(world.client, ["shop"], sweep_every=HOUR, silence_every=NEVER)
    await handle.pause(note="the ERP moves house")
    await ensure_schedules(world.client, ["shop"], sweep_every=2 * HOUR, silence_every=NEVER)
    described = (await handle.describe()).schedule
    assert (described.state.paused, described.state.note) == (True, "the ERP moves house")
    assert [interval.every for interval in described.spec.intervals] == [2 * HOUR]
    assert described.policy.overlap is ScheduleOverlapPolicy.SKIP


async def look(world: World) -> tuple[str, ...]:
    checked = await world.client.execute_workflow(
        SilenceWorkflow.run, id=f"silence:{datetime.now(UTC).timestamp()}", task_queue=ORDERS_QUEUE
    )
    return checked.silent


async def test_a_channel_that_goes_silent_alarms_until_a_webhook_comes(world: World):
    """Three weeks of a webhook every ten minutes, then five hours of nothing."""
    now = datetime.now(UTC)
    stopped = now - 5 * HOUR
    moments = iter([stopped - number * 2 * SLOT for number in range(3 * 7 * 144)])
    inbox = Inbox(world.database, clock=lambda: next(moments))
    for number in range(3 * 7 * 144):
        _receive(inbox, str(number))
    rhythms = Rhythms(world.database)
    async with world.working():
        assert await look(world) == ("shop",)
        found = rhythms.silence("shop")
        assert found is not None
        assert found.sentence.startswith(f"shop is silent: no webhook since {stopped:%Y-%m-%d %H:%M} UTC")
        alarm_since = found.alarm_since
        assert await look(world) == ("shop",)
        (case,) = Cases(world.database).list()
        assert (case.cause, case.title) == ("silence:shop", "Webhooks of shop stay away")
        again = rhythms.silence("shop")
        assert again is not None
        assert again.alarm_since == alarm_since, "the alarm keeps its beginning"
        _receive(Inbox(world.database), "at last")
        assert await look(world) == ()
        ended = rhythms.silence("shop")
        assert ended is not None
        assert ended.alarm_since is None
        assert Cases(world.database).list() == ()


def _receive(inbox: Inbox, delivery_id: str) -> None:
    inbox.add(
        Received(
            channel="shop",
            delivery_id=delivery_id,
            topic="orders/create",
            external_id="5001",
            headers={},
            body=b"",
        )
    )
