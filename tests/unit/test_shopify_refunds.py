"""A refund is looked up by its note, checked, and made once a key."""

from decimal import Decimal
from typing import Any

import httpx
import pytest

from adapters.errors import ContractBroken, OutcomeUnknown, Rejected
from adapters.requests import RefundLine, RefundRequest
from domain.order import OrderKey
from domain.returns import RefundPart
from tests import shopify_answers as shop
from tests.shopify_answers import KEY, ScriptedShop, data, gid, read, storefront

CAPTURED = shop.transaction(802, "CAPTURE", "33.33", presentment="30.00", parent=801)
REFUND = RefundRequest(
    key=KEY,
    refund_key="5001-R1",
    lines=(
        RefundLine(line_id="601", quantity=2, location="101"),
        RefundLine(line_id="601", quantity=1),
    ),
    shipping=Decimal("2.50"),
    money=(RefundPart(payment_id="802", gateway="shopify_payments", amount=Decimal("12.30")),),
    note="Return 1",
)


def refunded(number: int, note: str | None, amount: str = "12.30") -> dict[str, Any]:
    return {"id": gid("Refund", number), "note": note, "totalRefundedSet": shop.money("1.00", amount)}


def state(
    *refunds: dict[str, Any],
    transactions: tuple[dict[str, Any], ...] = (CAPTURED,),
    left: int = 3,
    after: str | None = None,
) -> httpx.Response:
    line = shop.line_units(601, left + 2, unfulfilled=2)
    charge = {
        "id": gid("ShippingLine", 700),
        "isRemoved": False,
        "discountedPriceSet": shop.money("6.66", "6.00"),
        "taxLines": [shop.tax("State", 0.2, "1.33")],
        "currentDiscountedPriceSet": shop.money("5.55", "5.00"),
    }
    return data(
        order={
            "currencyCode": "USD",
            "presentmentCurrencyCode": "EUR",
            "taxesIncluded": False,
            "dutiesIncluded": False,
            "transactions": list(transactions),
            "refunds": list(refunds),
            "shippingLines": {"nodes": [charge, charge | {"isRemoved": True}]},
            "lineItems": shop.page(line, after=after),
        }
    )


def made(refund: dict[str, Any] | None, *errors: dict[str, Any]) -> httpx.Response:
    return data(refundCreate={"refund": refund, "userErrors": list(errors)})


async def test_units_delivery_and_money_are_sent_once_with_a_key() -> None:
    script = ScriptedShop(ReadRefunds=state(), RefundOrder=made(refunded(901, "Return 1 [5001-R1]")))
    done = await storefront(script).refund_order(REFUND)
    assert (done.refund_id, done.amount) == ("901", Decimal("12.30"))
    sent = script.variables("RefundOrder")
    order, line = gid("Order", 5001), gid("LineItem", 601)
    assert sent["input"] == {
        "orderId": order,
        "note": "Return 1 [5001-R1]",
        "notify": True,
        "currency": "EUR",
        "refundLineItems": [
            {
                "lineItemId": line,
                "quantity": 2,
                "restockType": "RETURN",
                "locationId": gid("Location", 101),
            },
            {"lineItemId": line, "quantity": 1, "restockType": "NO_RESTOCK"},
        ],
        "shipping": {"amount": "2.50"},
        "transactions": [
            {
                "orderId": order,
                "parentId": gid("OrderTransaction", 802),
                "kind": "REFUND",
                "gateway": "shopify_payments",
                "amount": "12.30",
            }
        ],
    }


async def _key(request: RefundRequest = REFUND, **of: Any) -> str:
    script = ScriptedShop(ReadRefunds=state(**of), RefundOrder=made(refunded(901, None)))
    await storefront(script).refund_order(request)
    key: str = script.variables("RefundOrder")["key"]
    return key


async def test_the_key_is_the_same_for_the_same_refund_decided_on_the_same_state() -> None:
    key = await _key()
    assert await _key() == key
    other = REFUND.model_copy(update={"refund_key": "5001-R2"})
    later = (CAPTURED, shop.transaction(803, "REFUND", "1.11", presentment="1.00", parent=802))
    assert len({key, await _key(other), await _key(left=4), await _key(transactions=later)}) == 4


async def test_a_refund_is_known_by_the_key_in_its_note_and_by_nothing_less() -> None:
    notes = (None, "5001-R1", "Return [5001-R11]", "Return [5001-R1]")
    script = ScriptedShop(ReadRefunds=state(*(refunded(n, note) for n, note in enumerate(notes, 901))))
    assert (await storefront(script).refund_order(REFUND)).refund_id == "904"


async def test_a_refusal_is_looked_into_once_more() -> None:
    refusal = {"field": ["transactions"], "message": "Refund amount is greater than net payment received"}
    script = ScriptedShop(
        ReadRefunds=[state(), state(refunded(901, "Return 1 [5001-R1]"))], RefundOrder=made(None, refusal)
    )
    assert (await storefront(script).refund_order(REFUND)).refund_id == "901"
    spent = shop.transaction(803, "REFUND", "30.00", presentment="27.00", parent=802, status="PENDING")
    script = ScriptedShop(
        ReadRefunds=[state(), state(transactions=(CAPTURED, spent))], RefundOrder=made(None, refusal)
    )
    with pytest.raises(Rejected, match=r"it holds 3\.00 EUR") as caught:
        await storefront(script).refund_order(REFUND)
    assert caught.value.cause == "refund_exceeds_payment"
    script = ScriptedShop(ReadRefunds=[state(), state()], RefundOrder=made(None, refusal))
    with pytest.raises(Rejected, match="greater than net payment") as caught:
        await storefront(script).refund_order(REFUND)
    assert caught.value.cause == "shop_refused:refund order"


