"""Telling storefronts what can be sold: two channels in memory, the tables real."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from activities.stock_push import PushResult, Reading, StockPusher, told_channels
from adapters.errors import Conflict, OutcomeUnknown, Rejected, Unavailable
from adapters.memory.erp import MemoryErp
from adapters.memory.storefront import MemoryStorefront
from domain.claims import NO_CLAIMS, Claim, OrderClaims, claims_of
from domain.mapping import Mapping
from domain.order import OrderKey
from domain.stock import SettingState, StockReading
from domain.stock_decision import Hindrance
from domain.stock_rules import StockRules
from orderwright.drift_plot import draw
from store.claims import note_claims
from store.database import Database
from store.drift import Drift, note_drift
from store.shown import LONGEST_SETTING
from store.stock import ErpStockBook
from store.stock_marks import mark_products
from store.stock_reasons import StockReasons
from store.stock_tables import ShownStockRow
from tests.order_builder import make_line, make_order, sandbox_mapping

MUG, HERE = "MUG-LOGO", "101"


class Channels:
    """Implements ``MappingSource``: the sandbox's mapping with stock rules of each channel."""

    def __init__(self, **rules: StockRules) -> None:
        self.mappings = {channel: sandbox_mapping(stock=each) for channel, each in rules.items()}

    def current(self, channel: str) -> Mapping:
        return self.mappings[channel]

    def version(self, version: str) -> Mapping:
        return next(each for each in self.mappings.values() if each.version == version)


class House:
    """An ERP, storefronts that show 20 mugs each before anybody was told anything, and their pushers."""

    def __init__(self, db: Database, on_hand: int, **rules: StockRules) -> None:
        self.db = db
        self.erp = MemoryErp(stock={("WH-EAST", MUG): on_hand})
        self.channels = Channels(**rules)
        self.rules = told_channels(self.channels, rules)
        self.shops = {channel: MemoryStorefront(channel) for channel in rules}
        self.pushers = {
            channel: StockPusher(channel, shop, self.channels, db) for channel, shop in self.shops.items()
        }
        for shop in self.shops.values():
            shop.shelf.stock(MUG, HERE, 20)

    def replace(self, channel: str, shop: MemoryStorefront) -> None:
        """Another storefront for a channel."""
        self.shops[channel] = shop
        self.pushers[channel] = StockPusher(channel, shop, self.channels, self.db)

    async def read_erp(self) -> None:
        token, at = ErpStockBook(self.db).begin_reading()
        page = await self.erp.stock_changes(None)
        reading = StockReading(token=token, at=at, levels=page.levels, kits=page.kits)
        ErpStockBook(self.db).keep_reading(reading)

    async def push(self, channel: str = "shop", since: dict[str, datetime] | None = None) -> PushResult:
        return await self.pushers[channel].push([MUG], self.rules, since)

    def shown(self, channel: str = "shop") -> int:
        return self.shops[channel].shelf.available[MUG, HERE]

    def buy(self, units: int, number: str, *, channel: str = "shop", heard: bool = False) -> OrderKey:
        order = make_order(number, channel=channel, lines=(make_line("1", MUG, units),))
        self.shops[channel].place(order)
        if heard:
            with self.db.write() as session:
                mapping = self.channels.current(channel)
                note_claims(session, order.key, OrderClaims(claims=claims_of(order, mapping)))
        return order.key


def told(**rules: object) -> StockRules:
    return StockRules.model_validate({"push": True} | rules)


@pytest.fixture
def house(db: Database) -> Callable[..., Awaitable[House]]:
    async def build(on_hand: int, **rules: StockRules) -> House:
        built = House(db, on_hand, **(rules or {"shop": told()}))
        await built.read_erp()
        return built

    return build


async def test_a_storefront_shows_what_can_be_sold(house) -> None:
    shop = await house(12)
    assert (await shop.push()).skus(SettingState.DONE) == {MUG}
    assert shop.shown() == 12
    assert (await shop.push()).outcomes == ()


async def test_an_order_that_nobody_has_heard_of_is_not_sold_again(house) -> None:
    shop = await house(12)
    await shop.push()
    shop.buy(5, "5001")
    await shop.push()
    assert shop.shown() == 7, "5 are committed at the storefront to an order that we do not know"


async def test_an_order_in_flight_is_not_sold_again_until_the_erp_tells_of_it(house) -> None:
    shop = await house(12)
    await shop.push()
    shop.buy(5, "5001", heard=True)
    await shop.push()
    assert shop.shown() == 7
    await shop.read_erp()
    await shop.push()
    assert shop.shown() == 7, "the ERP still does not have it"


