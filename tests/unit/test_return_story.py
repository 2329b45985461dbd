"""Which units of an order can be returned, and why others cannot; what a return tells of itself."""

from decimal import Decimal

import pytest

from activities.return_contracts import ReturnRefunded
from domain.erp_order import ErpReturn, ErpReturnState, KitPart, ShipmentLine
from domain.order import Fulfillment, FulfillmentLine, OrderKey
from domain.planning import plan_sales_order
from domain.quantities import LineState
from domain.return_rules import ReturnRules
from tests.order_builder import make_erp_order, make_line, make_order, sandbox_mapping
from workflows import return_narrative
from workflows.messages import ReturnAsked, ReturnBrief, ReturnOrigin, ReturnWish
from workflows.order_return_story import lines_named, obstacle
from workflows.order_state import OrderState
from workflows.return_messages import ReturnState

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


def coming_back(**more: object) -> ReturnState:
    wish = ReturnWish(
        return_id="13001", number="#1007-R1", origin=ReturnOrigin.BUYER, lines={"11": 2}, actor="storefront"
    )
    state = ReturnState(
        wish=wish, rules=ReturnRules(), mapping_version="", order_number="#1007", names={"11": "TEE"}, key=KEY
    )
    return state.model_copy(update=more)


@pytest.mark.parametrize(
    ("ended", "title"),
    [
        (None, "Return of 2 units of TEE, wanted by the buyer."),
        ("Return #1007-R1: nothing was taken back.", "nothing was taken back."),
        ("Return #1007-R1 ended without goods: nothing came.", "ended without goods: nothing came."),
    ],
)
def test_a_return_is_called_by_its_name_once(ended: str | None, title: str):
    first = return_narrative.details(coming_back(ended=ended)).split("\n")[0]
    assert first == f"### Return #1007-R1 of order #1007: {title}"


@pytest.mark.parametrize(
    ("amount", "exchange", "words"),
    [
        ("21.44", {}, "USD 21.44 given back to the buyer."),
        ("0.00", {}, "No money is given back to the buyer."),
        (
            "0.00",
            {"CAP": 1},
            "No money is given back to the buyer: what comes back is set off against what they get in exchange.",
        ),
    ],
)
def test_no_money_is_not_told_as_money(amount: str, exchange: dict[str, int], words: str):
    state = coming_back(refunded=ReturnRefunded(refund_id="1", amount=Decimal(amount), currency="USD"))
    wish = state.wish.model_copy(update={"exchange": exchange})
    assert return_narrative.refunded(state.model_copy(update={"wish": wish})) == words


def with_kits() -> OrderState:
    """Two kits of a tee and two socks have left, and something whose SKU looks like a piece of one."""
    parts = (KitPart(product="TEE", quantity=1), KitPart(product="SOCK", quantity=2))
    socks = (ShipmentLine(line_id="11/SOCK", quantity=1),)
    coming = ErpReturn(return_id="1", number="R1", state=ErpReturnState.EXPECTED, expected=socks)
    erp = make_erp_order(plan_sales_order(make_order(), sandbox_mapping())).model_copy(
        update={"kits": {"11": parts}, "returns": (coming,)}
    )
    brief = ReturnBrief(number="R1", lines={"11/SOCK": 1})
    lines = (line("11", "KIT", 2), line("12", "KIT/RED", 3))
    return OrderState(key=KEY, lines=lines, erp=erp, returns={"1": brief})


def test_pieces_of_a_kit_are_named_by_its_sku_or_its_line():
    state = with_kits()
    assert lines_named(state, {"KIT/SOCK": 3, "11/TEE": 1}) == {"11/SOCK": 3, "11/TEE": 1}
    assert lines_named(state, {"KIT/RED": 2}) == {"12": 2}, "a SKU of its own goes before"
    assert obstacle(state, asked("KIT/SOCK", 3)) == obstacle(state, asked("KIT/TEE", 2)) == ""


def test_no_more_pieces_are_taken_back_than_the_buyer_has():
    state = with_kits()
    assert "3 units of KIT/SOCK can come back" in obstacle(state, asked("KIT/SOCK", 4))
    assert "0 units of KIT/MUG can come back" in obstacle(state, asked("KIT/MUG", 1))
    assert obstacle(state, asked("KIT", 1)) == "", "the other one is whole"
    assert "only 1 unit of KIT left" in obstacle(state, asked("KIT", 2))
