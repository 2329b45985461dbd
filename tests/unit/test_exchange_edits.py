"""What an edit of an exchange, or beside one, comes to: whose record in the ERP it concerns, and the balance."""

from decimal import Decimal

import pytest

from adapters.memory.order_changes import after_edit, summed
from domain.amendment import EditParts, amendment_between, differing_exchanges, edit_parts
from domain.balance import prove
from domain.differences import PlanRefused
from domain.edits_after_return import plan_after_return
from domain.exchanges import as_sold, exchanged_lines, missing_exchanges, only_exchange, with_later_lines
from domain.money import round_money
from domain.order import (
    Fulfillment,
    FulfillmentLine,
    LocationLine,
    LocationPlan,
    Order,
    OrderLine,
    PaymentKind,
)
from domain.planning import plan_exchange
from domain.refunds import held_beyond_worth
from tests.order_builder import make_line, make_order, make_payment
from tests.order_strategy import wide_mapping
from tests.unit.test_exchange_rules import Shop
from workflows.messages import ReturnBrief
from workflows.order_state import OrderState

MUG, CAP = "12", "13"
NOWHERE: dict[str, int] = {}


def exchanged(units: int = 2) -> tuple[Shop, str, str]:
    """A tee of an order came back for mugs, which the ERP has and has not sent; the return and its new line."""
    shop = Shop(
        make_order(
            lines=[make_line("11", ordered=1), make_line(MUG, "CAP-BLK", 3)],
            placement={"11": {"101": 1}, MUG: {"102": 3}},
        ),
        wide_mapping(),
        Decimal("25.00"),
    )
    return_id = shop.ask({"11": 1}, number=units)
    shop.release(return_id)
    shop.settle(return_id)
    shop.pay()
    (new,) = exchanged_lines(shop.order)
    return shop, return_id, new


def set_to(shop: Shop, line_id: str, units: int) -> Order:
    """The order with another number of units of a line, as if none of it had left."""
    return summed(
        shop.order,
        shop.placed,
        tuple(_with(x, units) if x.line_id == line_id else x for x in shop.order.lines),
        shop.order.shipping,
    )


def _with(line: OrderLine, units: int) -> OrderLine:
    taxes = tuple(
        tax.model_copy(update={"amount": round_money(tax.amount * units / line.current, "USD")})
        for tax in line.taxes
    )
    return line.model_copy(update={"current": units, "ordered": max(line.ordered, units), "taxes": taxes})


def still_to_leave(shop: Shop, line_id: str, units: int) -> None:
    """So many units of a line of the order are to leave from the west, and none has, in either system."""
    sent = [
        each.model_copy(update={"lines": tuple(x for x in each.lines if x.line_id != line_id)})
        for each in shop.erp.shipments
    ]
    shop.erp = shop.erp.model_copy(update={"shipments": tuple(sent)})
    told = [
        each.model_copy(update={"lines": tuple(x for x in each.lines if x.line_id != line_id)})
        for each in shop.order.fulfillments
    ]
    part = LocationLine(id=f"p{line_id}", line_id=line_id, quantity=units, remaining=units)
    plans = [plan for plan in shop.order.location_plans if plan.location != "102"]
    plans.append(LocationPlan(id="west", location="102", open=True, lines=(part,)))
    shop.order = shop.order.model_copy(update={"fulfillments": tuple(told), "location_plans": tuple(plans)})


def with_line(order: Order, placed: Order, line_id: str, units: int = 1) -> Order:
    """The order with a line that an edit added."""
    new = make_line(line_id, "CAP-BLK", units, unit_price="24.49")
    part = LocationLine(id=f"p{line_id}", line_id=line_id, quantity=units, remaining=units)
    plan = LocationPlan(id=f"plan {line_id}", location="101", open=True, lines=(part,))
    after = summed(order, placed, (*order.lines, new), order.shipping)
    return after.model_copy(update={"location_plans": (*order.location_plans, plan)})


@pytest.mark.parametrize(("units", "dearer"), [(3, True), (1, False), (0, False)])
def test_an_edit_of_an_exchange_concerns_its_record_alone(units: int, dearer: bool):
    shop, return_id, new = exchanged()
    now = set_to(shop, new, units)
    edit = edit_parts(shop.order, now, NOWHERE, {return_id})
    assert edit == EditParts(exchanges=(return_id,), dearer=dearer)
    told = amendment_between(shop.order, now, NOWHERE, {return_id}).sentence("USD")
    assert told.startswith(f"MUG-LOGO: 2 -> {units} units; total ")
    # As long as the ERP does not have it, it is entered as it stands then.
    assert edit_parts(shop.order, now, NOWHERE, ()) == EditParts()
    assert amendment_between(shop.order, now, NOWHERE).empty


