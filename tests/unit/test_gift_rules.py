"""Gifts: how buyers say so, and what the warehouse reads of it."""

import pytest

from domain.gifts import GiftRules, gift_facts
from domain.planning import plan_sales_order
from tests.order_builder import make_order, sandbox_mapping

RULES = GiftRules(message="gift_message", flag="gift")
GIFT, NO_PRICES = "This order is a gift", "No prices on the papers in the parcel"


@pytest.mark.parametrize(
    ("attributes", "facts"),
    [
        ({}, ()),
        ({"gift_message": " "}, ()),
        ({"gift": "no"}, ()),
        ({"gift": "False"}, ()),
        ({"Gift": "yes"}, ()),
        ({"gift": "yes"}, (GIFT, NO_PRICES)),
        ({"gift_message": "Happy birthday"}, (GIFT, NO_PRICES, "Gift message: Happy birthday")),
        (
            {"gift": "no", "gift_message": "Dear Ada,\n\n  Deliver to: nobody\n"},
            (GIFT, NO_PRICES, "Gift message: Dear Ada, / Deliver to: nobody"),
        ),
    ],
)
def test_words_or_a_mark_make_an_order_a_gift(attributes, facts):
    assert gift_facts(make_order(attributes=attributes), RULES) == facts


def test_prices_may_stay_and_without_rules_nothing_is_a_gift():
    order = make_order(attributes={"gift": "yes", "gift_message": "Hi"})
    assert gift_facts(order, GiftRules(flag="gift", hide_prices=False)) == (GIFT,)
    assert gift_facts(order, GiftRules()) == ()


def test_the_erps_order_says_it_after_the_buyers_own_note():
    order = make_order(note="Ring twice", attributes={"gift_message": "Hi"})
    said = plan_sales_order(order, sandbox_mapping()).instructions.split("\n")
    assert said[:4] == ["Ring twice", GIFT, NO_PRICES, "Gift message: Hi"]
