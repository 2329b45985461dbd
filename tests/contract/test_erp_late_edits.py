"""Edits that add to an order of which something has left or is picked, against memory and a real Tryton."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from adapters.errors import OutcomeUnknown, Rejected
from domain.erp_order import ErpOrder, ErpOrderState, ErpShipmentState, SalesOrder
from domain.listings import OrderName
from domain.order import Address
from tests.contract.coming_back import announce, credit_of
from tests.contract.erp_worlds import ErpWorld
from tests.contract.test_erp_amendment import OPEN, amended_unheard, books_of, sale, units

pytestmark = [pytest.mark.long, pytest.mark.asyncio(loop_scope="module")]

EAST, WEST = "WH-EAST", "WH-WEST"
LEFT = {ErpShipmentState.SHIPPED}


async def begun(world: ErpWorld) -> str:
    """An order of four tees and two caps, of which two tees have left."""
    external_id = world.new_id()
    order = sale(external_id, tees=4, caps=2)
    await world.erp.submit_order(order)
    await world.ship(order.key, EAST, part=True)
    return external_id


async def send_all(world: ErpWorld, order: SalesOrder) -> ErpOrder:
    while waiting := units(await held(world, order), OPEN):
        (_, warehouse), *_ = waiting
        await world.ship(order.key, warehouse, part=False)
    return await held(world, order)


async def held(world: ErpWorld, order: SalesOrder) -> ErpOrder:
    found = await world.erp.find_order(order.key)
    assert found is not None
    return found


def billed(order: ErpOrder) -> Decimal:
    return sum((-x.total if x.is_credit else x.total for x in order.invoices), Decimal(0))


EDITS: dict[str, tuple[Callable[[str], SalesOrder], dict[tuple[str, str], int]]] = {
    "a line comes": (
        lambda key: sale(key, tees=4, caps=2, jeans=3),
        {("11", EAST): 2, ("12", WEST): 2, ("13", EAST): 3},
    ),
    "more units": (lambda key: sale(key, tees=7, caps=2), {("11", EAST): 5, ("12", WEST): 2}),
    "more of one, fewer of another": (
        lambda key: sale(key, tees=5, caps=1),
        {("11", EAST): 3, ("12", WEST): 1},
    ),
    "a line comes, another goes": (
        lambda key: sale(key, tees=3, jeans=1),
        {("11", EAST): 1, ("13", EAST): 1},
    ),
}


@pytest.mark.parametrize(("edited", "to_ship"), EDITS.values(), ids=EDITS.keys())
async def test_what_is_added_after_a_parcel_left_is_sent_and_billed(
    erp_world: ErpWorld, edited: Callable[[str], SalesOrder], to_ship: dict[tuple[str, str], int]
):
    target = edited(await begun(erp_world))
    outcome = await erp_world.erp.amend_order(target)
    assert outcome.refused == ()
    assert outcome.order.state is ErpOrderState.ACCEPTED
    assert units(outcome.order, OPEN) == to_ship
    assert units(outcome.order, LEFT) == {("11", EAST): 2}
    assert outcome.order.total == target.total
    assert {tax.code: tax.amount for tax in outcome.order.taxes} == {t.code: t.amount for t in target.taxes}
    assert outcome.order.exchanges == ()
    assert (await erp_world.erp.amend_order(target)).order == outcome.order
    assert await held(erp_world, target) == outcome.order
    assert await erp_world.erp.submit_order(target) == outcome.order
    await erp_world.post_invoices(target.key)
    assert await erp_world.books(target.key) == books_of(target)
    assert billed(await send_all(erp_world, target)) == target.total


async def test_late_edits_follow_one_another_and_lead_back(erp_world: ErpWorld):
    external_id = await begun(erp_world)
    await erp_world.erp.amend_order(sale(external_id, tees=6, caps=2, jeans=1))
    more = sale(external_id, tees=7, caps=3, jeans=2)
    outcome = await erp_world.erp.amend_order(more)
    assert outcome.refused == ()
    assert units(outcome.order, OPEN) == {("11", EAST): 5, ("12", WEST): 3, ("13", EAST): 2}
    assert outcome.order.total == more.total
    back = sale(external_id, tees=4, caps=2)
    outcome = await erp_world.erp.amend_order(back)
    assert outcome.refused == ()
    assert units(outcome.order, OPEN) == {("11", EAST): 2, ("12", WEST): 2}
    again = await erp_world.erp.amend_order(more)
    assert units(again.order, OPEN) == {("11", EAST): 5, ("12", WEST): 3, ("13", EAST): 2}
    await erp_world.post_invoices(more.key)
    assert await erp_world.books(more.key) == books_of(more)
    assert billed(await send_all(erp_world, more)) == more.total


async def test_whichever_answer_of_a_late_edit_is_lost_it_is_carried_over_once(erp_world: ErpWorld):
    external_id = await begun(erp_world)
    target = sale(external_id, tees=3, caps=2, jeans=2)
    await amended_unheard(erp_world, target)
    outcome = await erp_world.erp.amend_order(target)
    assert outcome.refused == ()
    assert units(outcome.order, OPEN) == {("11", EAST): 1, ("12", WEST): 2, ("13", EAST): 2}
    back = sale(external_id, tees=3, caps=2)
    await amended_unheard(erp_world, back)
    outcome = await erp_world.erp.amend_order(back)
    assert outcome.refused == ()
    assert units(outcome.order, OPEN) == {("11", EAST): 1, ("12", WEST): 2}
    await erp_world.post_invoices(target.key)
    assert await erp_world.books(back.key) == books_of(back)


async def test_a_late_edit_that_is_cut_off_and_taken_back_leaves_nothing(erp_world: ErpWorld):
    external_id = await begun(erp_world)
    for _ in range(2):
        erp_world.lose_answer()
        with pytest.raises(OutcomeUnknown):
            await erp_world.erp.amend_order(sale(external_id, tees=4, caps=2, jeans=2))
        erp_world.mend_line()
        order = sale(external_id, tees=4, caps=2)
        outcome = await erp_world.erp.amend_order(order)
        assert outcome.refused == ()
        assert units(outcome.order, OPEN) == {("11", EAST): 2, ("12", WEST): 2}
    await erp_world.post_invoices(order.key)
    assert await erp_world.books(order.key) == books_of(order)


async def test_the_feed_tells_of_what_a_late_edit_added(erp_world: ErpWorld):
    external_id = await begun(erp_world)
    target = sale(external_id, tees=4, caps=2, jeans=1)
    await erp_world.erp.amend_order(target)
    cursor = None
    while (page := await erp_world.erp.changes(cursor)).more or cursor is None:
        cursor = page.cursor
    done = await send_all(erp_world, target)
    told = {order.key: order for order in (await erp_world.erp.changes(page.cursor)).orders}
    assert units(told[target.key], LEFT) == units(done, LEFT)
    assert units(done, LEFT) == {("11", EAST): 4, ("12", WEST): 2, ("13", EAST): 1}


async def test_a_late_edit_with_a_product_that_the_erp_does_not_know_changes_nothing(erp_world: ErpWorld):
    external_id = await begun(erp_world)
    before = await held(erp_world, sale(external_id, tees=4, caps=2))
    target = sale(external_id, tees=3, caps=2, jeans=1)
    lines = (
        x.model_copy(update={"product": "NO-SUCH-THING"}) if x.line_id == "13" else x for x in target.lines
    )
    with pytest.raises(Rejected, match="NO-SUCH-THING"):
        await erp_world.erp.amend_order(target.model_copy(update={"lines": tuple(lines)}))
    assert await held(erp_world, target) == before


async def test_an_order_that_was_added_to_is_canceled_whole_or_not_at_all(erp_world: ErpWorld):
    external_id = erp_world.new_id()
    await erp_world.erp.submit_order(sale(external_id, tees=2))
    target = sale(external_id, tees=2, jeans=1)
    number = await erp_world.pick(target.key)
    assert (await erp_world.erp.amend_order(target)).refused == ()
    refused = await erp_world.erp.cancel_order(target.key, "the buyer changed their mind")
    assert not refused.canceled
    assert number in refused.reason
    on_its_way = OPEN | {ErpShipmentState.PICKED}
    assert units(refused.order, on_its_way) == {("11", EAST): 2, ("13", EAST): 1}
    await erp_world.put_back(target.key)
    erp_world.lose_answer()
    with pytest.raises(OutcomeUnknown):
        await erp_world.erp.cancel_order(target.key, "the buyer changed their mind")
    erp_world.mend_line()
    canceled = await erp_world.erp.cancel_order(target.key, "the buyer changed their mind")
    assert canceled.canceled
    order = await held(erp_world, target)
    assert order.state is ErpOrderState.CANCELED
    assert units(order, on_its_way) == {}


ELSEWHERE = Address(name="Ada", street=("2 New Road",), city="Boston", postal_code="02101", country="US")


@pytest.mark.parametrize(
    "tees", [4, 3, 5], ids=["nothing else", "a unit is taken off as well", "a unit is added as well"]
)
async def test_what_is_still_to_leave_goes_to_another_address(erp_world: ErpWorld, tees: int):
    external_id = await begun(erp_world)
    target = sale(external_id, tees=tees, caps=2).model_copy(update={"shipping_address": ELSEWHERE})
    outcome = await erp_world.erp.amend_order(target)
    assert outcome.refused == ()
    assert units(outcome.order, OPEN) == {("11", EAST): tees - 2, ("12", WEST): 2}
    assert units(outcome.order, LEFT) == {("11", EAST): 2}
    assert outcome.order.total == target.total
    assert (await erp_world.erp.amend_order(target)).order == outcome.order
    await erp_world.post_invoices(target.key)
    assert await erp_world.books(target.key) == books_of(target)
    assert billed(await send_all(erp_world, target)) == target.total


async def test_what_was_added_goes_to_another_address_too(erp_world: ErpWorld):
    external_id = await begun(erp_world)
    before = sale(external_id, tees=4, caps=2)
    await send_all(erp_world, before)
    target = sale(external_id, tees=4, caps=2, jeans=1)
    await erp_world.erp.amend_order(target)
    moved = target.model_copy(update={"shipping_address": ELSEWHERE})
    outcome = await erp_world.erp.amend_order(moved)
    assert outcome.refused == ()
    assert units(outcome.order, OPEN) == {("13", EAST): 1}
    assert (await erp_world.erp.amend_order(moved)).order == outcome.order
    fewer = before.model_copy(update={"shipping_address": ELSEWHERE})
    assert units((await erp_world.erp.amend_order(fewer)).order, OPEN) == {}


async def test_what_has_left_goes_nowhere_else_and_the_refusal_says_so(erp_world: ErpWorld):
    external_id = await begun(erp_world)
    target = sale(external_id, tees=4, caps=2)
    sent = await send_all(erp_world, target)
    outcome = await erp_world.erp.amend_order(target.model_copy(update={"shipping_address": ELSEWHERE}))
    (part,) = outcome.refused
    assert (part.line_id, "address" in part.change, "left" in part.reason) == (None, True, True)
    assert outcome.order == sent


async def test_whichever_answer_of_another_address_is_lost_it_is_carried_over_once(erp_world: ErpWorld):
    external_id = await begun(erp_world)
    target = sale(external_id, tees=4, caps=2).model_copy(update={"shipping_address": ELSEWHERE})
    await amended_unheard(erp_world, target)
    outcome = await erp_world.erp.amend_order(target)
    assert outcome.refused == ()
    assert units(outcome.order, OPEN) == {("11", EAST): 2, ("12", WEST): 2}
    assert units(await send_all(erp_world, target), LEFT) == {("11", EAST): 4, ("12", WEST): 2}


COMES_BACK: dict[str, tuple[str, int]] = {
    "fewer of what was sold first": ("12", 1),
    "fewer of what was added": ("13", 1),
    "more of what was sold first": ("12", 4),
    "more of what was added": ("13", 5),
    "fewer of what came back": ("11", 3),
    "no more of what came back": ("11", 2),
    "more of what came back": ("11", 5),
}


@pytest.mark.parametrize(("line", "number"), COMES_BACK.values(), ids=COMES_BACK.keys())
async def test_after_goods_came_back_lines_are_amended_where_they_stand(
    erp_world: ErpWorld, line: str, number: int
):
    external_id = await begun(erp_world)
    whole = sale(external_id, tees=4, caps=2, jeans=3)
    await erp_world.erp.amend_order(whole)
    await erp_world.erp.authorize_return(announce(whole.key, line_11=2))
    await erp_world.receive_return(whole.key, "1")
    await erp_world.erp.credit_return(credit_of(whole, "1", restocked={"11": 2}))
    sold = {"11": 4, "12": 2, "13": 3} | {line: number}
    target = sale(external_id, tees=sold["11"], caps=sold["12"], jeans=sold["13"])
    lines = tuple(each for each in target.lines if each.line_id == line)
    part = target.model_copy(update={"lines": lines, "only": (line,)})
    outcome = await erp_world.erp.amend_order(part)
    assert outcome.refused == ()
    assert outcome.order.total == target.total
    assert {tax.code: tax.amount for tax in outcome.order.taxes} == {t.code: t.amount for t in target.taxes}
    expected = {("11", EAST): sold["11"] - 2, ("12", WEST): sold["12"], ("13", EAST): sold["13"]}
    assert units(outcome.order, OPEN) == {place: units for place, units in expected.items() if units}
    assert (await erp_world.erp.amend_order(part)).order == outcome.order


async def test_after_goods_came_back_the_others_go_to_another_address(erp_world: ErpWorld):
    whole = sale(await begun(erp_world), tees=4, caps=2)
    await erp_world.erp.authorize_return(announce(whole.key, line_11=2))
    await erp_world.receive_return(whole.key, "1")
    before = await erp_world.erp.credit_return(credit_of(whole, "1", restocked={"11": 2}))
    moved = whole.model_copy(update={"shipping_address": ELSEWHERE, "lines": (), "only": ()})
    outcome = await erp_world.erp.amend_order(moved)
    assert outcome.refused == ()
    assert units(outcome.order, OPEN) == units(before, OPEN) == {("11", EAST): 2, ("12", WEST): 2}
    assert (outcome.order.total, outcome.order.returns) == (before.total, before.returns)
    assert (await erp_world.erp.amend_order(moved)).order == outcome.order
    await erp_world.pick(whole.key)
    refused = await erp_world.erp.amend_order(whole.model_copy(update={"lines": (), "only": ()}))
    (part,) = refused.refused
    assert "address" in part.change
    assert "is picked" in part.reason


async def test_a_parcel_of_what_was_added_is_in_the_list_with_its_order(erp_world: ErpWorld):
    external_id = await begun(erp_world)
    target = sale(external_id, tees=4, caps=2, jeans=1)
    await erp_world.erp.amend_order(target)
    await send_all(erp_world, sale(external_id, tees=4, caps=2, jeans=1))
    name = OrderName(external_id=external_id, number=target.number)
    (before,) = await erp_world.erp.find_records("shop", [name])
    assert before.shipped == 7
    since = await erp_world.now()
    await erp_world.erp.amend_order(sale(external_id, tees=4, caps=3, jeans=1))
    await erp_world.ship(target.key, WEST, part=False)
    page = await erp_world.erp.list_records("shop", since)
    assert [(each.key, each.shipped) for each in page.records] == [(target.key, 8)]
    assert page.records[0].changed_at >= since


async def test_what_has_left_is_not_taken_off_beside_what_was_added_and_the_refusal_says_so(
    erp_world: ErpWorld,
):
    external_id = await begun(erp_world)
    await erp_world.erp.amend_order(sale(external_id, tees=4, caps=2, jeans=1))
    outcome = await erp_world.erp.amend_order(sale(external_id, tees=1, caps=2, jeans=1))
    (refused,) = outcome.refused
    assert (refused.line_id, refused.change) == ("11", "4 -> 1 units")
    assert "has left" in refused.reason
    assert units(outcome.order, LEFT) == {("11", EAST): 2}


@pytest.mark.parametrize("before", [{}, {"jeans": 1}], ids=["one sale", "another beside it"])
async def test_what_is_added_is_sent_although_what_has_left_is_to_be_taken_off(
    erp_world: ErpWorld, before: dict[str, int]
):
    external_id = erp_world.new_id()
    sold = sale(external_id, tees=3, caps=1)
    await erp_world.erp.submit_order(sold)
    await erp_world.ship(sold.key, EAST, part=False)
    await erp_world.ship(sold.key, WEST, part=False)
    jeans = before.get("jeans", 0)
    if before:
        assert (await erp_world.erp.amend_order(sale(external_id, tees=3, caps=1, **before))).refused == ()
    target = sale(external_id, tees=1, caps=1, jeans=jeans + 2)
    outcome = await erp_world.erp.amend_order(target)
    (refused,) = outcome.refused
    assert (refused.line_id, refused.change) == ("11", "3 -> 1 units")
    assert "has left" in refused.reason
    assert units(outcome.order, OPEN) == {("13", EAST): jeans + 2}
    assert units(outcome.order, LEFT) == {("11", EAST): 3, ("12", WEST): 1}
    whole = sale(external_id, tees=3, caps=1, jeans=jeans + 2)
    assert abs(outcome.order.total - whole.total) <= Decimal("0.01")
    assert (await erp_world.erp.amend_order(target)).order == outcome.order
    assert (await send_all(erp_world, target)).total == outcome.order.total
