"""What every storefront adapter promises about exchanges: noted once, put on the order once, over with their return."""

import pytest

from adapters.errors import OutcomeUnknown, Rejected, Unavailable
from adapters.requests import ExchangeRequest
from domain.exchanges import as_sold, exchanged_lines, is_released
from domain.order import Order, ReturnStatus, StorefrontReturn
from tests.contract.storefront_requests import line_of, open_units, parcel, shipped
from tests.contract.storefront_worlds import StorefrontWorld
from tests.contract.test_storefront_returns import one, settle

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("returns", "exchanges")]

SOCKS = {"SOCK-RED": 2}


def wish(order: Order, back: dict[str, int], instead: dict[str, int], key: str = "x-1") -> ExchangeRequest:
    return ExchangeRequest(
        key=order.key,
        exchange_key=f"{order.key}:{key}",
        lines={line_of(order, sku): n for sku, n in back.items()},
        instead=instead,
        reason="Too small, she says",
    )


async def opened(world: StorefrontWorld, instead: dict[str, int]) -> tuple[Order, str]:
    """An order that left whole, and the id of a return of a cap for something else."""
    order = await shipped(world)
    made = await world.storefront.open_exchange(wish(order, {"CAP-BLK": 1}, instead))
    return order, made.return_id


def names(each: StorefrontReturn) -> dict[str, int]:
    return {part.name: part.quantity for part in each.exchange}


def units_of(order: Order, return_id: str) -> dict[str, int]:
    new = exchanged_lines(order)
    return {x.sku or "": x.current for x in order.lines if new.get(x.line_id) == return_id}


async def test_an_exchange_is_noted_with_its_return_and_changes_nothing_of_the_order(storefront_world):
    order = await shipped(storefront_world)
    wanted = wish(order, {"CAP-BLK": 2, "MUG-LOGO": 1}, {"SOCK-RED": 2, "TEE-BLK-M": 1})
    made = await storefront_world.storefront.open_exchange(wanted)
    assert made.status is ReturnStatus.OPEN
    assert names(made) == {"SOCK-RED": 2, "TEE-BLK-M": 1}
    assert not is_released(made)
    units: dict[str, int] = {}
    for line in made.lines:
        units[line.line_id] = units.get(line.line_id, 0) + line.quantity
        assert "Too small, she says" in line.reason
    assert units == dict(wanted.lines)
    told = await storefront_world.storefront.read_order(order.key.external_id)
    assert told.returns == (made,)
    assert told.model_copy(update={"returns": ()}) == order


async def test_an_exchange_is_noted_once(storefront_world):
    storefront = storefront_world.storefront
    order = await shipped(storefront_world)
    wanted = wish(order, {"CAP-BLK": 1}, SOCKS)
    storefront_world.lose_request("open_exchange")
    with pytest.raises(Unavailable):
        await storefront.open_exchange(wanted)
    storefront_world.lose_answer("open_exchange")
    with pytest.raises(OutcomeUnknown):
        await storefront.open_exchange(wanted)
    made = await storefront.open_exchange(wanted)
    assert await storefront.open_exchange(wanted) == made
    second = await storefront.open_exchange(wish(order, {"CAP-BLK": 1}, SOCKS, "x-2"))
    told = await storefront.read_order(order.key.external_id)
    assert [each.return_id for each in told.returns] == [made.return_id, second.return_id]


async def test_what_did_not_leave_or_is_not_for_sale_is_refused(storefront_world):
    storefront = storefront_world.storefront
    order = await shipped(storefront_world)
    with pytest.raises(Rejected) as refused:
        await storefront.open_exchange(wish(order, {"CAP-BLK": 6}, SOCKS))
    assert refused.value.cause == "not_returnable"
    with pytest.raises(Rejected) as refused:
        await storefront.open_exchange(wish(order, {"CAP-BLK": 1}, {"NO-SUCH": 1}))
    assert refused.value.cause == "variant_unknown:NO-SUCH"
    assert await storefront.read_order(order.key.external_id) == order


async def test_what_the_buyer_gets_comes_onto_the_order_once(storefront_world):
    storefront = storefront_world.storefront
    order, return_id = await opened(storefront_world, SOCKS)
    external_id = order.key.external_id
    storefront_world.lose_request("release_exchange")
    with pytest.raises(Unavailable):
        await storefront.release_exchange(external_id, return_id)
    storefront_world.lose_answer("release_exchange")
    with pytest.raises(OutcomeUnknown):
        await storefront.release_exchange(external_id, return_id)
    told = await storefront.release_exchange(external_id, return_id)
    assert is_released(one(told, return_id))
    assert units_of(told, return_id) == SOCKS
    # 2 x 6.35, and 6.25 % of it.
    assert told.total - order.total == told.presentment_total - order.presentment_total
    assert str(told.total - order.total) == "13.49"
    assert str(told.total_tax - order.total_tax) == "0.79"
    assert open_units(told) == {("SOCK-RED", "101"): 2}
    sold = as_sold(told)
    assert (sold.lines, sold.total, sold.total_tax) == (order.lines, order.total, order.total_tax)
    assert await storefront.release_exchange(external_id, return_id) == told


async def test_what_the_buyer_gets_leaves_as_any_parcel(storefront_world):
    storefront = storefront_world.storefront
    order, return_id = await opened(storefront_world, SOCKS)
    told = await storefront.release_exchange(order.key.external_id, return_id)
    known = tuple(each.fulfillment_id for each in order.fulfillments)
    request = parcel(told, "102", {"SOCK-RED": 2}, "1Zx", known)
    made = await storefront.create_fulfillment(request)
    assert await storefront.create_fulfillment(request) == made
    told = await storefront.read_order(order.key.external_id)
    assert not open_units(told)
    assert made.fulfillment_id in {each.fulfillment_id for each in told.fulfillments}


async def test_a_return_is_over_once_both_its_halves_are(storefront_world):
    storefront = storefront_world.storefront
    order, return_id = await opened(storefront_world, SOCKS)
    external_id = order.key.external_id
    told = await storefront.release_exchange(external_id, return_id)
    assert one(told, return_id).status is ReturnStatus.OPEN
    quoted = await storefront.quote_refund(settle(order, return_id, {"CAP-BLK": 1}))
    due = quoted.presentment_total - (told.presentment_total - order.presentment_total)
    assert due > 0
    await storefront.refund_order(settle(order, return_id, {"CAP-BLK": 1}, amount=due))
    told = await storefront.read_order(external_id)
    assert one(told, return_id).status is ReturnStatus.CLOSED
    assert told.captured == told.total
    assert units_of(told, return_id) == SOCKS


async def test_an_exchange_of_which_nothing_came_is_over_with_its_return(storefront_world):
    storefront = storefront_world.storefront
    order, return_id = await opened(storefront_world, SOCKS)
    external_id = order.key.external_id
    told = (await storefront.end_return(external_id, return_id, "nothing came")).order
    assert one(told, return_id).status is ReturnStatus.CANCELED
    assert (told.lines, told.total) == (order.lines, order.total)
    with pytest.raises(Rejected) as refused:
        await storefront.release_exchange(external_id, return_id)
    assert refused.value.cause == "exchange_closed"
    again = await storefront.open_exchange(wish(order, {"CAP-BLK": 1}, SOCKS, "x-2"))
    await storefront.release_exchange(external_id, again.return_id)
    # What was sent for it is the buyer's: the return is closed, and stays on the order.
    told = (await storefront.end_return(external_id, again.return_id, "nothing came")).order
    assert one(told, again.return_id).status is ReturnStatus.CLOSED
    assert units_of(told, again.return_id) == SOCKS
