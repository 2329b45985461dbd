"""A capture reads the transactions first and takes only what is missing."""

from decimal import Decimal
from typing import Any

import httpx
import pytest

from adapters.errors import OutcomeUnknown, Rejected
from adapters.requests import CaptureRequest
from domain.order import OrderKey, PaymentStatus
from tests import shopify_answers as shop
from tests.shopify_answers import KEY, ScriptedShop, data, gid, storefront


def paid(*transactions: dict[str, Any], presentment: str = "USD") -> httpx.Response:
    return data(
        order={
            "currencyCode": "USD",
            "presentmentCurrencyCode": presentment,
            "transactionsCount": {"count": len(transactions)},
            "transactions": list(transactions),
        }
    )


def capture_up_to(amount: str) -> CaptureRequest:
    return CaptureRequest(key=KEY, authorization_id="801", capture_up_to=Decimal(amount))


def captured(*transactions: dict[str, Any]) -> httpx.Response:
    return data(orderCapture={"transaction": transactions[0] if transactions else None, "userErrors": []})


AUTHORIZED = shop.transaction(801, "AUTHORIZATION", "100.00", presentment="90.00")


async def test_only_what_is_missing_is_captured_in_the_buyers_currency() -> None:
    script = ScriptedShop(
        ReadTransactions=paid(
            AUTHORIZED,
            shop.transaction(802, "CAPTURE", "33.33", presentment="30.00", parent=801),
            shop.transaction(803, "CAPTURE", "11.11", presentment="10.00", parent=801, status="FAILURE"),
            shop.transaction(804, "CAPTURE", "11.11", presentment="10.00", parent=799),
            presentment="EUR",
        ),
        CapturePayment=captured(shop.transaction(805, "CAPTURE", "22.50", presentment="20.25", parent=801)),
    )
    done = await storefront(script).capture_payment(capture_up_to("50.25"))
    assert script.variables("CapturePayment") == {
        "input": {
            "id": gid("Order", 5001),
            "parentTransactionId": gid("OrderTransaction", 801),
            "amount": "20.25",
            "currency": "EUR",
        }
    }
    assert [payment.payment_id for payment in done] == ["802", "805"]


async def test_a_void_that_failed_leaves_the_authorization_open() -> None:
    failed = shop.transaction(802, "VOID", "100.00", parent=801, status="FAILURE")
    script = ScriptedShop(
        ReadTransactions=paid(shop.transaction(801, "AUTHORIZATION", "100.00"), failed),
        CapturePayment=captured(shop.transaction(803, "CAPTURE", "1.00", parent=801)),
    )
    (done,) = await storefront(script).capture_payment(capture_up_to("1.00"))
    assert done.payment_id == "803"


async def test_the_currency_is_not_named_where_there_is_but_one() -> None:
    script = ScriptedShop(
        ReadTransactions=paid(shop.transaction(801, "AUTHORIZATION", "100.00")),
        CapturePayment=captured(shop.transaction(802, "CAPTURE", "100.00", parent=801)),
    )
    await storefront(script).capture_payment(capture_up_to("1E+2"))
    sent = script.variables("CapturePayment")["input"]
    assert sent["amount"] == "100"
    assert "currency" not in sent


@pytest.mark.parametrize("status", ["SUCCESS", "PENDING", "UNKNOWN"])
@pytest.mark.parametrize("amount", ["30.00", "29.99", "0"])
async def test_what_is_captured_or_may_be_is_not_captured_again(status: str, amount: str) -> None:
    earlier = shop.transaction(802, "CAPTURE", "33.33", presentment="30.00", parent=801, status=status)
    script = ScriptedShop(ReadTransactions=paid(AUTHORIZED, earlier, presentment="EUR"))
    done = await storefront(script).capture_payment(capture_up_to(amount))
    assert [payment.payment_id for payment in done] == ["802"]
    assert script.operations() == ["ReadTransactions"]


async def test_a_lost_answer_is_raised_and_the_next_attempt_finds_the_capture() -> None:
    authorized = shop.transaction(801, "AUTHORIZATION", "100.00")
    script = ScriptedShop(
        ReadTransactions=[
            paid(authorized),
            paid(authorized, shop.transaction(802, "CAPTURE", "40.00", parent=801)),
        ],
        CapturePayment=httpx.Response(502),
    )
    adapter = storefront(script)
    with pytest.raises(OutcomeUnknown):
        await adapter.capture_payment(capture_up_to("40.00"))
    (done,) = await adapter.capture_payment(capture_up_to("40.00"))
    assert done.payment_id == "802"
    assert script.operations().count("CapturePayment") == 1


