"""Shopify's answers become orders of this project: every shape of order, and every way in which an answer is odd."""

from decimal import Decimal
from typing import Any

import pytest

from adapters.errors import ContractBroken
from domain.order import DiscountScope, PaymentKind, PaymentStatus
from tests import shopify_answers as shop
from tests.shopify_answers import read

STATE, CITY = ("State Tax", 0.0625), ("City Tax", 0.015)


def test_an_order_of_several_lines() -> None:
    told = read(
        shop.order(
            shop.line(
                601, "TEE-BLK-M", 2, "19.90", taxLines=[shop.tax(*STATE, "2.49"), shop.tax(*CITY, "0.60")]
            ),
            shop.line(
                602, "MUG-LOGO", 1, "9.05", taxLines=[shop.tax(*STATE, "0.57"), shop.tax(*CITY, "0.14")]
            ),
            note="Leave at the door",
        )
    )
    assert str(told.key) == "shop:5001"
    assert told.number == "#1001"
    assert told.placed_at.isoformat() == "2026-07-01T10:00:00+00:00"
    assert [(each.line_id, each.sku, each.ordered, each.current) for each in told.lines] == [
        ("601", "TEE-BLK-M", 2, 2),
        ("602", "MUG-LOGO", 1, 1),
    ]
    assert told.lines[0].unit_price == Decimal("19.90")
    assert [(t.title, t.rate, t.amount) for t in told.lines[0].taxes] == [
        ("State Tax", Decimal("0.0625"), Decimal("2.49")),
        ("City Tax", Decimal("0.015"), Decimal("0.60")),
    ]
    assert told.total == Decimal("52.65")
    assert told.total_tax == Decimal("3.80")
    assert told.note == "Leave at the door"
    assert not told.test
    assert told.canceled_at is None


def test_the_same_sku_on_two_lines_stays_two_lines() -> None:
    told = read(shop.order(shop.line(601, "CAP-BLK", 1, "24.49"), shop.line(602, "CAP-BLK", 3, "24.49")))
    assert [(each.line_id, each.sku, each.current) for each in told.lines] == [
        ("601", "CAP-BLK", 1),
        ("602", "CAP-BLK", 3),
    ]


def test_a_line_split_over_two_locations() -> None:
    told = read(
        shop.order(
            shop.line(601, "CAP-BLK", 5, "24.49"),
            fulfillmentOrders=shop.page(
                shop.fulfillment_order(501, 101, (601, 3, 1), status="IN_PROGRESS"),
                shop.fulfillment_order(502, 102, (601, 2, 2)),
            ),
            fulfillments=[shop.fulfillment(401, 101, (601, 2), tracking="1Z9")],
        )
    )
    assert [
        (
            plan.id,
            plan.location,
            plan.open,
            [(part.line_id, part.quantity, part.remaining) for part in plan.lines],
        )
        for plan in told.location_plans
    ] == [("501", "101", True, [("601", 3, 1)]), ("502", "102", True, [("601", 2, 2)])]
    (left,) = told.fulfillments
    assert (left.fulfillment_id, left.location, left.carrier, left.tracking_number) == (
        "401",
        "101",
        "UPS",
        "1Z9",
    )
    assert [(part.line_id, part.quantity) for part in left.lines] == [("601", 2)]


@pytest.mark.parametrize(
    ("status", "is_open"),
    [
        ("OPEN", True),
        ("IN_PROGRESS", True),
        ("ON_HOLD", True),
        ("SCHEDULED", True),
        ("INCOMPLETE", True),
        ("CLOSED", False),
        ("CANCELLED", False),
    ],
)
def test_what_is_to_be_shipped_later_is_still_to_be_shipped(status: str, is_open: bool) -> None:
    plans = shop.page(shop.fulfillment_order(501, 101, (601, 1, 1), status=status))
    told = read(shop.order(shop.line(601, "CAP-BLK", 1, "24.49"), fulfillmentOrders=plans))
    assert told.location_plans[0].open is is_open


