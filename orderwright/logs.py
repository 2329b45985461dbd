"""Logging of a process: to standard error, as text for people or one JSON object a line for machines.

Every line says which order it concerns, where one does (``adapters.concern``). E-mail addresses and secrets are masked
in all of it, whoever wrote the line.
"""

import json
import logging
import re
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, SecretStr
from temporalio import activity, workflow

from adapters.concern import concerned, order_of
from adapters.spans import trace_ids
from config.setting_groups import LogFormat, LogSettings
from store.masking import MASK, mask_secrets

CHATTY = ("httpx", "httpcore", "alembic", "uvicorn.access")
"""Libraries that tell of every request; they are heard from ``warning`` on, or when the level is ``debug``."""

SHORTEST_SECRET = 6
"""A shorter one would be found inside ordinary words."""

_KNOWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
"""What every entry has; anything else was given as ``extra``."""
_TEMPORALS = ("temporal_activity", "temporal_workflow")
"""What Temporal's SDK adds to an entry; of it we write workflow, activity and attempt, under names of our own."""
Mask = Callable[[str], str]


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def __init__(self, mask: Mask) -> None:
        super().__init__()
        self._mask = mask

    def format(self, record: logging.LogRecord) -> str:
        """Time (UTC), level, logger, message, what it concerns, extra fields and, where there is one, the error."""
        message = record.getMessage()
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": message,
            **concern_of(record, message),
        }
        for name, value in vars(record).items():
            if name not in _KNOWN and name not in _TEMPORALS and not name.startswith("_"):
                entry.setdefault(name, value)
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        return json.dumps(_masked(entry, self._mask), ensure_ascii=False)


class TextLines(logging.Formatter):
    """For people: ``10:42:01,120 WARNING activities.gates: [shop:5001] ...``."""

    def __init__(self, mask: Mask) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(concern)s%(message)s")
        self._mask = mask

    def format(self, record: logging.LogRecord) -> str:
        """The line, with the order in brackets before the message."""
        order = concern_of(record, record.getMessage()).get("order")
        record.concern = f"[{order}] " if order is not None else ""
        return self._mask(super().format(record))


def concern_of(record: logging.LogRecord, message: str) -> dict[str, Any]:
    """What an entry concerns: the present work, or the workflow that the entry itself names."""
    told = next((t for name in _TEMPORALS if isinstance(t := getattr(record, name, None), dict)), {})
    fields: dict[str, Any] = {
        "order": getattr(record, "order", None) or order_of(f"{told.get('workflow_id')} {message}"),
        "workflow": told.get("workflow_type"),
        "activity": told.get("activity_type"),
        "attempt": told.get("attempt"),
    }
    ids = trace_ids()
    if ids is not None:
        fields["trace_id"], fields["span_id"] = ids
    known = {name: value for name, value in fields.items() if value is not None}
    return {**concerned(), **known}


def secrets_of(settings: BaseModel) -> set[str]:
    """The values of all secret settings, groups within groups included."""
    found: set[str] = set()
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        for part in value.values() if isinstance(value, dict) else [value]:
            if isinstance(part, SecretStr):
                found.add(part.get_secret_value())
            elif isinstance(part, BaseModel):
                found |= secrets_of(part)
    return found


def masking(secrets: Iterable[str] = ()) -> Mask:
    """What takes e-mail addresses, these secrets, and whatever looks like one out of a text."""
    known = sorted((s for s in secrets if len(s) >= SHORTEST_SECRET), key=len, reverse=True)
    exact = re.compile("|".join(map(re.escape, known))) if known else None

    def mask(text: str) -> str:
        if exact is not None:
            text = exact.sub(MASK, text)
        return mask_secrets(text)

    return mask


def configure_logs(settings: LogSettings, secrets: Iterable[str] = ()) -> None:
    """Send all entries of this process to standard error, as the settings say. May be called again."""
    handler = logging.StreamHandler(sys.stderr)
    mask = masking(secrets)
    handler.setFormatter(JsonLines(mask) if settings.format is LogFormat.JSON else TextLines(mask))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    level = logging.getLevelNamesMapping()[settings.level.value.upper()]
    root.setLevel(level)
    # The line itself says it: no second time, as a dictionary behind the message.
    activity.logger.activity_info_on_message = False
    workflow.logger.workflow_info_on_message = False
    for name in CHATTY:
        logging.getLogger(name).setLevel(level if level == logging.DEBUG else max(level, logging.WARNING))


def _masked(value: Any, mask: Mask) -> Any:
    if isinstance(value, dict):
        return {str(name): _masked(part, mask) for name, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked(part, mask) for part in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return mask(str(value))
