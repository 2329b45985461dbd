"""What every storefront adapter promises about taking money, held against memory and a Shopify-compatible store."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from adapters.errors import Rejected
from adapters.requests import CaptureRequest
from domain.order import PaymentKind
from tests.contract.storefront_requests import EURO, TOTAL, TWO_PLACES, authorization, capture, place
from tests.contract.storefront_worlds import Basket

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_captures_add_up_to_what_was_asked_and_no_more(storefront_world, captures):
    order = await place(storefront_world)
    first = await storefront_world.storefront.capture_payment(capture(order, "52.04"))
    assert [p.amount for p in first] == [Decimal("52.04")]
    assert {p.parent_id for p in first} == {authorization(order).payment_id}
    assert await storefront_world.storefront.capture_payment(capture(order, "52.04")) == first
    assert await storefront_world.storefront.capture_payment(capture(order, "10.00")) == first
    both = await storefront_world.storefront.capture_payment(capture(order, TOTAL))
    assert [p.amount for p in both] == [Decimal("52.04"), TOTAL - Decimal("52.04")]
    told = await storefront_world.storefront.read_order(order.key.external_id)
    assert told.captured == storefront_world.truth(order.key.external_id).captured == TOTAL
    assert tuple(p for p in told.payments if p.kind is PaymentKind.CAPTURE) == both


async def test_more_than_was_authorized_is_not_captured(storefront_world, captures):
    order = await place(storefront_world)
    await storefront_world.storefront.capture_payment(capture(order, "100.00"))
    with pytest.raises(Rejected, match=r"149\.34") as caught:
        await storefront_world.storefront.capture_payment(capture(order, TOTAL + Decimal("0.01")))
    assert caught.value.cause == "capture_exceeds_authorization"
    assert storefront_world.truth(order.key.external_id).captured == Decimal("100.00")


async def test_an_authorization_says_until_when_it_can_be_captured_and_then_cannot_be(
    storefront_world, captures
):
    before = datetime.now(UTC)
    order = await place(storefront_world, Basket(TWO_PLACES.lines, expires_in_days=7))
    expires_at = authorization(order).expires_at
    assert expires_at is not None
    # To the second, as Shopify writes times.
    assert abs(expires_at - before - timedelta(days=7)) < timedelta(minutes=1)
    first = await storefront_world.storefront.capture_payment(capture(order, "52.04"))
    storefront_world.expire(order.key.external_id)
    with pytest.raises(Rejected, match="expired at") as caught:
        await storefront_world.storefront.capture_payment(capture(order, TOTAL))
    assert caught.value.cause == "authorization_expired"
    assert await storefront_world.storefront.capture_payment(capture(order, "52.04")) == first
    assert storefront_world.truth(order.key.external_id).captured == Decimal("52.04")


async def test_an_authorization_without_an_end_has_none(storefront_world):
    assert authorization(await place(storefront_world)).expires_at is None


async def test_a_payment_that_is_no_authorization_is_not_captured(storefront_world, captures):
    order = await place(storefront_world, Basket({"CAP-BLK": {"101": 5}}, gift_card=Decimal("25.00")))
    sale = next(p for p in order.payments if p.kind is PaymentKind.SALE)
    assert (sale.gateway, sale.amount) == ("gift_card", Decimal("25.00"))
    assert authorization(order).amount == order.total - 25
    assert order.captured == Decimal("25.00")
    request = CaptureRequest(key=order.key, authorization_id=sale.payment_id, capture_up_to=Decimal(1))
    with pytest.raises(Rejected) as caught:
        await storefront_world.storefront.capture_payment(request)
    assert caught.value.cause == "authorization_unknown"
    await storefront_world.storefront.capture_payment(capture(order, authorization(order).amount))
    assert storefront_world.truth(order.key.external_id).captured == order.total


async def test_parts_captured_in_the_buyers_currency_end_exactly_in_both(
    storefront_world, captures, foreign_currency
):
    order = await place(storefront_world, Basket(TWO_PLACES.lines, presentment=EURO))
    assert (order.total, order.currency, order.presentment_currency) == (TOTAL, "USD", "EUR")
    # Line by line or in one, the rate gives the same to a few cents.
    assert abs(order.presentment_total - TOTAL * EURO[1]) < Decimal("0.05")
    for amount in ("33.33", "66.66", "99.99", order.presentment_total):
        taken = await storefront_world.storefront.capture_payment(capture(order, amount))
        assert sum((p.presentment_amount for p in taken), Decimal(0)) == Decimal(amount)
    assert sum((p.amount for p in taken), Decimal(0)) == order.total
    truth = storefront_world.truth(order.key.external_id)
    assert (truth.captured, truth.presentment_captured) == (order.total, order.presentment_total)
