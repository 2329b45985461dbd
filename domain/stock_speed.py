"""Two speeds: which numbers of stock are told at once, and which are gathered for a while."""

from domain.stock_decision import Decision
from domain.stock_rules import StockRules


def is_scarce(decision: Decision, rules: StockRules) -> bool:
    """Whether the storefront is to be told of this level at once: few are shown, or few are to be."""
    if decision.available is None or not decision.is_change:
        return False
    return min(decision.shown.available, decision.available) < rules.scarce_below


def is_fast(sold_last_hour: int, rules: StockRules) -> bool:
    """Whether buyers take so many that every number is old after a moment."""
    return sold_last_hour >= rules.fast_per_hour
