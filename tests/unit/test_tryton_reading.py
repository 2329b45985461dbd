"""Tryton's records to ``ErpOrder``: states, kits, tracking, tax by tax."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from activities.contracts import AmendedOrder
from adapters.errors import ContractBroken
from adapters.tryton.reading import read_order
from adapters.tryton.records import read_record
from adapters.tryton.shipments import has_drifted
from domain.erp_order import (
    ErpInvoice,
    ErpInvoiceState,
    ErpOrderState,
    ErpShipmentState,
    ShipmentLine,
    TaxAdjustment,
    TaxAdjustmentCause,
    TaxAmount,
)
from workflows import happenings

VAT = {
    "id": 5,
    "description": "VAT-20",
    "type": "percentage",
    "rate": Decimal("0.20"),
    "amount": None,
    "sequence": 1,
}
CENT = {"id": 6, "description": "VAT-20-ROUNDING", "type": "fixed", "rate": None, "amount": Decimal("0.01")}


def move(number: int, quantity: float, shipment: int | None = 1, state: str = "draft") -> dict[str, Any]:
    place = None if shipment is None else f"stock.shipment.out,{shipment}"
    return {"id": number, "quantity": quantity, "shipment": place, "state": state}


def line(number: int, quantity: float, *moves: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "id": number,
        "type": "line",
        "product.": {"id": 1, "code": "TEE", "type": "goods"},
        "quantity": quantity,
        "unit_price": Decimal("10.0000"),
        "note": f"Store line: L{number}\nShips from: EAST",
        "taxes.": [],
        "moves.": list(moves),
        "components.": [],
        **changes,
    }


def kit(number: int, quantity: float, *components: tuple[float, list[dict[str, Any]]]) -> dict[str, Any]:
    parts = [
        {"id": 70 + n, "quantity": units, "moves.": moves} for n, (units, moves) in enumerate(components)
    ]
    product = {"id": 2, "code": "KIT", "type": "kit"}
    return line(number, quantity, **{"components.": parts, "product.": product})


def shipment(number: int, state: str = "waiting", **changes: Any) -> dict[str, Any]:
    return {
        "id": number,
        "number": f"S{number}",
        "state": state,
        "warehouse.": {"id": 3, "code": "EAST"},
        "reference": None,
        "effective_date": date(2026, 3, number) if state == "done" else None,
        "carrier.": None,
        **changes,
    }


def sale(*lines: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "id": 12,
        "number": "77",
        "state": "processing",
        "web_id": "5001",
        "web_shop.": {"id": 1, "name": "shop"},
        "party": 4,
        "total_amount": Decimal("30.00"),
        "tax_amount": Decimal("0.00"),
        "shipment_state": "waiting",
        "invoice_state": "pending",
        "currency.": {"id": 1, "code": "USD", "rounding": Decimal("0.01")},
        "warehouse.": {"id": 3, "code": "EAST"},
        "lines.": list(lines),
        "shipments.": [shipment(1)],
        "invoices.": [invoice()],
        **changes,
    }


def invoice(number: int = 90, state: str = "draft", net: str = "30.00", tax: str = "0.00") -> dict[str, Any]:
    amounts = {"untaxed_amount": Decimal(net), "tax_amount": Decimal(tax)}
    total = amounts["untaxed_amount"] + amounts["tax_amount"]
    called = None if state == "draft" else f"I{number}"
    return {"id": number, "state": state, "number": called, **amounts, "total_amount": total}


def read(*lines: dict[str, Any], **changes: Any) -> Any:
    return read_order(read_record(sale(*lines, **changes)))


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("draft", ErpOrderState.DRAFT),
        ("quotation", ErpOrderState.DRAFT),
        ("confirmed", ErpOrderState.DRAFT),
        ("processing", ErpOrderState.ACCEPTED),
        ("done", ErpOrderState.DONE),
        ("cancelled", ErpOrderState.CANCELED),
    ],
)
def test_states_of_a_sale(state: str, expected: ErpOrderState) -> None:
    assert read(line(1, 3.0, move(1, 3.0)), state=state).state is expected


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("draft", ErpShipmentState.WAITING),
        ("waiting", ErpShipmentState.WAITING),
        ("assigned", ErpShipmentState.RESERVED),
        ("picked", ErpShipmentState.PICKED),
        ("packed", ErpShipmentState.PACKED),
        ("shipped", ErpShipmentState.SHIPPED),
        ("done", ErpShipmentState.SHIPPED),
        ("cancelled", ErpShipmentState.CANCELED),
    ],
)
def test_states_of_a_shipment(state: str, expected: ErpShipmentState) -> None:
    (read_shipment,) = read(line(1, 3.0, move(1, 3.0)), **{"shipments.": [shipment(1, state)]}).shipments
    assert read_shipment.state is expected


@pytest.mark.parametrize("where", ["sale", "shipment"])
def test_an_unknown_state_breaks_the_contract(where: str) -> None:
    changes = {"state": "lost"} if where == "sale" else {"shipments.": [shipment(1, "lost")]}
    with pytest.raises(ContractBroken, match="unknown state 'lost'"):
        read(line(1, 3.0), **changes)


def test_an_answer_without_a_field_names_it() -> None:
    raw = sale()
    del raw["total_amount"]
    with pytest.raises(ContractBroken, match="total_amount"):
        read_record(raw)


def test_a_sale_whose_shipments_and_invoices_are_all_canceled_is_canceled() -> None:
    canceled: dict[str, Any] = {
        "state": "done",
        "shipment_state": "none",
        "invoice_state": "none",
        "shipments.": [shipment(1, "cancelled")],
        "invoices.": [invoice(state="cancelled")],
    }
    lines = line(1, 3.0, move(1, 3.0, state="cancelled"))
    assert read(lines, **canceled).state is ErpOrderState.CANCELED
    for still in (
        {"shipment_state": "exception"},
        {"invoice_state": "exception"},
        {"invoices.": [invoice(state="paid")]},
    ):
        assert read(lines, **{**canceled, **still}).state is ErpOrderState.DONE
    assert read(line(1, 3.0, move(1, 3.0, state="done")), **canceled).state is ErpOrderState.DONE


def test_a_line_split_for_its_price_is_one_line() -> None:
    parts = (line(1, 2.0, move(1, 2.0)), line(2, 3.0, move(2, 3.0), note="Store line: L1\nShips from: EAST"))
    order = read(*parts)
    assert [(each.line_id, each.warehouse, each.quantity) for each in order.lines] == [("L1", "EAST", 5)]
    assert order.shipments[0].lines == (ShipmentLine(line_id="L1", quantity=5),)


def test_lines_that_people_added_are_told_and_rounding_is_not() -> None:
    rounding = line(2, 1.0, note="Tax rounding: VAT-20 +0.01")
    added = line(3, 4.0, note="thanks for waiting")
    title = {"id": 4, "type": "title"}
    order = read(line(1, 1.0), rounding, added, title)
    assert [(each.line_id, each.quantity) for each in order.lines] == [("L1", 1), ("erp:3", 4)]


def test_a_partial_shipment_counts_what_is_in_each() -> None:
    order = read(
        line(
            1, 5.0, move(1, 2.0, 1, "done"), move(2, 3.0, 2), move(3, 1.0, 2, "cancelled"), move(4, 9.0, None)
        ),
        **{"shipments.": [shipment(1, "done"), shipment(2)]},
    )
    assert [each.lines for each in order.shipments] == [
        (ShipmentLine(line_id="L1", quantity=2),),
        (ShipmentLine(line_id="L1", quantity=3),),
    ]


def test_a_canceled_shipment_tells_what_it_held() -> None:
    order = read(line(1, 5.0, move(1, 5.0, 1, "cancelled")), **{"shipments.": [shipment(1, "cancelled")]})
    assert order.shipments[0].lines == (ShipmentLine(line_id="L1", quantity=5),)


def test_kits_are_counted_whole_as_their_last_component_leaves() -> None:
    order = read(
        kit(
            1,
            3.0,
            (3.0, [move(1, 2.0, 2, "done"), move(2, 1.0, 1)]),
            (6.0, [move(3, 3.0, 2, "done"), move(4, 3.0, 1)]),
        ),
        **{"shipments.": [shipment(1), shipment(2, "done")]},
    )
    first, second = order.shipments
    # Two tees and three pairs of socks left: one whole kit. The rest completes two.
    assert second.lines == (ShipmentLine(line_id="L1", quantity=1),)
    assert first.lines == (ShipmentLine(line_id="L1", quantity=2),)


def test_components_shipped_apart_make_the_kit_with_the_last() -> None:
    order = read(
        kit(1, 2.0, (2.0, [move(1, 2.0, 1, "done")]), (4.0, [move(2, 4.0, 2, "done")])),
        **{"shipments.": [shipment(1, "done"), shipment(2, "done")]},
    )
    assert [each.lines for each in order.shipments] == [(), (ShipmentLine(line_id="L1", quantity=2),)]


def test_a_canceled_shipment_of_kits_takes_none_from_the_others() -> None:
    order = read(
        kit(
            1,
            2.0,
            (2.0, [move(1, 2.0, 1, "cancelled"), move(2, 2.0, 2)]),
            (4.0, [move(3, 4.0, 1, "cancelled"), move(4, 4.0, 2)]),
        ),
        **{"shipments.": [shipment(1, "cancelled"), shipment(2)]},
    )
    assert [each.lines for each in order.shipments] == [(ShipmentLine(line_id="L1", quantity=2),)] * 2


def test_tracking_carrier_and_day_of_a_shipment() -> None:
    left = shipment(
        1, "done", reference="1Z999", **{"carrier.": {"id": 1, "party.": {"id": 2, "code": "UPS"}}}
    )
    (read_shipment,) = read(line(1, 1.0, move(1, 1.0)), **{"shipments.": [left]}).shipments
    assert (read_shipment.carrier, read_shipment.tracking_number) == ("UPS", "1Z999")
    assert read_shipment.shipped_at == datetime(2026, 3, 1, tzinfo=UTC)


def test_taxes_are_told_one_by_one_and_rounding_counts_to_its_tax() -> None:
    order = read(
        line(1, 3.0, **{"unit_price": Decimal("3.3367"), "taxes.": [VAT]}),
        line(2, 2.0, **{"unit_price": Decimal(0), "taxes.": [CENT], "note": "Tax rounding: VAT-20 +0.02"}),
        tax_amount=Decimal("2.02"),
    )
    assert order.taxes == (TaxAmount(code="VAT-20", amount=Decimal("2.02")),)


def test_a_tax_sum_that_the_lines_do_not_explain_is_not_hidden() -> None:
    order = read(line(1, 3.0, **{"taxes.": [VAT]}), tax_amount=Decimal("6.01"))
    assert TaxAmount(code="unexplained", amount=Decimal("0.01")) in order.taxes


WEST_NOTE = "Store line: L1\nShips from: WEST"
WEST = {"warehouse.": {"id": 9, "code": "WEST"}}


@pytest.mark.parametrize(
    ("shipments", "drifted"),
    [
        ([shipment(1)], False),
        ([shipment(1), shipment(2, "done")], True),
        ([shipment(1), shipment(2, "cancelled")], True),
        ([shipment(1, "draft"), shipment(2, "done")], True),
        ([shipment(1, "assigned"), shipment(2, "done")], False),
        ([shipment(1, "picked"), shipment(2, "done")], False),
        ([shipment(1, **WEST), shipment(2, "done")], False),
        ([shipment(1, "draft", **WEST)], False),
        ([shipment(1, "draft", **WEST), shipment(2, "done")], True),
    ],
)
def test_only_what_tryton_put_at_the_sales_warehouse_has_drifted(
    shipments: list[dict[str, Any]], drifted: bool
) -> None:
    lines = line(1, 1.0, move(1, 1.0), note=WEST_NOTE)
    assert has_drifted(read_record(sale(lines, **{"shipments.": shipments}))) is drifted


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("draft", ErpInvoiceState.DRAFT),
        ("validated", ErpInvoiceState.DRAFT),
        ("posted", ErpInvoiceState.POSTED),
        ("paid", ErpInvoiceState.PAID),
        ("cancelled", ErpInvoiceState.CANCELED),
    ],
)
def test_states_of_an_invoice(state: str, expected: ErpInvoiceState) -> None:
    (told,) = read(line(1, 3.0), **{"invoices.": [invoice(state=state)]}).invoices
    assert told.state is expected


def test_an_invoice_below_zero_is_a_credit_note() -> None:
    bills = [invoice(90, "posted", "30.00", "6.00"), invoice(91, "draft", "-10.00", "-2.00")]
    first, second = read(line(1, 3.0), **{"invoices.": bills}).invoices
    assert first == ErpInvoice(
        invoice_id="90",
        number="I90",
        state=ErpInvoiceState.POSTED,
        net=Decimal("30.00"),
        tax=Decimal("6.00"),
        total=Decimal("36.00"),
    )
    assert (second.is_credit, second.number) == (True, "")
    assert (second.net, second.tax, second.total) == (Decimal("10.00"), Decimal("2.00"), Decimal("12.00"))


def test_an_invoice_in_an_unknown_state_breaks_the_contract() -> None:
    with pytest.raises(ContractBroken, match="invoice 90 is in an unknown state 'lost'"):
        read(line(1, 3.0), **{"invoices.": [invoice(state="lost")]})


def test_the_line_of_an_accepted_difference_is_told_by_its_amount() -> None:
    adjustment = line(2, 1.0, unit_price=Decimal("-0.0100"), note="Store line: accepted-difference")
    assert read(line(1, 3.0), adjustment).adjustment == Decimal("-0.01")
    assert read(line(1, 3.0)).adjustment == 0


def test_what_brings_taxes_to_the_cent_is_told_by_its_cause() -> None:
    tolerated = line(2, 1.0, unit_price=Decimal("0.0200"), note="Store line: tax-difference")
    told = read(line(1, 3.0), tolerated)
    assert told.adjustment == Decimal("0.02")
    assert told.tax_adjustments == (
        TaxAdjustment(code="", cause=TaxAdjustmentCause.TOLERANCE, amount=Decimal("0.02")),
    )
    notes = ("Tax rounding: VAT-20 -0.01", "Tax difference within the tolerance: VAT-20 +0.02")
    cents = [
        line(3 + n, units, unit_price=Decimal(0), note=note, **{"taxes.": [CENT]})
        for n, (units, note) in enumerate(zip((-1.0, 2.0), notes, strict=True))
    ]
    told = read(line(1, 3.0), *cents)
    assert [(each.code, each.cause, each.amount) for each in told.tax_adjustments] == [
        ("VAT-20", TaxAdjustmentCause.ROUNDING, Decimal("-0.01")),
        ("VAT-20", TaxAdjustmentCause.TOLERANCE, Decimal("0.02")),
    ]
    assert read(line(1, 3.0)).tax_adjustments == ()


def test_what_edits_added_counts_as_the_orders_and_is_named() -> None:
    added = sale(line(2, 2.0), number="78", web_id="5001/supplement/1", total_amount=Decimal("20.00"))
    swapped = sale(line(3, 1.0), number="79", web_id="5001/exchange/7", total_amount=Decimal("5.00"))
    beside = [{**each, "id": number} for number, each in enumerate((added, swapped), 13)]
    told = read(line(1, 3.0), beside=beside)
    assert (told.number, told.supplements, told.total) == ("77", ("78",), Decimal("55.00"))
    assert [each.return_id for each in told.exchanges] == ["7"]
    amended = happenings.amended(AmendedOrder(erp=told), told, None)
    assert amended == "Edit carried into 77, USD 50.00 now, 78 included."
    canceled = [{**each, "state": "cancelled"} for each in beside]
    assert read(line(1, 3.0), beside=canceled).supplements == ()
