"""What somebody sent with a form: read, or refused in words."""

import json
from collections.abc import Iterable
from hashlib import sha256
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Depends, Request
from pydantic import BaseModel

from web.console.acts import Act
from web.refusals import Refused, read_body
from workflows.messages import LONGEST_REASON

MOST_BYTES = 65_536
MOST_FIELDS = 2_000
MOST_UNITS = 1_000_000
_NOT_DECIDED = frozenset({"reason"})


class Form:
    """The fields of a form, by name."""

    def __init__(self, path: str, fields: Iterable[tuple[str, str]]) -> None:
        self._path = path
        # A database refuses a text with NUL in it, and nobody types one.
        self._fields = {name: value.replace("\0", "").strip() for name, value in fields}

    def __getitem__(self, name: str) -> str:
        """What stands in a field; empty where nothing does."""
        return self._fields.get(name, "")

    @property
    def message_id(self) -> str:
        """What is sent twice from one form counts once; another act of the page, or other units, is another message."""
        decided = sorted((name, value) for name, value in self._fields.items() if name not in _NOT_DECIDED)
        return sha256(json.dumps([self._path, decided]).encode()).hexdigest()[:32]

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
        """Units by what follows ``prefix`` in the fields' names, also 0; empty fields are left out. Raises Refused."""
        return {
            name.removeprefix(prefix): whole_number(value)
            for name, value in self._fields.items()
            if name.startswith(prefix) and value
        }

    def of_what_is_shown(self, now: str) -> None:
        """Raises Refused where what the form was shown with is not what there is now."""
        if self["shown"] != now:
            raise Refused(
                409,
                "changed",
                "nothing was decided: what this page showed has changed since",
                "look at it as it is now, and decide again",
            )


def digest(shown: BaseModel | None) -> str:
    """A short word for what a page shows, which its forms send back."""
    return sha256(b"" if shown is None else shown.model_dump_json().encode()).hexdigest()[:16]


def act_named(acts: dict[str, Act], name: str) -> Act:
    """The act of that name. Raises Refused."""
    if name not in acts:
        raise Refused(
            404, "unknown_act", f"nothing is called {name[:40]!r} here", "decide on the page itself"
        )
    return acts[name]


def whole_number(text: str) -> int:
    """Units as somebody typed them. Raises Refused."""
    readable = text.isascii() and text.isdecimal() and len(text) <= len(str(MOST_UNITS))
    if not readable or int(text) > MOST_UNITS:
        raise Refused(422, "no_number", f"{text[:20]!r} is no number of units", f"write 0 to {MOST_UNITS:,}")
    return int(text)


async def _form(request: Request) -> Form:
    raw = await read_body(request, MOST_BYTES, "write less")
    try:
        fields = parse_qsl(
            raw.decode(), keep_blank_values=True, strict_parsing=bool(raw), max_num_fields=MOST_FIELDS
        )
    except ValueError as error:
        raise Refused(400, "malformed", "this is no form", "send it from a page of the console") from error
    return Form(request.url.path, fields)


Sent = Annotated[Form, Depends(_form)]
"""A route's parameter: the form that was sent."""
