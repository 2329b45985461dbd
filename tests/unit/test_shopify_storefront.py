"""The storefront adapter: looks up before it writes, writes what is missing, reads page after page."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest

from adapters.errors import ContractBroken, OutcomeUnknown, Rejected
from adapters.ports import CaptureRequest, FulfillmentRequest
from adapters.shopify.storefront import REQUIRED_SCOPES, ShopifyStorefront
from domain.order import FulfillmentLine, OrderKey, PaymentStatus
from tests import shopify_answers as shop
from tests.shopify_answers import ScriptedShop, data, gid

KEY = OrderKey(channel="shop", external_id="5001")


class Waits:
    """Takes the place of sleeping and remembers for how long."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def storefront(script: ScriptedShop, waits: Waits | None = None, **more: Any) -> ShopifyStorefront:
    return ShopifyStorefront("shop", shop.URL, shop.TOKEN, transport=script, sleep=waits or Waits(), **more)


# reading


async def test_an_order_of_ordinary_size_is_one_request() -> None:
    script = ScriptedShop(ReadOrder=data(order=shop.order(shop.line(601, "MUG-LOGO", 1, "9.05"))))
    told = await storefront(script).read_order("5001")
    assert told.key == KEY
    assert script.asked == [("ReadOrder", {"id": gid("Order", 5001)})]


async def test_an_unknown_order_is_refused_with_its_cause() -> None:
    with pytest.raises(Rejected) as caught:
        await storefront(ScriptedShop(ReadOrder=data(order=None))).read_order("5001")
    assert caught.value.cause == "order_unknown"


async def test_every_list_is_read_to_its_end() -> None:
    lines = [shop.line(600 + index, f"SKU-{index}", 1, "1.00") for index in range(1, 4)]
    whole = shop.order(
        *lines,
        lineItems=shop.page(lines[0], after="L1"),
        shippingLines=shop.page(shop.shipping("5.00"), after="S1"),
        transactionsCount={"count": 12},
        fulfillmentOrders=shop.page(shop.fulfillment_order(501, 101, (601, 1, 1), after="O1"), after="F1"),
        fulfillmentsCount={"count": 7},
        fulfillments=[],
    )
    payments = {
        "currencyCode": "USD",
        "presentmentCurrencyCode": "USD",
        "transactionsCount": {"count": 12},
        "transactions": [shop.transaction(800 + index, "SALE", "1.00") for index in range(12)],
    }
    left = [
        shop.fulfillment(400 + index, 101, (601, 1), after=f"G{index}" if index == 3 else None)
        for index in range(7)
    ]
    shipping_state = {
        "fulfillmentOrders": whole["fulfillmentOrders"],
        "fulfillmentsCount": {"count": 7},
        "fulfillments": left,
    }
    script = ScriptedShop(
        ReadOrder=data(order=whole),
        ReadTransactions=data(order=payments),
        ReadShippingState=data(order=shipping_state),
        ReadMoreLines=[
            data(order={"lineItems": shop.page(lines[1], after="L2")}),
            data(order={"lineItems": shop.page(lines[2])}),
        ],
        ReadMoreShippingLines=data(
            order={"shippingLines": shop.page(shop.shipping("6.00", id=gid("ShippingLine", 701)))}
        ),
        ReadMoreFulfillmentOrders=data(
            order={"fulfillmentOrders": shop.page(shop.fulfillment_order(502, 102, (603, 1, 1)))}
        ),
        ReadMoreFulfillmentOrderLines=data(
            fulfillmentOrder={"lineItems": shop.page(shop.fulfillment_order_line(501, 602, 1, 1))}
        ),
        ReadMoreFulfillmentLines=data(
            fulfillment={"fulfillmentLineItems": shop.page(shop.fulfillment_line(602, 1))}
        ),
    )
    told = await storefront(script).read_order("5001")
    assert [each.line_id for each in told.lines] == ["601", "602", "603"]
    assert [each.charge_id for each in told.shipping] == ["700", "701"]
    assert len(told.payments) == 12
    assert [(plan.id, [part.line_id for part in plan.lines]) for plan in told.location_plans] == [
        ("501", ["601", "602"]),
        ("502", ["603"]),
    ]
    assert len(told.fulfillments) == 7
    assert [part.line_id for part in told.fulfillments[3].lines] == ["601", "602"]
    assert [variables["after"] for name, variables in script.asked if name == "ReadMoreLines"] == ["L1", "L2"]
    assert script.variables("ReadTransactions")["first"] == 12
    assert script.variables("ReadShippingState")["fulfillments"] == 7
    assert script.variables("ReadMoreFulfillmentOrderLines") == {
        "id": gid("FulfillmentOrder", 501),
        "after": "O1",
    }
    assert script.variables("ReadMoreFulfillmentLines") == {"id": gid("Fulfillment", 403), "after": "G3"}