def test_an_edit_of_what_was_sold_leaves_exchanges_alone():
    shop, return_id, _ = exchanged()
    still_to_leave(shop, MUG, 3)
    now = set_to(shop, MUG, 2)
    edit = edit_parts(shop.order, now, NOWHERE, {return_id})
    assert edit == EditParts(sold=True, lines=(MUG,))


def test_nothing_is_edited_by_a_payment_and_edits_join():
    shop, return_id, new = exchanged()
    still_to_leave(shop, MUG, 3)
    assert edit_parts(shop.order, shop.order, NOWHERE, {return_id}) == EditParts()
    of_exchange = edit_parts(shop.order, set_to(shop, new, 3), NOWHERE, {return_id})
    of_line = edit_parts(shop.order, set_to(shop, MUG, 2), NOWHERE, {return_id})
    joined = of_exchange.joined(of_line)
    assert joined == EditParts(sold=True, lines=(MUG,), exchanges=(return_id,), dearer=False)


def test_another_address_concerns_what_is_still_to_leave():
    shop, return_id, new = exchanged()
    assert shop.order.shipping_address is not None
    elsewhere = shop.order.shipping_address.model_copy(update={"city": "Elsewhere"})
    moved = shop.order.model_copy(update={"shipping_address": elsewhere})
    left = {"11": 1, MUG: 3}
    assert edit_parts(shop.order, moved, left, {return_id}) == EditParts(exchanges=(return_id,))
    assert edit_parts(shop.order, moved, left | {new: 2}, {return_id}) == EditParts()


def test_a_line_that_comes_after_an_exchange_belongs_to_it():
    shop, return_id, new = exchanged(1)
    before = with_later_lines(shop.order, shop.erp)
    assert before == shop.order
    now = with_later_lines(with_line(set_to(shop, new, 0), shop.placed, CAP), shop.erp)
    assert exchanged_lines(now)[CAP] == return_id
    assert as_sold(now).lines == as_sold(shop.order).lines
    assert edit_parts(before, now, NOWHERE, {return_id}).exchanges == (return_id,)
    planned = plan_exchange(now, return_id, shop.mapping)
    assert [(x.line_id, x.quantity) for x in planned.lines] == [(CAP, 1)]
    assert planned.total == only_exchange(now, return_id).total
    assert missing_exchanges(now, shop.erp) == (return_id,)
    assert with_later_lines(now, shop.erp) == now
    # Once the ERP has it there, it stays there, taken off again or not.
    shop.order = now
    shop.send(return_id)
    gone = set_to(shop, CAP, 0)
    gone = gone.model_copy(update={"returns": as_told(gone)})
    assert exchanged_lines(with_later_lines(gone, shop.erp)) == {new: return_id, CAP: return_id}


def as_told(order: Order):
    """Returns as the storefront tells them: it names the lines alone that it put on the order itself."""
    return tuple(
        each.model_copy(update={"exchange": tuple(x for x in each.exchange if not x.id.startswith("line "))})
        for each in order.returns
    )


def test_a_line_that_comes_without_an_exchange_is_one_of_the_order():
    shop = Shop(make_order(), wide_mapping(), Decimal("25.00"))
    added = with_line(shop.order, shop.placed, CAP)
    assert with_later_lines(added, shop.erp) == added
    asked = shop.ask({"11": 1})
    assert asked not in exchanged_lines(with_later_lines(with_line(shop.order, shop.placed, CAP), shop.erp))


def test_of_what_was_sold_the_edited_lines_alone_are_planned_after_a_return():
    shop, _, _ = exchanged()
    shop.order = set_to(shop, MUG, 2)
    still_to_leave(shop, MUG, 2)
    planned = plan_after_return(shop.order, shop.erp, EditParts(sold=True, lines=(MUG,)), shop.mapping)
    assert planned.only == (MUG,)
    assert [(x.line_id, x.quantity) for x in planned.lines] == [(MUG, 2)]
    (settled,) = shop.erp.returns
    assert planned.total == as_sold(shop.order).total + settled.total
    edit = EditParts(sold=True, lines=(MUG,), terms=True)
    with pytest.raises(PlanRefused, match="undo the edit in the store") as refused:
        plan_after_return(shop.order, shop.erp, edit, shop.mapping)
    assert refused.value.cause.startswith("edit_after_return:")
    not_yet = shop.erp.model_copy(update={"returns": ()})
    with pytest.raises(PlanRefused, match="not the same in both systems"):
        plan_after_return(shop.order, not_yet, EditParts(sold=True, lines=(MUG,)), shop.mapping)


def test_a_line_that_the_erp_has_otherwise_is_planned_with_the_edited_ones():
    shop, _, _ = exchanged()
    still_to_leave(shop, MUG, 2)
    shop.order = set_to(shop, MUG, 2)
    planned = plan_after_return(shop.order, shop.erp, EditParts(sold=True), shop.mapping)
    assert planned.only == (MUG,)
    still_to_leave(shop, MUG, 3)
    shop.order = set_to(shop, MUG, 3)
    assert plan_after_return(shop.order, shop.erp, EditParts(sold=True), shop.mapping).only == ()


