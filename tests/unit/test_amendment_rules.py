"""What an edit comes to: a pure difference that leads from one order to the other, in plain words."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.amending import judge
from activities.contracts import AmendOrder
from adapters.requests import AmendOutcome
from domain.amendment import (
    Amendment,
    Content,
    amendment_between,
    content,
    diff,
    fingerprint,
    holds_otherwise,
    holds_the_same,
)
from domain.cases import EDIT_REFUSED
from domain.erp_order import CreditedLine, ErpReturn, ErpReturnState, ErpShipmentState, RefusedChange
from domain.order import Address, Fulfillment, FulfillmentLine
from tests.contract.order_shapes import sales_order
from tests.order_builder import (
    make_erp_order,
    make_line,
    make_order,
    make_plans,
    make_shipment,
    make_shipping,
    sandbox_mapping,
)

NOWHERE: dict[str, int] = {}
ELSEWHERE = Address(name="Ada", street=("2 New Road",), city="Boston", country="US")


def order(tees: int = 2, mugs: int = 0, price: str = "20.00", **more):
    lines = [make_line("11", ordered=2, current=tees, unit_price=price)]
    lines += [make_line("12", "MUG-LOGO", mugs)] if mugs else []
    return make_order(lines=lines, **more)


orders = st.builds(
    order,
    tees=st.integers(0, 2),
    mugs=st.integers(0, 3),
    price=st.sampled_from(["20.00", "17.35"]),
    note=st.sampled_from(["", "ring twice"]),
)


def apply(edit: Amendment, to: Content) -> Content:
    """The content with the changes made."""
    lines = {**to.lines, **{change.line_id: change.after for change in edit.lines}}
    kept = {line_id: line for line_id, line in lines.items() if line is not None}
    return Content(lines=kept, terms=edit.terms[1] if edit.terms else to.terms)


@given(orders, orders)
def test_the_difference_leads_from_one_order_to_the_other(before, after):
    edit = diff(content(before), content(after))
    assert apply(edit, content(before)) == content(after)
    assert edit.empty == (fingerprint(before) == fingerprint(after))
    assert edit.empty == (edit.sentence("USD") == "")


@given(orders, st.integers(0, 2))
def test_no_edit_takes_back_what_has_left(now, left):
    wanted = content(now, {"11": left}).lines
    assert (wanted["11"].quantity if "11" in wanted else 0) >= left


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (order(tees=1), "TEE-BLK-M: 2 -> 1 units"),
        (order(tees=0, mugs=1), "TEE-BLK-M: 2 -> 0 units; MUG-LOGO added, 1 unit"),
        (order(price="17.35"), "TEE-BLK-M: price USD 20.00 -> USD 17.35"),
        (order(note="ring twice"), "another note"),
        (order(shipping=[make_shipping()]), "shipping service none -> Standard"),
        (order().model_copy(update={"shipping_address": ELSEWHERE}), "another shipping address"),
    ],
)
def test_an_edit_is_told_in_plain_words(after, words):
    assert words in amendment_between(order(), after, NOWHERE).sentence("USD")


def test_shipping_and_paying_are_no_edits():
    paid = order().model_copy(update={"payments": (), "fulfillments": ()})
    assert amendment_between(order(), paid, NOWHERE).empty


def test_an_erp_that_holds_another_version_is_noticed():
    held = make_erp_order(sales_order(order()))
    assert not holds_otherwise(order(), held)
    assert holds_the_same(order(), held)
    assert holds_otherwise(order(tees=1), held)
    assert not holds_the_same(order(tees=1), held)
    assert holds_otherwise(order(), held.model_copy(update={"total": held.total + Decimal("0.01")}))


def test_an_order_is_known_again_also_after_something_came_back():
    sold, left = (
        order(),
        Fulfillment(fulfillment_id="1", location="101", lines=(FulfillmentLine(line_id="11", quantity=2),)),
    )
    gone = {"fulfillments": (left,), "location_plans": ()}
    now = order(tees=1).model_copy(update=gone)
    unit = (CreditedLine(line_id="11", quantity=1),)
    back = ErpReturn(
        return_id="r", number="R1", state=ErpReturnState.SETTLED, credited=unit, total=sold.total - now.total
    )
    held = make_erp_order(sales_order(sold)).model_copy(update={"returns": (back,)})
    assert not holds_otherwise(now, held)
    assert holds_otherwise(order(tees=1, mugs=1).model_copy(update=gone), held)
    assert holds_the_same(now, held)
    # It is refunded, and not credited yet: nobody can tell.
    unsaid = held.model_copy(update={"returns": ()})
    assert not holds_otherwise(now, unsaid)
    assert not holds_the_same(now, unsaid)


def test_an_edit_after_a_return_is_told_by_what_the_page_has():
    left = Fulfillment(fulfillment_id="1", location="101", lines=(FulfillmentLine(line_id="11", quantity=2),))
    before, to_leave = make_plans({"11": {"101": 2}}), make_plans({"11": {"101": 1}})
    sold = order(tees=4).model_copy(update={"fulfillments": (left,), "location_plans": before})
    # One came back and another that was still to leave is taken off.
    now = order(tees=2).model_copy(update={"fulfillments": (left,), "location_plans": to_leave})
    edit = amendment_between(sold, now, {"11": 2})
    assert edit.sentence("USD").startswith("TEE-BLK-M: 3 -> 2 units")


def refusal_of(shipment_state: ErpShipmentState, refused: RefusedChange):
    held = make_erp_order(sales_order(order()), [make_shipment({"11": 2}, state=shipment_state)])
    request = AmendOrder(order=order(tees=1), mapping_version="1", revision=1, edit="TEE-BLK-M: 2 -> 1 units")
    return judge(request, AmendOutcome(order=held, refused=(refused,)), sandbox_mapping())


def test_what_is_picked_goes_to_a_person_with_the_reason():
    refused = RefusedChange(line_id="11", change="2 -> 1 units", reason="shipment P1 from WH-EAST is picked")
    amended = refusal_of(ErpShipmentState.PICKED, refused)
    assert amended.refusal is not None
    assert amended.refusal.cause.startswith(EDIT_REFUSED)
    assert "TEE-BLK-M 2 -> 1 units (shipment P1 from WH-EAST is picked)" in amended.refusal.reason
    assert amended.refusal.may_stay
    assert amended.kept == {"11": 2}


def test_about_what_has_left_nobody_negotiates():
    refused = RefusedChange(line_id="11", change="2 -> 1 units", reason="shipment P1 from WH-EAST has left")
    amended = refusal_of(ErpShipmentState.SHIPPED, refused)
    assert amended.refusal is None
    assert "has left" in amended.not_done
