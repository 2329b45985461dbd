"""Lives that went wrong once: each needs several things to happen, one after the other."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from domain.erp_order import ErpShipmentState
from domain.mapping import CompanyRule
from domain.order import Customer, Order, Payment, PaymentKind
from domain.payment_rules import CaptureRule, ExpiryRule, PaymentRules
from domain.return_rules import ReturnRules
from store.order_view import OrderViews
from tests.machine.life import Life, life_of
from tests.order_builder import make_line, make_order, make_payment, sandbox_mapping
from workflows.messages import Attention

TEE, MUG, TOTE = "11", "12", "13"
FEE = ReturnRules(fee_percent=Decimal(10), fee_product="FEE", window_days=10)
OPEN = ReturnRules(window_days=10)
EVERY_RULE = [PaymentRules(capture=each) for each in CaptureRule]


def three(*, tees: int = 1) -> Order:
    """A hundred for each tee, fifty for a mug and for a bag, all at one warehouse and promised by a card."""
    lines = (
        make_line(TEE, "TEE-BLK-M", ordered=tees, unit_price="100", tax_rates=()),
        make_line(MUG, "MUG-LOGO", ordered=1, unit_price="50", tax_rates=()),
        make_line(TOTE, "BAG-TOTE", ordered=1, unit_price="50", tax_rates=()),
    )
    return make_order(lines=lines)


def mapping(payments: PaymentRules | None = None, returns: ReturnRules = OPEN):
    return sandbox_mapping(payments=payments or PaymentRules()).model_copy(update={"returns": returns})


def refunded_with_line(order: Order, line_id: str, amount: str) -> Order:
    """What staff make of it who refund an item in the storefront: its units are off, its money is back."""
    capture = next(p for p in order.payments if p.kind in {PaymentKind.CAPTURE, PaymentKind.SALE})
    back = make_payment(amount, PaymentKind.REFUND, payment_id="9901", parent_id=capture.payment_id)
    lines = tuple(
        line.model_copy(update={"current": 0}) if line.line_id == line_id else line for line in order.lines
    )
    less = Decimal(amount)
    update = {
        "lines": lines,
        "payments": (*order.payments, back),
        "total": order.total - less,
        "presentment_total": order.presentment_total - less,
    }
    return order.model_copy(update=update)


def proven(life: Life) -> None:
    """Delivered and balanced: what is kept is what it comes to, with fees."""
    assert life.view.problem is None, life.view.problem
    assert life.view.attention in {Attention.DELIVERED, Attention.CLOSED}, life.story
    assert life.order.captured == life.order.total + sum(each.fee for each in life.erp.returns)


@pytest.mark.parametrize("rule", EVERY_RULE, ids=lambda rule: rule.capture)
def test_money_that_a_cancel_gave_back_pays_for_nothing_that_is_added(tmp_path: Path, rule: PaymentRules):
    with life_of(three(), mapping(rule), tmp_path) as life:
        assert life.cancel({MUG: 1}).refused == ""
        life.add_line("92", "30", make_payment("30", payment_id="880"))
        life.settle()
        life.ship_all()
        proven(life)
        assert life.order.captured == 180


@pytest.mark.parametrize("rule", EVERY_RULE, ids=lambda rule: rule.capture)
def test_money_that_staff_gave_back_with_an_item_pays_for_no_other(tmp_path: Path, rule: PaymentRules):
    with life_of(three(), mapping(rule), tmp_path) as life:
        life.ship("WH-EAST", {TEE: 1, MUG: 1})
        life.change(lambda order: refunded_with_line(order, MUG, "50"), "refunds/create")
        life.ship_all()
        assert sum(p.amount for p in taken(life.order)) == 200


def test_goodwill_is_not_taken_again(tmp_path: Path):
    with life_of(three(), mapping(), tmp_path) as life:
        life.ship("WH-EAST", {TEE: 1, MUG: 1})
        goodwill = make_payment(
            "20", PaymentKind.REFUND, payment_id="9901", parent_id=taken(life.order)[0].payment_id
        )
        more = (*life.order.payments, goodwill)
        life.change(lambda order: order.model_copy(update={"payments": more}), "refunds/create")
        life.ship_all()
        assert sum(p.amount for p in taken(life.order)) == 200
        assert life.order.captured == 180


@pytest.mark.parametrize("rule", EVERY_RULE, ids=lambda rule: rule.capture)
def test_a_fee_is_kept_whatever_is_canceled_afterwards(tmp_path: Path, rule: PaymentRules):
    with life_of(three(), mapping(rule, FEE), tmp_path) as life:
        life.ship("WH-EAST", {TEE: 1, MUG: 1})
        life.bring_back({TEE: 1})
        assert life.cancel({TOTE: 1}).refused == ""
        proven(life)
        assert life.order.captured == 60


def test_what_a_return_gave_back_is_counted_once(tmp_path: Path):
    """It tells so itself, and the storefront's page says it, too. The card allows more than the order comes to."""
    order = three().model_copy(update={"payments": (make_payment("500"),)})
    with life_of(order, mapping(), tmp_path) as life:
        life.ship("WH-EAST", {TEE: 1, MUG: 1})
        life.bring_back({TEE: 1})
        life.change(lambda order: order, "refunds/create")
        life.ship("WH-EAST", {TOTE: 1})
        proven(life)
        assert sum(p.amount for p in taken(life.order)) == 200


