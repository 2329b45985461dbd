"""The count of billable actions, on recorded histories of real runs and on events made for a single rule."""

from decimal import Decimal
from typing import Any

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import (
    ActivityTaskStartedEventAttributes,
    HistoryEvent,
    WorkflowExecutionSignaledEventAttributes,
    WorkflowExecutionStartedEventAttributes,
)

from bench.sample_order import sample_order
from config.mappings import load_mapping
from domain.planning import plan_sales_order
from sandbox.billable import Cost, cost_of
from tests.replay.histories import load

RELEASE = "0.1.0"


def recorded(name: str) -> Cost:
    return cost_of(load(RELEASE, name).events)


def started(attempt: int) -> HistoryEvent:
    return HistoryEvent(
        event_type=EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED,
        activity_task_started_event_attributes=ActivityTaskStartedEventAttributes(attempt=attempt),
    )


@pytest.mark.parametrize(
    ("name", "actions"),
    [
        # start with its signal, a signal, 4 activities, 1 upsert
        ("cancel-by-signal", 1 + 1 + 4 + 1),
        # the update counts like a signal, its answer does not
        ("cancel-by-update", 1 + 1 + 4 + 1),
        # activities that took 2, 2, 3, 1 and 1 attempts
        ("every-answer-lost-once", 1 + 1 + 9 + 1),
        # 4 signals after the start's and 3 upserts: on hold, released, closed
        ("hold-and-release-by-signal", 1 + 4 + 4 + 3),
    ],
)
def test_a_recorded_order_costs_what_its_story_says(name: str, actions: int) -> None:
    assert recorded(name).actions == actions


def test_continue_as_new_is_billed_once_as_the_start_it_makes() -> None:
    runs = [recorded(name) for name in ("continue-as-new", "continue-as-new-2", "continue-as-new-3")]
    # One more signal came with the first start.
    starts, signals, activities, upserts = 3, 4, 6, 3
    assert sum(run.actions for run in runs) == starts + signals + activities + upserts


def test_each_attempt_of_an_activity_is_an_action() -> None:
    assert cost_of([started(1)]).actions == 1
    assert cost_of([started(5), started(2)]).actions == 7
    assert cost_of([started(0)]).actions == 1, "a server that does not number attempts still started one"


def test_what_a_workflow_does_to_another_is_counted_where_it_was_done() -> None:
    child = WorkflowExecutionStartedEventAttributes(parent_initiated_event_id=7)
    later_run = WorkflowExecutionStartedEventAttributes(
        parent_initiated_event_id=7, continued_execution_run_id="r"
    )
    told = WorkflowExecutionSignaledEventAttributes(
        external_workflow_execution=WorkflowExecution(workflow_id="order:shop:1")
    )

    def begun(attributes: WorkflowExecutionStartedEventAttributes) -> HistoryEvent:
        kind = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED
        return HistoryEvent(event_type=kind, workflow_execution_started_event_attributes=attributes)

    signaled = HistoryEvent(
        event_type=EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED,
        workflow_execution_signaled_event_attributes=told,
    )
    initiated = [
        HistoryEvent(event_type=EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED),
        HistoryEvent(event_type=EventType.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED),
    ]
    assert cost_of([begun(child), signaled]).actions == 0
    assert cost_of(initiated).actions == 3, "a child's start is two"
    assert cost_of([begun(later_run)]).actions == 1


def event_of(kind: str) -> HistoryEvent:
    return HistoryEvent(event_type=EventType.Value(f"EVENT_TYPE_{kind}"))


def test_a_signal_with_start_is_one_action() -> None:
    start, signal = event_of("WORKFLOW_EXECUTION_STARTED"), event_of("WORKFLOW_EXECUTION_SIGNALED")
    assert cost_of([start, signal]).actions == 1
    assert cost_of([start, signal, signal]).actions == 2
    assert cost_of([start, event_of("WORKFLOW_TASK_SCHEDULED"), signal]).actions == 2


@pytest.mark.parametrize("begun", [{"parent_initiated_event_id": 7}, {"continued_execution_run_id": "r"}])
def test_a_signal_before_the_first_task_of_any_other_run_is_billed(begun: dict[str, Any]) -> None:
    start, signal = event_of("WORKFLOW_EXECUTION_STARTED"), event_of("WORKFLOW_EXECUTION_SIGNALED")
    start.workflow_execution_started_event_attributes.CopyFrom(
        WorkflowExecutionStartedEventAttributes(**begun)
    )
    assert cost_of([start, signal]).actions == cost_of([start]).actions + 1


@pytest.mark.parametrize(
    "kind",
    [
        "WORKFLOW_EXECUTION_STARTED",
        "WORKFLOW_EXECUTION_SIGNALED",
        "WORKFLOW_EXECUTION_UPDATE_ACCEPTED",
        "TIMER_STARTED",
        "UPSERT_WORKFLOW_SEARCH_ATTRIBUTES",
        "SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED",
    ],
)
def test_one_action_each(kind: str) -> None:
    assert cost_of([HistoryEvent(event_type=EventType.Value(f"EVENT_TYPE_{kind}"))]).actions == 1


@pytest.mark.parametrize(
    "kind",
    [
        "WORKFLOW_TASK_SCHEDULED",
        "WORKFLOW_TASK_STARTED",
        "WORKFLOW_TASK_COMPLETED",
        "ACTIVITY_TASK_SCHEDULED",
        "ACTIVITY_TASK_COMPLETED",
        "TIMER_FIRED",
        "TIMER_CANCELED",
        "WORKFLOW_EXECUTION_UPDATE_COMPLETED",
        "WORKFLOW_EXECUTION_CONTINUED_AS_NEW",
        "WORKFLOW_EXECUTION_COMPLETED",
    ],
)
def test_free_of_charge_but_an_event(kind: str) -> None:
    event = HistoryEvent(event_type=EventType.Value(f"EVENT_TYPE_{kind}"))
    assert cost_of([event]) == Cost(events=1, actions=0, payload_bytes=event.ByteSize())


def test_events_and_bytes_are_those_of_the_whole_history() -> None:
    events = load(RELEASE, "cancel-by-signal").events
    cost = cost_of(events)
    assert cost.events == len(events) == events[-1].event_id
    assert cost.payload_bytes == sum(len(event.SerializeToString()) for event in events)


def test_nothing_costs_nothing() -> None:
    assert cost_of([]) == Cost(events=0, actions=0, payload_bytes=0)


def test_the_order_of_the_benchmark_adds_up_and_leaves_from_two_warehouses() -> None:
    order = sample_order("shop", 7)
    assert order.total == order.total_tax + Decimal("74.45")
    assert sum(p.amount for p in order.payments) == order.total
    planned = plan_sales_order(order, load_mapping("shopify-tryton"))
    assert planned.total == order.total
    assert {line.warehouse for line in planned.lines if line.warehouse} == {"WH-EAST", "WH-WEST"}
    assert sample_order("shop", 8).key != order.key
