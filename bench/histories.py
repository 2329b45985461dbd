"""What an order cost in all: every run of its workflow, and of every workflow that it started."""

from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass

from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client

from sandbox.billable import Cost, billed_of, cost_of


@dataclass(frozen=True)
class Run:
    """One run of one workflow. ``payloads`` are bytes by what they are payloads of, such as ``submit_order``.

    ``actions`` are billed ones by what they are, such as ``submit_order`` or ``timer_started``.
    """

    workflow_id: str
    cost: Cost
    payloads: dict[str, int]
    actions: dict[str, int]

    @property
    def payload_bytes(self) -> int:
        """Of all its payloads together, their metadata included."""
        return sum(self.payloads.values())


async def runs_of(client: Client, workflow_id: str) -> list[Run]:
    """All runs, oldest first, each followed by those of its children."""
    return [run async for run in _runs(client, workflow_id)]


async def _runs(client: Client, workflow_id: str) -> AsyncIterator[Run]:
    found = [run async for run in client.list_workflows(f"WorkflowId = '{workflow_id}'")]
    for execution in sorted(found, key=lambda run: run.start_time):
        handle = client.get_workflow_handle(workflow_id, run_id=execution.run_id)
        events = (await handle.fetch_history()).events
        yield Run(workflow_id, cost_of(events), payloads_of(events), actions_of(events))
        for child in dict.fromkeys(_children(events)):
            async for run in _runs(client, child):
                yield run


def _children(events: Iterable[HistoryEvent]) -> Iterator[str]:
    for event in events:
        if event.HasField("child_workflow_execution_started_event_attributes"):
            started = event.child_workflow_execution_started_event_attributes
            yield started.workflow_execution.workflow_id


def payloads_of(events: Iterable[HistoryEvent]) -> dict[str, int]:
    """Bytes of the payloads, by the activity, signal, update or child that they belong to; the largest first."""
    names: dict[int, str] = {}
    sizes: dict[str, int] = {}
    for event in events:
        name = names[event.event_id] = _name(event, names)
        size = sum(payload.ByteSize() for payload in _payloads(event))
        if size:
            sizes[name] = sizes.get(name, 0) + size
    return dict(sorted(sizes.items(), key=lambda each: -each[1]))


def actions_of(events: Iterable[HistoryEvent]) -> dict[str, int]:
    """Billed actions by the activity, signal, child, timer or upsert that they are; the most first."""
    names: dict[int, str] = {}
    counts: dict[str, int] = {}
    for event, billed in billed_of(events):
        name = names[event.event_id] = _name(event, names)
        if billed:
            counts[name] = counts.get(name, 0) + billed
    return dict(sorted(counts.items(), key=lambda each: -each[1]))


def _name(event: HistoryEvent, names: dict[int, str]) -> str:
    """What an event is about, in the history's own words; an end is about what it is the end of."""
    which = event.WhichOneof("attributes") or "event"
    attributes = getattr(event, which, event)
    told = {field.name: value for field, value in attributes.ListFields()}
    for cause in ("scheduled_event_id", "initiated_event_id", "accepted_event_id"):
        if told.get(cause) in names:
            return names[told[cause]]
    for kind in ("activity_type", "workflow_type"):
        if kind in told:
            return str(told[kind].name)
    return str(told.get("signal_name", which.removesuffix("_event_attributes")))


def _payloads(message: Message) -> Iterator[Payload]:
    """Every payload in a message, wherever it is."""
    if isinstance(message, Payload):
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            parts = list(value.values())
        else:
            parts = list(value) if field.is_repeated else [value]
        for part in parts:
            if isinstance(part, Message):
                yield from _payloads(part)
