"""What the store tells of our own writes is, word for word, what the adapter said that it would tell."""

from collections import Counter

import pytest

from adapters.shopify.webhooks import ShopifyWebhooks
from tests.contract.storefront_requests import line_of
from tests.contract.storefront_worlds import ShopifyWorld
from tests.contract.test_storefront_returns import asked_for, settle
from tests.running_store import SECRET, Receiver, RunningStore, until

ECHOED = {"refunds/create", "returns/approve", "returns/decline", "returns/cancel", "returns/close"}


@pytest.fixture
def receiver(running_store: RunningStore):
    listening = Receiver().start()
    running_store.control.turn_webhooks(url=listening.url)
    yield listening
    running_store.control.turn_webhooks(url="")
    listening.stop()


async def test_each_write_is_told_in_the_words_that_it_was_said_to_be(running_store, receiver):
    world = ShopifyWorld(running_store)
    shop, control = world.storefront, running_store.control
    order, settled = await asked_for(world, {"CAP-BLK": 2, "MUG-LOGO": 1})
    external_id = order.key.external_id

    def ask() -> str:
        return world.ask_return(external_id, {line_of(order, "CAP-BLK"): 1})

    ours = [*(await shop.approve_return(external_id, settled)).echoes]
    ours += (await shop.refund_order(settle(order, settled, {"CAP-BLK": 2, "MUG-LOGO": 1}))).echoes
    ours += (await shop.end_return(external_id, ask(), "too late")).echoes
    given_up = ask()
    ours += (await shop.approve_return(external_id, given_up)).echoes
    ours += (await shop.end_return(external_id, given_up, "no goods came")).echoes
    # The same by the shop's own people, and by its buyer.
    theirs = [ask(), ask(), ask()]
    for return_id, change in zip(theirs, ("approve", "decline", "withdraw"), strict=True):
        control.change_return(external_id, return_id, change)
    until(lambda: control.webhooks()["messages"]["waiting"] == 0)
    read = [ShopifyWebhooks(SECRET).read(each.raw, each.headers) for each in receiver.received]
    told = Counter(each.tells for each in read if each.topic in ECHOED)
    assert None not in told
    assert len(ours) == len(set(ours)) == 6
    foreign = told - Counter(ours)
    assert told - foreign == Counter(ours)
    assert sorted(phrase.split()[1] for phrase in foreign) == sorted(theirs)
    assert all(each.tells is None for each in read if each.topic not in ECHOED)
    await shop.close()