def test_an_authorization_that_expires_is_minded_after_a_return(tmp_path: Path):
    placed = three()
    ends = datetime.now(UTC) + timedelta(days=7, hours=12)
    card = placed.payments[0].model_copy(update={"expires_at": ends})
    order = placed.model_copy(update={"payments": (card,)})
    with life_of(order, mapping(PaymentRules(on_expiry=ExpiryRule.CAPTURE)), tmp_path) as life:
        life.ship("WH-EAST", {TEE: 1})
        life.bring_back({TEE: 1})
        life.change(lambda order: order, "refunds/create")
        assert sum(p.amount for p in taken(life.order)) == 100
        life.world.pass_time(timedelta(days=7))
        life.settle()
        assert sum(p.amount for p in taken(life.order)) == 200, life.story


def test_a_cancel_whose_answer_was_lost_is_counted_once(tmp_path: Path):
    with life_of(three(), mapping(PaymentRules(capture=CaptureRule.AT_ORDER)), tmp_path) as life:
        life.world.weather.lose_answer("cancel_units", nth=1)
        assert life.cancel({MUG: 1}).refused == ""
        life.add_line("92", "30", make_payment("30", payment_id="880"))
        life.settle()
        life.ship_all()
        proven(life)
        assert life.order.captured == 180


def test_what_is_due_on_terms_holds_the_fee_of_a_return(tmp_path: Path):
    company = Customer(name="Buyer", company_id="301", company_name="Wholesale Inc")
    order = three().model_copy(update={"payments": (), "customer": company})
    companies = {"301": CompanyRule(party="C-WHOLESALE", payment_terms="30 days net")}
    terms = mapping(returns=FEE).model_copy(update={"companies": companies})
    with life_of(order, terms, tmp_path) as life:
        life.ship_all()
        life.bring_back({TEE: 1})
        life.world.pass_time(timedelta(days=11))
        life.settle()
        assert "USD 0.00 captured, USD 110.00 due on terms" in life.story


