"""Recorded histories: where they lie, how they are kept free of traces of a machine, and what commands they hold."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from temporalio.client import WorkflowHistory

FOLDER: Final = Path(__file__).parent / "histories"
"""One folder a release, one file a run of a workflow."""
FINGERPRINTS: Final = "fingerprints.json"
RECORDER: Final = "recorder"
"""Stands for every process, queue and machine that took part."""

_COMMANDS: Final = {
    "EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED": "Temporal's cancel",
    "EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED": "cancel of an activity",
    "EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED": "update answered",
    "EVENT_TYPE_TIMER_STARTED": "timer",
    "EVENT_TYPE_MARKER_RECORDED": "marker",
    "EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW": "continued as new",
    "EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED": "completed",
    "EVENT_TYPE_WORKFLOW_EXECUTION_FAILED": "failed",
}
ENDS: Final = frozenset({"continued as new", "completed", "failed"})
"""What the last command of a run is that has ended."""


def releases() -> tuple[str, ...]:
    """Versions that histories were recorded of, oldest first."""
    return tuple(sorted(p.name for p in FOLDER.iterdir() if p.is_dir()))


def names(release: str) -> tuple[str, ...]:
    """Every recorded run of a release."""
    return tuple(sorted(p.name.removesuffix(".json.gz") for p in (FOLDER / release).glob("*.json.gz")))


def events(release: str, name: str) -> dict[str, Any]:
    """A history as plain JSON."""
    with gzip.open(FOLDER / release / f"{name}.json.gz", "rt", encoding="utf-8") as file:
        history: dict[str, Any] = json.load(file)
    return history


def load(release: str, name: str) -> WorkflowHistory:
    """A history to replay."""
    history = events(release, name)
    started = history["events"][0]["workflowExecutionStartedEventAttributes"]
    return WorkflowHistory.from_json(started["workflowId"], history)


def save(folder: Path, name: str, history: WorkflowHistory) -> list[str]:
    """Write a history; the same history gives the same bytes. Returns its fingerprint."""
    plain = neutral(json.loads(history.to_json()))
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    (folder / f"{name}.json.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    return fingerprint(plain)


def neutral(value: Any) -> Any:
    """The same without identities, sticky queues, stack traces and build ids: they tell of the machine."""
    if isinstance(value, list):
        return [neutral(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("kind") == "TASK_QUEUE_KIND_STICKY":
        value = {**value, "name": RECORDER}
    kept = {k: v for k, v in value.items() if k not in {"stackTrace", "workerVersion", "binaryChecksum"}}
    return {k: RECORDER if k == "identity" else neutral(v) for k, v in kept.items()}


def fingerprint(history: dict[str, Any]) -> list[str]:
    """What the workflow was told and what it commanded, in order."""
    return list(_commands(history["events"]))


def _commands(recorded: list[dict[str, Any]]) -> Iterator[str]:
    for event in recorded:
        kind = event["eventType"]
        if kind == "EVENT_TYPE_ACTIVITY_TASK_SCHEDULED":
            yield "activity " + event["activityTaskScheduledEventAttributes"]["activityType"]["name"]
        elif kind == "EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED":
            yield "signal " + event["workflowExecutionSignaledEventAttributes"]["signalName"]
        elif kind == "EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED":
            request = event["workflowExecutionUpdateAcceptedEventAttributes"]["acceptedRequest"]
            yield "update " + request["input"]["name"]
        elif kind == "EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES":
            attributes = event["upsertWorkflowSearchAttributesEventAttributes"]["searchAttributes"]
            yield "search attributes " + ", ".join(sorted(attributes["indexedFields"]))
        elif kind in _COMMANDS:
            yield _COMMANDS[kind]
