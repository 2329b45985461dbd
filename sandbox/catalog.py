"""What the sandbox sells: one catalogue that seeds both the ERP and the store, so that they agree at the start.

Amounts are decimal strings in USD. ``config/mappings/shopify-tryton.toml`` maps between the two sides.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final, NamedTuple, TypedDict


class Product(TypedDict):
    """A product for sale; ``price`` is the net list price."""

    sku: str
    name: str
    price: str


PRODUCTS: Final[tuple[Product, ...]] = (
    {"sku": "TEE-BLK-S", "name": "T-shirt black S", "price": "19.90"},
    {"sku": "TEE-BLK-M", "name": "T-shirt black M", "price": "19.90"},
    {"sku": "TEE-BLK-L", "name": "T-shirt black L", "price": "19.90"},
    {"sku": "TEE-WHT-S", "name": "T-shirt white S", "price": "17.95"},
    {"sku": "TEE-WHT-M", "name": "T-shirt white M", "price": "17.95"},
    {"sku": "TEE-WHT-L", "name": "T-shirt white L", "price": "17.95"},
    {"sku": "HOOD-GRY-M", "name": "Hoodie grey M", "price": "54.00"},
    {"sku": "HOOD-GRY-L", "name": "Hoodie grey L", "price": "54.00"},
    {"sku": "HOOD-NVY-M", "name": "Hoodie navy M", "price": "56.50"},
    {"sku": "JEAN-IND-30", "name": "Jeans indigo 30", "price": "89.99"},
    {"sku": "JEAN-IND-32", "name": "Jeans indigo 32", "price": "89.99"},
    {"sku": "JEAN-IND-34", "name": "Jeans indigo 34", "price": "89.99"},
    {"sku": "SOCK-GRY", "name": "Socks grey, pair", "price": "6.35"},
    {"sku": "SOCK-RED", "name": "Socks red, pair", "price": "6.35"},
    {"sku": "CAP-BLK", "name": "Cap black", "price": "24.49"},
    {"sku": "CAP-GRN", "name": "Cap green", "price": "24.49"},
    {"sku": "BELT-BRN", "name": "Belt brown", "price": "33.33"},
    {"sku": "BAG-TOTE", "name": "Tote bag", "price": "12.07"},
    {"sku": "BAG-PACK", "name": "Backpack", "price": "119.00"},
    {"sku": "MUG-LOGO", "name": "Mug with logo", "price": "9.05"},
    {"sku": "PIN-SET", "name": "Pin set", "price": "4.99"},
    {"sku": "STICKER", "name": "Sticker", "price": "0.99"},
    {"sku": "SCARF-WOOL", "name": "Wool scarf", "price": "45.45"},
    {"sku": "GLOVE-LTH", "name": "Leather gloves", "price": "67.10"},
)

PRICES: Final = {str(product["sku"]): Decimal(str(product["price"])) for product in PRODUCTS}

KIT_SKU: Final = "KIT-STARTER"
KIT_NAME: Final = "Starter kit: tee and two pairs of socks"
KIT_PRICE: Final = "29.90"
KIT_COMPONENTS: Final = (("TEE-BLK-M", 1), ("SOCK-GRY", 2))

SHIPPING_PRODUCT: Final = "SHIPPING"
ADJUSTMENT_PRODUCT = "ADJUSTMENT"
"""A service that a difference which a person accepted is booked on."""
FEE_PRODUCT: Final = "RESTOCKING-FEE"
"""A service, without tax, that is held back of a credit note for taking goods back."""

CHARGE_PRODUCTS: Final = {"tip": "TIP", "duty": "DUTY", "fee": "SURCHARGE"}
"""What is charged beside goods and delivery -> the ERP's service that it is booked on."""

# ERP tax code -> (storefront title, rate). A line may carry several (state and city).
TAXES: Final = {
    "STATE-6.25": ("State Tax", "0.0625"),
    "CITY-1.5": ("City Tax", "0.015"),
    "VAT-20": ("VAT", "0.20"),
}

US_TAX: Final = ("STATE-6.25", "CITY-1.5")
"""What most orders of the sandbox are taxed with."""

# storefront location id -> (ERP warehouse code, name, units on hand of every product)
LOCATIONS: Final = {
    "101": ("WH-EAST", "Warehouse East", 1000),
    "102": ("WH-WEST", "Warehouse West", 500),
}

# storefront shipping code -> ERP carrier code (the carrier's party code) and its public name
CARRIERS: Final = {"standard": ("UPS", "UPS"), "express": ("DHL", "DHL Express")}

# gateway -> ERP payment method
PAYMENT_METHODS: Final = {"shopify_payments": "Card", "gift_card": "Gift card", "manual": "Bank transfer"}

# B2B: storefront company id -> (ERP party code, name, ERP price list)
COMPANIES: Final = {"301": ("C-WHOLESALE", "Wholesale Inc", "B2B 10% off")}

CURRENCY: Final = "USD"
# ISO 3166-1 alpha-2 codes the seed makes countries for, with some subdivisions
COUNTRIES: Final = {
    "US": "United States", "CA": "Canada", "GB": "United Kingdom", "DE": "Germany", "FR": "France",
    "JP": "Japan", "GR": "Greece", "CH": "Switzerland", "IN": "India",
}  # fmt: skip
SUBDIVISIONS: Final = {
    "US": {"NY": "New York", "CA": "California", "TX": "Texas"},
    "CA": {"ON": "Ontario", "QC": "Quebec"},
}


class Parcel(NamedTuple):
    """What left in one parcel, by product."""

    kits: Mapping[str, int]
    """Pieces of kits."""
    others: Mapping[str, int]
    """What is sold by itself, also where kits hold the same product."""


def tellable(parcels: Sequence[Parcel]) -> int:
    """How many of these parcels, in the order they left, hold something that a store knows of.

    One with nothing but pieces of kits counts where it completes a kit.
    """
    told, gone = 0, Counter[str]()
    for parcel in parcels:
        before = min(gone[sku] // number for sku, number in KIT_COMPONENTS)
        gone.update(parcel.kits)
        complete = min(gone[sku] // number for sku, number in KIT_COMPONENTS) > before
        told += complete or any(parcel.others.values()) or not parcel.kits
    return told


def pieces(units: Mapping[str, int]) -> Counter[str]:
    """What lies on the table where so many units (SKU -> number) are counted: of kits their components."""
    kits = units.get(KIT_SKU, 0)
    found = Counter({sku: number for sku, number in units.items() if sku != KIT_SKU})
    found.update({sku: number * kits for sku, number in KIT_COMPONENTS if kits})
    return found
