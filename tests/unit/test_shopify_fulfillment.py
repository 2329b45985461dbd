"""A fulfillment is looked up before it is sent, and spread over what is open at its location."""

from typing import Any

import httpx
import pytest

from adapters.errors import OutcomeUnknown, Rejected
from adapters.requests import FulfillmentRequest
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
        (
            (
                shop.fulfillment_order(501, 102, (601, 2, 1)),
                shop.fulfillment_order(502, 103, (601, 9, 9), status="ON_HOLD"),
                shop.fulfillment_order(503, 103, (601, 9, 0), status="CLOSED"),
            ),
            (("601", 2),),
            "at location 101 or any other (its fulfillment order is on hold)",
        ),
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


PLANNED_ELSEWHERE = (
    shop.fulfillment_order(501, 101, (601, 1, 1)),
    shop.fulfillment_order(502, 102, (601, 3, 2), (602, 5, 5)),
)


def moved(number: int | None = 509) -> httpx.Response:
    plan = {"id": gid("FulfillmentOrder", number), "status": "OPEN"} if number else None
    return data(fulfillmentOrderMove={"movedFulfillmentOrder": plan, "userErrors": []})


def move_refused(words: str) -> httpx.Response:
    error = {"code": None, "field": ["newLocationId"], "message": words}
    return data(fulfillmentOrderMove={"movedFulfillmentOrder": None, "userErrors": [error]})


async def test_what_is_missing_at_the_location_is_moved_there_and_then_fulfilled() -> None:
    after = (
        shop.fulfillment_order(502, 102, (601, 2, 1), (602, 4, 4), status="IN_PROGRESS"),
        shop.fulfillment_order(509, 101, (601, 2, 2), (602, 1, 1)),
    )
    script = ScriptedShop(
        ReadShippingState=[state(*PLANNED_ELSEWHERE), state(*after)],
        MoveFulfillmentOrder=moved(),
        CreateFulfillment=created(),
    )
    await storefront(script).create_fulfillment(shipment(("601", 2), ("602", 1)))
    assert script.variables("MoveFulfillmentOrder") == {
        "id": gid("FulfillmentOrder", 502),
        "newLocationId": gid("Location", 101),
        "lines": [
            {"id": gid("FulfillmentOrderLineItem", 502601), "quantity": 1},
            {"id": gid("FulfillmentOrderLineItem", 502602), "quantity": 1},
        ],
    }
    sent = script.variables("CreateFulfillment")["fulfillment"]["lineItemsByFulfillmentOrder"]
    assert sent == [
        {
            "fulfillmentOrderId": gid("FulfillmentOrder", 509),
            "fulfillmentOrderLineItems": [
                {"id": gid("FulfillmentOrderLineItem", 509601), "quantity": 2},
                {"id": gid("FulfillmentOrderLineItem", 509602), "quantity": 1},
            ],
        }
    ]


async def test_a_move_whose_answer_was_lost_is_not_made_again() -> None:
    after = shop.fulfillment_order(509, 101, (601, 2, 2))
    script = ScriptedShop(
        ReadShippingState=[state(*PLANNED_ELSEWHERE), state(after)],
        MoveFulfillmentOrder=httpx.ReadTimeout("late"),
        CreateFulfillment=created(),
    )
    adapter = storefront(script)
    with pytest.raises(OutcomeUnknown):
        await adapter.create_fulfillment(shipment(("601", 2)))
    assert (await adapter.create_fulfillment(shipment(("601", 2)))).fulfillment_id == "401"
    assert script.operations().count("MoveFulfillmentOrder") == 1


async def test_a_move_that_an_earlier_attempt_made_meanwhile_is_no_refusal() -> None:
    script = ScriptedShop(
        ReadShippingState=[
            state(*PLANNED_ELSEWHERE),
            state(shop.fulfillment_order(509, 101, (601, 2, 2))),
        ],
        MoveFulfillmentOrder=move_refused("Invalid quantity"),
        CreateFulfillment=created(),
    )
    assert (await storefront(script).create_fulfillment(shipment(("601", 2)))).fulfillment_id == "401"


async def test_a_move_that_the_shop_refuses_is_told_in_words_and_nothing_is_fulfilled() -> None:
    script = ScriptedShop(
        ReadShippingState=[state(*PLANNED_ELSEWHERE), state(*PLANNED_ELSEWHERE)],
        MoveFulfillmentOrder=move_refused("WH-WEST does not stock the item"),
    )
    with pytest.raises(Rejected) as caught:
        await storefront(script).create_fulfillment(shipment(("601", 3)))
    assert caught.value.cause == "move_refused"
    assert caught.value.reason == (
        "2 units of line 601 left from location 101, for which the shop had not planned them, and it does not let"
        " them move there: newLocationId: WH-WEST does not stock the item"
    )


async def test_units_that_were_moved_yet_are_not_open_there_are_refused() -> None:
    held = shop.fulfillment_order(509, 101, (601, 2, 2), status="SCHEDULED")
    script = ScriptedShop(
        ReadShippingState=[state(*PLANNED_ELSEWHERE), state(held)], MoveFulfillmentOrder=moved()
    )
    with pytest.raises(Rejected, match="its fulfillment order is scheduled") as caught:
        await storefront(script).create_fulfillment(shipment(("601", 2)))
    assert caught.value.cause == "not_open_to_ship"


async def test_a_move_that_names_nothing_may_have_happened() -> None:
    script = ScriptedShop(
        ReadShippingState=state(*PLANNED_ELSEWHERE), MoveFulfillmentOrder=moved(number=None)
    )
    with pytest.raises(OutcomeUnknown):
        await storefront(script).create_fulfillment(shipment(("601", 2)))
