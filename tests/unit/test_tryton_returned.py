"""What Tryton's records say of goods that came back, and how whole units are told from pieces."""

from decimal import Decimal
from typing import Any

import pytest

from adapters.errors import ContractBroken
from adapters.tryton.bundles import Bundle, Part, count_parts, take, take_parts
from adapters.tryton.reading import read_order
from adapters.tryton.records import read_record
from adapters.tryton.returned import doubles_of, papers_of, rest_of, short_returns
from domain.erp_order import CreditedLine, ErpReturn, ErpReturnState, KitPart, ShipmentLine
from tests.unit.test_tryton_reading import invoice, kit, line, move, sale

REFERENCE = "#1001-R1 (return:shop:5001:7; L1=3) too small"


def back(
    number: int,
    pieces: float,
    *,
    paper: int = 40,
    state: str = "draft",
    reference: str | None = REFERENCE,
    again: float = 0,
) -> dict[str, Any]:
    """An incoming move of return shipment ``paper``; ``again``: pieces on a shipment to the buyer."""
    inside = {"draft": "draft", "received": "done", "done": "done", "cancelled": "cancelled"}[state]
    onward = [{"id": number + 500, "quantity": again, "shipment": "stock.shipment.out,9", "state": "draft"}]
    return {
        "id": number,
        "quantity": pieces,
        "state": inside,
        "shipment": f"stock.shipment.out.return,{paper}",
        "shipment.": {"id": paper, "number": f"R{paper}", "state": state, "reference": reference},
        "outcome_moves.": onward if again else [],
    }


def sent(number: int, pieces: float, *outcome: dict[str, Any]) -> dict[str, Any]:
    return {**move(number, pieces, state="done"), "outcome_moves.": list(outcome)}


def credit(state: str, *invoices: dict[str, Any], **changes: Any) -> dict[str, Any]:
    given = line(80, -2.0, note="Store line: L1\nUnits given back")
    fee = line(81, 1.0, note="Store line: restocking-fee", unit_price=Decimal("4.00"))
    told = {
        "id": 60,
        "web_id": "5001/return/7",
        "state": state,
        "total_amount": Decimal("-16.00"),
        "invoices.": list(invoices),
        **changes,
    }
    return sale(given, fee, **told)


def returned(*outcome: dict[str, Any], credited: tuple[dict[str, Any], ...] = ()) -> tuple[ErpReturn, ...]:
    order = sale(line(1, 4.0, sent(30, 4.0, *outcome)), credits=list(credited))
    return read_order(read_record(order)).returns


@pytest.mark.parametrize(
    ("state", "expected", "received"),
    [
        ("draft", ErpReturnState.EXPECTED, 0),
        ("received", ErpReturnState.RECEIVED, 2),
        ("done", ErpReturnState.RECEIVED, 2),
        ("cancelled", ErpReturnState.CANCELED, 0),
    ],
)
def test_the_return_shipment_says_how_far_the_goods_are(
    state: str, expected: ErpReturnState, received: int
) -> None:
    (told,) = returned(back(41, 2.0, state=state))
    assert (told.return_id, told.number, told.state) == ("7", "R40", expected)
    assert told.expected == (ShipmentLine(line_id="L1", quantity=3),)
    assert sum(part.quantity for part in told.received) == received


def test_a_state_that_nobody_knows_breaks_the_contract() -> None:
    with pytest.raises(ContractBroken, match="R40 'lost'"):
        returned(
            {
                **back(41, 2.0),
                "shipment.": {"id": 40, "number": "R40", "state": "lost", "reference": REFERENCE},
            }
        )


def test_a_posted_credit_settles_it_and_a_draft_one_does_not() -> None:
    done = back(41, 2.0, state="done")
    posted = invoice(91, "posted", "-16.00")
    (settled,) = returned(done, credited=(credit("processing", posted),))
    assert (settled.state, settled.total, settled.fee) == (
        ErpReturnState.SETTLED,
        Decimal("16.00"),
        Decimal("4.00"),
    )
    assert settled.credited == (CreditedLine(line_id="L1", quantity=2, net=Decimal("20.00")),)
    (open_,) = returned(done, credited=(credit("quotation"),))
    assert (open_.state, open_.total) == (ErpReturnState.RECEIVED, 0)
    (drafted,) = returned(done, credited=(credit("processing", invoice(91, "draft", "-16.00")),))
    assert drafted.state is ErpReturnState.RECEIVED


def test_a_credit_without_goods_is_told_once_it_is_posted() -> None:
    assert returned(credited=(credit("processing", invoice(91, "draft", "-16.00")),)) == ()
    (told,) = returned(credited=(credit("done", invoice(91, "paid", "-16.00"), number="S77"),))
    assert (told.state, told.number, told.received) == (ErpReturnState.SETTLED, "S77", ())


