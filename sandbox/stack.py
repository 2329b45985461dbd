"""The embedded stack: Temporal, a real ERP, a Shopify-compatible store, worker and web, all on loopback.

Everything lives below one directory (``var/up``, ``var/demo``); the parts find each other by settings in the
environment, exactly as in production.
"""

import asyncio
import json
import secrets
import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from sandbox.processes import Part, PartFailed, free_port
from sandbox.tryton.server import DEFAULT_STATE_DIR as TRYTON_STATE
from sandbox.tryton.server import TrytonServer
from workflows.search import ALL as SEARCH_ATTRIBUTES

Say = Callable[[str], None]
CHANNEL = "shop"


@dataclass(frozen=True)
class Addresses:
    """Where the parts listen, and what it takes to get in; written to ``stack.json`` for other terminals."""

    temporal: str
    temporal_ui: str
    webhooks: str
    erp: str
    erp_database: str
    erp_login: str
    erp_password: str
    staff_login: str
    staff_password: str
    store: str
    store_token: str
    webhook_secret: str
    database_url: str

    def environment(self) -> dict[str, str]:
        """The settings of the application for this stack."""
        channel = f"ORDERWRIGHT_CHANNELS__{CHANNEL.upper()}__"
        return {
            "ORDERWRIGHT_DATABASE_URL": self.database_url,
            "ORDERWRIGHT_TEMPORAL__ADDRESS": self.temporal,
            "ORDERWRIGHT_TEMPORAL__UI_URL": self.temporal_ui,
            "ORDERWRIGHT_FEED_INTERVAL_SECONDS": "1",
            "ORDERWRIGHT_WEB__PORT": self.webhooks.rsplit(":", 1)[1].split("/")[0],
            "ORDERWRIGHT_ERP__VENDOR": "tryton",
            "ORDERWRIGHT_ERP__URL": self.erp,
            "ORDERWRIGHT_ERP__DATABASE": self.erp_database,
            "ORDERWRIGHT_ERP__LOGIN": self.erp_login,
            "ORDERWRIGHT_ERP__PASSWORD": self.erp_password,
            f"{channel}VENDOR": "shopify",
            f"{channel}URL": self.store,
            f"{channel}ACCESS_TOKEN": self.store_token,
            f"{channel}WEBHOOK_SECRET": self.webhook_secret,
            f"{channel}MAPPING": "shopify-tryton",
        }


