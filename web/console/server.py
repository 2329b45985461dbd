"""The console's process."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import closing

from adapters.temporal import connect
from config.mappings import load_mappings
from config.settings import Settings, SettingsError, variable
from store.database import Database
from web.console.app import create_console
from web.console.parts import Parts
from web.serving import listening, serve

log = logging.getLogger(__name__)


async def run_console(
    settings: Settings, stop: asyncio.Event, ready: Callable[[str], None] = lambda _address: None
) -> None:
    """Serve the console until ``stop`` is set. Temporal may be away at the start; the tables have to be there.

    ``ready`` is called with the address once connections are taken.

    Raises SettingsError, MappingError, DatabaseUnavailable, SchemaOutdated.
    """
    if not settings.console.users:
        name = variable("console", "users", "<NAME>")
        raise SettingsError([f"nobody may use the console; set {name} to a password (docs/settings.md)"])
    files = load_mappings(settings)
    database = Database(settings.database)

    def listens(address: str) -> None:
        log.info("the console is at %s", address)
        ready(address)

    try:
        await asyncio.to_thread(database.check)
        client = await connect(settings.temporal, lazy=True)
        parts = Parts(settings, database, client, files)
        with closing(parts), listening(settings.console, "console") as listener:
            await serve(create_console(parts), listener, stop, listens)
    finally:
        database.close()
