"""Shopify cancels by and by: the adapter waits, and an order is canceled once."""

import httpx
import pytest

from adapters.errors import OutcomeUnknown, Rejected
from domain.order import CancelKind
from tests import shopify_answers as shop
from tests.shopify_answers import ScriptedShop, Waits, data, gid, storefront

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


async def test_a_fraud_is_canceled_as_one_and_nobody_is_told_of_it() -> None:
    script = ScriptedShop(
        ReadOrder=[data(order=OPEN), data(order=CANCELED | {"cancelReason": "FRAUD"})],
        CancelOrder=canceling(),
        WatchCancellation=watched(canceled=True, done=True),
    )
    told = await storefront(script).cancel_order("5001", "stolen card", CancelKind.FRAUD)
    assert told.cancel_kind is CancelKind.FRAUD
    sent = script.variables("CancelOrder")
    assert (sent["reason"], sent["notifyCustomer"], sent["staffNote"]) == ("FRAUD", False, "stolen card")


async def test_an_order_that_is_canceled_but_not_refunded_yet_is_waited_for() -> None:
    waits = Waits()
    script = ScriptedShop(
        ReadOrder=[data(order=OPEN), data(order=CANCELED)],
        CancelOrder=canceling(),
        WatchCancellation=[watched(canceled=True, done=False), watched(canceled=True, done=True)],
    )
    assert (await storefront(script, waits).cancel_order("5001", "why")).canceled_at is not None
    assert len(waits.seconds) == 2


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
