"""What buyers get for goods that come back, for any order: one balance, whatever is dearer or comes first."""

from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.memory import exchanging
from adapters.memory.book_lines import erp_lines
from adapters.memory.giving_back import after_refund, find, quote, requested, with_status
from adapters.memory.order_changes import after_shipping
from adapters.requests import RefundLine, RefundRequest
from domain.adding_up import credited_by, sum_by_code
from domain.amendment import amendment_between, fingerprint, holds_otherwise
from domain.balance import check_closing, prove
from domain.erp_order import ErpOrderState, ErpReturn, ErpReturnState
from domain.exchanges import (
    as_sold,
    exchange_presentment,
    exchange_worth,
    is_released,
    missing_exchanges,
    worth_to_come,
)
from domain.mapping import Mapping
from domain.money import round_money
from domain.order import Fulfillment, FulfillmentLine, Order, PaymentKind, ReturnStatus
from domain.payment_outlook import look_ahead
from domain.planning import (
    plan_exchange,
    plan_sales_order,
)
from domain.quantities import apply_erp, lines_from_order, take_exchanges
from domain.refunds import credit_for, fees_presentment, money_back
from domain.return_rules import ExchangeRule, ReturnRules
from domain.returns import RefundPart
from tests.order_builder import (
    make_erp_order,
    make_line,
    make_order,
    make_payment,
    make_shipment,
    make_shipping,
)
from tests.order_strategy import money, orders, wide_mapping
from tests.unit.test_refund_rules import FEE, delivered

AT = datetime(2026, 4, 1, tzinfo=UTC)
AT_ONCE = ReturnRules(exchange_ships=ExchangeRule.AT_ONCE)


class Shop:
    """Both sides of an order that was delivered, as the memory adapters hold them."""

    def __init__(self, placed: Order, mapping: Mapping, price: Decimal) -> None:
        self.placed, self.mapping, self.price = placed, mapping, price
        self.order, self.erp = delivered(placed)
        self._ids = iter(range(1, 10_000))

    def id(self) -> str:
        return f"n{next(self._ids)}"

    def ask(self, units: dict[str, int], number: int = 1) -> str:
        return_id = self.id()
        asked = requested(self.order, units, "", return_id)
        self.order = with_status(
            exchanging.with_exchange(asked, return_id, {"MUG-LOGO": number}), return_id, ReturnStatus.OPEN
        )
        return return_id

    def release(self, return_id: str) -> None:
        prices = {"MUG-LOGO": self.price}
        self.order, new = exchanging.released(self.order, self.placed, return_id, prices, self.id)
        self.placed = self.placed.model_copy(update={"lines": (*self.placed.lines, *new)})

    def settle(self, return_id: str, shipping: Decimal = Decimal(0)) -> Decimal:
        """Credit and refund what came back, and so much of the delivery; returns the money that the buyer got."""
        units = {line.line_id: line.quantity for line in find(self.order, return_id).lines}
        request = RefundRequest(
            key=self.order.key,
            refund_key=return_id,
            return_id=return_id,
            lines=tuple(RefundLine(line_id=line, quantity=n) for line, n in units.items()),
            shipping=shipping,
        )
        quoted = quote(self.order, self.placed, request)
        credit = credit_for(self.order, quoted.parts, self.mapping, exchange_worth(self.order, return_id))
        parts = money_back(self.order, self.erp, quoted.presentment_total, credit.fee, return_id=return_id)
        request = request.model_copy(update={"money": parts})
        self.order = after_refund(self.order, self.placed, request, self.id)
        settled = ErpReturn(
            return_id=return_id,
            number=return_id,
            state=ErpReturnState.SETTLED,
            credited=credited_by(credit.lines),
            total=credit.total,
            taxes=credit.taxes,
            fee=credit.fee,
        )
        self.erp = self.erp.model_copy(update={"returns": (*self.erp.returns, settled)})
        return sum((part.amount for part in parts), Decimal(0))

    def give(self, money: tuple[RefundPart, ...]) -> None:
        """Money goes back to the buyer, and nothing else."""
        request = RefundRequest(key=self.order.key, refund_key=self.id(), money=money)
        self.order = after_refund(self.order, self.placed, request, self.id)

    def pay(self) -> Decimal:
        """The buyer pays what is asked for; returns it."""
        fees = fees_presentment(self.order, sum((each.fee for each in self.erp.returns), Decimal(0)))
        due = look_ahead(self.order, self.mapping, AT, fees=fees).unpaid_exchange
        self.pay_some(due)
        return due

    def pay_some(self, due: Decimal) -> None:
        """The buyer pays so much, at once."""
        due = round_money(Fraction(due), self.order.presentment_currency)
        if due > 0:
            rate = Fraction(self.order.total) / Fraction(self.order.presentment_total)
            share = round_money(Fraction(due) * rate, self.order.currency)
            paid = make_payment(share, PaymentKind.SALE, payment_id=self.id(), presentment_amount=due)
            self.order = self.order.model_copy(update={"payments": (*self.order.payments, paid)})

    def send(self, return_id: str) -> None:
        """Enter the new lines in the ERP, ship them and tell of it."""
        wanted = plan_exchange(self.order, return_id, self.mapping)
        held = exchanging.added(self.erp, wanted)
        parcels = []
        for line in wanted.lines:
            parcels.append(make_shipment({line.line_id: line.quantity}, shipment_id=self.id()))
            made = Fulfillment(
                fulfillment_id=self.id(),
                location=self.mapping.location_of(line.warehouse or ""),
                lines=(FulfillmentLine(line_id=line.line_id, quantity=line.quantity),),
            )
            self.order = after_shipping(self.order, made, self.id)
        self.erp = held.model_copy(
            update={
                "lines": (*held.lines, *erp_lines(wanted)),
                "shipments": (*held.shipments, *parcels),
                "total": held.total + wanted.total,
                "taxes": sum_by_code([*held.taxes, *wanted.taxes]),
            }
        )

    @property
    def kept(self) -> Decimal:
        signs = {PaymentKind.CAPTURE: 1, PaymentKind.SALE: 1, PaymentKind.REFUND: -1}
        return sum((p.presentment_amount * signs.get(p.kind, 0) for p in self.order.payments), Decimal(0))