async def test_a_list_that_never_ends_breaks_the_contract() -> None:
    stuck = shop.page(shop.line(602, "B", 1, "1.00"), after="L1")
    script = ScriptedShop(
        ReadOrder=data(order=shop.order(lineItems=shop.page(shop.line(601, "A", 1, "1.00"), after="L1"))),
        ReadMoreLines=data(order={"lineItems": stuck}),
    )
    with pytest.raises(ContractBroken, match="lineItems"):
        await storefront(script).read_order("5001")


async def test_an_order_that_vanished_between_two_pages_breaks_the_contract() -> None:
    script = ScriptedShop(
        ReadOrder=data(order=shop.order(lineItems=shop.page(shop.line(601, "A", 1, "1.00"), after="L1"))),
        ReadMoreLines=data(order=None),
    )
    with pytest.raises(ContractBroken, match="lineItems"):
        await storefront(script).read_order("5001")


async def test_orders_are_listed_from_a_time_and_page_by_page() -> None:
    script = ScriptedShop(
        ListOrders=[
            data(orders=shop.page({"id": gid("Order", 5001)}, {"id": gid("Order", 5002)}, after="P1")),
            data(orders=shop.page({"id": gid("Order", 5003)})),
        ]
    )
    since = datetime(2026, 7, 1, 12, 30, 15, 999999, UTC)
    first = await storefront(script).list_orders(since)
    second = await storefront(script).list_orders(since, first.next_cursor)
    assert (first.external_ids, first.next_cursor) == (("5001", "5002"), "P1")
    assert (second.external_ids, second.next_cursor) == (("5003",), None)
    assert [variables for _, variables in script.asked] == [
        {"query": "created_at:>='2026-07-01T12:30:15Z'", "after": None},
        {"query": "created_at:>='2026-07-01T12:30:15Z'", "after": "P1"},
    ]


# fulfillments


def state(*plans: dict[str, Any], left: tuple[dict[str, Any], ...] = ()) -> httpx.Response:
    return data(
        order={
            "fulfillmentOrders": shop.page(*plans),
            "fulfillmentsCount": {"count": len(left)},
            "fulfillments": list(left),
        }
    )


def shipment(
    *lines: tuple[str, int], known: tuple[str, ...] = (), tracking: str = "1Z1"
) -> FulfillmentRequest:
    return FulfillmentRequest(
        key=KEY,
        location="101",
        lines=tuple(FulfillmentLine(line_id=line_id, quantity=units) for line_id, units in lines),
        carrier="UPS",
        tracking_number=tracking,
        known_fulfillment_ids=known,
    )


def created(number: int = 401) -> httpx.Response:
    return data(
        fulfillmentCreate={
            "fulfillment": {"id": gid("Fulfillment", number), "status": "SUCCESS"},
            "userErrors": [],
        }
    )


async def test_a_shipment_is_spread_over_the_open_fulfillment_orders_of_its_location() -> None:
    script = ScriptedShop(
        ReadShippingState=state(
            shop.fulfillment_order(500, 101, (601, 9, 0), status="CLOSED"),
            shop.fulfillment_order(501, 101, (601, 3, 2), (602, 1, 1), status="IN_PROGRESS"),
            shop.fulfillment_order(502, 102, (601, 9, 9)),
            shop.fulfillment_order(503, 101, (601, 5, 5)),
        ),
        CreateFulfillment=created(),
    )
    done = await storefront(script).create_fulfillment(shipment(("601", 4), ("602", 1)))
    assert (done.fulfillment_id, done.location, done.carrier, done.tracking_number) == (
        "401",
        "101",
        "UPS",
        "1Z1",
    )
    assert [(part.line_id, part.quantity) for part in done.lines] == [("601", 4), ("602", 1)]
    assert script.variables("CreateFulfillment") == {
        "fulfillment": {
            "lineItemsByFulfillmentOrder": [
                {
                    "fulfillmentOrderId": gid("FulfillmentOrder", 501),
                    "fulfillmentOrderLineItems": [
                        {"id": gid("FulfillmentOrderLineItem", 501601), "quantity": 2},
                        {"id": gid("FulfillmentOrderLineItem", 501602), "quantity": 1},
                    ],
                },
                {
                    "fulfillmentOrderId": gid("FulfillmentOrder", 503),
                    "fulfillmentOrderLineItems": [
                        {"id": gid("FulfillmentOrderLineItem", 503601), "quantity": 2}
                    ],
                },
            ],
            "notifyCustomer": True,
            "trackingInfo": {"company": "UPS", "number": "1Z1"},
        }
    }


