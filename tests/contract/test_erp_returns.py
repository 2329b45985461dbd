"""What every ERP makes of goods that come back, held against memory and a real Tryton."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from adapters.errors import OutcomeUnknown, Rejected
from domain.erp_order import ErpOrder, ErpReturn, ErpReturnState, SalesOrder, ShipmentLine
from domain.order import OrderKey
from domain.returns import ReturnAuthorization
from tests.contract.erp_worlds import ErpWorld, TrytonErpWorld
from tests.contract.order_shapes import kits, sales_order, two_warehouses
from tests.order_builder import make_line, make_order, make_shipping
from tests.tryton_fixture import TrytonAccess

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.tryton]

MOST_WRITES = 30
"""At least as many as any adapter needs for one call; a cut that never ends is told then."""
EAST, WEST = "WH-EAST", "WH-WEST"
TEE, CAP = "TEE-BLK-M", "CAP-BLK"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def erp_world(tryton_server: TrytonAccess) -> AsyncIterator[ErpWorld]:
    world = TrytonErpWorld(tryton_server)
    yield world
    await world.close()


async def sent_order(world: ErpWorld) -> SalesOrder:
    """Four tees and two caps have left the east."""
    lines = [make_line("11", TEE, 4), make_line("12", CAP, 2)]
    placement = {"11": {"101": 4}, "12": {"101": 2}}
    order = sales_order(
        make_order(world.new_id(), lines=lines, placement=placement, shipping=[make_shipping()])
    )
    await world.erp.submit_order(order)
    await world.ship(order.key, EAST, part=False)
    return order


async def sent_from_two_warehouses(world: ErpWorld) -> SalesOrder:
    """So have five jeans, from two warehouses."""
    order = sales_order(two_warehouses(world.new_id()))
    await world.erp.submit_order(order)
    for warehouse in (EAST, WEST):
        await world.ship(order.key, warehouse, part=False)
    return order


def announce(key: OrderKey, return_id: str = "1", **units: int) -> ReturnAuthorization:
    """``line_11=2``: two units of line 11 come back."""
    return ReturnAuthorization(
        key=key,
        return_id=return_id,
        number=f"#{key.external_id}-R{return_id}",
        warehouse=EAST,
        lines=tuple(
            ShipmentLine(line_id=name.removeprefix("line_"), quantity=number)
            for name, number in units.items()
        ),
        note="too (small)",
    )


def the_return(order: ErpOrder | None, return_id: str = "1") -> ErpReturn:
    assert order is not None
    (found,) = [each for each in order.returns if each.return_id == return_id]
    return found


def units(lines: tuple[ShipmentLine, ...]) -> dict[str, int]:
    return {line.line_id: line.quantity for line in lines}


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


class Feed:
    """Reads what is new for one order."""

    def __init__(self, world: ErpWorld, cursor: str) -> None:
        self._world, self._cursor = world, cursor

    @classmethod
    async def from_now(cls, world: ErpWorld) -> "Feed":
        page = await world.erp.changes(None)
        feed = cls(world, page.cursor)
        await feed.told(OrderKey(channel="shop", external_id="none"))
        return feed

    async def told(self, key: OrderKey) -> ErpOrder | None:
        found = None
        while True:
            page = await self._world.erp.changes(self._cursor)
            self._cursor = page.cursor
            found = next((order for order in page.orders if order.key == key), found)
            assert page.unreadable == ()
            if not page.more:
                return found


async def test_a_feed_that_starts_late_tells_what_came_in_of_an_order_that_is_over(erp_world: ErpWorld):
    order = await sent_order(erp_world)
    await erp_world.erp.authorize_return(announce(order.key, line_12=2))
    await erp_world.receive_return(order.key, "1")
    late = (await erp_world.erp.changes(None)).orders
    told = next(each for each in late if each.key == order.key)
    assert units(the_return(told).received) == {"12": 2}


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


async def test_kits_are_expected_and_received_as_whole_kits(erp_world: ErpWorld):
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
            canceled = await erp_world.erp.cancel_return(order.key, "1", "the buyer keeps it")
            break
        except OutcomeUnknown:
            continue
    erp_world.mend_line()
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