def shippable(order: Order) -> dict[str, int]:
    return {line.line_id: line.current for line in order.lines if line.requires_shipping and line.current}


@settings(max_examples=40)
@given(orders(), st.data())
def test_any_exchange_ends_balanced_to_the_cent_and_moves_the_difference_alone(placed, data):
    price = data.draw(money(placed.currency, low=1))
    # A fee is worth to the buyer what the money was taken at, and another payment changes that rate.
    foreign = placed.currency != placed.presentment_currency
    rules = data.draw(st.sampled_from([ReturnRules(), AT_ONCE] if foreign else [ReturnRules(), FEE, AT_ONCE]))
    shop = Shop(placed, wide_mapping().model_copy(update={"returns": rules}), price)
    for _ in range(data.draw(st.integers(1, 2))):
        units = {line: data.draw(st.integers(0, n)) for line, n in shippable(shop.order).items()}
        if not any(units.values()):
            continue
        return_id = shop.ask({line: n for line, n in units.items() if n}, data.draw(st.integers(1, 3)))
        before = shop.kept
        shop.release(return_id)
        back = shop.settle(return_id)
        paid = shop.pay()
        assert not (back and paid)
        assert shop.kept == before - back + paid
        shop.send(return_id)
        assert is_released(find(shop.order, return_id))
        assert missing_exchanges(shop.order, shop.erp) == ()
        report = check_closing(shop.order, shop.erp, shop.mapping)
        assert report.balanced, report.differences