async def test_without_carrier_and_without_notice() -> None:
    script = ScriptedShop(
        ReadShippingState=state(shop.fulfillment_order(501, 101, (601, 1, 1))), CreateFulfillment=created()
    )
    request = shipment(("601", 1)).model_copy(update={"carrier": None})
    await storefront(script, notify_customers=False).create_fulfillment(request)
    sent = script.variables("CreateFulfillment")["fulfillment"]
    assert sent["trackingInfo"] == {"number": "1Z1"}
    assert sent["notifyCustomer"] is False


async def test_a_shipment_that_the_shop_knows_is_not_sent_again() -> None:
    left = shop.fulfillment(401, 101, (602, 1), (601, 2))
    script = ScriptedShop(ReadShippingState=state(left=(left,)))
    done = await storefront(script).create_fulfillment(shipment(("601", 1), ("602", 1), ("601", 1)))
    assert done.fulfillment_id == "401"
    assert script.operations() == ["ReadShippingState"]


@pytest.mark.parametrize(
    ("left", "known"),
    [
        (shop.fulfillment(401, 102, (601, 1)), ()),
        (shop.fulfillment(401, 101, (601, 1), tracking="1Z2"), ()),
        (shop.fulfillment(401, 101, (601, 2)), ()),
        (shop.fulfillment(401, 101, (602, 1)), ()),
        (shop.fulfillment(401, 101, (601, 1), status="CANCELLED"), ()),
        (shop.fulfillment(401, 101, (601, 1)), ("401",)),
    ],
    ids=[
        "another location",
        "another parcel",
        "other units",
        "another line",
        "canceled",
        "another shipment's",
    ],
)
async def test_another_shipment_is_not_taken_for_this_one(
    left: dict[str, Any], known: tuple[str, ...]
) -> None:
    script = ScriptedShop(
        ReadShippingState=state(shop.fulfillment_order(501, 101, (601, 3, 2)), left=(left,)),
        CreateFulfillment=created(402),
    )
    done = await storefront(script).create_fulfillment(shipment(("601", 1), known=known))
    assert done.fulfillment_id == "402"


async def test_a_lost_answer_is_raised_and_the_next_attempt_finds_the_fulfillment() -> None:
    plan = shop.fulfillment_order(501, 101, (601, 1, 1))
    script = ScriptedShop(
        ReadShippingState=[state(plan), state(left=(shop.fulfillment(401, 101, (601, 1)),))],
        CreateFulfillment=httpx.ReadTimeout("late"),
    )
    adapter = storefront(script)
    with pytest.raises(OutcomeUnknown):
        await adapter.create_fulfillment(shipment(("601", 1)))
    assert (await adapter.create_fulfillment(shipment(("601", 1)))).fulfillment_id == "401"
    assert script.operations().count("CreateFulfillment") == 1


