"""What an order claims of stock, by the storefront's word and the ERP's."""

from domain.claims import NOWHERE, Claim, Held, awaiting, claims_of, held_by
from domain.erp_order import ErpOrderState
from domain.planning import plan_sales_order
from tests.order_builder import (
    PLACED_AT,
    after_leaving,
    handed_over,
    make_erp_order,
    make_line,
    make_order,
    sandbox_mapping,
)

MAPPING = sandbox_mapping()


def claim(sku: str, location: str, due: int, open_: int | None = None) -> Claim:
    warehouse = {"101": "WH-EAST", "102": "WH-WEST"}[location]
    still = due if open_ is None else open_
    return Claim(sku=sku, location=location, product=sku, warehouse=warehouse, due=due, open=still)


def test_an_order_claims_its_units_where_they_are_to_leave_from() -> None:
    order = make_order(
        lines=(make_line("1", "MUG-LOGO", 5), make_line("2", "TEE-BLK-M", 1)),
        placement={"1": {"101": 2, "102": 3}},
    )
    assert claims_of(order, MAPPING) == (
        claim("MUG-LOGO", "101", 2),
        claim("MUG-LOGO", "102", 3),
        claim("TEE-BLK-M", "101", 1),
    )


def test_two_lines_of_one_sku_are_one_claim() -> None:
    order = make_order(lines=(make_line("1", "MUG-LOGO", 2), make_line("2", "MUG-LOGO", 1)))
    assert claims_of(order, MAPPING) == (claim("MUG-LOGO", "101", 3),)


def test_what_has_left_is_due_at_the_erp_but_held_by_the_storefront_no_more() -> None:
    order = make_order(lines=(make_line("1", "MUG-LOGO", 3),))
    assert claims_of(after_leaving(order, {"1": 2}), MAPPING) == (claim("MUG-LOGO", "101", 3, 1),)
    assert claims_of(handed_over(order), MAPPING) == (claim("MUG-LOGO", "101", 3, 0),)


def test_a_canceled_order_claims_nothing() -> None:
    assert claims_of(make_order(canceled_at=PLACED_AT), MAPPING) == ()


def test_an_ignored_order_is_due_nowhere_but_the_storefront_holds_its_units() -> None:
    order = make_order(lines=(make_line("1", "MUG-LOGO", 3),), test=True)
    (found,) = claims_of(order, MAPPING, ignored=True)
    assert (found.due, found.open) == (0, 3)


def test_what_the_mapping_does_not_know_is_nowhere() -> None:
    mapping = sandbox_mapping(sku_passthrough=False)
    order = make_order(lines=(make_line("1", "MUG-LOGO", 1),), placement={"1": {"999": 1}})
    (found,) = (each for each in claims_of(order, mapping) if each.location == "999")
    assert (found.product, found.warehouse, found.due) == (NOWHERE, NOWHERE, 1)


def test_the_erp_holds_what_its_lines_say_by_sku_and_warehouse() -> None:
    order = make_order(lines=(make_line("1", "MUG-LOGO", 5),), placement={"1": {"101": 2, "102": 3}})
    erp = make_erp_order(plan_sales_order(order, MAPPING))
    assert held_by(erp, order) == (
        Held(sku="MUG-LOGO", warehouse="WH-EAST", quantity=2),
        Held(sku="MUG-LOGO", warehouse="WH-WEST", quantity=3),
    )
    assert held_by(erp.model_copy(update={"state": ErpOrderState.CANCELED}), order) == ()


def test_units_at_another_warehouse_than_asked_for_are_in_the_erp_all_the_same() -> None:
    assert awaiting({"EAST": 3}, {}) == {"EAST": 3}
    assert awaiting({"EAST": 3}, {"EAST": 2}) == {"EAST": 1}
    assert awaiting({"EAST": 3}, {"WEST": 3}) == {}
    assert awaiting({"EAST": 3, "WEST": 1}, {"WEST": 3}) == {"EAST": 1}
    assert awaiting({"EAST": 1}, {"EAST": 9}) == {}