async def test_a_suggestion_that_does_not_add_up_is_no_quote() -> None:
    def suggested(tax_in_all: str) -> httpx.Response:
        line = {
            "lineItem": {
                "id": gid("LineItem", 601),
                "quantity": 4,
                "currentQuantity": 4,
                "taxLines": [shop.tax("State", 0.1, "1.33"), shop.tax("City", 0.1, "1.34")],
            },
            "quantity": 3,
            "subtotalSet": shop.money("10.00", "9.00"),
            "totalTaxSet": shop.money("2.00", "1.80"),
        }
        shipping = {"amountSet": shop.money("2.78", "2.50"), "taxSet": shop.money("0.56", "0.50")}
        told = {
            "totalTaxSet": shop.money(tax_in_all),
            "refundLineItems": [line],
            "refundDuties": [],
            "shipping": shipping,
        }
        return data(order={"suggestedRefund": told})

    for tax_in_all in ("2.00", "2.56"):
        script = ScriptedShop(ReadRefunds=state(), QuoteRefund=suggested(tax_in_all))
        quote = await storefront(script).quote_refund(REFUND)
        assert (quote.total, quote.presentment_total) == (Decimal("15.34"), Decimal("13.80"))
        # 1.33 and 1.34 for four units: a fourth of each stays, 0.33 and 0.34; of 0.67 for delivery half goes.
        assert [[tax.amount for tax in part.taxes] for part in quote.parts] == [
            [Decimal("1.00"), Decimal("1.00")],
            [Decimal("0.56")],
        ]
    script = ScriptedShop(ReadRefunds=state(), QuoteRefund=suggested("2.01"))
    with pytest.raises(ContractBroken, match=r"2\.01"):
        await storefront(script).quote_refund(REFUND)


async def test_a_payment_that_took_nothing_gives_nothing_back() -> None:
    failed = shop.transaction(802, "CAPTURE", "33.33", presentment="30.00", parent=801, status="FAILURE")
    with pytest.raises(Rejected) as caught:
        await storefront(ScriptedShop(ReadRefunds=state(transactions=(failed,)))).refund_order(REFUND)
    assert caught.value.cause == "payment_unknown"


async def test_a_refund_that_is_only_to_be_found_is_not_made() -> None:
    asked = REFUND.model_copy(update={"only_find": True})
    with pytest.raises(Rejected) as caught:
        await storefront(ScriptedShop(ReadRefunds=state())).refund_order(asked)
    assert caught.value.cause == "not_returnable"
    script = ScriptedShop(ReadRefunds=state(refunded(901, "Return 1 [5001-R1]")))
    assert (await storefront(script).refund_order(asked)).refund_id == "901"


async def test_an_answer_that_names_nothing_is_looked_up_next_time() -> None:
    script = ScriptedShop(ReadRefunds=state(), RefundOrder=made(None))
    with pytest.raises(OutcomeUnknown):
        await storefront(script).refund_order(REFUND)


async def test_lines_of_a_second_page_can_be_given_back() -> None:
    other = shop.line_units(602, 1)
    script = ScriptedShop(
        ReadRefunds=state(after="x"),
        ReadMoreLineUnits=data(order={"lineItems": shop.page(other)}),
        RefundOrder=made(refunded(901, None)),
    )
    lines = (RefundLine(line_id="602", quantity=1),)
    await storefront(script).refund_order(REFUND.model_copy(update={"lines": lines}))
    assert script.variables("RefundOrder")["input"]["refundLineItems"][0]["lineItemId"] == gid(
        "LineItem", 602
    )


async def test_an_order_of_another_channel_is_not_refunded() -> None:
    elsewhere = REFUND.model_copy(update={"key": OrderKey(channel="other", external_id="5001")})
    for call in (storefront(ScriptedShop()).refund_order, storefront(ScriptedShop()).quote_refund):
        with pytest.raises(Rejected) as caught:
            await call(elsewhere)
        assert caught.value.cause == "order_unknown"


def test_delivery_that_was_given_back_in_part_costs_what_is_left_of_it() -> None:
    line = shop.line(601, "A", 3, "10.00", currentQuantity=2, taxLines=[shop.tax("VAT", 0.2, "6.00")])
    charge = shop.shipping(
        "7.50",
        discountAllocations=[shop.discount("0.50")],
        taxLines=[shop.tax("VAT", 0.2, "1.40")],
        currentDiscountedPriceSet=shop.money("2.33"),
    )
    answer = shop.order(
        line,
        charges=(charge,),
        currentTotalPriceSet=shop.money("26.80", "26.80"),
        currentTotalTaxSet=shop.money("4.47"),
        currentTaxLines=[shop.tax("VAT", 0.2, "4.47")],
    )
    order = read(answer)
    (told,) = order.shipping
    assert (told.price, [d.amount for d in told.discounts]) == (Decimal("2.83"), [Decimal("0.50")])
    assert [tax.amount for tax in told.taxes] == [Decimal("0.47")]
    assert [tax.amount for tax in order.lines[0].taxes] == [Decimal("4.00")]
