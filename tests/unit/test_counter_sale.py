"""What left before the ERP knew of an order, and which fulfillments tell of it."""

from domain.counter_sale import left_before, still_to_leave, told_of_part
from domain.order import Fulfillment, FulfillmentLine, Order
from domain.planning import plan_sales_order
from tests.order_builder import (
    handed_over,
    make_erp_order,
    make_line,
    make_order,
    make_shipment,
    sandbox_mapping,
)

MAPPING = sandbox_mapping()


def fulfilled(*told: tuple[str, str, int, str | None], units: int = 5) -> Order:
    """Five units; ``told``: fulfillment, location, units, tracking number."""
    order = make_order(lines=[make_line("11", ordered=units)])
    fulfillments = tuple(
        Fulfillment(
            fulfillment_id=name,
            location=location,
            lines=(FulfillmentLine(line_id="11", quantity=number),),
            tracking_number=tracking,
        )
        for name, location, number, tracking in told
    )
    return order.model_copy(update={"fulfillments": fulfillments})


def test_what_left_is_counted_by_the_warehouse_that_it_left_from() -> None:
    order = fulfilled(("F1", "101", 2, None), ("F2", "102", 1, None), ("F3", "101", 1, None))
    assert left_before(order, MAPPING) == {"11": {"WH-EAST": 3, "WH-WEST": 1}}
    assert left_before(handed_over(make_order()), MAPPING) is None
    # What was taken off since is not owed by anybody.
    assert left_before(fulfilled(("F1", "101", 3, None), units=4), MAPPING) == {"11": {"WH-EAST": 3}}


def test_only_what_is_missing_is_still_to_leave() -> None:
    order = fulfilled(("F1", "101", 2, None))
    erp = make_erp_order(plan_sales_order(make_order(), MAPPING), [make_shipment({"11": 1})])
    units = left_before(order, MAPPING)
    assert units is not None
    assert still_to_leave(erp, units, "WH-EAST") == {"11": 1}
    assert still_to_leave(erp, units, "WH-WEST") == {}
    more = make_erp_order(plan_sales_order(make_order(), MAPPING), [make_shipment({"11": 3})])
    assert still_to_leave(more, units, "WH-EAST") == {}


def test_a_parcel_that_the_store_was_not_told_of_is_still_to_be_told() -> None:
    order = fulfilled(("F1", "101", 2, "1Z1"), ("F2", "101", 1, None))
    shipments = [
        make_shipment({"11": 2}, shipment_id="1", tracking_number="1Z1"),
        make_shipment({"11": 1}, shipment_id="2"),
        make_shipment({"11": 1}, shipment_id="3", tracking_number="1Z3"),
        make_shipment({"11": 1}, shipment_id="4"),
    ]
    erp = make_erp_order(plan_sales_order(make_order(lines=[make_line("11", ordered=5)]), MAPPING), shipments)
    assert told_of_part(order, erp, MAPPING) == {"1": "F1", "2": "F2"}
