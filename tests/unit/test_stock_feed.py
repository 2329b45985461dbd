"""The feed of the ERP's stock by itself: from a new database, with a cursor nobody knows, and read anew once a day."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from sqlmodel import select, update
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.stock_cases import MOST_CASES, StockCases
from activities.stock_contracts import FollowStock, StockFollowed
from activities.stock_feed import SIGN_OF_LIFE, StockFeedActivities
from adapters.errors import ContractBroken
from adapters.memory.erp import MemoryErp
from adapters.stock_ports import ErpStockLevels, ErpStockPage
from domain.cases import CaseState
from domain.claims import Claim, OrderClaims
from domain.order import OrderKey
from domain.stock import ErpStock, Kit, ShownStock, StockReading
from store.cases import Cases
from store.claims import ask_to_read, note_claims
from store.database import Database
from store.shown import Level, note_seen
from store.stock import ErpStockBook
from store.stock_marks import Marks
from store.stock_tables import ErpKitPartRow, ErpUnreadRow, draw_token
from store.stock_whole import WholeReadings
from workflows.stock_feed import SIGN_OF_LIFE as HEARTBEAT_TIMEOUT

SHORT = timedelta(milliseconds=20)


def erp_with(*products: str) -> MemoryErp:
    return MemoryErp(stock={("EAST", product): 5 for product in products}, page_size=2)


async def follow(
    db: Database, erp: MemoryErp, request: FollowStock | None = None, **more: timedelta
) -> StockFollowed:
    """Rounds enough for all pages, however slow the machine is: each reads one at least."""
    feed = StockFeedActivities(erp, db, interval=timedelta(0), round_length=SHORT, **more)
    request = request or FollowStock()
    for _ in range(6):
        followed = await ActivityEnvironment().run(feed.follow_stock, request)
        request = FollowStock(cursor=followed.cursor, whole=followed.whole)
    return followed


def kept(db: Database, *products: str) -> dict[str, int]:
    return {row.product: row.on_hand for row in ErpStockBook(db).levels(products)}


def kits(db: Database) -> dict[str, str]:
    """Kit -> its one component."""
    with db.read() as session:
        return {row.kit: row.component for row in session.exec(select(ErpKitPartRow)).all()}


def keep(
    book: ErpStockBook,
    levels: tuple[ErpStock, ...] = (),
    kits: tuple[Kit, ...] = (),
    unknown: tuple[str, ...] = (),
) -> None:
    token, at = book.begin_reading()
    book.keep_reading(StockReading(token=token, at=at, levels=levels, kits=kits, unknown=unknown))


async def test_it_begins_with_everything_and_tells_once_it_came_to_the_end(db: Database) -> None:
    products = [f"P-{number}" for number in range(7)]
    erp = erp_with(*products)
    assert WholeReadings(db).lacking([]) == ("erp",)
    followed = await follow(db, erp)
    assert kept(db, *products) == dict.fromkeys(products, 5)
    assert followed.cursor == str(erp.stock_book.last_change)
    assert WholeReadings(db).lacking([]) == ()


async def test_a_cursor_that_an_earlier_database_had_kept_is_not_trusted(db: Database) -> None:
    erp = erp_with("MUG")
    await follow(db, erp, FollowStock(cursor=str(erp.stock_book.last_change)))
    assert kept(db, "MUG") == {"MUG": 5}


async def test_a_cursor_that_the_erp_does_not_know_starts_anew(db: Database) -> None:
    erp = erp_with("MUG")
    await follow(db, erp)
    erp.count("EAST", "MUG", 3)
    await follow(db, erp, FollowStock(cursor="of another ERP"))
    assert kept(db, "MUG") == {"MUG": 3}


async def test_products_of_orders_are_asked_for_by_name(db: Database) -> None:
    erp = erp_with("MUG")
    followed = await follow(db, erp)
    with db.write() as session:
        ask_to_read(session, ["MUG", "GONE"], draw_token(session))
    await follow(db, erp, FollowStock(cursor=followed.cursor))
    assert "find_stock" in {call.operation for call in erp.calls}
    assert ErpStockBook(db).unread(10) == ()


async def test_once_a_day_all_is_read_anew_and_what_the_feed_missed_is_found(db: Database) -> None:
    erp = erp_with("GONE", "MUG", "CAP", "TEE")
    followed = await follow(db, erp)
    # Neither is numbered as a change: the feed hears of none of it.
    dict.__setitem__(erp.stock_book.counts, ("EAST", "MUG"), 2)
    dict.__delitem__(erp.stock_book.counts, ("EAST", "GONE"))
    erp.stock_book.changed_at["GONE"] = 0
    go_on = FollowStock(cursor=followed.cursor)
    await follow(db, erp, go_on)
    assert kept(db, "MUG", "GONE") == {"MUG": 5, "GONE": 5}
    await follow(db, erp, go_on, read_anew=timedelta(0))
    assert kept(db, "MUG", "CAP", "GONE") == {"MUG": 2, "CAP": 5}


async def test_a_kit_that_the_erp_dropped_is_a_kit_no_more(db: Database) -> None:
    erp = erp_with("MUG", "BOX")
    erp.stock_book.make_kit("GIFT", {"MUG": 2})
    erp.stock_book.make_kit("PAIR", {"BOX": 2})
    followed = await follow(db, erp)
    assert kits(db) == {"GIFT": "MUG", "PAIR": "BOX"}
    # The feed hears nothing of it.
    del erp.stock_book.kits["GIFT"]
    erp.stock_book.changed_at["GIFT"] = 0
    await follow(db, erp, FollowStock(cursor=followed.cursor), read_anew=timedelta(0))
    assert kits(db) == {"PAIR": "BOX"}


def test_a_kit_of_which_units_are_in_flight_keeps_its_parts_until_they_are_in(db: Database) -> None:
    book, key = ErpStockBook(db), OrderKey(channel="shop", external_id="1")
    parts = Kit(product="GIFT", components={"MUG": 2})
    mugs = ErpStock(product="MUG", warehouse="EAST", on_hand=5)
    keep(book, levels=(mugs,), kits=(parts,))
    sold = Claim(sku="GIFT", location="101", product="GIFT", warehouse="EAST", due=1, open=1)
    with db.write() as session:
        note_claims(session, key, OrderClaims(claims=(sold,)))
    keep(book, unknown=("GIFT",))
    assert kits(db) == {"GIFT": "MUG"}, "the mugs that it takes would be sold again"
    with db.write() as session:
        note_claims(session, key, OrderClaims(claims=()))
    keep(book, unknown=("GIFT",))
    assert kits(db) == {}


def test_the_components_of_a_kit_that_is_gone_are_looked_at_again(db: Database) -> None:
    book = ErpStockBook(db)
    mugs = ErpStock(product="MUG", warehouse="EAST", on_hand=5)
    keep(book, levels=(mugs,), kits=(Kit(product="GIFT", components={"MUG": 2}),))
    shown = ShownStock(sku="MUG", item_id="1", location="101", available=5, committed=0)
    with db.write() as session:
        note_seen(session, "shop", [Level(shown=shown, product="MUG", warehouse="EAST")], datetime.now(UTC))
    marks = Marks(db)
    marks.settle(marks.due("shop", datetime.now(UTC), 10))
    keep(book, unknown=("GIFT",))
    assert [mark.sku for mark in marks.due("shop", datetime.now(UTC), 10)] == ["MUG"]


def test_a_kit_that_has_stock_of_its_own_now_is_goods(db: Database) -> None:
    book = ErpStockBook(db)
    keep(book, kits=(Kit(product="GIFT", components={"MUG": 2}),))
    keep(book, levels=(ErpStock(product="GIFT", warehouse="EAST", on_hand=3),))
    assert kits(db) == {}
    assert kept(db, "GIFT") == {"GIFT": 3}


class PickyErp(MemoryErp):
    """Refuses to tell of some products, however it is asked."""

    bad: frozenset[str] = frozenset()

    async def find_stock(self, products: Sequence[str]) -> ErpStockLevels:
        if self.bad.intersection(products):
            raise ContractBroken("erp", "read stock", "a product has no unit")
        return await super().find_stock(products)

    async def stock_changes(self, cursor: str | None) -> ErpStockPage:
        page = await super().stock_changes(cursor)
        named = tuple(sorted({level.product for level in page.levels}))
        if not self.bad.intersection(named):
            return page
        return ErpStockPage(levels=(), untold=named, cursor=page.cursor, more=page.more)


def causes(db: Database) -> list[str]:
    return sorted(case.cause for case in Cases(db).list(CaseState.OPEN))


def due_again(db: Database) -> None:
    """The pause after a refusal is over."""
    with db.write() as session:
        session.exec(update(ErpUnreadRow).values(due_at=datetime.now(UTC)))


async def test_a_product_that_the_erp_refuses_to_tell_of_holds_up_no_other(db: Database) -> None:
    products = [f"P-{number}" for number in range(9)]
    erp = PickyErp(stock={("EAST", product): 5 for product in products}, page_size=5)
    erp.bad = frozenset({"P-3"})
    followed = await follow(db, erp)
    others = [product for product in products if product != "P-3"]
    assert kept(db, *products) == dict.fromkeys(others, 5)
    assert causes(db) == ["stock_erp_refused:erp:P-3"]
    (case,) = Cases(db).list(CaseState.OPEN)
    assert "a product has no unit" in case.reason
    assert case.title == "The ERP does not tell the stock of P-3"
    # It is not asked for again at once, though orders wish it; others that orders wish are.
    erp.count("EAST", "P-8", 2)
    asked_before = len(erp.calls)
    with db.write() as session:
        ask_to_read(session, ["P-3"], draw_token(session))
    await follow(db, erp, FollowStock(cursor=followed.cursor))
    assert kept(db, "P-8") == {"P-8": 2}
    assert "find_stock" not in {call.operation for call in erp.calls[asked_before:]}
    erp.bad = frozenset()
    due_again(db)
    await follow(db, erp, FollowStock(cursor=followed.cursor))
    assert kept(db, "P-3") == {"P-3": 5}
    assert (causes(db), ErpStockBook(db).unread(10)) == ([], ())


async def test_the_case_of_a_product_that_was_refused_by_name_ends_once_the_feed_tells_of_it(
    db: Database,
) -> None:
    erp = erp_with("P-1")
    followed = await follow(db, erp)
    with db.write() as session:
        ask_to_read(session, ["P-1"], draw_token(session))
    erp.faults.reject("erp.find_stock", "a product has no unit")
    await follow(db, erp, FollowStock(cursor=followed.cursor))
    assert causes(db) == ["stock_erp_refused:erp:P-1"]
    erp.count("EAST", "P-1", 3)
    await follow(db, erp, FollowStock(cursor=followed.cursor))
    assert (kept(db, "P-1"), ErpStockBook(db).unread(10), causes(db)) == ({"P-1": 3}, (), [])


async def test_an_erp_that_refuses_whatever_is_asked_is_one_case(db: Database) -> None:
    products = [f"P-{number}" for number in range(9)]
    erp = PickyErp(stock={("EAST", product): 5 for product in products}, page_size=5)
    erp.bad = frozenset(products)
    with pytest.raises(ApplicationError, match="a product has no unit"):
        await follow(db, erp)
    assert causes(db) == ["stock_feed_refused:erp:"]
    erp.bad = frozenset()
    await follow(db, erp)
    assert kept(db, *products) == dict.fromkeys(products, 5)
    assert causes(db) == []


async def test_more_products_than_one_can_list_are_told_as_many(db: Database) -> None:
    cases = StockCases(db)
    for number in range(MOST_CASES + 5):
        cases.refused("erp", "stock_erp_refused", f"P-{number}", "The ERP refused.")
    assert len(causes(db)) == MOST_CASES + 1
    assert "stock_many:erp:stock_erp_refused" in causes(db)


async def test_a_round_gives_signs_of_life_with_where_it_stands(db: Database) -> None:
    beats: list[tuple[object, ...]] = []
    environment = ActivityEnvironment()
    environment.on_heartbeat = lambda *details: beats.append(details)
    erp = MemoryErp(stock={("EAST", "MUG"): 5}, latency=0.1)
    feed = StockFeedActivities(
        erp, db, interval=SHORT, round_length=SHORT, sign_of_life=timedelta(milliseconds=10)
    )
    followed = await environment.run(feed.follow_stock, FollowStock())
    assert len(beats) > 5
    assert StockFollowed.model_validate(beats[-1][0]) == followed
    assert SIGN_OF_LIFE * 2 < HEARTBEAT_TIMEOUT