def test_a_deleted_location_and_lines_without_units_do_not_stop_the_reading() -> None:
    told = read(
        shop.order(
            shop.line(601, "CAP-BLK", 1, "24.49"),
            fulfillmentOrders=shop.page(shop.fulfillment_order(501, None, (601, 1, 1), (602, 0, 0))),
            fulfillments=[shop.fulfillment(401, None, (601, 1), tracking=None)],
        )
    )
    assert told.location_plans[0].location == "unknown"
    assert [part.line_id for part in told.location_plans[0].lines] == ["601"]
    assert told.fulfillments[0].location == "unknown"
    assert told.fulfillments[0].tracking_number is None


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        ("SUCCESS", True),
        ("OPEN", True),
        ("PENDING", True),
        ("CANCELLED", False),
        ("ERROR", False),
        ("FAILURE", False),
    ],
)
def test_a_canceled_or_failed_fulfillment_did_not_leave(status: str, shown: bool) -> None:
    gone = [shop.fulfillment(401, 101, (601, 1), status=status)]
    told = read(shop.order(shop.line(601, "CAP-BLK", 1, "24.49"), fulfillments=gone))
    assert bool(told.fulfillments) is shown


def test_units_of_a_line_from_two_fulfillment_orders_are_added_up() -> None:
    gone = [shop.fulfillment(401, 101, (601, 1), (602, 4), (601, 2))]
    told = read(shop.order(shop.line(601, "CAP-BLK", 3, "24.49"), fulfillments=gone))
    assert [(part.line_id, part.quantity) for part in told.fulfillments[0].lines] == [("601", 3), ("602", 4)]


def test_discounts_on_a_line_and_on_the_order() -> None:
    told = read(
        shop.order(
            shop.line(
                601,
                "JEAN-IND-32",
                1,
                "89.99",
                discountAllocations=[
                    shop.discount("10.00"),
                    shop.discount("4.00", order=True, code="SUMMER"),
                ],
            ),
            charges=(
                shop.shipping(
                    "8.00",
                    discountAllocations=[
                        shop.discount("8.00", order=True, code="FREESHIP", targetType="SHIPPING_LINE")
                    ],
                ),
            ),
        )
    )
    assert [(d.title, d.scope, d.amount) for d in told.lines[0].discounts] == [
        ("Sorry", DiscountScope.LINE, Decimal("10.00")),
        ("SUMMER", DiscountScope.ORDER, Decimal("4.00")),
    ]
    assert [(d.title, d.scope, d.amount) for d in told.shipping[0].discounts] == [
        ("FREESHIP", DiscountScope.LINE, Decimal("8.00"))
    ]
    assert told.total == Decimal("75.99")


def test_a_discount_on_some_products_is_the_lines_even_where_it_is_spread() -> None:
    spread = shop.discount("4.00", order=True, code="JEANS", targetSelection="ENTITLED")
    told = read(shop.order(shop.line(601, "JEAN-IND-32", 1, "89.99", discountAllocations=[spread])))
    assert told.lines[0].discounts[0].scope is DiscountScope.LINE


def test_tax_included() -> None:
    told = read(
        shop.order(
            shop.line(601, "BAG-TOTE", 1, "12.00", taxLines=[shop.tax("VAT", 0.2, "2.00")]),
            taxesIncluded=True,
        )
    )
    assert told.taxes_included
    assert told.total == Decimal("12.00")
    assert told.total_tax == Decimal("2.00")


def test_shipping_charged_and_taxed_and_its_code_falls_back_to_the_title() -> None:
    told = read(
        shop.order(
            shop.line(601, "MUG-LOGO", 1, "9.05"),
            charges=(
                shop.shipping("5.00", taxLines=[shop.tax(*STATE, "0.31")]),
                shop.shipping("0.00", id=None, code=None, title="Pick-up"),
                shop.shipping("7.00", isRemoved=True),
            ),
        )
    )
    assert [(c.charge_id, c.code, c.price) for c in told.shipping] == [
        ("700", "standard", Decimal("5.00")),
        ("5001-1", "Pick-up", Decimal("0.00")),
    ]
    assert told.shipping[0].taxes[0].amount == Decimal("0.31")


def test_a_b2b_order_names_the_company() -> None:
    entity = {
        "__typename": "PurchasingCompany",
        "company": {"id": shop.gid("Company", 301), "name": "Wholesale Inc"},
    }
    told = read(shop.order(shop.line(601, "CAP-BLK", 10, "22.04"), purchasingEntity=entity))
    assert (told.customer.company_id, told.customer.company_name) == ("301", "Wholesale Inc")
    assert (told.customer.external_id, told.customer.name) == ("900", "Ada Byron")


