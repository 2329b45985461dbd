"""Available to sell: one rule, each of its numbers named.

    on hand - allocated - reserved (the ERP's) - in flight (ours) + what may be sold before it is there - safety

for a SKU at a location; a kit is as many as its scarcest component makes. What a channel may show of it is bounded by
what the other channels may still sell of the same units, so that two of them never promise one unit.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import ROUND_FLOOR, Decimal

from domain.model import Frozen, Instant, Quantity
from domain.stock import ErpStock
from domain.stock_rules import StockRules


class Term(Frozen):
    """One number of the sum, as it counts: below zero where it takes away."""

    name: str
    units: int
    source: str
    """Who says so, in plain words."""
    at: Instant | None = None
    """When that was; None for a rule."""


class Supply(Frozen):
    """What there is of one product at one warehouse, and what orders in flight will take of it."""

    level: ErpStock
    per_unit: Quantity = 1
    """Units of the product in one unit of the SKU; above 1 for the component of a kit."""
    in_flight: Quantity = 0
    """Units of the product in orders that the reading does not know of, of all channels and SKUs."""
    read_at: Instant


class Sellable(Frozen):
    """What can be sold of a SKU at a location over all channels, and why. May be below zero: so many are missing."""

    units: int
    terms: tuple[Term, ...]
    """They sum to ``units``; of a kit, those of the component that runs out first, in kits."""
    product: str
    """The product that decides: the SKU's own, or a kit's scarcest component."""


class Standing(Frozen):
    """What a channel may still sell of a SKU at a location."""

    channel: str
    share: Decimal = Decimal(1)
    priority: int = 0
    pooled: bool = False
    last_units: Quantity = 0
    granted: int = 0
    """The most it may show at this moment: what it showed last, or what is being set."""
    committed: Quantity = 0
    """Units of its open orders, by its own word, when it was read last."""
    known: Quantity = 0
    """Units of its open orders that we knew of when it was read last."""
    sold_since: Quantity = 0
    """Units of open orders that we have heard of since: they are part of ``granted`` or of ``committed``."""

    @property
    def unaccounted(self) -> int:
        """Units that it sold and that we have not heard of yet."""
        return max(0, self.committed - self.known)

    @property
    def may_sell(self) -> int:
        """Units that it has sold without our knowing, or may sell before we can tell it otherwise."""
        return max(0, max(0, self.granted) + self.unaccounted - self.sold_since)


class Showing(Frozen):
    """What a channel is to show, and why."""

    available: Quantity
    terms: tuple[Term, ...]
    """They explain the way from ``Sellable.units`` to ``available`` and sum to the difference."""


def sellable(supplies: Sequence[Supply], sku: str, rules: StockRules, today: date) -> Sellable:
    """What can be sold of a SKU at one location.

    Raises ValueError where there is no supply: what the ERP does not tell of cannot be sold.
    """
    if not supplies:
        raise ValueError(f"{sku}: the ERP tells of no stock; nothing can be said of it")
    return min((_of(supply, sku, rules, today) for supply in supplies), key=lambda each: each.units)


def show(pool: int, mine: Standing, others: Sequence[Standing]) -> Showing:
    """What a channel is to show of ``pool`` sellable units. Never more than the pool, never below zero."""
    terms = []
    units = max(0, pool)
    if units != pool:
        terms.append(Term(name="more is promised than there is", units=-pool, source="nothing is shown"))

    def bound(name: str, most: int, source: str) -> None:
        nonlocal units
        if most < units:
            terms.append(Term(name=name, units=max(0, most) - units, source=source))
            units = max(0, most)

    if mine.pooled or not others:
        bound("sold, not heard of", units - mine.unaccounted, f"committed at {mine.channel}, no order known")
        if mine.pooled:
            elsewhere = sum(each.unaccounted for each in others)
            bound("sold elsewhere, not heard of", units - elsewhere, "committed at the other channels")
        return _showing(units, terms)
    if _left_out(mine, others, pool):
        first = min(others, key=_rank)
        bound("the last units", 0, f"kept for {first.channel}")
    bound(f"share of {mine.channel}", _share(units, mine, others), f"{mine.share} of what can be sold")
    taken = sum(each.may_sell for each in others)
    bound("other channels may sell", max(0, pool) - taken, ", ".join(each.channel for each in others))
    bound("sold, not heard of", units - mine.unaccounted, f"committed at {mine.channel}, no order known")
    return _showing(units, terms)


def _showing(units: int, terms: list[Term]) -> Showing:
    return Showing(available=max(0, units), terms=tuple(terms))


def _share(units: int, mine: Standing, others: Sequence[Standing]) -> int:
    """The channel's part of the units, rounded down; what rounding leaves goes by priority.

    So does the part of those who are not to show the last units: somebody shows every unit.
    """
    everyone = sorted((mine, *others), key=_rank)
    among = [each for each in everyone if not _left_out(each, everyone, units)]
    parts = {each.channel: _part(units, each.share) for each in among}
    whole = min(Decimal(1), sum((each.share for each in everyone), Decimal(0)))
    for turn in range(_part(units, whole) - sum(parts.values())):
        parts[among[turn % len(among)].channel] += 1
    return parts.get(mine.channel, 0)


def _rank(each: Standing) -> tuple[int, str]:
    return -each.priority, each.channel


def _left_out(mine: Standing, others: Iterable[Standing], units: int) -> bool:
    """Whether so few units are kept for the channels of the greatest priority."""
    return units <= mine.last_units and any(each.priority > mine.priority for each in others)


def _part(units: int, share: Decimal) -> int:
    return int((units * share).to_integral_value(ROUND_FLOOR))


def _of(supply: Supply, sku: str, rules: StockRules, today: date) -> Sellable:
    level, at = supply.level, supply.read_at
    erp = f"ERP, {level.product} at {level.warehouse}"
    soon = today + timedelta(days=rules.incoming_days)
    coming = (
        sum(each.quantity for each in level.incoming if each.expected <= soon) if rules.incoming_days else 0
    )
    numbers = [
        Term(name="on hand", units=level.on_hand, source=erp, at=at),
        Term(name="allocated to orders", units=-level.allocated, source=erp, at=at),
        Term(name="reserved", units=-level.reserved, source=erp, at=at),
        Term(name=f"incoming within {rules.incoming_days} days", units=coming, source=erp, at=at),
        Term(name="in flight", units=-supply.in_flight, source="orders that this reading does not hold"),
    ]
    free = sum(term.units for term in numbers)
    terms = [term for term in numbers if term.units or term.name == "on hand"]
    if supply.per_unit > 1:
        kits = free // supply.per_unit
        terms.append(Term(name=f"{supply.per_unit} of them are one {sku}", units=kits - free, source="kit"))
        free = kits
    ahead, kept = rules.backorder.get(sku, 0), rules.safety_of(sku)
    terms += [
        Term(name=name, units=units, source="mapping, [stock]")
        for name, units in (("sold before it is there", ahead), ("safety stock", -kept))
        if units
    ]
    return Sellable(units=free + ahead - kept, terms=tuple(terms), product=level.product)


def exploded(units: Mapping[str, int], kits: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """Product -> units, with kits as their components."""
    parts: dict[str, int] = {}
    for product, quantity in units.items():
        for component, each in kits.get(product, {product: 1}).items():
            parts[component] = parts.get(component, 0) + quantity * each
    return parts