@pytest.mark.parametrize(
    ("plans", "lines", "words"),
    [
        ((), (("601", 2),), "2 of 2 units of line 601 are not open to ship at location 101"),
        (
            (shop.fulfillment_order(501, 101, (601, 2, 1)),),
            (("601", 2),),
            "1 of 2 units of line 601 are not open to ship at location 101",
        ),
        (
            (shop.fulfillment_order(501, 101, (601, 2, 2), status="ON_HOLD"),),
            (("601", 2),),
            "(its fulfillment order is on hold)",
        ),
        ((shop.fulfillment_order(501, 102, (601, 2, 2)),), (("601", 2),), "at location 101"),
        ((), (), "no units"),
        ((), (("601", 0),), "no units"),
    ],
)
async def test_units_that_are_not_open_are_refused_before_anything_is_sent(
    plans: tuple[dict[str, Any], ...], lines: tuple[tuple[str, int], ...], words: str
) -> None:
    script = ScriptedShop(ReadShippingState=state(*plans))
    with pytest.raises(Rejected) as caught:
        await storefront(script).create_fulfillment(shipment(*lines))
    assert caught.value.cause == "not_open_to_ship"
    assert words in caught.value.reason
    assert script.operations() == ["ReadShippingState"]


async def test_a_fulfillment_the_shop_refuses_is_refused_in_its_words() -> None:
    refused = data(
        fulfillmentCreate={
            "fulfillment": None,
            "userErrors": [{"field": ["fulfillment"], "message": "Closed"}],
        }
    )
    script = ScriptedShop(
        ReadShippingState=state(shop.fulfillment_order(501, 101, (601, 1, 1))), CreateFulfillment=refused
    )
    with pytest.raises(Rejected, match="fulfillment: Closed"):
        await storefront(script).create_fulfillment(shipment(("601", 1)))


async def test_a_fulfillment_that_is_not_named_may_exist() -> None:
    script = ScriptedShop(
        ReadShippingState=state(shop.fulfillment_order(501, 101, (601, 1, 1))),
        CreateFulfillment=data(fulfillmentCreate={"fulfillment": None, "userErrors": []}),
    )
    with pytest.raises(OutcomeUnknown):
        await storefront(script).create_fulfillment(shipment(("601", 1)))


# payments


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


# canceling

OPEN = shop.order(shop.line(601, "MUG-LOGO", 1, "9.05"))
CANCELED = OPEN | {"cancelledAt": "2026-07-02T08:00:00Z"}
JOB = "gid://shopify/Job/1c9d-2"


def canceling(job: str | None = JOB) -> httpx.Response:
    return data(orderCancel={"job": {"id": job, "done": False} if job else None, "orderCancelUserErrors": []})


def watched(*, canceled: bool, done: bool) -> httpx.Response:
    at = "2026-07-02T08:00:00Z" if canceled else None
    return data(order={"id": gid("Order", 5001), "cancelledAt": at}, job={"id": JOB, "done": done})


async def test_canceling_waits_until_the_shop_has_done_it() -> None:
    waits = Waits()
    script = ScriptedShop(
        ReadOrder=[data(order=OPEN), data(order=CANCELED)],
        CancelOrder=canceling(),
        WatchCancellation=[watched(canceled=False, done=False), watched(canceled=True, done=True)],
    )
    told = await storefront(script, waits).cancel_order("5001", "The buyer changed their mind " * 20)
    assert told.canceled_at is not None
    sent = script.variables("CancelOrder")
    note = sent.pop("staffNote")
    assert note.startswith("The buyer changed their mind")
    assert len(note) == 255
    assert sent == {
        "id": gid("Order", 5001),
        "reason": "OTHER",
        "refundMethod": {"originalPaymentMethodsRefund": True},
        "restock": True,
        "notifyCustomer": True,
    }
    assert len(waits.seconds) == 2
    assert script.asked[-2] == ("WatchCancellation", {"id": gid("Order", 5001), "job": JOB})


async def test_a_canceled_order_is_returned_as_it_is() -> None:
    script = ScriptedShop(ReadOrder=data(order=CANCELED))
    assert (await storefront(script).cancel_order("5001", "again")).canceled_at is not None
    assert script.operations() == ["ReadOrder"]


async def test_a_shop_that_names_no_job_is_asked_for_the_order() -> None:
    script = ScriptedShop(
        ReadOrder=[data(order=OPEN), data(order=CANCELED)],
        CancelOrder=canceling(None),
        ReadCancellation=data(order={"id": gid("Order", 5001), "cancelledAt": "2026-07-02T08:00:00Z"}),
    )
    assert (await storefront(script).cancel_order("5001", "why")).canceled_at is not None


