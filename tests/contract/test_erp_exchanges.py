"""What every ERP makes of what buyers get for goods that come back, held against memory and a real Tryton."""

import asyncio
from decimal import Decimal

import pytest

from adapters.errors import Conflict, OutcomeUnknown, Rejected, Unavailable
from domain.erp_order import ErpOrder, ErpOrderState, ErpReturnState, ErpShipmentState, SalesOrder
from domain.order import ExchangeLine, Order, OrderKey, ReturnStatus, StorefrontReturn
from domain.planning import plan_exchange
from tests.contract.coming_back import (
    EAST,
    MOST_WRITES,
    WEST,
    Feed,
    announce,
    billed,
    credit_of,
    sent_order,
    the_return,
    units,
)
from tests.contract.erp_worlds import ErpWorld
from tests.contract.order_shapes import sales_order
from tests.order_builder import make_line, make_order, sandbox_mapping

pytestmark = pytest.mark.asyncio(loop_scope="module")

MUGS = {("21", EAST): 3}


def exchanged(key: OrderKey, return_id: str = "1", sku: str = "MUG-LOGO", line_id: str = "21") -> Order:
    """The storefront's order with three mugs in exchange, as the lines that it had do not matter here."""
    line = make_line(line_id, sku, 3)
    order = make_order(key.external_id, lines=[line], placement={line_id: {"101": 3}})
    part = ExchangeLine(id="x1", name=sku, quantity=3, processed=3, line_ids=(line_id,))
    back = StorefrontReturn(
        return_id=return_id,
        number=f"#{key.external_id}-R{return_id}",
        status=ReturnStatus.OPEN,
        lines=(),
        exchange=(part,),
    )
    return order.model_copy(update={"returns": (back,)})


def exchange(key: OrderKey, return_id: str = "1", **kind: str) -> SalesOrder:
    return plan_exchange(exchanged(key, return_id, **kind), return_id, sandbox_mapping())


def waiting(order: ErpOrder) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    for shipment in order.shipments:
        if shipment.state not in {ErpShipmentState.SHIPPED, ErpShipmentState.CANCELED}:
            for line in shipment.lines:
                place = (line.line_id, shipment.warehouse)
                found[place] = found.get(place, 0) + line.quantity
    return found


async def found(world: ErpWorld, key: OrderKey) -> ErpOrder:
    order = await world.erp.find_order(key)
    assert order is not None
    return order


async def test_an_exchange_is_entered_beside_its_order_and_counted_in_with_it(erp_world: ErpWorld):
    order = await sent_order(erp_world)
    before, wanted = await found(erp_world, order.key), exchange(order.key)
    added = await erp_world.erp.add_exchange(wanted)
    (made,) = added.exchanges
    assert (made.return_id, made.lines, made.total, made.taxes) == ("1", ("21",), wanted.total, wanted.taxes)
    assert made.number
    assert (added.key, added.erp_id, added.number) == (before.key, before.erp_id, before.number)
    assert added.state is ErpOrderState.ACCEPTED
    assert added.total == order.total + wanted.total
    taxes = {tax.code: tax.amount for tax in added.taxes}
    for tax in wanted.taxes:
        taxes[tax.code] -= tax.amount
    assert taxes == {tax.code: tax.amount for tax in order.taxes}
    assert {line.line_id: line.quantity for line in added.lines}["21"] == 3
    assert waiting(added) == MUGS
    assert billed(added) == added.total
    assert await erp_world.erp.add_exchange(wanted) == added
    assert await found(erp_world, order.key) == added
    assert await erp_world.erp.submit_order(order) == added


