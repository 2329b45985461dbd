"""Old webhooks are deleted, young ones and those that still wait are kept."""

import asyncio
from datetime import UTC, datetime, timedelta

from domain.order import OrderKey
from store.database import Database
from store.inbox import Inbox, InboxState, Received
from store.own_writes import OwnWrites
from web.retention import purge_regularly


def webhook(number: int) -> Received:
    return Received(
        channel="shop",
        delivery_id=f"d-{number}",
        topic="orders/create",
        external_id=str(number),
        headers={},
        body=b"{}",
    )


async def test_only_old_webhooks_that_were_handed_over_are_deleted(sqlite_db: Database) -> None:
    now = datetime.now(UTC)
    old, young = (Inbox(sqlite_db, clock=lambda at=at: at) for at in (now - timedelta(days=40), now))
    for number in (1, 2):
        old.add(webhook(number))
    young.add(webhook(3))
    done = {item.key.external_id: item.id for item in young.claim(10, timedelta(minutes=1), "test")}
    young.mark_dispatched([done["1"]])
    young.mark_dispatched([done["3"]])

    own_writes = OwnWrites(sqlite_db)
    key, phrases = OrderKey(channel="shop", external_id="1"), ("refund 7 made", "refund 8 made")
    for at, phrase in zip((now - timedelta(days=40), now), phrases, strict=True):
        OwnWrites(sqlite_db, clock=lambda at=at: at).remember(key, (phrase,))

    stop = asyncio.Event()
    purging = asyncio.create_task(
        purge_regularly(young, own_writes, timedelta(days=30), stop, pause=timedelta(milliseconds=20))
    )
    await asyncio.sleep(0.2)
    stop.set()
    await asyncio.wait_for(purging, 5)

    assert young.counts()[InboxState.DISPATCHED] == 1  # number 3 is young
    assert young.counts()[InboxState.PENDING] == 1  # number 2 is old, but nobody has it yet
    at = now - timedelta(days=40), now
    known = [own_writes.is_echo(key, *each, at) for *each, at in zip(phrases, ("a", "b"), at, strict=True)]
    assert known == [False, True]
