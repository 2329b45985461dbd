"""Logging of a process: to standard error, as text for people or one JSON object a line for machines."""

import json
import logging
import sys
from datetime import UTC, datetime

from config.settings import LogFormat, LogSettings

CHATTY = ("httpx", "httpcore", "alembic", "uvicorn.access")
"""Libraries that tell of every request; they are heard from ``warning`` on, or when the level is ``debug``."""


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The entry with time (UTC), level, logger, message and, where there is one, the error."""
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


def configure_logs(settings: LogSettings) -> None:
    """Send all entries of this process to standard error, as the settings say. May be called again."""
    handler = logging.StreamHandler(sys.stderr)
    if settings.format is LogFormat.JSON:
        handler.setFormatter(JsonLines())
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    level = logging.getLevelNamesMapping()[settings.level.value.upper()]
    root.setLevel(level)
    for name in CHATTY:
        logging.getLogger(name).setLevel(level if level == logging.DEBUG else max(level, logging.WARNING))
