"""Units that are canceled of an order of which goods came back: what the ERP is to hold then, to the cent."""

from collections import Counter
from collections.abc import Mapping as Units
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.memory.giving_back import after_refund, quote
from adapters.memory.order_changes import after_canceled_units, after_shipping
from adapters.requests import CancelUnitsRequest, RefundLine, RefundRequest
from domain.adding_up import credited_by, sum_by_code
from domain.amendment import EditParts, holds_otherwise
from domain.differences import PlanRefused
from domain.edits_after_return import plan_after_return
from domain.erp_order import ErpOrder, ErpReturn, ErpReturnState, SalesOrder
from domain.order import Fulfillment, FulfillmentLine, Order
from domain.planning import plan_sales_order
from domain.quantities import units_returned
from domain.refunds import credit_for
from tests.order_builder import US_TAXES, make_charge, make_erp_order, make_line, make_order, make_shipment
from tests.order_strategy import orders, wide_mapping

MAPPING = wide_mapping()


class Life:
    """An order of which parcels (warehouse -> line -> units) left, units came back, and others are canceled."""

    def __init__(self, placed: Order) -> None:
        self.placed = self.order = placed
        self.entered = plan_sales_order(placed, MAPPING)
        self.erp = make_erp_order(self.entered)
        self._ids = iter(range(1, 10_000))

    def id(self) -> str:
        return f"n{next(self._ids)}"

    def ship(self, parcels: Units[str, Units[str, int]]) -> None:
        shipments = []
        for warehouse, units in sorted(parcels.items()):
            lines = tuple(FulfillmentLine(line_id=line, quantity=n) for line, n in units.items())
            location = MAPPING.location_of(warehouse)
            parcel = Fulfillment(fulfillment_id=warehouse, location=location, lines=lines)
            self.order = after_shipping(self.order, parcel, self.id)
            shipments.append(make_shipment(dict(units), shipment_id=warehouse, warehouse=warehouse))
        self.erp = make_erp_order(self.entered, shipments)

    def bring_back(self, units: Units[str, int]) -> None:
        lines = tuple(RefundLine(line_id=line, quantity=n) for line, n in units.items())
        request = RefundRequest(key=self.order.key, refund_key="r", lines=lines)
        credit = credit_for(self.order, quote(self.order, self.placed, request).parts, MAPPING)
        self.order = after_refund(self.order, self.placed, request, self.id)
        settled = ErpReturn(
            return_id="1",
            number="R1",
            state=ErpReturnState.SETTLED,
            credited=credited_by(credit.lines),
            total=credit.total,
            taxes=credit.taxes,
            fee=credit.fee,
        )
        self.erp = self.erp.model_copy(update={"returns": (settled,)})

    def cancel(self, down_to: Units[str, int]) -> tuple[str, ...]:
        """Returns the lines that it changed."""
        before = self.order
        request = CancelUnitsRequest(
            key=before.key, units=dict(down_to), total_before=before.presentment_total, reason="not wanted"
        )
        self.order = after_canceled_units(before, self.placed, request, self.id)
        pairs = zip(self.order.lines, before.lines, strict=True)
        return tuple(now.line_id for now, was in pairs if now.current < was.current)

    def amended(self, lines: tuple[str, ...]) -> SalesOrder:
        """What the ERP comes to where it does as it is asked."""
        edit = EditParts(sold=True, lines=lines)
        planned = plan_after_return(self.order, self.erp, edit, MAPPING)
        stays = tuple(line for line in self.entered.lines if line.line_id not in planned.only)
        return planned.model_copy(update={"lines": stays + planned.lines})

    def holds(self, sales: SalesOrder) -> ErpOrder:
        held = make_erp_order(sales, self.erp.shipments)
        return held.model_copy(update={"returns": self.erp.returns})


def assert_adds_up(sales: SalesOrder) -> None:
    taxes = sum_by_code(tax for line in sales.lines for tax in line.taxes)
    worth = sum((line.net for line in sales.lines), sum((tax.amount for tax in taxes), Decimal(0)))
    assert (worth, taxes) == (sales.total, sales.taxes)


@given(orders(), st.data())
def test_any_order_comes_to_what_is_left_of_it_and_what_was_credited(placed, data):
    life = Life(placed)
    parcels: dict[str, Counter[str]] = {}
    for line in life.entered.lines:
        if line.warehouse and (units := data.draw(st.integers(0, line.quantity))):
            parcels.setdefault(line.warehouse, Counter())[line.line_id] += units
    life.ship(parcels)
    left = sum(parcels.values(), Counter[str]())
    back = +Counter({line: data.draw(st.integers(0, units)) for line, units in left.items()})
    life.bring_back(back)
    down_to = {
        line.line_id: data.draw(st.integers(left[line.line_id] - back[line.line_id], line.current))
        for line in life.order.lines
        if line.requires_shipping
    }
    edited = life.cancel(down_to)

    now = life.amended(edited)

    assert units_returned(life.order) == back
    assert_adds_up(now)
    assert not holds_otherwise(life.order, life.holds(now))


def dutiable() -> Life:
    """Three tees with a duty and three mugs."""
    duty = make_charge("2.00", "d", tax_rates=US_TAXES)
    lines = (make_line("11", ordered=3, duties=(duty,)), make_line("12", "MUG-LOGO", ordered=3))
    return Life(make_order(lines=lines))


def test_duties_follow_their_line() -> None:
    life = dutiable()
    life.ship({"WH-EAST": {"11": 1, "12": 1}})
    life.bring_back({"12": 1})
    edited = life.cancel({"11": 1, "12": 1})
    now = life.amended(edited)
    assert_adds_up(now)
    assert sum(line.net for line in now.lines if line.line_id == "d") == Decimal("0.67")


def test_a_line_whose_duties_came_back_in_part_is_not_changed() -> None:
    life = dutiable()
    life.ship({"WH-EAST": {"11": 1}})
    life.bring_back({"11": 1})
    edited = life.cancel({"11": 1})
    with pytest.raises(PlanRefused, match="a part of its duties came back with units of line 11"):
        life.amended(edited)
