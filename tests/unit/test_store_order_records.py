"""Order view, audit, crosswalk, mappings and the journal over them, on SQLite and PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import delete

from domain.cases import CaseReport
from domain.order import OrderKey
from domain.status import OrderStatus
from store.audit import Audit, AuditEntry, add_entry
from store.crosswalk import Crosswalk, Link
from store.database import Database
from store.errors import CrosswalkConflict
from store.journal import Entry, Journal
from store.mappings import MappingCatalog
from store.order_view import OrderPatch, OrderViewRow, OrderViews, apply_patch
from tests.order_builder import sandbox_mapping

KEY = OrderKey(channel="shop", external_id="5001")


def put(db: Database, revision: int, key: OrderKey = KEY, /, **changes: object) -> bool:
    with db.write() as session:
        return apply_patch(session, key, revision, OrderPatch.model_validate(changes))


def test_a_patch_changes_what_it_names_and_keeps_the_rest(db: Database) -> None:
    put(db, 1, number="#1001", total=Decimal("19.90"), currency="EUR", problem="no such SKU")
    put(db, 2, erp_number="SO-7", status=OrderStatus.SUBMITTED, problem="", captured=Decimal("-0.10"))
    order = OrderViews(db).get(KEY)
    assert order is not None
    assert (order.key, order.number, order.erp_number) == (KEY, "#1001", "SO-7")
    assert (order.status, order.problem) == (OrderStatus.SUBMITTED, "")
    assert (str(order.total), str(order.captured), order.erp_total) == ("19.90", "-0.10", None)
    assert OrderViews(db).get(OrderKey(channel="outlet", external_id="5001")) is None


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(arrivals=st.lists(st.integers(1, 6), min_size=1, max_size=12))
def test_the_view_never_goes_back(db: Database, arrivals: list[int]) -> None:
    """Revision n reports n shipments; whatever arrives when and how often, the newest that came stands."""
    with db.write() as session:
        session.exec(delete(OrderViewRow))
    newest = 0
    for revision in arrivals:
        assert put(db, revision, shipments=revision) == (revision >= newest)
        newest = max(newest, revision)
        order = OrderViews(db).get(KEY)
        assert order is not None
        assert order.shipments == newest


def test_writers_at_once_leave_the_newest(db: Database) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda revision: put(db, revision, shipments=revision), [7, 3, 9, 1, 8, 2, 6, 5]))
    order = OrderViews(db).get(KEY)
    assert order is not None
    assert order.shipments == 9


def test_orders_are_listed_filtered_and_paged(db: Database) -> None:
    for number in range(5):
        key = OrderKey(channel="outlet" if number == 4 else "shop", external_id=str(5000 + number))
        status = OrderStatus.CLOSED if number % 2 else OrderStatus.RECEIVED
        put(db, 1, key, number=f"#{number}", erp_number=f"SO-{number}", status=status)
    views = OrderViews(db)

    def ids(**where: object) -> list[str]:
        return [order.key.external_id for order in views.list(**where)]  # type: ignore[arg-type]

    assert ids() == ["5004", "5003", "5002", "5001", "5000"]
    assert ids(channel="outlet") == ["5004"]
    assert ids(status=OrderStatus.CLOSED) == ["5003", "5001"]
    assert ids(limit=2) + ids(limit=2, offset=2) + ids(limit=2, offset=4) == ids()
    for text in ("2", "#2", "SO-2", "5002"):
        assert [order.key.external_id for order in views.find(text)] == ["5002"]


def entry(**changes: object) -> AuditEntry:
    values = {
        "key": KEY,
        "once": "run-1/7",
        "actor": "erp",
        "action": "submit_order",
        "text": "Entered as SO-7",
    }
    return AuditEntry.model_validate(values | changes)


def test_an_act_is_written_once(db: Database) -> None:
    def write(act: AuditEntry) -> bool:
        with db.write() as session:
            return add_entry(session, act)

    assert write(entry())
    assert not write(entry(text="again"))
    assert write(entry(once="run-1/8", text="second"))
    assert write(entry(once="run-1/9", key=OrderKey(channel="outlet", external_id="5001")))
    acts = Audit(db).for_order(KEY)
    assert [act.text for act in acts] == ["Entered as SO-7", "second"]
    assert acts[0].at.utcoffset() == timedelta(0)


def test_an_email_address_in_a_sentence_is_masked_before_it_is_kept(db: Database) -> None:
    with db.write() as session:
        add_entry(session, entry(text="Refused: party ada@example.com is unknown"))
    assert [act.text for act in Audit(db).for_order(KEY)] == ["Refused: party *** is unknown"]


ORDER_7 = Link(kind="order", canonical_id="shop:5001", system="erp", external_id="7")


def test_links_are_found_both_ways_and_noted_once(db: Database) -> None:
    crosswalk = Crosswalk(db)
    assert crosswalk.link(ORDER_7)
    assert not crosswalk.link(ORDER_7)
    assert crosswalk.external_id("order", "shop:5001", "erp") == "7"
    assert crosswalk.canonical_id("order", "erp", "7") == "shop:5001"
    assert crosswalk.external_id("order", "shop:5001", "pim") is None
    assert crosswalk.canonical_id("shipment", "erp", "7") is None
    # The same id elsewhere, or of another kind, is another thing.
    for other in (
        ORDER_7.model_copy(update={"system": "pim"}),
        ORDER_7.model_copy(update={"kind": "shipment"}),
    ):
        assert crosswalk.link(other)
    assert [link.system for link in crosswalk.links("order", "shop:5001")] == ["erp", "pim"]


@pytest.mark.parametrize("change", [{"external_id": "8"}, {"canonical_id": "shop:5002"}])
def test_a_link_that_contradicts_another_is_refused(db: Database, change: dict[str, str]) -> None:
    crosswalk = Crosswalk(db)
    crosswalk.link(ORDER_7)
    with pytest.raises(CrosswalkConflict, match="already noted is that order shop:5001 is 7 in erp"):
        crosswalk.link(ORDER_7.model_copy(update=change))
    assert crosswalk.links("order", "shop:5001") == (ORDER_7,)
    assert crosswalk.links("order", "shop:5002") == ()


def test_claims_of_one_id_at_once_end_in_one_link(db: Database) -> None:
    crosswalk = Crosswalk(db)

    def claim(number: int) -> bool:
        try:
            return crosswalk.link(ORDER_7.model_copy(update={"canonical_id": f"shop:{number}"}))
        except CrosswalkConflict:
            return False

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(claim, range(8))) == 1


def test_mappings_of_earlier_versions_stay_known(db: Database) -> None:
    before = sandbox_mapping()
    after = before.model_copy(update={"shipping_product": "DELIVERY"})
    first = MappingCatalog(db, {"shop": before})
    assert first.current("shop") == before
    restarted = MappingCatalog(db, {"shop": after})
    assert restarted.current("shop") == after
    assert restarted.version(before.version) == before
    assert restarted.version(after.version) == after
    with pytest.raises(KeyError):
        restarted.version("never-seen")
    with pytest.raises(KeyError):
        restarted.current("outlet")


def journal_entry(**changes: object) -> Entry:
    values = {
        "key": KEY,
        "revision": 3,
        "action": "submit_order",
        "actor": "Orderwright",
        "text": "Entered in the ERP as SO-7",
        "patch": {"erp_number": "SO-7"},
        "links": (ORDER_7,),
    }
    return Entry.model_validate(values | changes)


def test_an_entry_written_again_changes_nothing(db: Database) -> None:
    journal = Journal(db)
    journal.note(journal_entry())
    journal.note(journal_entry())
    order = OrderViews(db).get(KEY)
    assert order is not None
    assert order.erp_number == "SO-7"
    assert [act.text for act in Audit(db).for_order(KEY)] == ["Entered in the ERP as SO-7"]
    assert Crosswalk(db).external_id("order", "shop:5001", "erp") == "7"


def test_an_entry_is_written_whole_or_not_at_all(db: Database) -> None:
    Crosswalk(db).link(ORDER_7.model_copy(update={"canonical_id": "shop:1"}))
    with pytest.raises(CrosswalkConflict):
        Journal(db).note(journal_entry())
    assert OrderViews(db).get(KEY) is None
    assert Audit(db).for_order(KEY) == ()


def stops(action: str, revision: int, cause: str, reason: str) -> Entry:
    report = CaseReport(cause=cause, reason=reason, key=KEY)
    return journal_entry(action=action, revision=revision, patch={"problem": reason}, report=report, links=())


def goes_on(action: str, revision: int) -> Entry:
    return journal_entry(action=action, revision=revision, patch={"problem": ""}, links=())


@pytest.mark.parametrize(
    ("waits", "works"),
    [("return #1-R1", "read_order"), ("close_order", "return #1-R1"), ("return #1-R1", "return #1-R2")],
)
def test_what_an_order_overcomes_hides_no_problem_of_its_return_nor_the_other_way_round(
    db: Database, waits: str, works: str
) -> None:
    journal, views = Journal(db), OrderViews(db)
    journal.note(goes_on("submit_order", 1))
    journal.note(stops(waits, 2, "unbalanced:total", "Nobody has agreed."))
    journal.note(stops(works, 3, "contract_broken:shop", "The answer is no JSON."))
    journal.note(goes_on(works, 4))
    order = views.get(KEY)
    assert order is not None
    assert order.problem == "Nobody has agreed."
    journal.note(goes_on(waits, 5))
    order = views.get(KEY)
    assert order is not None
    assert order.problem == ""