async def test_the_feed_tells_of_an_exchange_and_of_its_parcels_with_its_order(erp_world: ErpWorld):
    order = await sent_order(erp_world)
    feed = await Feed.from_now(erp_world)
    await erp_world.erp.add_exchange(exchange(order.key))
    told = await feed.told(order.key)
    assert told is not None
    assert len(told.exchanges) == 1
    parcel = await erp_world.ship(order.key, EAST, part=True)
    told = await feed.told(order.key)
    assert told is not None
    assert told.state is ErpOrderState.ACCEPTED
    (sent,) = [s for s in told.shipments if s.shipment_id == parcel.shipment_id]
    assert (sent.state, units(sent.lines)) == (ErpShipmentState.SHIPPED, {"21": 1})
    assert waiting(told) == {("21", EAST): 2}
    await erp_world.ship(order.key, EAST, part=False)
    told = await feed.told(order.key)
    assert told is not None
    assert waiting(told) == {}


async def test_many_enter_an_exchange_at_once_and_one_is_there(erp_world: ErpWorld):
    order, colleague = await sent_order(erp_world), erp_world.colleague()
    wanted = exchange(order.key)
    answers = await asyncio.gather(
        *(erp.add_exchange(wanted) for erp in (erp_world.erp, colleague, erp_world.erp)),
        return_exceptions=True,
    )
    await colleague.close()
    assert all(isinstance(answer, ErpOrder | Conflict) for answer in answers), answers
    settled = await erp_world.erp.add_exchange(wanted)
    assert len(settled.exchanges) == 1
    assert waiting(settled) == MUGS
    assert settled.total == order.total + wanted.total


async def test_whichever_write_is_lost_or_unheard_the_exchange_is_there_once(erp_world: ErpWorld):
    order = await sent_order(erp_world)
    wanted = exchange(order.key)
    erp_world.lose_request()
    with pytest.raises(Unavailable):
        await erp_world.erp.add_exchange(wanted)
    assert (await found(erp_world, order.key)).exchanges == ()
    unheard = 0
    for _ in range(MOST_WRITES):
        erp_world.lose_answer()
        try:
            await erp_world.erp.add_exchange(wanted)
            break
        except OutcomeUnknown:
            unheard += 1
    assert unheard
    erp_world.mend_line()
    settled = await erp_world.erp.add_exchange(wanted)
    assert len(settled.exchanges) == 1
    assert waiting(settled) == MUGS
    assert billed(settled) == settled.total == order.total + wanted.total


async def test_what_was_exchanged_may_come_back_and_be_exchanged_again(erp_world: ErpWorld):
    order = await sent_order(erp_world)
    erp, key = erp_world.erp, order.key
    await erp.authorize_return(announce(key, "1", line_11=1))
    await erp_world.receive_return(key, "1")
    await erp.add_exchange(exchange(key, "1"))
    await erp.credit_return(credit_of(order, "1", restocked={"11": 1}))
    await erp_world.ship(key, EAST, part=False)
    await erp.authorize_return(announce(key, "2", line_21=2))
    await erp_world.receive_return(key, "2")
    settled = await erp.credit_return(credit_of(exchange(key, "1"), "2", restocked={"21": 2}))
    second = the_return(settled, "2")
    assert second.state is ErpReturnState.SETTLED
    assert units(second.received) == units(second.credited) == {"21": 2}
    again = await erp.add_exchange(exchange(key, "2", sku="CAP-BLK", line_id="31"))
    assert [(each.return_id, each.lines) for each in again.exchanges] == [("1", ("21",)), ("2", ("31",))]
    assert waiting(again) == {("31", EAST): 3}
    given_back = sum((each.total for each in again.returns), Decimal(0))
    assert billed(again) == again.total - given_back


def amended(key: OrderKey, units: dict[str, tuple[str, int]]) -> SalesOrder:
    """The exchange with other lines: line -> SKU and units."""
    lines = [make_line(line, sku, number, unit_price="9.05") for line, (sku, number) in units.items()]
    placement = {line: {"101": number} for line, (_, number) in units.items()}
    told = exchanged(key)
    order = make_order(key.external_id, lines=lines, placement=placement)
    (back,) = told.returns
    (part,) = back.exchange
    part = part.model_copy(update={"line_ids": tuple(units)})
    back = back.model_copy(update={"exchange": (part,)})
    return plan_exchange(order.model_copy(update={"returns": (back,)}), "1", sandbox_mapping())


