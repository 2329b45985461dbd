"""What a storefront is to show of a SKU at a location, decided from all that is known."""

from collections.abc import Mapping, Sequence
from datetime import date
from enum import StrEnum

from domain.model import Frozen, Quantity
from domain.sellable import Sellable, Showing, Standing, Supply, Term, sellable, show
from domain.stock import ShownStock
from domain.stock_rules import StockRules


class Hindrance(StrEnum):
    """Why nothing is decided. Stable: cases are named after it."""

    LOCATION_UNMAPPED = "stock_location_unmapped"
    """The mapping knows no warehouse of the location."""
    PRODUCT_UNMAPPED = "stock_product_unmapped"
    PRODUCT_UNKNOWN = "stock_product_unknown"
    """The ERP does not have the product, or has no stock of it anywhere."""
    NOT_TRACKED = "stock_not_tracked"
    """The storefront sells it without counting."""


class Decision(Frozen):
    """What is to be shown, and how that came about."""

    shown: ShownStock
    available: Quantity | None
    """None where nothing can be decided: what is shown stays."""
    sellable: Sellable | None = None
    showing: Showing | None = None
    hindrance: Hindrance | None = None

    @property
    def is_change(self) -> bool:
        """Whether the storefront shows another number."""
        return self.available is not None and self.available != self.shown.available

    @property
    def raises(self) -> bool:
        """Whether the storefront is to show more than it does."""
        return self.available is not None and self.available > self.shown.available

    @property
    def excess(self) -> int:
        """Units that are shown and cannot be sold."""
        return 0 if self.available is None else max(0, self.shown.available - self.available)

    @property
    def terms(self) -> tuple[Term, ...]:
        """All numbers; they sum to ``available``."""
        return (
            *(self.sellable.terms if self.sellable else ()),
            *(self.showing.terms if self.showing else ()),
        )


def decide(
    shown: ShownStock,
    supplies: Sequence[Supply] | None,
    standings: Sequence[Standing],
    rules: StockRules,
    today: date,
) -> Decision:
    """Decide one level. ``supplies`` None: the ERP does not have it. The first of ``standings`` is our own."""
    if not shown.tracked:
        return Decision(shown=shown, available=None, hindrance=Hindrance.NOT_TRACKED)
    if not supplies:
        return Decision(shown=shown, available=None, hindrance=Hindrance.PRODUCT_UNKNOWN)
    pool = sellable(supplies, shown.sku, rules, today)
    showing = show(pool.units, standings[0], standings[1:])
    return Decision(shown=shown, available=showing.available, sellable=pool, showing=showing)


def shares_are_sound(rules: Mapping[str, StockRules]) -> str:
    """What is wrong with the shares of the channels of one ERP, in words with the remedy; empty where nothing is."""
    told = {channel: each for channel, each in sorted(rules.items()) if each.push}
    pooled = [channel for channel, each in told.items() if each.pooled]
    if pooled and len(pooled) < len(told):
        apart = next(channel for channel in told if channel not in pooled)
        return (
            f"[stock] of {pooled[0]} is pooled and that of {apart} is not; either all channels of an ERP share one "
            "pool, or each has its share"
        )
    total = sum(each.share for each in told.values())
    if not pooled and total > 1:
        listed = ", ".join(f"{channel} {each.share}" for channel, each in told.items())
        return f"[stock] shares sum to {total} ({listed}); let them sum to 1 at most, or set pooled = true on all"
    return ""
