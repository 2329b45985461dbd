"""The demo's 24 orders: every shape that an order has on its first day, as data for the store's control API."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from sandbox.store.requests import PlaceOrder

US_TAX: Final = ("STATE-6.25", "CITY-1.5")
VAT: Final = ("VAT-20",)

LONDON: Final = {
    "first_name": "Grace", "last_name": "Okafor", "address1": "221 Baker Street", "city": "London",
    "zip": "NW1 6XE", "country_code": "GB",
}  # fmt: skip
BERLIN: Final = {
    "first_name": "Jürgen", "last_name": "Weiß", "address1": "Straße des 17. Juni 135", "city": "Berlin",
    "zip": "10623", "country_code": "DE",
}  # fmt: skip
TOKYO: Final = {
    "first_name": "花子", "last_name": "山田", "address1": "千代田1-1", "city": "東京", "zip": "100-0001",
    "country_code": "JP",
}  # fmt: skip
ATHENS: Final = {
    "first_name": "Ελένη", "last_name": "Παπαδοπούλου", "address1": "Ερμού 25", "city": "Αθήνα", "zip": "105 63",
    "country_code": "GR",
}  # fmt: skip
TORONTO: Final = {
    "first_name": "Noah", "last_name": "Tremblay", "address1": "100 Queen Street W", "city": "Toronto",
    "zip": "M5H 2N2", "province": "Ontario", "province_code": "ON", "country_code": "CA",
}  # fmt: skip
ZURICH: Final = {
    "first_name": "Luca", "last_name": "Meier", "address1": "Bahnhofstrasse 1", "city": "Zürich", "zip": "8001",
    "country_code": "CH",
}  # fmt: skip
ADA: Final = {"first_name": "Ada", "last_name": "Example", "email": "ada@example.com"}


class Scenario(BaseModel):
    """One order to place; ``edits`` are line place -> units, made before the first webhook is let through."""

    model_config = ConfigDict(frozen=True)

    name: str
    order: PlaceOrder
    edits: Mapping[int, int] = {}


def _line(sku: str, quantity: int = 1, **more: Any) -> dict[str, Any]:
    return {"sku": sku, "quantity": quantity, **more}


def _split(sku: str, east: int, west: int, **more: Any) -> dict[str, Any]:
    parts = [{"location": 101, "quantity": east}, {"location": 102, "quantity": west}]
    return _line(sku, east + west, split=parts, **more)


def _scenario(
    name: str, lines: list[dict[str, Any]], edits: Mapping[int, int] | None = None, **more: Any
) -> Scenario:
    return Scenario(name=name, order=PlaceOrder.model_validate({"lines": lines, **more}), edits=edits or {})


GIFT_CARD_AND_CARD: Final = [
    {"gateway": "gift_card", "amount": "25.00", "kind": "sale"},
    {"gateway": "shopify_payments", "amount": "rest"},
]

SCENARIOS: Final = (
    _scenario(
        "several lines",
        [_line("TEE-BLK-S", 2), _line("MUG-LOGO", 3), _line("CAP-BLK")],
        taxes=US_TAX,
        customer=ADA,
    ),
    _scenario("the same SKU twice", [_line("SOCK-GRY", 2), _line("SOCK-GRY", 3, price="5.00")], taxes=US_TAX),
    _scenario(
        "a line split across two warehouses", [_split("JEAN-IND-32", 2, 3)], taxes=US_TAX, customer=ADA
    ),
    _scenario(
        "discount on one line",
        [_line("HOOD-GRY-M", 2, discount={"percent": "15", "title": "Loyal"}), _line("PIN-SET", 2)],
        taxes=US_TAX,
    ),
    _scenario(
        "discount on the whole order",
        [_line("TEE-WHT-S", 3), _line("BELT-BRN", 1), _line("STICKER", 7)],
        discounts=[{"amount": "10.00", "title": "Ten off", "code": "TENOFF"}],
        taxes=US_TAX,
    ),
    _scenario(
        "discounts on line and order together",
        [_line("SCARF-WOOL", 2, discount={"amount": "3.33"}), _split("GLOVE-LTH", 1, 1)],
        discounts=[{"percent": "12.5", "title": "Winter"}],
        taxes=US_TAX,
        shipping={"code": "standard"},
    ),
    _scenario(
        "tax not included",
        [_line("BAG-PACK", 2), _line("BAG-TOTE", 3)],
        taxes=US_TAX,
        shipping={"code": "express", "price": "14.95"},
    ),
    _scenario(
        "tax included",
        [_line("TEE-BLK-L", 3, price="23.95"), _line("MUG-LOGO", 2, price="10.05")],
        taxes=VAT,
        taxes_included=True,
        shipping_address=LONDON,
    ),
    _scenario(
        "tax included, discounted, split over warehouses",
        [_split("BAG-TOTE", 3, 4, price="10.05"), _line("STICKER", 9, price="0.99")],
        discounts=[{"percent": "7", "title": "Seven"}],
        taxes=VAT,
        taxes_included=True,
        shipping_address=LONDON,
        shipping={"code": "standard", "price": "4.99"},
    ),
    _scenario(
        "shipping charged and taxed",
        [_line("CAP-GRN", 2)],
        taxes=US_TAX,
        shipping={"code": "standard", "price": "7.50"},
    ),
    _scenario(
        "shipping charged, not taxed",
        [_line("CAP-GRN", 2)],
        taxes=US_TAX,
        shipping={"code": "standard", "taxed": False},
    ),
    _scenario(
        "free shipping", [_line("HOOD-NVY-M", 2)], taxes=US_TAX, shipping={"code": "standard", "free": True}
    ),
    _scenario("a kit", [_line("KIT-STARTER", 3), _line("PIN-SET")], taxes=US_TAX),
    _scenario("a kit from two warehouses", [_split("KIT-STARTER", 2, 2)], taxes=US_TAX, customer=ADA),
    _scenario(
        "a line edited to zero before submission",
        [_line("TEE-WHT-M", 2), _line("TEE-WHT-L", 2)],
        edits={2: 0},
        taxes=US_TAX,
    ),
    _scenario(
        "a line lowered before submission",
        [_line("SOCK-RED", 6), _line("CAP-BLK")],
        edits={1: 4},
        taxes=US_TAX,
    ),
    _scenario(
        "B2B customer with price list",
        [_line("TEE-BLK-M", 40), _line("MUG-LOGO", 24)],
        company={"id": 301},
        payments=[{"gateway": "manual", "amount": "rest"}],
        po_number="PO-7731",
    ),
    _scenario(
        "two payments, one a gift card",
        [_line("BAG-PACK"), _line("PIN-SET", 2)],
        taxes=US_TAX,
        payments=GIFT_CARD_AND_CARD,
    ),
    _scenario(
        "presentment currency other than the shop's",
        [_line("JEAN-IND-30", 2), _line("BELT-BRN")],
        presentment_currency="EUR",
        presentment_rate="0.9137",
        taxes=VAT,
        taxes_included=True,
        shipping_address=BERLIN,
        shipping={"code": "express", "price": "12.00"},
    ),
    _scenario(
        "presentment currency without minor units",
        [_line("SCARF-WOOL", 3)],
        presentment_currency="JPY",
        presentment_rate="151.37",
        shipping_address=TOKYO,
    ),
    _scenario(
        "a guest without account, with state",
        [_line("TEE-BLK-S", 2), _line("SOCK-RED", 2)],
        taxes=US_TAX,
        email="guest@example.com",
    ),
    _scenario(
        "an address without state, non-Latin name",
        [_line("GLOVE-LTH", 2)],
        shipping_address=ATHENS,
        taxes=VAT,
        taxes_included=True,
    ),
    _scenario(
        "billing and shipping address differ",
        [_line("CAP-BLK", 2)],
        shipping_address=TORONTO,
        billing_address=ZURICH,
    ),
    _scenario(
        "everything at once",
        [
            _split("TEE-BLK-M", 3, 2, discount={"percent": "10"}),
            _line("TEE-BLK-M", 2, location=102),
            _split("KIT-STARTER", 1, 1),
            _line("STICKER", 11, price="0.33"),
        ],
        discounts=[{"amount": "5.55", "title": "Thanks"}],
        taxes=US_TAX,
        payments=GIFT_CARD_AND_CARD,
        customer=ADA,
        shipping={"code": "express", "price": "19.99"},
        note="Please leave with the neighbour.",
    ),
)

TEST_ORDER: Final = _scenario("a test order (ignored)", [_line("STICKER")], test=True)
