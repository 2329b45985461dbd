"""Who uses the console, and that a decision comes from one of its own pages."""

import logging
import secrets
from base64 import b64decode
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlsplit

from fastapi import Request
from pydantic import SecretStr

from web.refusals import Refused

log = logging.getLogger(__name__)

_ONLY_READING = frozenset({"GET", "HEAD"})


def admission(users: Mapping[str, SecretStr]) -> Callable[[Request], Awaitable[None]]:
    """A dependency that lets in who is known, and what comes from our own pages. ``person_of`` then tells who asks.

    It raises Refused: 401 for strangers, 403 for decisions from elsewhere.
    """

    async def admit(request: Request) -> None:
        name, password = _said(request.headers.get("authorization", ""))
        if not name:
            raise _stranger("name and password are needed")
        known = users.get(name)
        # Compared in any case, so that nobody can time which names there are.
        expected = secrets.token_hex(16) if known is None else known.get_secret_value()
        same = secrets.compare_digest(password.encode(), expected.encode())
        if known is None or not same:
            log.warning("somebody with a wrong name or password asked for the console")
            raise _stranger("name or password is wrong")
        if request.method not in _ONLY_READING:
            _from_own_page(request)
        request.state.person = name

    return admit


def person_of(request: Request) -> str:
    """Who asks; empty for a stranger."""
    return str(getattr(request.state, "person", ""))


def _said(authorization: str) -> tuple[str, str]:
    """Name, in small letters, and password; empty where there are none. Browsers send them as UTF-8."""
    scheme, _, encoded = authorization.partition(" ")
    try:
        text = b64decode(encoded, validate=True).decode() if scheme.lower() == "basic" else ""
    except ValueError:
        text = ""
    name, _, password = text.partition(":")
    return name.lower(), password


def _from_own_page(request: Request) -> None:
    """A browser sends the password with any request to us, whoever's page made it. Raises Refused."""
    site = request.headers.get("sec-fetch-site")
    if site == "same-origin":
        return
    if site is None and _netloc(request.headers.get("origin", "")) == request.headers.get("host"):
        return
    raise Refused(
        403,
        "foreign_page",
        "this did not come from a page of the console",
        "open the page here and decide there; a proxy in front must pass the header Host on",
    )


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _stranger(error: str) -> Refused:
    return Refused(
        401, "stranger", error, "ask whoever runs Orderwright for ORDERWRIGHT_CONSOLE__USERS__<NAME>"
    )