async def test_a_buyer_between_reading_and_setting_makes_the_number_stale(house) -> None:
    shop = await house(12)
    await shop.push()
    shop.erp.receive("WH-EAST", MUG, 3)
    await shop.read_erp()
    storefront = shop.shops["shop"]
    read_stock = storefront.read_stock

    async def read_and_sell(skus):
        levels = await read_stock(skus)
        shop.buy(1, "5001")
        return levels

    storefront.read_stock = read_and_sell
    assert (await shop.push()).skus(SettingState.STALE) == {MUG}
    storefront.read_stock = read_stock
    assert shop.shown() == 11
    await shop.push()
    assert shop.shown() == 14


async def test_two_channels_never_show_one_unit_both(house) -> None:
    both = await house(12, shop=told(share="0.5"), outlet=told(share="0.5"))
    for channel in ("shop", "outlet"):
        await both.push(channel)
    for channel in ("shop", "outlet", "shop"):
        before = both.shown("shop") + both.shown("outlet")
        await both.push(channel)
        assert both.shown("shop") + both.shown("outlet") <= max(12, before)
    assert (both.shown("shop"), both.shown("outlet")) == (6, 6)


async def test_what_one_channel_may_still_sell_is_not_given_to_another(house) -> None:
    both = await house(12, shop=told(share="0.5"), outlet=told(share="0.5"))
    for channel in ("shop", "outlet", "shop"):
        await both.push(channel)
    both.buy(6, "5001", heard=True)
    await both.push("outlet")
    assert both.shown("outlet") == 3, "half of the 6 that are left"
    await both.push("shop")
    assert both.shown("shop") == 3


async def test_a_lost_answer_keeps_the_grant_until_the_storefront_was_read_again(house) -> None:
    both = await house(10, shop=told(share="0.5"), outlet=told(share="0.5"))
    for channel in ("shop", "outlet", "shop"):
        await both.push(channel)
    both.erp.receive("WH-EAST", MUG, 10)
    await both.read_erp()
    both.shops["shop"].faults.lose_answer("storefront.set_stock")
    with pytest.raises(OutcomeUnknown):
        await both.push("shop")
    both.shops["shop"].faults.lift()
    assert both.shown("shop") == 10, "it was done, though nobody was told"
    await both.push("outlet")
    assert both.shown("shop") + both.shown("outlet") == 20


async def test_the_last_units_go_to_the_channel_of_the_greater_priority(house) -> None:
    both = await house(
        2, shop=told(share="0.5", priority=2), outlet=told(share="0.5", priority=1, last_units=3)
    )
    for channel in ("outlet", "shop", "outlet", "shop"):
        await both.push(channel)
    assert (both.shown("shop"), both.shown("outlet")) == (2, 0)


async def test_a_pool_is_shown_whole_on_every_channel(house) -> None:
    both = await house(12, shop=told(pooled=True), outlet=told(pooled=True))
    for channel in ("shop", "outlet"):
        await both.push(channel)
    both.buy(2, "5001")
    await both.push("shop")
    await both.push("outlet")
    assert (both.shown("shop"), both.shown("outlet")) == (10, 10)


async def test_a_kit_is_as_many_as_its_scarcest_component_makes(house) -> None:
    shop = await house(12)
    shop.erp.stock["WH-EAST", "BOX"] = 5
    shop.erp.stock_book.make_kit("GIFT", {MUG: 2, "BOX": 1})
    shop.shops["shop"].shelf.stock("GIFT", HERE, 0)
    await shop.read_erp()
    await shop.pushers["shop"].push(["GIFT", MUG], shop.rules)
    assert shop.shops["shop"].shelf.available["GIFT", HERE] == 5
    with shop.db.write() as session:
        claim = Claim(sku=MUG, location=HERE, product=MUG, warehouse="WH-EAST", due=5, open=5)
        note_claims(session, OrderKey(channel="shop", external_id="1"), OrderClaims(claims=(claim,)))
    await shop.pushers["shop"].push(["GIFT", MUG], shop.rules)
    assert shop.shops["shop"].shelf.available["GIFT", HERE] == 3


async def test_a_sku_that_cannot_be_set_leaves_the_others_alone(house) -> None:
    shop = await house(12)
    shelf = shop.shops["shop"].shelf
    shelf.stock("NO-SUCH", HERE, 4)
    shelf.stock(MUG, "999", 4)
    shelf.stock("UNCOUNTED", HERE, 4)
    shelf.untracked.add("UNCOUNTED")
    result = await shop.pushers["shop"].push([MUG, "NO-SUCH", "UNCOUNTED"], shop.rules)
    found = {
        (each.shown.sku, each.shown.location): each.hindrance for each in result.decisions if each.hindrance
    }
    assert found == {
        ("NO-SUCH", HERE): Hindrance.PRODUCT_UNKNOWN,
        (MUG, "999"): Hindrance.LOCATION_UNMAPPED,
        ("UNCOUNTED", HERE): Hindrance.NOT_TRACKED,
    }
    assert (shop.shown(), shelf.available["NO-SUCH", HERE]) == (12, 4)