async def test_a_cancellation_that_takes_too_long_has_no_known_outcome() -> None:
    waits = Waits()
    script = ScriptedShop(
        ReadOrder=data(order=OPEN),
        CancelOrder=canceling(),
        WatchCancellation=[watched(canceled=False, done=False) for _ in range(50)],
    )
    with pytest.raises(OutcomeUnknown, match="still canceling"):
        await storefront(script, waits).cancel_order("5001", "why")
    assert 10 < sum(waits.seconds) < 30


async def test_a_job_that_is_done_without_effect_is_refused() -> None:
    script = ScriptedShop(
        ReadOrder=[data(order=OPEN), data(order=OPEN)],
        CancelOrder=canceling(),
        WatchCancellation=watched(canceled=False, done=True),
    )
    with pytest.raises(Rejected) as caught:
        await storefront(script).cancel_order("5001", "why")
    assert caught.value.cause == "cancel_failed"


async def test_a_refusal_because_an_earlier_attempt_got_through_is_none() -> None:
    refused = data(
        orderCancel={
            "job": None,
            "orderCancelUserErrors": [{"code": "INVALID", "message": "Already canceled"}],
        }
    )
    script = ScriptedShop(ReadOrder=[data(order=OPEN), data(order=CANCELED)], CancelOrder=refused)
    assert (await storefront(script).cancel_order("5001", "why")).canceled_at is not None
    script = ScriptedShop(ReadOrder=[data(order=OPEN), data(order=OPEN)], CancelOrder=refused)
    with pytest.raises(Rejected, match="Already canceled"):
        await storefront(script).cancel_order("5001", "why")


async def test_an_order_of_which_a_parcel_left_is_not_canceled() -> None:
    left = [shop.fulfillment(401, 101, (601, 1)), shop.fulfillment(402, 101, (601, 1), status="CANCELLED")]
    script = ScriptedShop(ReadOrder=data(order=OPEN | {"fulfillments": left}))
    with pytest.raises(Rejected, match=r"1 shipment\(s\)") as caught:
        await storefront(script).cancel_order("5001", "why")
    assert caught.value.cause == "already_shipped"
    assert script.operations() == ["ReadOrder"]


async def test_writes_on_another_channels_order_are_refused() -> None:
    elsewhere = {"key": OrderKey(channel="other", external_id="5001")}
    adapter = storefront(ScriptedShop())
    with pytest.raises(Rejected, match="other:5001"):
        await adapter.create_fulfillment(shipment(("601", 1)).model_copy(update=elsewhere))
    with pytest.raises(Rejected, match="other:5001"):
        await adapter.capture_payment(capture_up_to("1.00").model_copy(update=elsewhere))


# the probe


def probed(*scopes: str, version: str = "2026-07") -> httpx.Response:
    return httpx.Response(
        200,
        headers={"x-shopify-api-version": version},
        json={
            "data": {
                "shop": {"name": "Test", "myshopifyDomain": "test.myshopify.com", "currencyCode": "USD"},
                "currentAppInstallation": {
                    "id": "1",
                    "accessScopes": [{"handle": scope} for scope in scopes],
                },
            }
        },
    )


async def test_the_probe_names_the_shop() -> None:
    told = await storefront(ScriptedShop(Probe=probed(*REQUIRED_SCOPES))).probe()
    assert told.ok
    assert "Test (test.myshopify.com), USD" in told.detail


async def test_a_write_scope_includes_reading() -> None:
    scopes = [scope.replace("read_", "write_") for scope in REQUIRED_SCOPES]
    assert (await storefront(ScriptedShop(Probe=probed(*scopes))).probe()).ok


async def test_the_probe_names_missing_scopes_another_version_and_failures() -> None:
    told = await storefront(ScriptedShop(Probe=probed(*REQUIRED_SCOPES[1:]))).probe()
    assert not told.ok
    assert REQUIRED_SCOPES[0] in told.detail
    assert "scope" in told.remedy
    told = await storefront(ScriptedShop(Probe=probed(*REQUIRED_SCOPES, version="2026-10"))).probe()
    assert not told.ok
    assert "2026-10" in told.detail
    told = await storefront(ScriptedShop(Probe=httpx.Response(401))).probe()
    assert not told.ok
    assert "token" in told.remedy


async def test_everything_the_port_knows_is_declared() -> None:
    adapter = storefront(ScriptedShop())
    assert adapter.capabilities.capture
    assert adapter.capabilities.location_plans
    assert adapter.capabilities.presentment_currency
    await adapter.close()
