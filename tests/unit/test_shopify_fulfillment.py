"""A fulfillment is looked up before it is sent, and spread over what is open at its location."""

from typing import Any

import httpx
import pytest

from adapters.errors import OutcomeUnknown, Rejected
from adapters.ports import FulfillmentRequest
from domain.order import FulfillmentLine, OrderKey
from tests import shopify_answers as shop
from tests.shopify_answers import KEY, ScriptedShop, data, gid, storefront


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


async def test_an_order_of_another_channel_is_not_fulfilled() -> None:
    elsewhere = {"key": OrderKey(channel="other", external_id="5001")}
    with pytest.raises(Rejected, match="other:5001"):
        await storefront(ScriptedShop()).create_fulfillment(shipment(("601", 1)).model_copy(update=elsewhere))
