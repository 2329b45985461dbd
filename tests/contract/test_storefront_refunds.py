"""What every storefront adapter promises about giving units, delivery and money back."""

from dataclasses import replace
from decimal import Decimal

import pytest

from adapters.echoes import refund_made
from adapters.errors import OutcomeUnknown, Rejected, Unavailable
from domain.order import Order, OrderKey, PaymentKind, TaxLine
from tests.contract.storefront_requests import EURO, TWO_PLACES, line_of, place, refund, shipped
from tests.contract.storefront_worlds import Basket

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("refunds")]

# 5 x 24.49 less 3.32, and 2 x 9.05: nothing of it divides evenly.
CENTS = Basket(TWO_PLACES.lines, delivery=Decimal("7.31"), discount=Decimal("3.32"))
WITH_TAX = Basket(CENTS.lines, delivery=CENTS.delivery, discount=CENTS.discount, taxes_included=True)
TWO_TAXES = replace(WITH_TAX, two_taxes=True)
IN_EURO = Basket(CENTS.lines, delivery=CENTS.delivery, discount=CENTS.discount, presentment=EURO)


def sum_of_parts(order: Order) -> Decimal:
    """What lines and delivery come to, worked out without the order's total."""
    priced = [(line.current * line.unit_price, line) for line in order.lines]
    priced += [(charge.price, charge) for charge in order.shipping]
    total = sum((price - sum(d.amount for d in part.discounts) for price, part in priced), Decimal(0))
    return total if order.taxes_included else total + sum_of_taxes(order)


def taxes_of(order: Order) -> list[TaxLine]:
    return [tax for part in (*order.lines, *order.shipping) for tax in part.taxes]


def sum_of_taxes(order: Order) -> Decimal:
    return sum((tax.amount for tax in taxes_of(order)), Decimal(0))


def by_tax(taxes: list[TaxLine]) -> dict[str, Decimal]:
    amounts: dict[str, Decimal] = {}
    for tax in taxes:
        amounts[tax.title] = amounts.get(tax.title, Decimal(0)) + tax.amount
    return amounts


@pytest.mark.parametrize(
    "basket", [CENTS, WITH_TAX, IN_EURO, TWO_TAXES], ids=["net", "with tax", "in euro", "two taxes"]
)
async def test_what_is_quoted_is_what_the_total_loses(storefront_world, basket):
    storefront = storefront_world.storefront
    order = await shipped(storefront_world, basket)
    steps = [
        ({"CAP-BLK": 1}, "0"),
        ({"CAP-BLK": 2, "MUG-LOGO": 1}, "2.50"),
        ({}, "1.11"),
        ({"CAP-BLK": 2, "MUG-LOGO": 1}, "0"),
    ]
    for number, (units, shipping) in enumerate(steps):
        asked = refund(order, units, shipping=shipping, key=f"r-{number}")
        quote = await storefront.quote_refund(asked)
        assert {part.line_id: part.quantity for part in quote.parts} == {
            **{line_of(order, sku): n for sku, n in units.items()},
            **({order.shipping[0].charge_id: 1} if shipping != "0" else {}),
        }
        assert quote.total == sum(part.net + part.tax for part in quote.parts) > 0
        assert [sum(tax.amount for tax in part.taxes) for part in quote.parts] == [
            part.tax for part in quote.parts
        ]
        # The money is another thing: whoever asks says how much of it goes back.
        before = await storefront.read_order(order.key.external_id)
        assert (before.total, before.captured) == (order.total, order.captured)
        made = await storefront.refund_order(
            refund(order, units, shipping=shipping, key=f"r-{number}", amount="0.50")
        )
        assert made.amount == Decimal("0.50")
        after = await storefront.read_order(order.key.external_id)
        assert order.total - after.total == quote.total
        assert order.presentment_total - after.presentment_total == quote.presentment_total
        assert order.total_tax - after.total_tax == sum(part.tax for part in quote.parts)
        told = by_tax([tax for part in quote.parts for tax in part.taxes])
        gone, left = by_tax(taxes_of(order)), by_tax(taxes_of(after))
        assert {title: gone[title] - left.get(title, Decimal(0)) for title in gone} == {
            **dict.fromkeys(gone, 0),
            **told,
        }
        assert (sum_of_parts(after), sum_of_taxes(after)) == (after.total, after.total_tax)
        assert [line.ordered for line in after.lines] == [5, 2]
        order = after
    assert [line.current for line in order.lines] == [0, 0]
    if basket.presentment is None:
        assert sum(charge.price for charge in order.shipping) == Decimal("3.70")


async def test_all_that_is_given_back_leaves_what_is_owed_in_both_currencies(
    storefront_world, foreign_currency
):
    storefront = storefront_world.storefront
    order = await shipped(storefront_world, IN_EURO)
    for number, units in enumerate(({"CAP-BLK": 3}, {"CAP-BLK": 2, "MUG-LOGO": 2})):
        asked = refund(order, units, key=f"r-{number}")
        quote = await storefront.quote_refund(asked)
        await storefront.refund_order(refund(order, units, key=f"r-{number}", amount=quote.presentment_total))
    truth = storefront_world.truth(order.key.external_id)
    assert (truth.captured, truth.presentment_captured) == (truth.total, truth.presentment_total)


