"""Claims of orders and readings of the ERP's stock, in the order in which they happen, on SQLite and PostgreSQL."""

from datetime import UTC, datetime

import pytest
from sqlmodel import select

from domain.claims import NO_CLAIMS, Claim, Held, OrderClaims
from domain.order import OrderKey
from domain.status import OrderStatus
from domain.stock import ErpStock, Kit, ShownStock, StockReading
from store.claims import StockClaims, forget_claims, note_claims
from store.database import Database
from store.journal import Entry, Journal
from store.order_view import OrderPatch
from store.shown import Level, note_seen
from store.stock import ErpStockBook
from store.stock_listing import Listing
from store.stock_marks import Marks
from store.stock_tables import StockClaimRow, StockHeldRow

KEY = OrderKey(channel="shop", external_id="5001")


def claim(due: int, open_: int | None = None, sku: str = "MUG", warehouse: str = "EAST") -> Claim:
    still = due if open_ is None else open_
    return Claim(sku=sku, location="101", product=sku, warehouse=warehouse, due=due, open=still)


def held(units: int, warehouse: str = "EAST", sku: str = "MUG") -> Held:
    return Held(sku=sku, warehouse=warehouse, quantity=units)


def note(db: Database, *claims: Claim, by_erp: tuple[Held, ...] | None = None, entered: bool = False) -> None:
    with db.write() as session:
        note_claims(session, KEY, OrderClaims(claims=claims, held=by_erp, entered=entered))


def in_flight(db: Database) -> int:
    with db.read() as session:
        return sum(row.awaiting + row.entering for row in session.exec(select(StockClaimRow)).all())


def reading(db: Database, *products: str) -> StockReading:
    token, at = ErpStockBook(db).begin_reading()
    levels = tuple(ErpStock(product=each, warehouse="EAST", on_hand=10) for each in products or ("MUG",))
    return StockReading(token=token, at=at, levels=levels)


def keep(db: Database, *products: str) -> None:
    ErpStockBook(db).keep_reading(reading(db, *products))


def show(db: Database, *skus: str, channel: str = "shop") -> None:
    levels = [
        Level(
            shown=ShownStock(sku=sku, item_id=sku, location="101", available=5, committed=0),
            product=sku,
            warehouse="EAST",
        )
        for sku in skus
    ]
    with db.write() as session:
        note_seen(session, channel, levels, datetime.now(UTC))


def marked(db: Database, channel: str = "shop") -> list[str]:
    """SKUs that are to be told of; they are settled by it."""
    marks = Marks(db).due(channel, datetime.now(UTC), 100)
    Marks(db).settle(marks)
    return [each.sku for each in marks]


def test_an_order_is_in_flight_until_a_reading_that_began_after_the_erp_got_it(db: Database) -> None:
    note(db, claim(3))
    assert in_flight(db) == 3
    earlier = reading(db)
    note(db, claim(3), by_erp=(held(3),))
    assert ErpStockBook(db).unread(10) == ("MUG",)
    ErpStockBook(db).keep_reading(earlier)
    assert in_flight(db) == 3, "the reading was under way: nobody knows whether it holds the order"
    assert ErpStockBook(db).unread(10) == ("MUG",), "so it is to be read again"
    keep(db)
    assert in_flight(db) == 0
    assert ErpStockBook(db).unread(10) == ()


def test_noting_the_same_again_changes_and_marks_nothing(db: Database) -> None:
    show(db, "MUG")
    note(db, claim(3))
    assert marked(db) == ["MUG"]
    note(db, claim(3))
    assert marked(db) == []
    note(db, claim(3), by_erp=(held(3),))
    keep(db)
    marked(db)
    note(db, claim(3), by_erp=(held(3),))
    assert (marked(db), in_flight(db)) == ([], 0)


def test_an_order_that_is_canceled_before_the_erp_had_it_gives_its_units_back_once(db: Database) -> None:
    note(db, claim(3))
    for _ in range(2):
        with db.write() as session:
            note_claims(session, KEY, NO_CLAIMS)
        assert in_flight(db) == 0