async def test_every_number_is_told_with_its_source(house) -> None:
    shop = await house(12, shop=told(safety=2))
    await shop.push()
    key = shop.buy(3, "5001", heard=True)
    (why,) = StockReasons(shop.db).why(MUG, shop.rules, datetime.now(UTC))
    assert [(term.name, term.units) for term in why.decision.terms] == [
        ("on hand", 12),
        ("in flight", -3),
        ("safety stock", -2),
    ]
    assert why.decision.available == 7
    (flying,) = why.in_flight
    assert (flying.key, flying.units, flying.entered) == (key, 3, False)
    assert why.waits_since is not None


async def test_drift_counts_how_long_too_much_was_shown(house) -> None:
    shop = await house(12)
    began = datetime.now(UTC)
    await shop.push()
    shop.erp.count("WH-EAST", MUG, 4)
    await shop.read_erp()
    since = datetime.now(UTC) - timedelta(minutes=3)
    await shop.push(since={MUG: since})
    now = datetime.now(UTC)
    drift = Drift(shop.db)
    (line,) = drift.lines(began - timedelta(hours=1), now)
    assert (line.sku, line.most, line.times, line.lasts) == (MUG, 8, 2, False)
    assert timedelta(minutes=3) <= line.oversellable < timedelta(minutes=4)
    moments = drift.moments("shop", MUG, HERE, began, now)
    assert [(each.shown, each.sellable) for each in moments] == [(20, 12), (12, 12), (12, 4), (4, 4), (4, 4)]
    assert "polyline" in draw("mugs", moments)
    assert drift.purge(now + timedelta(days=1)) == 6


async def test_too_much_is_not_shown_any_more_where_nothing_is_shown(house) -> None:
    shop = await house(12)
    decisions = (await shop.push()).decisions
    with shop.db.write() as session:
        note_drift(session, "shop", decisions, {}, datetime.now(UTC))
    drift = Drift(shop.db)
    began = datetime.now(UTC) - timedelta(hours=1)
    assert [line.lasts for line in drift.lines(began, datetime.now(UTC))] == [True]
    shop.shops["shop"].shelf = type(shop.shops["shop"].shelf)()
    await shop.push()
    assert [line.lasts for line in drift.lines(began, datetime.now(UTC))] == [False]


async def test_a_receipt_marks_the_sku_on_every_channel(house) -> None:
    both = await house(12, shop=told(share="0.5"), outlet=told(share="0.5"))
    for channel in ("shop", "outlet"):
        await both.push(channel)
    with both.db.write() as session:
        mark_products(session, {MUG})
    both.erp.receive("WH-EAST", MUG, 2)
    await both.read_erp()
    for channel in ("shop", "outlet", "shop"):
        await both.push(channel)
    assert both.shown("shop") + both.shown("outlet") == 14


def meanwhile(shop: MemoryStorefront, act: Callable[[], Awaitable[object]], *, on_its_way: bool) -> None:
    """Once, something happens while a call is on its way to the storefront, or while its answer is on its way back."""
    set_stock = shop.set_stock

    async def set_slowly(settings, key):
        shop.set_stock = set_stock
        if on_its_way:
            await act()
        outcomes = await set_stock(settings, key)
        if not on_its_way:
            await act()
        return outcomes

    shop.set_stock = set_slowly


async def test_an_answer_that_comes_after_a_later_push_frees_nothing(house) -> None:
    both = await house(10, shop=told(share="0.5"), outlet=told(share="0.5"))
    for channel in ("shop", "outlet", "shop"):
        await both.push(channel)
    both.erp.count("WH-EAST", MUG, 6)
    await both.read_erp()
    await both.push("outlet")

    async def push_again() -> None:
        with both.db.write() as session:
            # As if the first call had taken minutes.
            row = session.get_one(ShownStockRow, ("shop", MUG, HERE))
            row.setting_since = datetime.now(UTC) - LONGEST_SETTING
            session.add(row)
        both.erp.receive("WH-EAST", MUG, 14)
        await both.read_erp()
        await both.push("shop")

    meanwhile(both.shops["shop"], push_again, on_its_way=False)
    await both.push("shop")
    assert both.shown("shop") == 10
    both.erp.count("WH-EAST", MUG, 12)
    await both.read_erp()
    await both.push("outlet")
    assert both.shown("outlet") == 2, "the shop still shows 10 of the 12"