@settings(max_examples=40)
@given(orders(), st.data())
def test_what_was_paid_for_goods_that_left_at_once_comes_back_with_those_of_the_buyer(placed, data):
    shop = Shop(
        placed,
        wide_mapping().model_copy(update={"returns": AT_ONCE}),
        data.draw(money(placed.currency, low=1)),
    )
    units = {line: data.draw(st.integers(0, n)) for line, n in shippable(shop.order).items()}
    if not any(units.values()):
        return
    return_id = shop.ask({line: n for line, n in units.items() if n}, data.draw(st.integers(1, 3)))
    shop.release(return_id)
    # More than they were asked for, up to what the page shows as missing: all of what they get.
    missing = shop.order.presentment_total - shop.kept
    shop.pay_some(data.draw(st.sampled_from([Decimal(0), missing / 2, missing])))
    if data.draw(st.booleans()):
        shop.send(return_id)
    back, paid = shop.settle(return_id), shop.pay()
    assert not (back and paid)
    if missing_exchanges(shop.order, shop.erp):
        shop.send(return_id)
    report = check_closing(shop.order, shop.erp, shop.mapping)
    assert report.balanced, report.differences


@settings(max_examples=30)
@given(orders(currencies=("USD",)), st.data())
def test_a_plain_return_is_paid_whole_while_another_ones_exchange_is_out(placed, data):
    lines = [line for line, n in shippable(placed).items() if n]
    if len(lines) < 2 or placed.currency != placed.presentment_currency:
        return
    shop = Shop(
        placed, wide_mapping().model_copy(update={"returns": AT_ONCE}), data.draw(money("USD", low=1))
    )
    exchanged = shop.ask({lines[0]: 1})
    shop.release(exchanged)
    shop.pay()
    shop.send(exchanged)
    plain = shop.id()
    asked = requested(shop.order, {lines[1]: 1}, "", plain)
    shop.order = with_status(asked, plain, ReturnStatus.OPEN)
    total = shop.order.total
    assert shop.settle(plain) == total - shop.order.total
    shop.settle(exchanged)
    report = check_closing(shop.order, shop.erp, shop.mapping)
    assert report.balanced, report.differences


def test_goods_that_are_paid_and_still_to_leave_pay_for_no_exchange():
    line = make_line(ordered=2)
    placed = make_order(lines=[line])
    paid = make_payment(placed.total, PaymentKind.SALE, payment_id="1")
    mapping = wide_mapping()
    shop = Shop(placed, mapping, Decimal("25.00"))
    shop.order = placed.model_copy(update={"payments": (paid,)})
    shop.erp = make_erp_order(plan_sales_order(placed, mapping), [make_shipment({line.line_id: 1})])
    shop.order = after_shipping(
        shop.order,
        Fulfillment(
            fulfillment_id="f",
            location=placed.location_plans[0].location,
            lines=(FulfillmentLine(line_id=line.line_id, quantity=1),),
        ),
        shop.id,
    )
    return_id = shop.ask({line.line_id: 1})
    shop.release(return_id)
    assert shop.settle(return_id) == 0
    assert shop.pay() == shop.order.total - placed.total > 0


def exchanged_order() -> tuple[Shop, str]:
    shop = Shop(make_order(), wide_mapping(), Decimal("25.00"))
    return_id = shop.ask({shop.order.lines[0].line_id: 1})
    shop.release(return_id)
    return shop, return_id


def test_new_lines_are_no_edit_of_the_order_that_was_sold():
    shop, return_id = exchanged_order()
    sold, now = shop.placed.model_copy(update={"lines": shop.placed.lines[:1]}), shop.order
    assert as_sold(now).lines == sold.lines
    assert amendment_between(sold, now, {}).empty
    # Whoever compares both systems by it waits until they are in the ERP.
    assert fingerprint(sold) != fingerprint(now)
    assert not holds_otherwise(now, shop.erp)
    # Units that leave: the plan of what was sold is not touched by what came onto it.
    assert plan_sales_order(now, shop.mapping).lines == plan_sales_order(sold, shop.mapping).lines
    planned = plan_exchange(now, return_id, shop.mapping)
    assert planned.exchange_id == return_id
    assert {x.line_id for x in planned.lines} == {now.lines[1].line_id}
    assert planned.total == exchange_worth(now, return_id) == exchange_presentment(now, return_id)
    shop.send(return_id)
    assert not holds_otherwise(shop.order, shop.erp)


