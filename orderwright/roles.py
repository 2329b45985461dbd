"""The long-running roles of a deployment, and the one-shot that prepares the tables."""

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import Annotated, Any

import httpx
import typer

from config.setting_groups import WebSettings
from config.settings import Settings
from orderwright.logs import configure_logs, secrets_of
from orderwright.terminal import AsJson, CommandFailed, invocation, print_json, print_json_line
from store.database import Database
from web.desk.operations import temporal
from workers.versions import NoSuchVersion, last_polled, make_current, named, pollers
from workers.worker import run_worker
from workflows.messages import ORDERS_QUEUE

CHECK_SECONDS = 5
LONGEST_ANSWER = 500
AsJsonLine = Annotated[
    bool,
    typer.Option(
        "--json", help="Say on standard output, in one line of JSON, when it is ready; or what --check found."
    ),
]


def worker(
    ctx: typer.Context,
    check: Annotated[
        bool,
        typer.Option("--check", help="Only say whether a worker of this machine polls; for health checks."),
    ] = False,
    promote: Annotated[
        bool,
        typer.Option("--promote", help="Only have the orders go on with this build (docs/upgrades.md)."),
    ] = False,
    as_json: AsJsonLine = False,
) -> None:
    """Carry orders: poll Temporal's task queues until stopped. Start more of them for more throughput."""
    settings = invocation(ctx).settings()
    if promote:
        build_id = asyncio.run(_promote(settings))
        if as_json:
            print_json({"current": build_id})
        else:
            typer.echo(f"orders go on with {named(build_id)}")
        return
    if check:
        polled = asyncio.run(_polled_from_here(settings))
        if as_json:
            print_json({"task_queue": ORDERS_QUEUE, "polled_at": polled})
        else:
            typer.echo(f"a worker polled at {polled:%H:%M:%S} UTC")
        return
    ready = partial(_tell_ready, "worker", as_json, temporal=settings.temporal.address)
    _run_role("worker", settings, lambda stop: _worker(settings, stop, ready))


def web(
    ctx: typer.Context,
    check: Annotated[
        bool,
        typer.Option("--check", help="Only say whether this address takes webhooks; for health checks."),
    ] = False,
    as_json: AsJsonLine = False,
) -> None:
    """Take webhooks, and hand them to Temporal, until stopped."""
    from web.server import run_web  # noqa: PLC0415  the web framework is loaded by the one role that needs it

    settings = invocation(ctx).settings()
    if check:
        report = _readiness(settings.web)
        if as_json:
            print_json(report)
        else:
            typer.echo("webhooks are taken")
        return

    def ready(address: str) -> None:
        webhooks = {channel: f"{address}/webhooks/{channel}" for channel in settings.channels}
        _tell_ready("web", as_json, webhooks=webhooks)

    _run_role("web", settings, lambda stop: run_web(settings, stop, ready))


def console(ctx: typer.Context, as_json: AsJsonLine = False) -> None:
    """Serve the pages on which people see orders, cases and returns, and decide about them, until stopped."""
    from web.console.server import run_console  # noqa: PLC0415  as above

    settings = invocation(ctx).settings()

    def ready(address: str) -> None:
        _tell_ready("console", as_json, console=address)

    _run_role("console", settings, lambda stop: run_console(settings, stop, ready))


def migrate(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Bring the tables of the store up to date. May be run at any time, and again."""
    settings = invocation(ctx).settings()
    database = Database(settings.database)
    try:
        database.migrate()
        if as_json:
            print_json({"database": str(database), "version": database.versions()[0]})
        else:
            typer.echo(f"{database}: the tables are up to date")
    finally:
        database.close()


def _tell_ready(role: str, as_json: bool, **facts: Any) -> None:
    """The log says it to people."""
    if as_json:
        print_json_line({"role": role, "ready": True} | facts)


def _readiness(settings: WebSettings) -> Any:
    """What ``/readyz`` says. Raises CommandFailed where webhooks are not taken."""
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  compared with, not listened on
    host = everywhere.get(settings.host, settings.host)
    address = f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"
    try:
        answer = httpx.get(f"{address}/readyz", timeout=CHECK_SECONDS, trust_env=False)
    except httpx.HTTPError as error:
        raise CommandFailed(f"nothing answers at {address}; start it with: orderwright web") from error
    if not answer.is_success:
        raise CommandFailed(f"webhooks are not taken at {address}: {answer.text[:LONGEST_ANSWER]}")
    return answer.json()


def _run_role(name: str, settings: Settings, role: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run until SIGINT or SIGTERM asks to stop; the role then finishes what is under way."""

    async def until_stopped() -> None:
        stop = asyncio.Event()
        for asked in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(asked, stop.set)
        await role(stop)

    from orderwright.telemetry import exported  # noqa: PLC0415  the exporters are loaded by the roles that may need them

    configure_logs(settings.log, secrets_of(settings))
    with exported(settings.otel_endpoint, name, trace_share=settings.otel_trace_share):
        asyncio.run(until_stopped())


async def _worker(settings: Settings, stop: asyncio.Event, ready: Callable[[], None]) -> None:
    async with temporal(settings.temporal):
        pass  # said in plain words here; the worker itself makes a connection of its own
    await run_worker(settings, stop, ready)


async def _promote(settings: Settings) -> str | None:
    """Make the build of these settings current. Raises CommandFailed where none of its workers polls."""
    async with temporal(settings.temporal) as client:
        try:
            await make_current(client, settings.temporal.build_id)
        except NoSuchVersion as error:
            raise CommandFailed(str(error)) from None
    return settings.temporal.build_id


async def _polled_from_here(settings: Settings) -> datetime:
    """When a worker of this machine polled last. Raises CommandFailed where that is long ago."""
    async with temporal(settings.temporal) as client:
        polling = await pollers(client)
    here = f"@{socket.gethostname()}"
    polled = [last_polled(poller) for poller in polling if poller.identity.endswith(here)]
    if not polled:
        raise CommandFailed(f"no worker of this machine polls the task queue {ORDERS_QUEUE!r}")
    return max(polled)
