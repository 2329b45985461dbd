"""Orders of every shape that both systems have to agree on, as the storefront tells them."""

from collections.abc import Callable
from decimal import Decimal
from typing import Final

from domain.erp_order import SalesOrder
from domain.order import Address, Customer, DiscountScope, Order, PaymentKind
from domain.planning import plan_sales_order
from sandbox.catalog import KIT_SKU
from tests.order_builder import (
    US_TAXES,
    VAT,
    make_discount,
    make_line,
    make_order,
    make_payment,
    make_shipping,
    sandbox_mapping,
)

Shape = Callable[[str], Order]
EVERY_TAX: Final = (*US_TAXES, *VAT)
ORDER_DISCOUNT: Final = DiscountScope.ORDER


def sales_order(order: Order) -> SalesOrder:
    """What the ERP is asked for, by the sandbox's mapping."""
    return plan_sales_order(order, sandbox_mapping())


def two_warehouses(external_id: str) -> Order:
    """One line in the east, one in the west, one split over both."""
    lines = (
        make_line("11", "TEE-BLK-M", 4),
        make_line("12", "CAP-BLK", 2),
        make_line("13", "JEAN-IND-32", 5, discounts=[make_discount("10.01")]),
    )
    placement = {"11": {"101": 4}, "12": {"102": 2}, "13": {"101": 3, "102": 2}}
    return make_order(external_id, lines=lines, placement=placement, shipping=[make_shipping()])


def _same_sku_twice(external_id: str) -> Order:
    lines = (
        make_line("11", "SOCK-GRY", 3),
        make_line("12", "BELT-BRN", 3),
        make_line("13", "SOCK-GRY", 2, unit_price="5.00"),
    )
    return make_order(external_id, lines=lines)


def _line_discount(external_id: str) -> Order:
    return make_order(external_id, lines=[make_line("11", "BELT-BRN", 7, discounts=[make_discount("11.11")])])


def _order_discount(external_id: str) -> Order:
    lines = (
        make_line("11", "STICKER", 7, discounts=[make_discount("0.83", ORDER_DISCOUNT)]),
        make_line("12", "JEAN-IND-30", 1, discounts=[make_discount("9.17", ORDER_DISCOUNT)]),
    )
    return make_order(external_id, lines=lines)


def _taxes_included(external_id: str) -> Order:
    lines = (
        make_line("11", "TEE-WHT-M", 3, tax_rates=VAT, taxes_included=True),
        make_line("12", "GLOVE-LTH", 1, tax_rates=VAT, taxes_included=True),
    )
    charge = make_shipping("4.99", tax_rates=VAT, taxes_included=True)
    return make_order(external_id, lines=lines, shipping=[charge], taxes_included=True)


def _three_taxes(external_id: str) -> Order:
    lines = [make_line(str(11 + n), "STICKER", n + 1, tax_rates=EVERY_TAX) for n in range(6)]
    return make_order(external_id, lines=lines)


def _three_taxes_included(external_id: str) -> Order:
    lines = [
        make_line(str(11 + n), "MUG-LOGO", 2 * n + 1, tax_rates=EVERY_TAX, taxes_included=True)
        for n in range(4)
    ]
    return make_order(external_id, lines=lines, taxes_included=True)


def _taxed_delivery(external_id: str) -> Order:
    charge = make_shipping("12.95", code="express", tax_rates=US_TAXES)
    return make_order(external_id, shipping=[charge])


def _free_delivery_and_a_line_edited_to_zero(external_id: str) -> Order:
    lines = (make_line("11", "CAP-GRN", 2, current=0), make_line("12", "BAG-TOTE", 3))
    charge = make_shipping("7.50", discounts=[make_discount("7.50", ORDER_DISCOUNT)])
    return make_order(external_id, lines=lines, shipping=[charge])


def kits(external_id: str) -> Order:
    return make_order(external_id, lines=[make_line("11", KIT_SKU, 4), make_line("12", "PIN-SET", 1)])


def _wholesale(external_id: str) -> Order:
    buyer = Customer(external_id="7002", name="Buyer", company_id="301", company_name="Wholesale Inc")
    line = make_line("11", "HOOD-GRY-M", 10, unit_price="48.60", tax_rates=())
    return make_order(external_id, lines=[line], customer=buyer)


def _gift_card_and_card_from_japan(external_id: str) -> Order:
    tokyo = Address(
        name="山田 花子", street=("千代田1-1",), city="東京", postal_code="100-0001", country="JP"
    )
    customer = Customer(external_id="7003", name="山田 花子", email="hanako@example.jp")
    order = make_order(external_id, customer=customer, billing_address=tokyo, shipping_address=tokyo)
    gift_card = make_payment("25.00", PaymentKind.SALE, payment_id="801", gateway="gift_card")
    card = make_payment(order.total - gift_card.amount, payment_id="802")
    return order.model_copy(update={"payments": (gift_card, card)})


def _guest_without_state_paying_in_yen(external_id: str) -> Order:
    berlin = Address(
        name="Jürgen Weiß",
        street=("Straße des 17. Juni 135",),
        city="Berlin",
        postal_code="10623",
        country="DE",
    )
    return make_order(
        external_id,
        customer=Customer(name="Jürgen Weiß"),
        billing_address=berlin,
        shipping_address=berlin,
        presentment_currency="JPY",
        presentment_total=Decimal(6502),
    )


def _cents_that_do_not_divide(external_id: str) -> Order:
    """No unit price of four decimals gives these nets, and no two roundings of their taxes agree."""
    lines = (
        make_line("11", "STICKER", 300, unit_price="0.99", discounts=[make_discount("0.01")]),
        make_line("12", "BAG-PACK", 7, discounts=[make_discount("100.00")]),
        make_line("13", "PIN-SET", 1, unit_price="0.37"),
    )
    return make_order(external_id, lines=lines, placement={"11": {"101": 101, "102": 199}})


SHAPES: Final[dict[str, Shape]] = {
    "lines split over two warehouses": two_warehouses,
    "the same SKU twice": _same_sku_twice,
    "discount on a line": _line_discount,
    "discount on the order": _order_discount,
    "taxes included": _taxes_included,
    "three taxes a line": _three_taxes,
    "three taxes included": _three_taxes_included,
    "delivery taxed": _taxed_delivery,
    "delivery free, a line edited to zero": _free_delivery_and_a_line_edited_to_zero,
    "kits": kits,
    "wholesale": _wholesale,
    "gift card and card, Japanese address": _gift_card_and_card_from_japan,
    "guest, address without state, paid in yen": _guest_without_state_paying_in_yen,
    "cents that do not divide": _cents_that_do_not_divide,
}
