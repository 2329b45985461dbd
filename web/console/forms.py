"""What somebody sent with a form: read, or refused in words."""

import re
from collections.abc import Iterable
from typing import Annotated
from urllib.parse import parse_qsl
from uuid import uuid4

from fastapi import Depends, Request

from web.refusals import Refused, read_body
from workflows.messages import LONGEST_REASON

MOST_BYTES = 65_536
MOST_FIELDS = 2_000
MOST_UNITS = 1_000_000
_ID = re.compile(r"^[0-9a-f]{32}$")


class Form:
    """The fields of a form, by name."""

    def __init__(self, fields: Iterable[tuple[str, str]]) -> None:
        # A database refuses a text with NUL in it, and nobody types one.
        self._fields = {name: value.replace("\0", "").strip() for name, value in fields}

    def __getitem__(self, name: str) -> str:
        """What stands in a field; empty where nothing does."""
        return self._fields.get(name, "")

    @property
    def message_id(self) -> str:
        """The page's own id: what is sent twice from one page counts once."""
        given = self["message_id"]
        return given if _ID.match(given) else uuid4().hex

    def reason(self, *, needed: bool) -> str:
        """Why. Raises Refused where it is needed and missing, or longer than a story keeps."""
        reason = self["reason"]
        if needed and not reason:
            raise Refused(422, "no_reason", "say why", "fill in the reason; it is kept in the story")
        if len(reason) > LONGEST_REASON:
            raise Refused(
                422,
                "long_reason",
                f"the reason has {len(reason):,} characters",
                f"say it in {LONGEST_REASON:,}",
            )
        return reason

    def units(self, prefix: str) -> dict[str, int]:
        """Units by what follows ``prefix`` in the names of fields, those with none left out. Raises Refused."""
        found: dict[str, int] = {}
        for name, value in self._fields.items():
            if name.startswith(prefix) and value:
                units = whole_number(value)
                if units:
                    found[name.removeprefix(prefix)] = units
        return found


def whole_number(text: str) -> int:
    """Units as somebody typed them. Raises Refused."""
    if not (
        text.isascii() and text.isdecimal() and len(text) <= len(str(MOST_UNITS)) and int(text) <= MOST_UNITS
    ):
        raise Refused(422, "no_number", f"{text[:20]!r} is no number of units", f"write 0 to {MOST_UNITS:,}")
    return int(text)


async def _form(request: Request) -> Form:
    raw = await read_body(request, MOST_BYTES)
    try:
        fields = parse_qsl(
            raw.decode(), keep_blank_values=True, strict_parsing=bool(raw), max_num_fields=MOST_FIELDS
        )
    except ValueError as error:
        raise Refused(400, "malformed", "this is no form", "send it from a page of the console") from error
    return Form(fields)


Sent = Annotated[Form, Depends(_form)]
"""A route's parameter: the form that was sent."""