def test_canceled_in_the_erp_first_it_is_in_flight_until_the_storefront_has_canceled_too(
    db: Database,
) -> None:
    note(db, claim(3), by_erp=(held(3),))
    keep(db)
    with db.write() as session:
        note_claims(session, KEY, OrderClaims(held=()))
    assert in_flight(db) == 3
    with db.write() as session:
        note_claims(session, KEY, NO_CLAIMS)
    assert in_flight(db) == 0


def test_units_added_by_an_edit_are_in_flight_until_the_erp_has_them(db: Database) -> None:
    note(db, claim(3), by_erp=(held(3),))
    keep(db)
    note(db, claim(5))
    assert in_flight(db) == 2
    note(db, claim(5), by_erp=(held(5),))
    keep(db)
    assert in_flight(db) == 0


def test_what_leaves_is_in_flight_no_more_than_before(db: Database) -> None:
    note(db, claim(3), by_erp=(held(3),))
    keep(db)
    StockClaims(db).sent(KEY, "EAST", {"MUG": 2})
    with db.read() as session:
        (row,) = session.exec(select(StockClaimRow)).all()
    assert (row.open, row.awaiting, row.entering) == (1, 0, 0)
    note(db, claim(3, 1), by_erp=(held(3),))
    assert in_flight(db) == 0


def test_a_parcel_lowers_what_is_open_at_its_warehouse_alone(db: Database) -> None:
    here, there = claim(2), claim(2, warehouse="WEST").model_copy(update={"location": "102"})
    note(db, here, there)
    StockClaims(db).sent(KEY, "WEST", {"MUG": 1})
    with db.read() as session:
        rows = session.exec(select(StockClaimRow)).all()
    assert {row.warehouse: row.open for row in rows} == {"EAST": 2, "WEST": 1}


def test_of_an_order_that_comes_back_the_erp_has_what_has_left(db: Database) -> None:
    note(db, claim(3, 0), entered=True)
    assert in_flight(db) == 0
    note(db, claim(5, 2), entered=True)
    assert in_flight(db) == 2, "the buyer added 2"
    note(db, claim(5, 2), by_erp=(held(4),))
    assert in_flight(db) == 2, "one is awaited, one was entered and not read yet"
    keep(db)
    assert in_flight(db) == 1


def test_units_that_the_erp_is_asked_to_cancel_are_in_flight_before_it_does(db: Database) -> None:
    note(db, claim(3), by_erp=(held(3),))
    keep(db)
    StockClaims(db).let_go(KEY)
    keep(db)
    assert in_flight(db) == 3, "the reading may find them free, the storefront still holds them"
    with db.write() as session:
        note_claims(session, KEY, OrderClaims())
    assert in_flight(db) == 0, "the ERP has refused"


def test_a_kit_is_in_flight_until_every_component_was_read(db: Database) -> None:
    book = ErpStockBook(db)
    token, at = book.begin_reading()
    parts = tuple(ErpStock(product=each, warehouse="EAST", on_hand=10) for each in ("CUP", "LID"))
    kit = Kit(product="MUG", components={"CUP": 1, "LID": 2})
    book.keep_reading(StockReading(token=token, at=at, levels=parts, kits=(kit,)))
    note(db, claim(3))
    note(db, claim(3), by_erp=(held(3),))
    keep(db, "CUP")
    assert in_flight(db) == 3
    keep(db, "LID")
    assert in_flight(db) == 0


def test_an_order_marks_whatever_shares_its_components_on_every_channel(db: Database) -> None:
    book = ErpStockBook(db)
    token, at = book.begin_reading()
    parts = tuple(ErpStock(product=each, warehouse="EAST", on_hand=10) for each in ("CUP", "LID", "POT"))
    kits = (
        Kit(product="MUG", components={"CUP": 1, "LID": 1}),
        Kit(product="SET", components={"CUP": 4, "POT": 1}),
    )
    book.keep_reading(StockReading(token=token, at=at, levels=parts, kits=kits))
    show(db, "MUG", "SET", "LID", "POT")
    show(db, "CUP", channel="outlet")
    marked(db)
    note(db, claim(1))
    assert marked(db) == ["LID", "MUG", "SET"]
    assert marked(db, "outlet") == ["CUP"]