@pytest.mark.parametrize(
    ("expires", "cause"), [("2026-01-01T00:00:00Z", "authorization_expired"), ("2999-01-01T00:00:00Z", None)]
)
async def test_a_refusal_after_the_expiry_is_told_as_that(expires: str, cause: str | None) -> None:
    error = {"field": ["input", "parentTransactionId"], "message": "Cannot capture", "code": None}
    script = ScriptedShop(
        ReadTransactions=paid(
            shop.transaction(801, "AUTHORIZATION", "100.00", authorizationExpiresAt=expires)
        ),
        CapturePayment=data(orderCapture={"transaction": None, "userErrors": [error]}),
    )
    with pytest.raises(Rejected, match="Cannot capture") as caught:
        await storefront(script).capture_payment(capture_up_to("40.00"))
    assert (caught.value.cause == "authorization_expired") == (cause is not None)


async def test_an_expiry_that_the_shop_forgives_is_no_obstacle() -> None:
    late = shop.transaction(801, "AUTHORIZATION", "100.00", authorizationExpiresAt="2026-01-01T00:00:00Z")
    script = ScriptedShop(
        ReadTransactions=paid(late),
        CapturePayment=captured(shop.transaction(802, "CAPTURE", "40.00", parent=801)),
    )
    (done,) = await storefront(script).capture_payment(capture_up_to("40.00"))
    assert done.payment_id == "802"


@pytest.mark.parametrize(
    ("transactions", "amount", "cause"),
    [
        ([AUTHORIZED], "90.01", "capture_exceeds_authorization"),
        ([], "1.00", "authorization_unknown"),
        ([shop.transaction(801, "SALE", "100.00")], "1.00", "authorization_unknown"),
        ([AUTHORIZED | {"status": "FAILURE"}], "1.00", "authorization_unknown"),
        ([AUTHORIZED, shop.transaction(802, "VOID", "100.00", parent=801)], "1.00", "authorization_voided"),
        ([AUTHORIZED | {"multiCapturable": False}], "89.99", "authorization_captured_once"),
        (
            [AUTHORIZED | {"multiCapturable": False}, shop.transaction(802, "CAPTURE", "1.00", parent=801)],
            "90.00",
            "authorization_captured_once",
        ),
    ],
)
async def test_captures_that_cannot_be_are_refused_before_anything_is_sent(
    transactions: list[dict[str, Any]], amount: str, cause: str
) -> None:
    script = ScriptedShop(ReadTransactions=paid(*transactions, presentment="EUR"))
    with pytest.raises(Rejected) as caught:
        await storefront(script).capture_payment(capture_up_to(amount))
    assert caught.value.cause == cause
    assert script.operations() == ["ReadTransactions"]


async def test_an_authorization_that_can_be_captured_once_is_captured_whole() -> None:
    script = ScriptedShop(
        ReadTransactions=paid(AUTHORIZED | {"multiCapturable": False}, presentment="EUR"),
        CapturePayment=captured(shop.transaction(802, "CAPTURE", "100.00", presentment="90.00", parent=801)),
    )
    (done,) = await storefront(script).capture_payment(capture_up_to("90.00"))
    assert done.presentment_amount == Decimal("90.00")


async def test_a_capture_the_provider_refuses_is_refused() -> None:
    failed = shop.transaction(
        802, "CAPTURE", "10.00", parent=801, status="FAILURE", errorCode="CARD_DECLINED"
    )
    script = ScriptedShop(
        ReadTransactions=paid(shop.transaction(801, "AUTHORIZATION", "100.00")),
        CapturePayment=captured(failed),
    )
    with pytest.raises(Rejected, match="CARD_DECLINED") as caught:
        await storefront(script).capture_payment(capture_up_to("10.00"))
    assert caught.value.cause == "capture_failed"


async def test_a_pending_capture_is_told_as_pending_and_an_unnamed_one_may_exist() -> None:
    authorized = paid(shop.transaction(801, "AUTHORIZATION", "100.00"))
    pending = captured(shop.transaction(802, "CAPTURE", "10.00", parent=801, status="PENDING"))
    script = ScriptedShop(ReadTransactions=[authorized, authorized], CapturePayment=[pending, captured()])
    adapter = storefront(script)
    (done,) = await adapter.capture_payment(capture_up_to("10.00"))
    assert done.status is PaymentStatus.PENDING
    with pytest.raises(OutcomeUnknown):
        await adapter.capture_payment(capture_up_to("10.00"))


async def test_an_order_of_another_channel_is_not_captured() -> None:
    elsewhere = {"key": OrderKey(channel="other", external_id="5001")}
    with pytest.raises(Rejected, match="other:5001"):
        await storefront(ScriptedShop()).capture_payment(capture_up_to("1.00").model_copy(update=elsewhere))