def test_the_credit_note_is_an_invoice_of_the_order() -> None:
    posted = credit("processing", invoice(91, "posted", "-16.00"))
    order = read_order(read_record(sale(line(1, 4.0), credits=[posted])))
    assert [(each.is_credit, each.total) for each in order.invoices] == [(False, 30), (True, 16)]
    assert order.total == 30


def test_goods_that_are_all_sent_again_are_settled_without_a_credit() -> None:
    (told,) = returned(back(41, 2.0, state="done", again=2))
    assert told.state is ErpReturnState.SETTLED
    (part,) = returned(back(41, 2.0, state="done", again=1))
    assert part.state is ErpReturnState.RECEIVED


def test_what_people_enter_by_themselves_is_a_return_of_its_own() -> None:
    (told,) = returned(back(41, 2.0, state="received", reference=None))
    assert (told.return_id, told.state) == ("erp-40", ErpReturnState.RECEIVED)
    assert told.expected == told.received == (ShipmentLine(line_id="L1", quantity=2),)


def test_a_reference_of_another_order_is_none_of_ours() -> None:
    other = REFERENCE.replace("5001", "50010")
    (told,) = returned(back(41, 2.0, reference=other))
    assert told.return_id == "erp-40"


def test_fewer_units_than_announced_leave_a_rest_until_it_is_canceled_or_credited() -> None:
    short = read_record(sale(line(1, 4.0, sent(30, 4.0, back(41, 2.0, state="received")))))
    (papers,) = short_returns(short).values()
    assert rest_of(papers) == {"L1": 1}
    waiting = sent(30, 4.0, back(41, 2.0, state="received"), back(42, 1.0, paper=43))
    assert short_returns(read_record(sale(line(1, 4.0, waiting)))) == {}
    given_up = sent(30, 4.0, back(41, 2.0, state="received"), back(42, 1.0, paper=43, state="cancelled"))
    assert short_returns(read_record(sale(line(1, 4.0, given_up)))) == {}
    begun = sale(line(1, 4.0, sent(30, 4.0, back(41, 2.0, state="done"))), credits=[credit("draft")])
    assert short_returns(read_record(begun)) == {}


def test_a_draft_by_which_more_would_come_than_was_announced_is_a_double() -> None:
    twice = sale(line(1, 4.0, sent(30, 4.0, back(41, 3.0), back(42, 3.0, paper=43))))
    (papers,) = papers_of(read_record(twice)).values()
    assert [paper.id for paper in doubles_of(papers)] == [43]
    parts = sale(line(1, 4.0, sent(30, 4.0, back(41, 2.0, state="received"), back(42, 1.0, paper=43))))
    (papers,) = papers_of(read_record(parts)).values()
    assert doubles_of(papers) == []


def test_kits_are_told_as_far_as_all_their_parts_are_there() -> None:
    reference = REFERENCE.replace("L1=3", "L1=2")
    parts = kit(
        1,
        2.0,
        (2.0, [sent(30, 2.0, back(41, 2.0, state="received", reference=reference))]),
        (4.0, [sent(31, 4.0, back(42, 3.0, state="received", reference=reference))]),
    )
    (told,) = read_order(read_record(sale(parts))).returns
    assert told.received == (
        ShipmentLine(line_id="L1", quantity=1),
        ShipmentLine(line_id="L1/component 70", quantity=1),
        ShipmentLine(line_id="L1/component 71", quantity=1),
    )


def test_units_are_taken_from_one_move_after_the_other_and_what_lacks_is_told() -> None:
    goods = Bundle("a", (Part(Decimal(1), {1: Decimal(2), 2: Decimal(3)}),))
    kits = Bundle("k", (Part(Decimal(1), {3: Decimal(2)}), Part(Decimal(2), {4: Decimal(3)})))
    taken = take([goods, kits], {"a": 3, "k": 2, "unknown": 1})
    assert taken.pieces == {1: 2, 2: 1, 3: 1, 4: 2}
    assert taken.short == {"k": 1, "unknown": 1}
    assert {bundle.line_id: bundle.units for bundle in taken.left} == {"a": 2, "k": 0}


def test_pieces_of_kits_are_taken_whichever_paper_they_are_on() -> None:
    kits = {"k": (KitPart(product="TEE", quantity=1), KitPart(product="SOCK", quantity=2))}
    first = Bundle("k", (Part(Decimal(1), {3: Decimal(2)}, "TEE"), Part(Decimal(2), {}, "SOCK")))
    second = Bundle("k", (Part(Decimal(1), {}, "TEE"), Part(Decimal(2), {4: Decimal(3)}, "SOCK")))
    assert count_parts([first, second], kits) == {"k": 1, "k/TEE": 1, "k/SOCK": 1}
    taken = take_parts([first, second], {"k": 1, "k/SOCK": 3, "a": 1}, kits)
    assert taken.pieces == {3: 1, 4: 3}
    assert taken.short == {"k/SOCK": 2, "a": 1}
    assert count_parts(taken.left, kits) == {"k/TEE": 1}
    assert take_parts([first], {"k": 2}, kits).short == {"k/SOCK": 4}
