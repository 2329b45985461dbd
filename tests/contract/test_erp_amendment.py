"""What every ERP makes of an edited order (``ErpPort.amend_order``), held against memory and a real Tryton."""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import pytest

from adapters.errors import OutcomeUnknown, Rejected
from domain.erp_order import ErpOrder, ErpOrderState, ErpShipmentState, SalesOrder
from domain.order import Address, OrderKey
from tests.contract.erp_worlds import Books, ErpWorld
from tests.contract.order_shapes import sales_order, two_warehouses
from tests.order_builder import make_line, make_order, make_shipping

pytestmark = pytest.mark.asyncio(loop_scope="module")

MOST_WRITES = 30
"""At least as many as any adapter needs for one call; a cut that never ends is told then."""
OPEN = {ErpShipmentState.WAITING, ErpShipmentState.RESERVED}


def sale(
    external_id: str, *, tees: int = 0, caps: int = 0, jeans: int = 0, price: str = "20.00"
) -> SalesOrder:
    """Tees and jeans from the east, caps from the west, with delivery."""
    units = {
        "11": ("TEE-BLK-M", tees, "101"),
        "12": ("CAP-BLK", caps, "102"),
        "13": ("JEAN-IND-32", jeans, "101"),
    }
    chosen = {line: each for line, each in units.items() if each[1]}
    lines = [make_line(line, sku, count, unit_price=price) for line, (sku, count, _) in chosen.items()]
    placement = {line: {place: count} for line, (_, count, place) in chosen.items()}
    return sales_order(make_order(external_id, lines=lines, placement=placement, shipping=[make_shipping()]))


def units(order: ErpOrder, states: set[ErpShipmentState]) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    for shipment in order.shipments:
        for line in shipment.lines if shipment.state in states else ():
            found[line.line_id, shipment.warehouse] += line.quantity
    return found


def books_of(order: SalesOrder) -> Books:
    """One order, at the storefront's own amounts."""
    return Books(orders=1, total=order.total, taxes={tax.code: tax.amount for tax in order.taxes})


EDITS: dict[str, tuple[Callable[[str], SalesOrder], Counter[tuple[str, str]]]] = {
    "fewer units": (
        lambda key: sale(key, tees=1, caps=2),
        Counter({("11", "WH-EAST"): 1, ("12", "WH-WEST"): 2}),
    ),
    "more units": (
        lambda key: sale(key, tees=5, caps=2),
        Counter({("11", "WH-EAST"): 5, ("12", "WH-WEST"): 2}),
    ),
    "a line goes": (lambda key: sale(key, tees=3), Counter({("11", "WH-EAST"): 3})),
    "a line comes, another goes": (
        lambda key: sale(key, tees=3, jeans=2),
        Counter({("11", "WH-EAST"): 3, ("13", "WH-EAST"): 2}),
    ),
    "another price": (
        lambda key: sale(key, tees=3, caps=2, price="17.35"),
        Counter({("11", "WH-EAST"): 3, ("12", "WH-WEST"): 2}),
    ),
}


@pytest.mark.parametrize(("edited", "to_ship"), EDITS.values(), ids=EDITS.keys())
async def test_an_untouched_order_becomes_what_the_storefront_holds_now(
    erp_world: ErpWorld, edited: Callable[[str], SalesOrder], to_ship: Counter[tuple[str, str]]
):
    external_id = erp_world.new_id()
    await erp_world.erp.submit_order(sale(external_id, tees=3, caps=2))
    target = edited(external_id)
    outcome = await erp_world.erp.amend_order(target)
    assert outcome.refused == ()
    assert outcome.order.state is ErpOrderState.ACCEPTED
    assert units(outcome.order, OPEN) == to_ship
    assert (outcome.order.total, outcome.order.key) == (target.total, target.key)
    assert await erp_world.books(target.key) == books_of(target)
    again = await erp_world.erp.amend_order(target)
    assert (again.order, again.refused) == (outcome.order, ())
    assert await erp_world.erp.find_order(target.key) == outcome.order


