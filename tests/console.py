"""A console over a store and a Temporal client, asked as a browser asks."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from html import unescape

import httpx
from pydantic import SecretStr
from temporalio.client import Client

from config.setting_groups import ChannelSettings, ConsoleSettings, StorefrontVendor, TemporalSettings
from config.settings import Settings
from domain.mapping import Mapping
from store.database import Database
from web.console.app import create_console
from web.console.parts import LOOK_SECONDS, PATIENCE_SECONDS, Parts

WHO, PASSWORD = "ada", "twelve or more"
OWN_PAGE = {"Origin": "http://console"}


def settings() -> Settings:
    """One shop, and one person who may in."""
    return Settings(
        _env_file=None,
        temporal=TemporalSettings(ui_url="http://temporal.test"),
        channels={
            "shop": ChannelSettings(
                vendor=StorefrontVendor.MEMORY,
                url="http://127.0.0.1:1",
                access_token=SecretStr("t"),
                webhook_secret=SecretStr("a secret of ours"),
            )
        },
        console=ConsoleSettings(users={WHO: SecretStr(PASSWORD)}),
    )


@asynccontextmanager
async def console(
    client: Client,
    database: Database,
    mapping: Mapping,
    *,
    patience: float = PATIENCE_SECONDS,
    look_seconds: float = LOOK_SECONDS,
) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who is known, on a page of the console."""
    parts = Parts(settings(), database, client, {"shop": mapping}, patience, look_seconds)
    transport = httpx.ASGITransport(create_console(parts), raise_app_exceptions=False)
    with closing(parts):
        async with httpx.AsyncClient(
            transport=transport,
            base_url="http://console",
            auth=(WHO, PASSWORD),
            headers=OWN_PAGE,
            follow_redirects=True,
        ) as browser:
            yield browser


def read(answer: httpx.Response, code: int = 200) -> str:
    """What people read on a page, in one line; fails where it is not of that status."""
    assert answer.status_code == code, answer.text
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", answer.text)).split())


def shown(answer: httpx.Response) -> str:
    """The word for what a page shows, which its forms send back."""
    found = re.search(r'name="shown" value="([^"]+)"', answer.text)
    assert found is not None, answer.text
    return unescape(found[1])


def message_id(answer: httpx.Response) -> str:
    """The id that the forms of a page send."""
    found = re.search(r'name="message_id" value="([0-9a-f]{32})"', answer.text)
    assert found is not None, answer.text
    return found[1]
