"""How each error becomes a Temporal failure, and what an activity does when its time is up."""

from dataclasses import replace
from datetime import timedelta

import pytest
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.testing import ActivityEnvironment

from activities.contracts import LONGEST_ATTEMPT, CancelOrder, ReportShipment, SubmitOrder
from activities.failures import LONGEST_PAUSE, PATIENCE, Refusal, as_application_error, never_final
from activities.orders import OrderActivities
from adapters.errors import (
    AdapterError,
    Conflict,
    ContractBroken,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    SessionExpired,
    Unavailable,
)
from adapters.memory.erp import MemoryErp
from adapters.memory.storefront import MemoryStorefront
from domain.differences import PlanRefused
from domain.erp_order import ErpShipment, ErpShipmentState, ShipmentLine
from domain.mapping import Unmapped
from domain.quantities import QuantitiesBroken
from store.audit import Audit
from store.cases import Cases
from store.crosswalk import Crosswalk, Link
from store.database import Database
from store.mappings import MappingCatalog
from store.order_view import OrderViews
from tests.order_builder import make_order, sandbox_mapping
from workflows.calls import ONE_CALL


@pytest.mark.parametrize(
    "error",
    [Unavailable("erp", "submit", "is down"), SessionExpired("erp", "submit", "log in")],
)
def test_an_outage_is_tried_again_after_growing_pauses_that_chance_spreads(error):
    for attempt, whole in ((1, 1), (2, 2), (4, 8), (7, 60), (5000, 60)):
        pauses = {as_application_error(error, attempt).next_retry_delay for _ in range(20)}
        assert None not in pauses
        assert len(pauses) > 1, "orders that went down together would come back together"
        assert timedelta(seconds=whole / 2) <= min(pauses)
        assert max(pauses) <= timedelta(seconds=whole) <= LONGEST_PAUSE


@pytest.mark.parametrize(
    "error", [OutcomeUnknown("erp", "submit", "lost"), Conflict("erp", "submit", "changed")]
)
def test_a_lost_answer_is_looked_up_soon(error):
    failure = as_application_error(error, attempt=1)
    assert (failure.type, failure.non_retryable) == (type(error).__name__, False)
    assert failure.next_retry_delay == timedelta(seconds=2)
    later = as_application_error(error, attempt=9).next_retry_delay
    assert timedelta(seconds=2) <= later <= LONGEST_PAUSE


def test_a_rate_limit_is_waited_for_exactly():
    failure = as_application_error(RateLimited("erp", "submit", "slow", timedelta(seconds=37)), attempt=3)
    assert failure.next_retry_delay == timedelta(seconds=37)
    assert not failure.non_retryable


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (Rejected("erp", "submit", "no such product", "product_unknown"), "product_unknown"),
        (ContractBroken("erp", "submit", "not JSON", "<html>"), "contract_broken:erp:submit"),
        (Unmapped("skus", "ABC"), "unmapped:skus:ABC"),
        (PlanRefused("no_location", "assign one"), "no_location"),
        (QuantitiesBroken("11", "3 of 2"), "quantities_broken"),
    ],
)
def test_a_refusal_is_final_and_says_why(error, cause):
    failure = as_application_error(error, attempt=1)
    assert failure.non_retryable
    refusal = failure.details[0]
    assert isinstance(refusal, Refusal)
    assert refusal.cause == cause
    assert refusal.reason


def test_a_system_is_called_as_people_call_it():
    refusals = [
        as_application_error(Rejected(system, "submit order", "no"), attempt=1).details[0]
        for system in ("erp", "shop")
    ]
    assert [each.reason for each in refusals] == [
        "the ERP refused to submit order: no",
        "shop refused to submit order: no",
    ]


def test_what_must_go_on_by_itself_tries_a_refusal_again_and_alarms():
    failure = never_final(as_application_error(Rejected("erp", "read changes", "no"), attempt=1))
    assert (failure.type, failure.non_retryable) == ("Rejected", False)
    assert failure.category is not ApplicationErrorCategory.BENIGN
    outage = as_application_error(Unavailable("erp", "read changes", "is down"), attempt=1)
    assert never_final(outage) is outage


# -- activities ---------------------------------------------------------------------------------------------------


@pytest.fixture
def database(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'orders.db'}")
    database.migrate()
    yield database
    database.close()


def activities(database, erp, shop=None, **options):
    mappings = MappingCatalog(database, {"shop": sandbox_mapping()})
    return OrderActivities({"shop": shop or MemoryStorefront()}, erp, mappings, database, **options)


def submission(order, version=None):
    return SubmitOrder(order=order, mapping_version=version or sandbox_mapping().version, revision=1)


def shipment_report(order, warehouse):
    return ReportShipment(
        key=order.key,
        mapping_version=sandbox_mapping().version,
        shipment=ErpShipment(
            shipment_id="7",
            number="S7",
            warehouse=warehouse,
            state=ErpShipmentState.SHIPPED,
            lines=(ShipmentLine(line_id="11", quantity=1),),
        ),
        delivered={"11": 1},
        known_fulfillment_ids=(),
        revision=1,
    )


async def test_an_attempt_ends_itself_before_temporal_starts_another(database):
    order, erp = make_order(), MemoryErp(latency=0.4)
    slow = activities(database, erp, longest_attempt=timedelta(seconds=0.05))
    with pytest.raises(ApplicationError) as caught:
        await ActivityEnvironment().run(slow.submit_order, submission(order))
    assert (caught.value.type, caught.value.non_retryable) == ("OutcomeUnknown", False)
    assert order.key not in erp.orders
    assert LONGEST_ATTEMPT + timedelta(seconds=15) <= ONE_CALL


