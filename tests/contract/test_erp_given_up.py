"""Units that an ERP's people take off their shipments for good: what every ERP tells, and how they are canceled."""

from collections import Counter
from collections.abc import Callable

import pytest

from domain.erp_order import ErpOrder, ErpOrderState, ErpShipmentState, SalesOrder
from domain.order import OrderKey
from sandbox.catalog import KIT_SKU
from tests.contract.coming_back import EAST, WEST, Feed
from tests.contract.erp_worlds import ErpWorld
from tests.contract.order_shapes import sales_order
from tests.contract.test_erp_amendment import OPEN, amended_unheard, books_of, sale, units
from tests.order_builder import make_discount, make_line, make_order, make_shipping

pytestmark = [
    pytest.mark.long,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.parametrize(
        "erp_world",
        ["memory", pytest.param("tryton", marks=pytest.mark.tryton)],
        indirect=True,
        scope="module",
    ),
]
SHIPPED = {ErpShipmentState.SHIPPED}
HANDLED = pytest.mark.parametrize("handled", [True, False], ids=["handled", "undecided"])


async def found(world: ErpWorld, key: OrderKey) -> ErpOrder:
    order = await world.erp.find_order(key)
    assert order is not None
    return order


async def sold(world: ErpWorld, *, tees: int = 3, caps: int = 2) -> SalesOrder:
    order = sale(world.new_id(), tees=tees, caps=caps)
    await world.erp.submit_order(order)
    return order


def with_kits(external_id: str, kits: int, mugs: int = 1) -> SalesOrder:
    """Kits from the east, mugs from the west."""
    lines = [make_line("11", KIT_SKU, kits), make_line("12", "MUG-LOGO", mugs)]
    placement = {"11": {"101": kits}, "12": {"102": mugs}}
    return sales_order(make_order(external_id, lines=lines, placement=placement, shipping=[make_shipping()]))


@HANDLED
async def test_what_is_given_up_is_told_and_neither_to_ship_nor_on_backorder(
    erp_world: ErpWorld, handled: bool
):
    order = await sold(erp_world)
    feed = await Feed.from_now(erp_world)
    await erp_world.give_up(order.key, {"11": 1}, handled=handled)
    held = await found(erp_world, order.key)
    assert held.given_up == {"11": 1}
    assert held.backorders == ()
    assert units(held, OPEN) == {("11", EAST): 2, ("12", WEST): 2}
    assert (held.state, held.total) == (ErpOrderState.ACCEPTED, order.total)
    assert {line.line_id: line.quantity for line in held.lines if line.warehouse} == {"11": 3, "12": 2}
    assert await feed.told(order.key) == held


async def test_what_was_picked_goes_back_and_the_rest_of_it_is_shipped_anew(erp_world: ErpWorld):
    order = await sold(erp_world, caps=0)
    await erp_world.pick(order.key)
    await erp_world.give_up(order.key, {"11": 1})
    held = await found(erp_world, order.key)
    assert held.given_up == {"11": 1}
    assert units(held, OPEN) == {("11", EAST): 2}
    await erp_world.ship(order.key, EAST, part=False)
    rest = await found(erp_world, order.key)
    assert rest.given_up == {"11": 1}
    assert units(rest, SHIPPED) == {("11", EAST): 2}


@HANDLED
async def test_nothing_may_be_left_to_send(erp_world: ErpWorld, handled: bool):
    order = await sold(erp_world, caps=0)
    await erp_world.give_up(order.key, {"11": 3}, handled=handled)
    held = await found(erp_world, order.key)
    assert (held.state, held.given_up) == (ErpOrderState.ACCEPTED, {"11": 3})
    assert units(held, OPEN) == {}
    outcome = await erp_world.erp.cancel_order(order.key, "they are out of stock")
    assert outcome.canceled
    assert outcome.order.given_up == {}


