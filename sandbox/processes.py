"""Child processes of the sandbox: started on loopback, watched, and ended by process id."""

import asyncio
import contextlib
import os
import random
import signal
import socket
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from sandbox.failures import PartFailed

GRACE_SECONDS = 10.0
LAST_LINES = 15
_OWN_PORTS = (18_000, 32_000)
_MOST_DRAWS = 100
_MOST_CLAIMS = 200
_claims: deque[int] = deque()
"""Descriptors of UDP sockets on the ports drawn last; the end of the process closes them. Nothing here speaks UDP: they
only tell every process that a port is given."""


def free_port(preferred: int = 0) -> int:
    """A loopback port that nobody listens on right now: the preferred one where it is free.

    Any other is drawn from below those that systems give to outgoing connections (from 32,768 on): one of these could
    be taken by somebody's call before it is listened on. The last 200 that were drawn are not drawn again, by whichever
    process, while this one lives. Raises PartFailed where none is free.
    """
    if preferred and _nobody_listens(preferred):
        return preferred
    draw = random.SystemRandom()
    # A sequence with a seed would come to the same ports in two processes that were seeded alike.
    for wanted in (draw.randrange(*_OWN_PORTS) for _ in range(_MOST_DRAWS)):
        # Claimed before it is probed: a port that somebody was given a moment ago is not listened on yet.
        claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            claim.bind(("127.0.0.1", wanted))
        except OSError:
            claim.close()
            continue
        if _nobody_listens(wanted):
            _claims.append(claim.detach())
            if len(_claims) > _MOST_CLAIMS:
                os.close(_claims.popleft())
            return wanted
        claim.close()
    raise PartFailed("no loopback port is free")


def _nobody_listens(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


class Part:
    """One child process with its log file. ``ready`` answers True once it serves."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log_file: Path,
        *,
        ready: Callable[[], Awaitable[bool]],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self._command = command
        self._log_file = log_file
        self._ready = ready
        self._environment = {**os.environ, **(environment or {})}
        self._process: asyncio.subprocess.Process | None = None
        self._log_begins = 0

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def start(self, within_seconds: float = 60) -> None:
        """Start and wait until it serves. Raises PartFailed."""
        self._log_file.parent.mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread(self._end_left_behind)
        # After a crash it is kept: what it said before may tell why.
        with self._log_file.open("ab" if self._process else "wb") as log:
            self._log_begins = log.tell()
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                # Its own group: a Ctrl-C in the terminal reaches us alone, and we end the parts in order.
                start_new_session=True,
            )
        self._pid_file.write_text(str(self._process.pid), encoding="utf-8")
        try:
            async with asyncio.timeout(within_seconds):
                while not await self._ready():
                    if self._process.returncode is not None:
                        raise PartFailed(
                            f"{self.name} ended with status {self._process.returncode}{self._log_tail()}"
                        )
                    await asyncio.sleep(0.1)
        except TimeoutError:
            await self.stop()
            raise PartFailed(
                f"{self.name} was not ready within {within_seconds:.0f} s{self._log_tail()}"
            ) from None

    async def wait(self) -> None:
        """Return only by raising PartFailed: a part is not supposed to end by itself."""
        assert self._process is not None
        status = await self._process.wait()
        raise PartFailed(f"{self.name} ended with status {status}{self._log_tail()}")

    async def stop(self) -> None:
        """End it: a polite signal first, SIGKILL after ``GRACE_SECONDS``."""
        process, self._process = self._process, None
        self._pid_file.unlink(missing_ok=True)
        if process is None or process.returncode is not None:
            return
        _signal_group(process.pid, signal.SIGTERM)
        try:
            async with asyncio.timeout(GRACE_SECONDS):
                await process.wait()
        except TimeoutError:
            _signal_group(process.pid, signal.SIGKILL)
            await process.wait()

    async def has_logged(self, words: str) -> bool:
        """Whether it wrote these words since it was started."""

        def read() -> bytes:
            with self._log_file.open("rb") as log:
                log.seek(self._log_begins)
                return log.read()

        return words.encode() in await asyncio.to_thread(read)

    def kill(self) -> None:
        """End it as a crash would, for failure drills."""
        if self.pid is not None:
            _signal_group(self.pid, signal.SIGKILL)

    async def crash(self) -> None:
        """``kill`` it and wait until it is gone; ``start`` brings it back, its log going on."""
        process = self._process
        self.kill()
        if process is not None:
            await process.wait()
        self._pid_file.unlink(missing_ok=True)

    @property
    def _pid_file(self) -> Path:
        return self._log_file.with_suffix(".pid")

    def _end_left_behind(self) -> None:
        """End the process that a killed run left running here, and only that one."""
        try:
            pid = int(self._pid_file.read_text(encoding="utf-8"))
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return
        # A process id is used again sooner or later: make sure that this is still our part.
        if command and os.fsdecode(command[0]).endswith(Path(self._command[0]).name):
            _signal_group(pid, signal.SIGKILL)

    def _log_tail(self) -> str:
        lines = self._log_file.read_text(errors="replace").splitlines()[-LAST_LINES:]
        return f"; its log {self._log_file} ends with:\n" + "\n".join(f"  {line}" for line in lines)


def _signal_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)