def test_a_change_that_comes_while_an_earlier_one_is_told_is_not_lost(db: Database) -> None:
    show(db, "MUG")
    note(db, claim(1))
    (mark,) = taken = Marks(db).due("shop", datetime.now(UTC), 10)
    note(db, claim(2))
    Marks(db).settle(taken)
    (left,) = Marks(db).due("shop", datetime.now(UTC), 10)
    assert left.changes > mark.changes
    assert left.changed_at >= mark.changed_at


def test_a_thousand_changes_are_one_mark(db: Database) -> None:
    show(db, "MUG")
    for units in range(1, 30):
        note(db, claim(units))
    assert len(Marks(db).due("shop", datetime.now(UTC), 100)) == 1


def test_what_is_put_off_is_due_later(db: Database) -> None:
    show(db, "MUG")
    note(db, claim(1))
    now = datetime.now(UTC)
    marks = Marks(db).due("shop", now, 10)
    later = now.replace(year=now.year + 1)
    Marks(db).put_off(marks, later, failed=True)
    assert Marks(db).due("shop", now, 10) == ()
    (mark,) = Marks(db).due("shop", later, 10)
    assert mark.attempts == 1


def test_a_closed_order_leaves_nothing_but_what_is_still_entering(db: Database) -> None:
    keep(db)
    note(db, claim(3, 0), by_erp=(held(3),))
    with db.write() as session:
        forget_claims(session, KEY)
    assert in_flight(db) == 3
    keep(db)
    with db.write() as session:
        forget_claims(session, KEY)
    with db.read() as session:
        assert session.exec(select(StockClaimRow)).all() == []
        assert session.exec(select(StockHeldRow)).all() == []


def test_where_nobody_follows_the_stock_a_closed_order_leaves_nothing(db: Database) -> None:
    note(db, claim(3, 0), by_erp=(held(3),))
    with db.write() as session:
        forget_claims(session, KEY)
    with db.read() as session:
        assert session.exec(select(StockClaimRow)).all() == []


def test_what_a_closed_order_left_goes_once_it_was_read(db: Database) -> None:
    keep(db)
    note(db, claim(3, 0), by_erp=(held(3),))
    entry = Entry(
        key=KEY,
        revision=1,
        action="close_order",
        actor="Orderwright",
        text="Closed",
        patch=OrderPatch(status=OrderStatus.CLOSED, closed_at=datetime.now(UTC)),
    )
    Journal(db).note(entry)
    assert Listing(db).purge() == 0, "it is still entering"
    keep(db)
    assert Listing(db).purge() == 1


@pytest.mark.parametrize("late", [True, False])
def test_an_earlier_reading_that_is_kept_late_changes_no_later_one(db: Database, late: bool) -> None:
    book = ErpStockBook(db)
    first = reading(db)
    second = reading(db).model_copy(
        update={"levels": (ErpStock(product="MUG", warehouse="EAST", on_hand=4, allocated=1),)}
    )
    for each in (second, first) if late else (first, second):
        book.keep_reading(each)
    (row,) = book.levels(["MUG"])
    assert (row.on_hand, row.allocated, row.token) == (4, 1, second.token)


def test_a_product_that_the_erp_does_not_have_any_more_is_forgotten(db: Database) -> None:
    book = ErpStockBook(db)
    keep(db)
    token, at = book.begin_reading()
    book.keep_reading(StockReading(token=token, at=at, levels=(), unknown=("MUG",)))
    assert book.levels(["MUG"]) == ()


def test_a_reading_tells_how_many_products_changed(db: Database) -> None:
    book = ErpStockBook(db)
    assert book.keep_reading(reading(db, "MUG", "CUP")) == 2
    assert book.keep_reading(reading(db, "MUG", "CUP")) == 0
