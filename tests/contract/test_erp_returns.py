"""What every ERP makes of goods that are to come back, held against memory and a real Tryton."""

import asyncio

import pytest

from adapters.errors import OutcomeUnknown, Rejected
from domain.erp_order import ErpReturnState
from domain.order import OrderKey
from tests.contract.coming_back import (
    EAST,
    MOST_WRITES,
    TEE,
    Feed,
    all_current,
    announce,
    credit_of,
    sent_from_two_warehouses,
    sent_order,
    the_return,
    units,
)
from tests.contract.erp_worlds import ErpWorld
from tests.contract.order_shapes import kits, sales_order

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_goods_that_are_authorized_are_expected_and_found_in_every_reading(erp_world: ErpWorld):
    order = await sent_from_two_warehouses(erp_world)
    before = await erp_world.erp.find_order(order.key)
    assert before is not None
    assert before.returns == ()
    answered = await erp_world.erp.authorize_return(announce(order.key, line_11=2, line_13=4))
    expected = the_return(answered)
    assert expected.state is ErpReturnState.EXPECTED
    assert units(expected.expected) == {"11": 2, "13": 4}
    assert (expected.received, expected.credited, expected.total, expected.fee) == ((), (), 0, 0)
    assert expected.number
    # Nothing else of the order is touched.
    assert answered.model_copy(update={"returns": ()}) == before
    assert await erp_world.erp.find_order(order.key) == answered
    assert await erp_world.erp.submit_order(order) == answered
    assert await erp_world.erp.authorize_return(announce(order.key, line_11=2, line_13=4)) == answered


async def test_the_feed_tells_that_goods_are_expected_received_and_expected_no_more(erp_world: ErpWorld):
    order = await sent_order(erp_world)
    feed = await Feed.from_now(erp_world)
    await erp_world.erp.authorize_return(announce(order.key, "1", line_11=3))
    await erp_world.erp.authorize_return(announce(order.key, "2", line_12=1))
    assert the_return(await feed.told(order.key), "1").state is ErpReturnState.EXPECTED
    await erp_world.receive_return(order.key, "1", {TEE: 2})
    received = the_return(await feed.told(order.key), "1")
    assert received.state is ErpReturnState.RECEIVED
    assert units(received.expected) == {"11": 3}
    assert units(received.received) == {"11": 2}
    await erp_world.erp.cancel_return(order.key, "2", "the buyer keeps it")
    assert the_return(await feed.told(order.key), "2").state is ErpReturnState.CANCELED
    assert await feed.told(order.key) is None


async def test_a_feed_that_starts_late_tells_what_came_in_of_an_order_that_is_over(erp_world: ErpWorld):
    order = await sent_order(erp_world)
    await erp_world.erp.authorize_return(announce(order.key, line_12=2))
    await erp_world.receive_return(order.key, "1")
    (told,) = [each for each in await all_current(erp_world) if each.key == order.key]
    assert units(the_return(told).received) == {"12": 2}


async def test_goods_that_nobody_announced_are_told_and_can_be_settled(erp_world: ErpWorld):
    order = await sent_order(erp_world)
    feed = await Feed.from_now(erp_world)
    number = await erp_world.enter_return(order.key, {TEE: 2}, EAST)
    told = await feed.told(order.key)
    assert told is not None
    (found,) = told.returns
    assert (found.state, found.number) == (ErpReturnState.RECEIVED, number)
    assert units(found.received) == {"11": 2}
    request = credit_of(order, found.return_id, restocked={"11": 2})
    settled = the_return(await erp_world.erp.credit_return(request), found.return_id)
    assert (settled.state, settled.total) == (ErpReturnState.SETTLED, request.total)


async def test_many_authorize_at_once_and_goods_are_expected_once(erp_world: ErpWorld):
    order = await sent_order(erp_world)
    request = announce(order.key, line_11=1)
    colleague = erp_world.colleague()
    try:
        for erp in (erp_world.erp, colleague, erp_world.erp):
            await asyncio.gather(erp.authorize_return(request), colleague.authorize_return(request))
        assert units(the_return(await colleague.find_order(order.key)).expected) == {"11": 1}
    finally:
        if colleague is not erp_world.erp:
            await colleague.close()
    await erp_world.receive_return(order.key, "1")
    with pytest.raises(LookupError):
        await erp_world.receive_return(order.key, "1")


