"""The web process: ingress and dispatcher in one event loop, ended together."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

from fastapi import FastAPI
from temporalio.client import Client
from temporalio.service import RPCError

from adapters.ports import Probe
from adapters.registry import build_webhook_reader
from adapters.temporal import connect
from config.settings import Settings, SettingsError, variable
from store.database import Database
from store.figures import read_figures
from store.inbox import Inbox
from store.own_writes import OwnWrites
from web.app import create_app
from web.codec import add_codec
from web.dispatcher import Dispatcher
from web.gauges import StoreGauges
from web.hand_over import hand_over_to
from web.retention import purge_regularly
from web.serving import listening, serve

log = logging.getLogger(__name__)


async def run_web(
    settings: Settings, stop: asyncio.Event, ready: Callable[[str], None] = lambda _address: None
) -> None:
    """Take webhooks and hand them over until ``stop`` is set. Temporal may be away at the start.

    ``ready`` is called with the address once connections are taken.

    Raises SettingsError, DatabaseUnavailable, SchemaOutdated.
    """
    if not settings.channels:
        first = variable("channels", "<NAME>", "vendor")
        raise SettingsError([f"no channel is set; set {first} and its neighbours (docs/settings.md)"])
    readers = {channel: build_webhook_reader(channel, settings) for channel in settings.channels}
    database = Database(settings.database)
    try:
        await asyncio.to_thread(database.migrate)
        client = await connect(settings.temporal, lazy=True, traced=settings.otel_endpoint is not None)
        inbox = Inbox(database)
        StoreGauges(partial(read_figures, database))
        dispatcher = Dispatcher(inbox, hand_over_to(client, database))
        keep = timedelta(days=settings.web.keep_webhooks_days)
        app = create_app(
            readers,
            inbox,
            wake=dispatcher.wake,
            check_database=database.check,
            probe_temporal=temporal_probe(client),
            max_body=settings.web.max_body_bytes,
            keep=keep,
        )
        add_codec(app, settings.temporal.ui_url, settings.web.max_body_bytes)
        with listening(settings.web, "web") as listener:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(purge_regularly(inbox, OwnWrites(database), keep, stop))
                tasks.create_task(_run_together(app, listener, dispatcher, stop, ready))
    finally:
        database.close()


def temporal_probe(client: Client) -> Callable[[], Awaitable[Probe]]:
    """Says in words whether Temporal answers."""

    async def probe() -> Probe:
        try:
            healthy = await client.service_client.check_health(timeout=timedelta(seconds=2))
        except (RPCError, RuntimeError):
            healthy = False
        if healthy:
            return Probe(ok=True, detail="answers")
        return Probe(
            ok=False,
            detail="does not answer; webhooks wait in the inbox",
            remedy=f"start Temporal, or correct {variable('temporal', 'address')}",
        )

    return probe


async def _run_together(
    app: FastAPI,
    listener: socket.socket,
    dispatcher: Dispatcher,
    stop: asyncio.Event,
    ready: Callable[[str], None],
) -> None:
    def listens(address: str) -> None:
        log.info("webhooks are taken at %s/webhooks/<channel>", address)
        ready(address)

    async def serve_first() -> None:
        """First no more webhooks, then no more hand-overs."""
        await serve(app, listener, stop, listens)
        dispatcher.stop()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(dispatcher.run())
        tasks.create_task(serve_first())
