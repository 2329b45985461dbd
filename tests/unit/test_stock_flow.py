"""The two speeds of telling stock, cases of what cannot be told, and what must be so before more is shown."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlmodel import select

from activities.stock_cases import MOST_CASES, ONE_REFUSED, StockCases
from activities.stock_contracts import StockComparison
from activities.stock_push import PushResult
from adapters.stock_ports import MOST_STOCK
from config.mappings import MappingError, require_stock
from config.settings import Settings
from domain.cases import CaseState, guide, known
from domain.claims import Claim, OrderClaims
from domain.order import OrderKey
from domain.stock import ErpStock, SettingOutcome, SettingState, ShownStock, StockReading, StockSetting
from domain.stock_decision import Decision, Hindrance
from domain.stock_guides import STOCK_GUIDES
from domain.stock_rules import StockRules
from domain.stock_speed import is_fast, is_scarce
from store.cases import Cases
from store.claims import note_claims
from store.database import Database
from store.shown import Level, level_of_row, note_seen
from store.stock import ErpStockBook
from store.stock_listing import forget_gone
from store.stock_marks import Marks, hold_back, mark
from store.stock_speeds import urgent_skus
from store.stock_tables import ShownStockRow
from store.stock_whole import WholeReadings
from tests.order_builder import sandbox_mapping

RULES = StockRules(push=True, scarce_below=10, fast_per_hour=20)
NOW = datetime.now(UTC)


def shown(sku: str = "MUG", available: int = 50, location: str = "101") -> ShownStock:
    return ShownStock(sku=sku, item_id=f"item-{sku}", location=location, available=available, committed=0)


def decision(sku: str = "MUG", hindrance: Hindrance | None = None, *, to: int = 50) -> Decision:
    return Decision(shown=shown(sku), available=None if hindrance else to, hindrance=hindrance)


def show(db: Database, *levels: ShownStock, channel: str = "shop", at: datetime = NOW) -> None:
    seen = [Level(shown=each, product=each.sku, warehouse="EAST") for each in levels]
    with db.write() as session:
        note_seen(session, channel, seen, at)


def in_erp(db: Database, **on_hand: int) -> None:
    token, at = ErpStockBook(db).begin_reading()
    levels = tuple(
        ErpStock(product=product, warehouse="EAST", on_hand=units) for product, units in on_hand.items()
    )
    ErpStockBook(db).keep_reading(StockReading(token=token, at=at, levels=levels))


@pytest.mark.parametrize(
    ("is_shown", "to_show", "scarce"),
    [(50, 9, True), (9, 50, True), (50, 10, False), (9, 9, False)],
)
def test_few_are_told_at_once_where_the_number_changes(is_shown: int, to_show: int, scarce: bool) -> None:
    assert is_scarce(Decision(shown=shown(available=is_shown), available=to_show), RULES) is scarce


def test_fast_is_what_sold_so_many_within_the_hour() -> None:
    assert (is_fast(20, RULES), is_fast(19, RULES)) == (True, False)


def test_a_sku_is_urgent_by_what_the_erp_told_last_or_by_what_is_sold_elsewhere(db: Database) -> None:
    show(db, shown("FEW"), shown("MANY"), shown("FAST"))
    in_erp(db, FEW=3, MANY=40, FAST=400)
    sold = Claim(sku="F", location="9", product="FAST", warehouse="EAST", due=20, open=20)
    with db.write() as session:
        note_claims(session, OrderKey(channel="outlet", external_id="1"), OrderClaims(claims=(sold,)))
    skus = ["FEW", "MANY", "FAST"]
    assert urgent_skus(db, "shop", skus, {"shop": RULES}, datetime.now(UTC)) == {"FEW", "FAST"}
    later = datetime.now(UTC) + timedelta(hours=1, minutes=1)
    assert urgent_skus(db, "shop", skus, {"shop": RULES}, later) == {"FEW"}


def test_what_is_gathered_is_looked_at_again_with_the_next_change(db: Database) -> None:
    marks = Marks(db)
    with db.write() as session:
        mark(session, [("shop", "MUG")])
    now = datetime.now(UTC)
    marks.gather(marks.due("shop", now, 10), timedelta(minutes=1))
    assert marks.due("shop", now, 10) == ()
    with db.write() as session:
        mark(session, [("shop", "MUG")])
    (again,) = marks.due("shop", datetime.now(UTC), 10)
    assert again.changed_at <= now, "the first change is what is waited for"
    marks.put_off([again], now + timedelta(minutes=1), failed=True)
    with db.write() as session:
        mark(session, [("shop", "MUG")])
    assert marks.due("shop", datetime.now(UTC), 10) == (), "what fails keeps its pause"


def test_a_thousand_changes_are_one_mark(db: Database) -> None:
    for _ in range(1000):
        with db.write() as session:
            mark(session, [("shop", "MUG")])
    (one,) = Marks(db).due("shop", datetime.now(UTC), 10)
    assert one.changes == 1000
    assert Marks(db).waiting()["shop"][0] == 1


def test_what_changed_while_it_was_put_off_is_due(db: Database) -> None:
    marks = Marks(db)
    with db.write() as session:
        mark(session, [("shop", "MUG")])
    taken = marks.due("shop", datetime.now(UTC), 10)
    with db.write() as session:
        mark(session, [("shop", "MUG")])
    marks.gather(taken, timedelta(hours=1))
    assert len(marks.due("shop", datetime.now(UTC), 10)) == 1


def test_the_newest_marks_are_found_behind_a_backlog(db: Database) -> None:
    with db.write() as session:
        mark(session, [("shop", f"OLD-{number}") for number in range(MOST_STOCK)])
    with db.write() as session:
        mark(session, [("shop", "NEW")])
    now = datetime.now(UTC)
    assert "NEW" not in {each.sku for each in Marks(db).due("shop", now, MOST_STOCK)}
    assert Marks(db).due("shop", now, 1, newest=True)[0].sku == "NEW"


def test_what_is_held_back_is_due_once_everything_was_read_whole(db: Database) -> None:
    whole = WholeReadings(db)
    for system in ("erp", "shop", "outlet"):
        assert whole.begin(system)
        assert not whole.begin(system)
    with db.write() as session:
        hold_back(session, "shop", ["MUG"], timedelta(minutes=10))
    whole.end("erp")
    assert whole.lacking(["shop", "outlet"]) == ("outlet", "shop")
    whole.end("shop")
    whole.end("outlet")
    assert whole.lacking(["shop", "outlet"]) == ()
    assert len(Marks(db).due("shop", datetime.now(UTC), 10)) == 1
    # One that was decided before, and written down after, is not forgotten either.
    with db.write() as session:
        hold_back(session, "shop", ["CAP"], timedelta(minutes=10))
    whole.held_back(["shop", "outlet"])
    assert len(Marks(db).due("shop", datetime.now(UTC), 10)) == 2
    assert whole.forget(["outlet", "third"]) == ("outlet",)
    assert whole.lacking(["shop", "outlet"]) == ("outlet",)


def test_a_level_that_the_storefront_does_not_have_any_more_is_forgotten(db: Database) -> None:
    show(db, shown("MUG"), shown("MUG", location="102"), shown("CAP"))
    later = NOW + timedelta(seconds=1)
    show(db, shown("MUG"), at=later)
    with db.write() as session:
        forget_gone(session, "shop", ["MUG"], later)
    assert known_levels(db) == {("MUG", "101"), ("CAP", "101")}


def known_levels(db: Database) -> set[tuple[str, str]]:
    with db.read() as session:
        levels = [level_of_row(row) for row in session.exec(select(ShownStockRow)).all()]
    return {(each.shown.sku, each.shown.location) for each in levels}


# -- cases -------------------------------------------------------------------------------------------------------------


def causes(db: Database) -> list[str]:
    return sorted(case.cause for case in Cases(db).list(CaseState.OPEN))


def outcome(state: SettingState, cause: str = "", sku: str = "MUG") -> SettingOutcome:
    setting = StockSetting(sku=sku, item_id="1", location="101", available=4, change_from=5)
    return SettingOutcome(setting=setting, state=state, cause=cause, reason="because")


def test_what_hinders_is_one_case_until_a_push_works(db: Database) -> None:
    cases = StockCases(db)
    hindered = PushResult(decisions=(decision(hindrance=Hindrance.PRODUCT_UNKNOWN),))
    for _ in range(2):
        cases.note("shop", hindered)
    (case,) = Cases(db).list(CaseState.OPEN)
    assert case.cause == "stock_product_unknown:shop:MUG"
    assert "The ERP has no stock of SKU MUG of shop" in case.title
    assert case.guide.fix
    cases.note("shop", PushResult(decisions=(decision("CAP"),)))
    assert causes(db) == ["stock_product_unknown:shop:MUG"], "another SKU says nothing of it"
    cases.note("outlet", PushResult(decisions=(decision(),)))
    assert causes(db) == ["stock_product_unknown:shop:MUG"], "nor does another channel"
    cases.note("shop", PushResult(decisions=(decision(),)))
    assert causes(db) == []


def test_a_location_that_is_not_mapped_is_one_case_for_all_its_skus(db: Database) -> None:
    hindrance = Hindrance.LOCATION_UNMAPPED
    StockCases(db).note(
        "shop", PushResult(decisions=tuple(decision(f"S-{n}", hindrance) for n in range(100)))
    )
    assert causes(db) == ["stock_location_unmapped:shop:101"]
    StockCases(db).note("shop", PushResult(decisions=(decision("S-7"),)))
    assert causes(db) == []


@pytest.mark.parametrize(
    ("cause", "case"),
    [
        ("stock_item_unknown", "stock_item_unknown:shop:MUG"),
        ("not_tracked", "stock_not_tracked:shop:MUG"),
        ("location_unknown", "stock_location_unknown:shop:101"),
        ("shop_refused:set stock:invalid", "stock_refused:shop:MUG"),
        ("", "stock_refused:shop:MUG"),
    ],
)
def test_each_refusal_has_its_case(db: Database, cause: str, case: str) -> None:
    StockCases(db).note("shop", PushResult(outcomes=(outcome(SettingState.REFUSED, cause),)))
    assert causes(db) == [case]


def test_a_refusal_is_a_case_until_it_is_set(db: Database) -> None:
    cases = StockCases(db)
    refused = PushResult(
        decisions=(decision(to=4),), outcomes=(outcome(SettingState.REFUSED, "not_stocked"),)
    )
    cases.note("shop", refused)
    assert causes(db) == ["stock_not_stocked:shop:MUG"]
    done = PushResult(decisions=(decision(to=4),), outcomes=(outcome(SettingState.DONE),))
    cases.note("shop", done)
    cases.refused("shop", ONE_REFUSED, "MUG", "shop refused to read stock of MUG: no.")
    assert causes(db) == ["stock_refused:shop:MUG"]
    cases.note("shop", PushResult(gone=("MUG",)))
    assert causes(db) == [], "the storefront does not have it any more"


def test_a_flood_is_told_as_one(db: Database) -> None:
    cases = StockCases(db)
    hindrance = Hindrance.PRODUCT_UNKNOWN
    many = PushResult(decisions=tuple(decision(f"S-{n:03d}", hindrance) for n in range(MOST_CASES + 30)))
    cases.note("shop", many)
    assert len(causes(db)) == MOST_CASES + 1
    assert "stock_many:shop:stock_product_unknown" in causes(db)
    cases.compared("shop")
    assert "stock_many:shop:stock_product_unknown" in causes(db)
    cases.note("shop", PushResult(decisions=tuple(decision(f"S-{n:03d}") for n in range(MOST_CASES))))
    cases.compared("shop")
    assert causes(db) == []


@pytest.mark.parametrize("cause", [*Hindrance, *STOCK_GUIDES])
def test_every_trouble_with_stock_has_its_guide(cause: str) -> None:
    assert known(f"{cause}:shop:MUG")
    told = guide(f"{cause}:shop:MUG")
    assert ("ERP" if cause in ("stock_erp_refused", "stock_feed_refused") else "shop") in told.title
    assert "{" not in told.title


def test_a_comparison_tells_in_words_what_it_found() -> None:
    found = StockComparison(channel="shop", began=NOW, skus=1000, compared=3000, equal=2990, changed=10)
    assert found.sentence == (
        "3,000 numbers of 1,000 SKUs of shop compared: 2,990 equal, 10 set anew; 0 SKUs that the ERP does not have, "
        "0 products of the ERP that the storefront does not have"
    )


# -- settings ----------------------------------------------------------------------------------------------------------


def settings() -> Settings:
    channel = {"vendor": "memory", "url": "http://x", "access_token": "t", "webhook_secret": "s"}
    erp = {"vendor": "memory", "url": "http://x", "database": "d", "login": "l", "password": "p"}
    return Settings.model_validate({"channels": {"shop": channel, "outlet": channel}, "erp": erp})


def test_shares_that_sum_to_more_than_all_are_refused_with_the_file() -> None:
    mappings = {name: sandbox_mapping(stock={"push": True, "share": "0.6"}) for name in ("shop", "outlet")}
    with pytest.raises(MappingError, match=r"shopify-tryton\.toml: \[stock\] shares sum to 1\.2"):
        require_stock(settings(), mappings, erp=True, storefronts={"shop": True, "outlet": True})


@pytest.mark.parametrize(
    ("erp", "shop", "words"), [(False, True, "the ERP"), (True, False, "the storefront")]
)
def test_who_knows_no_stock_is_not_told_of_it(erp: bool, shop: bool, words: str) -> None:
    mappings = {"shop": sandbox_mapping(stock={"push": True})}
    with pytest.raises(MappingError, match=rf"\[stock\] push is true, and {words}"):
        require_stock(settings(), mappings, erp=erp, storefronts={"shop": shop})