def test_a_gift_card_and_a_card() -> None:
    told = read(
        shop.order(
            shop.line(601, "BAG-PACK", 1, "119.00"),
            transactions=[
                shop.transaction(801, "SALE", "25.00", gateway="gift_card"),
                shop.transaction(802, "AUTHORIZATION", "94.00"),
                shop.transaction(803, "CAPTURE", "40.00", parent=802),
                shop.transaction(804, "CAPTURE", "54.00", parent=802, status="FAILURE"),
            ],
        )
    )
    assert [(p.payment_id, p.kind, p.status, p.gateway, p.parent_id) for p in told.payments] == [
        ("801", PaymentKind.SALE, PaymentStatus.SUCCESS, "gift_card", None),
        ("802", PaymentKind.AUTHORIZATION, PaymentStatus.SUCCESS, "shopify_payments", None),
        ("803", PaymentKind.CAPTURE, PaymentStatus.SUCCESS, "shopify_payments", "802"),
        ("804", PaymentKind.CAPTURE, PaymentStatus.FAILED, "shopify_payments", "802"),
    ]
    assert told.captured == Decimal("65.00")


def test_cash_handed_back_at_a_till_was_not_taken() -> None:
    told = read(
        shop.order(
            shop.line(601, "MUG-LOGO", 1, "9.05"),
            transactions=[
                shop.transaction(801, "SALE", "10.00", gateway="cash"),
                shop.transaction(802, "CHANGE", "0.95", gateway="cash", parent=801),
                shop.transaction(803, "SUGGESTED_REFUND", "9.05"),
                shop.transaction(804, "EMV_AUTHORIZATION", "9.05", gateway=None, status="AWAITING_RESPONSE"),
            ],
        )
    )
    assert told.captured == Decimal("9.05")
    assert [p.payment_id for p in told.payments] == ["801", "802", "804"]
    last = told.payments[-1]
    assert (last.kind, last.status, last.gateway) == (
        PaymentKind.AUTHORIZATION,
        PaymentStatus.PENDING,
        "unknown",
    )


def test_presentment_currency() -> None:
    told = read(
        shop.order(
            shop.line(601, "MUG-LOGO", 2, "9.05"),
            presentmentCurrencyCode="EUR",
            currentTotalPriceSet=shop.money("18.10", "16.62"),
            transactions=[shop.transaction(801, "AUTHORIZATION", "18.10", presentment="16.62")],
        )
    )
    assert (told.currency, told.presentment_currency) == ("USD", "EUR")
    assert (told.total, told.presentment_total) == (Decimal("18.10"), Decimal("16.62"))
    assert (told.payments[0].amount, told.payments[0].presentment_amount) == (
        Decimal("18.10"),
        Decimal("16.62"),
    )


@pytest.mark.parametrize(
    ("left", "name"),
    [
        ({"shippingAddress": shop.address(name="Grace Hopper")}, "Grace Hopper"),
        ({"shippingAddress": shop.address(name=None)}, "Ada Byron"),
        ({"billingAddress": shop.address(name="Grace Hopper")}, "Grace Hopper"),
        ({"email": "grace@example.com"}, "grace@example.com"),
        ({"phone": "+12125550100"}, "+12125550100"),
        ({}, "Guest"),
    ],
)
def test_a_guest_is_named_from_what_they_left(left: dict[str, Any], name: str) -> None:
    nothing = {
        "customer": None,
        "shippingAddress": None,
        "billingAddress": None,
        "email": None,
        "phone": None,
    }
    told = read(shop.order(shop.line(601, "MUG-LOGO", 1, "9.05"), **(nothing | left)))
    assert told.customer.external_id is None
    assert told.customer.name == name
    assert told.customer.email == left.get("email")


def test_an_account_has_its_own_e_mail_address_where_the_order_has_none() -> None:
    told = read(shop.order(shop.line(601, "MUG-LOGO", 1, "9.05"), email=None))
    assert told.customer.email == "ada@example.com"


