"""The web process: ingress and dispatcher in one event loop, ended together."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial

import uvicorn
from fastapi import FastAPI
from temporalio.client import Client
from temporalio.service import RPCError

from adapters.ports import Probe
from adapters.registry import build_webhook_reader
from adapters.temporal import connect
from config.setting_groups import WebSettings
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

log = logging.getLogger(__name__)

REQUESTS_AT_ONCE = 100
"""Above it, 503: each holds a body in memory, and a storefront delivers again."""
GRACE_SECONDS = 10
KEEP_ALIVE_SECONDS = 75
"""An idle connection is kept longer than load balancers keep theirs (mostly 60): they answer 502 where it is not."""


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
        with _listening(settings.web) as listener:
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


class _Server(uvicorn.Server):
    """Leaves signals to the program around it, which also has a dispatcher to end."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _run_together(
    app: FastAPI,
    listener: socket.socket,
    dispatcher: Dispatcher,
    stop: asyncio.Event,
    ready: Callable[[str], None],
) -> None:
    server = _Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            limit_concurrency=REQUESTS_AT_ONCE,
            timeout_graceful_shutdown=GRACE_SECONDS,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
        )
    )

    async def end_in_order() -> None:
        """First no more webhooks, then no more hand-overs."""
        await stop.wait()
        server.should_exit = True
        await serving
        dispatcher.stop()

    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(server.serve(sockets=[listener]))
        tasks.create_task(dispatcher.run())
        tasks.create_task(end_in_order())
        host, port = listener.getsockname()[:2]
        address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        log.info("webhooks are taken at %s/webhooks/<channel>", address)
        ready(address)


@contextmanager
def _listening(web: WebSettings) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in web.host else socket.AF_INET
    try:
        listener = socket.create_server((web.host, web.port), family=family, backlog=256)
    except OSError as error:
        problem = (
            f"{variable('web', 'host')}, {variable('web', 'port')}: cannot listen on {web.host}:{web.port} "
            f"({error.strerror}); end what uses the port or choose another"
        )
        raise SettingsError([problem]) from error
    # asyncio sets it only for sockets that say they are TCP, and this one's protocol is 0; connections inherit it.
    # Without it the body of an answer waits 40 ms for the other side to acknowledge the head.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        yield listener
    finally:
        listener.close()
