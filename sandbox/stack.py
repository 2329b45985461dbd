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
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from config.mappings import mapping_file
from sandbox.addresses import CHANNEL, Addresses, port_of
from sandbox.failures import PartFailed
from sandbox.processes import Part, free_port
from sandbox.stack_lock import StackLock
from sandbox.tryton.server import DEFAULT_STATE_DIR as TRYTON_STATE
from sandbox.tryton.server import TrytonServer
from web.codec import PATH as CODEC
from workflows.search import ALL as SEARCH_ATTRIBUTES

Say = Callable[[str], None]
_OURS = (sys.executable, "-m", "orderwright")
WORKER = ("orderwright", "worker")
"""The module that a worker is, and its arguments."""


class Stack:
    """All parts together. ``fresh`` forgets what an earlier run left in ``directory``; one that is up there is refused.

    ``tryton_state`` is where Tryton is installed: stacks share it, each keeps its database in ``directory``.
    ``memory_erp`` takes the memory ERP in Tryton's place, with so many seconds for each order. ``faults`` puts proxies
    before ERP (``erp``) and store (``store``), which go wrong on order (``sandbox.faults``). ``reserve`` has Tryton
    reserve stock as orders come in. Without ``known_ports``, and where there are proxies, the parts listen anywhere:
    such a stack may run beside others. ``console`` serves the console as well. ``mapping`` is the name or path of the
    mapping file. With ``rules_of_stock`` the store is told what it may sell: the mapping is copied to ``mapping.toml``
    in ``directory`` with that ``[stock]`` table, and read there from then on.
    """

    def __init__(
        self,
        directory: Path,
        *,
        fresh: bool,
        say: Say,
        tryton_state: Path = TRYTON_STATE,
        memory_erp: float | None = None,
        faults: bool = False,
        known_ports: bool = True,
        mapping: str = "shopify-tryton",
        rules_of_stock: str = "",
        reserve: bool = False,
        console: bool = False,
    ) -> None:
        self._directory = directory
        self._known_ports = known_ports and not faults
        self._memory_erp = memory_erp
        self._faults = faults
        self._mapping = mapping
        self._rules_of_stock = rules_of_stock
        self._reserve = reserve
        self._console = console
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

    @property
    def env_file(self) -> Path:
        """The application's settings, as a file."""
        return self._directory / "env"

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
        lock = StackLock(self._directory)
        lock.take()
        self._exit.callback(lock.give_back)
        if self._fresh:
            lock.clear()
        if self._rules_of_stock:
            self._mapping = mapping_with_stock(self._mapping, self._rules_of_stock, self._directory)
        if self._memory_erp is None:
            self._say("starting the ERP (Tryton) ...")
            self.erp = TrytonServer(
                self._tryton_state, data_dir=self._directory / "tryton", fresh=self._fresh, say=self._say
            )
            await self.erp.start()
            self._exit.push_async_callback(self.erp.stop)
        self._addresses = addresses = replace(self._assign(), erp_reserves=self._reserve)
        self._say("starting Temporal, the store, worker and web ...")
        if self._memory_erp is not None:
            await self._run(self.served_memory_erp("erp", addresses.erp))
        if self._faults:
            await self._run(self._proxies(addresses))
        ui_port = int(port_of(addresses.temporal_ui))
        codec = addresses.webhooks.split("/webhooks")[0] + CODEC
        await self._run(temporal_part(addresses.temporal, ui_port, self._directory, codec=codec))
        application = addresses.environment()
        await self.run_worker("worker")
        await self._run(
            Part(
                "web",
                [*_OURS, "web"],
                self._log("web"),
                ready=lambda: _answers(addresses.webhooks.split("/webhooks")[0] + "/readyz"),
                environment=application,
            )
        )
        if self._console:
            console = Part(
                "console",
                [*_OURS, "console"],
                self._log("console"),
                ready=lambda: _answers(addresses.console + "/healthz"),
                environment=application,
            )
            await self._run(console)
        await self._run(self._store(addresses))
        (self._directory / "stack.json").write_text(json.dumps(vars(addresses), indent=2), encoding="utf-8")
        self.env_file.write_text(
            "".join(f"{name}={value}\n" for name, value in application.items()), encoding="utf-8"
        )

    async def run_worker(
        self,
        name: str,
        build_id: str | None = None,
        *,
        code: Path | None = None,
        module: Sequence[str] = WORKER,
    ) -> None:
        """Start a worker as a part of that name.

        ``build_id`` is its version, ``code`` another checkout for it to run, ``module`` another program.
        """
        environment, python = self.addresses.environment(), [sys.executable]
        if build_id is not None:
            environment["ORDERWRIGHT_TEMPORAL__BUILD_ID"] = build_id
        if code is not None:
            # In our directory, where the settings' relative paths lead from, but without our code.
            python.append("-P")
            environment["PYTHONPATH"] = str(code)
        await self._run(
            Part(
                name,
                [*python, "-m", *module],
                self._log(name),
                ready=lambda: self.parts[name].has_logged("worker is up"),
                environment=environment,
            )
        )

    async def end_part(self, name: str) -> None:
        """End a part for good, politely; one that there is not any more is fine."""
        part = self.parts.pop(name, None)
        if part is not None:
            await part.stop()

    async def crash(self, part: str) -> None:
        """End a part (``erp``, ``worker``, ``web``, ``temporal``, ...) by SIGKILL; returns when it is gone."""
        if part == "erp" and self.erp is not None:
            self.erp.kill()
            await self.erp.wait()
        else:
            await self.parts[part].crash()

    async def revive(self) -> None:
        """Start what is not running, at its old address."""
        if self.erp is not None and not self.erp.running:
            await self.erp.start()
        for part in self.parts.values():
            if part.pid is None:
                await part.start()

    async def watch(self) -> None:
        """Return only by raising PartFailed, when a part went away by itself."""
        waits = [asyncio.create_task(part.wait()) for part in self.parts.values()]
        if self.erp is not None:
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
        kept = self._directory / "stack.json"
        before = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
        here = "http://127.0.0.1:"
        tryton = self.erp
        erp = tryton.url if tryton else f"{here}{self._choose_port(8075)}"
        store = f"{here}{self._choose_port(8090)}"
        return Addresses(
            temporal=f"127.0.0.1:{self._choose_port(7233)}",
            temporal_ui=f"{here}{self._choose_port(8233)}",
            webhooks=f"{here}{self._choose_port(8080)}/webhooks/{CHANNEL}",
            erp=erp,
            erp_database=tryton.database if tryton else "memory",
            erp_login=tryton.login if tryton else "orderwright",
            erp_password=tryton.password if tryton else "memory",
            staff_login=tryton.staff_login if tryton else "",
            staff_password=tryton.staff_password if tryton else "",
            store=store,
            store_token=before.get("store_token") or f"shpat_{secrets.token_hex(16)}",
            webhook_secret=before.get("webhook_secret") or secrets.token_hex(32),
            database_url=f"sqlite:///{self._directory / 'orderwright.db'}",
            erp_seen=f"{here}{self._choose_port(8076)}" if self._faults else erp,
            store_seen=f"{here}{self._choose_port(8091)}" if self._faults else store,
            erp_vendor="tryton" if tryton else "memory_server",
            faults=f"{here}{self._choose_port(8095)}" if self._faults else "",
            mapping=self._mapping,
            console=f"{here}{self._choose_port(8081)}" if self._console else "",
            console_password=(before.get("console_password") or secrets.token_urlsafe(12))
            if self._console
            else "",
        )

    def _choose_port(self, known: int) -> int:
        """The port that people know, where it is free. Asked by two stacks at once, both would take it for free."""
        return free_port(known if self._known_ports else 0)

    def served_memory_erp(self, name: str, url: str) -> Part:
        """A memory ERP with books of its own and this stack's pace, not started yet."""
        return Part(
            name,
            [
                sys.executable, "-m", "sandbox.memory_erp",
                "--port", port_of(url),
                "--state", str(self._directory / f"{name}.sqlite"),
                "--seconds-per-order", str(self._memory_erp or 0.0),
            ],
            self._log(name),
            ready=lambda: _answers(url + "/healthz"),
        )  # fmt: skip

    def _proxies(self, addresses: Addresses) -> Part:
        return Part(
            "faults",
            [
                sys.executable, "-m", "orderwright", "faults", "serve", "--control-port", port_of(addresses.faults),
                "--proxy", f"erp={addresses.erp_vendor},{port_of(addresses.erp_seen)},{addresses.erp}",
                "--proxy", f"store=shopify,{port_of(addresses.store_seen)},{addresses.store}",
            ],
            self._log("faults"),
            ready=lambda: _answers(addresses.faults + "/healthz"),
        )  # fmt: skip

    def _store(self, addresses: Addresses) -> Part:
        return Part(
            "store",
            [
                sys.executable, "-m", "sandbox.store", "serve",
                "--port", port_of(addresses.store),
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


def mapping_with_stock(mapping: str, rules: str, directory: Path) -> str:
    """Path of a copy in ``directory`` with a table ``[stock]``; one that is there may be changed by now, and stays."""
    copy = directory / "mapping.toml"
    if not copy.is_file():
        text = mapping_file(mapping).read_text(encoding="utf-8")
        copy.write_text(f"{text}\n[stock]\n{rules}", encoding="utf-8")
    return str(copy.absolute())


def temporal_part(address: str, ui_port: int, directory: Path, *, codec: str = "") -> Part:
    """The Temporal dev server on a file in ``directory``, with the search attributes of our orders.

    ``codec``: where its UI has payloads decompressed.
    """
    binary, port = find_temporal(), port_of(address)
    attributes: list[str] = []
    for key in SEARCH_ATTRIBUTES:
        attributes += ["--search-attribute", f"{key.name}=Keyword"]
    return Part(
        "temporal",
        [
            binary, "server", "start-dev", "--ip", "127.0.0.1", "--port", port, "--ui-port", str(ui_port),
            "--db-filename", str(directory / "temporal.sqlite"), "--log-level", "error", *attributes,
            *(["--ui-codec-endpoint", codec] if codec else []),
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