async def test_kits_are_given_up_whole(erp_world: ErpWorld):
    order = with_kits(erp_world.new_id(), 3)
    await erp_world.erp.submit_order(order)
    await erp_world.give_up(order.key, {"11": 1})
    held = await found(erp_world, order.key)
    assert held.given_up == {"11": 1}
    assert held.begun == {}
    assert units(held, OPEN) == {("11", EAST): 2, ("12", WEST): 1}


@HANDLED
async def test_what_is_sent_after_all_is_to_ship_again(erp_world: ErpWorld, handled: bool):
    order = await sold(erp_world)
    await erp_world.give_up(order.key, {"11": 1, "12": 2}, handled=handled)
    assert (await found(erp_world, order.key)).given_up == {"11": 1, "12": 2}
    feed = await Feed.from_now(erp_world)
    await erp_world.send_after_all(order.key)
    held = await found(erp_world, order.key)
    assert held.given_up == {}
    assert Counter(line for line, _ in units(held, OPEN).elements()) == {"11": 3, "12": 2}
    assert (await feed.told(order.key)).given_up == {}


async def nothing_has_left(world: ErpWorld, key: OrderKey) -> None:
    pass


async def another_parcel_has_left(world: ErpWorld, key: OrderKey) -> None:
    await world.ship(key, WEST, part=False)


async def a_part_of_it_has_left(world: ErpWorld, key: OrderKey) -> None:
    await world.ship(key, EAST, part=True)


LEFT = pytest.mark.parametrize(
    "leaves",
    [nothing_has_left, another_parcel_has_left, a_part_of_it_has_left],
    ids=lambda act: act.__name__.replace("_", " "),
)


@LEFT
@HANDLED
async def test_their_cancel_is_carried_over_and_the_rest_is_sent(
    erp_world: ErpWorld, leaves: Callable, handled: bool
):
    order = await sold(erp_world)
    await leaves(erp_world, order.key)
    await erp_world.give_up(order.key, {"11": 1}, handled=handled)
    target = sale(order.key.external_id, tees=2, caps=2)
    outcome = await erp_world.erp.amend_order(target)
    assert outcome.refused == ()
    assert outcome.order.given_up == {}
    assert units(outcome.order, OPEN | SHIPPED) == {("11", EAST): 2, ("12", WEST): 2}
    assert outcome.order.total == target.total
    assert await erp_world.books(order.key) == books_of(target)
    again = await erp_world.erp.amend_order(target)
    assert (again.order, again.refused) == (outcome.order, ())
    # Whatever else happens to it, what was given up is not sent.
    for warehouse in {where for _, where in units(outcome.order, OPEN)}:
        await erp_world.ship(order.key, warehouse, part=False)
    rest = await found(erp_world, order.key)
    assert units(rest, OPEN) == {}
    assert units(rest, SHIPPED) == {("11", EAST): 2, ("12", WEST): 2}
    assert rest.given_up == {}


@pytest.mark.parametrize("leaves", [nothing_has_left, another_parcel_has_left])
async def test_a_line_may_go_as_a_whole(erp_world: ErpWorld, leaves: Callable):
    order = await sold(erp_world)
    await leaves(erp_world, order.key)
    await erp_world.give_up(order.key, {"11": 3})
    target = sale(order.key.external_id, caps=2)
    outcome = await erp_world.erp.amend_order(target)
    assert outcome.refused == ()
    assert outcome.order.given_up == {}
    assert units(outcome.order, OPEN | SHIPPED) == {("12", WEST): 2}
    assert await erp_world.books(order.key) == books_of(target)
    assert (await erp_world.erp.amend_order(target)).order == outcome.order


@pytest.mark.parametrize("leaves", [nothing_has_left, another_parcel_has_left])
async def test_the_cancel_of_kits_is_carried_over(erp_world: ErpWorld, leaves: Callable):
    order = with_kits(erp_world.new_id(), 3)
    await erp_world.erp.submit_order(order)
    await leaves(erp_world, order.key)
    await erp_world.give_up(order.key, {"11": 1})
    target = with_kits(order.key.external_id, 2)
    outcome = await erp_world.erp.amend_order(target)
    assert outcome.refused == ()
    assert outcome.order.given_up == {}
    assert units(outcome.order, OPEN | SHIPPED) == {("11", EAST): 2, ("12", WEST): 1}
    assert await erp_world.books(order.key) == books_of(target)
    assert (await erp_world.erp.amend_order(target)).order == outcome.order