def test_what_was_exchanged_and_comes_back_too_is_no_other_version_of_the_order():
    shop = Shop(make_order(), wide_mapping(), Decimal("25.00"))
    first = shop.ask({shop.order.lines[0].line_id: 1}, number=2)
    shop.release(first)
    shop.settle(first)
    shop.send(first)
    for _ in range(2):
        # One unit of what the buyer got, then the other.
        again = shop.ask({shop.order.lines[1].line_id: 1})
        shop.settle(again)
        assert not holds_otherwise(shop.order, shop.erp)
        dearer = shop.order.model_copy(update={"total": shop.order.total + Decimal("0.01")})
        assert holds_otherwise(dearer, shop.erp)


def test_delivery_that_goes_back_with_the_last_unit_of_an_exchange_is_no_edit():
    shop = Shop(make_order(shipping=(make_shipping(Decimal(5)),)), wide_mapping(), Decimal("25.00"))
    first = shop.ask({shop.order.lines[0].line_id: 1})
    shop.release(first)
    shop.settle(first)
    shop.send(first)
    again = shop.ask({shop.order.lines[1].line_id: 1})
    given = shop.order
    shop.settle(again, shipping=given.shipping[0].price)
    assert shop.order.shipping != given.shipping
    assert amendment_between(given, shop.order, {}).empty
    assert not holds_otherwise(shop.order, shop.erp)


def test_what_the_buyer_of_a_free_order_gets_in_exchange_is_not_free():
    free = make_order(lines=[make_line(unit_price=Decimal(0))], shipping=(), payments=())
    shop = Shop(free, wide_mapping(), Decimal("25.00"))
    shop.release(shop.ask({shop.order.lines[0].line_id: 1}))
    assert shop.order.total > 0
    assert look_ahead(shop.order, shop.mapping, AT).unpaid_exchange == shop.order.total


def test_an_exchange_is_paid_by_what_comes_back_only_where_the_mapping_ships_at_once():
    shop, _ = exchanged_order()
    due = shop.order.total - shop.placed.total
    coming = worth_to_come(shop.order)
    assert 0 < coming < due
    outlook = look_ahead(shop.order, shop.mapping, AT)
    assert outlook.unpaid_exchange == due
    at_once = shop.mapping.model_copy(update={"returns": AT_ONCE})
    assert look_ahead(shop.order, at_once, AT).unpaid_exchange == due - coming
    lenient = AT_ONCE.model_copy(update={"exchange_waives": due - coming})
    waived = shop.mapping.model_copy(update={"returns": lenient})
    assert look_ahead(shop.order, waived, AT).unpaid_exchange == 0


def test_what_is_waived_is_named_and_no_more_of_it_is():
    shop, return_id = exchanged_order()
    shop.settle(return_id)
    missing = shop.order.total - shop.kept
    shop.send(return_id)

    def balanced(waives: Decimal) -> bool:
        rules = ReturnRules(exchange_waives=waives)
        mapping = shop.mapping.model_copy(update={"returns": rules})
        return prove(shop.order, shop.erp, mapping).report.balanced

    assert balanced(missing)
    assert not balanced(missing - Decimal("0.01"))


def test_new_lines_wait_until_the_erp_has_them_and_are_on_no_backorder():
    shop, return_id = exchanged_order()
    accepted = shop.erp.model_copy(update={"state": ErpOrderState.ACCEPTED})
    lines = apply_erp(lines_from_order(as_sold(shop.order)), accepted)
    lines = apply_erp(take_exchanges(lines, shop.order, accepted), accepted)
    new = lines[-1]
    assert (new.exchange, new.open, new.backordered, new.unallocated) == (True, 1, 0, 1)
    assert missing_exchanges(shop.order, shop.erp) == (return_id,)
    shop.send(return_id)
    assert Counter(x.open for x in apply_erp(lines, shop.erp)) == {0: len(lines)}