async def test_whichever_answer_is_lost_goods_are_expected_once(erp_world: ErpWorld):
    order = await sent_order(erp_world)
    request = announce(order.key, line_11=1, line_12=1)
    for lose in (erp_world.lose_answer, erp_world.lose_answer):
        lose()
        try:
            await erp_world.erp.authorize_return(request)
        except OutcomeUnknown:
            continue
    erp_world.mend_line()
    answered = await erp_world.erp.authorize_return(request)
    assert units(the_return(answered).expected) == {"11": 1, "12": 1}
    await erp_world.receive_return(order.key, "1")
    with pytest.raises(LookupError):
        await erp_world.receive_return(order.key, "1")


async def test_kits_come_back_as_whole_kits(erp_world: ErpWorld):
    order = sales_order(kits(erp_world.new_id()))
    submitted = await erp_world.erp.submit_order(order)
    for warehouse in {shipment.warehouse for shipment in submitted.shipments}:
        await erp_world.ship(order.key, warehouse, part=False)
    line = order.lines[0]
    assert line.quantity > 1
    await erp_world.erp.authorize_return(announce(order.key, **{f"line_{line.line_id}": 2}))
    await erp_world.receive_return(order.key, "1", {line.product: 1})
    received = the_return(await erp_world.erp.find_order(order.key))
    assert units(received.expected) == {line.line_id: 2}
    assert units(received.received) == {line.line_id: 1}
    request = credit_of(order, restocked={line.line_id: 1})
    settled = the_return(await erp_world.erp.credit_return(request))
    assert (units(settled.credited), settled.total) == ({line.line_id: 1}, request.total)


async def test_goods_that_are_in_cannot_be_expected_no_more(erp_world: ErpWorld):
    order = await sent_order(erp_world)
    await erp_world.erp.authorize_return(announce(order.key, line_11=1))
    await erp_world.receive_return(order.key, "1")
    with pytest.raises(Rejected) as caught:
        await erp_world.erp.cancel_return(order.key, "1", "never mind")
    assert caught.value.cause == "return_received"
    assert the_return(await erp_world.erp.find_order(order.key)).state is ErpReturnState.RECEIVED


async def test_a_canceled_return_stays_so_whichever_answer_is_lost(erp_world: ErpWorld):
    order = await sent_order(erp_world)
    request = announce(order.key, line_11=1)
    await erp_world.erp.authorize_return(request)
    for _ in range(MOST_WRITES):
        erp_world.lose_answer()
        try:
            await erp_world.erp.cancel_return(order.key, "1", "the buyer keeps it")
            break
        except OutcomeUnknown:
            continue
    erp_world.mend_line()
    canceled = await erp_world.erp.cancel_return(order.key, "1", "the buyer keeps it")
    assert the_return(canceled).state is ErpReturnState.CANCELED
    assert await erp_world.erp.cancel_return(order.key, "1", "the buyer keeps it") == canceled
    assert await erp_world.erp.authorize_return(request) == canceled
    with pytest.raises(LookupError):
        await erp_world.receive_return(order.key, "1")


async def test_units_that_are_expected_no_more_can_be_announced_again(erp_world: ErpWorld):
    order = await sent_order(erp_world)
    await erp_world.erp.authorize_return(announce(order.key, "1", line_12=2))
    await erp_world.erp.cancel_return(order.key, "1", "lost on the way")
    answered = await erp_world.erp.authorize_return(announce(order.key, "2", line_12=2))
    assert the_return(answered, "1").state is ErpReturnState.CANCELED
    assert units(the_return(answered, "2").expected) == {"12": 2}


async def test_a_return_that_it_does_not_know_is_expected_no_more_already(erp_world: ErpWorld):
    order = await sent_order(erp_world)
    before = await erp_world.erp.find_order(order.key)
    assert await erp_world.erp.cancel_return(order.key, "17", "never mind") == before


async def test_an_order_it_never_had_has_nothing_to_give_back(erp_world: ErpWorld):
    key = OrderKey(channel="shop", external_id=erp_world.new_id())
    for call in (
        erp_world.erp.authorize_return(announce(key, line_11=1)),
        erp_world.erp.cancel_return(key, "1", "never mind"),
    ):
        with pytest.raises(Rejected) as caught:
            await call
        assert caught.value.cause == "order_unknown"


async def test_a_warehouse_that_it_does_not_know_takes_nothing_in(erp_world: ErpWorld):
    order = await sent_order(erp_world)
    request = announce(order.key, line_11=1).model_copy(update={"warehouse": "WH-MOON"})
    with pytest.raises(Rejected, match="WH-MOON") as caught:
        await erp_world.erp.authorize_return(request)
    assert caught.value.cause.startswith("warehouse_unknown")
    found = await erp_world.erp.find_order(order.key)
    assert found is not None
    assert found.returns == ()
