"""The ledger records what both systems tell, each entry with its source, and its equations miss no cent."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.balance import prove
from domain.capture import plan_captures
from domain.differences import Acceptance
from domain.erp_order import ErpInvoice, ErpInvoiceState, ErpOrder, ErpOrderState
from domain.ledger import Entry, EntryKind, Ledger, Side, write_ledger
from domain.mapping import CompanyRule, Unmapped
from domain.order import Fulfillment, FulfillmentLine, Order, PaymentKind, PaymentStatus
from domain.planning import plan_sales_order
from domain.quantities import delivered_units, shipped_units
from tests.order_builder import (
    after_leaving,
    make_discount,
    make_erp_order,
    make_line,
    make_order,
    make_payment,
    make_shipment,
    make_shipping,
    sandbox_mapping,
)
from tests.order_strategy import erp_histories, orders, wide_mapping

MAPPING = sandbox_mapping()
CENT = Decimal("0.01")


def bill(order: ErpOrder, total: Decimal | None = None, **changes) -> ErpOrder:
    """Invoiced as the order is, unless told otherwise."""
    tax = sum((t.amount for t in order.taxes), Decimal(0))
    total = order.total if total is None else total
    values = {
        "invoice_id": "7",
        "number": "I7",
        "state": ErpInvoiceState.POSTED,
        "net": total - tax,
        "tax": tax,
        "total": total,
    }
    invoice = ErpInvoice(**values | changes)
    return order.model_copy(update={"invoices": (*order.invoices, invoice)})


def finish(order: Order, erp: ErpOrder) -> Order:
    """The order once the storefront was told of all parcels, and their worth was captured."""
    lines = tuple(FulfillmentLine(line_id=line, quantity=n) for line, n in shipped_units(erp).items())
    told = (Fulfillment(fulfillment_id="1", location="101", lines=lines),) if lines else ()
    captures = tuple(
        make_payment(s.capture_up_to, PaymentKind.CAPTURE, payment_id=f"9{n}", parent_id=s.authorization_id)
        for n, s in enumerate(plan_captures(order, delivered_units(order, erp)))
    )
    left = after_leaving(order, shipped_units(erp))
    return left.model_copy(update={"fulfillments": told, "payments": (*order.payments, *captures)})


ORDER = make_order(
    lines=[
        make_line(ordered=3, current=2, discounts=[make_discount("4.00")]),
        make_line("12", "CAP-BLK", 1),
    ],
    shipping=[make_shipping()],
)
ERP = bill(make_erp_order(plan_sales_order(ORDER, MAPPING), [make_shipment({"11": 2, "12": 1})]))
CLOSED = finish(ORDER, ERP)


def found(ledger: Ledger, kind: EntryKind, side: Side) -> list[Entry]:
    return [e for e in ledger.entries if (e.kind, e.side) == (kind, side)]


def broken(order: Order, erp: ErpOrder | None) -> list[str]:
    return [each.told.name for each in prove(order, erp, MAPPING).equations if not each.holds]


def test_every_entry_names_the_document_it_stands_in():
    ledger = write_ledger(CLOSED, ERP, MAPPING)
    assert {(e.kind.value, e.side.value, e.document) for e in ledger.entries} == {
        ("ordered", "store", "order #5001"),
        ("canceled", "store", "order #5001"),
        ("discounted", "store", "order #5001"),
        ("taxed", "store", "order #5001"),
        ("total", "store", "order #5001"),
        ("shipped", "store", "fulfillment 1"),
        ("authorized", "store", "authorization 801 (shopify_payments)"),
        ("captured", "store", "capture 90 (shopify_payments)"),
        ("ordered", "ERP", "order SO5001"),
        ("taxed", "ERP", "order SO5001"),
        ("total", "ERP", "order SO5001"),
        ("shipped", "ERP", "shipment S1"),
        ("invoiced", "ERP", "invoice I7, posted"),
    }


def test_what_an_edit_took_off_is_ordered_and_canceled():
    ledger = write_ledger(CLOSED, ERP, MAPPING)
    ordered, canceled = (
        found(ledger, EntryKind.ORDERED, Side.STORE)[0],
        found(ledger, EntryKind.CANCELED, Side.STORE),
    )
    price = ORDER.lines[0].unit_price
    assert (ordered.subject, ordered.units, ordered.amount) == ("11", 3, 3 * price)
    assert [(e.subject, e.units, e.amount) for e in canceled] == [("11", 1, price)]
    assert ordered.words == f"3 units, USD {3 * price}"
    assert canceled[0].words == f"1 unit, USD {price}"


def test_taxes_stand_under_the_erps_codes_and_without_a_mapping_under_their_titles():
    ledger = write_ledger(CLOSED, ERP, MAPPING)
    for code in {tax.code for tax in ERP.taxes}:
        booked = sum(tax.amount for tax in ERP.taxes if tax.code == code)
        assert ledger.amount(Side.STORE, EntryKind.TAXED, subject=code) == booked
        assert ledger.amount(Side.ERP, EntryKind.TAXED, subject=code) == booked
    assert write_ledger(CLOSED, None, None).subjects(EntryKind.TAXED) == ["City Tax", "State Tax"]
    with pytest.raises(Unmapped):
        write_ledger(CLOSED, ERP, sandbox_mapping(taxes=[]))


def test_only_payments_that_went_through_are_recorded():
    pending = make_payment("1.00", PaymentKind.CAPTURE, payment_id="5", status=PaymentStatus.PENDING)
    failed = make_payment("1.00", PaymentKind.REFUND, payment_id="6", status=PaymentStatus.FAILED)
    order = CLOSED.model_copy(update={"payments": (*CLOSED.payments, pending, failed)})
    assert write_ledger(order, ERP, MAPPING) == write_ledger(CLOSED, ERP, MAPPING)


def test_a_finished_order_is_proved_equation_by_equation():
    proof = prove(CLOSED, ERP, MAPPING)
    assert proof.report.balanced
    sentences = [each.sentence("USD") for each in proof.equations]
    assert f"total: both USD {ORDER.total}" in sentences
    assert "units shipped of line 11 (T-shirt black M): both 2" in sentences
    assert f"money taken less refunds, beside the value delivered: both USD {ORDER.total}" in sentences
    assert f"invoiced less credited: both USD {ORDER.total}" in sentences


@given(orders(), st.data())
def test_any_order_that_was_carried_to_its_end_is_balanced_and_any_cent_off_is_not(order, data):
    erp = bill(data.draw(erp_histories(plan_sales_order(order, wide_mapping())))[-1])
    done = finish(order, erp)
    assert prove(done, erp, wide_mapping()).report.balanced

    refund = make_payment(CENT, PaymentKind.REFUND, payment_id="99")
    cents = {
        "total": (done, erp.model_copy(update={"total": erp.total + CENT})),
        "parts": (done.model_copy(update={"total": done.total + CENT}), erp),
        "money": (done.model_copy(update={"payments": (*done.payments, refund)}), erp),
        "invoiced": (done, bill(erp, CENT, invoice_id="8", net=CENT, tax=Decimal(0))),
    }
    kind = data.draw(st.sampled_from(sorted(cents)))
    report = prove(*cents[kind], wide_mapping()).report
    assert kind in {difference.name.split()[0] for difference in report.differences}


UNBILLED = bill(ERP.model_copy(update={"invoices": ()}), state=ErpInvoiceState.CANCELED)


@pytest.mark.parametrize(
    ("erp", "expected"),
    [
        (ERP.model_copy(update={"invoices": ()}), []),
        (bill(ERP, state=ErpInvoiceState.CANCELED, invoice_id="8"), []),
        (UNBILLED, ["invoiced less credited"]),
        (bill(ERP, CENT, invoice_id="8"), ["invoiced less credited"]),
        (bill(bill(ERP, CENT, invoice_id="8"), CENT, invoice_id="9", is_credit=True), []),
        (bill(ERP, CENT, invoice_id="9", is_credit=True), ["invoiced less credited"]),
        (bill(ERP.model_copy(update={"invoices": ()}), state=ErpInvoiceState.DRAFT, number=""), []),
    ],
    ids=["none told", "canceled", "canceled alone", "one more", "and credited", "credited alone", "a draft"],
)
def test_invoices_less_credit_notes_are_the_erps_total(erp: ErpOrder, expected: list[str]):
    assert broken(CLOSED, erp) == expected


def test_a_canceled_order_may_not_be_invoiced():
    void = make_payment(ORDER.total, PaymentKind.VOID, payment_id="95", parent_id="801")
    canceled = ORDER.model_copy(
        update={"canceled_at": datetime(2026, 3, 3, tzinfo=UTC), "payments": (*ORDER.payments, void)}
    )
    erp = ERP.model_copy(update={"state": ErpOrderState.CANCELED, "shipments": ()})
    assert broken(canceled, erp) == ["invoiced less credited though canceled"]
    assert broken(canceled, bill(erp, invoice_id="8", is_credit=True)) == []
    unbilled = UNBILLED.model_copy(update={"state": ErpOrderState.CANCELED, "shipments": ()})
    assert broken(canceled, unbilled) == []


def test_an_order_worth_nothing_needs_no_invoice_that_stands():
    gift = make_order(lines=[make_line(unit_price="0", tax_rates=())])
    erp = make_erp_order(plan_sales_order(gift, MAPPING), [make_shipment({"11": 2})])
    assert broken(finish(gift, erp), bill(erp, state=ErpInvoiceState.CANCELED)) == []


def test_the_parts_of_an_order_come_to_its_total_with_what_a_person_accepted():
    order = make_order()
    off = order.model_copy(update={"total": order.total + CENT, "presentment_total": order.total + CENT})
    erp = make_erp_order(plan_sales_order(order, MAPPING), total=off.total)
    assert [name.split()[0] for name in broken(off, erp)] == ["parts"]
    assert broken(off, erp.model_copy(update={"adjustment": CENT})) == []


def test_an_accepted_equation_is_broken_and_in_nobodys_way():
    erp = bill(ERP, CENT, invoice_id="8")
    differences = prove(CLOSED, erp, MAPPING).report.differences
    ada = Acceptance(actor="Ada", reason="rounding", differences=differences)
    proof = prove(CLOSED, erp, MAPPING, [ada])
    assert proof.report.balanced
    (accepted,) = [each for each in proof.equations if not each.holds]
    assert accepted.accepted
    assert accepted.sentence("USD").endswith("difference USD 0.01 (accepted)")


def test_two_currencies_are_never_the_same_though_the_amounts_are():
    (first, *_) = prove(CLOSED, ERP.model_copy(update={"currency": "EUR"}), MAPPING).report.differences
    assert first.name == "currency (store USD, ERP EUR)"
    assert first.storefront == first.erp


def test_what_a_company_on_terms_owes_is_told_as_due_later():
    terms = sandbox_mapping(companies={"301": CompanyRule(party="C-1", payment_terms="30 days net")})
    customer = ORDER.customer.model_copy(update={"company_id": "301"})
    unpaid = CLOSED.model_copy(update={"customer": customer, "payments": ()})
    proof = prove(unpaid, ERP, terms)
    assert proof.report.balanced
    (money,) = [each for each in proof.equations if each.at_most]
    assert money.holds
    assert money.sentence("USD").endswith(f"difference USD -{ORDER.total} (due later)")