def test_what_was_sold_does_not_wait_for_the_money_of_an_exchange(tmp_path: Path):
    """An exchange that the ERP has is edited and dearer; what an operator cancels meanwhile must not leave."""
    # All is taken at once: nothing that is authorized still pays for it. What a cancel would give back does.
    rule = PaymentRules(capture=CaptureRule.AT_ORDER)
    with life_of(three(tees=2), mapping(rule), tmp_path, {"SOCK-GRY": Decimal(50)}) as life:
        life.ship("WH-EAST", {TEE: 1, MUG: 1})
        life.bring_back({MUG: 1}, {"SOCK-GRY": 1})
        assert [each.total for each in life.erp.exchanges] == [50]
        life.change(lambda order: dearer_exchange(order, 200), "orders/edited")
        for line, owed in ((TOTE, "200.00"), (TEE, "150.00")):
            assert f"pay USD {owed}" in life.view.waiting_for
            assert life.cancel({line: 1}).refused == ""
            assert units_to_leave(life, line) == 0
            assert [each.total for each in life.erp.exchanges] == [50]
        assert "pay USD 50.00" in life.view.waiting_for
        row = OrderViews(life.world.database).get(life.key)
        assert row is not None
        assert row.awaits_payment, "or nobody would tell the order that it is paid"
        paid = make_payment("50", PaymentKind.SALE, payment_id="881")
        life.change(
            lambda order: order.model_copy(update={"payments": (*order.payments, paid)}), "orders/paid"
        )
        assert [each.total for each in life.erp.exchanges] == [250]
        life.ship_all()
        proven(life)


def test_a_parcel_lets_no_exchange_leave_that_is_not_paid(tmp_path: Path):
    with life_of(three(), mapping(returns=FEE), tmp_path, {"SOCK-GRY": Decimal(60)}) as life:
        life.ship("WH-EAST", {TEE: 1, MUG: 1})
        life.bring_back({TEE: 1})
        life.bring_back({MUG: 1}, {"SOCK-GRY": 1})
        assert "pay USD 10.00" in life.view.waiting_for
        life.ship("WH-EAST", {TOTE: 1})
        assert "pay USD 10.00" in life.view.waiting_for
        assert life.erp.exchanges == ()


def test_all_that_is_here_is_canceled_after_units_of_its_line_came_back(tmp_path: Path):
    """An operator's return changes the storefront after the order was read, which no webhook tells."""
    with life_of(three(tees=3), mapping(), tmp_path) as life:
        life.ship("WH-EAST", {TEE: 2})
        life.bring_back({TEE: 1})
        assert life.cancel().refused == ""
        proven(life)
        assert {line.line_id: line.current for line in life.order.lines} == {TEE: 1, MUG: 0, TOTE: 0}
        assert [units_to_leave(life, line) for line in (TEE, MUG, TOTE)] == [0, 0, 0]


def test_an_edit_while_the_order_is_proven_is_carried_over_and_is_no_case(tmp_path: Path):
    with life_of(three(), mapping(returns=ReturnRules()), tmp_path) as life:
        edits = iter([lambda: life.add_line("92", "30", make_payment("30", payment_id="880"))])

        def once_captured(operation: str) -> None:
            if operation == "capture_payment":
                next(edits, lambda: None)()

        life.world.weather.noticed = once_captured
        life.ship_all()
        assert "Stopped" not in life.story
        life.ship_all()
        proven(life)
        assert life.order.captured == 230


def units_to_leave(life: Life, line_id: str) -> int:
    """Of a line, by the ERP's open shipments."""
    over = {ErpShipmentState.SHIPPED, ErpShipmentState.CANCELED}
    here = [part for each in life.erp.shipments if each.state not in over for part in each.lines]
    return sum(part.quantity for part in here if part.line_id == line_id)


def dearer_exchange(order: Order, more: int) -> Order:
    """What the buyer gets in exchange costs more."""
    line = order.lines[-1]
    lines = (*order.lines[:-1], line.model_copy(update={"unit_price": line.unit_price + more}))
    update = {
        "lines": lines,
        "total": order.total + more,
        "presentment_total": order.presentment_total + more,
    }
    return order.model_copy(update=update)


def taken(order: Order) -> list[Payment]:
    return [p for p in order.payments if p.kind in {PaymentKind.CAPTURE, PaymentKind.SALE}]