async def test_ids_that_contradict_each_other_stop_the_order_with_the_reason(database):
    order = make_order()
    Crosswalk(database).link(Link(kind="order", canonical_id="shop:1", system="erp", external_id="1"))
    with pytest.raises(ApplicationError) as caught:
        await ActivityEnvironment().run(activities(database, MemoryErp()).submit_order, submission(order))
    assert caught.value.non_retryable
    assert caught.value.details[0].cause == "crosswalk_conflict"
    row = OrderViews(database).get(order.key)
    assert row is not None
    assert "shop:1 is 1 in erp" in row.problem
    assert [act.action for act in Audit(database).for_order(order.key)] == ["submit_order"]


async def test_a_fulfillment_that_is_another_shipments_stops_the_order_with_the_reason(database):
    order, shop = make_order(), MemoryStorefront()
    shop.place(order)
    first = shipment_report(order, warehouse="WH-EAST")
    reported = await ActivityEnvironment().run(activities(database, MemoryErp(), shop).report_shipment, first)
    # The other shipment looks the same and does not know of the first: the look-up finds that one's fulfillment.
    twin = first.model_copy(update={"shipment": first.shipment.model_copy(update={"shipment_id": "8"})})
    with pytest.raises(ApplicationError) as caught:
        await ActivityEnvironment().run(activities(database, MemoryErp(), shop).report_shipment, twin)
    assert caught.value.non_retryable
    assert caught.value.details[0].cause == "crosswalk_conflict"
    row = OrderViews(database).get(order.key)
    assert row is not None
    assert reported.fulfillment_id in row.problem


async def test_a_lost_mapping_version_is_named_and_noted(database):
    order = make_order()
    with pytest.raises(ApplicationError) as caught:
        await ActivityEnvironment().run(
            activities(database, MemoryErp()).submit_order, submission(order, "gone")
        )
    assert caught.value.details[0].cause == "mapping_version_lost"
    row = OrderViews(database).get(order.key)
    assert row is not None
    assert "mapping version gone" in row.problem


async def test_a_mistake_in_an_adapter_is_not_told_as_a_lost_mapping(database):
    class Broken(MemoryErp):
        async def find_order(self, key):
            raise KeyError("shipments")

    cancel = CancelOrder(key=make_order().key, actor="Kim", reason="", revision=1)
    with pytest.raises(KeyError, match="shipments"):
        await ActivityEnvironment().run(activities(database, Broken()).cancel_in_erp, cancel)


async def test_a_shipment_from_an_unmapped_warehouse_is_refused_by_its_table(database):
    order, shop = make_order(), MemoryStorefront()
    shop.place(order)
    report = shipment_report(order, warehouse="WH-NORTH")
    with pytest.raises(ApplicationError) as caught:
        await ActivityEnvironment().run(activities(database, MemoryErp(), shop).report_shipment, report)
    assert caught.value.details[0].cause == "unmapped:warehouses:WH-NORTH"


def failing_alone(error: AdapterError) -> AdapterError:
    error.this_call_alone = True
    return error


@pytest.mark.parametrize("kind", [Unavailable, OutcomeUnknown])
def test_a_call_that_keeps_failing_while_its_system_answers_goes_to_a_person(kind):
    def failure(attempt):
        return as_application_error(failing_alone(kind("tryton", "submit order", "HTTP 500")), attempt)

    assert not failure(PATIENCE - 1).non_retryable
    given_up = failure(PATIENCE)
    assert given_up.non_retryable
    assert given_up.details[0].cause == "call_fails:tryton:submit order"
    assert "HTTP 500" in given_up.details[0].reason


def test_an_outage_is_never_given_up():
    assert not as_application_error(Unavailable("tryton", "submit order", "refused"), 10_000).non_retryable


@pytest.mark.parametrize(("before", "given_up"), [(0, False), (PATIENCE - 2, False), (PATIENCE - 1, True)])
async def test_tries_of_an_outage_cost_no_patience(database, before, given_up):
    """After an hour in which the ERP was away one lost answer is looked up, and no case."""
    erp = MemoryErp()
    erp.faults.fail("submit_order", lambda system, op: failing_alone(OutcomeUnknown(system, op, "lost")))
    environment = ActivityEnvironment()
    told = (before,) if before else ()
    environment.info = replace(environment.info, attempt=90, heartbeat_details=told)
    beats: list[int] = []
    environment.on_heartbeat = beats.append
    with pytest.raises(ApplicationError) as caught:
        await environment.run(activities(database, erp).submit_order, submission(make_order()))
    assert caught.value.non_retryable is given_up
    assert beats == [before + 1]


async def test_an_answer_of_no_agreed_form_is_kept_with_its_case_without_its_secrets(database):
    erp = MemoryErp()
    raw = "{'total': 'lots', 'session': 'abc', 'party_name': 'Ada Byron', 'code': 'SO-7'}"
    erp.faults.fail("submit_order", lambda system, op: ContractBroken(system, op, "total is no amount", raw))
    with pytest.raises(ApplicationError) as caught:
        await ActivityEnvironment().run(activities(database, erp).submit_order, submission(make_order()))
    (case,) = Cases(database).list()
    assert case.cause == "contract_broken:erp:submit_order"
    found = Cases(database).get(case.id)
    assert found is not None
    assert "'code': 'SO-7'" in found.evidence
    for secret in ("abc", "Ada Byron"):
        assert secret not in found.evidence
        assert secret not in str(caught.value.details)