def discounted(external_id: str, tees: int, discount: str) -> SalesOrder:
    """Tees from the east for less, and a cap from the west."""
    less = make_line("11", "TEE-BLK-M", tees, unit_price="15.00", discounts=[make_discount(discount)])
    placement = {"11": {"101": tees}, "12": {"102": 1}}
    return sales_order(
        make_order(external_id, lines=[less, make_line("12", "CAP-BLK", 1)], placement=placement)
    )


async def test_a_discount_that_does_not_divide_comes_out_to_the_cent(erp_world: ErpWorld):
    order = discounted(erp_world.new_id(), 3, "5.00")
    await erp_world.erp.submit_order(order)
    await erp_world.ship(order.key, WEST, part=False)
    await erp_world.give_up(order.key, {"11": 1})
    target = discounted(order.key.external_id, 2, "3.33")
    outcome = await erp_world.erp.amend_order(target)
    assert outcome.refused == ()
    assert outcome.order.given_up == {}
    assert await erp_world.books(order.key) == books_of(target)
    assert (await erp_world.erp.amend_order(target)).order == outcome.order


@LEFT
async def test_units_of_other_goods_can_be_canceled_meanwhile(erp_world: ErpWorld, leaves: Callable):
    lines = {"tees": 3, "caps": 2, "jeans": 2}
    order = sale(erp_world.new_id(), **lines)
    await erp_world.erp.submit_order(order)
    await leaves(erp_world, order.key)
    await erp_world.give_up(order.key, {"11": 1}, handled=False)
    target = sale(order.key.external_id, **{**lines, "jeans": 1})
    outcome = await erp_world.erp.amend_order(target)
    assert outcome.refused == ()
    assert outcome.order.given_up == {"11": 1}
    assert units(outcome.order, OPEN | SHIPPED) == {("11", EAST): 2, ("12", WEST): 2, ("13", EAST): 1}
    assert await erp_world.books(order.key) == books_of(target)
    assert (await erp_world.erp.amend_order(target)).order == outcome.order


async def test_what_is_picked_elsewhere_stays_picked(erp_world: ErpWorld):
    order = await sold(erp_world)
    await erp_world.give_up(order.key, {"12": 1})
    number = await erp_world.pick(order.key)
    target = sale(order.key.external_id, tees=3, caps=1)
    outcome = await erp_world.erp.amend_order(target)
    assert outcome.refused == ()
    assert outcome.order.given_up == {}
    assert units(outcome.order, {ErpShipmentState.PICKED}) == {("11", EAST): 3}
    assert number in {s.number for s in outcome.order.shipments if s.state is ErpShipmentState.PICKED}
    assert units(outcome.order, OPEN) == {("12", WEST): 1}
    assert await erp_world.books(order.key) == books_of(target)


@pytest.mark.parametrize("leaves", [nothing_has_left, another_parcel_has_left])
async def test_whichever_answer_is_lost_their_cancel_is_carried_over_once(
    erp_world: ErpWorld, leaves: Callable
):
    order = await sold(erp_world)
    await leaves(erp_world, order.key)
    await erp_world.give_up(order.key, {"11": 1}, handled=True)
    target = sale(order.key.external_id, tees=2, caps=2)
    for held in await amended_unheard(erp_world, target):
        assert held is None or held.given_up in ({}, {"11": 1})
    outcome = await erp_world.erp.amend_order(target)
    assert outcome.refused == ()
    assert outcome.order.given_up == {}
    assert units(outcome.order, OPEN | SHIPPED) == {("11", EAST): 2, ("12", WEST): 2}
    assert await erp_world.books(order.key) == books_of(target)
