"""The change feed: no answer of the ERP ends it, a long poll is no sign of death."""

from collections import Counter
from datetime import timedelta

from temporalio.api.enums.v1 import EventType
from temporalio.testing import ActivityEnvironment

from activities.contracts import FollowChanges
from activities.feed import FeedActivities
from activities.heartbeat import SIGN_OF_LIFE
from adapters.memory.erp import MemoryErp
from tests.order_builder import make_order
from tests.workflows.world import World
from workflows.erp_feed import SIGN_OF_LIFE as HEARTBEAT_TIMEOUT
from workflows.messages import Attention
from workflows.order_reach import OrderReach
from workflows.standing import ERP_FEED_ID


async def test_a_refused_poll_does_not_end_the_feed(world: World, external_id):
    order = make_order(external_id)
    async with world.working():
        handle = await world.place(order)
        await world.until_in_erp(order.key)
        world.faults.reject("erp.changes", "forbidden for a moment", "http_refused:tryton:403", nth=1)
        world.faults.break_contract("erp.changes", nth=2)
        world.erp.ship_all(order.key)
        assert (await handle.result()).outcome is Attention.CLOSED
        feed = await world.client.get_workflow_handle(ERP_FEED_ID).describe()
        assert feed.status is not None
        assert feed.status.name == "RUNNING"


async def test_one_unreadable_record_stops_its_order_and_no_other(world: World, external_id):
    bad, good = make_order(external_id), make_order(f"{external_id}9")
    async with world.working():
        await world.place(bad)
        handle = await world.place(good)
        await world.until_in_erp(bad.key)
        await world.until_in_erp(good.key)
        world.erp.unreadable[bad.key] = "state: 'melted' is no state of a sale"
        world.erp.ship_all(bad.key)
        world.erp.ship_all(good.key)
        assert (await handle.result()).outcome is Attention.CLOSED
        stopped = await world.until_stopped(bad.key)
        assert stopped.problem is not None
        assert "melted" in stopped.problem.reason
        world.erp.unreadable.clear()
        world.erp.keep(world.erp.orders[bad.key])  # corrected: a change like any other
        stopped_handle = world.client.get_workflow_handle(bad.key.workflow_id)
        await world.until(bad.key, lambda v: v.lines[0].shipped == 2)
        await stopped_handle.signal("resubmit")
        await stopped_handle.result()
    assert (await world.storefront.read_order(external_id)).captured == bad.total


async def test_a_cursor_that_the_erp_does_not_know_starts_the_feed_anew(world: World, external_id):
    erp = MemoryErp()
    feed = FeedActivities(
        erp,
        world.client,
        world.database,
        bring_back=OrderReach(world.client).bring_back,
        tell_return=OrderReach(world.client).tell_return,
        interval=timedelta(milliseconds=10),
        round_length=timedelta(milliseconds=50),
    )
    followed = await ActivityEnvironment().run(
        feed.follow_erp_changes, FollowChanges(cursor="of another ERP")
    )
    assert followed.cursor == (await erp.changes(None)).cursor


async def test_a_long_poll_gives_signs_of_life(world: World):
    beats = []
    environment = ActivityEnvironment()
    environment.on_heartbeat = lambda *details: beats.append(details)
    feed = FeedActivities(
        MemoryErp(latency=0.3),
        world.client,
        world.database,
        bring_back=OrderReach(world.client).bring_back,
        tell_return=OrderReach(world.client).tell_return,
        interval=timedelta(milliseconds=10),
        round_length=timedelta(milliseconds=10),
        sign_of_life=timedelta(milliseconds=20),
    )
    await environment.run(feed.follow_erp_changes, FollowChanges(cursor=None))
    assert len(beats) > 5
    assert beats[0] == (None, 0)
    assert SIGN_OF_LIFE * 2 < HEARTBEAT_TIMEOUT


async def test_the_feed_goes_on_at_once_with_the_workers_that_replace_others(world: World, external_id):
    """A task that a worker was given while it ended would be missed for ten seconds."""
    for restart in range(4):
        order = make_order(f"{external_id}{restart}")
        async with world.working():
            handle = await world.place(order)
            await world.until_in_erp(order.key)
            world.erp.ship_all(order.key)
            await handle.result()
    history = await world.client.get_workflow_handle(ERP_FEED_ID).fetch_history()
    kinds = Counter(EventType.Name(event.event_type) for event in history.events)
    assert kinds["EVENT_TYPE_ACTIVITY_TASK_COMPLETED"] >= 3, "the feed was handed over"
    assert kinds["EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT"] == 0
