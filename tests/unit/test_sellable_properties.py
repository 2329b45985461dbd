"""The rule of what can be sold, whatever the numbers: monotone, conserving, never above what is there."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from domain.sellable import Standing, Supply, sellable, show
from domain.stock import ErpStock, Incoming
from domain.stock_rules import StockRules

SKU, TODAY = "MUG", date(2026, 3, 2)
AT = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
UNITS = st.integers(0, 40)
CHANNELS = ("app", "outlet", "shop")


def _supply(
    numbers: tuple[int, int, int], in_flight: int, per_unit: int, coming: list[tuple[int, int]]
) -> Supply:
    on_hand, allocated, reserved = numbers
    level = ErpStock(
        product=SKU,
        warehouse="EAST",
        on_hand=on_hand,
        allocated=allocated,
        reserved=reserved,
        incoming=tuple(
            Incoming(expected=TODAY + timedelta(days=days), quantity=units) for days, units in coming
        ),
    )
    return Supply(level=level, per_unit=per_unit, in_flight=in_flight, read_at=AT)


SUPPLIES = st.builds(
    _supply,
    st.tuples(st.integers(-5, 60), UNITS, UNITS),
    UNITS,
    st.integers(1, 4),
    st.lists(st.tuples(st.integers(0, 20), UNITS), max_size=2),
)
RULES = st.builds(
    StockRules,
    safety=st.integers(0, 5),
    safety_by_sku=st.dictionaries(st.just(SKU), UNITS, max_size=1),
    backorder=st.dictionaries(st.just(SKU), UNITS, max_size=1),
    incoming_days=st.integers(0, 15),
)


def standings(**fixed: int) -> st.SearchStrategy[tuple[Standing, ...]]:
    """Three channels with strict shares that sum to 1 at most."""

    def build(parts: list[int], numbers: list[tuple[int, int, int, int, int]]) -> tuple[Standing, ...]:
        return tuple(
            Standing.model_validate(
                {
                    "channel": channel,
                    "share": Decimal(part) / 100,
                    "priority": priority,
                    "granted": granted,
                    "committed": committed,
                    "known": known,
                    "last_units": last,
                }
                | fixed
            )
            for channel, part, (priority, granted, committed, known, last) in zip(
                CHANNELS, parts, numbers, strict=True
            )
        )

    numbers = st.tuples(st.integers(0, 2), st.integers(-3, 40), UNITS, UNITS, st.integers(0, 4))
    return st.builds(
        build,
        st.lists(st.integers(1, 98), min_size=3, max_size=3).filter(lambda parts: sum(parts) <= 100),
        st.lists(numbers, min_size=3, max_size=3),
    )


POOLS = st.integers(-10, 100)


@given(SUPPLIES, RULES)
def test_the_numbers_sum_to_what_can_be_sold(supply: Supply, rules: StockRules) -> None:
    found = sellable([supply], SKU, rules, TODAY)
    assert sum(term.units for term in found.terms) == found.units


@given(SUPPLIES, RULES)
def test_never_more_can_be_sold_than_is_there_or_may_be_sold_ahead(supply: Supply, rules: StockRules) -> None:
    units = sellable([supply], SKU, rules, TODAY).units
    coming = sum(each.quantity for each in supply.level.incoming) if rules.incoming_days else 0
    assert units <= (supply.level.on_hand + coming) // supply.per_unit + rules.backorder.get(SKU, 0)


@given(SUPPLIES, RULES, st.integers(1, 10))
def test_more_on_hand_is_never_less_to_sell_and_more_claims_never_more(
    supply: Supply, rules: StockRules, more: int
) -> None:
    level = supply.level

    def with_level(name: str) -> int:
        changed = level.model_copy(update={name: getattr(level, name) + more})
        return sellable([supply.model_copy(update={"level": changed})], SKU, rules, TODAY).units

    units = sellable([supply], SKU, rules, TODAY).units
    assert with_level("on_hand") >= units
    assert with_level("allocated") <= units
    assert with_level("reserved") <= units
    flying = supply.model_copy(update={"in_flight": supply.in_flight + more})
    assert sellable([flying], SKU, rules, TODAY).units <= units


@given(st.lists(SUPPLIES, min_size=1, max_size=4), RULES)
def test_a_kit_is_as_many_as_the_component_makes_that_runs_out_first(
    supplies: list[Supply], rules: StockRules
) -> None:
    alone = [sellable([supply], SKU, rules, TODAY).units for supply in supplies]
    assert sellable(supplies, SKU, rules, TODAY).units == min(alone)


@given(POOLS, standings())
def test_what_is_shown_is_explained_and_never_above_the_pool(
    pool: int, channels: tuple[Standing, ...]
) -> None:
    showing = show(pool, channels[0], channels[1:])
    assert 0 <= showing.available <= max(0, pool)
    assert sum(term.units for term in showing.terms) == showing.available - pool


@given(POOLS, standings())
def test_no_unit_is_shown_that_another_channel_may_sell_or_has_sold_unheard(
    pool: int, channels: tuple[Standing, ...]
) -> None:
    mine, others = channels[0], channels[1:]
    available = show(pool, mine, others).available
    promised = mine.unaccounted + sum(each.may_sell for each in others)
    assert available == 0 or available + promised <= pool


@given(POOLS, standings(last_units=0), st.integers(1, 5))
def test_a_greater_pool_never_shows_less(pool: int, channels: tuple[Standing, ...], more: int) -> None:
    mine, others = channels[0], channels[1:]
    less = show(pool, mine, others).available
    assert show(pool + more, mine, others).available >= less - 1, "but for what rounding leaves"


@given(POOLS, standings(), st.integers(1, 5))
def test_more_that_is_unaccounted_for_never_shows_more(
    pool: int, channels: tuple[Standing, ...], more: int
) -> None:
    mine, other, third = channels
    available = show(pool, mine, (other, third)).available
    sold = mine.model_copy(update={"committed": mine.committed + more})
    assert show(pool, sold, (other, third)).available <= available
    for name in ("granted", "committed"):
        rival = other.model_copy(update={name: getattr(other, name) + more})
        assert show(pool, mine, (rival, third)).available <= available
    heard = mine.model_copy(update={"known": mine.known + more})
    assert show(pool, heard, (other, third)).available >= available


@given(st.integers(0, 100), standings(granted=0, committed=0, known=0), st.data())
def test_over_all_channels_every_unit_is_shown_once(
    pool: int, channels: tuple[Standing, ...], data: st.DataObject
) -> None:
    shown = {each.channel: each for each in channels}
    turns = data.draw(st.lists(st.sampled_from(CHANNELS), max_size=8))
    for channel in (*turns, *CHANNELS):
        others = tuple(each for name, each in shown.items() if name != channel)
        available = show(pool, shown[channel], others).available
        shown[channel] = shown[channel].model_copy(update={"granted": available})
        assert sum(each.granted for each in shown.values()) <= pool
    whole = sum((each.share for each in channels), Decimal(0))
    assert sum(each.granted for each in shown.values()) == int(pool * whole)


@given(POOLS, standings())
def test_a_pool_keeps_what_was_sold_anywhere_unheard(pool: int, channels: tuple[Standing, ...]) -> None:
    pooled = tuple(each.model_copy(update={"pooled": True, "share": Decimal(1)}) for each in channels)
    unheard = sum(each.unaccounted for each in pooled)
    assert show(pool, pooled[0], pooled[1:]).available == max(0, max(0, pool) - unheard)
