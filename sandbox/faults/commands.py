"""``orderwright faults``: run proxies that go wrong on order, and tell them how."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Annotated, Any

import httpx
import typer
import uvicorn
from pydantic import ValidationError

from sandbox.faults.client import ControlRefused, Faults
from sandbox.faults.control import create_app
from sandbox.faults.proxy import LOOPBACK, Proxy
from sandbox.faults.rules import Rule
from sandbox.faults.vendors import VENDORS
from sandbox.listening import KEEP_ALIVE

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Proxies before ERP and storefronts that go wrong on order (docs/drills.md).",
)

Url = Annotated[
    str, typer.Option("--url", envvar="ORDERWRIGHT_SANDBOX_FAULTS_URL", help="Address of the control API.")
]
ProxyName = Annotated[str, typer.Argument(metavar="PROXY", help="Name of the proxy, such as erp.")]
DEFAULT_URL = "http://127.0.0.1:8095"


@app.command("serve")
def run_server(
    proxy: Annotated[
        list[str],
        typer.Option(
            help="NAME=VENDOR,PORT,TARGET, such as erp=tryton,8001,http://127.0.0.1:8000; may be given again."
        ),
    ],
    control_port: Annotated[int, typer.Option(help="Port of the control API.")] = 8095,
) -> None:
    """Run until Ctrl-C or SIGTERM."""
    asyncio.run(_serve(dict(map(_proxy, proxy)), control_port))


@app.command("set")
def set_rule(
    proxy: ProxyName,
    rule: Annotated[
        str, typer.Argument(help='JSON, such as \'{"fault": "drop-answer", "calls": "writes"}\'.')
    ],
    url: Url = DEFAULT_URL,
) -> None:
    """Put a rule in force; prints its id."""
    try:
        wanted = Rule.model_validate_json(rule)
    except ValidationError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    _show(url, lambda faults: faults.set_rule(proxy, wanted))


@app.command()
def lift(proxy: ProxyName, number: int, url: Url = DEFAULT_URL) -> None:
    """Take one rule out of force."""
    _show(url, lambda faults: faults.lift(proxy, number))


@app.command()
def clear(proxy: ProxyName, url: Url = DEFAULT_URL) -> None:
    """Take all rules of a proxy out of force."""
    _show(url, lambda faults: faults.clear(proxy))


@app.command("list")
def list_proxies(url: Url = DEFAULT_URL) -> None:
    """The proxies and their rules."""
    _show(url, lambda faults: faults.proxies())


@app.command()
def log(proxy: ProxyName, after: int = 0, url: Url = DEFAULT_URL) -> None:
    """Calls that reached a proxy, oldest first."""
    _show(url, lambda faults: faults.log(proxy, after))


@app.command()
def counts(proxy: ProxyName, url: Url = DEFAULT_URL) -> None:
    """Calls counted."""
    _show(url, lambda faults: faults.counts(proxy))


def _proxy(text: str) -> tuple[str, Proxy]:
    name, _, rest = text.partition("=")
    vendor, _, rest = rest.partition(",")
    port, _, target = rest.partition(",")
    if vendor not in VENDORS or not port.isdecimal() or not target.startswith("http"):
        known = ", ".join(VENDORS)
        typer.echo(f"{text!r} is not NAME=VENDOR,PORT,TARGET; the vendors known are {known}", err=True)
        raise typer.Exit(2)
    return name, Proxy(target, VENDORS[vendor], port=int(port))


async def _serve(proxies: dict[str, Proxy], control_port: int) -> None:
    async with AsyncExitStack() as stack:
        for name, proxy in proxies.items():
            await stack.enter_async_context(proxy)
            typer.echo(f"{name}: {proxy.url} -> {proxy.target}")
        config = uvicorn.Config(
            create_app(proxies),
            host=LOOPBACK,
            port=control_port,
            log_level="warning",
            access_log=False,
            timeout_keep_alive=KEEP_ALIVE,
        )
        await uvicorn.Server(config).serve()


def _show(url: str, ask: Callable[[Faults], Awaitable[Any]]) -> None:
    async def asking() -> Any:
        async with Faults(url) as faults:
            return await ask(faults)

    try:
        answer = asyncio.run(asking())
    except ControlRefused as refusal:
        typer.echo(f"refused: {refusal}", err=True)
        raise typer.Exit(1) from refusal
    except httpx.TransportError as error:
        typer.echo(f"no proxies answer at {url} ({error}); start them, or name them with --url", err=True)
        raise typer.Exit(1) from error
    for line in answer if isinstance(answer, list) else [answer]:
        if line is not None:
            typer.echo(line.model_dump_json() if hasattr(line, "model_dump_json") else json.dumps(line))