async def test_another_address_alone_is_no_reason_to_refuse(erp_world: ErpWorld):
    target = sale(erp_world.new_id(), tees=2)
    await erp_world.erp.submit_order(target)
    elsewhere = Address(name="Ada", street=("2 New Road",), city="Boston", postal_code="02101", country="US")
    moved = target.model_copy(update={"shipping_address": elsewhere})
    outcome = await erp_world.erp.amend_order(moved)
    assert outcome.refused == ()
    assert units(outcome.order, OPEN) == {("11", "WH-EAST"): 2}
    assert await erp_world.books(target.key) == books_of(target)


async def test_edits_follow_one_another_and_lead_back(erp_world: ErpWorld):
    external_id = erp_world.new_id()
    first = sale(external_id, tees=3)
    await erp_world.erp.submit_order(first)
    await erp_world.erp.amend_order(sale(external_id, tees=1, caps=1))
    outcome = await erp_world.erp.amend_order(first)
    assert units(outcome.order, OPEN) == {("11", "WH-EAST"): 3}
    assert await erp_world.books(first.key) == books_of(first)


async def amended_unheard(world: ErpWorld, target: SalesOrder) -> list[ErpOrder | None]:
    """Amend until an answer is heard: each attempt gets one write further. What the ERP held after each lost one."""
    held = []
    for _ in range(MOST_WRITES):
        world.lose_answer()
        try:
            await world.erp.amend_order(target)
            break
        except OutcomeUnknown:
            held.append(await world.erp.find_order(target.key))
    world.mend_line()
    assert held
    return held


async def test_whichever_answer_is_lost_the_edit_is_carried_over_once(erp_world: ErpWorld):
    external_id = erp_world.new_id()
    await erp_world.erp.submit_order(sales_order(two_warehouses(external_id)))
    target = sale(external_id, tees=2, caps=1)
    await amended_unheard(erp_world, target)
    outcome = await erp_world.erp.amend_order(target)
    assert outcome.refused == ()
    assert units(outcome.order, OPEN) == {("11", "WH-EAST"): 2, ("12", "WH-WEST"): 1}
    assert await erp_world.books(target.key) == books_of(target)


@pytest.mark.parametrize("attempts", [1, 2, 3, 5, 8])
async def test_an_edit_that_is_cut_off_and_taken_back_leaves_all_to_be_shipped(
    erp_world: ErpWorld, attempts: int
):
    external_id = erp_world.new_id()
    order = sale(external_id, tees=3, caps=1)
    await erp_world.erp.submit_order(order)
    for _ in range(attempts):
        erp_world.lose_answer()
        with suppress(OutcomeUnknown):
            await erp_world.erp.amend_order(sale(external_id, tees=2, caps=1))
    erp_world.mend_line()
    outcome = await erp_world.erp.amend_order(order)
    assert outcome.refused == ()
    assert outcome.order.state is ErpOrderState.ACCEPTED
    assert outcome.order.given_up == {}
    assert units(outcome.order, OPEN) == {("11", "WH-EAST"): 3, ("12", "WH-WEST"): 1}
    assert await erp_world.books(order.key) == books_of(order)


async def test_an_edited_order_ships_and_the_feed_tells_it(erp_world: ErpWorld):
    external_id = erp_world.new_id()
    await erp_world.erp.submit_order(sale(external_id, tees=3))
    target = sale(external_id, tees=1)
    await erp_world.erp.amend_order(target)
    cursor = None
    while (page := await erp_world.erp.changes(cursor)).more or cursor is None:
        cursor = page.cursor
    parcel = await erp_world.ship(target.key, "WH-EAST", part=False)
    assert sum(parcel.units.values()) == 1
    told = {order.key: order for order in (await erp_world.erp.changes(page.cursor)).orders}
    assert units(told[target.key], {ErpShipmentState.SHIPPED}) == {("11", "WH-EAST"): 1}
    assert {key.external_id for key in told} == {external_id}


