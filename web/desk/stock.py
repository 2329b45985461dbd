"""What people ask about stock: which storefronts are told of it, and why one shows what it shows, in words."""

from collections.abc import Mapping as Dictionary

from domain.mapping import Mapping
from domain.stock_decision import Decision, Hindrance
from domain.stock_rules import StockRules
from web.desk.operations import CannotBeDone

WORDS = {
    Hindrance.LOCATION_UNMAPPED: "nothing: [locations] of the mapping has no warehouse for this location; add it",
    Hindrance.PRODUCT_UNMAPPED: "nothing: [skus] of the mapping has no product for this SKU; add it",
    Hindrance.PRODUCT_UNKNOWN: "nothing: the ERP has no stock of this product; create it there, or correct [skus]",
    Hindrance.NOT_TRACKED: "nothing: the storefront sells it without counting; switch tracking on there",
}


def stock_rules(files: Dictionary[str, Mapping], channel: str | None = None) -> dict[str, StockRules]:
    """By channel, of those that are told of stock. Raises CannotBeDone where the one that is asked for is none."""
    rules = {name: mapping.stock for name, mapping in files.items() if mapping.stock.push}
    if not rules or channel not in {None, *rules}:
        named = f"channel {channel}" if channel else "any channel"
        raise CannotBeDone(
            f"stock is not told to {named}; set push = true in [stock] of its mapping (docs/field-mapping.md)"
        )
    return rules


def to_show(decision: Decision) -> str:
    """How many units are to be shown, or why nothing can be decided."""
    return WORDS[decision.hindrance] if decision.hindrance else str(decision.available)