def test_units_that_left_although_they_were_taken_off_are_named():
    shop, _, _ = exchanged()
    all_sent = shop.erp
    shop.order = set_to(shop, MUG, 2)
    still_to_leave(shop, MUG, 2)
    shop.erp = all_sent
    with pytest.raises(
        PlanRefused, match="1 unit of line 12 had been taken off in the store and left"
    ) as told:
        plan_after_return(shop.order, shop.erp, EditParts(sold=True, lines=(MUG,)), shop.mapping)
    assert told.value.cause.startswith("edit_after_return:")


def test_a_line_of_which_units_came_back_shows_that_others_were_taken_off():
    """Two left and one of them came back, which leaves one with the buyer and one to send; that one is taken off."""
    order = make_order(lines=[make_line("11", ordered=3)], placement={"11": {"101": 3}})
    part = FulfillmentLine(line_id="11", quantity=2)
    sent = Fulfillment(fulfillment_id="f1", location="101", lines=(part,))
    before, after = (_with_open(order, sent, current, to_leave) for current, to_leave in ((2, 1), (1, 0)))
    edit = amendment_between(before, after, {"11": 2})
    assert [
        (x.line_id, x.before and x.before.quantity, x.after and x.after.quantity) for x in edit.lines
    ] == [("11", 2, 1)]
    assert edit_parts(before, after, {"11": 2}, ()).lines == ("11",)


def _with_open(order: Order, sent: Fulfillment, current: int, to_leave: int) -> Order:
    line = order.lines[0].model_copy(update={"current": current})
    part = LocationLine(id="p11", line_id="11", quantity=to_leave, remaining=to_leave)
    plans = (LocationPlan(id="east", location="101", open=bool(to_leave), lines=(part,)),)
    return order.model_copy(update={"lines": (line,), "fulfillments": (sent,), "location_plans": plans})


def test_what_is_held_beyond_an_exchange_that_was_lowered_goes_back_once():
    shop, return_id, new = exchanged()
    paid = shop.kept
    shop.order = after_edit(shop.order, shop.placed, new, 1)
    shop.send(return_id)
    assert not prove(shop.order, shop.erp, shop.mapping).report.balanced
    money = held_beyond_worth(shop.order, shop.erp)
    assert sum(part.amount for part in money) == paid - shop.order.presentment_total > 0
    by_hand = make_payment("1", PaymentKind.REFUND, payment_id="by hand", gateway="store_credit")
    known = shop.order.model_copy(update={"payments": (*shop.order.payments, by_hand)})
    assert (
        sum(part.amount for part in held_beyond_worth(known, shop.erp)) == paid - known.presentment_total - 1
    )
    shop.give(money)
    assert prove(shop.order, shop.erp, shop.mapping).report.balanced
    assert held_beyond_worth(shop.order, shop.erp) == ()
    # Of an order without exchanges nobody knows why more is held.
    plain = Shop(make_order(), wide_mapping(), Decimal("25.00"))
    assert (
        held_beyond_worth(plain.order.model_copy(update={"presentment_total": Decimal(0)}), plain.erp) == ()
    )


def test_the_erp_has_an_exchange_otherwise_until_it_is_amended():
    shop, return_id, new = exchanged()
    shop.send(return_id)
    assert not differing_exchanges(shop.order, shop.erp)
    assert differing_exchanges(set_to(shop, new, 3), shop.erp)


def test_what_was_paid_for_an_exchange_before_its_goods_were_back_goes_back_once():
    shop = Shop(make_order(), wide_mapping(), Decimal("25.00"))
    return_id = shop.ask({shop.order.lines[0].line_id: 1})
    shop.release(return_id)
    assert shop.pay() > 0
    shop.send(return_id)
    shop.settle(return_id)
    assert prove(shop.order, shop.erp, shop.mapping).report.balanced
    assert held_beyond_worth(shop.order, shop.erp) == ()


def test_an_order_that_came_back_to_life_knows_what_its_earlier_returns_gave_back():
    shop = Shop(make_order(), wide_mapping(), Decimal("5.00"))
    line = shop.order.lines[0].line_id
    before = shop.order.presentment_total
    return_id = shop.ask({line: 1})
    shop.release(return_id)
    shop.send(return_id)
    shop.settle(return_id)
    state = OrderState(key=shop.order.key, order=shop.order, erp=shop.erp)
    back = sum(
        (p.presentment_amount for p in shop.order.payments if p.kind is PaymentKind.REFUND), Decimal(0)
    )
    assert back > 0
    assert before - shop.kept == back
    assert state.given_back == back
    known = ReturnBrief(number="R1", lines={line: 1}, ended=True, given_back=back)
    assert state.model_copy(update={"returns": {return_id: known}}).given_back == back, "not twice"