async def test_an_exchange_is_amended_apart_from_its_order_and_may_come_to_nothing_and_back(
    erp_world: ErpWorld,
):
    order = await sent_order(erp_world)
    erp, key = erp_world.erp, order.key
    before = await found(erp_world, key)
    await erp.add_exchange(exchange(key))
    nothing = exchange(key).model_copy(update={"lines": (), "total": Decimal(0), "taxes": ()})
    for new in ({"21": ("MUG-LOGO", 5)}, {"22": ("CAP-BLK", 1)}, {}, {"21": ("MUG-LOGO", 1)}):
        wanted = amended(key, new) if new else nothing
        outcome = await erp.amend_order(wanted)
        assert outcome.refused == ()
        held = outcome.order
        assert held.total == order.total + wanted.total == billed(held)
        assert waiting(held) == {(line, EAST): number for line, (_, number) in new.items()}
        assert [each.lines for each in held.exchanges] == ([tuple(new)] if new else [])
        assert [each.total for each in held.exchanges] == ([wanted.total] if new else [])
        assert (held.erp_id, held.number) == (before.erp_id, before.number)
        # Absolute: asked again it finds nothing to do.
        assert (await erp.amend_order(wanted)).order == held == await found(erp_world, key)
    await erp_world.pick(key)
    held = await found(erp_world, key)
    outcome = await erp.amend_order(nothing)
    assert [(each.line_id, "is picked" in each.reason) for each in outcome.refused] == [("21", True)]
    assert outcome.order == held == await found(erp_world, key)


async def test_lines_beside_what_came_back_are_lowered_and_the_rest_stays(erp_world: ErpWorld):
    lines = [make_line("11", "TEE-BLK-M", 1), make_line("12", "MUG-LOGO", 3, unit_price="9.05")]
    placement = {"11": {"101": 1}, "12": {"102": 3}}
    whole = sales_order(make_order(erp_world.new_id(), lines=lines, placement=placement))
    fewer = [lines[0], make_line("12", "MUG-LOGO", 2, unit_price="9.05")]
    target = sales_order(
        make_order(whole.key.external_id, lines=fewer, placement=placement | {"12": {"102": 2}})
    )
    erp, key = erp_world.erp, whole.key
    await erp.submit_order(whole)
    await erp_world.ship(key, EAST, part=False)
    await erp.authorize_return(announce(key, line_11=1))
    await erp_world.receive_return(key, "1")
    await erp.credit_return(credit_of(whole, "1", restocked={"11": 1}))
    await erp.add_exchange(exchange(key))
    mugs = tuple(line for line in target.lines if line.line_id == "12")
    part = target.model_copy(update={"lines": mugs, "only": ("12",)})
    outcome = await erp.amend_order(part)
    assert outcome.refused == ()
    held = outcome.order
    (made,) = held.exchanges
    assert held.total - made.total == target.total
    assert waiting(held) == MUGS | {("12", WEST): 2}
    assert {line.line_id: line.quantity for line in held.lines if line.quantity}["11"] == 1
    assert the_return(held).state is ErpReturnState.SETTLED
    assert (await erp.amend_order(part)).order == held


async def test_an_exchange_that_cannot_be_entered_leaves_nothing_behind(erp_world: ErpWorld):
    order = await sent_order(erp_world)
    before = await found(erp_world, order.key)
    strange = exchange(order.key)
    lines = tuple(line.model_copy(update={"product": "NO-SUCH"}) for line in strange.lines)
    with pytest.raises(Rejected) as refused:
        await erp_world.erp.add_exchange(strange.model_copy(update={"lines": lines}))
    assert refused.value.cause.startswith("product_unknown:")
    with pytest.raises(Rejected) as refused:
        await erp_world.erp.add_exchange(strange.model_copy(update={"total": strange.total + 1}))
    assert refused.value.cause == "amounts_differ"
    assert await found(erp_world, order.key) == before
    nobody = OrderKey(channel="shop", external_id=erp_world.new_id())
    with pytest.raises(Rejected) as refused:
        await erp_world.erp.add_exchange(exchange(nobody))
    assert refused.value.cause == "order_unknown"
