"""Tryton as a running part of the sandbox: started on a free loopback port, ended by its process id."""

import asyncio
import contextlib
import json
import os
import signal
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import httpx

from sandbox.failures import PreparationFailed
from sandbox.tryton.environment import Say, prepare_environment, python_of
from sandbox.tryton.rpc import Refused, Rpc
from sandbox.tryton.template import (
    DATABASE,
    USERS,
    copy_template,
    prepare_template,
    tryton_environment,
    write_conf,
)

DEFAULT_STATE_DIR: Final = Path("var/tryton")
STARTUP: Final = 60.0
"""Seconds that the server has to answer its first call."""
SHUTDOWN: Final = 15.0
"""Seconds that it has to end after SIGTERM."""
_SERVE: Final = Path(__file__).with_name("serve.py")


def prepare(
    state_dir: Path = DEFAULT_STATE_DIR, say: Say = print, *, stop: threading.Event | None = None
) -> Path:
    """Install Tryton and build its seeded database where that is not done; returns the template. Blocks.

    Set ``stop`` from another thread to give up within a second. Raises PreparationFailed with the remedy.
    """
    state_dir = state_dir.resolve()
    python = prepare_environment(state_dir, say, stop=stop)
    return prepare_template(state_dir, python, say, stop=stop)


class TrytonServer:
    """The ERP's process.

    ``fresh`` starts from a new copy of the seeded database; otherwise the state of the last run is kept.
    ``data_dir`` holds the database (default: ``data`` in ``state_dir``): several servers of one state directory, such
    as those of tests, need one each. ``port`` 0 takes a free one.

    Started again after ``stop``, it is the same ERP coming back: same port, same data.
    """

    login: Final = "orderwright"
    staff_login: Final = "staff"
    database: Final = DATABASE

    def __init__(
        self,
        state_dir: Path = DEFAULT_STATE_DIR,
        *,
        data_dir: Path | None = None,
        port: int = 0,
        fresh: bool = True,
        say: Say = print,
    ) -> None:
        self._state_dir = state_dir.resolve()
        self._data_dir = (data_dir or self._state_dir / "data").resolve()
        self._wanted_port = port
        self._fresh = fresh
        self._say = say
        self._process: asyncio.subprocess.Process | None = None
        self._port = 0

    @property
    def password(self) -> str:
        """The application's."""
        return USERS[self.login]

    @property
    def staff_password(self) -> str:
        """The warehouse's and back office's."""
        return USERS[self.staff_login]

    @property
    def url(self) -> str:
        """Base address without the database."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        """Process id; also the id of its process group. Raises RuntimeError before the start."""
        if self._process is None:
            raise RuntimeError("Tryton has not been started")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether its process is there."""
        return self._process is not None and self._process.returncode is None

    @property
    def log(self) -> Path:
        """Where the server writes what went wrong."""
        return self._data_dir / "trytond.log"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Prepare what is missing, start, and return once the ERP has answered a login.

        Raises PreparationFailed, with the end of the log where the server gave up.
        """
        stop = threading.Event()
        try:
            template = await asyncio.to_thread(prepare, self._state_dir, self._say, stop=stop)
        finally:
            # A thread cannot be canceled: whoever cancels the start must not wait for the whole preparation.
            stop.set()
        self._data_dir.mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread(self._end_left_behind)
        database = self._data_dir / f"{DATABASE}.sqlite"
        if self._fresh or not database.is_file():
            await asyncio.to_thread(copy_template, template, database)
        self._fresh = False
        conf = self._data_dir / "trytond.conf"
        write_conf(conf, self._data_dir)
        with self.log.open("wb") as log:
            # A pipe as standard input: when this process dies, the server reads its end and stops.
            self._process = await asyncio.create_subprocess_exec(
                str(python_of(self._state_dir)),
                str(_SERVE),
                str(self._wanted_port),
                env=tryton_environment() | {"TRYTOND_CONFIG": str(conf), "TRYTOND_DATABASE_NAMES": DATABASE},
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        self._pid_file.write_text(json.dumps({"pid": self.pid, "conf": str(conf)}), encoding="utf-8")
        try:
            async with asyncio.timeout(STARTUP):
                await self._listening()
                await self.check()
        except BaseException as error:
            await self.stop()
            if isinstance(error, TimeoutError | httpx.HTTPError | Refused | PreparationFailed):
                raise PreparationFailed(f"Tryton did not come up: {error}\n{self._end_of_log()}") from error
            raise

    async def _listening(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        line = (await self._process.stdout.readline()).decode()
        if not line.startswith("listening "):
            raise PreparationFailed("its process ended" if not line else f"unexpected output {line!r}")
        self._port = self._wanted_port = int(line.split()[1])

    async def check(self) -> None:
        """A real answer: log in. Raises httpx.HTTPError or Refused where the ERP is not well."""
        async with Rpc(self.url, self.database, self.login, self.password) as rpc:
            await rpc.logout()

    async def wait(self) -> int:
        """Wait until the server ends by itself; returns its exit status."""
        if self._process is None:
            raise RuntimeError("Tryton has not been started")
        return await self._process.wait()

    def kill(self) -> None:
        """End the server as a crash would, for failure drills; ``wait`` for it, then ``start`` it again."""
        _signal_group(self.pid, signal.SIGKILL)

    async def stop(self) -> None:
        """End the server: SIGTERM, then SIGKILL for its whole process group. Stopping twice is fine."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            _signal_group(process.pid, signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), SHUTDOWN)
            except TimeoutError:
                _signal_group(process.pid, signal.SIGKILL)
                await process.wait()
        self._pid_file.unlink(missing_ok=True)

    @property
    def _pid_file(self) -> Path:
        return self._data_dir / "trytond.pid"

    def _end_left_behind(self) -> None:
        """End a server that a crashed run left on our database, and only that one."""
        try:
            left = json.loads(self._pid_file.read_text(encoding="utf-8"))
            pid, conf = int(left["pid"]), str(left["conf"])
        except (OSError, ValueError, KeyError, TypeError):
            return
        # A process id is used again sooner or later: make sure that this is still our server.
        if _is_server_of(pid, conf):
            self._say(f"ending the ERP that an earlier run left behind (process {pid})")
            _signal_group(pid, signal.SIGTERM)
            deadline = time.monotonic() + SHUTDOWN
            while _is_server_of(pid, conf) and time.monotonic() < deadline:
                time.sleep(0.1)
            if _is_server_of(pid, conf):
                _signal_group(pid, signal.SIGKILL)
        self._pid_file.unlink(missing_ok=True)

    def _end_of_log(self) -> str:
        try:
            return self.log.read_text(encoding="utf-8", errors="replace")[-2000:]
        except OSError:
            return ""


def _is_server_of(pid: int, conf: str) -> bool:
    """Whether ``pid`` runs our server on this configuration (Linux; elsewhere False, and the pipe ends it)."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False
    return str(_SERVE).encode() in command and f"TRYTOND_CONFIG={conf}".encode() in environment


def _signal_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)
