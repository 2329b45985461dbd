"""What is left of taxes and discounts after units were removed: the order's own totals decide."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.shopify.remaining import Part, shares_left
from tests import shopify_answers as shop
from tests.shopify_answers import read

STATE = ("State Tax", 0.0625)


def test_a_line_edited_to_zero_counts_no_tax_and_no_discount() -> None:
    told = read(
        shop.order(
            shop.line(
                601,
                "TEE-BLK-M",
                2,
                "19.90",
                currentQuantity=0,
                taxLines=[shop.tax(*STATE, "2.49")],
                discountAllocations=[shop.discount("1.00")],
            ),
            shop.line(602, "MUG-LOGO", 1, "9.05", taxLines=[shop.tax(*STATE, "0.57")]),
            currentTotalPriceSet=shop.money("9.62", "9.62"),
            currentTotalTaxSet=shop.money("0.57"),
            currentTotalDiscountsSet=shop.money("0.00"),
            currentTaxLines=[shop.tax(*STATE, "0.57")],
        )
    )
    gone, kept = told.lines
    assert (gone.ordered, gone.current, gone.taxes, gone.discounts) == (2, 0, (), ())
    assert kept.taxes[0].amount == Decimal("0.57")
    assert told.total == Decimal("9.62")


@pytest.mark.parametrize(
    ("told", "left"),
    [("2.24", "2.24"), ("2.25", "2.25"), ("3.37", "3.37")],
    ids=["recalculated by the shop", "in proportion", "the lines already tell what is left"],
)
def test_the_order_says_what_is_left_of_the_taxes_of_a_line_that_was_cut(told: str, left: str) -> None:
    # three units at 17.95 were taxed 3.37; of one unit removed the line itself says nothing
    cut = shop.line(601, "TEE-WHT-S", 3, "17.95", currentQuantity=2, taxLines=[shop.tax(*STATE, "3.37")])
    whole = shop.line(602, "MUG-LOGO", 1, "9.05", taxLines=[shop.tax(*STATE, "0.57")])
    charge = shop.shipping("5.00", taxLines=[shop.tax(*STATE, "0.31")])
    tax = Decimal(told) + Decimal("0.88")
    order = read(shop.order(cut, whole, charges=(charge,), currentTaxLines=[shop.tax(*STATE, str(tax))]))
    assert order.lines[0].taxes[0].amount == Decimal(left)
    assert order.lines[1].taxes[0].amount == Decimal("0.57")


def test_where_the_orders_tax_cannot_be_explained_it_is_not_bent() -> None:
    cut = shop.line(601, "TEE-WHT-S", 3, "17.95", currentQuantity=2, taxLines=[shop.tax(*STATE, "3.37")])
    order = read(shop.order(cut, currentTaxLines=[shop.tax(*STATE, "9.99")]))
    assert order.lines[0].taxes[0].amount == Decimal("2.25")


@pytest.mark.parametrize("delivery_counted", [True, False])
def test_discounts_left_on_a_line_that_was_cut(delivery_counted: bool) -> None:
    cut = shop.line(
        601, "TEE-WHT-S", 3, "17.95", currentQuantity=2, discountAllocations=[shop.discount("1.00")]
    )
    charge = shop.shipping("5.00", discountAllocations=[shop.discount("2.50")])
    left = Decimal("0.66") + (Decimal("2.50") if delivery_counted else 0)
    order = read(shop.order(cut, charges=(charge,), currentTotalDiscountsSet=shop.money(str(left))))
    assert order.lines[0].discounts[0].amount == Decimal("0.66")


@given(
    st.lists(
        st.tuples(st.integers(0, 100_000), st.integers(1, 20), st.integers(1, 20)).map(
            lambda each: Part(Decimal(each[0]) / 100, max(each[1:]), min(each[1:]))
        ),
        min_size=1,
        max_size=8,
    )
)
def test_what_is_left_sums_to_what_the_order_says(parts: list[Part]) -> None:
    exact = sum(part.amount * part.current / part.ordered for part in parts)
    total = Decimal(exact).quantize(Decimal("0.01"))
    shares = shares_left(parts, [total], "USD")
    assert sum(shares) == total
    # Less than a cent by the division itself, and half a cent by which the order's total was rounded.
    assert all(
        abs(share - part.amount * part.current / part.ordered) < Decimal("0.015")
        for share, part in zip(shares, parts, strict=True)
    )
