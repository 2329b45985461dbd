"""Every order placed is counted once, and each difference has its name."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.cases import known as known_cause
from domain.certificate import Tally
from domain.completeness import (
    Evidence,
    Explanation,
    Flow,
    Known,
    Patience,
    Repair,
    Standing,
    judge_order,
    judge_shipments,
)
from domain.erp_order import ErpOrderState
from domain.listings import ErpRecord, PlacedOrder
from domain.order import OrderKey
from domain.status import OrderStatus

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
PATIENCE = Patience(grace=timedelta(minutes=15), longest=timedelta(days=1))
KEY = OrderKey(channel="shop", external_id="5001")
OLD, YOUNG = NOW - timedelta(hours=2), NOW - timedelta(minutes=5)
ENDED = {"status": OrderStatus.CLOSED, "ended": True}
UNPAID = {"running": True, "awaits_payment": True, "noted_at": OLD}
AHEAD = {"running": True, "awaits_release": True, "noted_at": OLD}
CANCELED, DRAFT = ErpOrderState.CANCELED, ErpOrderState.DRAFT


def placed(at: datetime = OLD, **more) -> PlacedOrder:
    values = {"changed_at": at, "total": Decimal("19.90")} | more
    return PlacedOrder(external_id="5001", number="#1001", placed_at=at, **values)


def record(number: str = "SO-1", key: OrderKey | None = KEY, at: datetime = OLD, **more) -> ErpRecord:
    values = {"state": ErpOrderState.ACCEPTED, "reference": "#1001"} | more
    return ErpRecord(erp_id=number, number=number, key=key, changed_at=at, **values)


def judged(order: PlacedOrder | None, *records: ErpRecord, **known):
    return judge_order(
        Evidence(key=KEY, placed=order, records=records, known=Known(**known), now=NOW, patience=PATIENCE)
    )


@pytest.mark.parametrize(
    ("order", "records", "known", "explanation", "repair"),
    [
        (placed(), [record()], {}, Explanation.MATCHED, Repair.NONE),
        (placed(), [], {}, Explanation.MISSED_WEBHOOK, Repair.START),
        (placed(YOUNG), [], {}, Explanation.ON_ITS_WAY, Repair.NONE),
        (placed(), [], {"webhook_came": True}, Explanation.LOST, Repair.START),
        (placed(), [], {"status": OrderStatus.RECEIVED}, Explanation.LOST, Repair.START),
        (placed(), [], {"webhook_came": True, "webhook_waits": True}, Explanation.WEBHOOK_WAITS, Repair.NONE),
        (placed(), [], {"running": True}, Explanation.ON_ITS_WAY, Repair.NONE),
        (placed(NOW - timedelta(days=2)), [], {"running": True}, Explanation.STUCK, Repair.NONE),
        (placed(), [record(state=DRAFT)], {"running": True}, Explanation.ON_ITS_WAY, Repair.NONE),
        (placed(), [record(state=DRAFT)], {"webhook_came": True}, Explanation.LOST, Repair.START),
        (placed(), [], {"running": True, "waits_for": "no SKU"}, Explanation.WAITS_FOR_PERSON, Repair.NONE),
        (placed(), [], UNPAID, Explanation.AWAITS_PAYMENT, Repair.NONE),
        (placed(changed_at=NOW - timedelta(hours=1)), [], UNPAID, Explanation.AWAITS_PAYMENT, Repair.START),
        (placed(changed_at=YOUNG), [], UNPAID, Explanation.AWAITS_PAYMENT, Repair.NONE),
        (placed(), [], AHEAD, Explanation.AWAITS_RELEASE, Repair.NONE),
        (placed(changed_at=NOW - timedelta(hours=1)), [], AHEAD, Explanation.AWAITS_RELEASE, Repair.START),
        (placed(NOW - timedelta(days=40)), [], AHEAD, Explanation.AWAITS_RELEASE, Repair.NONE),
        (placed(NOW - timedelta(days=2)), [], UNPAID, Explanation.AWAITS_PAYMENT, Repair.NONE),
        (placed(test=True), [], {}, Explanation.NOT_CARRIED, Repair.NONE),
        (placed(), [], {"status": OrderStatus.IGNORED}, Explanation.NOT_CARRIED, Repair.NONE),
        (placed(), [], ENDED, Explanation.GONE_FROM_ERP, Repair.NONE),
        (placed(), [record("SO-9", None)], {}, Explanation.ENTERED_BY_HAND, Repair.NONE),
        (placed(), [record(), record("SO-9", None)], {}, Explanation.TWICE_IN_ERP, Repair.NONE),
        (placed(), [record(), record("SO-9")], {}, Explanation.TWICE_IN_ERP, Repair.NONE),
        (placed(), [record(), record("SO-9", None, state=CANCELED)], {}, Explanation.MATCHED, Repair.NONE),
        (placed(canceled_at=OLD), [], {}, Explanation.CANCELED_BEFORE_ENTRY, Repair.NONE),
        (placed(canceled_at=OLD), [record(state=CANCELED)], {}, Explanation.MATCHED, Repair.NONE),
        (placed(canceled_at=OLD), [record()], {}, Explanation.CANCELED_IN_STOREFRONT, Repair.START),
        (placed(canceled_at=OLD), [record()], ENDED, Explanation.CANCELED_IN_STOREFRONT, Repair.START),
        (placed(canceled_at=OLD), [record()], {"ended": True}, Explanation.CANCELED_IN_STOREFRONT, Repair.NONE),
        (placed(canceled_at=YOUNG), [record()], {}, Explanation.ON_ITS_WAY, Repair.NONE),
        (placed(canceled_at=OLD), [record()], {"waits_for": "picked"}, Explanation.WAITS_FOR_PERSON, Repair.NONE),
        (placed(), [record(state=CANCELED)], {"running": True}, Explanation.CANCELED_IN_ERP, Repair.TELL),
        (placed(), [record(state=CANCELED)], {}, Explanation.CANCELED_IN_ERP, Repair.START),
        (placed(), [record(state=CANCELED)], {"ended": True}, Explanation.CANCELED_IN_ERP, Repair.NONE),
        (placed(), [record(state=CANCELED, at=YOUNG)], {}, Explanation.ON_ITS_WAY, Repair.NONE),
        (None, [record()], {}, Explanation.ONLY_IN_ERP, Repair.NONE),
        (None, [record()], {"status": OrderStatus.SHIPPED}, Explanation.MATCHED, Repair.NONE),
        (None, [record(state=CANCELED)], {}, Explanation.MATCHED, Repair.NONE),
        (placed(), [record(unreadable="state: melted")], {}, Explanation.UNREADABLE, Repair.NONE),
    ],
)  # fmt: skip
def test_each_difference_has_its_name_and_its_repair(order, records, known, explanation, repair):
    finding = judged(order, *records, **known)
    assert (finding.explanation, finding.repair) == (explanation, repair)


def test_a_duplicate_names_both_records_and_what_to_do():
    finding = judged(placed(), record("SO-9", None), record("SO-1"))
    assert finding.sentence == "the ERP holds SO-1 and SO-9 (entered by hand) for one order"
    assert finding.cause == "duplicate_in_erp:shop:5001"
    assert finding.remedy.startswith("Cancel the one that is wrong in the ERP")


def test_a_repair_that_did_not_help_is_not_tried_again_but_named():
    finding = judged(placed(), repaired=frozenset({Explanation.MISSED_WEBHOOK}))
    assert (finding.repair, finding.standing) == (Repair.NONE, Standing.UNEXPLAINED)
    assert finding.sentence.endswith("the last sweep's repair did not help")
    assert finding.remedy


@pytest.mark.parametrize(
    ("changed_at", "known", "explanation", "repair"),
    [
        (OLD, {"running": True}, Explanation.EDITED, Repair.START),
        (OLD, {}, Explanation.EDITED, Repair.START),
        (YOUNG, {"running": True}, Explanation.ON_ITS_WAY, Repair.NONE),
        (OLD, {"running": True, "webhook_waits": True}, Explanation.ON_ITS_WAY, Repair.NONE),
        (OLD, {"running": True, "waits_for": "edited"}, Explanation.WAITS_FOR_PERSON, Repair.NONE),
        (OLD, {"ended": True}, Explanation.EDITED, Repair.START),
    ],
)
def test_an_edit_that_nobody_heard_of_is_found_by_its_total(changed_at, known, explanation, repair):
    edited = Evidence(
        key=KEY,
        placed=placed(changed_at=changed_at, total=Decimal("9.95")),
        records=(record(),),
        known_total=Decimal("19.90"),
        known=Known(**known),
        now=NOW,
        patience=PATIENCE,
    )
    assert edited.needs_knowledge
    finding = judge_order(edited)
    assert (finding.explanation, finding.repair) == (explanation, repair)


def test_an_order_from_before_our_time_is_left_alone_unless_we_know_it():
    before = Evidence(key=KEY, placed=placed(), records=(), ours_since=NOW - timedelta(hours=1), now=NOW)
    assert judge_order(before).explanation is Explanation.NOT_CARRIED
    heard = before.model_copy(update={"known": Known(webhook_came=True)})
    assert judge_order(heard).explanation is Explanation.LOST


def shipments(told: int, *records: ErpRecord, **known):
    return judge_shipments(
        Evidence(
            key=KEY,
            placed=placed(fulfilled=told),
            records=records,
            known=Known(**known),
            now=NOW,
            patience=PATIENCE,
        )
    )


@pytest.mark.parametrize(
    ("told", "records", "known", "explanation", "repair"),
    [
        (3, [record(shipped=3)], {}, Explanation.MATCHED, Repair.NONE),
        (4, [record(shipped=3)], {}, Explanation.MATCHED, Repair.NONE),
        (2, [record(shipped=3, at=YOUNG)], {"running": True}, Explanation.ON_ITS_WAY, Repair.NONE),
        (2, [record(shipped=3)], {"running": True}, Explanation.NOT_TOLD, Repair.TELL),
        (2, [record(shipped=3)], {}, Explanation.NOT_TOLD, Repair.START),
        (2, [record(shipped=3)], {"ended": True}, Explanation.NOT_TOLD, Repair.NONE),
        (2, [record(shipped=3)], {"running": True, "waits_for": "x"}, Explanation.WAITS_FOR_PERSON, Repair.NONE),
        (3, [record(shipped=2), record("SO-2", shipped=2)], {}, Explanation.NOT_TOLD, Repair.START),
    ],
)  # fmt: skip
def test_what_left_the_house_is_told_or_has_a_reason(told, records, known, explanation, repair):
    finding = shipments(told, *records, **known)
    assert finding is not None
    assert (finding.explanation, finding.repair) == (explanation, repair)


def test_where_nothing_left_or_the_parcel_is_nobodys_there_is_nothing_to_tell():
    assert shipments(0, record()) is None
    assert shipments(0, record("SO-9", None, shipped=3)) is None
    nowhere = Evidence(key=KEY, placed=None, records=(record(shipped=3),), now=NOW)
    assert judge_shipments(nowhere) is None


moments = st.datetimes(NOW.replace(tzinfo=None) - timedelta(days=3), NOW.replace(tzinfo=None)).map(
    lambda moment: moment.replace(tzinfo=UTC)
)
storefront_orders = st.builds(
    PlacedOrder,
    external_id=st.just("5001"),
    number=st.just("#1001"),
    placed_at=moments,
    changed_at=moments,
    total=st.sampled_from([Decimal("19.90"), Decimal("9.95")]),
    test=st.booleans(),
    canceled_at=st.none() | moments,
    fulfilled=st.integers(0, 3),
)
erp_records = st.builds(
    ErpRecord,
    erp_id=st.sampled_from("123"),
    number=st.sampled_from(["SO-1", "SO-2", "SO-3"]),
    key=st.sampled_from([KEY, None]),
    reference=st.just("#1001"),
    state=st.sampled_from(ErpOrderState),
    shipped=st.integers(0, 3),
    changed_at=moments,
)
knowledge = st.builds(
    Known,
    status=st.none() | st.sampled_from(OrderStatus),
    ended=st.booleans(),
    running=st.booleans(),
    waits_for=st.sampled_from(["", "no such SKU"]),
    webhook_waits=st.booleans(),
    webhook_came=st.booleans(),
    repaired=st.frozensets(st.sampled_from(Explanation)),
)
evidence = st.builds(
    Evidence,
    key=st.just(KEY),
    placed=storefront_orders,
    records=st.lists(erp_records, max_size=3).map(tuple),
    known_total=st.none() | st.just(Decimal("19.90")),
    ours_since=st.none() | moments,
    known=knowledge,
    now=st.just(NOW),
    patience=st.just(PATIENCE),
)


@given(st.lists(evidence, max_size=30), st.lists(evidence, max_size=10))
def test_every_order_placed_is_counted_exactly_once(of_window, before):
    tally = (
        Tally(flow=Flow.ORDERS)
        .add(map(judge_order, of_window))
        .add(map(judge_order, before), of_window=False)
    )
    assert tally.placed == len(of_window)
    explained, repaired = sum(tally.explained.values()), sum(tally.repaired.values())
    assert tally.unexplained - tally.surplus == tally.placed - tally.matched - explained - repaired
    assert tally.there <= tally.placed
    named = [finding for finding in tally.findings if finding.standing is Standing.UNEXPLAINED]
    assert len(named) == tally.unexplained


@given(evidence)
def test_no_difference_goes_without_words_and_what_is_asked_of_a_person_says_how(each):
    for finding in (judge_order(each), judge_shipments(each)):
        if finding is None:
            continue
        if finding.explanation not in {Explanation.MATCHED, Explanation.CANCELED_BEFORE_ENTRY}:
            assert finding.sentence
        assert bool(finding.remedy) is (finding.standing is Standing.UNEXPLAINED)
        assert not finding.cause or known_cause(finding.cause), "each family has words of its own"


@given(evidence)
def test_the_sweep_itself_makes_no_second_record(each):
    """What starts an order that is to be entered is decided only where no living record of it was seen."""
    finding = judge_order(each)
    if (
        finding.explanation in {Explanation.MISSED_WEBHOOK, Explanation.LOST}
        and finding.repair is Repair.START
    ):
        assert all(record.state is ErpOrderState.DRAFT and record.key for record in each.alive)
        assert not each.known.running


@given(evidence)
def test_where_both_lists_settle_it_knowledge_changes_nothing(each):
    if each.needs_knowledge:
        return
    without = each.model_copy(update={"known": Known()})
    if each.alive or each.placed.canceled_at:
        assert judge_order(each).standing is judge_order(without).standing
    assert (judge_shipments(each) is None) is (judge_shipments(without) is None)
