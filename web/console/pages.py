"""Turns what is known into pages. They run no scripts, load nothing from elsewhere, and are kept by no cache."""

import logging
import re
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote
from uuid import uuid4

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from domain.money import format_money
from domain.order import OrderKey
from web.console.notes import Notes
from web.console.people import person_of

log = logging.getLogger(__name__)

HERE = Path(__file__).parent
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
"""Of every answer: pages name buyers' orders, and words from outside stand in them."""
NOTHING = "-"
_HEADINGS = {
    401: "Who is there?",
    404: "Not found",
    405: "Not found",
    500: "Not shown",
    503: "Not shown",
}
_COMMANDS = re.compile(r"\s*\((?:or )?(?:orderwright |--)[^()]*\)")
"""What the command line calls it, always in brackets: on a page there are buttons."""


def page(notes: Notes, request: Request, template: str, **facts: Any) -> HTMLResponse:
    """The page of a template, with what came of a decision where the request asks for its note.

    ``message_id`` is new each time: a form of it that is sent twice counts once.
    """
    person = person_of(request)
    note = notes.read(request.query_params.get("note", ""), person, request.scope["path"])
    return _rendered(template, 200, person=person, note=note, message_id=uuid4().hex, **facts)


def answered(notes: Notes, request: Request, path: str, kind: str, text: str) -> RedirectResponse:
    """The way back to a page, which then says what came of the decision; loading it again decides nothing."""
    log.info("%s decided at %s: %s", person_of(request), request.scope["path"], kind)
    word = notes.keep(person_of(request), unquote(path), kind, text)
    return RedirectResponse(f"{path}?note={word}", 303, HEADERS)


def wrong(person: str, code: int, error: str, remedy: str, back: str = "") -> HTMLResponse:
    """The page that says what was not done, what helps, and where the page is that it was asked from."""
    heading = _HEADINGS.get(code, "Not done")
    return _rendered(
        "wrong.html", code, person=person, note=None, heading=heading, error=error, remedy=remedy, back=back
    )


def _rendered(template: str, code: int, **facts: Any) -> HTMLResponse:
    text = _templates().get_template(template).render(now=datetime.now(UTC), **facts)
    return HTMLResponse(text, code, HEADERS)


def order_path(key: OrderKey) -> str:
    """Where the page of an order is."""
    return f"/orders/{quote(key.channel, safe='')}/{quote(key.external_id, safe='')}"


def return_path(name: str) -> str:
    """Where the page of a return is that is named ``channel:external-id:return-id``."""
    channel, _, rest = name.partition(":")
    external_id, _, return_id = rest.rpartition(":")
    parts = (channel, external_id, return_id)
    return "/returns/" + "/".join(quote(part, safe="") for part in parts)


@cache
def _templates() -> Environment:
    templates = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {"money": _money, "time": _time, "words": _words, "ago": _ago, "plain": plain}
    templates.globals |= {"order_path": order_path, "return_path": return_path, "nothing": NOTHING}
    return templates


def _money(amount: Decimal | None, currency: str | None) -> str:
    return NOTHING if amount is None or currency is None else format_money(amount, currency)


def _time(moment: datetime | None) -> str:
    return NOTHING if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"


def _words(value: object) -> str:
    return str(value).replace("_", " ")


def plain(text: str) -> str:
    """Without what the command line calls it."""
    return _COMMANDS.sub("", text)


def _ago(moment: datetime, now: datetime) -> str:
    minutes = max(0, int((now - moment).total_seconds() // 60))
    for size, unit in ((1440, "d"), (60, "h")):
        if minutes >= size:
            return f"{minutes // size} {unit}"
    return f"{minutes} min"
