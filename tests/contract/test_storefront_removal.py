"""What every storefront adapter promises about units that are canceled before they left, and the money for them."""

from decimal import Decimal

import pytest

from adapters.errors import OutcomeUnknown, Rejected, Unavailable
from adapters.requests import CancelUnitsRequest
from domain.order import Order, PaymentKind, PaymentStatus
from tests.contract.storefront_requests import (
    EURO,
    TOTAL,
    TWO_PLACES,
    capture,
    line_of,
    parcel,
    place,
)
from tests.contract.storefront_worlds import Basket

pytestmark = pytest.mark.asyncio(loop_scope="module")

# 2 x 24.49 + 2 x 9.05, and 6.25 % of each line: 3.06 and 1.13.
LESS = Decimal("71.27")


def less(order: Order, sku: str = "CAP-BLK", units: int = 2) -> CancelUnitsRequest:
    return CancelUnitsRequest(
        key=order.key,
        units={line_of(order, sku): units},
        total_before=order.presentment_total,
        reason="not in stock",
    )


def refunds(order: Order) -> list[Decimal]:
    """What was given back, in the buyer's currency."""
    return [
        p.presentment_amount
        for p in order.payments
        if p.kind is PaymentKind.REFUND and p.status is PaymentStatus.SUCCESS
    ]


async def test_units_come_off_and_the_total_follows(storefront_world):
    order = await place(storefront_world)
    told = (await storefront_world.storefront.cancel_units(less(order))).order
    assert told == await storefront_world.storefront.read_order(order.key.external_id)
    cap = next(line for line in told.lines if line.sku == "CAP-BLK")
    assert (cap.ordered, cap.current) == (5, 2)
    assert (told.total, told.captured, refunds(told)) == (LESS, 0, [])
    truth = storefront_world.truth(order.key.external_id)
    assert (truth.total, truth.open_units, truth.canceled) == (LESS, 4, False)


async def test_asked_again_nothing_more_comes_off(storefront_world):
    order = await place(storefront_world)
    first = await storefront_world.storefront.cancel_units(less(order))
    assert first.echoes, "webhooks are going to tell of it"
    nothing = first.model_copy(update={"echoes": ()})
    assert await storefront_world.storefront.cancel_units(less(order)) == nothing
    assert await storefront_world.storefront.cancel_units(less(order, units=4)) == nothing
    assert storefront_world.truth(order.key.external_id).total == LESS


async def test_what_was_taken_for_them_is_given_back_once(storefront_world, captures):
    order = await place(storefront_world)
    await storefront_world.storefront.capture_payment(capture(order, TOTAL))
    told = (await storefront_world.storefront.cancel_units(less(order))).order
    assert refunds(told) == [TOTAL - LESS]
    assert (await storefront_world.storefront.cancel_units(less(order))).order == told
    assert storefront_world.truth(order.key.external_id).captured == LESS


async def test_money_for_what_left_is_not_given_back(storefront_world, captures):
    order = await place(storefront_world)
    await storefront_world.storefront.create_fulfillment(parcel(order, "101", {"CAP-BLK": 2}))
    await storefront_world.storefront.capture_payment(capture(order, "52.04"))
    told = (await storefront_world.storefront.cancel_units(less(order))).order
    assert refunds(told) == []
    truth = storefront_world.truth(order.key.external_id)
    assert (truth.captured, truth.total, truth.open_units) == (Decimal("52.04"), LESS, 2)


async def test_money_goes_back_to_every_payment_in_proportion(storefront_world, captures):
    order = await place(storefront_world, Basket({"CAP-BLK": {"101": 5}}, gift_card=Decimal("25.00")))
    await storefront_world.storefront.capture_payment(capture(order, order.total - 25))
    told = (await storefront_world.storefront.cancel_units(less(order, units=4))).order
    given = {p.gateway: p.amount for p in told.payments if p.kind is PaymentKind.REFUND}
    assert sum(given.values()) == order.total - told.total
    expected = (order.total - told.total) * 25 / order.total
    assert abs(given["gift_card"] - expected) < Decimal("0.01")
    assert storefront_world.truth(order.key.external_id).captured == told.total


async def test_in_the_buyers_currency_it_ends_exactly_in_both(storefront_world, captures, foreign_currency):
    order = await place(storefront_world, Basket(TWO_PLACES.lines, presentment=EURO))
    await storefront_world.storefront.capture_payment(capture(order, order.presentment_total))
    told = (await storefront_world.storefront.cancel_units(less(order))).order
    assert refunds(told) == [order.presentment_total - told.presentment_total]
    truth = storefront_world.truth(order.key.external_id)
    assert truth.presentment_captured == told.presentment_total


@pytest.mark.parametrize("lost", ["lose_answer", "lose_request"])
async def test_a_call_that_goes_wrong_is_finished_by_the_next(storefront_world, captures, lost):
    order = await place(storefront_world)
    await storefront_world.storefront.capture_payment(capture(order, TOTAL))
    getattr(storefront_world, lost)("cancel_units")
    with pytest.raises((OutcomeUnknown, Unavailable)):
        await storefront_world.storefront.cancel_units(less(order))
    told = (await storefront_world.storefront.cancel_units(less(order))).order
    assert (told.total, refunds(told)) == (LESS, [TOTAL - LESS])
    assert storefront_world.truth(order.key.external_id).captured == LESS


async def test_units_that_have_left_are_not_canceled(storefront_world):
    order = await place(storefront_world)
    await storefront_world.storefront.create_fulfillment(parcel(order, "101", {"CAP-BLK": 3}))
    with pytest.raises(Rejected):
        await storefront_world.storefront.cancel_units(less(order, units=1))
    assert storefront_world.truth(order.key.external_id).total == TOTAL


async def test_an_order_of_another_channel_is_refused(storefront_world):
    order = await place(storefront_world)
    key = order.key.model_copy(update={"channel": "elsewhere"})
    request = less(order).model_copy(update={"key": key})
    with pytest.raises(Rejected) as caught:
        await storefront_world.storefront.cancel_units(request)
    assert caught.value.cause == "order_unknown"
