"""Tips, duties and fees as Shopify tells them: which line is the tip, and what is left of a duty."""

from decimal import Decimal
from typing import Any

import pytest

from domain.order import LineKind, Order
from tests import shopify_answers as shop
from tests.shopify_answers import gid, read


def tip(number: int, amount: str, **more: Any) -> dict[str, Any]:
    return shop.line(
        number, None, 1, amount, name="Tip", requiresShipping=False, nonFulfillableQuantity=1, **more
    )


def tips(order: Order) -> dict[str, Decimal]:
    return {line.line_id: line.unit_price for line in order.lines if line.kind is LineKind.TIP}


def test_a_line_without_a_product_that_costs_the_tip_is_the_tip() -> None:
    goods = shop.line(601, "TEE", 1, "10.00")
    order = read(shop.order(goods, tip(602, "3.00"), totalTipReceivedSet=shop.money("3.00")))
    assert tips(order) == {"602": Decimal("3.00")}
    assert order.total == Decimal("13.00")


def test_among_several_such_lines_it_is_the_one_of_its_amount() -> None:
    lines = (tip(601, "7.00"), tip(602, "3.00"))
    assert tips(read(shop.order(*lines, totalTipReceivedSet=shop.money("3.00")))) == {"602": Decimal("3.00")}
    assert set(tips(read(shop.order(*lines, totalTipReceivedSet=shop.money("10.00"))))) == {"601", "602"}
    assert tips(read(shop.order(*lines))) == {}


def test_a_tip_that_stands_on_no_line_gets_one() -> None:
    answer = shop.order(shop.line(601, "TEE", 1, "10.00"), totalTipReceivedSet=shop.money("3.00"))
    order = read(answer | {"currentTotalPriceSet": shop.money("13.00", "13.00")})
    assert tips(order) == {"tip": Decimal("3.00")}
    canceled = read(answer | {"cancelledAt": "2026-07-02T10:00:00Z"})
    assert tips(canceled) == {}


def duty(number: int, price: str, *taxes: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": gid("Duty", number),
        "harmonizedSystemCode": "6109.10",
        "price": shop.money(price, price),
        "taxLines": list(taxes),
    }


@pytest.mark.parametrize(
    ("told", "left"),
    [("3.67", "3.33"), ("3.68", "3.34"), (None, "3.33"), ("9.99", "3.33")],
    ids=["rounded", "a cent more", "no total", "another total"],
)
def test_what_is_left_of_a_duty_follows_the_units_and_the_order_s_own_total(
    told: str | None, left: str
) -> None:
    cut = shop.line(601, "TEE", 3, "10.00", currentQuantity=2, duties=[duty(701, "5.00")])
    whole = shop.line(602, "MUG", 1, "9.00", duties=[duty(702, "0.34")])
    answer = shop.order(cut, whole)
    answer["currentTotalDutiesSet"] = shop.money(told) if told else None
    order = read(answer)
    assert [(each.charge_id, each.price) for each in order.duties] == [
        ("duty-701", Decimal(left)),
        ("duty-702", Decimal("0.34")),
    ]
    assert order.duties[0].title == "Duty 6109.10 on Product TEE"


def test_duties_that_are_in_the_prices_are_not_charged_once_more() -> None:
    line = shop.line(601, "TEE", 1, "10.00", duties=[duty(701, "1.00")])
    order = read(shop.order(line, dutiesIncluded=True, currentTotalDutiesSet=shop.money("1.00")))
    assert order.duties == ()
    assert order.total == Decimal("10.00")


def test_a_fee_and_its_taxes_are_told_by_its_name() -> None:
    fee = {
        "id": gid("AdditionalFee", 801),
        "name": "Retail delivery fee",
        "price": shop.money("0.28"),
        "taxLines": [shop.tax("State Tax", 0.0625, "0.02")],
    }
    answer = shop.order(shop.line(601, "TEE", 1, "10.00"), additionalFees=[fee])
    answer |= {
        "currentTaxLines": [shop.tax("State Tax", 0.0625, "0.02")],
        "currentTotalTaxSet": shop.money("0.02"),
        "currentTotalPriceSet": shop.money("10.30", "10.30"),
    }
    (told,) = read(answer).fees
    assert (told.charge_id, told.title, told.price) == ("fee-801", "Retail delivery fee", Decimal("0.28"))
    assert [tax.amount for tax in told.taxes] == [Decimal("0.02")]