async def test_nothing_is_raised_while_an_earlier_call_may_still_arrive(house) -> None:
    shop = await house(5)
    await shop.push()
    shop.erp.receive("WH-EAST", MUG, 4)
    await shop.read_erp()

    async def another_push() -> None:
        shop.erp.receive("WH-EAST", MUG, 1)
        await shop.read_erp()
        result = await shop.push()
        assert result.skus(SettingState.STALE) == {MUG}, "it is to be looked at again later"
        if bought := shop.shown() - 5:
            shop.buy(bought, "5001")

    meanwhile(shop.shops["shop"], another_push, on_its_way=True)
    await shop.push()
    assert shop.shown() + shop.shops["shop"].shelf.committed[MUG, HERE] <= 10
    await shop.push()
    assert shop.shown() == 10


async def test_a_reading_that_is_decided_on_after_a_later_one_raises_nothing(house) -> None:
    shop = await house(10)
    await shop.push()
    canceled = shop.buy(2, "5001", heard=True)
    pusher, storefront = shop.pushers["shop"], shop.shops["shop"]
    early, known = datetime.now(UTC), pusher.known([MUG])
    shown = await storefront.read_stock([MUG])
    storefront.cancel_by_customer(canceled.external_id)
    with shop.db.write() as session:
        note_claims(session, canceled, NO_CLAIMS)
    shop.erp.receive("WH-EAST", MUG, 5)
    await shop.read_erp()
    storefront.faults.conflict("storefront.set_stock", nth=1)
    with pytest.raises(Conflict):
        await shop.push()
    with shop.db.write() as session:
        row = session.get_one(ShownStockRow, ("shop", MUG, HERE))
        row.setting_since = None
        session.add(row)
    shop.buy(2, "5002")
    result = await pusher.push_reading(Reading(shown=shown, known=known, at=early), shop.rules, {})
    assert result.skus(SettingState.STALE) == {MUG}
    assert shop.shown() + storefront.shelf.committed[MUG, HERE] <= 15


async def test_a_reading_from_before_another_push_was_done_raises_nothing(house) -> None:
    shop = await house(5)
    await shop.push()
    shop.erp.receive("WH-EAST", MUG, 4)
    await shop.read_erp()
    pusher, storefront = shop.pushers["shop"], shop.shops["shop"]
    readings = []

    async def read() -> None:
        known, at = pusher.known([MUG]), datetime.now(UTC)
        readings.append(Reading(shown=await storefront.read_stock([MUG]), known=known, at=at))

    meanwhile(storefront, read, on_its_way=True)
    await shop.push()
    shop.buy(4, "5001")
    result = await pusher.push_reading(readings[0], shop.rules, {})
    assert result.skus(SettingState.STALE) == {MUG}
    assert shop.shown() == 5


@pytest.mark.parametrize("error", [Unavailable, Conflict, Rejected])
async def test_a_call_that_never_arrived_or_was_refused_holds_nothing_up(house, error) -> None:
    shop = await house(5)
    await shop.push()
    shop.erp.receive("WH-EAST", MUG, 4)
    await shop.read_erp()
    shop.shops["shop"].faults.fail("storefront.set_stock", lambda *call: error(*call, "no"), nth=1)
    with pytest.raises(error):
        await shop.push()
    await shop.push()
    assert shop.shown() == 9


async def test_a_lost_answer_is_asked_for_again(house) -> None:
    shop = await house(5)
    shop.shops["shop"].faults.lose_answer("storefront.set_stock", nth=1)
    assert (await shop.push()).skus(SettingState.DONE) == {MUG}
    assert shop.shown() == 5


async def test_a_raise_whose_outcome_nobody_knows_is_decided_again_once_it_can_do_no_harm(house) -> None:
    shop = await house(5)
    await shop.push()
    shop.erp.receive("WH-EAST", MUG, 4)
    await shop.read_erp()
    shop.shops["shop"].faults.fail("storefront.set_stock", lambda *call: OutcomeUnknown(*call, "timed out"))
    with pytest.raises(OutcomeUnknown):
        await shop.push()
    shop.shops["shop"].faults.lift()
    await shop.push()
    assert shop.shown() == 5
    with shop.db.write() as session:
        row = session.get_one(ShownStockRow, ("shop", MUG, HERE))
        assert row.setting_since is not None
        row.setting_since -= LONGEST_SETTING
        session.add(row)
    await shop.push()
    assert shop.shown() == 9
