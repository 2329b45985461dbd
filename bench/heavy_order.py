"""An order with much to it: 20 lines in two warehouses, and what its customer changes of it later. Pure.

The card is authorized for what the order comes to at first; no edit makes it dearer than that.
"""

from decimal import Decimal
from typing import Final

from bench.sample_order import Goods, line_of, order_of, plan_of
from domain.order import Order
from sandbox.catalog import PRODUCTS

LINES: Final = 20
UNITS: Final = 3
"""Of each line."""
LONG_IDS: Final = 5_400_000_000_000
"""What is added to its number: Shopify's ids are as long."""
_PLACES: Final = ("101", "102")
INSTEAD: Final = PRODUCTS[0]["sku"]
"""What a buyer gets for what comes back."""
_ADDED: Final = PRODUCTS[LINES]


def heavy_order(channel: str, number: int) -> Order:
    """The order as it is placed: every other line is shipped from the other warehouse."""
    goods = [
        Goods(product["sku"], product["name"], UNITS, Decimal(product["price"]), _PLACES[place % 2])
        for place, product in enumerate(PRODUCTS[:LINES])
    ]
    return order_of(channel, LONG_IDS + number, goods)


def moved(order: Order) -> Order:
    """The same order to another house."""
    assert order.shipping_address is not None
    there = order.shipping_address.model_copy(update={"street": ("22 Second Street", "Floor 3")})
    return order.model_copy(update={"shipping_address": there})


def with_a_line_more(order: Order) -> Order:
    """The same order with a small thing added."""
    goods = Goods(_ADDED["sku"], _ADDED["name"], 1, Decimal(_ADDED["price"]), _PLACES[0])
    line = line_of(order.key.external_id, len(order.lines) + 1, goods)
    tax = sum((tax.amount for tax in line.taxes), Decimal(0))
    total = order.total + goods.units * goods.price + tax
    return order.model_copy(
        update={
            "lines": (*order.lines, line),
            "location_plans": (*order.location_plans, plan_of([line], goods.location)),
            "total": total,
            "presentment_total": total,
            "total_tax": order.total_tax + tax,
        }
    )
