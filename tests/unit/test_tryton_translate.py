"""Orders to sales: amounts to the cent, tax by tax, whatever quantity, price and rounding; and sales back to orders."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from adapters.errors import Rejected
from adapters.tryton.amounts import LineTax, split_for_net, taxes_of
from adapters.tryton.notes import adjustment_cause, line_note, read_note
from adapters.tryton.translate import (
    ROUNDING_PRODUCT,
    PartyReference,
    ProductReference,
    References,
    SalePlan,
    WarehouseReference,
    main_warehouse,
    plan_sale,
)
from domain.erp_order import (
    ADJUSTMENT_LINE,
    SalesLine,
    SalesLineKind,
    SalesOrder,
    SalesParty,
    SalesPayment,
    TaxAdjustmentCause,
    TaxAmount,
)
from domain.order import OrderKey

CENT = Decimal("0.01")
RATES = {
    "STATE-6.25": Decimal("0.0625"),
    "CITY-1.5": Decimal("0.015"),
    "VAT-20": Decimal("0.20"),
    "MWST-7.7": Decimal("0.077"),
    "TVQ-9.975": Decimal("0.09975"),
    "ZERO": Decimal(0),
}
TAX_IDS = {code: number for number, code in enumerate(RATES, 1)}
ROUNDING_IDS = {code: number + 100 for code, number in TAX_IDS.items()}
REFERENCES = References(
    company=1,
    shop=2,
    currency=3,
    currency_step=CENT,
    products={
        "TEE": ProductReference(id=11, unit=1, ships=True),
        "SHIPPING": ProductReference(id=12, unit=1, ships=False),
        ROUNDING_PRODUCT: ProductReference(id=13, unit=1, ships=False),
    },
    taxes={code: LineTax(id=TAX_IDS[code], code=code, rate=rate) for code, rate in RATES.items()}
    | {
        f"{code}-ROUNDING": LineTax(id=n, code=f"{code}-ROUNDING", amount=CENT)
        for code, n in ROUNDING_IDS.items()
    },
    warehouses={
        "EAST": WarehouseReference(id=21, storage=22, output=23, input=24, shelf=22),
        "WEST": WarehouseReference(id=31, storage=32, output=33, input=34, shelf=32),
    },
    carrier=41,
)
PARTY = PartyReference(id=51, invoice_address=52, shipment_address=53, payment_term=54)


def sales_line(
    quantity: int,
    net: str | Decimal,
    taxes: dict[str, str | Decimal] | None = None,
    *,
    line_id: str = "9001",
    product: str = "TEE",
    warehouse: str | None = "EAST",
) -> SalesLine:
    return SalesLine(
        line_id=line_id,
        kind=SalesLineKind.GOODS,
        product=product,
        warehouse=warehouse,
        quantity=quantity,
        net=Decimal(net),
        taxes=tuple(TaxAmount(code=code, amount=Decimal(amount)) for code, amount in (taxes or {}).items()),
    )


def sales_order(*lines: SalesLine, **changes: Any) -> SalesOrder:
    taxes: dict[str, Decimal] = defaultdict(Decimal)
    for line in lines:
        for tax in line.taxes:
            taxes[tax.code] += tax.amount
    values: dict[str, Any] = {
        "key": OrderKey(channel="shop", external_id="5001"),
        "number": "#1001",
        "mapping_version": "abc",
        "placed_at": datetime(2026, 3, 2, 9, 30, tzinfo=UTC),
        "currency": "USD",
        "party": SalesParty(reference="c1", name="Ada"),
        "billing_address": None,
        "shipping_address": None,
        "carrier": "UPS",
        "lines": lines,
        "total": sum((line.net for line in lines), Decimal(0)) + sum(taxes.values(), Decimal(0)),
        "taxes": tuple(TaxAmount(code=code, amount=amount) for code, amount in taxes.items()),
    }
    return SalesOrder(**{**values, **changes})


def plan(*lines: SalesLine, **changes: Any) -> SalePlan:
    return plan_sale(sales_order(*lines, **changes), PARTY, REFERENCES)


def created_lines(planned: SalePlan) -> list[dict[str, Any]]:
    ((command, lines),) = planned.values["lines"]
    assert command == "create"
    return list(lines)


def half_even(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, rounding=ROUND_HALF_EVEN)


def half_up(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, rounding=ROUND_HALF_UP)


def as_tryton_computes(lines: Sequence[dict[str, Any]]) -> tuple[Decimal, dict[str, Decimal]]:
    """Net and tax by code of sale lines, written down once more and apart from the code under test.

    From trytond's ``account/tax.py`` (``Tax.compute``, ``TaxableMixin._round_taxes``) and ``sale/sale.py``.
    """
    net, taxes = Decimal(0), defaultdict(Decimal)
    code_of = {**{n: code for code, n in TAX_IDS.items()}, **{n: code for code, n in ROUNDING_IDS.items()}}
    for line in lines:
        price, quantity = line["unit_price"], Decimal(str(line["quantity"]))
        assert price == price.quantize(Decimal("0.0001"))
        net += half_even(quantity * price)
        ((command, ids),) = line["taxes"]
        assert command == "add"
        exact = {n: (CENT if n > 100 else price * RATES[code_of[n]]) * quantity for n in sorted(ids)}
        rounded = {n: half_even(amount) for n, amount in exact.items()}
        remainder = half_even(sum(rounded.values(), Decimal(0)) - sum(exact.values(), Decimal(0)))
        while abs(remainder) >= CENT:
            assert any(rounded.values()), "Tryton would never end"
            for n, amount in rounded.items():
                if amount and abs(remainder) >= CENT:
                    rounded[n] -= CENT.copy_sign(remainder)
                    remainder -= CENT.copy_sign(remainder)
        for n, amount in rounded.items():
            taxes[code_of[n]] += amount
    return net, {code: amount for code, amount in taxes.items() if amount}


cents = st.integers(min_value=-1, max_value=1).map(lambda n: n * CENT)
tax_codes = st.lists(st.sampled_from(sorted(RATES)), max_size=2, unique=True)


@st.composite
def excluded_lines(draw: st.DrawFn) -> SalesLine:
    """Tax on top of the net, a cent off at most."""
    net = draw(st.integers(min_value=0, max_value=5_000_000)) * CENT
    taxes: dict[str, str | Decimal] = {
        code: half_up(net * RATES[code]) + draw(cents) for code in draw(tax_codes)
    }
    return sales_line(draw(st.integers(min_value=1, max_value=5000)), net, taxes)


@st.composite
def included_lines(draw: st.DrawFn) -> SalesLine:
    """Tax within the price: each tax rounded out of the gross, the net is what is left."""
    gross = draw(st.integers(min_value=0, max_value=5_000_000)) * CENT
    codes = draw(tax_codes)
    whole = 1 + sum((RATES[code] for code in codes), Decimal(0))
    taxes: dict[str, str | Decimal] = {code: half_up(gross * RATES[code] / whole) for code in codes}
    net = gross - sum((Decimal(amount) for amount in taxes.values()), Decimal(0))
    return sales_line(draw(st.integers(min_value=1, max_value=5000)), net, taxes)


@given(st.lists(st.one_of(excluded_lines(), included_lines()), min_size=1, max_size=4))
def test_the_sale_comes_to_the_order_to_the_cent_tax_by_tax(lines: list[SalesLine]) -> None:
    order = sales_order(*lines)
    net, taxes = as_tryton_computes(created_lines(plan(*lines)))
    assert net == sum(line.net for line in lines)
    assert taxes == {tax.code: tax.amount for tax in order.taxes if tax.amount}
    assert net + sum(taxes.values(), Decimal(0)) == order.total


@given(st.lists(st.one_of(excluded_lines(), included_lines()), min_size=1, max_size=4))
def test_units_stay_whole_and_belong_to_their_line(lines: list[SalesLine]) -> None:
    numbered = [line.model_copy(update={"line_id": str(n)}) for n, line in enumerate(lines)]
    units: dict[str, float] = defaultdict(float)
    for made in created_lines(plan(*numbered)):
        origin = read_note(made["note"])
        if origin is not None:
            assert origin[1] == "EAST"
            assert made["quantity"] > 0
            assert made["quantity"] == int(made["quantity"])
            assert made["unit_price"] >= 0
            units[origin[0]] += made["quantity"]
        else:
            assert made["unit_price"] == 0
    assert units == {line.line_id: line.quantity for line in numbered}


@given(excluded_lines(), st.integers(min_value=2, max_value=500), st.booleans())
def test_a_tax_off_by_two_cents_or_more_is_refused_and_named(line: SalesLine, off: int, under: bool) -> None:
    assume(line.taxes)
    tax = line.taxes[0]
    exact = half_up(line.net * RATES[tax.code])
    wrong = exact + (-off if under else off) * CENT
    changed = line.model_copy(update={"taxes": (TaxAmount(code=tax.code, amount=wrong), *line.taxes[1:])})
    with pytest.raises(Rejected) as caught:
        plan(changed)
    assert caught.value.cause == "amounts_differ"
    for named in (line.line_id, tax.code, str(wrong), str(exact), str(wrong - exact)):
        assert named in caught.value.reason


@given(st.integers(min_value=1, max_value=5000), st.integers(min_value=0, max_value=10_000_000))
def test_a_split_line_keeps_nearly_one_price(quantity: int, net_cents: int) -> None:
    net = net_cents * CENT
    parts = split_for_net(quantity, net, CENT)
    assert sum(part.quantity for part in parts) == quantity
    assert sum((half_even(part.unit_price * part.quantity) for part in parts), Decimal(0)) == net
    assert len(parts) <= 2
    if quantity <= 100:
        assert len(parts) == 1


def test_a_currency_without_cents_has_exact_nets() -> None:
    split = 0
    for quantity in range(20_000, 20_050):
        parts = split_for_net(quantity, Decimal(1_234_567), Decimal(1))
        nets = [(part.unit_price * part.quantity).quantize(Decimal(1), ROUND_HALF_EVEN) for part in parts]
        assert sum(nets) == 1_234_567
        split += len(parts) == 2
    assert split


def test_the_remainder_of_rounding_goes_to_the_tax_that_tryton_takes() -> None:
    # 0.24 x 6.25 % = 0.015 and 0.24 x 2.0833 %: both round up, so Tryton takes a cent off the first of them.
    early = LineTax(id=9, code="A", rate=Decimal("0.0625"), sequence=None)
    late = LineTax(id=1, code="B", rate=Decimal("0.0625"), sequence=5)
    assert taxes_of(1, Decimal("0.24"), [late, early], CENT) == {9: Decimal("0.01"), 1: Decimal("0.02")}


def test_taxes_that_tryton_would_round_for_ever_are_kept_from_it() -> None:
    taxes = {code: LineTax(id=n, code=code, rate=Decimal("0.004")) for n, code in enumerate("ABC", 1)}
    line = sales_line(1, "1.00", dict.fromkeys("ABC", "0.00"))
    made = created_lines(plan_sale(sales_order(line), PARTY, REFERENCES.model_copy(update={"taxes": taxes})))
    assert [(each["product"], each["taxes"]) for each in made] == [(11, [["add", []]])]


def test_a_cent_of_such_a_tax_is_booked_by_the_rounding_line_alone() -> None:
    *goods, rounding, spare = created_lines(
        plan(sales_line(672, "0.08", {"CITY-1.5": "0.00", "MWST-7.7": "0.01"}))
    )
    assert (spare["quantity"], spare["taxes"]) == (0.0, [["add", [ROUNDING_IDS["CITY-1.5"]]]])
    assert [each["taxes"] for each in goods] == [[["add", []]]] * len(goods)
    assert (rounding["quantity"], rounding["taxes"]) == (1.0, [["add", [ROUNDING_IDS["MWST-7.7"]]]])


def test_a_missing_cent_is_a_line_of_its_own() -> None:
    goods, rounding = created_lines(plan(sales_line(3, "10.01", {"VAT-20": "2.01"})))
    assert (goods["product"], goods["quantity"], goods["taxes"]) == (11, 3.0, [["add", [TAX_IDS["VAT-20"]]]])
    assert (rounding["product"], rounding["quantity"], rounding["unit_price"]) == (13, 1.0, 0)
    assert rounding["taxes"] == [["add", [ROUNDING_IDS["VAT-20"]]]]
    assert "VAT-20" in rounding["note"]


def test_a_cent_too_much_is_a_negative_quantity() -> None:
    assert created_lines(plan(sales_line(3, "10.01", {"VAT-20": "1.99"})))[1]["quantity"] == -1.0


def test_cents_of_several_lines_that_cancel_out_need_a_spare_line_at_most() -> None:
    planned = plan(sales_line(3, "10.01", {"VAT-20": "2.01"}), sales_line(3, "10.01", {"VAT-20": "1.99"}))
    *goods, spare = created_lines(planned)
    assert [line["product"] for line in goods] == [11, 11]
    assert (spare["product"], spare["quantity"], spare["note"]) == (13, 0.0, "Tax rounding: VAT-20")
    assert all(line.quantity for line in planned.lines)


def test_a_single_unit_has_no_spare_line_as_nothing_comes_off_once_it_has_left() -> None:
    single = sales_line(1, "10.00", {"VAT-20": "2.00"})
    delivery = sales_line(1, "5.00", {"VAT-20": "1.00"}, line_id="D", product="SHIPPING", warehouse=None)
    delivery = delivery.model_copy(update={"kind": SalesLineKind.SHIPPING})
    assert [each["product"] for each in created_lines(plan(single, delivery))] == [11, 12]
    other = sales_line(1, "10.00", {"VAT-20": "2.00"}, line_id="9002")
    assert [each["product"] for each in created_lines(plan(single, other))] == [11, 11, 13]


@pytest.mark.parametrize(("tax", "cents"), [("2.02", 2), ("1.98", -2)])
def test_what_is_off_within_the_tolerance_is_a_line_that_says_so(tax: str, cents: int) -> None:
    # 10.00 at 20 % is 2.00; the other line is a cent of rounding off, and stays apart.
    lines = (sales_line(3, "10.00", {"VAT-20": tax}), sales_line(3, "10.01", {"VAT-20": "2.01"}))
    *_, rounding, tolerated = created_lines(plan(*lines, tax_tolerance=Decimal("0.02")))
    assert (rounding["quantity"], rounding["note"]) == (1.0, "Tax rounding: VAT-20 +0.01")
    assert (tolerated["quantity"], tolerated["unit_price"]) == (float(cents), 0)
    assert tolerated["taxes"] == [["add", [ROUNDING_IDS["VAT-20"]]]]
    assert tolerated["note"] == f"Tax difference within the tolerance: VAT-20 {cents * CENT:+}"
    assert adjustment_cause(tolerated["note"]) is TaxAdjustmentCause.TOLERANCE
    assert adjustment_cause(rounding["note"]) is TaxAdjustmentCause.ROUNDING
    with pytest.raises(Rejected, match=r"0\.02 in all is above the tolerance of 0\.01"):
        plan(*lines, tax_tolerance=Decimal("0.01"))


def test_a_missing_cent_without_rounding_tax_is_refused_with_the_remedy() -> None:
    taxes = {code: tax for code, tax in REFERENCES.taxes.items() if not code.endswith("-ROUNDING")}
    bare = REFERENCES.model_copy(update={"taxes": taxes})
    with pytest.raises(Rejected, match="VAT-20-ROUNDING of a fixed cent") as caught:
        plan_sale(sales_order(sales_line(3, "10.01", {"VAT-20": "2.01"})), PARTY, bare)
    assert caught.value.cause == "rounding_missing:tryton:VAT-20"
    assert plan_sale(sales_order(sales_line(3, "10.00", {"VAT-20": "2.00"})), PARTY, bare)


def test_an_accepted_difference_is_booked_on_a_service_and_on_no_goods() -> None:
    line = sales_line(1, "10.00", {"VAT-20": "2.00"})
    difference = sales_line(1, "-0.01", line_id=ADJUSTMENT_LINE, product="SHIPPING", warehouse=None)
    difference = difference.model_copy(update={"kind": SalesLineKind.ADJUSTMENT})
    *_, booked = created_lines(plan(line, difference))
    assert (booked["unit_price"], booked["quantity"], booked["taxes"]) == (
        Decimal("-0.0100"),
        1.0,
        [["add", []]],
    )
    goods = difference.model_copy(update={"product": "TEE"})
    with pytest.raises(Rejected, match="it is goods; make it a service") as caught:
        plan(line, goods)
    assert caught.value.cause == "product_unsuitable:tryton:TEE"


def test_an_order_that_contradicts_itself_is_refused() -> None:
    line = sales_line(1, "10.00", {"VAT-20": "2.00"})
    with pytest.raises(Rejected, match=r"total: the store says 12.50, its lines come to 12.00") as total:
        plan(line, total=Decimal("12.50"))
    with pytest.raises(Rejected, match=r"tax VAT-20: the store says 0, its lines come to 2.00") as tax:
        plan(line, taxes=())
    assert {total.value.cause, tax.value.cause} == {"amounts_differ"}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (sales_line(0, "1.00"), "has no units but costs 1.00"),
        (sales_line(1, "1.005"), "finer than the currency"),
    ],
)
def test_a_line_that_cannot_be_entered_is_named(line: SalesLine, words: str) -> None:
    with pytest.raises(Rejected, match=words) as caught:
        plan(line)
    assert caught.value.cause == "amounts_differ"
    assert "9001" in caught.value.reason


def test_a_line_edited_to_zero_is_left_out() -> None:
    lines = created_lines(plan(sales_line(0, "0.00", {"VAT-20": "0.00"}), sales_line(1, "5.00")))
    assert [line["quantity"] for line in lines] == [1.0]


def test_the_header_of_the_sale() -> None:
    order = sales_order(
        sales_line(2, "10.00", warehouse="WEST"),
        sales_line(1, "10.00", warehouse="EAST"),
        sales_line(1, "5.00", product="SHIPPING", warehouse=None),
        instructions="Ring twice",
        payments=(SalesPayment(method="Card", amount=Decimal("25.00")),),
    )
    values = plan_sale(order, PARTY, REFERENCES).values
    assert (values["web_shop"], values["web_id"], values["reference"]) == (2, "5001", "#1001")
    assert (values["party"], values["invoice_address"], values["shipment_address"]) == (51, 52, 53)
    assert values["warehouse"] == REFERENCES.warehouses["WEST"].id
    assert (values["carrier"], values["shipment_cost_method"], values["invoice_method"]) == (
        41,
        None,
        "order",
    )
    assert "Ring twice" in values["comment"]
    assert "Card: 25.00 USD" in values["comment"]
    assert "mapping abc" in values["comment"]


def test_an_order_of_services_has_no_warehouse_and_no_carrier() -> None:
    values = plan(sales_line(1, "5.00", product="SHIPPING", warehouse=None)).values
    assert (values["warehouse"], values["carrier"]) == (None, None)


def test_the_main_warehouse_ships_most_and_a_tie_is_settled() -> None:
    east, west = sales_line(2, "1.00", warehouse="EAST"), sales_line(2, "1.00", warehouse="WEST")
    assert main_warehouse(sales_order(west, east)) == "EAST"
    assert main_warehouse(sales_order(east, west, west)) == "WEST"


@given(st.text(alphabet=st.characters(exclude_categories=("C", "Z")), min_size=1), st.booleans())
def test_a_note_leads_back_to_its_line(line_id: str, ships: bool) -> None:
    line = sales_line(1, "1.00", line_id=line_id, warehouse="EAST" if ships else None)
    assert read_note(line_note(line)) == (line_id, "EAST" if ships else None)


@pytest.mark.parametrize("note", [None, "", "Please pack well", "Tax rounding: VAT-20 +0.01"])
def test_a_note_of_somebody_else_leads_nowhere(note: str | None) -> None:
    assert read_note(note) is None


def test_a_note_that_people_added_to_still_leads_back() -> None:
    assert read_note("fragile!\nStore line: 14\nShips from: EAST\ncall first") == ("14", "EAST")
