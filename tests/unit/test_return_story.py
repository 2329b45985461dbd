"""Which units of an order can be returned, and why others cannot."""

from domain.order import Fulfillment, FulfillmentLine, OrderKey
from domain.quantities import LineState
from tests.order_builder import make_line, make_order
from workflows.messages import OrderState, ReturnAsked
from workflows.order_return_story import obstacle

KEY = OrderKey(channel="shop", external_id="5001")


def line(line_id: str, sku: str, units: int, **more: object) -> LineState:
    return LineState(line_id=line_id, sku=sku, title=sku, ordered=units, shipped=units, **more)


def asked(sku: str, units: int) -> ReturnAsked:
    return ReturnAsked(lines={sku: units}, without_goods=True)


def test_what_left_in_no_parcel_is_not_taken_back():
    state = OrderState(key=KEY, lines=(line("11", "TEE", 2), line("12", "SONG", 1, requires_shipping=False)))
    assert obstacle(state, asked("TEE", 2)) == ""
    assert "SONG left in no parcel; refund it in the storefront" in obstacle(state, asked("SONG", 1))


def test_an_order_that_came_back_to_life_takes_nothing_back_twice():
    left = Fulfillment(fulfillment_id="1", location="101", lines=(FulfillmentLine(line_id="11", quantity=2),))
    order = make_order(lines=[make_line("11", "TEE-BLK-M", 2, current=1)])
    order = order.model_copy(update={"fulfillments": (left,), "location_plans": ()})
    state = OrderState(key=KEY, order=order, lines=(line("11", "TEE-BLK-M", 2),))
    assert obstacle(state, asked("TEE-BLK-M", 1)) == ""
    assert "only 1 unit of TEE-BLK-M left" in obstacle(state, asked("TEE-BLK-M", 2))