async def test_a_refund_is_made_once_a_key(storefront_world):
    storefront = storefront_world.storefront
    order = await shipped(storefront_world, CENTS)
    asked = refund(order, {"CAP-BLK": 1}, amount="20.00")
    first = await storefront.refund_order(asked)
    assert first.amount == Decimal("20.00")
    assert first.echoes == (refund_made(first.refund_id),)
    assert await storefront.refund_order(asked) == first.model_copy(update={"echoes": ()})
    once = storefront_world.truth(order.key.external_id)
    assert once.captured == order.captured - 20
    # A key that the first one begins with, and the same units: another refund.
    second = await storefront.refund_order(refund(order, {"CAP-BLK": 1}, amount="20.00", key="r-11"))
    assert second.refund_id != first.refund_id
    third = await storefront.refund_order(refund(order, {"CAP-BLK": 1}, amount="20.00", key="r"))
    assert third.refund_id not in {first.refund_id, second.refund_id}
    assert storefront_world.truth(order.key.external_id).captured == order.captured - 60
    told = await storefront.read_order(order.key.external_id)
    assert [line.current for line in told.lines] == [2, 2]
    assert [p.presentment_amount for p in told.payments if p.kind is PaymentKind.REFUND] == [Decimal(20)] * 3


async def test_a_refund_whose_answer_was_lost_is_found(storefront_world):
    storefront = storefront_world.storefront
    order = await shipped(storefront_world)
    asked = refund(order, {"MUG-LOGO": 1}, amount="9.62")
    storefront_world.lose_answer("refund_order")
    with pytest.raises(OutcomeUnknown):
        await storefront.refund_order(asked)
    assert (await storefront.refund_order(asked)).amount == Decimal("9.62")
    assert storefront_world.truth(order.key.external_id).captured == order.captured - Decimal("9.62")


async def test_a_refund_that_did_not_happen_is_made_by_the_next_attempt(storefront_world):
    storefront = storefront_world.storefront
    order = await shipped(storefront_world)
    asked = refund(order, {"MUG-LOGO": 1}, amount="9.62")
    storefront_world.lose_request("refund_order")
    with pytest.raises(Unavailable):
        await storefront.refund_order(asked)
    assert storefront_world.truth(order.key.external_id).captured == order.captured
    await storefront.refund_order(asked)
    assert storefront_world.truth(order.key.external_id).captured == order.captured - Decimal("9.62")


async def test_money_alone_leaves_the_total_and_units_alone_leave_the_money(storefront_world):
    storefront = storefront_world.storefront
    order = await shipped(storefront_world)
    goodwill = refund(order, amount="5.00")
    quote = await storefront.quote_refund(goodwill)
    assert (quote.parts, quote.total, quote.presentment_total) == ((), 0, 0)
    await storefront.refund_order(goodwill)
    assert (await storefront.refund_order(refund(order, {"CAP-BLK": 1}, key="r-2"))).amount == 0
    truth = storefront_world.truth(order.key.external_id)
    assert (truth.total, truth.captured) == (order.total - Decimal("26.02"), order.captured - 5)


async def test_money_goes_back_to_the_payments_it_came_from(storefront_world, captures):
    storefront = storefront_world.storefront
    order = await shipped(storefront_world, Basket({"CAP-BLK": {"101": 5}}, gift_card=Decimal("25.00")))
    await storefront.refund_order(refund(order, {"CAP-BLK": 2}, amount="52.04"))
    told = await storefront.read_order(order.key.external_id)
    parents = {p.payment_id: p.gateway for p in told.payments}
    back = [p for p in told.payments if p.kind is PaymentKind.REFUND]
    assert {parents[p.parent_id or ""]: p.amount for p in back} == {
        "gift_card": Decimal(25),
        "shopify_payments": Decimal("27.04"),
    }
    assert told.captured == order.captured - Decimal("52.04")


async def test_no_more_goes_back_than_a_payment_holds(storefront_world):
    storefront = storefront_world.storefront
    order = await shipped(storefront_world)
    await storefront.refund_order(refund(order, amount="100.00"))
    before = storefront_world.truth(order.key.external_id)
    with pytest.raises(Rejected, match=r"49\.34") as caught:
        await storefront.refund_order(refund(order, {"CAP-BLK": 1}, amount="49.34", key="r-2"))
    assert caught.value.cause == "refund_exceeds_payment"
    assert storefront_world.truth(order.key.external_id) == before
    # What was refused stands in nobody's way once it fits.
    await storefront.refund_order(refund(order, {"CAP-BLK": 1}, amount="49.33", key="r-2"))
    assert storefront_world.truth(order.key.external_id).captured == 0


async def test_what_has_not_left_or_came_back_already_is_not_returned(storefront_world):
    storefront = storefront_world.storefront
    waiting = await place(storefront_world)
    order = await shipped(storefront_world, CENTS)
    await storefront.refund_order(refund(order, {"CAP-BLK": 3}, key="r-0"))
    before = storefront_world.truth(order.key.external_id)
    for asked in (
        refund(waiting, {"CAP-BLK": 1}),
        refund(order, {"CAP-BLK": 3}),
        refund(order, {"MUG-LOGO": 3}),
        refund(order, {"MUG-LOGO": 1}, shipping="7.32"),
    ):
        for call in (storefront.quote_refund, storefront.refund_order):
            with pytest.raises(Rejected) as caught:
                await call(asked)
            assert caught.value.cause == "not_returnable"
    assert storefront_world.truth(order.key.external_id) == before


async def test_a_refund_of_an_unknown_order_is_refused(storefront_world):
    order = await place(storefront_world)
    asked = refund(order, {"CAP-BLK": 1}).model_copy(
        update={"key": OrderKey(channel="shop", external_id="99999999")}
    )
    for call in (storefront_world.storefront.quote_refund, storefront_world.storefront.refund_order):
        with pytest.raises(Rejected) as caught:
            await call(asked)
        assert caught.value.cause == "order_unknown"
