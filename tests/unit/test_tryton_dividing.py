"""Whatever an edit adds to a Tryton sale that is on its way: it stays, and a supplement brings the rest to the cent."""

from collections import Counter
from decimal import Decimal

from hypothesis import given

from adapters.tryton.dividing import Divided, divide, sale_of_lines
from adapters.tryton.records import SaleRecord
from adapters.tryton.translate import SUPPLEMENT_MARK
from domain.erp_order import SalesOrder
from domain.order import Order
from domain.planning import plan_sales_order
from tests.order_builder import make_line, make_order, sandbox_mapping
from tests.unit.test_tryton_lowering_cents import as_computed, entered, sold_and_lowered


def plan(order: Order) -> SalesOrder:
    return plan_sales_order(order, sandbox_mapping(tax_tolerance="0"))


def together(records: list[SaleRecord]) -> tuple[Decimal, dict[str, Decimal]]:
    """What they come to as Tryton computes it, each by itself."""
    total, taxes = Decimal(0), Counter[str]()
    for record in records:
        amount, by_code = as_computed(record.order_lines)
        total += amount
        for code, tax in by_code.items():
            taxes[code] += tax  # type: ignore[assignment]
    return total, {code: Decimal(tax) for code, tax in taxes.items() if tax}


@given(sold_and_lowered())
def test_what_is_added_and_what_stays_are_the_order_to_the_cent(orders: tuple[Order, Order]) -> None:
    target, before = map(plan, orders)
    if not before.lines or not any(line.quantity for line in before.lines if line.warehouse):
        return
    record = entered(before)
    divided = divide([record], target)
    assert divided is not None
    assert [part.stays for part in divided.parts] == [True]
    records = [record, *([entered(divided.added, SUPPLEMENT_MARK)] if divided.added else [])]
    assert together(records) == (target.total, {tax.code: tax.amount for tax in target.taxes if tax.amount})
    again = divide(records, target)
    assert again is not None
    assert again.added is None
    assert all(part.stays for part in again.parts)


def _of(*units: int, price: str = "10.00") -> SalesOrder:
    lines = [make_line(str(n), "MUG-LOGO", each, unit_price=price) for n, each in enumerate(units, 1) if each]
    return plan(make_order(lines=lines))


def _units(divided: Divided | None) -> list[dict[str, int]]:
    assert divided is not None
    orders = [*(part.order for part in divided.parts), *([divided.added] if divided.added else [])]
    return [{line.line_id: line.quantity for line in order.lines} for order in orders]


def test_each_sale_has_what_it_holds_and_the_last_gives_units_up_first() -> None:
    first, second = _of(3), _of(2, 4)
    sales = [entered(first), entered(second)]
    assert _units(divide(sales, _of(5, 4))) == [{"1": 3}, {"1": 2, "2": 4}]
    assert _units(divide(sales, _of(4, 1))) == [{"1": 3}, {"1": 1, "2": 1}]
    assert _units(divide(sales, _of(6, 4, 1))) == [{"1": 3}, {"1": 2, "2": 4}, {"1": 1, "3": 1}]
    assert _units(divide(sales, _of(2))) == [{"1": 2}, {}]


def test_another_price_is_nothing_that_a_sale_on_its_way_can_take() -> None:
    sold = [entered(_of(3))]
    assert divide(sold, _of(5, price="9.00")) is None
    divided = divide(sold, _of(3, price="9.00"))
    assert divided is not None
    assert [part.stays for part in divided.parts] == [False]


def test_a_line_stands_in_the_sale_that_has_units_of_it() -> None:
    sold, added = entered(_of(3, 2)), entered(_of(0, 4)).model_copy(update={"web_id": "5001/supplement/1"})
    lines = tuple(
        line.model_copy(update={"quantity": 0.0}) if line.origin[0] == "2" else line for line in sold.lines
    )
    order = sold.model_copy(update={"lines": lines, "beside": (added,)})
    target = _of(3, 3)
    part = sale_of_lines(order, target.model_copy(update={"only": ("2",)}))
    assert part is not None
    assert part.sale is added
    assert part.order.total == target.total - order.total_amount
    both = sold.model_copy(update={"beside": (added,)})
    assert sale_of_lines(both, target.model_copy(update={"only": ("2",)})) is None
