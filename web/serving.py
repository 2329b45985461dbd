"""How an application of ours is served over HTTP: where it listens, and how it ends."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from config.setting_groups import ConsoleSettings, WebSettings
from config.settings import SettingsError, variable

REQUESTS_AT_ONCE = 100
"""Above it, 503: each holds a body in memory, and who sent it sends it again."""
GRACE_SECONDS = 10
KEEP_ALIVE_SECONDS = 75
"""An idle connection is kept longer than load balancers keep theirs (mostly 60): they answer 502 where it is not."""


class _Server(uvicorn.Server):
    """Leaves signals to the program around it, which may have more to end."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(
    app: FastAPI, listener: socket.socket, stop: asyncio.Event, ready: Callable[[str], None]
) -> None:
    """Answer requests until ``stop`` is set, and finish those under way. ``ready`` is called with the address."""
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

    async def end_when_told() -> None:
        await stop.wait()
        server.should_exit = True

    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(server.serve(sockets=[listener]))
        tasks.create_task(end_when_told())
        host, port = listener.getsockname()[:2]
        ready(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")
        await serving


@contextmanager
def listening(where: WebSettings | ConsoleSettings, group: str) -> Iterator[socket.socket]:
    """A socket that listens there; ``group`` names the settings. Raises SettingsError."""
    family = socket.AF_INET6 if ":" in where.host else socket.AF_INET
    try:
        listener = socket.create_server((where.host, where.port), family=family, backlog=256)
    except OSError as error:
        problem = (
            f"{variable(group, 'host')}, {variable(group, 'port')}: cannot listen on {where.host}:{where.port} "
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