def test_an_address_without_state_and_with_a_non_latin_name() -> None:
    tokyo = shop.address(
        name="山田 太郎",
        address1="千代田1-1",
        address2="3階",
        city="千代田区",
        provinceCode="JP-13",
        countryCodeV2="JP",
    )
    athens = shop.address(
        name=None, firstName="Ελένη", lastName=None, provinceCode=None, countryCodeV2="GR", zip=None
    )
    told = read(
        shop.order(shop.line(601, "MUG-LOGO", 1, "9.05"), shippingAddress=tokyo, billingAddress=athens)
    )
    assert told.shipping_address is not None
    assert (told.shipping_address.name, told.shipping_address.state) == ("山田 太郎", "13")
    assert told.shipping_address.street == ("千代田1-1", "3階")
    assert told.billing_address is not None
    assert (told.billing_address.name, told.billing_address.state) == ("Ελένη", None)
    assert told.billing_address.postal_code == ""


def test_a_test_order_and_a_canceled_one_say_so() -> None:
    told = read(
        shop.order(shop.line(601, "MUG-LOGO", 1, "9.05"), test=True, cancelledAt="2026-07-02T08:00:00+02:00")
    )
    assert told.test
    assert told.canceled_at is not None
    assert told.canceled_at.isoformat() == "2026-07-02T06:00:00+00:00"


def test_a_tax_rate_may_be_told_in_per_cent_only() -> None:
    taxed = shop.line(
        601, "MUG-LOGO", 1, "9.05", taxLines=[shop.tax("State Tax", None, "0.57", percentage=6.25)]
    )
    assert read(shop.order(taxed, currentTaxLines=[])).lines[0].taxes[0].rate == Decimal("0.0625")


def test_a_line_without_sku_has_none() -> None:
    told = read(
        shop.order(shop.line(601, "", 1, "1.00", requiresShipping=False), shop.line(602, None, 1, "1.00"))
    )
    assert [each.sku for each in told.lines] == [None, None]
    assert not told.lines[0].requires_shipping


@pytest.mark.parametrize(
    ("broken", "named"),
    [
        ({"name": None}, "order.name"),
        ({"createdAt": "2026-07-01T10:00:00"}, "order.createdAt"),
        ({"currencyCode": "usd"}, "order.currencyCode"),
        ({"currentTotalPriceSet": shop.money("1.00")}, "order.currentTotalPriceSet.presentmentMoney"),
        (
            {"currentTotalPriceSet": {"shopMoney": {"amount": "NaN"}}},
            "order.currentTotalPriceSet.shopMoney.amount",
        ),
        ({"id": "5001"}, "order.id"),
        ({"transactions": [shop.transaction(801, "BARTER", "1.00")]}, "order.transactions.0.kind"),
        ({"lineItems": shop.page(shop.line(601, "A", -1, "1.00"))}, "order.lineItems.nodes.0.quantity"),
        ({"lineItems": {"nodes": []}}, "order.lineItems.pageInfo"),
        ({"shippingAddress": shop.address(countryCodeV2=None)}, "order.shippingAddress.countryCodeV2"),
        ({"billingAddress": shop.address(countryCodeV2=None)}, "order.billingAddress.countryCodeV2"),
        (
            {
                "lineItems": shop.page(
                    shop.line(601, "A", 1, "1.00", taxLines=[shop.tax("VAT", None, "0.20")])
                )
            },
            "order.lineItems.601.taxLines: the tax 'VAT' has no rate",
        ),
        (
            {
                "lineItems": shop.page(
                    shop.line(601, "A", 1, "1.00", taxLines=[shop.tax("VAT", 20.0, "0.20")])
                )
            },
            "rate",
        ),
    ],
)
def test_an_answer_that_does_not_fit_names_the_field(broken: dict[str, Any], named: str) -> None:
    with pytest.raises(ContractBroken) as caught:
        read(shop.order(shop.line(601, "MUG-LOGO", 1, "9.05"), **broken))
    assert named in caught.value.reason
    assert caught.value.raw


def test_a_missing_field_is_named_too() -> None:
    answer = shop.order(shop.line(601, "MUG-LOGO", 1, "9.05"))
    del answer["lineItems"]["nodes"][0]["currentQuantity"]
    with pytest.raises(
        ContractBroken, match=r"order\.lineItems\.nodes\.0\.currentQuantity does not fit: Field required"
    ):
        read(answer)
