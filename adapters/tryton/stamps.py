"""When Tryton's records were written, and cursors of feeds that go by it."""

import datetime as dt
import json
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from adapters.errors import Rejected
from adapters.tryton.rpc import SYSTEM

STAMPS: Final = ("write_date", "create_date")
Cursor = TypeVar("Cursor", bound=BaseModel)


def changed_since(floor: dt.datetime, path: str = "") -> list[Any]:
    """Search terms for records (at the end of ``path``, which ends in a dot) that were written since then."""
    # A record has no write time until it is written for the first time after its creation.
    write, create = (f"{path}{stamp}" for stamp in STAMPS)
    return ["OR", [write, ">=", floor], [[write, "=", None], [create, ">=", floor]]]


def written(row: dict[str, Any]) -> dt.datetime:
    """When a record was written last."""
    return row["write_date"] or row["create_date"]  # type: ignore[no-any-return]  # Tryton's times


def parse_cursor(model: type[Cursor], cursor: str, operation: str) -> Cursor:
    """The place where a feed goes on. Raises Rejected with cause ``cursor_unknown``."""
    try:
        return model.model_validate(json.loads(cursor))
    except (ValueError, ValidationError) as error:
        raise Rejected(
            SYSTEM,
            operation,
            f"the cursor {cursor[:80]!r} is not of this feed; start again without one",
            "cursor_unknown",
        ) from error
