"""What a workflow cost: history events, payload bytes and Temporal Cloud's billable actions, read off its history.

Counted as Temporal Cloud bills (2026): a start, each signal and update received, each timer, each search-attribute
upsert, each continue-as-new, and each activity with every retry. A signal-with-start is one action, whether it starts
the workflow or not, and the start of a child is two: so say Temporal's documentation of actions, the estimate in its
UI and the server's own counters. Queries and heartbeats leave no event and are not in the count; the order workflow
uses neither on its way. What one workflow does to another (a child's start, a signal) stands in both histories: it is
counted in that of who did it.
"""

from collections.abc import Iterable, Iterator

from pydantic import BaseModel
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

_ACTIONS = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED: 1,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED: 1,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED: 1,
    EventType.EVENT_TYPE_TIMER_STARTED: 1,
    EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES: 1,
    EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED: 2,
    EventType.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED: 1,
}


class Cost(BaseModel):
    """``events`` in the history, ``actions`` billed, ``payload_bytes`` of all events as the server stores them."""

    events: int
    actions: int
    payload_bytes: int


def cost_of(events: Iterable[HistoryEvent]) -> Cost:
    """Count a history."""
    count = actions = size = 0
    for event, billed in billed_of(events):
        count += 1
        actions += billed
        size += event.ByteSize()
    return Cost(events=count, actions=actions, payload_bytes=size)


def billed_of(events: Iterable[HistoryEvent]) -> Iterator[tuple[HistoryEvent, int]]:
    """Each event, and the actions it is billed as. The start that continue-as-new makes is that action itself."""
    before: HistoryEvent | None = None
    for event in events:
        billed = 0
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
            # One started event holds the number of the attempt that ended it: earlier attempts were billed too.
            billed = max(1, event.activity_task_started_event_attributes.attempt)
        elif not _done_by_another(event) and not _came_with_the_start(event, before):
            billed = _ACTIONS.get(event.event_type, 0)
        yield event, billed
        before = event


def _done_by_another(event: HistoryEvent) -> bool:
    if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
        return event.workflow_execution_signaled_event_attributes.HasField("external_workflow_execution")
    started = event.workflow_execution_started_event_attributes
    return started.parent_initiated_event_id > 0 and not started.continued_execution_run_id


def _came_with_the_start(event: HistoryEvent, before: HistoryEvent | None) -> bool:
    """Of a client's start. Any other run may hear a signal before its first task: a child, or one that goes on."""
    if event.event_type != EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED or before is None:
        return False
    started = before.workflow_execution_started_event_attributes
    by_client = not started.parent_initiated_event_id and not started.continued_execution_run_id
    return by_client and before.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED
