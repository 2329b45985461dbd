"""What the Temporal UI shows of an order: Markdown that it draws well, in whole sentences."""

from datetime import UTC, datetime
from decimal import Decimal

from activities.contracts import RestCanceled
from domain.differences import Difference
from domain.order import LineKind, Payment, PaymentKind
from domain.payment_outlook import PaymentOutlook
from domain.quantities import lines_from_order
from tests.order_builder import make_line, make_order
from workflows import cancel_story, happenings, narrative
from workflows.messages import Attention, OperatorMessage, Problem, TimelineEntry
from workflows.order_state import OrderState
from workflows.steps import Step

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


def refused_order() -> OrderState:
    order = make_order("5001")
    return OrderState(
        key=order.key,
        order=order,
        lines=lines_from_order(order),
        reread=False,
        problem=Problem(
            cause="product_unknown", reason="the ERP has no product ABC", remedy="Add it.", since=NOON
        ),
        timeline=(TimelineEntry(at=NOON, actor="Orderwright", text="Stopped: it has no product ABC."),),
    )


def test_a_problem_says_what_it_is_and_what_to_do_each_in_a_paragraph() -> None:
    parts = narrative.details(refused_order()).split("\n\n")
    assert parts[1:3] == ["**Needs a person:** the ERP has no product ABC.", "**What to do:** Add it."]
    assert parts[3].startswith("**You can send** `cancel`, `resubmit`, `hold`: More Actions, Send a Signal")
    assert narrative.waiting_for(refused_order()) == "a person: the ERP has no product ABC. Add it."


def test_lines_and_story_are_two_lists_with_a_heading_each() -> None:
    parts = narrative.details(refused_order()).split("\n\n")
    assert parts[4].startswith("or `cancel` for some units alone")
    assert parts[5:] == [
        "**Lines**",
        "- TEE-BLK-M: 0 of 2 shipped",
        "**Story (UTC)**",
        "- 2026-07-01 12:00:00 Orderwright: Stopped: it has no product ABC.",
    ]


def test_a_line_tells_what_became_of_its_units_and_nothing_that_did_not_happen() -> None:
    state = refused_order()
    line = state.lines[0]
    rows = [
        line.model_copy(update={"shipped": 2, "returned": 1, "refunded": 1}),
        line.model_copy(update={"canceled": 2}),
        line.model_copy(update={"canceled": 1, "backordered": 1}),
    ]
    details = narrative.details(state.model_copy(update={"lines": tuple(rows)}))
    for told in ("2 of 2 shipped, 1 returned", "2 canceled", "0 of 1 shipped, 1 on backorder, 1 canceled"):
        assert f"\n- TEE-BLK-M: {told}\n" in details


def test_a_tip_is_no_unit_of_an_order() -> None:
    tip = make_line("12", None, 1, kind=LineKind.TIP, title="Tip", requires_shipping=False)
    order = make_order("5001", lines=[make_line("11", "TEE-BLK-M", 2), tip])
    assert ": 2 units, USD " in happenings.received(order)
    state = OrderState(key=order.key, order=order, lines=lines_from_order(order), reread=False)
    assert "Tip" not in narrative.details(state)


def test_what_was_given_back_for_a_rest_is_what_was_refunded_for_it() -> None:
    order = make_order("5001")
    taken = order.payments[0].model_copy(update={"payment_id": "2", "kind": PaymentKind.CAPTURE})
    refund = taken.model_copy(
        update={"payment_id": "3", "kind": PaymentKind.REFUND, "amount": Decimal("5.00")}
    )
    outlook = PaymentOutlook()

    def told(*payments: Payment) -> str:
        after = order.model_copy(update={"payments": payments})
        canceled = RestCanceled(order=after, payment=outlook)
        return cancel_story.units_canceled(order, {order.lines[0].line_id: 1}, canceled)

    now = f"Canceled 1 unit of TEE-BLK-M in the storefront: USD {order.total} now"
    assert told(*order.payments, taken) == f"{now}."
    assert told(*order.payments, taken, refund) == f"{now}, USD 5.00 given back."


def test_before_the_first_read_there_is_no_empty_list_and_no_heading_without_one() -> None:
    details = narrative.details(OrderState(key=make_order("5001").key))
    assert details.startswith("### shop:5001: Received; not read from the storefront yet.")
    assert "**Waits for** reading the order from the storefront" in details
    assert "**Lines**" not in details
    assert "**Story" not in details


def test_an_order_that_ended_offers_nothing() -> None:
    state = refused_order().model_copy(update={"problem": None, "outcome": Attention.CANCELED})
    details = narrative.details(state)
    assert "Canceled in both systems." in details
    assert "You can send" not in details


def test_one_unit_is_not_one_units() -> None:
    order = make_order("5001", lines=(make_line("11", "TEE-BLK-M", 1),))
    (line,) = lines_from_order(order)
    left = {"order": order, "lines": (line.model_copy(update={"shipped": 1}),)}
    assert cancel_story.obstacle(refused_order().model_copy(update=left)).startswith("1 unit has left")


def test_what_can_be_accepted_says_how() -> None:
    state = refused_order()
    assert state.problem is not None
    cent = Difference(name="total", storefront=Decimal("1.00"), erp=Decimal("1.01"))
    differing = state.model_copy(
        update={"problem": state.problem.model_copy(update={"differences": (cent,)})}
    )
    assert narrative.can_do(differing) == ("cancel", "resubmit", "accept", "hold")
    details = narrative.details(differing)
    assert '`accept`, which takes what differs as it is, with `{"actor": "you", "reason": "why"}`' in details
    assert "`accept`" not in narrative.details(state)
    assert narrative.unnamed(OperatorMessage(reason="why"), "accepts") == "say who accepts (actor)"
    assert narrative.unnamed(OperatorMessage(actor="Ada", reason=" "), "accepts") == "say why (reason)"
    assert narrative.unnamed(OperatorMessage(actor="Ada", reason="why"), "accepts") == ""


def test_a_remedy_is_that_of_the_cause_or_of_the_step() -> None:
    assert "Bring stock in" in narrative.remedy(Step.SUBMIT, "out_of_stock")
    assert narrative.remedy(Step.SUBMIT, "volcano:etna").startswith(
        "Mend the cause in the ERP or the mapping"
    )