async def test_what_is_picked_stays_and_the_refusal_names_the_shipment(erp_world: ErpWorld):
    external_id = erp_world.new_id()
    before = sale(external_id, tees=3)
    await erp_world.erp.submit_order(before)
    number = await erp_world.pick(before.key)
    outcome = await erp_world.erp.amend_order(sale(external_id, tees=1))
    (refused,) = outcome.refused
    assert (refused.line_id, refused.change) == ("11", "3 -> 1 units")
    assert number in refused.reason
    assert "picked" in refused.reason
    assert units(outcome.order, {ErpShipmentState.PICKED}) == {("11", "WH-EAST"): 3}
    assert await erp_world.books(before.key) == books_of(before)
    assert (await erp_world.erp.amend_order(before)).refused == ()


@pytest.mark.parametrize("left", [False, True], ids=["picked", "partly shipped"])
async def test_an_address_that_cannot_be_changed_any_more_is_told_beside_the_units(
    erp_world: ErpWorld, left: bool
):
    external_id = erp_world.new_id()
    before = sale(external_id, tees=4)
    await erp_world.erp.submit_order(before)
    if left:
        await erp_world.ship(before.key, "WH-EAST", part=True)
    await erp_world.pick(before.key)
    elsewhere = Address(name="Ada", street=("2 New Road",), city="Boston", postal_code="02101", country="US")
    edited = sale(external_id, tees=1).model_copy(update={"shipping_address": elsewhere})
    outcome = await erp_world.erp.amend_order(edited)
    assert {each.line_id for each in outcome.refused} == {"11", None}
    assert any("address" in each.change for each in outcome.refused)


async def test_nothing_goes_below_what_has_left(erp_world: ErpWorld):
    external_id = erp_world.new_id()
    before = sale(external_id, tees=3)
    await erp_world.erp.submit_order(before)
    await erp_world.ship(before.key, "WH-EAST", part=False)
    outcome = await erp_world.erp.amend_order(sale(external_id, tees=1))
    (refused,) = outcome.refused
    assert refused.line_id == "11"
    assert "has left" in refused.reason
    assert units(outcome.order, {ErpShipmentState.SHIPPED}) == {("11", "WH-EAST"): 3}


async def test_a_product_that_the_erp_does_not_know_leaves_the_order_as_it_was(erp_world: ErpWorld):
    external_id = erp_world.new_id()
    before = sale(external_id, tees=3)
    submitted = await erp_world.erp.submit_order(before)
    line = before.lines[0].model_copy(update={"product": "NO-SUCH-THING"})
    with pytest.raises(Rejected, match="NO-SUCH-THING"):
        await erp_world.erp.amend_order(before.model_copy(update={"lines": (line, *before.lines[1:])}))
    assert await erp_world.erp.find_order(before.key) == submitted


async def test_an_order_that_people_canceled_takes_no_edit(erp_world: ErpWorld):
    external_id = erp_world.new_id()
    before = sale(external_id, tees=3)
    await erp_world.erp.submit_order(before)
    await erp_world.erp.cancel_order(before.key, "the buyer changed their mind")
    outcome = await erp_world.erp.amend_order(sale(external_id, tees=1))
    assert outcome.order.state is ErpOrderState.CANCELED
    assert any("canceled" in each.reason for each in outcome.refused)


async def test_an_order_it_never_had_is_unknown(erp_world: ErpWorld):
    target = sale(erp_world.new_id(), tees=1)
    with pytest.raises(Rejected) as caught:
        await erp_world.erp.amend_order(target)
    assert caught.value.cause == "order_unknown"
    assert await erp_world.erp.find_order(OrderKey.parse(str(target.key))) is None