class Stack:
    """All parts together. ``fresh`` forgets what an earlier run left in ``directory``.

    ``tryton_state`` is where Tryton is installed: stacks share it, each keeps its database in ``directory``.
    """

    def __init__(self, directory: Path, *, fresh: bool, say: Say, tryton_state: Path = TRYTON_STATE) -> None:
        self._directory = directory
        self._fresh = fresh
        self._say = say
        self._tryton_state = tryton_state
        self._exit = AsyncExitStack()
        self.parts: dict[str, Part] = {}
        self.erp: TrytonServer | None = None
        self._addresses: Addresses | None = None

    @property
    def addresses(self) -> Addresses:
        """Where everything is. Raises RuntimeError before the start."""
        if self._addresses is None:
            raise RuntimeError("the stack has not been started")
        return self._addresses

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._exit.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._exit.aclose()

    async def _start(self) -> None:
        if self._fresh:
            shutil.rmtree(self._directory, ignore_errors=True)
        self._directory.mkdir(parents=True, exist_ok=True)
        self._say("starting the ERP (Tryton) ...")
        self.erp = TrytonServer(
            self._tryton_state, data_dir=self._directory / "tryton", fresh=self._fresh, say=self._say
        )
        await self.erp.start()
        self._exit.push_async_callback(self.erp.stop)
        self._addresses = addresses = self._assign()
        self._say("starting Temporal, the store, worker and web ...")
        ui_port = int(addresses.temporal_ui.rsplit(":", 1)[1])
        await self._run(temporal_part(addresses.temporal, ui_port, self._directory))
        application = addresses.environment()
        command = [sys.executable, "-m", "orderwright"]
        await self._run(
            Part(
                "worker",
                [*command, "worker"],
                self._log("worker"),
                ready=lambda: self._logged("worker", "worker is up"),
                environment=application,
            )
        )
        await self._run(
            Part(
                "web",
                [*command, "web"],
                self._log("web"),
                ready=lambda: _answers(addresses.webhooks.split("/webhooks")[0] + "/readyz"),
                environment=application,
            )
        )
        await self._run(self._store(addresses))
        (self._directory / "stack.json").write_text(json.dumps(vars(addresses), indent=2), encoding="utf-8")
        (self._directory / "env").write_text(
            "".join(f"{name}={value}\n" for name, value in application.items()), encoding="utf-8"
        )

    async def watch(self) -> None:
        """Return only by raising PartFailed, when a part went away by itself."""
        assert self.erp is not None
        waits = [asyncio.create_task(part.wait()) for part in self.parts.values()]
        waits.append(asyncio.create_task(self._watch_erp(self.erp)))
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            done.pop().result()
        finally:
            for task in waits:
                task.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def _watch_erp(self, erp: TrytonServer) -> None:
        raise PartFailed(f"the ERP ended with status {await erp.wait()}; its log is {erp.log}")

    def _assign(self) -> Addresses:
        """Free ports and fresh secrets; a kept stack keeps its own, so that the store's state stays valid."""
        assert self.erp is not None
        kept = self._directory / "stack.json"
        before = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
        here = "http://127.0.0.1:"
        return Addresses(
            temporal=f"127.0.0.1:{free_port(7233)}",
            temporal_ui=f"{here}{free_port(8233)}",
            webhooks=f"{here}{free_port(8080)}/webhooks/{CHANNEL}",
            erp=self.erp.url,
            erp_database=self.erp.database,
            erp_login=self.erp.login,
            erp_password=self.erp.password,
            staff_login=self.erp.staff_login,
            staff_password=self.erp.staff_password,
            store=f"{here}{free_port(8090)}",
            store_token=before.get("store_token") or f"shpat_{secrets.token_hex(16)}",
            webhook_secret=before.get("webhook_secret") or secrets.token_hex(32),
            database_url=f"sqlite:///{self._directory / 'orderwright.db'}",
        )

    def _store(self, addresses: Addresses) -> Part:
        return Part(
            "store",
            [
                sys.executable, "-m", "sandbox.store", "serve",
                "--port", addresses.store.rsplit(":", 1)[1],
                "--state", str(self._directory / "store.sqlite"),
                "--webhook-url", addresses.webhooks,
            ],
            self._log("store"),
            ready=lambda: _answers(addresses.store + "/healthz"),
            # Not as arguments: those show in the process list.
            environment={
                "ORDERWRIGHT_SANDBOX_STORE_SECRET": addresses.webhook_secret,
                "ORDERWRIGHT_SANDBOX_STORE_TOKEN": addresses.store_token,
            },
        )  # fmt: skip

    async def _run(self, part: Part) -> None:
        self.parts[part.name] = part
        self._exit.push_async_callback(part.stop)
        await part.start()

    def _log(self, name: str) -> Path:
        return self._directory / "log" / f"{name}.log"

    async def _logged(self, name: str, words: str) -> bool:
        return words in await asyncio.to_thread(self._log(name).read_text, errors="replace")


def temporal_part(address: str, ui_port: int, directory: Path) -> Part:
    """The Temporal dev server on a file in ``directory``, with the search attributes of our orders."""
    binary, port = find_temporal(), address.rsplit(":", 1)[1]
    attributes: list[str] = []
    for key in SEARCH_ATTRIBUTES:
        attributes += ["--search-attribute", f"{key.name}=Keyword"]
    return Part(
        "temporal",
        [
            binary, "server", "start-dev", "--ip", "127.0.0.1", "--port", port, "--ui-port", str(ui_port),
            "--db-filename", str(directory / "temporal.sqlite"), "--log-level", "error", *attributes,
        ],
        directory / "log" / "temporal.log",
        ready=lambda: _temporal_serves(binary, address),
    )  # fmt: skip


def find_temporal() -> str:
    """The ``temporal`` command that came with the installation. Raises PartFailed with the remedy."""
    beside = Path(sys.executable).with_name("temporal")
    found = str(beside) if beside.is_file() else shutil.which("temporal")
    if found is None:
        raise PartFailed("the temporal command is missing; install the project again with: make setup")
    return found


async def _temporal_serves(binary: str, address: str) -> bool:
    return await _succeeds(
        [binary, "operator", "namespace", "describe", "--namespace", "default", "--address", address]
    )


async def _succeeds(command: Sequence[str]) -> bool:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    return await process.wait() == 0


async def _answers(url: str) -> bool:
    async with httpx.AsyncClient(timeout=2) as client:
        try:
            return (await client.get(url)).is_success
        except httpx.HTTPError:
            return False
